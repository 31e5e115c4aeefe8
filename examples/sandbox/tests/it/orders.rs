//! Orders out of a file.

use std::{fs, path::PathBuf, time::Duration};

use adconversion_sandbox::{
    options::Options,
    serve,
    world::{Shared, lock},
};

const FORM: &str = "78c2891f-ebdd-44c0-bd94-15c012bbbfbf";

/// Options with this text in a file of the test's own.
fn ordered(name: &str, text: &str) -> Options {
    let path: PathBuf = std::env::temp_dir().join(format!("adconversion-orders-{}-{name}.json", std::process::id()));
    fs::write(&path, text).unwrap();
    Options {
        listen: "127.0.0.1:0".to_owned(),
        admin: "127.0.0.1:0".to_owned(),
        orders: Some(path),
        ..Options::default()
    }
}

fn counts(shared: &Shared) -> (usize, usize) {
    let mut world = lock(shared);
    let portal = world.hubspot.portal_mut(None).unwrap();
    (portal.contacts.records.len(), portal.forms.submissions.len())
}

#[tokio::test]
async fn they_seed_a_portal_and_go_on() {
    let text = format!(
        r#"{{"start": [
            {{"path": "/admin/hubspot/forms", "body": [{{"id": "{FORM}", "name": "Demo request"}}]}},
            {{"path": "/admin/hubspot/generate", "body": {{"count": 5}}}}],
          "repeat": {{"every": "20ms", "orders": [
            {{"path": "/admin/hubspot/submissions", "body": [{{"formId": "{FORM}", "email": "v-{{n}}@example.com"}}]}}]}}}}"#
    );
    let running = serve::start(&ordered("seed", &text)).await.unwrap();
    assert_eq!(counts(&running.shared), (5, 0), "the start is over before it listens");
    let two = async {
        // Each round another visitor.
        while counts(&running.shared) < (7, 2) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), two)
        .await
        .expect("two rounds");
}

#[tokio::test]
async fn a_mistake_in_them_is_no_start() {
    let cases = [
        ("json", "{", "EOF"),
        ("word", r#"{"begin": []}"#, "begin"),
        ("pause", r#"{"repeat": {"every": "0s", "orders": []}}"#, "no pause"),
        (
            "refused",
            r#"{"start": [{"path": "/admin/hubspot/submissions", "body": [{"formId": "x"}]}]}"#,
            "no form x",
        ),
        ("path", r#"{"start": [{"path": "/admin/nowhere", "body": {}}]}"#, "404"),
    ];
    for (name, text, says) in cases {
        let error = serve::start(&ordered(name, text))
            .await
            .err()
            .expect("a refusal")
            .to_string();
        assert!(error.contains(says), "{name}: {error}");
    }
}
