use super::super::counts::{CurrencyTotal, PlannedDay, PlannedReason};
use super::super::exit_code;
use super::super::reads::UnreadItem;
use super::super::report::AlreadySent;
use super::*;
use crate::cli::layout::tests::{WIDTHS, assert_fits};

fn plan() -> Plan {
    let line = |outcome, reason: Option<&str>, count| PlannedReason {
        outcome,
        reason: reason.map(str::to_owned),
        count,
        first_day: "2026-11-01".into(),
        last_day: "2026-11-02".into(),
        message: reason.map(|_| "Why, and what to do.".to_owned()),
    };
    let day = |day: &str, outcome, count| PlannedDay {
        day: day.into(),
        outcome,
        reason: None,
        count,
    };
    let field = FieldChange {
        field: "eventName",
        from: Some("Old\u{1b}[2J".into()),
        to: Some("New".into()),
    };
    Plan {
        events: vec![EventPlan {
            namespace: "marketing".into(),
            name: "won".into(),
            ready: "False".into(),
            reason: "Progressing".into(),
            message: "Being read.".into(),
            unread: vec![],
            trigger: None,
            start_time: None,
            conversion_action: ActionPlan {
                change: ActionChange::Update,
                customer_id: Some("1234567890".into()),
                id: Some("7".into()),
                name: Some("New".into()),
                fields: vec![field],
                message: None,
            },
            conversions: PlanCounts {
                known: true,
                observed: 5,
                would_be_sent: 3,
                skipped: 2,
                values: vec![CurrencyTotal {
                    currency: "EUR".into(),
                    total: "25".into(),
                    count: 2,
                }],
                reasons: vec![
                    line(PlannedOutcome::WouldBeSent, None, 3),
                    line(PlannedOutcome::Skipped, Some("NoClickId"), 2),
                ],
                days: vec![
                    day("2026-11-01", PlannedOutcome::WouldBeSent, 3),
                    day("2026-11-02", PlannedOutcome::Skipped, 2),
                ],
                ..PlanCounts::default()
            },
            already_sent: AlreadySent {
                known: false,
                count: None,
                message: "No operator was asked.".into(),
            },
            notes: vec![],
        }],
        account_goals: vec![],
        limited: true,
        refused: vec![],
        unanswered: vec![],
    }
}

const PLAIN: PlanStyle = PlanStyle {
    width: Width::PIPE,
    short: false,
};

