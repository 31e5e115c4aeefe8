//! What a team has committed is what stands in the cluster, whatever the
//! operator does: tools that compare both find nothing to put right.

use serde_json::{Value, json};

use super::Stage;
use super::judge::crowd;
use super::stage::ago;

/// An event with most fields, in an order of its own, and numbers as people write them.
fn manifest() -> String {
    json!({
        "kind": "AdConversionEvent",
        "spec": {
            "value": {"fixed": {"currency": "EUR", "amount": "40.50"}},
            "trigger": {"lifecycleStage": {"stage": "customer"}},
            "hubSpotAccountRef": {"name": "acme"},
            "consent": {"grantedValues": ["true", "yes"], "property": "ads_consent"},
            "eventName": "Won",
            "conversionAction": {"create": {"clickThroughLookbackWindowDays": 30, "category": "ConvertedLead"}},
            "includeInConversions": false,
            "startTime": ago(86_400 * 30),
            "suspend": false,
            "googleAdsAccountRef": {"name": "acme"},
        },
        "metadata": {"labels": {"team": "ads"}, "name": "won", "annotations": {"example.com/ticket": "7"}},
        "apiVersion": "adconversion.dev/v1alpha1",
    })
    .to_string()
}

#[test]
fn neither_kind_of_apply_finds_a_difference() {
    let stage = Stage::start("no-drift");
    crowd(&stage, 3);
    let manifest = manifest();
    stage.apply(&manifest);
    stage.settled("won", 3);
    let files = [
        stage.file("accounts.yaml", include_str!("accounts.yaml")),
        stage.file("won.yaml", &manifest),
    ];
    let same = |when: &str| {
        for file in &files {
            // Ends with an error where there is a difference.
            let told = stage.kubectl(&["diff", "--filename", file]);
            assert_eq!(told, "", "{when}");
            let manager = [
                "--server-side",
                "--field-manager=argocd-controller",
                "--force-conflicts",
            ];
            let told = stage.kubectl(&[&["diff", "--filename", file], &manager[..]].concat());
            // Only who manages which field may differ: that is the question's doing.
            let changed = |line: &&str| {
                (line.starts_with('+') || line.starts_with('-')) && !line.starts_with("+++") && !line.starts_with("---")
            };
            assert_eq!(told.lines().filter(changed).count(), 0, "{when}: {told}");
        }
        for object in ["adce/won", "gaa/acme", "hsa/acme"] {
            assert_eq!(stage.get(object)["metadata"]["generation"], 1, "{when}: {object}");
        }
    };
    same("settled");
    stage.kill_operator();
    stage.start_operator();
    stage.contact(&[("customer", ago(0))], Some("later"), &json!({"ads_consent": "true"}));
    stage.wait("adce/won", "the next conversion", |event| {
        event["status"]["sync"]["observed"] != Value::Null && event["status"]["sync"]["observed"].as_u64() >= Some(4)
    });
    same("after a restart");
}
