//! Replaces pages of a list that are too large to be read by smaller ones.

use std::future::Future;

use crate::ports::{Cause, UpstreamError, pulse};

/// Reads a page of at most this many rows, or of half as many if that is too large, down to a single row. The next page
/// has the usual size again: HubSpot's cursors say where a page begins, not how long it is.
///
/// # Errors
/// The error of the call. If a single row is too large, nothing
/// tells how to continue after it: `what` names such a row.
pub(crate) async fn page<T, F>(rows: usize, what: &str, ask: impl Fn(usize) -> F) -> Result<T, UpstreamError>
where
    F: Future<Output = Result<T, UpstreamError>>,
{
    let mut rows = rows;
    loop {
        pulse::beat();
        match ask(rows).await {
            Err(error) if error.cause == Cause::TooLarge && rows > 1 => rows /= 2,
            Err(error) if error.cause == Cause::TooLarge => {
                let message = format!(
                    "{what} can't be read: {}; shorten its values in HubSpot, or delete it",
                    error.message
                );
                return Err(UpstreamError { message, ..error });
            }
            answer => return answer,
        }
    }
}