#[test]
fn a_plan_reads_as_a_page() {
    let expected = "\
Event marketing/won
  not ready    Progressing: Being read.
  action       7 \"New\" of Google Ads account 1234567890 would be changed
  sent so far  No operator was asked.

FIELD      FROM     TO
eventName  Old\u{fffd}[2J  New

OUTCOME      REASON     COUNT  FROM        TO
WouldBeSent  -          3      2026-11-01  2026-11-02
Skipped      NoClickId  2      2026-11-01  2026-11-02
Value that would be sent: 25 EUR with 2 conversions

NoClickId  Why, and what to do.

DAY         WOULD BE SENT  ALREADY SENT  PENDING  SKIPPED  REJECTED
2026-11-02  0              0             0        2        0
2026-11-01  3              0             0        0        0

HubSpot has more than --limit allows: the counts above are too small.
";
    assert_eq!(plan_text(&plan(), PLAIN), expected);
}

#[test]
fn the_short_form_is_a_line_an_event() {
    let mut plan = plan();
    plan.limited = false;
    plan.refused = vec![RefusedObject {
        file: Some("a.yaml".into()),
        document: Some(2),
        object: String::new(),
        message: "apiVersion and kind are missing.".into(),
    }];
    let expected = "\
EVENT          ACTION  WOULD BE SENT  ALREADY SENT  PENDING  SKIPPED  REJECTED
marketing/won  Update  3              ?             0        2        0

marketing/won: Progressing: Being read.

marketing/won, sent so far: No operator was asked.

a.yaml, document 2: apiVersion and kind are missing.
";
    let short = PlanStyle { short: true, ..PLAIN };
    assert_eq!(plan_text(&plan, short), expected);
    plan.events[0].ready = "True".into();
    plan.refused.clear();
    plan.events[0].already_sent.known = true;
    assert_eq!(plan_text(&plan, short).lines().count(), 2);
}

#[test]
fn what_an_operator_did_not_tell_is_not_done() {
    let mut plan = plan();
    plan.events[0].ready = "True".into();
    assert_eq!(exit_code(&plan), 0);
    plan.unanswered = vec!["no operator answers".to_owned()];
    assert_eq!(exit_code(&plan), 2);
    plan.events[0].ready = "False".into();
    assert_eq!(exit_code(&plan), 1, "a finding comes first");
}

#[test]
fn what_no_api_server_has_judged_is_said_in_both_forms() {
    let mut plan = plan();
    plan.events[0].notes = vec!["Another note.".to_owned(), UNJUDGED.to_owned()];
    for short in [false, true] {
        let text = plan_text(&plan, PlanStyle { short, ..PLAIN });
        assert_eq!(text.matches(UNJUDGED).count(), 1, "{text}");
    }
}

#[test]
fn why_nobody_was_asked_is_said_once() {
    let mut plan = plan();
    plan.limited = false;
    let why = "no operator answers: connection refused";
    plan.unanswered = vec![why.to_owned()];
    for name in ["lost", "new", "old", "won again"] {
        let mut event = plan.events[0].clone();
        event.name = name.to_owned();
        plan.events.push(event);
    }
    for event in &mut plan.events {
        event.ready = "True".into();
        event.already_sent.message = format!("Unknown: {why}. More.");
    }
    let short = PlanStyle { short: true, ..PLAIN };
    let text = plan_text(&plan, short);
    let last =
        format!("\n\nmarketing/won, marketing/lost, marketing/new and 2 more, sent so far: Unknown: {why}. More.\n");
    assert!(text.ends_with(&last) && text.matches(why).count() == 1, "{text}");
    // The table has a `?` also where nothing would be sent.
    for event in &mut plan.events {
        event.conversions.would_be_sent = 0;
    }
    let text = plan_text(&plan, short);
    assert!(text.ends_with(&last) && text.matches(why).count() == 1, "{text}");
    assert_eq!(plan_text(&plan, PLAIN).matches(why).count(), 5);
}

#[test]
fn every_line_fits_where_it_is_read_and_nothing_is_lost() {
    let mut plan = plan();
    let message = "More time passed between ad click and stage change than the click window (at most 90 days) allows.";
    plan.events[0].conversions.reasons[1].reason = Some("OutsideClickWindow".into());
    plan.events[0].conversions.reasons[1].message = Some(message.into());
    plan.events[0].notes = vec![message.to_owned()];
    plan.events[0].conversion_action.fields[0].field = "conversionAction.create.clickThroughLookbackWindowDays";
    for columns in WIDTHS {
        for short in [false, true] {
            let width = Width::of(columns);
            let text = plan_text(&plan, PlanStyle { width, short });
            assert_fits(&text, columns);
            let words: Vec<_> = text.split_whitespace().collect();
            assert_eq!(
                words.join(" ").matches(message).count(),
                if short { 0 } else { 2 },
                "{text}"
            );
            assert!(short || text.contains("OutsideClickWindow"), "{text}");
        }
    }
    // What people read beside a reason is no narrow column.
    let text = plan_text(
        &plan,
        PlanStyle {
            width: Width::of(Some(80)),
            short: false,
        },
    );
    assert!(
        text.contains("OutsideClickWindow  More time passed between ad click and stage change than"),
        "{text}"
    );
}

#[test]
fn names_of_others_stay_short() {
    let large = "x".repeat(1 << 20);
    let mut plan = plan();
    let event = &mut plan.events[0];
    event.message.clone_from(&large);
    event.conversion_action.name = Some(large.clone());
    event.conversion_action.fields[0].to = Some(large.clone());
    event.notes = vec![large.clone()];
    event.trigger = Some(crate::api::TriggerStatus {
        type_: crate::api::TriggerType::FormSubmission,
        stage: None,
        form_id: Some(large.clone()),
        label: Some(large.clone()),
    });
    plan.refused = vec![RefusedObject {
        file: Some(large.clone()),
        document: None,
        object: large.clone(),
        message: large,
    }];
    let text = plan_text(&plan, PLAIN);
    assert!(text.len() < 4_000, "{} bytes", text.len());
}

#[test]
fn an_event_without_conversions_says_so() {
    let mut plan = plan();
    plan.limited = false;
    plan.events[0].conversions = PlanCounts {
        known: true,
        ..PlanCounts::default()
    };
    plan.events[0].conversion_action.fields.clear();
    let text = plan_text(&plan, PLAIN);
    assert!(
        text.ends_with("\nHubSpot shows no conversion since the start.\n"),
        "{text}"
    );
    // Of an event that is stalled nothing is looked for.
    plan.events[0].conversions.known = false;
    let says = "HubSpot was not asked for conversions, because the event would not be ready.\n";
    let text = plan_text(&plan, PLAIN);
    assert!(text.ends_with(&format!("\n\n{says}")), "{text}");
    let text = plan_text(&plan, PlanStyle { short: true, ..PLAIN });
    let row = text.lines().nth(1).unwrap_or_default();
    assert_eq!(row.matches('?').count(), 5, "no count is known: {text}");
    assert!(text.ends_with(&format!("\n\nmarketing/won: {says}")), "{text}");
}

#[test]
fn a_plan_with_holes_says_so_wherever_it_shows_something() {
    let mut plan = plan();
    let event = &mut plan.events[0];
    event.ready = "Unknown".into();
    event.conversion_action.change = ActionChange::Unknown;
    event.conversion_action.fields.clear();
    event.unread = vec![UnreadItem {
        service: "HubSpot",
        what: "deals".into(),
        message: "HTTP 503".into(),
        may_pass: true,
    }];
    let text = plan_text(&plan, PLAIN);
    for part in [
        "  unknown      Progressing: Being read.\n  not read     deals of HubSpot: HTTP 503\n",
        "7 \"New\" of Google Ads account 1234567890 was used so far. More is not known",
        "\nIncomplete, because not everything could be read:\n\nOUTCOME",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    plan.events[0].conversions = PlanCounts::default();
    let text = plan_text(&plan, PLAIN);
    assert!(
        text.contains("Which conversions there are is not known") && !text.contains("no conversion"),
        "{text}"
    );
    let short = plan_text(&plan, PlanStyle { short: true, ..PLAIN });
    let row = short.lines().nth(1).unwrap_or_default();
    assert_eq!(row.matches('?').count(), 5, "no count is known: {short}");
    assert!(short.contains(", not read: deals of HubSpot: HTTP 503"), "{short}");
}
