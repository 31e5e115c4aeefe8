#![allow(clippy::unwrap_used)]

use super::*;

fn conversion(id: &str, day: i8, outcome: &str, reason: Option<&str>) -> ConversionEntry {
    ConversionEntry {
        time: format!("2026-11-{day:02}T10:00:00Z").parse().unwrap(),
        transaction_id: id.to_owned(),
        contact_id: Some(format!("contact of {id}")),
        outcome: outcome.to_owned(),
        reason: reason.map(str::to_owned),
        message: None,
        value: (outcome == "Processing").then(|| "12.50".to_owned()),
        currency: (outcome == "Processing").then(|| "EUR".to_owned()),
    }
}

#[test]
fn conversions_are_counted_by_outcome_reason_and_day() {
    let planned = [
        conversion("a", 1, "Processing", Some("AwaitingResult")),
        conversion("b", 2, "Processing", Some("AwaitingResult")),
        conversion("c", 2, "Uploaded", None),
        conversion("d", 1, "Skipped", Some("NoClickId")),
        conversion("e", 3, "Skipped", Some("NoClickId")),
        conversion("f", 3, "Skipped", Some("NoConsent")),
        conversion("g", 3, "Pending", Some("AwaitingClickId")),
    ];
    let counts = count_conversions(&planned, &[]);
    assert_eq!(
        (counts.observed, counts.would_be_sent, counts.pending, counts.skipped),
        (7, 3, 1, 3)
    );
    let lines: Vec<_> = counts
        .reasons
        .iter()
        .map(|l| {
            format!(
                "{:?}/{} {} {}..{}",
                l.outcome,
                l.reason.as_deref().unwrap_or("-"),
                l.count,
                l.first_day,
                l.last_day
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "WouldBeSent/- 3 2026-11-01..2026-11-02",
            "Pending/AwaitingClickId 1 2026-11-03..2026-11-03",
            "Skipped/NoClickId 2 2026-11-01..2026-11-03",
            "Skipped/NoConsent 1 2026-11-03..2026-11-03",
        ]
    );
    let [total] = &counts.values[..] else {
        panic!("{counts:?}")
    };
    assert_eq!(
        (total.total.as_str(), total.currency.as_str(), total.count),
        ("25", "EUR", 2)
    );
    let sum: u64 = counts.days.iter().map(|day| day.count).sum();
    assert_eq!((sum, counts.days.len()), (7, 6));
}

#[test]
fn what_an_operator_has_ended_stays_and_what_it_holds_back_is_planned() {
    let planned = ["a", "b", "c", "d", "e"].map(|id| conversion(id, 1, "Processing", Some("AwaitingResult")));
    let mut merged = conversion("other id", 1, "Uploaded", None);
    merged.contact_id = Some("contact of e".into());
    let recorded = [
        conversion("a", 1, "Uploaded", None),
        conversion("b", 1, "Pending", Some("ActionTooNew")),
        conversion("c", 1, "Skipped", Some("NoConsent")),
        merged,
        conversion("gone from HubSpot", 1, "Uploaded", None),
    ];
    let counts = count_conversions(&planned, &recorded);
    assert_eq!(
        (
            counts.would_be_sent,
            counts.already_sent,
            counts.skipped,
            counts.observed
        ),
        (2, 3, 1, 6)
    );
    assert_eq!(counts.values[0].total, "25", "b and d");
}

/// Of a contact that was deleted since then HubSpot shows nothing, and the operator still counts what it has of it.
#[test]
fn what_hubspot_does_not_show_any_more_is_counted_as_it_was_recorded() {
    let planned = [conversion("a", 1, "Uploaded", None)];
    let recorded = [
        conversion("a", 1, "Uploaded", None),
        conversion("sent", 2, "Uploaded", None),
        conversion("asked", 2, "Processing", Some("AwaitingResult")),
        conversion("skipped", 3, "Skipped", Some("NoClickId")),
        conversion("rejected", 4, "Rejected", Some("ClickNotFound")),
        conversion("held", 5, "Pending", Some("ClickTooRecent")),
    ];
    let counts = count_conversions(&planned, &recorded);
    assert_eq!((counts.observed, counts.would_be_sent, counts.already_sent), (6, 0, 3));
    assert_eq!((counts.pending, counts.skipped, counts.rejected), (1, 1, 1));
    let reasons: Vec<_> = counts
        .reasons
        .iter()
        .filter_map(|line| line.reason.as_deref())
        .collect();
    assert_eq!(reasons, ["ClickTooRecent", "NoClickId", "ClickNotFound"]);
    assert!(counts.values.is_empty(), "nothing of it would be sent: {counts:?}");
}
