//! Times that somebody disputes, or that nobody has confirmed: nothing final follows from them, and nothing that was
//! written by them waits for the day that they showed.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::Stage;
use super::forms::{self, consenting, submit, with};
use super::host_clock::{DAYS, HostClock, all_sent, begin, customer, polled, ready};
use super::meddler::{Asked, Meddler, Meddling, Rule};
use super::stage::{Counts, condition, reason};

const HUNDRED_DAYS: i64 = 100 * 86_400;
const TWO_HOURS: i64 = 7_200;
const CORRECTED: &str = "the clock of this node is wrong";
/// Of the sandbox's service account, which looks at no signature.
const KEY: &str = include_str!("../../../src/upstream/google/testdata/service_account_key.pem");

fn is_google(asked: &Asked) -> bool {
    let google = ["googleAds", "customers", "events:ingest", "requestStatus"];
    google.iter().any(|part| asked.path.contains(part)) || asked.path == "/token"
}

fn is_upload(asked: &Asked) -> bool {
    asked.path.contains("events:ingest") || asked.path.contains("uploadConversionAdjustments")
}

/// Answers that no longer say when they were made.
fn undated(meddler: &Meddler, picks: impl Fn(&Asked) -> bool + Send + Sync + 'static) -> Rule {
    meddler.always(picks, Meddling::rewrite(|_, reply| reply.header("date", "yesterday")))
}

/// Both events have sent something.
fn working(name: &str) -> (Stage, HostClock, Meddler) {
    let (mut stage, clock) = begin(name);
    let meddler = stage.meddled();
    forms::start(&stage);
    ready(&stage);
    customer(&stage, "click-0");
    submit(&stage, &consenting("c-0"));
    all_sent(&stage, 1, &["c-0"]);
    (stage, clock, meddler)
}

/// From now on all answers come through one proxy, whose clock is ahead.
fn dated_ahead(meddler: &Meddler, ahead: SignedDuration) -> Rule {
    let wrong = Meddling::rewrite(move |_, reply| {
        let date = Timestamp::now() + ahead;
        reply.header("date", &date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
    });
    meddler.always(|_| true, wrong)
}

/// A submission of somebody who does not consent yet.
fn submit_undecided(stage: &Stage, id: &str) -> Value {
    let undecided = with(&consenting(id), &json!({"properties": {"ads_consent": "false"}}));
    submit(stage, &undecided)
}

/// Who has submitted this consents now.
fn consents(stage: &Stage, made: &Value) {
    let contact = &made["contactId"];
    let contact = contact.as_str().map_or_else(|| contact.to_string(), str::to_owned);
    let consents = json!({"properties": {"ads_consent": "true"}});
    stage.admin_call("PATCH", &format!("/hubspot/contacts/{contact}"), Some(&consents));
}

/// When what waits in the ledger is due first, seconds from now.
fn next_due(stage: &Stage) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let due: i64 = runtime.expect("a runtime").block_on(async {
        let options = SqliteConnectOptions::new().filename(stage.ledger()).read_only(true);
        let mut ledger = options.connect().await.expect("the ledger");
        let due = sqlx::query_scalar("SELECT coalesce(min(due), 0) FROM conversions WHERE state = 'Waiting'");
        let due = due.fetch_one(&mut ledger).await.expect("a time");
        ledger.close().await.expect("an end");
        due
    });
    due / 1_000 - Timestamp::now().as_second()
}

fn corrections(stage: &Stage) -> usize {
    stage.log().matches(CORRECTED).count()
}

fn corrected(stage: &Stage, times: usize) {
    stage.wait_for("the correction", || {
        let found = corrections(stage);
        if found >= times { Ok(()) } else { Err(json!(found)) }
    });
}

/// Waits until so many submissions were seen; none is skipped.
fn seen(stage: &Stage, submissions: u64) {
    let what = format!("{submissions} submissions");
    let event = stage.wait("adce/demo", &what, |event| Counts::of(event).observed == submissions);
    assert_eq!(Counts::of(&event).skipped, 0, "{:#}", event["status"]);
}

#[test]
fn a_clock_that_nobody_confirms_skips_and_archives_nothing() {
    let (stage, clock, meddler) = working("unconfirmed");
    stage.kill_operator();
    clock.step(HUNDRED_DAYS);
    let away = meddler.always(is_google, Meddling::Drop);
    let unreadable = undated(&meddler, |asked| !is_google(asked));
    stage.start_operator();
    customer(&stage, "click-1");
    submit(&stage, &consenting("c-1"));
    seen(&stage, 2);
    polled(&stage);
    // Google is back: it alone knows what time it is.
    meddler.lift(away);
    submit(&stage, &consenting("c-2"));
    seen(&stage, 3);
    polled(&stage);
    meddler.lift(unreadable);
    corrected(&stage, 1);
    submit(&stage, &consenting("c-3"));
    all_sent(&stage, 2, &["c-0", "c-1", "c-2", "c-3"]);
    assert!(!stage.log().contains("are kept as totals"), "{}", stage.log());
}

