#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;

/// An event that has an action, with these changes.
fn event(changes: &Value) -> AdConversionEvent {
    let mut event = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
        "metadata": {"name": "won", "namespace": "m", "finalizers": [FINALIZER, "example.com/x"]},
        "spec": {
            "googleAdsAccountRef": {"name": "g"}, "hubSpotAccountRef": {"name": "h"}, "eventName": "Won",
            "trigger": {"lifecycleStage": {"stage": "customer"}},
        },
        "status": {"conditions": [], "conversionAction": {"customerId": "1234567890", "id": "7"}},
    });
    merge(&mut event, changes);
    serde_json::from_value(event).unwrap()
}

fn merge(into: &mut Value, changes: &Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) => {
            for (key, change) in changes {
                merge(into.entry(key).or_insert(Value::Null), change);
            }
        }
        (into, change) => *into = change.clone(),
    }
}

fn customer() -> CustomerId {
    "1234567890".parse().unwrap()
}

/// What every event of [`event`] is looked up by that is not gone, and these.
fn with<const N: usize>(more: [Lookup; N]) -> BTreeSet<Lookup> {
    let owner = || ActionOwner::Customer(customer());
    let always = [
        Lookup::Uses(Account::Google(ObjectKey::new("m", "g"))),
        Lookup::Uses(Account::HubSpot(ObjectKey::new("m", "h"))),
        Lookup::Claims(owner(), ClaimedAction::Id(ActionId(7))),
        Lookup::Claims(owner(), ClaimedAction::Name("Won".to_owned())),
        Lookup::Has(customer(), ActionId(7)),
    ];
    always.into_iter().chain(more).collect()
}

#[test]
fn an_event_is_looked_up_by_all_that_it_names_and_has() {
    let any = || Lookup::HasAny(customer());
    let hubspot = || ObjectKey::new("m", "h");
    assert_eq!(of_event(&event(&json!({}))), with([any()]));
    let form = json!({"spec": {"trigger": {"lifecycleStage": null, "formSubmission": {"formId": "Demo"}}}});
    assert_eq!(of_event(&event(&form)), with([any(), Lookup::Forms(hubspot())]));
    let deals = json!({"spec": {"value": {"dealAmount": {"default": {"amount": "1.00", "currency": "EUR"}}}}});
    assert_eq!(of_event(&event(&deals)), with([any(), Lookup::Deals(hubspot())]));
    let stalled = |reason: &str| {
        let condition = json!({"type": condition::STALLED, "status": "True", "reason": reason, "message": "",
            "lastTransitionTime": "2026-11-01T00:00:00Z"});
        json!({"status": {"conditions": [condition]}})
    };
    let lost = stalled(reason::OWNERSHIP_CONFLICT);
    assert_eq!(of_event(&event(&lost)), with([any(), Lookup::LostOwnership]));
    assert_eq!(of_event(&event(&stalled(reason::INVALID_SPEC))), with([any()]));
    // Before the account has shown whose conversions it counts, and with an action that is named.
    let named = json!({"spec": {"conversionAction": {"existing": {"id": "9"}}}, "status": null});
    let owner = ActionOwner::OwnerOf(ObjectKey::new("m", "g"));
    let expected = [
        Lookup::Uses(Account::Google(ObjectKey::new("m", "g"))),
        Lookup::Uses(Account::HubSpot(hubspot())),
        Lookup::Claims(owner, ClaimedAction::Id(ActionId(9))),
    ];
    assert_eq!(of_event(&event(&named)), BTreeSet::from(expected));
}

/// Until our finalizer is gone it keeps its accounts and its action; afterwards nothing, whoever else keeps it.
#[test]
fn an_event_that_is_deleted_counts_until_that_is_settled() {
    let deleting = |finalizers: &[&str]| {
        let metadata = json!({"deletionTimestamp": "2026-11-01T00:00:00Z", "finalizers": finalizers});
        let form = json!({"trigger": {"lifecycleStage": null, "formSubmission": {"formId": "Demo"}}});
        of_event(&event(&json!({"metadata": metadata, "spec": form})))
    };
    assert_eq!(deleting(&[FINALIZER, "example.com/x"]), with([]));
    assert_eq!(deleting(&[FINALIZER]), with([]));
    assert_eq!(deleting(&["example.com/x"]), BTreeSet::new());
    assert_eq!(deleting(&[]), BTreeSet::new());
    let new = json!({"metadata": {"finalizers": []}});
    assert_eq!(
        of_event(&event(&new)),
        with([Lookup::HasAny(customer())]),
        "ours is not on it yet"
    );
}

#[test]
fn an_account_is_looked_up_by_the_one_that_owns_its_conversions() {
    let account = |status: Value| -> GoogleAdsAccount {
        serde_json::from_value(json!({
            "apiVersion": "adconversion.dev/v1alpha1", "kind": "GoogleAdsAccount", "metadata": {"name": "g"},
            "spec": {"customerId": "123-456-7891"}, "status": status,
        }))
        .unwrap()
    };
    let owned = account(json!({"conditions": [], "conversionCustomerId": "1234567890"}));
    assert_eq!(of_google(&owned), BTreeSet::from([Lookup::OwnedBy(customer())]));
    assert_eq!(of_google(&account(json!({"conditions": []}))), BTreeSet::new());
    assert_eq!(of_google(&account(Value::Null)), BTreeSet::new());
}
