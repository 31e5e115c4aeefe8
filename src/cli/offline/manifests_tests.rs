#![allow(clippy::unwrap_used)]

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::*;

fn sorted(objects: Vec<Value>, only: Option<&str>) -> Manifests {
    let document = |(number, object)| Document {
        place: Place {
            file: "x.yaml".to_owned(),
            document: number + 1,
            item: String::new(),
        },
        object,
    };
    let documents = objects.into_iter().enumerate().map(document).collect();
    Manifests::from_documents(documents, "marketing", only)
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
        refused.to_string()
    };
    let said = with(&|object| object["spec"]["shareEverything"] = json!(["Email"]));
    assert_eq!(
        said,
        "x.yaml, document 1: AdConversionEvent marketing/won: There is no field spec.shareEverything. Correct or remove it."
    );
    let said = with(&|object| object["spec"]["trigger"]["lifecycleStage"]["label"] = json!("x"));
    assert!(said.contains("spec.trigger.lifecycleStage.label"), "{said}");
    let said = with(&|object| object["spec"]["suspend"] = json!("maybe"));
    assert!(said.contains("maybe") && said.contains("boolean"), "{said}");
    let said = with(&|object| object["apiVersion"] = json!("adconversion.dev/v2"));
    assert!(said.contains("must be adconversion.dev/v1alpha1"), "{said}");
    let said = with(&|object| object["kind"] = json!("Odd\u{1b}[2J"));
    assert!(
        said.contains("kind must be AdConversionEvent") && !said.contains('\u{1b}'),
        "{said}"
    );
    let said = with(&|object| object["metadata"] = json!({}));
    assert!(said.contains("metadata.name is missing"), "{said}");
    assert!(!sorted(vec![event("won")], Some("sales")).refused.is_empty());
    let said = with(&|object| object["specs"] = json!({}));
    assert!(said.contains("no field specs."), "{said}");
    let said = with(&|object| object["metadata"]["label"] = json!({}));
    assert!(said.contains("no field metadata.label."), "{said}");
    let said = with(&|object| object["metadata"]["labels"] = json!({"a": 5}));
    assert!(said.contains("metadata.labels.a is wrong"), "{said}");
    let said = with(&|object| object["metadata"]["name"] = json!(5));
    assert!(said.contains("metadata.name must be a string"), "{said}");
    let said = with(&|object| _ = object.as_object_mut().unwrap().remove("spec"));
    assert!(said.contains("spec is missing"), "{said}");
}

#[test]
fn no_name_that_is_none_becomes_part_of_a_path() {
    for odd in [
        "a#b",
        "a?dryRun=All",
        "a/b",
        "..",
        "../../secrets/x",
        "A",
        "a\u{1b}[2J",
        "é",
    ] {
        let with = |edit: &dyn Fn(&mut Value)| {
            let mut object = event("won");
            edit(&mut object);
            let found = sorted(vec![object], None);
            assert!(found.events.is_empty() && found.refused.len() == 1, "{odd:?} was taken");
            let said = found.refused[0].to_string();
            assert!(said.starts_with("x.yaml, document 1: AdConversionEvent"), "{said}");
            assert!(
                said.contains("Use lower-case letters") && !said.contains('\u{1b}'),
                "{said}"
            );
            said
        };
        let said = with(&|object| object["metadata"]["name"] = json!(odd));
        assert!(said.contains("metadata.name \""), "{said}");
        let said = with(&|object| object["metadata"]["namespace"] = json!(odd));
        assert!(said.contains("metadata.namespace \""), "{said}");
        for field in ["googleAdsAccountRef", "hubSpotAccountRef"] {
            let said = with(&|object| object["spec"][field]["name"] = json!(odd));
            assert!(said.contains(&format!("spec.{field}.name \"")), "{said}");
        }
        let account = json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": "HubSpotAccount",
            "metadata": {"name": "acme"}, "spec": {"credentialsSecretRef": {"name": odd}}});
        let found = sorted(vec![account], None);
        assert!(
            found.refused[0].message.contains("spec.credentialsSecretRef.name \""),
            "{:?}",
            found.refused
        );
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": odd}});
        let found = sorted(vec![secret], None);
        assert!(
            found.secrets.is_empty() && found.refused[0].message.contains("metadata.name \""),
            "{:?}",
            found.refused
        );
    }
}

#[test]
fn no_document_is_dropped_silently() {
    let large = "x".repeat(1 << 20);
    for object in [
        json!({"a": large}),
        json!(large),
        json!([large]),
        json!({"kind": "Pod"}),
        json!({"apiVersion": "v1"}),
    ] {
        let found = sorted(vec![event("won"), object], None);
        assert_eq!(found.events.len(), 1);
        let said = found.refused[0].to_string();
        assert!(
            said.starts_with("x.yaml, document 2: ") && said.contains("missing"),
            "{said}"
        );
        assert!(said.len() < 200, "{said}");
    }
}

#[test]
fn what_stands_twice_is_named_with_both_places() {
    let of = |kind: &str, spec: Value| json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": kind, "metadata": {"name": "acme"}, "spec": spec});
    let objects = [
        event("won"),
        of("GoogleAdsAccount", json!({"customerId": "1234567890"})),
        of("HubSpotAccount", json!({"credentialsSecretRef": {"name": "hubspot"}})),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hubspot"}, "stringData": {"accessToken": "x"}}),
    ];
    let twice = [objects.clone(), objects].concat();
    let found = sorted(twice, None);
    let said: Vec<_> = found.refused.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 4, "{said:?}");
    for (number, said) in said.iter().enumerate() {
        let (here, first) = (
            format!("x.yaml, document {}: ", number + 5),
            format!("first in x.yaml, document {}. ", number + 1),
        );
        assert!(said.starts_with(&here) && said.contains(&first), "{said}");
    }
    assert_eq!(
        (
            found.events.len(),
            found.google.len(),
            found.hubspot.len(),
            found.secrets.len()
        ),
        (1, 1, 1, 1)
    );
    // Another namespace is another object.
    let mut other = event("won");
    other["metadata"]["namespace"] = json!("sales");
    assert!(sorted(vec![event("won"), other], None).refused.is_empty());
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
