//! What the server stores and shows of what it took.

use std::{fs, path::PathBuf};

use adconversion_operator::api::{AdConversionEvent, GoogleAdsAccount, HubSpotAccount};
use adconversion_operator::domain::declared::Declared;
use serde_json::{Value, json};

use super::table::{documents, good};
use crate::support::cluster::{cluster, namespace};

#[test]
fn only_the_listed_defaults_are_stored() {
    let namespace = namespace("defaults");
    let all = good();
    let expected = [
        (
            "minimal",
            "adce",
            json!({
                "adNetwork": "Google", "suspend": false, "resumePolicy": "CatchUp", "deletionPolicy": "Orphan",
                "googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"},
                "trigger": {"lifecycleStage": {"stage": "customer"}},
            }),
        ),
        (
            "google-minimal",
            "gaa",
            json!({
                "customerId": "123-456-7890", "manageAccountGoals": false, "suspend": false,
                "uploads": {"clickConversions": "DataManager", "enhancements": "GoogleAds"},
            }),
        ),
        (
            "hubspot-minimal",
            "hsa",
            json!({"credentialsSecretRef": {"name": "hubspot"}, "interval": "1m", "suspend": false}),
        ),
    ];
    for (name, kind, spec) in expected {
        let mut manifest = all[name].clone();
        manifest["metadata"]["namespace"] = json!(namespace);
        cluster().client().apply(&manifest.to_string()).unwrap();
        let stored = cluster()
            .client()
            .json(&["get", kind, name, "--namespace", &namespace])
            .unwrap();
        assert_eq!(stored["spec"], spec, "{name}");
        // Nobody has looked at it: for kstatus it is in progress, not healthy.
        assert_eq!(stored["status"], json!({"observedGeneration": -1}), "{name}");
        match kind {
            "adce" => assert!(read::<AdConversionEvent>(&stored).status.is_some()),
            "gaa" => assert!(read::<GoogleAdsAccount>(&stored).status.is_some()),
            _ => assert!(read::<HubSpotAccount>(&stored).status.is_some()),
        }
    }
    let mut half = all["google-minimal"].clone();
    half["metadata"] = json!({"name": "half", "namespace": namespace});
    half["spec"]["uploads"] = json!({"clickConversions": "GoogleAds"});
    cluster().client().apply(&half.to_string()).unwrap();
    let stored = cluster()
        .client()
        .json(&["get", "gaa", "half", "--namespace", &namespace])
        .unwrap();
    assert_eq!(
        stored["spec"]["uploads"],
        json!({"clickConversions": "GoogleAds", "enhancements": "GoogleAds"})
    );
}

fn read<T: serde::de::DeserializeOwned>(stored: &Value) -> T {
    serde_json::from_value(stored.clone()).unwrap()
}

fn condition(kind: &str) -> Value {
    json!({"type": kind, "status": "True", "reason": "Succeeded", "message": "All is well.",
        "observedGeneration": 1, "lastTransitionTime": "2026-11-02T03:04:05Z"})
}

fn event_status() -> Value {
    let time = "2026-11-02T03:04:05Z";
    let reason = |outcome, reason| {
        json!({"outcome": outcome, "reason": reason, "count": 10, "lastTime": time,
        "message": "What it means and what to do."})
    };
    json!({
        "observedGeneration": 1,
        "lastHandledReconcileAt": "now",
        "conditions": [condition("Ready"), condition("Synced")],
        "trigger": {"type": "LifecycleStage", "stage": "customer", "label": "Customer"},
        "conversionAction": {
            "customerId": "1234567890", "id": "123456789", "name": "HubSpot - Customer", "origin": "Created",
            "resourceName": "customers/1234567890/conversionActions/123456789", "createTime": time,
            "sendTo": "AW-987654321/AbC-D_efG",
            "creation": {"attemptId": "a", "name": "HubSpot - Customer", "nameWasFree": true, "startedAt": time},
        },
        "sync": {
            "ledgerId": "7c1d", "startTime": time, "observed": 1200, "uploaded": 1100, "processing": 40, "pending": 20,
            "skipped": 30, "rejected": 10, "oldestPendingTime": time, "lastUploadTime": time,
            "reasons": [reason("Skipped", "Other"), reason("Pending", "Other"), reason("Processing", "OutcomeUnknown")],
            "lastErrors": [{"time": time, "reason": "UpstreamUnavailable", "message": "HTTP 503", "contactId": "101"}],
        },
        "attribution": {"startTime": time, "allConversions": "812.5", "conversions": "790", "lastUpdateTime": time},
    })
}

