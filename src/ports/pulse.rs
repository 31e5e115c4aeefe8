//! Signs of life: every loop shows between its steps that it moves on, and says beforehand how long it will rest.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// Longest time of one step, above what any single call takes with its waits for a turn, its quick retries and its
/// token: 13 minutes to HubSpot at the very worst, 9 to Google.
pub const STEP: Duration = Duration::from_mins(15);
/// How often a loop that waits for others to end shows that it does.
const TURN: Duration = Duration::from_secs(30);

/// Called when loops show signs of life, so that a loop that hangs is known.
pub trait Watchdog: Send + Sync {
    /// The loop of this name is alive and gives its next sign of life within this time.
    fn sign_of_life(&self, name: &str, within: Duration);
    /// The loop of this name has ended: no more signs are expected.
    fn loop_ended(&self, name: &str);
    /// A loop of this kind ended although nobody stopped it; it will be started again.
    fn loop_broke(&self, kind: &'static str);
}

/// Ignores all signs of life.
pub struct Unwatched;

impl Watchdog for Unwatched {
    fn sign_of_life(&self, _: &str, _: Duration) {}
    fn loop_ended(&self, _: &str) {}
    fn loop_broke(&self, _: &'static str) {}
}

/// One loop under watch.
struct Pulse {
    watchdog: Arc<dyn Watchdog>,
    name: String,
    step: Duration,
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.watchdog.loop_ended(&self.name);
    }
}

tokio::task_local! {
    static PULSE: Pulse;
}

/// Runs a loop under watch, each of its steps at most `step` long. It counts as ended when it returns, panics or is
/// dropped.
pub async fn run_watched<T>(
    watchdog: Arc<dyn Watchdog>,
    name: String,
    step: Duration,
    work: impl Future<Output = T>,
) -> T {
    let pulse = Pulse { watchdog, name, step };
    PULSE
        .scope(pulse, async {
            beat();
            work.await
        })
        .await
}

/// The loop that calls this has done a step. Means nothing outside of [`run_watched`].
pub fn beat() {
    rest(Duration::ZERO);
}

/// The loop that calls this will do nothing for this long, on purpose.
pub fn rest(pause: Duration) {
    // Without a watcher there is nothing to report.
    let _ = PULSE.try_with(|pulse| {
        let within = pause.saturating_add(pulse.step);
        pulse.watchdog.sign_of_life(&pulse.name, within);
    });
}

/// Waits for work whose own loops are under watch, showing meanwhile that it waits.
pub async fn while_waiting<T>(work: impl Future<Output = T>) -> T {
    waiting_by(TURN, work).await
}

async fn waiting_by<T>(turn: Duration, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        rest(turn);
        if let Ok(done) = tokio::time::timeout(turn, work.as_mut()).await {
            return done;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Default)]
    struct Seen(Mutex<BTreeMap<String, Duration>>);

    impl Seen {
        fn of(&self, name: &str) -> Option<Duration> {
            self.0.lock().get(name).copied()
        }
    }

    impl Watchdog for Seen {
        fn sign_of_life(&self, name: &str, within: Duration) {
            self.0.lock().insert(name.to_owned(), within);
        }
        fn loop_ended(&self, name: &str) {
            self.0.lock().remove(name);
        }
        fn loop_broke(&self, _: &'static str) {}
    }

    #[tokio::test]
    async fn each_loop_shows_its_own_signs_until_it_ends() {
        let seen = Arc::new(Seen::default());
        let step = Duration::from_secs(5);
        let one = run_watched(seen.clone(), "one".into(), step, async {
            assert_eq!(seen.of("one"), Some(step), "from its begin");
            rest(Duration::from_mins(1));
            tokio::task::yield_now().await;
            assert_eq!(
                seen.of("one"),
                Some(Duration::from_secs(65)),
                "the other did not speak for it"
            );
        });
        let other = run_watched(seen.clone(), "other".into(), step, async {
            beat();
            tokio::task::yield_now().await;
            rest(Duration::MAX);
            assert_eq!(seen.of("other"), Some(Duration::MAX));
        });
        tokio::join!(one, other);
        assert!(seen.0.lock().is_empty());
        beat();
        assert!(seen.0.lock().is_empty(), "nobody is watched here");
    }

    #[tokio::test]
    async fn a_loop_that_is_dropped_has_ended() {
        let seen = Arc::new(Seen::default());
        let mut hung = Box::pin(run_watched(
            seen.clone(),
            "hung".into(),
            STEP,
            std::future::pending::<()>(),
        ));
        assert!(futures::poll!(hung.as_mut()).is_pending());
        assert_eq!(seen.of("hung"), Some(STEP));
        drop(hung);
        assert!(seen.0.lock().is_empty());
    }

    #[tokio::test]
    async fn one_that_waits_for_others_shows_that_it_does() {
        let seen = Arc::new(Seen::default());
        let turn = Duration::from_millis(5);
        let others = async {
            beat();
            while seen.of("one") == Some(STEP) {
                tokio::time::sleep(turn).await;
            }
            seen.of("one")
        };
        let within = run_watched(seen.clone(), "one".into(), STEP, waiting_by(turn, others)).await;
        assert_eq!(within, Some(STEP + turn), "it shows so again while the others work");
    }
}