/// Both vendors' answers come through one proxy, whose clock is ahead for a while.
#[test]
fn dates_that_both_vendors_give_for_a_while_skip_and_delay_nothing() {
    let (stage, _, meddler) = working("wrong-dates");
    let wrong = dated_ahead(&meddler, SignedDuration::from_secs(DAYS));
    corrected(&stage, 1);
    customer(&stage, "click-1");
    submit(&stage, &consenting("c-1"));
    let made = submit_undecided(&stage, "c-2");
    stage.wait("adce/demo", "one that is sent and one that waits", |event| {
        let counts = Counts::of(event);
        assert_eq!(counts.skipped, 0, "{:#}", event["status"]);
        counts.uploaded == 2 && reason(event, "Pending", "AwaitingConsent") == 1
    });
    polled(&stage);
    meddler.lift(wrong);
    corrected(&stage, 2);
    consents(&stage, &made);
    customer(&stage, "click-2");
    submit(&stage, &consenting("c-3"));
    all_sent(&stage, 3, &["c-0", "c-1", "c-2", "c-3"]);
}

#[test]
fn an_action_that_was_created_by_a_clock_that_was_ahead_is_not_too_new_until_then() {
    let (mut stage, clock) = begin("created-ahead");
    stage.flag("new-action-hold", "2s");
    let meddler = stage.meddled();
    clock.step(TWO_HOURS);
    let silent = undated(&meddler, |_| true);
    forms::start(&stage);
    ready(&stage);
    customer(&stage, "click-1");
    submit(&stage, &consenting("c-1"));
    seen(&stage, 1);
    meddler.lift(silent);
    corrected(&stage, 1);
    all_sent(&stage, 1, &["c-1"]);
    let shown = stage.get("adce/won")["status"]["conversionAction"]["createTime"].clone();
    let shown: Timestamp = shown.as_str().expect("a time").parse().expect("a time");
    assert!(shown <= Timestamp::now(), "{shown}");
}

/// Ahead by less than the longest wait that there can be: what was seen meanwhile is known by nothing else.
#[test]
fn what_was_seen_by_a_clock_that_was_ahead_is_due_as_much_earlier() {
    let (mut stage, clock) = begin("seen-ahead");
    let meddler = stage.meddled();
    forms::start(&stage);
    ready(&stage);
    stage.kill_operator();
    clock.step(TWO_HOURS);
    let silent = undated(&meddler, |asked| !is_upload(asked));
    let refused = meddler.always(is_upload, Meddling::Drop);
    stage.start_operator();
    customer(&stage, "click-1");
    submit(&stage, &consenting("c-1"));
    seen(&stage, 1);
    stage.wait_for("uploads that fail", || {
        let fired = meddler.fired(refused);
        if fired > 1 { Ok(()) } else { Err(json!(fired)) }
    });
    meddler.lift(silent);
    corrected(&stage, 1);
    meddler.lift(refused);
    customer(&stage, "click-2");
    submit(&stage, &consenting("c-2"));
    all_sent(&stage, 2, &["c-1", "c-2"]);
}

#[test]
fn the_key_of_a_service_account_works_whatever_the_clock_of_the_node_shows() {
    let (stage, clock) = begin("signed-ahead");
    clock.step(DAYS);
    let key = json!({"type": "service_account", "client_email": "adconversion@sandbox.iam.gserviceaccount.com",
        "private_key": KEY, "private_key_id": "1"});
    forms::start(&stage);
    let secret = json!({"data": {"clientId": null, "clientSecret": null, "refreshToken": null},
        "stringData": {"credentials.json": key.to_string()}});
    stage.patch("secret/google-ads", &secret);
    ready(&stage);
    customer(&stage, "click-1");
    submit(&stage, &consenting("c-1"));
    all_sent(&stage, 1, &["c-1"]);
    for (number, step) in [0, DAYS].into_iter().enumerate() {
        clock.step(step);
        stage.post("/google/credentials/forget-access-tokens", &json!({}));
        customer(&stage, &format!("click-{}", number + 2));
        let event = stage.settled("won", number as u64 + 2);
        assert_eq!(Counts::of(&event).uploaded, number as u64 + 2, "{:#}", event["status"]);
        let ready = condition(&stage.get("gaa/acme"), "Ready");
        assert_eq!(ready["status"], "True", "{ready}");
    }
}

/// The process ends before its clock is put right: the next one knows of no wrong time.
#[test]
fn what_a_process_before_has_seen_by_a_time_that_was_ahead_is_sent() {
    let (stage, _, meddler) = working("handed-on");
    let wrong = dated_ahead(&meddler, SignedDuration::from_hours(22));
    corrected(&stage, 1);
    customer(&stage, "click-1");
    submit(&stage, &consenting("c-1"));
    stage.wait("adce/demo", "the submission", |event| Counts::of(event).observed == 2);
    stage.wait("adce/won", "the customer", |event| Counts::of(event).observed == 2);
    stage.kill_operator();
    meddler.lift(wrong);
    stage.start_operator();
    all_sent(&stage, 2, &["c-0", "c-1"]);
}

/// It waited before already, and of such a look nothing stays but when the next one is due.
#[test]
fn what_a_process_before_has_looked_at_again_by_a_time_that_was_ahead_is_sent() {
    let (stage, _, meddler) = working("looked-at-ahead");
    let made = submit_undecided(&stage, "c-1");
    stage.wait("adce/demo", "one that waits for consent", |event| {
        reason(event, "Pending", "AwaitingConsent") == 1
    });
    let wrong = dated_ahead(&meddler, SignedDuration::from_hours(22));
    corrected(&stage, 1);
    stage.wait_for("a look by that time", || {
        let due = next_due(&stage);
        if due > 21 * 3_600 { Ok(()) } else { Err(json!(due)) }
    });
    stage.kill_operator();
    meddler.lift(wrong);
    consents(&stage, &made);
    stage.start_operator();
    all_sent(&stage, 1, &["c-0", "c-1"]);
}
