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
fn an_event_of_another_namespace_is_pointed_to() {
    let mut other = event("won");
    other["metadata"]["namespace"] = json!("sales");
    let found = sorted(vec![other], None);
    let hint = |name| found.elsewhere(&ObjectKey::new("default", name));
    assert_eq!(hint("won"), " The files have it in namespace sales: name that with -n.");
    assert_eq!(hint("lost"), "");
}

#[test]
fn an_object_that_is_no_good_is_found_among_the_refused() {
    let account = json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": "GoogleAdsAccount",
        "metadata": {"name": "acme"}, "spec": {"customerId": 1_234_567_890}});
    let found = sorted(vec![account, event("won")], None);
    let refused = |kind: &str, name: &str| found.refusal_of(kind, &ObjectKey::new("marketing", name)).is_some();
    assert!(refused("GoogleAdsAccount", "acme"));
    assert!(!refused("HubSpotAccount", "acme") && !refused("AdConversionEvent", "won"));
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
    let said = with(&|object| object["status"] = json!({"foo": 1}));
    assert!(said.contains("There is no field status.foo"), "{said}");
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

/// The tables of manifests that the API server is tested with.
const GOOD: &str = include_str!("../../../tests/it/manifests/good.yaml");
const BAD: &str = include_str!("../../../tests/it/manifests/bad.yaml");

/// What the API server says where the schema alone is not met; its rules say something of their own.
const OF_SCHEMA: [&str; 8] = [
    "must be of type",
    "Required value",
    "may not be more than",
    "Unsupported value",
    "should be at least",
    "should be less than or equal to",
    "should be greater than or equal to",
    "Too many",
];

fn documents(text: &str) -> Vec<Value> {
    use serde::Deserialize as _;
    let read = |document| Value::deserialize(document).unwrap();
    serde_yaml::Deserializer::from_str(text).map(read).collect()
}

#[test]
fn what_the_api_server_takes_is_taken() {
    let examples = [
        include_str!("../../../examples/became-customer.yaml"),
        include_str!("../../../examples/demo-request.yaml"),
        include_str!("../../../examples/map-existing.yaml"),
        include_str!("../../../examples/opportunity-deal-amount.yaml"),
        include_str!("../../../examples/qualified-lead.yaml"),
        GOOD,
    ];
    for text in examples {
        let found = sorted(documents(text), None);
        assert!(found.refused.is_empty() && !found.is_empty(), "{:?}", found.refused);
    }
}

/// The change of a row, merged as kubectl does.
fn merge(into: &mut Value, change: &Value) {
    let Value::Object(fields) = change else {
        into.clone_from(change);
        return;
    };
    for (name, value) in fields {
        if value.is_null() {
            _ = into.as_object_mut().unwrap().remove(name);
        } else {
            if !into[name].is_object() {
                into[name] = json!({});
            }
            merge(&mut into[name], value);
        }
    }
}

#[test]
fn what_the_api_server_refuses_by_schema_is_refused_by_the_same_field() {
    let good = documents(GOOD);
    let rows: Vec<Value> = serde_yaml::from_str(BAD).unwrap();
    let mut judged = 0;
    for row in rows.iter().filter(|row| row["repeat"].is_null()) {
        let (name, says) = (&row["name"], row["says"].as_str().unwrap_or_default());
        if !OF_SCHEMA.iter().any(|part| says.contains(part)) {
            continue;
        }
        let mut object = good
            .iter()
            .find(|object| object["metadata"]["name"] == row["from"])
            .unwrap()
            .clone();
        let mut spec = object["spec"].take();
        merge(&mut spec, &row["change"]);
        object["spec"] = spec;
        let found = sorted(vec![object], None);
        let field = row["field"].as_str().unwrap();
        let named = found.refused.iter().any(|refused| refused.message.contains(field));
        assert!(named, "{name}: {field} is not named: {:?}", found.refused);
        judged += 1;
    }
    assert!(judged > 15, "{judged} rows");
}
