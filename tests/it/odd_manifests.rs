//! Manifests that no API server would take, given to `check`, `plan` and `import` as files: each is named with its
//! file, document and field, and nothing of it reaches the path of a request.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, thread};

use serde_json::{Value, json};
use xtask::process::{self, Output};

/// A cluster that has nothing and remembers what it was asked, and a directory with manifests.
struct Place {
    directory: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
}

/// There are no events, and nothing else is known.
fn answer_to(request: &str) -> String {
    let list = r#"{"kind":"List","apiVersion":"adconversion.dev/v1alpha1","metadata":{},"items":[]}"#;
    let none = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}"#;
    let (status, body) = if request.contains("/adconversionevents?") {
        ("200 OK", list)
    } else {
        ("404 Not Found", none)
    };
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

impl Place {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("odd-manifests-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                let length = stream.read(&mut request).unwrap();
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                let line = text.lines().next().unwrap_or_default().to_owned();
                let answer = answer_to(&line);
                heard.lock().unwrap().push(line);
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": server}}], "users": [{"name": "u", "user": {"token": "x"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "marketing"}}]});
        let place = Self { directory, asked };
        place.write("kubeconfig", &config.to_string());
        place
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.directory.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = process::tied(Path::new(env!("CARGO_BIN_EXE_adconversion")));
        command
            .args(arguments)
            .arg("--kubeconfig")
            .arg(self.directory.join("kubeconfig"));
        // Nobody is to be asked there.
        command.args([
            "--hubspot-endpoint",
            "http://127.0.0.1:9",
            "--google-ads-endpoint",
            "http://127.0.0.1:9",
        ]);
        process::run(command, None, Duration::from_mins(1)).unwrap()
    }

    /// What a command that ended with this code said on both streams.
    fn said(&self, arguments: &[&str], code: i32) -> String {
        let done = self.run(arguments);
        let said = done.stdout + &done.stderr;
        assert_eq!(done.status.code(), Some(code), "{arguments:?}: {said}");
        let unseen = said.chars().find(|c| c.is_control() && *c != '\n');
        assert!(
            unseen.is_none() && said.len() < 20_000,
            "{unseen:?}: {} bytes: {said}",
            said.len()
        );
        said
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).unwrap();
    }
}

fn event(edit: impl FnOnce(&mut Value)) -> String {
    let mut event = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent", "metadata": {"name": "won"},
        "spec": {
            "googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"},
            "trigger": {"lifecycleStage": {"stage": "customer"}},
        },
    });
    edit(&mut event);
    event.to_string()
}

/// Documents that come second in their file, and what is to be said of each.
fn odd_documents() -> Vec<(String, &'static str)> {
    let large = "x".repeat(1 << 20);
    let account = json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": "HubSpotAccount",
        "metadata": {"name": "acme"}, "spec": {"credentialsSecretRef": {"name": "../configmaps/x"}}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hub?spot"}});
    vec![
        (event(|e| e["metadata"]["name"] = json!("a#b")), "metadata.name \"a#b\""),
        (
            event(|e| e["metadata"]["namespace"] = json!("a/../b")),
            "metadata.namespace \"a/../b\"",
        ),
        (
            event(|e| e["spec"]["googleAdsAccountRef"]["name"] = json!("a?b")),
            "spec.googleAdsAccountRef.name \"a?b\"",
        ),
        (
            event(|e| e["spec"]["hubSpotAccountRef"]["name"] = json!("..")),
            "spec.hubSpotAccountRef.name \"..\"",
        ),
        (
            account.to_string(),
            "spec.credentialsSecretRef.name \"../configmaps/x\"",
        ),
        (secret.to_string(), "metadata.name \"hub?spot\""),
        ("a: b".to_owned(), "apiVersion and kind are missing"),
        (large.clone(), "apiVersion and kind are missing"),
        (
            event(|e| e["spec"]["eventName"] = json!(large)),
            "spec.eventName has 1048576 characters",
        ),
        (
            event(|e| e["spec"]["suspend"] = json!("yes\u{1b}[2J")),
            "spec.suspend must be a boolean",
        ),
        (
            event(|e| e["spec"]["deletionPolicy"] = json!("Keep")),
            "spec.deletionPolicy must be Orphan or Delete",
        ),
        (
            event(|e| e["spec"]["shareEverything"] = json!(true)),
            "no field spec.shareEverything",
        ),
    ]
}

