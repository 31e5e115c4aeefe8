//! Waits of years, asked for by HubSpot, Google or the token endpoint: each is an hour at most, in memory and in the
//! ledger, and one that stands in the ledger from another time is over after a restart.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Stage;
use super::judge::PORTAL;
use super::meddler::{Asked, Meddler, Meddling, Reply, Rule};
use super::stage::{ago, condition};
use super::strangers::all_arrive;

/// In seconds, and as a date.
const WAITS: [&str; 2] = ["1000000000", "Sat, 01 Jan 2163 00:00:00 GMT"];
const HOUR: i64 = 3_600_000;
/// 2163, in milliseconds.
const FAR: i64 = 6_090_595_200_000;

/// What the ledger holds; the operator may run.
fn ledger(stage: &Stage, sql: &'static str) -> Option<i64> {
    use sqlx::Connection;
    let url = format!("sqlite://{}", stage.ledger().display());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut connection = sqlx::SqliteConnection::connect(&url).await.expect("the ledger");
        let found = sqlx::query_scalar::<_, Option<i64>>(sql)
            .fetch_optional(&mut connection)
            .await;
        found.expect("an answer").flatten()
    })
}

/// Calls to a path are told to come back in so long.
fn later(meddler: &Meddler, path: &'static str, status: u16, wait: &str) -> Rule {
    // A limit in the words of who is asked: one without any is of somebody in between, and holds up nobody else.
    let words = match path {
        "/account-info/" => {
            json!({"status": "error", "category": "RATE_LIMITS", "policyName": "DAILY", "message": "You have reached your daily limit."})
        }
        "/token" => json!({"error": "temporarily_unavailable"}),
        _ => json!({"error": {"code": status, "status": "RESOURCE_EXHAUSTED"}}),
    };
    let later = Reply::json(status, &words);
    let later = Meddling::Instead(later.header("retry-after", wait));
    meddler.always(move |asked: &Asked| asked.path.contains(path), later)
}

/// Waits until the ledger holds a wait of more than half an hour, which is none of more than one.
fn an_hour(stage: &Stage, sql: &'static str) {
    let begun = Timestamp::now().as_millisecond();
    let until = stage.wait_for(sql, || match ledger(stage, sql) {
        Some(until) if until > begun + HOUR / 2 => Ok(until),
        other => Err(json!(other)),
    });
    let now = Timestamp::now().as_millisecond();
    assert!(until <= now + HOUR, "{} s", (until - now) / 1000);
}

fn customer(stage: &Stage, click: &str) {
    stage.contact(&[("customer", ago(60))], Some(click), &json!({}));
}

#[test]
fn waits_of_years_are_an_hour_in_the_ledger_and_over_after_a_restart() {
    let mut stage = Stage::empty("waits", &["--no-rate-limits"], &[]);
    let meddler = stage.meddled();
    stage.start_operator();
    stage.accounts();
    stage.event("late", "customer", &json!({"startTime": ago(86_400 * 30)}));
    stage.condition("adce/late", "Ready", "True", "");
    for (wait, path, status, held, far) in [
        (
            WAITS[0],
            "/events:ingest",
            429,
            "SELECT max(due) FROM conversions",
            "UPDATE conversions SET due = 6090595200000 WHERE due IS NOT NULL",
        ),
        (
            WAITS[1],
            "/requestStatus:retrieve",
            503,
            "SELECT max(poll_at) FROM requests",
            "UPDATE requests SET poll_at = 6090595200000 WHERE poll_at IS NOT NULL",
        ),
    ] {
        let rule = later(&meddler, path, status, wait);
        customer(&stage, path);
        an_hour(&stage, held);
        stage.kill_operator();
        ledger(&stage, far);
        assert_eq!(ledger(&stage, held), Some(FAR), "{path}");
        meddler.lift(rule);
        stage.start_operator();
        all_arrive(&stage, "late", PORTAL);
    }
}

#[test]
fn a_wait_of_years_for_a_new_token_is_an_hour_in_the_ledger() {
    let mut stage = Stage::empty("token", &["--no-rate-limits"], &[]);
    let meddler = stage.meddled();
    stage.start_operator();
    stage.accounts();
    stage.event("late", "customer", &json!({"startTime": ago(86_400 * 30)}));
    stage.condition("adce/late", "Ready", "True", "");
    // The token is taken no longer, and there is no new one.
    let old = json!({"error": {"code": 401, "status": "UNAUTHENTICATED"}});
    let ingest = |asked: &Asked| asked.path.contains("/events:ingest");
    let old = meddler.always(ingest, Meddling::Instead(Reply::json(401, &old)));
    let token = later(&meddler, "/token", 429, WAITS[0]);
    customer(&stage, "click");
    an_hour(&stage, "SELECT max(due) FROM conversions");
    assert!(meddler.fired(old) > 0 && meddler.fired(token) > 0);
    stage.kill_operator();
    ledger(
        &stage,
        "UPDATE conversions SET due = 6090595200000 WHERE due IS NOT NULL",
    );
    meddler.lift_all();
    stage.start_operator();
    all_arrive(&stage, "late", PORTAL);
}

/// How long the condition says that is still to be waited.
fn left(object: &Value) -> Option<SignedDuration> {
    let ready = condition(object, "Ready");
    let (_, rest) = ready["message"].as_str()?.split_once("asked to wait")?;
    let digits: String = rest
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok().map(SignedDuration::from_secs)
}

/// Has the account looked at now.
fn look(stage: &Stage, object: &str) {
    let now = Timestamp::now().to_string();
    stage.patch(
        object,
        &json!({"metadata": {"annotations": {"adconversion.dev/reconcile-requested-at": now}}}),
    );
}

#[test]
fn accounts_that_are_told_to_wait_for_years_wait_an_hour() {
    for wait in WAITS {
        let mut stage = Stage::empty("years", &["--no-rate-limits"], &[]);
        let meddler = stage.meddled();
        customer(&stage, "click");
        let token = later(&meddler, "/token", 429, wait);
        let portal = later(&meddler, "/account-info/", 429, wait);
        stage.start_operator();
        stage.accounts();
        stage.event("late", "customer", &json!({"startTime": ago(86_400 * 30)}));
        for object in ["gaa/acme", "hsa/acme"] {
            let says = |o: &Value| condition(o, "Ready")["message"].to_string().contains("HTTP 429");
            stage.wait(object, "a refusal for now", says);
        }
        meddler.lift(token);
        let search = later(&meddler, "googleAds:search", 429, wait);
        for object in ["gaa/acme", "hsa/acme"] {
            look(&stage, object);
        }
        stage.wait_for("a search", || {
            if meddler.fired(search) > 0 {
                Ok(())
            } else {
                Err(json!("none"))
            }
        });
        for object in ["gaa/acme", "hsa/acme"] {
            let left = stage.wait_for("a wait that is told", || {
                look(&stage, object);
                let found = stage.get(object);
                left(&found).ok_or_else(|| found["status"].clone())
            });
            assert!(left <= SignedDuration::from_hours(1), "{object}: {left:#}");
            assert!(left > SignedDuration::from_mins(50), "{object}: {left:#}");
        }
        assert_eq!(
            (meddler.fired(search), meddler.fired(portal)),
            (1, 1),
            "nobody is asked in between"
        );
        meddler.lift_all();
        // What was asked for is kept in memory only.
        stage.kill_operator();
        stage.start_operator();
        all_arrive(&stage, "late", PORTAL);
    }
}
