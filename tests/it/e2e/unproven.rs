//! One answer of Google's rejects conversions without a reason, or contradicts itself, and the next is right again: it
//! proves nothing, so each conversion goes again under its id and ends where Google has it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::Stage;
use super::judge::{calls, crowd, exactly, settled_within, transactions};
use super::meddler::{Asked, Meddler, Meddling, Reply};
use super::stage::{Counts, ago, condition};

const LONG: Duration = Duration::from_mins(1);
const NOT_FOUND: &str = "PROCESSING_ERROR_REASON_CLICK_NOT_FOUND";

fn stage(name: &str, contacts: u32) -> (Stage, Meddler) {
    let flags = [
        ("diagnostics-first-poll", "1s"),
        ("diagnostics-max-poll", "1s"),
        ("backoff-max", "2s"),
    ];
    let mut stage = Stage::empty(name, &["--no-rate-limits", "--processing-delay=200ms"], &flags);
    let meddler = stage.meddled();
    crowd(&stage, contacts);
    stage.start_with_accounts();
    (stage, meddler)
}

/// One call by this path is meddled with: none of an event's conversions is rejected, all are counted once.
fn none_rejected(stage: &Stage, meddler: &Meddler, name: &str, path: &'static str, meddling: Meddling) {
    let all: BTreeSet<String> = transactions(stage, "customer").into_iter().collect();
    let rule = meddler.times(1, move |call: &Asked| call.path.contains(path), meddling);
    stage.event(name, "customer", &json!({"startTime": ago(86_400 * 30)}));
    let event = settled_within(stage, name, all.len(), LONG);
    assert_eq!(meddler.fired(rule), 1, "{name}");
    let counts = Counts::of(&event);
    let wanted = (all.len() as u64, 0);
    assert_eq!(
        (counts.uploaded, counts.rejected),
        wanted,
        "{name}: {:#}",
        event["status"]
    );
    exactly(stage, &event, &all);
}

/// The status of a request once it is finished, with these changes.
fn finished(status: &'static str, info: Value) -> Meddling {
    Meddling::change(move |answer| {
        let entry = &mut answer["requestStatusPerDestination"][0];
        entry["requestStatus"] = json!(status);
        entry["errorInfo"] = info.clone();
    })
}

fn errors(reason: &Value, count: &Value, rows: &Value) -> Value {
    json!({"errorCounts": [{"reason": reason, "recordCount": count, "recordIndices": rows}]})
}

/// Conversions go by click uploads of the Google Ads API.
pub(super) fn by_google_ads(stage: &Stage) {
    let allowed = json!({"clickUploadsAllowed": true});
    stage.admin_call("PATCH", "/google/accounts/1234567890", Some(&allowed));
    let uploads = json!({"spec": {"uploads": {"clickConversions": "GoogleAds"}}});
    stage.patch("gaa/acme", &uploads);
}

/// What a partial failure says of a row, by its place.
fn row_error(code: &Value, at: &Value) -> Value {
    json!({"errorCode": code, "message": "x", "location": {"fieldPathElements": [at]}})
}

/// An answer row by row to so many, none of which was taken.
fn row_by_row(rows: u32, errors: &[Value]) -> Meddling {
    let failure =
        json!({"@type": "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure", "errors": errors});
    let body = json!({"results": vec![json!({}); rows as usize],
        "partialFailureError": {"code": 3, "message": "x", "details": [failure]}});
    Meddling::Instead(Reply::json(200, &body))
}

#[test]
fn a_status_that_proves_nothing_rejects_none_of_ten() {
    let (stage, meddler) = stage("unproven", 10);
    let all = json!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let click = json!(NOT_FOUND);
    let answers = [
        ("no-reason", "FAILED", errors(&Value::Null, &json!("10"), &all)),
        (
            "unspecified",
            "FAILED",
            errors(&json!("PROCESSING_ERROR_REASON_UNSPECIFIED"), &json!("10"), &all),
        ),
        (
            "html",
            "PARTIAL_SUCCESS",
            errors(&json!("<html>"), &json!("3"), &json!([0, 1, 2])),
        ),
        (
            "outside",
            "PARTIAL_SUCCESS",
            errors(&click, &json!("3"), &json!([0, 1, 77])),
        ),
        (
            "twice",
            "PARTIAL_SUCCESS",
            errors(&click, &json!("3"), &json!([0, 1, 1])),
        ),
        ("no-number", "FAILED", errors(&click, &json!("10"), &json!([0.5]))),
        ("not-counted", "FAILED", errors(&click, &json!("0"), &all)),
        ("all-in-part", "PARTIAL_SUCCESS", errors(&click, &json!("10"), &all)),
    ];
    for (name, status, info) in answers {
        none_rejected(&stage, &meddler, name, "requestStatus", finished(status, info));
    }
}

