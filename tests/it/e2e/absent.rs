//! Contacts and deals that HubSpot's answers leave out although they are there, records of others in their place, and
//! contacts that are deleted indeed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Stage;
use super::judge::{action, exactly, transactions};
use super::meddler::{Asked, Meddler, Meddling, Reply, Rule};
use super::rows_of::{Rows, compare, ms, row};
use super::stage::{Counts, ago, reason};
use super::{forms, forms::FORM};

const DAY: i64 = 86_400;

/// Contacts by id, not by address.
fn reads_contacts(asked: &Asked) -> bool {
    asked.path.contains("/contacts/batch/read") && !asked.path.contains("associations") && !asked.says("idProperty")
}

fn inputs(asked: &Asked) -> Vec<u64> {
    let body: Value = serde_json::from_slice(&asked.body).expect("JSON");
    let inputs = body["inputs"].as_array().expect("inputs").iter();
    let id = |input: &Value| input["id"].as_str().expect("an id").parse().expect("a number");
    inputs.map(id).collect()
}

/// A batch in which HubSpot says nothing of those that it leaves out.
fn left_out(reply: &Reply, out: impl Fn(u64) -> bool) -> Reply {
    let mut body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    for errors in ["errors", "numErrors"] {
        body.as_object_mut().expect("an object").remove(errors);
    }
    let id = |record: &Value| record["id"].as_str().expect("an id").parse().expect("a number");
    body["results"]
        .as_array_mut()
        .expect("results")
        .retain(|record| !out(id(record)));
    Reply::json(200, &body)
}

fn nobody() -> Meddling {
    Meddling::rewrite(|_, reply| left_out(&reply, |_| true))
}

fn every_third() -> Meddling {
    Meddling::rewrite(|_, reply| left_out(&reply, |id| id % 3 == 0))
}

