//! What a user meets at `kubectl apply`: manifests taken, manifests refused and with which words, what the server
//! stores, what `kubectl get` shows.

mod stored;
mod table;

use std::collections::BTreeMap;

use adconversion_operator::api::{AdConversionEvent, GoogleAdsAccount, HubSpotAccount};
use serde_json::json;

use crate::support::cluster::{cluster, namespace};
use table::{BAD, CHANGES, apply, good, judge, merge, rows};

#[test]
fn good_manifests_are_taken() {
    let mut manifests = good();
    let minimal = manifests["minimal"].clone();
    for category in [
        "ImportedLead",
        "QualifiedLead",
        "ConvertedLead",
        "SubmitLeadForm",
        "SignUp",
        "Purchase",
        "SubscribePaid",
        "BookAppointment",
        "RequestQuote",
        "Contact",
        "PhoneCallLead",
        "Default",
    ] {
        let name = format!("category-{}", category.to_lowercase());
        let mut manifest = minimal.clone();
        manifest["metadata"]["name"] = json!(name);
        merge(
            &mut manifest["spec"],
            &json!({"conversionAction": {"create": {"category": category}}}),
        );
        manifests.insert(name, manifest);
    }
    assert!(manifests.len() >= 28);
    let outcomes = apply(&namespace("good"), &manifests, &[]);
    let refused: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.is_some()).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn good_manifests_are_understood() {
    for (name, manifest) in good() {
        let kept = match manifest["kind"].as_str().unwrap() {
            "AdConversionEvent" => json!(
                serde_json::from_value::<AdConversionEvent>(manifest.clone())
                    .unwrap()
                    .spec
            ),
            "GoogleAdsAccount" => json!(
                serde_json::from_value::<GoogleAdsAccount>(manifest.clone())
                    .unwrap()
                    .spec
            ),
            _ => json!(serde_json::from_value::<HubSpotAccount>(manifest.clone()).unwrap().spec),
        };
        let mut expected = kept.clone();
        merge(&mut expected, &manifest["spec"]);
        // The API prints whole seconds; the manifest may have said more.
        if name == "start-with-offset" {
            assert_eq!(kept["startTime"], "2026-11-01T00:00:00Z");
            expected["startTime"] = kept["startTime"].clone();
        }
        assert_eq!(kept, expected, "{name} loses something");
    }
}

#[test]
fn bad_manifests_are_refused_with_the_way_out() {
    let good = good();
    let rows = rows(BAD);
    assert!(rows.len() >= 60);
    let manifests = rows
        .iter()
        .map(|row| {
            let mut manifest = good[&row.from].clone();
            manifest["metadata"]["name"] = json!(row.name);
            merge(&mut manifest["spec"], &row.patch());
            (row.name.clone(), manifest)
        })
        .collect();
    let outcomes = apply(&namespace("bad"), &manifests, &["--dry-run=server"]);
    assert!(rows.iter().all(|row| row.says.is_some()), "every row has its words");
    judge(&rows, &outcomes);
}

#[test]
fn changes_are_taken_or_refused_with_the_way_out() {
    let good = good();
    let rows = rows(CHANGES);
    let namespace = namespace("changes");
    let mut before = BTreeMap::new();
    let mut after = BTreeMap::new();
    for row in &rows {
        let mut manifest = good[&row.from].clone();
        manifest["metadata"]["name"] = json!(row.name);
        before.insert(row.name.clone(), manifest.clone());
        merge(&mut manifest["spec"], &row.patch());
        after.insert(row.name.clone(), manifest);
    }
    let created = apply(&namespace, &before, &[]);
    let refused: Vec<_> = created.iter().filter(|(_, outcome)| outcome.is_some()).collect();
    assert!(refused.is_empty(), "{refused:?}");
    for row in &rows {
        let Some(status) = &row.status else { continue };
        let patch = json!({ "status": status }).to_string();
        let target = ["patch", "adce", row.name.as_str(), "--namespace", namespace.as_str()];
        let how = ["--subresource=status", "--type=merge", "--patch", patch.as_str()];
        cluster()
            .client()
            .must(&[target.as_slice(), how.as_slice()].concat())
            .unwrap();
    }
    judge(&rows, &apply(&namespace, &after, &[]));
}
