#![allow(clippy::unwrap_used)]

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::*;

fn sorted(objects: Vec<Value>, only: Option<&str>) -> Manifests {
    let document = |object| Document {
        file: "x.yaml".to_owned(),
        object,
    };
    Manifests::from_documents(objects.into_iter().map(document).collect(), "marketing", only)
}

fn event(name: &str) -> Value {
    json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent", "metadata": {"name": name},
        "spec": {
            "googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"},
            "trigger": {"lifecycleStage": {"stage": "customer"}},
        },
    })
}

#[test]
fn kinds_are_told_apart_and_others_are_left_out() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}});
    let found = sorted(vec![event("won"), pod.clone()], None);
    assert!(found.refused.is_empty(), "{:?}", found.refused);
    assert_eq!(
        found.events.keys().map(ToString::to_string).collect::<Vec<_>>(),
        ["marketing/won"]
    );
    assert!(sorted(vec![pod], None).is_empty());
}

#[test]
fn what_the_api_server_would_refuse_is_named() {
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut object = event("won");
        edit(&mut object);
        let found = sorted(vec![object], None);
        assert!(found.events.is_empty(), "it was taken");
        let refused = found.refused.first().unwrap();
        assert_eq!(refused.file, "x.yaml");
        format!("{}: {}", refused.object, refused.message)
    };
    let said = with(&|object| object["spec"]["shareEverything"] = json!(["Email"]));
    assert_eq!(
        said,
        "AdConversionEvent marketing/won: There is no field spec.shareEverything. Correct or remove it."
    );
    let said = with(&|object| object["spec"]["trigger"]["lifecycleStage"]["label"] = json!("x"));
    assert!(said.contains("spec.trigger.lifecycleStage.label"), "{said}");
    let said = with(&|object| object["spec"]["suspend"] = json!("maybe"));
    assert!(said.contains("maybe") && said.contains("boolean"), "{said}");
    let said = with(&|object| object["apiVersion"] = json!("adconversion.dev/v2"));
    assert!(said.contains("must be adconversion.dev/v1alpha1"), "{said}");
    let said = with(&|object| object["kind"] = json!("Odd\u{1b}[2J"));
    assert!(
        said.contains("no kind of this operator") && !said.contains('\u{1b}'),
        "{said}"
    );
    let said = with(&|object| object["metadata"] = json!({}));
    assert!(said.contains("metadata.name is missing"), "{said}");
    assert!(!sorted(vec![event("won")], Some("sales")).refused.is_empty());
    let twice = sorted(vec![event("won"), event("won")], None);
    assert!(twice.refused[0].message.contains("twice"), "{:?}", twice.refused);
}

#[test]
fn both_ways_to_write_a_secret_are_read_and_no_value_is_quoted() {
    let secret = |data: Value| {
        let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hubspot"}, "data": data,
            "stringData": {"clientId": "app"}});
        let mut found = sorted(vec![object], None);
        found.secrets.remove(&ObjectKey::new("marketing", "hubspot")).unwrap()
    };
    let read = secret(json!({"accessToken": "c2VzYW1l", "clientId": "b2xk"})).unwrap_or_else(|f| panic!("{f:?}"));
    assert_eq!(read["accessToken"].expose_secret(), "sesame");
    assert_eq!(
        read["clientId"].expose_secret(),
        "app",
        "stringData wins, as in Kubernetes"
    );
    for bad in [
        json!({"accessToken": "sesame!"}),
        json!({"accessToken": 5}),
        json!("sesame"),
    ] {
        let fault = secret(bad).err().unwrap();
        assert!(
            fault.message.contains("hubspot") && !fault.message.contains("sesame"),
            "{fault:?}"
        );
    }
}
