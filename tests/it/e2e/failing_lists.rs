//! Lists of HubSpot's and Google's that only some events have need of, or nobody at the moment: where they can't be
//! read for long, what was known stands, and everybody whom they do not concern goes on.

use std::time::Duration;

use serde_json::json;

use super::Stage;
use super::forms::{self, FORM, OTHER, consenting, counted, submit};
use super::meddler::{Asked, Meddler, Meddling, Reply, Rule};
use super::stage::{Counts, ago, condition};

/// The list of forms, of properties, of stages, and what the token may do.
const LISTS: [&str; 3] = ["/marketing/", "/crm/properties/", "access-token-info"];

fn refuse(meddler: &Meddler) -> Rule {
    let lists = |call: &Asked| LISTS.iter().any(|path| call.path.contains(path));
    let body = json!({"status": "error", "message": "x", "category": "INTERNAL_ERROR"});
    meddler.always(lists, Meddling::Instead(Reply::json(500, &body)))
}

/// The lists have been asked for so often that the failures have lasted longer than the threshold.
fn fails_for_long(stage: &Stage, meddler: &Meddler, rule: Rule) {
    stage.wait("hsa/acme", "what could not be read", |account| {
        let ready = condition(account, "Ready");
        ready["status"] == "True" && ready["message"].to_string().contains("lifecycle stages")
    });
    keeps_failing(stage, meddler, rule, "hsa/acme", 12);
}

/// More tries than these have failed, for longer than the threshold, and the account is ready.
fn keeps_failing(stage: &Stage, meddler: &Meddler, rule: Rule, account: &str, tries: usize) {
    let (begun, before) = (std::time::Instant::now(), meddler.fired(rule));
    stage.wait_for("further tries", || {
        let fired = meddler.fired(rule) - before;
        let long = begun.elapsed() > Duration::from_secs(4);
        if fired > tries && long {
            Ok(())
        } else {
            Err(json!(fired))
        }
    });
    stage.condition(account, "Ready", "True", "");
}

fn goes(stage: &Stage, uploaded: u64) {
    stage.contact(&[("customer", ago(60))], Some(&format!("click-{uploaded}")), &json!({}));
    stage.wait("adce/won", &format!("{uploaded} uploaded"), |event| {
        let counts = Counts::of(event);
        counts.conserved(event);
        counts.uploaded == uploaded
    });
    stage.condition("adce/won", "Ready", "True", "");
}

#[test]
fn lists_that_cannot_be_read_stop_nobody_but_whoever_needs_them() {
    let flags = [
        ("failure-threshold", "3s"),
        ("account-check-interval", "1s"),
        ("settle-delay", "1s"),
        ("backoff-max", "1s"),
    ];
    let mut stage = Stage::empty("failing-lists", &["--no-rate-limits"], &flags);
    let meddler = stage.meddled();
    forms::start(&stage);
    stage.event("won", "customer", &json!({"startTime": ago(86_400)}));
    forms::event(&stage, "demo", FORM, &json!({"startTime": ago(3600)}));
    goes(&stage, 1);
    submit(&stage, &consenting("c-1"));
    counted(&stage, "demo", 1, 1, 0);

    let rule = refuse(&meddler);
    let now = jiff::Timestamp::now();
    let asked = json!({"metadata": {"annotations": {"adconversion.dev/reconcile-requested-at": now.to_string()}}});
    stage.patch("hsa/acme", &asked);
    fails_for_long(&stage, &meddler, rule);
    goes(&stage, 2);
    submit(&stage, &consenting("c-2"));
    counted(&stage, "demo", 2, 2, 0);

    // A process that begins knows no list. An event whose form nobody has looked up yet is the only one that waits.
    stage.stop_operator();
    stage.start_operator();
    forms::event(&stage, "letter", OTHER, &json!({"startTime": ago(3600)}));
    fails_for_long(&stage, &meddler, rule);
    goes(&stage, 3);
    submit(&stage, &consenting("c-3"));
    counted(&stage, "demo", 3, 3, 0);
    let waits = stage.condition("adce/letter", "AccountsReady", "False", "AccountNotReady");
    assert!(waits["message"].to_string().contains("list of forms"), "{waits}");

    meddler.lift(rule);
    stage.condition("adce/letter", "Ready", "True", "");
    stage.wait("hsa/acme", "nothing that could not be read", |account| {
        !condition(account, "Ready")["message"]
            .to_string()
            .contains("could not be asked")
    });
    goes(&stage, 4);
}

/// A query of Google's for what is kept beside the customer.
fn lists(call: &Asked) -> bool {
    let of = |table: &str| call.says(&format!("FROM {table}"));
    call.path.contains("googleAds:search") && (of("customer_conversion_goal") || of("conversion_action"))
}

