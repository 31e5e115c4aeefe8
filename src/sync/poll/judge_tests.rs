use super::*;
use crate::domain::codes::{Class, Code, Matter};
use crate::domain::evidence::NamedDestination;
use crate::domain::outcome::{Outcome, reason};
use crate::domain::request_report::{ReportedFailure, RequestProgress, RequestReport};
use crate::ports::ledger::{OpenRow, RowId};
use crate::ports::test_support::at;
use crate::registry::GoogleAccount;
use crate::registry::test_support::google_account;
use crate::sync::test_support::{action, context, event, route_info};

/// Request 9: rows 1 and 2 of action 7, row 3 of action 8.
fn request() -> OpenRequest {
    let rows = [(1, 0), (2, 0), (3, 1)].map(|(row, destination)| OpenRow {
        row: RowId(row),
        destination,
        attempts: 0,
        isolation_group: 0,
    });
    OpenRequest {
        batch: BatchId(9),
        request_id: "a-request".to_owned(),
        accepted_at: at(0),
        polls: 0,
        poll_at: at(0),
        destinations: vec![action(7), action(8)],
        rows: rows.to_vec(),
    }
}

/// What is said of the rows of an action.
fn said(id: u64, progress: RequestProgress, records: u64, failures: Vec<ReportedFailure>) -> DestinationStatus {
    DestinationStatus {
        destination: NamedDestination {
            action: Some(Some(id.to_string())),
            account: None,
        },
        report: RequestReport {
            progress,
            records: Some(records),
            failures,
        },
    }
}

fn open(id: u64) -> DestinationStatus {
    said(id, RequestProgress::Open, 2, vec![])
}

fn taken(id: u64) -> DestinationStatus {
    said(id, RequestProgress::Succeeded, if id == 7 { 2 } else { 1 }, vec![])
}

/// The row at this place failed.
fn failed(id: u64, place: usize, class: Class) -> DestinationStatus {
    let code = Code::test("A_CODE", class);
    let failure = ReportedFailure {
        code,
        count: Some(1),
        rows: vec![place],
    };
    let (progress, records) = if id == 7 {
        (RequestProgress::PartlyFailed, 2)
    } else {
        (RequestProgress::Failed, 1)
    };
    said(id, progress, records, vec![failure])
}

async fn poller() -> Poller {
    let (ctx, _) = context().await;
    for (name, id) in [("event", 7), ("other", 8)] {
        let mut event = event(name);
        event.action.iter_mut().for_each(|bound| bound.key = action(id));
        ctx.registry.set_event(event);
    }
    // Its conversions go to the Data Manager API.
    ctx.registry.set_google(GoogleAccount {
        key: ObjectKey::new("tenant", "google"),
        ..google_account(None)
    });
    let sender = Sender {
        network: crate::api::AdNetwork::Google,
        account: ObjectKey::new("tenant", "google"),
    };
    Poller::new(sender, Arc::new(ctx), Arc::default())
}

/// Row, outcome and reason; its isolation group.
type Moved = (i64, Outcome, String, i64);

/// What an answer comes to: the rows that move; whether nothing
/// more is to be asked, or another answer has to say the same.
fn judge(poller: &mut Poller, statuses: &[DestinationStatus]) -> (Vec<Moved>, bool, bool) {
    let judged = poller.judge_statuses(route_info("route"), &request(), statuses, at(0));
    let moved = judged.updates.into_iter();
    let moved = moved.map(|update| {
        (
            update.row.0,
            update.outcome,
            update.reason.into_owned(),
            update.isolation_group,
        )
    });
    (moved.collect(), judged.done, judged.unconfirmed)
}

fn uploaded(row: i64) -> Moved {
    (row, Outcome::Uploaded, "Processed".to_owned(), 0)
}

fn rejected(row: i64) -> Moved {
    (row, Outcome::Rejected, "ACode".to_owned(), 0)
}

fn unknown(row: i64, group: i64) -> Moved {
    (row, Outcome::Processing, reason::OUTCOME_UNKNOWN.to_owned(), group)
}

