//! One record that HubSpot or Google stumbles over each time, and one that a filter in between drops: all others go on.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::Stage;
use super::forms::{self, FORM, OTHER, consenting, with};
use super::judge::{action, became, crowd, exactly, settled_within, transactions};
use super::meddler::{Asked, Meddler, Meddling, Reply, Rule};
use super::stage::{Counts, ago, condition};

pub(super) const LONG: Duration = Duration::from_mins(2);
pub(super) const POISON: &str = "click-poison";

pub(super) fn stage(name: &str) -> (Stage, Meddler) {
    let mut stage = Stage::empty(
        name,
        &["--no-rate-limits", "--processing-delay=200ms"],
        // Deals that cannot be read are waited for as long.
        &[("backoff-max", "1s"), ("click-grace", "10m")],
    );
    let meddler = stage.meddled();
    (stage, meddler)
}

/// A failure of HubSpot's or Google's own, and a connection that breaks.
fn failures() -> [(&'static str, Meddling); 2] {
    let error = json!({"error": {"code": 500, "message": "x", "status": "INTERNAL"}});
    [
        ("500", Meddling::Instead(Reply::json(500, &error))),
        ("lost", Meddling::Drop),
    ]
}

/// A filter between us and the service answers: it redirects to its page, or asks for a login.
fn filters() -> [(&'static str, Meddling); 2] {
    let moved = Reply::new(302, "text/html", "<html>blocked</html>").header("location", "https://filter.example/");
    let login = Reply::new(401, "text/html", "<html>log in</html>");
    [("302", Meddling::Instead(moved)), ("401", Meddling::Instead(login))]
}

fn named((name, meddling): (&str, Meddling)) -> (String, Meddling) {
    (name.to_owned(), meddling)
}

/// Pages without a word of the service, which let others wait for an hour.
fn pages(statuses: &[u16]) -> Vec<(String, Meddling)> {
    let page = |status: &u16| {
        let reply = Reply::new(*status, "text/html", "<html>blocked</html>");
        (
            status.to_string(),
            Meddling::Instead(reply.header("retry-after", "3600")),
        )
    };
    statuses.iter().map(page).collect()
}

/// As [`pages`], in the JSON of a gateway.
fn gateway(statuses: &[u16]) -> Vec<(String, Meddling)> {
    let refused = |status: &u16| {
        let reply = Reply::json(*status, &json!({"error": "refused", "message": "x"}));
        let meddling = Meddling::Instead(reply.header("retry-after", "3600"));
        (format!("json-{status}"), meddling)
    };
    statuses.iter().map(refused).collect()
}

/// HubSpot's own refusals of a token: it is no good, or lacks a scope.
pub(super) fn hubspot_denials() -> Vec<(String, Meddling)> {
    let denied = |status: u16, category: &str| {
        let body = json!({"status": "error", "message": "x", "category": category});
        (
            format!("denied-{status}"),
            Meddling::Instead(Reply::json(status, &body)),
        )
    };
    vec![denied(401, "INVALID_AUTHENTICATION"), denied(403, "MISSING_SCOPES")]
}

/// Google's own.
fn google_denials() -> Vec<(String, Meddling)> {
    let denied = |name: &str, code: u16, status: &str, details: Value| {
        let error = json!({"error": {"code": code, "message": "x", "status": status, "details": details}});
        (format!("denied-{name}"), Meddling::Instead(Reply::json(code, &error)))
    };
    let off = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED", "domain": "googleapis.com"}]);
    vec![
        denied("token", 401, "UNAUTHENTICATED", json!([])),
        denied("access", 403, "PERMISSION_DENIED", json!([])),
        denied("off", 403, "PERMISSION_DENIED", off),
        denied("path", 404, "NOT_FOUND", json!([])),
    ]
}

/// What something in between says in place of HubSpot, that reads like an answer and holds nothing.
pub(super) fn empty() -> (&'static str, Meddling) {
    ("empty", Meddling::Instead(Reply::json(200, &json!({}))))
}

/// So many conversions are uploaded, and Google has counted as many.
fn uploaded(stage: &Stage, count: usize) {
    stage.wait("adce/won", "all others uploaded", |event| {
        let counts = Counts::of(event);
        counts.conserved(event);
        counts.uploaded == count as u64
    });
    assert_eq!(stage.accepted(&action(&stage.get("adce/won"))).len(), count);
}

/// The event's conversions but one are uploaded, also one that comes later.
fn others_go(stage: &Stage, others: usize, more: &Value) {
    stage.start_with_accounts();
    others_are_sent(stage, others, more);
}

/// As [`others_go`], where the accounts are there.
pub(super) fn others_are_sent(stage: &Stage, others: usize, more: &Value) {
    let mut spec = json!({"startTime": ago(86_400 * 30)});
    let more = more.as_object().cloned().unwrap_or_default();
    spec.as_object_mut().expect("an object").extend(more);
    stage.event("won", "customer", &spec);
    uploaded(stage, others);
    stage.contact(&[("customer", ago(0))], Some("click-later"), &json!({}));
    uploaded(stage, others + 1);
}

/// That one goes too once nothing stops it any more.
pub(super) fn the_last_goes(stage: &Stage, meddler: &Meddler, rule: Rule) {
    assert!(meddler.fired(rule) > 0);
    meddler.lift(rule);
    let all: BTreeSet<String> = transactions(stage, "customer").into_iter().collect();
    let event = settled_within(stage, "won", all.len(), LONG);
    exactly(stage, &event, &all);
}

/// The event names a record that cannot be read.
fn names_unreadable(stage: &Stage) {
    let event = stage.get("adce/won");
    let errors = event["status"]["sync"]["lastErrors"].to_string();
    assert!(errors.contains("UnreadableRecord"), "{event:#}");
}

#[test]
fn one_conversion_that_every_request_fails_with_holds_up_no_other() {
    for (name, meddling) in failures()
        .into_iter()
        .chain(filters())
        .map(named)
        .chain(pages(&[403, 404, 429, 503]))
        .chain(google_denials())
    {
        let (stage, meddler) = stage(&format!("poison-{name}"));
        crowd(&stage, 20);
        stage.post("/hubspot/contacts", &json!([became(7, POISON)]));
        let has_it = |call: &Asked| call.path.contains("events:ingest") && call.says(POISON);
        let rule = meddler.always(has_it, meddling);
        others_go(&stage, 20, &json!({}));
        the_last_goes(&stage, &meddler, rule);
    }
}

/// Contacts that became customers, each with a deal; their ids and those of their deals.
fn with_deals(stage: &Stage, clicks: &[&str]) -> Vec<(String, String)> {
    let with_deal = |click: &&str| {
        let contact = stage.contact(&[("customer", ago(3600))], Some(click), &json!({}));
        let deal = json!([{"createdAt": ago(86_400), "contactIds": [contact],
            "properties": {"amount": "70", "dealstage": "closedwon"}}]);
        let made = stage.post("/hubspot/deals", &deal);
        let deal = made["ids"][0].as_str().expect("an id").to_owned();
        (contact, deal)
    };
    clicks.iter().map(with_deal).collect()
}

#[test]
fn one_contact_that_every_read_fails_with_holds_up_no_other() {
    let known = failures().into_iter().chain(filters()).chain([empty()]);
    for (name, meddling) in known
        .map(named)
        .chain(pages(&[404, 429]))
        .chain(gateway(&[403, 429]))
        .chain(hubspot_denials())
    {
        let (stage, meddler) = stage(&format!("unread-{name}"));
        crowd(&stage, 20);
        let id = stage.contact(&[("customer", ago(3600))], Some(POISON), &json!({}));
        let has_it = move |call: &Asked| {
            let reads = call.path.contains("/contacts/batch/read") && !call.path.contains("associations");
            reads && call.says(&format!("\"{id}\""))
        };
        let rule = meddler.always(has_it, meddling);
        others_go(&stage, 20, &json!({}));
        names_unreadable(&stage);
        the_last_goes(&stage, &meddler, rule);
    }
}

fn by_deals() -> Value {
    json!({"value": {"dealAmount": {"default": {"amount": "40", "currency": "EUR"}}}})
}

#[test]
fn one_contact_whose_deals_cannot_be_listed_holds_up_no_other() {
    let known = failures().into_iter().chain([empty()]).map(named);
    for (name, meddling) in known.chain(hubspot_denials()) {
        let (stage, meddler) = stage(&format!("unlisted-{name}"));
        crowd(&stage, 20);
        let made = with_deals(&stage, &["click-a", POISON, "click-b"]);
        let (contact, _) = made[1].clone();
        let has_it = move |call: &Asked| call.path.contains("associations") && call.says(&format!("\"{contact}\""));
        let rule = meddler.always(has_it, meddling);
        others_go(&stage, 22, &by_deals());
        names_unreadable(&stage);
        the_last_goes(&stage, &meddler, rule);
    }
}

#[test]
fn one_deal_that_every_read_fails_with_holds_up_no_other() {
    let several: &[&str] = &["click-a", POISON, "click-b"];
    for (name, clicks) in [("among-others", several), ("the-only-one", &[POISON])] {
        let known = failures().into_iter().chain([empty()]).map(named);
        for (how, meddling) in known.chain(hubspot_denials()) {
            let (stage, meddler) = stage(&format!("deal-{name}-{how}"));
            crowd(&stage, 20);
            let made = with_deals(&stage, clicks);
            let (_, deal) = made[clicks.len() / 2].clone();
            let has_it = move |call: &Asked| {
                let reads = call.path.contains("/deals/batch/read") && !call.path.contains("associations");
                reads && call.says(&format!("\"{deal}\""))
            };
            let rule = meddler.always(has_it, meddling);
            others_go(&stage, 19 + clicks.len(), &by_deals());
            if clicks.len() > 1 {
                names_unreadable(&stage);
            }
            the_last_goes(&stage, &meddler, rule);
        }
    }
}

#[test]
fn one_form_that_cannot_be_read_slows_down_no_other_and_no_stage() {
    let mut stage = Stage::empty("unread-form", &[], &[("backoff-max", "5m")]);
    let meddler = stage.meddled();
    let of_form = |call: &Asked| call.path.contains("/form-integrations/") && call.path.contains(FORM);
    let rule = meddler.always(of_form, Meddling::Drop);
    forms::start(&stage);
    forms::event(&stage, "demo", FORM, &json!({}));
    forms::event(&stage, "news", OTHER, &json!({}));
    stage.event("won", "customer", &json!({}));
    for event in ["news", "won"] {
        stage.condition(&format!("adce/{event}"), "Ready", "True", "");
    }
    stage.wait("adce/demo", "a form that is not read", |event| {
        condition(event, "Synced")["status"] == "False"
    });
    // Three tries a read: the pauses of the form are seconds by now, those of the others half of one.
    let tried = |reads: usize| {
        stage.wait_for("another try", || {
            let fired = meddler.fired(rule);
            if fired > 3 * reads { Ok(()) } else { Err(json!(fired)) }
        });
    };
    tried(3);
    let before = forms::calls(&stage, "contacts/search");
    tried(5);
    let polls = forms::calls(&stage, "contacts/search") - before;
    assert!(polls > 12, "{polls} searches in the pauses of two reads of one form");
    forms::submit(&stage, &with(&consenting("c-1"), &json!({"formId": OTHER})));
    forms::counted(&stage, "news", 1, 1, 0);
    stage.contact(&[("customer", ago(0))], Some("click-later"), &json!({}));
    stage.settled("won", 1);
    assert_eq!(condition(&stage.get("adce/won"), "Synced")["status"], "True");
    forms::submit(&stage, &consenting("c-2"));
    meddler.lift(rule);
    forms::counted(&stage, "demo", 1, 1, 0);
}

#[test]
fn one_address_that_every_look_fails_with_holds_up_no_other() {
    let mut stage = Stage::empty("unread-address", &[], &[("backoff-max", "1s")]);
    let meddler = stage.meddled();
    let has_it = |call: &Asked| call.path.contains("/contacts/") && call.says("poison@example.com");
    let rule = meddler.always(has_it, Meddling::Drop);
    forms::start(&stage);
    for id in ["c-1", "poison", "c-2"] {
        forms::submit(&stage, &consenting(id));
    }
    forms::event(&stage, "demo", FORM, &json!({"startTime": ago(3600)}));
    forms::counted(&stage, "demo", 3, 2, 1);
    forms::submit(&stage, &consenting("c-3"));
    forms::counted(&stage, "demo", 4, 3, 1);
    assert!(meddler.fired(rule) > 0);
    meddler.lift(rule);
    forms::counted(&stage, "demo", 4, 4, 0);
}