fn asked_again(stage: &Stage) {
    let now = jiff::Timestamp::now();
    let asked = json!({"metadata": {"annotations": {"adconversion.dev/reconcile-requested-at": now.to_string()}}});
    stage.patch("gaa/acme", &asked);
}

fn unread(stage: &Stage, list: &str) {
    stage.wait("gaa/acme", &format!("{list} that cannot be read"), |account| {
        let ready = condition(account, "Ready");
        ready["status"] == "True" && ready["message"].to_string().contains(list)
    });
}

#[test]
fn lists_of_googles_that_cannot_be_read_stop_no_conversion() {
    let flags = [
        ("failure-threshold", "3s"),
        ("account-check-interval", "1s"),
        ("backoff-max", "1s"),
    ];
    let mut stage = Stage::empty("failing-google", &["--no-rate-limits"], &flags);
    let meddler = stage.meddled();
    stage.start_with_accounts();
    stage.event("won", "customer", &json!({"startTime": ago(86_400)}));
    goes(&stage, 1);

    let failed = json!({"error": {"code": 500, "message": "x", "status": "INTERNAL"}});
    let denied = json!({"error": {"code": 403, "message": "x", "status": "PERMISSION_DENIED"}});
    for (sent, reply) in [(2, Reply::json(500, &failed)), (3, Reply::json(403, &denied))] {
        let rule = meddler.always(lists, Meddling::Instead(reply));
        asked_again(&stage);
        unread(&stage, "the conversion goals");
        unread(&stage, "the conversion actions");
        keeps_failing(&stage, &meddler, rule, "gaa/acme", 3);
        goes(&stage, sent);
        meddler.lift(rule);
        stage.wait("gaa/acme", "nothing that could not be read", |account| {
            !condition(account, "Ready")["message"]
                .to_string()
                .contains("could not be")
        });
    }

    // A process that begins has no need of goals, and none of a row without its key.
    let odd = |_: &Asked, answer: Reply| {
        let row = json!({"results": [{"customerConversionGoal": {"category": "x y", "biddable": true}}]});
        Reply {
            body: row.to_string().into(),
            ..answer
        }
    };
    let goals = |call: &Asked| lists(call) && call.says("FROM customer_conversion_goal");
    let rule = meddler.always(goals, Meddling::rewrite(odd));
    stage.stop_operator();
    stage.start_operator();
    unread(&stage, "the conversion goals");
    keeps_failing(&stage, &meddler, rule, "gaa/acme", 3);
    goes(&stage, 4);
    let bidding = condition(&stage.get("adce/won"), "CountedForBidding");
    assert_eq!(bidding["status"], "Unknown", "{bidding}");
    meddler.lift(rule);
    stage.condition("adce/won", "CountedForBidding", "True", "");
}

#[test]
fn lists_that_hubspot_refuses_in_its_own_words_stop_nobody_who_knows_their_stage() {
    let flags = [
        ("failure-threshold", "3s"),
        ("account-check-interval", "1s"),
        ("backoff-max", "1s"),
    ];
    let mut stage = Stage::empty("refused-lists", &["--no-rate-limits"], &flags);
    let meddler = stage.meddled();
    stage.start_with_accounts();
    stage.event("won", "customer", &json!({"startTime": ago(86_400)}));
    goes(&stage, 1);
    let lists = |call: &Asked| call.path.contains("/crm/properties/");
    let refused = |status: u16, category: &str| {
        let body = json!({"status": "error", "message": "x", "category": category});
        meddler.always(lists, Meddling::Instead(Reply::json(status, &body)))
    };
    for (sent, status, category) in [
        (2, 403, "FORBIDDEN"),
        (3, 404, "OBJECT_NOT_FOUND"),
        (4, 403, "MISSING_SCOPES"),
    ] {
        let rule = refused(status, category);
        let now = jiff::Timestamp::now();
        let asked = json!({"metadata": {"annotations": {"adconversion.dev/reconcile-requested-at": now.to_string()}}});
        stage.patch("hsa/acme", &asked);
        fails_for_long(&stage, &meddler, rule);
        goes(&stage, sent);
        meddler.lift(rule);
    }
    // A process that begins knows no stage: an event that has never looked up its own waits, and no other.
    let rule = refused(403, "MISSING_SCOPES");
    stage.stop_operator();
    stage.start_operator();
    stage.event("opened", "opportunity", &json!({"startTime": ago(86_400)}));
    fails_for_long(&stage, &meddler, rule);
    goes(&stage, 5);
    let waits = stage.condition("adce/opened", "AccountsReady", "False", "AccountNotReady");
    assert!(waits["message"].to_string().contains("lifecycle stages"), "{waits}");
    meddler.lift(rule);
    stage.condition("adce/opened", "Ready", "True", "");
    goes(&stage, 6);
}