/// Each answer, and what the second one that says it comes to.
#[rstest::rstest]
#[case::all_taken(vec![taken(7), taken(8)], vec![uploaded(1), uploaded(2), uploaded(3)], true)]
#[case::in_any_order(vec![taken(8), taken(7)], vec![uploaded(1), uploaded(2), uploaded(3)], true)]
#[case::one_row_refused(vec![failed(7, 1, Class::Rejected), taken(8)], vec![uploaded(1), rejected(2), uploaded(3)], true)]
#[case::one_action_still_open(vec![taken(7), open(8)], vec![uploaded(1), uploaded(2)], false)]
#[case::nothing_said_of_one_action_yet(vec![open(7), taken(6)], vec![], false)]
#[case::nothing_will_be_said_of_one_action(
    vec![taken(7), taken(6)],
    vec![uploaded(1), uploaded(2), unknown(3, isolation_group_of(BatchId(9), 1, 0))],
    true,
)]
#[case::a_report_that_contradicts_itself(
    vec![said(7, RequestProgress::Succeeded, 5, vec![]), taken(8)],
    vec![
        unknown(1, isolation_group_of(BatchId(9), 0, 0)),
        unknown(2, isolation_group_of(BatchId(9), 0, 1)),
        uploaded(3),
    ],
    true,
)]
#[case::no_answer_at_all(vec![], vec![], false)]
#[tokio::test]
async fn rows_move_once_two_answers_say_the_same(
    #[case] statuses: Vec<DestinationStatus>,
    #[case] moved: Vec<Moved>,
    #[case] done: bool,
) {
    let mut poller = poller().await;
    let unconfirmed = !moved.is_empty();
    assert_eq!(
        judge(&mut poller, &statuses),
        (vec![], false, unconfirmed),
        "one answer"
    );
    assert_eq!(judge(&mut poller, &statuses), (moved, done, false), "two answers");
}

#[tokio::test]
async fn an_answer_that_says_otherwise_is_the_first_again() {
    let mut poller = poller().await;
    let otherwise = [failed(7, 0, Class::Rejected), taken(8)];
    assert_eq!(judge(&mut poller, &[taken(7), taken(8)]), (vec![], false, true));
    assert_eq!(judge(&mut poller, &otherwise), (vec![uploaded(3)], false, true));
    assert_eq!(judge(&mut poller, &[taken(7), open(8)]), (vec![], false, true));
    let (moved, ..) = judge(&mut poller, &[taken(7), open(8)]);
    assert_eq!(moved, [uploaded(1), uploaded(2)]);
}

#[tokio::test]
async fn events_hear_what_two_answers_say_of_their_action() {
    let mut poller = poller().await;
    let answer = [
        failed(7, 0, Class::Rejected),
        failed(8, 2, Class::Blocked(Matter::Action)),
    ];
    let refused = |poller: &Poller, name: &str| {
        let report = poller.ctx.registry.event_report(&ObjectKey::new("tenant", name));
        report.refused.map(|refused| (refused.at, refused.code.name))
    };
    judge(&mut poller, &answer);
    assert_eq!(refused(&poller, "other"), None, "one answer");
    judge(&mut poller, &answer);
    let expected = Some((RefusedAt::Result, "A_CODE".to_owned()));
    assert_eq!([refused(&poller, "event"), refused(&poller, "other")], [None, expected]);
    for _ in 0..2 {
        judge(&mut poller, &[taken(7), taken(8)]);
    }
    assert_eq!(refused(&poller, "other"), None, "something was taken");
}

#[tokio::test]
async fn the_next_look_comes_later_each_time() {
    let poller = poller().await;
    let pause = |polls| {
        let request = OpenRequest { polls, ..request() };
        next_look(&poller.ctx, &request, at(0)).duration_since(at(0)).as_secs()
    };
    // Half an hour, times 1.3 for each look, four hours at most.
    assert_eq!(
        [0, 1, 2, 8, 9, u32::MAX].map(pause),
        [1_800, 2_340, 3_042, 14_400, 14_400, 14_400]
    );
    assert_eq!(
        second_look(&poller.ctx, at(0)),
        at(30),
        "soon, whatever the first pause"
    );
}

#[tokio::test]
async fn looks_are_never_without_a_pause() {
    let (mut ctx, _) = context().await;
    ctx.settings.diagnostics_first_poll = SignedDuration::from_millis(800);
    let shortest = SignedDuration::from_millis(200);
    assert_eq!(second_look(&ctx, at(0)).duration_since(at(0)), shortest);
    ctx.settings.diagnostics_first_poll = SignedDuration::ZERO;
    assert_eq!(second_look(&ctx, at(0)).duration_since(at(0)), shortest);
    assert_eq!(next_look(&ctx, &request(), at(0)).duration_since(at(0)), shortest);
}