#[test]
fn a_status_that_proves_nothing_rejects_no_row_alone() {
    let (stage, meddler) = stage("unproven-alone", 1);
    let click = json!(NOT_FOUND);
    let answers = [
        ("unknown", "FAILED", errors(&json!("UNKNOWN"), &json!("1"), &json!([0]))),
        ("another", "FAILED", errors(&click, &json!("1"), &json!([5]))),
        ("below", "FAILED", errors(&click, &json!("1"), &json!([-1]))),
        ("null", "FAILED", errors(&click, &json!("1"), &json!([null]))),
        ("not-counted", "FAILED", errors(&click, &Value::Null, &json!([0]))),
        ("in-part", "PARTIAL_SUCCESS", errors(&click, &json!("1"), &json!([0]))),
    ];
    for (name, status, info) in answers {
        none_rejected(&stage, &meddler, name, "requestStatus", finished(status, info));
    }
}

/// The other way round: Google rejected it, and calls it a success beside what nobody can read.
#[test]
fn a_success_beside_what_cannot_be_read_is_none() {
    let (stage, meddler) = stage("unproven-success", 1);
    let all = transactions(&stage, "customer");
    stage.post(
        "/google/outcomes",
        &json!({"transactionIds": all, "reason": "CLICK_NOT_FOUND"}),
    );
    for (name, info) in [("text", json!("x")), ("list", json!({"errorCounts": ["x"]}))] {
        let odd = finished("SUCCESS", info);
        let rule = meddler.times(1, |call: &Asked| call.path.contains("requestStatus"), odd);
        stage.event(name, "customer", &json!({"startTime": ago(86_400 * 30)}));
        let event = settled_within(&stage, name, 1, LONG);
        assert_eq!(meddler.fired(rule), 1, "{name}");
        assert_eq!(Counts::of(&event).rejected, 1, "{name}: {:#}", event["status"]);
    }
}

#[test]
fn a_refusal_that_names_a_row_without_a_reason_rejects_none() {
    let (stage, meddler) = stage("unproven-refusal", 3);
    let first = "events.events[0].transaction_id";
    let click = "INVALID_EVENT";
    for (name, violations) in [
        ("no-reason", json!([{"field": first}])),
        ("empty", json!([{"field": first, "reason": ""}])),
        ("number", json!([{"field": first, "reason": 7}])),
        (
            "unspecified",
            json!([{"field": first, "reason": "ERROR_REASON_UNSPECIFIED"}]),
        ),
        (
            "outside",
            json!([{"field": first, "reason": click}, {"field": "events.events[99]", "reason": click}]),
        ),
        (
            "below",
            json!([{"field": first, "reason": click}, {"field": "events.events[-1]", "reason": click}]),
        ),
    ] {
        let details = json!([{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}]);
        let body = json!({"error": {"code": 400, "message": "x", "status": "INVALID_ARGUMENT", "details": details}});
        none_rejected(
            &stage,
            &meddler,
            name,
            "events:ingest",
            Meddling::Instead(Reply::json(400, &body)),
        );
    }
}

#[test]
fn a_partial_failure_without_a_code_or_with_no_index_rejects_none() {
    for (size, contacts) in [("one", 1), ("three", 3)] {
        let (stage, meddler) = stage(&format!("unproven-{size}"), contacts);
        by_google_ads(&stage);
        let expired = json!({"conversionUploadError": "EXPIRED_EVENT"});
        for (name, code, at) in [
            (
                "unspecified",
                json!({"conversionUploadError": "UNSPECIFIED"}),
                json!({"fieldName": "conversions", "index": 0}),
            ),
            (
                "unknown",
                json!({"conversionUploadError": "UNKNOWN"}),
                json!({"fieldName": "conversions", "index": 0}),
            ),
            ("no-code", json!({}), json!({"fieldName": "conversions", "index": 0})),
            (
                "below",
                expired.clone(),
                json!({"fieldName": "conversions", "index": -1}),
            ),
            (
                "null",
                expired.clone(),
                json!({"fieldName": "conversions", "index": null}),
            ),
            (
                "elsewhere",
                expired.clone(),
                json!({"fieldName": "customers", "index": 0}),
            ),
        ] {
            let odd = row_by_row(contacts, &[row_error(&code, &at)]);
            none_rejected(&stage, &meddler, name, "uploadClickConversions", odd);
        }
    }
}

/// Has the ledger say that everything was first seen two days earlier.
fn age_rows(stage: &Stage) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let options = SqliteConnectOptions::new().filename(stage.ledger());
        let mut ledger = options.connect().await.expect("the ledger");
        let aged = sqlx::query("UPDATE conversions SET first_seen = first_seen - 2 * 86400000");
        let aged = aged.execute(&mut ledger).await.expect("an update");
        assert_eq!(aged.rows_affected(), 2);
    });
}