#[test]
fn each_is_named_with_its_place_and_nothing_is_asked_about_it() {
    let place = Place::new("named");
    for (document, part) in odd_documents() {
        let file = place.write("odd.yaml", &format!("kind: Other\napiVersion: v1\n---\n{document}\n"));
        for command in [
            vec!["check"],
            vec!["plan"],
            vec!["import", "--google-ads-account", "acme"],
        ] {
            let code = if command[0] == "import" { 2 } else { 1 };
            let said = place.said(&[&command[..], &["-f", &file]].concat(), code);
            assert!(
                said.contains("odd.yaml, document 2") && said.contains(part),
                "no {part:?} in {said}"
            );
        }
    }
    let asked = place.asked.lock().unwrap();
    for request in asked.iter() {
        let path = request.split(' ').nth(1).unwrap();
        let plain = |c: char| c.is_ascii_alphanumeric() || "/.-".contains(c);
        let path = path.split('?').next().unwrap();
        assert!(path.chars().all(plain) && !path.contains(".."), "{request}");
        assert!(!path.contains("configmaps") && !path.contains("hub"), "{request}");
    }
}

#[test]
fn names_on_the_command_line_are_judged_too() {
    let place = Place::new("flags");
    for odd in ["a#b", "..", "a?b", "a%2fb", "A"] {
        for (arguments, flag) in [
            (vec!["plan", odd], "[NAME]"),
            (vec!["check", odd], odd),
            (vec!["plan", "--namespace", odd], "--namespace"),
            (vec!["import", "--google-ads-account", odd], "--google-ads-account"),
            (
                vec!["import", "--google-ads-account", "acme", "--hubspot-account", odd],
                "--hubspot-account",
            ),
        ] {
            let said = place.said(&arguments, 2);
            assert!(
                said.contains(flag) && said.contains("Use lower-case letters"),
                "{arguments:?}: {said}"
            );
        }
    }
    assert_eq!(*place.asked.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn what_stands_twice_is_named_with_both_places() {
    let place = Place::new("twice");
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hubspot"}});
    let file = place.write("a.yaml", &format!("{}\n---\n{secret}\n", event(|_| ())));
    let other = place.write("b.yaml", &format!("{secret}\n---\n{}\n", event(|_| ())));
    let said = place.said(&["check", "-f", &file, "-f", &other], 1);
    for parts in [
        ["b.yaml, document 1", "a.yaml, document 2"],
        ["b.yaml, document 2", "a.yaml, document 1"],
    ] {
        assert!(parts.iter().all(|part| said.contains(part)), "no {parts:?} in {said}");
    }
    assert_eq!(said.matches("It appears twice").count(), 2, "{said}");
}

#[test]
fn a_plan_of_nothing_says_so() {
    let place = Place::new("nothing");
    let account = json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": "HubSpotAccount",
        "metadata": {"name": "acme"}, "spec": {"credentialsSecretRef": {"name": "hubspot"}}});
    let file = place.write("account.yaml", &account.to_string());
    let said = place.said(&["plan", "-f", &file], 0);
    assert_eq!(said, "The files contain no event, so there is nothing to plan.\n");
    let said = place.said(&["plan"], 2);
    assert!(said.contains("namespace marketing has no event to plan"), "{said}");
    let said = place.run(&["plan", "-f", &file, "-o", "json"]).stdout;
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["events"], json!([]));
}
