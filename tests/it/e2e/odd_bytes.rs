//! Answers whose bytes are odd, on every call: empty, compressed otherwise than they say, cut off, in another encoding,
//! no JSON, or JSON that readers trip over. While they come nothing is called uploaded that the sandbox did not take,
//! and the accounts beside go on; once they end, all is there exactly once.
//!
//! A few oddities for each call run by default, others every day.
//! `ADCONVERSION_ODDITIES=all` runs every oddity on every call (4 minutes on two cores),
//! `events:ingest` all of them on the calls of such a path, `1e400` this one on every call.

mod oddities;
mod plan;

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};

use super::Stage;
use super::forms::{self, FORM};
use super::judge::{PORTAL, action, exactly, occurrences_in};
use super::odd_answers::{WELL, beside, forget_tokens, goes_on, well};
use super::stage::{Counts, ago, condition};
use plan::Odd;

/// The other portal, read with a token of its own.
const OTHER: u64 = 778;
/// Events that come in the meantime.
const MORE: usize = 4;

/// Two portals and two customers: one each way to upload, one each way to sign in.
fn accounts(stage: &Stage) {
    let scopes = ["crm.objects.contacts.read", "crm.objects.deals.read", "forms"];
    let token = json!({"accessToken": "pat-other", "kind": "privateApp", "scopes": scopes});
    stage.post("/hubspot/portals", &json!({"portalId": OTHER, "tokens": [token]}));
    let access = json!([{"identity": "user@sandbox.test"}]);
    stage.post(
        "/google/accounts",
        &json!({"customerId": "3333333333", "access": access, "clickUploadsAllowed": true}),
    );
    let oauth = "clientId: sandbox-client, clientSecret: sandbox-secret, refreshToken: sandbox-refresh";
    stage.apply(&include_str!("accounts.yaml").replace("accessToken: pat-na1-sandbox", oauth));
    let other = include_str!("accounts.yaml")
        .replace("name: acme", "name: other")
        .replace("name: hubspot", "name: hubspot-other")
        .replace("name: google-ads", "name: google-ads-other")
        .replace("pat-na1-sandbox", "pat-other")
        .replace("123-456-7890", "333-333-3333")
        .replace("{customerId", "{uploads: {clickConversions: GoogleAds}, customerId");
    stage.apply(&other);
}

/// One more customer in each portal, with a deal in the other one, and a submission.
fn next(stage: &Stage, number: usize) {
    forms::submit(stage, &forms::consenting(&format!("submission-{number}")));
    for portal in [PORTAL, OTHER, WELL] {
        let contact = json!([{"createdAt": ago(86_400 * 10), "history": {
            "hs_google_click_id": [{"value": format!("click-{portal}-{number}"), "timestamp": ago(86_400 * 9), "sourceType": "FORM"}],
            "lifecyclestage": [{"value": "customer", "timestamp": ago(1), "sourceType": "CRM_UI"}]}}]);
        let created = stage.post(&format!("/hubspot/contacts?portalId={portal}"), &contact);
        if portal == OTHER {
            let id = created.pointer("/ids/0").unwrap_or_else(|| panic!("{created}"));
            let deal = json!([{"createdAt": ago(86_400 * 5), "contactIds": [id],
                "properties": {"amount": "12", "deal_currency_code": "EUR", "dealstage": "closedwon"}}]);
            stage.post(&format!("/hubspot/deals?portalId={portal}"), &deal);
        }
    }
}

/// The transactions of a portal.
fn wanted(stage: &Stage, portal: u64) -> BTreeSet<String> {
    occurrences_in(portal, stage, "customer")
        .into_iter()
        .map(|(_, id)| id)
        .collect()
}

/// Counts add up, and nobody is called uploaded whom the sandbox does not have.
fn is_honest(stage: &Stage, name: &str) {
    let event = stage.get(&format!("adce/{name}"));
    if event["status"]["conversionAction"]["id"].is_null() {
        return;
    }
    let counts = Counts::of(&event);
    counts.conserved(&event);
    let tally = stage.admin(&format!("/google/tally?actionId={}", action(&event)));
    let taken = ["conversions", "enhancements"].map(|list| tally[list].as_array().map_or(0, Vec::len));
    assert!(counts.uploaded <= (taken[0] + taken[1]) as u64, "{tally:#} {event:#}");
    assert_eq!((counts.rejected, counts.skipped), (0, 0), "{event:#}");
}

