//! How work ends with the process: at once while it only reads, but after the current step if that changes something.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use tokio_util::sync::CancellationToken;

tokio::task_local! {
    /// How many steps must be finished first.
    static UNFINISHED: Arc<AtomicUsize>;
}

/// While this value lives, a stop does not break off the step that it was made for.
#[must_use]
pub struct UnfinishedStep(Option<Arc<AtomicUsize>>);

impl Drop for UnfinishedStep {
    fn drop(&mut self) {
        if let Some(count) = &self.0 {
            count.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Begins a step that a stop waits for: the caller is about to change something outside, and has to record the result.
/// Means nothing outside of [`run_until_stopped`].
pub fn begin_unfinished_step() -> UnfinishedStep {
    let count = UNFINISHED.try_with(Arc::clone).ok();
    if let Some(count) = &count {
        count.fetch_add(1, Ordering::SeqCst);
    }
    UnfinishedStep(count)
}

/// Runs work until `stop`, and then only to the end of the steps that it has begun. `None`: it was broken off, as a
/// kill of the process would do.
pub async fn run_until_stopped<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    let count = Arc::new(AtomicUsize::new(0));
    let steps = Arc::clone(&count);
    let mut work = pin!(UNFINISHED.scope(count, work));
    let mut stopped = pin!(stop.cancelled());
    let mut is_stopped = false;
    poll_fn(move |cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        is_stopped = is_stopped || stopped.as_mut().poll(cx).is_ready();
        if is_stopped && steps.load(Ordering::SeqCst) == 0 {
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Far longer than it takes.
    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_read_is_broken_off_and_a_step_is_ended() {
        let stop = CancellationToken::new();
        let noted = AtomicUsize::new(0);
        let work = async {
            let step = begin_unfinished_step();
            stop.cancel();
            // Whoever looks at the stop does so now.
            tokio::task::yield_now().await;
            noted.fetch_add(1, Ordering::SeqCst);
            drop(step);
            std::future::pending::<()>().await;
        };
        let ended = tokio::time::timeout(LIMIT, run_until_stopped(&stop, work)).await;
        assert_eq!(ended, Ok(None), "broken off behind the step");
        assert_eq!(noted.load(Ordering::SeqCst), 1, "which was ended");
    }

    #[tokio::test]
    async fn work_that_ends_by_itself_is_not_broken_off() {
        let stop = CancellationToken::new();
        stop.cancel();
        assert_eq!(run_until_stopped(&stop, async { 5 }).await, Some(5));
        drop(begin_unfinished_step());
    }
}
