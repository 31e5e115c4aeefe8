//! Contacts with which each search fails that would show them: all others go on, and so do these.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::Stage;
use super::forms::{self, FORM, consenting, with};
use super::judge::{crowd, exactly, settled_within, transactions};
use super::meddler::{Asked, Meddler, Meddling, Reply};
use super::stage::ago;

const LONG: Duration = Duration::from_mins(2);

fn stage(name: &str) -> Stage {
    Stage::empty(
        name,
        &["--no-rate-limits", "--processing-delay=200ms"],
        &[("backoff-max", "1s")],
    )
}

fn searches(call: &Asked) -> bool {
    call.path.contains("/contacts/search")
}

/// Somebody in between gives this in place of each answer that shows one of these contacts. How often it has.
fn filtered(meddler: &Meddler, ids: &[String], reply: Reply) -> Arc<AtomicUsize> {
    let shown: Vec<String> = ids.iter().map(|id| format!("\"id\":\"{id}\"")).collect();
    let fired = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&fired);
    let filter = move |_: &Asked, answer: Reply| {
        let body = String::from_utf8_lossy(&answer.body);
        if shown.iter().any(|id| body.contains(id.as_str())) {
            count.fetch_add(1, Ordering::Relaxed);
            reply.clone()
        } else {
            answer
        }
    };
    meddler.always(searches, Meddling::rewrite(filter));
    fired
}

fn customer(stage: &Stage, click: &str) -> String {
    stage.contact(&[("customer", ago(3600))], Some(click), &json!({}))
}

/// All conversions of this stage are uploaded, each once.
fn all_go(stage: &Stage, name: &str, lifecycle: &str) {
    let all: BTreeSet<String> = transactions(stage, lifecycle).into_iter().collect();
    let event = settled_within(stage, name, all.len(), LONG);
    exactly(stage, &event, &all);
}

/// Two events of the portal, and what comes later: another contact, and another stage of those that searches fail with.
fn everybody_goes(stage: &Stage, breaking: &[String]) {
    stage.contact(&[("opportunity", ago(3600))], Some("click-o"), &json!({}));
    stage.start_with_accounts();
    for (name, lifecycle) in [("won", "customer"), ("opened", "opportunity")] {
        stage.event(name, lifecycle, &json!({"startTime": ago(86_400 * 30)}));
    }
    all_go(stage, "won", "customer");
    all_go(stage, "opened", "opportunity");
    customer(stage, "click-later");
    for id in breaking {
        let change = json!({"properties": {"lifecyclestage": "opportunity"}});
        stage.admin_call("PATCH", &format!("/hubspot/contacts/{id}"), Some(&change));
    }
    all_go(stage, "won", "customer");
    all_go(stage, "opened", "opportunity");
}

/// HubSpot's own refusal of a token.
fn denied(status: u16, category: &str) -> Reply {
    Reply::json(
        status,
        &json!({"status": "error", "message": "x", "category": category}),
    )
}

#[rstest::rstest]
#[case::redirected("search-302", Reply::new(302, "text/html", "<html>blocked</html>").header("location", "https://filter.example/"))]
#[case::login("search-401", Reply::new(401, "text/html", "<html>log in</html>"))]
#[case::blocked("search-403", Reply::new(403, "text/html", "<html>blocked</html>"))]
#[case::no_token("search-denied-401", denied(401, "INVALID_AUTHENTICATION"))]
#[case::no_scope("search-denied-403", denied(403, "MISSING_SCOPES"))]
#[case::forbidden("search-forbidden", denied(403, "FORBIDDEN"))]
#[case::not_found("search-not-found", denied(404, "OBJECT_NOT_FOUND"))]
#[case::a_gateway("search-gateway", Reply::json(429, &json!({"error": "refused"})).header("retry-after", "3600"))]
#[case::broken_off("search-lost", Reply::new(200, "application/json", "{\"total\":").of_length(9_999))]
fn contacts_that_a_filter_keeps_from_searches_hold_up_nobody(#[case] name: &str, #[case] reply: Reply) {
    let mut stage = stage(name);
    let meddler = stage.meddled();
    crowd(&stage, 12);
    let first = customer(&stage, "click-first");
    crowd(&stage, 12);
    // Neighbours, the last of all too.
    let breaking = [first, customer(&stage, "click-second"), customer(&stage, "click-third")];
    let fired = filtered(&meddler, &breaking, reply);
    everybody_goes(&stage, &breaking);
    assert!(fired.load(Ordering::Relaxed) > 0);
    // Each kind of search finds out for itself. Then they are left out.
    let quiet_since = Cell::new((0, 0));
    stage.wait_for("searches that none of them is in", || {
        let (filtered, searched) = (fired.load(Ordering::Relaxed), forms::calls(&stage, "contacts/search"));
        if filtered != quiet_since.get().0 {
            quiet_since.set((filtered, searched));
        }
        let quiet = searched - quiet_since.get().1;
        if quiet > 20 { Ok(()) } else { Err(json!(quiet)) }
    });
}

/// HubSpot fails with each search that would show one of these.
fn break_searches(stage: &Stage, ids: &[&str]) {
    let breaks = |id: &&str| json!({"object": "found", "id": id, "refuse": 500, "error": "INTERNAL_ERROR"});
    stage.post("/hubspot/odd", &json!(ids.iter().map(breaks).collect::<Vec<_>>()));
}

#[test]
fn contacts_that_hubspot_fails_with_hold_up_nobody() {
    let stage = stage("search-500");
    let first = customer(&stage, "click-first");
    crowd(&stage, 20);
    let last = customer(&stage, "click-last");
    break_searches(&stage, &[&first, &last]);
    everybody_goes(&stage, &[first, last]);
}

#[test]
fn a_submission_of_somebody_whom_searches_fail_with_is_found() {
    let stage = forms::stage("search-form", &[("backoff-max", "1s")]);
    forms::event(&stage, "demo", FORM, &json!({"startTime": ago(3600)}));
    let known = forms::submit(&stage, &consenting("c-1"));
    forms::counted(&stage, "demo", 1, 1, 0);
    break_searches(&stage, &[known["contactId"].as_str().expect("an id")]);
    // The list of the form is read since the search says that somebody submitted it: nobody else does.
    forms::submit(&stage, &with(&consenting("c-1"), &json!({"conversionId": "c-2"})));
    forms::counted(&stage, "demo", 2, 2, 0);
    forms::submit(&stage, &consenting("c-3"));
    forms::counted(&stage, "demo", 3, 3, 0);
}