/// Writes a status and says whether the server kept all of it, and whether our types do.
fn status_round_trip<T>(namespace: &str, kind: &str, name: &str, status: &Value)
where
    T: serde::de::DeserializeOwned + serde::Serialize,
{
    let mut manifest = good()[name].clone();
    manifest["metadata"]["namespace"] = json!(namespace);
    let client = cluster().client();
    client.apply(&manifest.to_string()).unwrap();
    let patch = json!({ "status": status }).to_string();
    let target = ["patch", kind, name, "--namespace", namespace];
    let how = ["--subresource=status", "--type=merge", "--patch", patch.as_str()];
    client.must(&[target.as_slice(), how.as_slice()].concat()).unwrap();
    let stored = client.json(&["get", kind, name, "--namespace", namespace]).unwrap();
    assert_eq!(&stored["status"], status, "the server drops a part of {kind}");
    let typed: T = serde_json::from_value(stored.clone()).unwrap();
    let typed = serde_json::to_value(typed).unwrap();
    assert_eq!(&typed["status"], status, "the type drops a part of {kind}");
}

#[test]
fn statuses_are_stored_whole_and_shown() {
    let namespace = namespace("status");
    let time = "2026-11-02T03:04:05Z";
    status_round_trip::<AdConversionEvent>(&namespace, "adce", "minimal", &event_status());
    let google = json!({
        "observedGeneration": 1, "lastHandledReconcileAt": "now", "conditions": [condition("Ready")],
        "descriptiveName": "Acme", "currencyCode": "EUR", "timeZone": "Europe/Berlin", "manager": false,
        "testAccount": true, "conversionCustomerId": "1234567890", "conversionTrackingId": "987654321",
        "conversionTrackingStatus": "CONVERSION_TRACKING_MANAGED_BY_SELF", "usedBy": 4, "lastCheckTime": time,
        "orphanedConversionActions": [{"id": "1", "name": "Won", "type": "UPLOAD_CLICKS", "formerEvent": "ns/won",
            "orphanTime": time}],
    });
    status_round_trip::<GoogleAdsAccount>(&namespace, "gaa", "google-minimal", &google);
    let hubspot = json!({
        "observedGeneration": 1, "lastHandledReconcileAt": "now", "conditions": [condition("Ready")],
        "portalId": 62515, "accountName": "Acme", "timeZone": "Europe/Berlin", "companyCurrency": "EUR",
        "uiDomain": "app.hubspot.com", "lifecycleStages": [{"value": "customer", "label": "Customer"}],
        "changeDetection": "DateEntered", "usedBy": 4, "lastPollTime": time, "lastCheckTime": time,
    });
    status_round_trip::<HubSpotAccount>(&namespace, "hsa", "hubspot-minimal", &hubspot);

    let client = cluster().client();
    let table = |arguments: &[&str]| -> Vec<Vec<String>> {
        let all = [&["get", "--namespace", namespace.as_str()], arguments].concat();
        let text = client.must(&all).unwrap();
        text.lines()
            .map(|line| {
                line.split("  ")
                    .map(str::trim)
                    .filter(|cell| !cell.is_empty())
                    .map(str::to_owned)
                    .collect()
            })
            .collect()
    };
    let event = table(&["adce", "minimal", "--output=wide"]);
    let head = "NAME READY TRIGGER ACTION UPLOADED PENDING REJECTED LAST-UPLOAD AGE SKIPPED PROCESSING GOOGLE HUBSPOT \
        SUSPENDED STATUS";
    assert_eq!(event[0].join(" "), head);
    let start = ["minimal", "True", "Customer", "HubSpot - Customer", "1100", "20", "10"];
    assert_eq!(event[1][..7], start);
    let end = ["30", "40", "acme", "acme", "false", "All is well."];
    assert_eq!(event[1][9..], end);
    assert_eq!(table(&["gaa"])[1][..4], ["google-minimal", "True", "123-456-7890", "4"]);
    assert_eq!(table(&["hsa"])[1][..4], ["hubspot-minimal", "True", "62515", "4"]);
}

