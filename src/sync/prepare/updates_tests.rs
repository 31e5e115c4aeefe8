use jiff::SignedDuration;

use super::*;
use crate::ports::test_support::at;
use crate::sync::test_support::{context, hubspot_error, row};

#[rstest::rstest]
#[case(Cause::RateLimited, reason::QUOTA_EXHAUSTED)]
#[case(Cause::QuotaExhausted, reason::QUOTA_EXHAUSTED)]
#[case(Cause::CredentialsRejected, reason::ACCOUNT_NOT_READY)]
#[case(Cause::MissingScope, reason::ACCOUNT_NOT_READY)]
#[case(Cause::AccessDenied, reason::ACCOUNT_NOT_READY)]
#[case(Cause::ServiceDisabled, reason::ACCOUNT_NOT_READY)]
#[case(Cause::NotAllowlisted, reason::ACCOUNT_NOT_READY)]
#[case(Cause::UnsupportedVersion, reason::ACCOUNT_NOT_READY)]
#[case(Cause::Unavailable, reason::UPSTREAM_UNAVAILABLE)]
#[case(Cause::Malformed, reason::UPSTREAM_UNAVAILABLE)]
#[case(Cause::TooLarge, reason::UPSTREAM_UNAVAILABLE)]
#[case(Cause::Refused, reason::UPSTREAM_UNAVAILABLE)]
#[case(Cause::NotFound, reason::UPSTREAM_UNAVAILABLE)]
#[case(Cause::NameTaken, reason::UPSTREAM_UNAVAILABLE)]
fn why_rows_wait_after_a_failed_call(#[case] cause: Cause, #[case] expected: &str) {
    assert_eq!(pending_reason(cause), expected);
    // What only a person can mend does not look as if it would pass by itself.
    assert_eq!(
        hubspot_error(cause).needs_a_person(),
        expected == reason::ACCOUNT_NOT_READY
    );
}

#[rstest::rstest]
#[case::first_failure(&[0], None, 1)]
#[case::by_the_row_that_failed_most(&[0, 3, 1], None, 8)]
#[case::not_for_ever(&[99], None, 300)]
#[case::longer_if_it_is_asked_for(&[3], Some(60), 60)]
#[case::not_sooner_than_the_pause(&[3], Some(2), 8)]
#[case::also_longer_than_the_longest_pause(&[0], Some(3_600), 3_600)]
#[tokio::test]
async fn how_long_rows_wait(#[case] attempts: &[u32], #[case] asked: Option<i64>, #[case] expected: i64) {
    let (ctx, _) = context().await;
    let numbered = (1..).zip(attempts);
    let rows: Vec<_> = numbered
        .map(|(id, attempts)| Row {
            attempts: *attempts,
            ..row(id)
        })
        .collect();
    let error = UpstreamError {
        retry_after: asked.map(SignedDuration::from_secs),
        ..hubspot_error(Cause::RateLimited)
    };
    let updates = retry_later(&ctx, &rows, &error);
    let due: Vec<_> = updates.iter().map(|update| update.due).collect();
    assert_eq!(
        due,
        vec![at(expected); attempts.len()],
        "all together, as one call failed"
    );
}

#[tokio::test]
async fn what_google_may_have_is_not_forgotten() {
    let (ctx, _) = context().await;
    let unknown = Row {
        outcome: Outcome::Processing,
        reason: reason::OUTCOME_UNKNOWN.to_owned(),
        isolation_group: 9,
        ..row(1)
    };
    let updates = retry_later(&ctx, &[unknown, row(2)], &hubspot_error(Cause::Unavailable));
    let expected = |id, outcome, reason: &'static str, isolation_group| RowUpdate {
        row: row(id).id,
        outcome,
        reason: reason.into(),
        detail: String::new(),
        due: at(1),
        failed_try: true,
        isolation_group,
    };
    let pending = expected(2, Outcome::Pending, reason::UPSTREAM_UNAVAILABLE, 0);
    assert_eq!(
        updates,
        [expected(1, Outcome::Processing, reason::OUTCOME_UNKNOWN, 9), pending]
    );
}