/// Has the operator ask what it asks seldom otherwise.
fn stir(stage: &Stage, odd: &Odd, count: usize) {
    if condition(&stage.get("hsa/acme"), "CredentialsValid")["status"] == "True" && count.is_multiple_of(2) {
        odd.expire();
    }
    forget_tokens(stage);
    let asked = format!("adconversion.dev/reconcile-requested-at={count}");
    stage.kubectl(&["annotate", "--overwrite", "hsa/acme", "hsa/other", &asked]);
    for name in ["one", "two"] {
        let renamed = json!({"spec": {"eventName": format!("{name} {count}")}});
        stage.patch(&format!("adce/{name}"), &renamed);
    }
}

/// Everything there, and its first conversions sent; the names of the events.
fn begin(stage: &Stage, since: &Value) -> Vec<String> {
    stage.post("/hubspot/forms", &json!([{"id": FORM, "name": "Demo request"}]));
    stage.start_operator();
    accounts(stage);
    beside(stage);
    next(stage, 0);
    stage.event("one", "customer", since);
    forms::event(stage, "form", FORM, since);
    let mut other = json!({"googleAdsAccountRef": {"name": "other"}, "hubSpotAccountRef": {"name": "other"},
        "value": {"dealAmount": {"default": {"amount": "1", "currency": "EUR"}}}});
    other["startTime"] = since["startTime"].clone();
    stage.event("two", "customer", &other);
    well(stage);
    let names = ["one", "form", "two"].map(str::to_owned);
    for name in &names {
        stage.settled(name, 1);
    }
    goes_on(stage, 1);
    names.into()
}

/// The accounts whose answers are never odd notice nothing.
fn is_well(stage: &Stage) {
    for object in ["hsa/well", "gaa/well", "adce/well"] {
        let object = stage.get(object);
        assert_eq!(condition(&object, "Ready")["status"], "True", "{object:#}");
    }
}

/// Nothing is odd any more: so many conversions of each event have arrived, each once, under one action.
fn judge(stage: &Stage, names: &[String], count: usize) {
    for object in ["hsa/acme", "gaa/acme", "hsa/other", "gaa/other"] {
        stage.condition(object, "Ready", "True", "");
    }
    for name in names {
        stage.condition(&format!("adce/{name}"), "Ready", "True", "");
        let event = stage.settled(name, count as u64);
        assert_eq!(Counts::of(&event).uploaded, count as u64, "{event:#}");
        match name.as_str() {
            "form" => assert_eq!(forms::ids(stage, &event).len(), count),
            "two" => exactly(stage, &event, &wanted(stage, OTHER)),
            _ => exactly(stage, &event, &wanted(stage, PORTAL)),
        }
        assert!(condition(&event, "Stalled").is_null(), "{event:#}");
    }
    let actions = stage.actions();
    let live = actions.iter().filter(|action| action["status"] != "REMOVED");
    // One of them is the healthy event's.
    assert_eq!(live.count(), names.len() + 1, "{actions:#?}");
    assert!(stage.http("/livez").contains("200 OK"));
    assert!(!stage.log().contains("panic"), "{}", stage.log());
}

#[test]
fn odd_bytes_of_every_call_lose_nothing_and_count_nothing_twice() {
    let flags = [
        ("backoff-max", "300ms"),
        ("google-refresh-interval", "1s"),
        ("account-check-interval", "1s"),
        ("stalled-probe-interval", "1s"),
        ("upload-interval", "200ms"),
        ("diagnostics-first-poll", "1s"),
        ("diagnostics-max-poll", "1s"),
        ("attribution-interval", "1s"),
    ];
    let mut stage = Stage::empty("odd-bytes", &["--no-rate-limits", "--processing-delay=200ms"], &flags);
    let meddler = stage.meddled();
    let odd = Odd::new();
    meddler.always(|_| true, odd.meddling());
    let since = json!({"startTime": ago(3600)});
    let mut names = begin(&stage, &since);

    odd.is_sick(true);
    let mut count = 1;
    let begun = Instant::now();
    while !odd.missing().is_empty() {
        assert!(begun.elapsed() < odd.limit(), "{:?}", odd.missing());
        next(&stage, count);
        count += 1;
        stir(&stage, &odd, count);
        if count.is_multiple_of(5) && count / 5 <= MORE {
            let name = format!("more-{count}");
            stage.event(&name, "customer", &since);
            names.push(name);
        }
        for name in &names {
            is_honest(&stage, name);
        }
        is_well(&stage);
    }
    goes_on(&stage, count);
    odd.is_sick(false);
    judge(&stage, &names, count);
}