#[test]
fn events_are_found_by_account_and_all_kinds_by_category() {
    let namespace = namespace("select");
    for name in ["minimal", "largest-bounds", "full", "hubspot-full", "google-full"] {
        let mut manifest = good()[name].clone();
        manifest["metadata"]["namespace"] = json!(namespace);
        cluster().client().apply(&manifest.to_string()).unwrap();
    }
    let names = |arguments: &[&str]| -> String {
        let all = [&["get", "--namespace", namespace.as_str(), "--output=name"], arguments].concat();
        let text = cluster().client().must(&all).unwrap();
        let mut names: Vec<&str> = text.lines().map(|line| line.rsplit('/').next().unwrap()).collect();
        names.sort_unstable();
        names.join(" ")
    };
    let by = |selector: &str| names(&["adce", "--field-selector", selector]);
    assert_eq!(by("spec.hubSpotAccountRef.name=acme"), "largest-bounds minimal");
    assert_eq!(by("spec.hubSpotAccountRef.name=acme.eu-west"), "full");
    assert_eq!(by("spec.googleAdsAccountRef.name=acme"), "full largest-bounds minimal");
    assert_eq!(
        names(&["adconversion"]),
        "full google-full hubspot-full largest-bounds minimal"
    );
    let explained = cluster().client().must(&["explain", "adce.spec.trigger"]).unwrap();
    assert!(explained.contains("exactly one of the members"), "{explained}");
}

#[test]
fn examples_are_taken() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    // accounts.yaml is first; it has the namespace.
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    let name = namespace("examples");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# "), "{} says what it shows", file.display());
        // The namespace that all examples share is another test's as well.
        let mut manifests = documents(&text);
        manifests.retain(|manifest| manifest["kind"] != "Namespace");
        assert!(!manifests.is_empty(), "{}", file.display());
        for manifest in &mut manifests {
            assert_eq!(manifest["metadata"]["namespace"], "marketing", "{}", file.display());
            // A stranger applies them: credentials of the sandbox
            // are beside it, and no portal or form of ours is named.
            assert_ne!(manifest["kind"], "Secret", "{}", file.display());
            assert!(manifest["spec"]["portalId"].is_null(), "{}", file.display());
            let form = manifest.pointer("/spec/trigger/formSubmission/formId");
            assert!(form.is_none_or(|form| form == "Demo request"), "{}", file.display());
            manifest["metadata"]["namespace"] = json!(name);
            cluster().client().apply(&manifest.to_string()).unwrap();
        }
    }
    let count = |kind: &str| -> usize {
        let list = cluster().client().json(&["get", kind, "--namespace", &name]).unwrap();
        list["items"].as_array().unwrap().len()
    };
    assert!(count("adce") >= 4);
    assert_eq!((count("gaa"), count("hsa")), (1, 1));
    for event in cluster().client().json(&["get", "adce", "--namespace", &name]).unwrap()["items"]
        .as_array()
        .unwrap()
    {
        let event: AdConversionEvent = serde_json::from_value(event.clone()).unwrap();
        assert!(!Declared::from_manifest(&event).action_name().is_empty());
    }
}
