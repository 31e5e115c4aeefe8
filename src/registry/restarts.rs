//! Work that serves all accounts. If it ends although nobody stopped it, it is started again after a growing pause,
//! while the rest of the process goes on. If it stays broken, the process counts as stuck.

use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::domain::backoff::backoff;
use crate::domain::time::to_signed;
use crate::ports::pulse::Watchdog;

/// How long such work may be broken in all until the process counts as stuck.
const LIMIT: Duration = Duration::from_mins(5);
/// Work that has run for this long counts as healthy again.
const LASTS: Duration = Duration::from_mins(1);

/// Starts one piece of work again and again.
pub struct Restarts {
    watchdog: Arc<dyn Watchdog>,
    kind: &'static str,
    name: String,
    longest: Duration,
    lasts: Duration,
    limit: Duration,
}

impl Restarts {
    /// Of the work of this name, counted by its kind; no pause is longer than `longest`.
    pub fn new(watchdog: Arc<dyn Watchdog>, kind: &'static str, name: String, longest: Duration) -> Self {
        Self {
            watchdog,
            kind,
            name,
            longest: longest.min(LASTS),
            lasts: LASTS,
            limit: LIMIT,
        }
    }

    /// Does the work until it says that it is done, or until it ends after `stop`. `begin` gets how often the work has
    /// ended unexpectedly so far, panics included.
    pub async fn run_until_done<F>(self, stop: CancellationToken, mut begin: impl FnMut(u32) -> F)
    where
        F: Future<Output = ControlFlow<()>>,
    {
        let longest = to_signed(self.longest);
        let (mut broke, mut all) = (0_u32, 0_u32);
        loop {
            let ended = {
                let mut work = pin!(AssertUnwindSafe(async { begin(all).await }).catch_unwind());
                let mut ended = None;
                if broke > 0 {
                    ended = tokio::time::timeout(self.lasts, work.as_mut()).await.ok();
                }
                if broke > 0 && ended.is_none() {
                    broke = 0;
                    self.watchdog.loop_ended(&self.pulse_name());
                }
                match ended {
                    Some(ended) => ended,
                    None => work.await,
                }
            };
            if stop.is_cancelled() || matches!(ended, Ok(ControlFlow::Break(()))) {
                break;
            }
            let pause = backoff(broke, longest, 0).unsigned_abs();
            // The text of a panic may hold anything: where it happened is logged where it is counted.
            error!(
                what = self.name,
                retry_in_ms = pause.as_millis(),
                "work ended unexpectedly and will be started again"
            );
            self.watchdog.loop_broke(self.kind);
            if broke == 0 {
                // The only sign of life until it is healthy again, however often it is started meanwhile.
                self.watchdog.sign_of_life(&self.pulse_name(), self.limit);
            }
            (broke, all) = (broke.saturating_add(1), all.saturating_add(1));
            // A stop ends the pause too.
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
        }
        self.watchdog.loop_ended(&self.pulse_name());
    }

    fn pulse_name(&self) -> String {
        format!("{} (it keeps ending)", self.name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;
    use std::future::{Ready, ready};
    use std::sync::atomic::{AtomicU32, Ordering};

    use parking_lot::Mutex;
    use tokio::time::Instant;

    use super::*;
    use crate::ports::test_support::until;

    /// Signs by name, and how often what broke.
    #[derive(Default)]
    struct Seen {
        signs: Mutex<BTreeMap<String, (Instant, Duration)>>,
        broke: Mutex<Vec<&'static str>>,
    }

    impl Seen {
        fn is_stuck(&self) -> bool {
            let signs = self.signs.lock();
            signs.values().any(|(at, within)| at.elapsed() > *within)
        }
    }

    impl Watchdog for Seen {
        fn sign_of_life(&self, name: &str, within: Duration) {
            self.signs.lock().insert(name.to_owned(), (Instant::now(), within));
        }
        fn loop_ended(&self, name: &str) {
            self.signs.lock().remove(name);
        }
        fn loop_broke(&self, kind: &'static str) {
            self.broke.lock().push(kind);
        }
    }

    const LASTS: Duration = Duration::from_millis(200);

    fn restarts(seen: &Arc<Seen>) -> Restarts {
        let longest = Duration::from_millis(10);
        Restarts {
            lasts: LASTS,
            limit: LASTS * 4,
            ..Restarts::new(seen.clone(), "watch", "watch of X".into(), longest)
        }
    }

    fn ends(how: u32) -> Ready<ControlFlow<()>> {
        assert!(how > 0, "as the test wants it");
        ready(if how == 1 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        })
    }

    #[tokio::test]
    async fn work_that_breaks_or_ends_is_started_again_until_it_is_done() {
        let seen = Arc::new(Seen::default());
        restarts(&seen).run_until_done(CancellationToken::new(), ends).await;
        assert_eq!(*seen.broke.lock(), ["watch", "watch"]);
        assert!(seen.signs.lock().is_empty());
    }

    #[tokio::test]
    async fn what_always_breaks_makes_the_process_count_as_stuck() {
        let seen = Arc::new(Seen::default());
        let stop = CancellationToken::new();
        let begun = Instant::now();
        let task = tokio::spawn(restarts(&seen).run_until_done(stop.clone(), |_| ends(0)));
        until("a stuck process", async || seen.is_stuck()).await;
        assert!(begun.elapsed() >= LASTS * 4, "not before its limit");
        let tries = seen.broke.lock().len();
        assert!(tries >= 3, "{tries}");
        stop.cancel();
        task.await.unwrap();
        assert!(!seen.is_stuck());
    }

    #[tokio::test]
    async fn what_lasts_again_is_whole() {
        let seen = Arc::new(Seen::default());
        let (begun, done) = (Arc::new(AtomicU32::new(0)), CancellationToken::new());
        let (count, end) = (begun.clone(), done.clone());
        let lasting = move |broke: u32| {
            count.fetch_add(1, Ordering::Relaxed);
            let end = end.clone();
            async move {
                assert!(broke > 0, "as the test wants it");
                end.cancelled().await;
                ControlFlow::Break(())
            }
        };
        let task = tokio::spawn(restarts(&seen).run_until_done(CancellationToken::new(), lasting));
        until("a break", async || !seen.signs.lock().is_empty()).await;
        until("work that lasts", async || seen.signs.lock().is_empty()).await;
        done.cancel();
        task.await.unwrap();
        assert!(!seen.is_stuck());
        assert_eq!(seen.broke.lock().len(), 1);
        assert_eq!(begun.load(Ordering::Relaxed), 2, "what lasts is left alone");
    }
}
