#![allow(clippy::unwrap_used)]

use rstest::rstest;
use serde_json::json;

use super::*;

const CREATED: &str = "2026-11-20T00:00:00Z";

fn event(declared: Option<&str>, in_effect: Option<&str>) -> AdConversionEvent {
    let start = declared.map_or_else(|| json!({}), |start| json!({"startTime": start}));
    let mut event = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent", "metadata": {"name": "won", "creationTimestamp": CREATED},
        "spec": {"hubSpotAccountRef": {"name": "acme"}, "trigger": {"lifecycleStage": {"stage": "customer"}}},
        "status": {"sync": in_effect.map(|start| json!({"startTime": start}))},
    });
    event["spec"]
        .as_object_mut()
        .unwrap()
        .extend(start.as_object().unwrap().clone());
    serde_json::from_value(event).unwrap()
}

#[rstest]
#[case::absent(None, None, CREATED, "")]
#[case::declared(Some("2026-11-01T00:00:00Z"), None, "2026-11-01T00:00:00Z", "")]
#[case::ninety_days(Some("2026-08-22T00:00:00Z"), None, "2026-08-22T00:00:00Z", "")]
#[case::clamped(
    Some("2026-08-21T23:59:59Z"),
    None,
    "2026-08-22T00:00:00Z",
    "spec.startTime 2026-08-21T23:59:59Z is more than 90 days before the event was created (2026-11-20T00:00:00Z): \
     conversions count from 2026-08-22T00:00:00Z."
)]
#[case::clamped_again(
    Some("2020-01-01T00:00:00Z"),
    Some("2026-08-22T00:00:00Z"),
    "2026-08-22T00:00:00Z",
    "90 days"
)]
#[case::moved_earlier(
    Some("2026-10-01T00:00:00Z"),
    Some("2026-11-01T00:00:00Z"),
    "2026-10-01T00:00:00Z",
    ""
)]
#[case::added_later(Some("2026-11-21T00:00:00Z"), Some(CREATED), CREATED, "changes nothing")]
#[case::added_in_the_future(Some("2099-01-01T00:00:00Z"), Some(CREATED), CREATED, "changes nothing")]
#[case::born_with_a_later_one(Some("2026-11-21T00:00:00Z"), None, "2026-11-21T00:00:00Z", "")]
#[case::a_fraction(
    Some("2026-11-01T00:00:00.25Z"),
    Some("2026-11-01T00:00:00Z"),
    "2026-11-01T00:00:00.25Z",
    ""
)]
fn starts(#[case] declared: Option<&str>, #[case] in_effect: Option<&str>, #[case] wanted: &str, #[case] note: &str) {
    let declared = Declared::from_manifest(&event(declared, in_effect));
    assert_eq!(declared.start, wanted.parse::<Timestamp>().unwrap());
    match declared.note_on_start() {
        Some(said) => assert!(!note.is_empty() && said.contains(note), "{said}"),
        None => assert!(note.is_empty()),
    }
}

/// Seconds by which the API server's clock is ahead, and the start that counts, in seconds after the first look.
#[rstest]
#[case::behind(-1, None, -1)]
#[case::a_little_ahead(300, None, 0)]
#[case::too_far_ahead(301, None, 301)]
#[case::a_start_of_its_own(10, Some("2026-12-21T00:00:00Z"), 2_592_000)]
fn an_event_whose_creation_has_not_come_counts_from_the_first_look(
    #[case] ahead: i64,
    #[case] start_time: Option<&str>,
    #[case] start: i64,
) {
    let after = |now: Timestamp, seconds| now + SignedDuration::from_secs(seconds);
    let created: Timestamp = CREATED.parse().unwrap();
    let now = after(created, -ahead);
    let declared = Declared::from_manifest(&event(start_time, None)).as_of(now);
    let of_its_own = start_time.map(|start| start.parse().unwrap());
    assert_eq!(declared.start, of_its_own.unwrap_or_else(|| after(now, start)));
}
