//! What a route's answer means for the rows of the request.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use crate::domain::batch::{RowResult, row_by_row_results};
use crate::domain::enhancement::next_look;
use crate::domain::evidence::Evidence;
use crate::domain::outcome::reason;
use crate::ports::ledger::RowUpdate;
use crate::ports::sink::{IngestError, RouteAnswer, UploadAnswer};
use crate::ports::{Cause, Effect, UpstreamError};
use crate::sync::context::SyncContext;
use crate::sync::prepare::PreparedRow;
use crate::sync::upload::row_updates::row_result_update;

/// What an answer row by row means for the rows of the request. Of a row of which the ad network said nothing the
/// outcome is unknown.
pub fn row_results_of(answer: &UploadAnswer) -> BTreeMap<usize, RowResult> {
    let mut row_results = row_by_row_results(&answer.evidence, &answer.errors);
    for row in 0..answer.evidence.len() {
        row_results.entry(row).or_insert(RowResult::Unknown(0));
    }
    row_results
}

/// The rows that an answer says nothing about: those of unknown
/// outcome, except those that a code has named (`doubted`).
pub fn unanswered_rows(row_results: &BTreeMap<usize, RowResult>, doubted: &BTreeSet<usize>) -> BTreeSet<usize> {
    let unknown = row_results
        .iter()
        .filter(|(row, result)| matches!(result, RowResult::Unknown(_)) && !doubted.contains(row));
    unknown.map(|(row, _)| *row).collect()
}

/// True where an answer row by row says nothing of any row: it may be of a filter or a cache, or to another request.
fn says_nothing(answer: &UploadAnswer) -> bool {
    answer.errors.is_empty() && !answer.evidence.contains(&Evidence::Taken)
}

/// Waits for the answer to a request, at most as long as `limit`. One that does not come, and one that says nothing of
/// any row, is a failure: what became of the rows is not known.
pub async fn await_answer(
    answer: impl Future<Output = Result<RouteAnswer, IngestError>>,
    limit: Option<Duration>,
    service: &'static str,
) -> Result<RouteAnswer, IngestError> {
    let answer = match limit {
        None => answer.await,
        Some(limit) => match timeout(limit, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(no_answer(limit, service).into()),
        },
    };
    match answer {
        Ok(RouteAnswer::Rows(rows)) if says_nothing(&rows) => Err(UpstreamError {
            request_id: rows.request_id,
            retry_after: rows.retry_after,
            ..silent_answer(service)
        }
        .into()),
        answer => answer,
    }
}

/// The failure of a request that is given up because others were answered sooner.
fn no_answer(limit: Duration, service: &'static str) -> UpstreamError {
    let message = format!(
        "no answer within {} s, while others were answered",
        limit.as_secs().max(1)
    );
    UpstreamError {
        effect: Effect::Unknown,
        ..UpstreamError::new(service, Cause::Unavailable, message)
    }
}

/// The failure of a request whose answer does not say what became of the conversions.
pub fn silent_answer(service: &'static str) -> UpstreamError {
    UpstreamError {
        effect: Effect::Unknown,
        ..UpstreamError::new(
            service,
            Cause::Malformed,
            "the answer does not say what became of the conversions",
        )
    }
}

/// The updates that carry out results. Nothing that waits goes before `not_before`.
pub fn row_updates(
    ctx: &SyncContext,
    ready: &[PreparedRow],
    row_results: &BTreeMap<usize, RowResult>,
    not_before: Option<Timestamp>,
    now: Timestamp,
) -> Vec<RowUpdate> {
    let of = |(index, row_result): (&usize, &RowResult)| {
        let row = &ready.get(*index)?.row;
        let mut update = row_result_update(ctx, row.into(), row_result, now);
        if matches!(row_result, RowResult::Wait(reason::AWAITING_WEB_CONVERSION, _)) {
            update.due = next_look(
                row.occurred_at,
                &ctx.settings.submission_waits(),
                ctx.clock.known_time(),
            );
        }
        update.due = not_before.map_or(update.due, |time| update.due.max(time));
        Some(update)
    };
    row_results.iter().filter_map(of).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::batch::Complaint;
    use crate::domain::codes::{Class, Code};

    fn answer(evidence: &[Evidence], complaints: &[(usize, Class)]) -> UploadAnswer {
        let complaint = |(row, class): &(usize, Class)| Complaint {
            row: Some(*row),
            destination: None,
            code: Some(Code::test("EXPIRED_EVENT", *class)),
        };
        UploadAnswer {
            request_id: Some("request".into()),
            evidence: evidence.to_vec(),
            errors: complaints.iter().map(complaint).collect(),
            retry_after: None,
        }
    }

    #[rstest::rstest]
    #[case::nothing(&[Evidence::None, Evidence::None], &[], true)]
    #[case::of_another_request(&[Evidence::OfAnother, Evidence::None], &[], true)]
    #[case::of_one(&[Evidence::None, Evidence::Taken], &[], false)]
    #[case::an_error(&[Evidence::None, Evidence::None], &[(0, Class::Rejected)], false)]
    #[tokio::test]
    async fn an_answer_that_says_nothing_of_any_row_is_a_failure_of_unknown_effect(
        #[case] evidence: &[Evidence],
        #[case] complaints: &[(usize, Class)],
        #[case] fails: bool,
    ) {
        let answer = RouteAnswer::Rows(answer(evidence, complaints));
        let heard = await_answer(std::future::ready(Ok(answer)), None, "Google Ads").await;
        assert_eq!(heard.is_err(), fails);
        if let Err(failure) = heard {
            let error = failure.error;
            assert_eq!((error.cause, error.effect), (Cause::Malformed, Effect::Unknown));
            assert_eq!(error.request_id.as_deref(), Some("request"));
        }
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_in_time_is_a_failure_of_unknown_effect() {
        let limit = Some(Duration::from_millis(10));
        let heard = await_answer(std::future::pending(), limit, "Google Ads").await;
        let error = heard.err().unwrap().error;
        assert_eq!((error.cause, error.effect), (Cause::Unavailable, Effect::Unknown));
    }

    #[test]
    fn of_rows_that_an_answer_leaves_out_the_outcome_is_unknown() {
        let evidence = [Evidence::Taken, Evidence::None, Evidence::None, Evidence::OfAnother];
        let row_results = row_results_of(&answer(&evidence, &[(2, Class::Rejected)]));
        assert_eq!(row_results[&0], RowResult::Uploaded);
        assert_eq!(row_results[&1], RowResult::Unknown(0));
        assert!(matches!(row_results[&2], RowResult::Rejected(..)));
        assert_eq!(unanswered_rows(&row_results, &BTreeSet::new()), [1, 3].into());
        assert_eq!(
            unanswered_rows(&row_results, &[3].into()),
            [1].into(),
            "a code has named it"
        );
    }
}