#[test]
fn conversions_whose_outcome_stays_unknown_are_named_by_synced() {
    let (stage, meddler) = stage("long-unknown", 2);
    let unproven = finished("FAILED", errors(&json!("UNKNOWN"), &json!("1"), &json!([0])));
    meddler.always(|call: &Asked| call.path.contains("requestStatus"), unproven);
    stage.event("won", "customer", &json!({"startTime": ago(86_400 * 30)}));
    stage.wait_for("repeats", || {
        let sent = calls(&stage, "events:ingest").len();
        if sent >= 8 { Ok(()) } else { Err(json!(sent)) }
    });
    let said = |event: &Value| {
        let synced = condition(event, "Synced");
        synced["message"].as_str().unwrap_or_default().to_owned()
    };
    let event = stage.get("adce/won");
    assert!(!said(&event).contains("OutcomeUnknown"), "{event:#}");
    stage.stop_operator();
    age_rows(&stage);
    stage.start_operator();
    let event = stage.wait("adce/won", "both named", |event| {
        said(event).contains("2 conversions (OutcomeUnknown)")
    });
    assert_eq!(condition(&event, "Synced")["status"], "True", "{event:#}");
    meddler.lift_all();
    let event = stage.settled("won", 2);
    assert!(!said(&event).contains("OutcomeUnknown"), "{event:#}");
    exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
}

/// One answer names conversions with codes, and Google has nothing against them.
#[test]
fn a_refusal_that_names_rows_once_and_wrongly_rejects_none() {
    let (stage, meddler) = stage("named-once", 5);
    let named = |rows: &[usize], why: &str| {
        let one = |row: &usize| json!({"field": format!("events.events[{row}].transaction_id"), "reason": why});
        rows.iter().map(one).collect::<Vec<_>>()
    };
    for (name, violations) in [
        ("one", named(&[1], "INVALID_EVENT")),
        ("all", named(&[0, 1, 2, 3, 4], "INVALID_EVENT")),
        ("unheard-of", named(&[0, 4], "A_REASON_OF_2027")),
    ] {
        let details = json!([{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}]);
        let body = json!({"error": {"code": 400, "message": "x", "status": "INVALID_ARGUMENT", "details": details}});
        none_rejected(
            &stage,
            &meddler,
            name,
            "events:ingest",
            Meddling::Instead(Reply::json(400, &body)),
        );
    }
}

/// One answer row by row says of conversions that it never took that they are refused, or that it has them already.
#[test]
fn an_answer_row_by_row_that_is_wrong_once_rejects_none_and_loses_none() {
    let (stage, meddler) = stage("rows-once", 5);
    by_google_ads(&stage);
    for (name, code) in [
        ("expired", "EXPIRED_EVENT"),
        ("unheard-of", "A_REASON_OF_2027"),
        ("there", "ORDER_ID_ALREADY_IN_USE"),
        ("exists", "CLICK_CONVERSION_ALREADY_EXISTS"),
    ] {
        let code = json!({"conversionUploadError": code});
        let error = |row: usize| row_error(&code, &json!({"fieldName": "conversions", "index": row}));
        let answer = row_by_row(5, &(0..5).map(error).collect::<Vec<_>>());
        none_rejected(&stage, &meddler, name, "uploadClickConversions", answer);
    }
}

/// A proxy repeats the answer to an earlier request, and nothing in it tells its row from that of the next one: both
/// are of the same second, and neither has a click id.
#[test]
fn the_answer_to_another_request_proves_nothing() {
    let (stage, meddler) = stage("replayed", 0);
    by_google_ads(&stage);
    let uploads = |call: &Asked| call.path.contains("uploadClickConversions");
    let kept: Arc<Mutex<Option<Reply>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let record = Meddling::rewrite(move |_, reply| {
        *keep.lock() = Some(reply.clone());
        reply
    });
    meddler.times(1, uploads, record);
    let at = ago(3600);
    let became = |email: &str| stage.contact(&[("customer", at.clone())], None, &json!({"email": email}));
    became("ada@example.com");
    let more = json!({"startTime": ago(86_400 * 30), "shareData": ["Email"]});
    stage.event("won", "customer", &more);
    stage.settled("won", 1);
    let answer = kept.lock().take().expect("an answer");
    let again = meddler.times(1, uploads, Meddling::Instead(answer));
    became("grace@example.com");
    let event = settled_within(&stage, "won", 2, LONG);
    assert_eq!(meddler.fired(again), 1);
    exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
}