/// HubSpot says of each id or address that there is nobody.
pub fn not_found() -> Meddling {
    Meddling::rewrite(|asked, _| {
        let body: Value = serde_json::from_slice(&asked.body).expect("JSON");
        let inputs = body["inputs"].as_array().expect("inputs").iter();
        let ids: Vec<_> = inputs.map(|input| input["id"].clone()).collect();
        let error = json!({"status": "error", "category": "OBJECT_NOT_FOUND", "context": {"ids": ids}});
        Reply::json(
            207,
            &json!({"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [error]}),
        )
    })
}

/// An operator behind a proxy, accounts, and an event that has made its first pass.
fn stage(name: &str, flags: &[(&str, &str)], more: &Value) -> (Stage, Meddler) {
    let mut stage = Stage::empty(name, &["--no-rate-limits"], flags);
    let meddler = stage.meddled();
    stage.start_operator();
    stage.accounts();
    let mut spec = json!({"startTime": ago(DAY * 20)});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    stage.event(name, "customer", &spec);
    stage.condition(&format!("adce/{name}"), "Ready", "True", "");
    (stage, meddler)
}

fn fired(stage: &Stage, meddler: &Meddler, rule: Rule, times: usize) {
    stage.wait_for("such answers", || {
        let fired = meddler.fired(rule);
        if fired >= times { Ok(()) } else { Err(json!(fired)) }
    });
}

fn wait(stage: &Stage, name: &str, what: &str, found: impl Fn(&Value, Counts) -> bool) -> Value {
    stage.wait(&format!("adce/{name}"), what, |event| {
        let counts = Counts::of(event);
        counts.conserved(event);
        assert_eq!(counts.skipped, 0, "nobody is deleted: {event:#}");
        found(event, counts)
    })
}

/// Contacts that become customers this moment: what lay further
/// back than the settle delay would go with the first read.
fn crowd(stage: &Stage, from: u32, count: u32) {
    for n in from..from + count {
        stage.contact(&[("customer", ago(0))], Some(&format!("click-{n}")), &json!({}));
    }
}

fn all_arrive(stage: &Stage, name: &str, count: u64) {
    let event = wait(stage, name, "all of them", |_, counts| counts.uploaded == count);
    exactly(stage, &event, &transactions(stage, "customer").into_iter().collect());
}

/// For longer than the pause: an answer that shows nobody proves nothing, as a search shows others.
#[rstest::rstest]
#[case::silently("empty", nobody())]
#[case::by_name("all-named", not_found())]
fn conversions_of_whom_answers_show_nobody_wait_and_arrive(#[case] name: &str, #[case] meddling: Meddling) {
    let (stage, meddler) = stage(name, &[("settle-delay", "3s"), ("click-grace", "4s")], &json!({}));
    crowd(&stage, 0, 12);
    wait(&stage, name, "all seen", |_, counts| counts.observed == 12);
    let rule = meddler.always(reads_contacts, meddling);
    let event = wait(&stage, name, "all waiting", |event, _| {
        reason(event, "Pending", "UnreadableRecord") == 12
    });
    let errors = event["status"]["sync"]["lastErrors"].to_string();
    let is_silent = name == "empty";
    assert_eq!(errors.contains("HubSpot does not show it"), is_silent, "{errors}");
    crowd(&stage, 100, 3);
    let begun = Instant::now();
    stage.wait_for("twice the pause", || {
        let elapsed = begun.elapsed();
        if elapsed >= Duration::from_secs(8) {
            Ok(())
        } else {
            Err(json!(elapsed.as_secs_f64()))
        }
    });
    wait(&stage, name, "nothing sent", |_, counts| counts.pending == 12);
    meddler.lift(rule);
    all_arrive(&stage, name, 15);
}

#[test]
fn conversions_of_whom_hubspot_leaves_out_for_a_while_arrive() {
    let flags = [("settle-delay", "3s"), ("click-grace", "40s")];
    let (stage, meddler) = stage("part", &flags, &json!({}));
    let mut count = 0_u32;
    for (times, meddling) in [(1, not_found()), (3, every_third())] {
        crowd(&stage, count, 9);
        count += 9;
        wait(&stage, "part", "all seen", |_, counts| {
            counts.observed == u64::from(count)
        });
        let rule = meddler.always(reads_contacts, meddling);
        fired(&stage, &meddler, rule, times);
        meddler.lift(rule);
        all_arrive(&stage, "part", u64::from(count));
    }
}

/// What is read for the first time is found by no later search: the marks have moved on.
#[test]
fn a_backfill_that_is_shown_nobody_loses_nobody() {
    let ways: [fn() -> Meddling; 3] = [nobody, not_found, every_third];
    for meddling in ways {
        let flags = [("settle-delay", "4s"), ("click-grace", "30s")];
        let mut stage = Stage::empty("backfill", &["--no-rate-limits"], &flags);
        let meddler = stage.meddled();
        for n in 0..9 {
            stage.contact(&[("customer", ago(DAY * 3 + n))], Some(&format!("old-{n}")), &json!({}));
        }
        // The marks move on to this one, and the searches with them.
        stage.contact(&[("customer", ago(1))], Some("new"), &json!({}));
        let rule = meddler.always(reads_contacts, meddling());
        stage.start_operator();
        stage.accounts();
        stage.event("backfill", "customer", &json!({"startTime": ago(DAY * 20)}));
        stage.condition("adce/backfill", "Ready", "True", "");
        fired(&stage, &meddler, rule, 1);
        meddler.lift(rule);
        all_arrive(&stage, "backfill", 10);
    }
}

#[test]
fn nothing_is_sent_for_a_contact_in_whose_place_another_comes() {
    let (stage, meddler) = stage("another", &[("settle-delay", "3s")], &json!({}));
    let other = stage.contact(&[("lead", ago(50))], Some("click-other"), &json!({}));
    stage.contact(&[("customer", ago(0))], Some("click-right"), &json!({}));
    wait(&stage, "another", "it is seen", |_, counts| counts.observed == 1);
    let another = Meddling::change(move |batch| {
        let record = &mut batch["results"][0];
        record["id"] = json!(other);
        record["properties"]["hs_object_id"] = json!(other);
        record["properties"]["hs_merged_object_ids"] = Value::Null;
        record["properties"]["hs_google_click_id"] = json!("click-other");
        record["propertiesWithHistory"]["hs_google_click_id"][0]["value"] = json!("click-other");
    });
    let rule = meddler.always(|asked| reads_contacts(asked) && inputs(asked).len() == 1, another);
    wait(&stage, "another", "it waits", |event, _| {
        reason(event, "Pending", "UnreadableRecord") == 1
    });
    fired(&stage, &meddler, rule, 2);
    meddler.lift(rule);
    let event = stage.settled("another", 1);
    let accepted = stage.accepted(&action(&event));
    let clicks: Vec<_> = accepted.iter().map(|c| c["clickId"].as_str()).collect();
    assert_eq!(clicks, [Some("click-right")]);
}

/// `silent`: HubSpot says nothing of deleted contacts. `others`:
/// there are further contacts, of whom nothing is to be sent.
fn deleted(silent: bool, others: bool) {
    let flags = [
        ("settle-delay", "3s"),
        ("click-grace", if silent { "4s" } else { "1h" }),
    ];
    let (stage, meddler) = stage("deleted", &flags, &json!({}));
    if silent {
        meddler.always(
            reads_contacts,
            Meddling::rewrite(|_, reply| left_out(&reply, |_| false)),
        );
    }
    if others {
        stage.contact(&[("lead", ago(50))], None, &json!({}));
    }
    let id = stage.contact(&[("customer", ago(0))], Some("click"), &json!({}));
    stage.wait("adce/deleted", "it is seen", |event| Counts::of(event).observed == 1);
    stage.admin_call("DELETE", &format!("/hubspot/contacts/{id}"), None);
    let event = stage.settled("deleted", 1);
    assert_eq!(reason(&event, "Skipped", "ContactDeleted"), 1, "{event:#}");
    assert!(stage.accepted(&action(&event)).is_empty());
}

#[test]
fn a_deleted_contact_is_skipped_soon_where_hubspot_says_so() {
    deleted(false, true);
}

#[test]
fn a_deleted_contact_is_skipped_where_hubspot_shows_others_only() {
    deleted(true, true);
}

#[test]
fn the_last_contact_of_a_portal_is_skipped_when_it_is_deleted() {
    deleted(true, false);
}

#[test]
fn a_submission_whose_contact_is_left_out_for_a_while_arrives() {
    let mut stage = Stage::empty("form-left-out", &["--no-rate-limits"], &[("settle-delay", "3s")]);
    let meddler = stage.meddled();
    stage.post("/hubspot/forms", &json!([{"id": FORM, "name": "Demo request"}]));
    stage.start_operator();
    stage.accounts();
    forms::event(&stage, "form-left-out", FORM, &json!({"startTime": ago(3600)}));
    forms::submit(&stage, &forms::consenting("left-out"));
    wait(&stage, "form-left-out", "it is seen", |_, counts| counts.observed == 1);
    for meddling in [not_found(), nobody()] {
        let rule = meddler.always(reads_contacts, meddling);
        wait(&stage, "form-left-out", "it waits", |event, _| {
            reason(event, "Pending", "UnreadableRecord") == 1
        });
        meddler.lift(rule);
    }
    wait(&stage, "form-left-out", "it arrives", |_, counts| counts.uploaded == 1);
}

fn with_deal(stage: &Stage, n: i64, expected: &mut Rows, value: f64) {
    let (at, click) = (ago(DAY + n), format!("deal-{n}"));
    let id = stage.contact(&[("customer", at.clone())], Some(&click), &json!({}));
    let deal = json!([{"createdAt": ago(DAY * 5), "contactIds": [id],
        "properties": {"amount": "70", "dealstage": "closedwon"}}]);
    stage.post("/hubspot/deals", &deal);
    let more = json!({"click": click, "value": value, "currency": "EUR"});
    expected.extend([row(&id, "customer", ms(&at), &more)]);
}

/// The last of them for longer than the grace.
#[test]
fn deals_that_are_left_out_for_a_while_count() {
    let value = json!({"value": {"dealAmount": {"default": {"amount": "1.00", "currency": "EUR"}}}});
    let (stage, meddler) = stage("deals-left-out", &[("click-grace", "15s")], &value);
    let mut expected = Rows::new();
    let paths = [
        "associations/2026-09/contacts/deals",
        "objects/2026-09/deals/batch/read",
    ];
    for (n, path) in (0..).zip(paths) {
        let none = || Meddling::rewrite(|_, _| Reply::json(200, &json!({"status": "COMPLETE", "results": []})));
        let rule = meddler.always(move |asked| asked.path.contains(path), none());
        with_deal(&stage, n, &mut expected, 70.0);
        let waits = |event: &Value, _| reason(event, "Pending", "UnreadableRecord") == 1;
        wait(&stage, "deals-left-out", "it waits", waits);
        meddler.lift(rule);
        compare(&stage, "deals-left-out", &expected);

        let rule = meddler.always(move |asked| asked.path.contains(path), none());
        with_deal(&stage, 10 + n, &mut expected, 1.0);
        wait(&stage, "deals-left-out", "it waits", waits);
        compare(&stage, "deals-left-out", &expected);
        meddler.lift(rule);
    }
}
