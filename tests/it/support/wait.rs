//! Waiting for what a test expects: it is looked for again and again, for a time.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// One wait.
struct Wait<'a> {
    what: &'a str,
    limit: Duration,
    begun: Instant,
}

impl<'a> Wait<'a> {
    fn begin(what: &'a str, limit: Duration) -> Self {
        Self {
            what,
            limit,
            begun: Instant::now(),
        }
    }

    /// What was found, if it was.
    ///
    /// # Panics
    /// If it was not, and the limit is over.
    fn weigh<T, Instead: Debug>(&self, found: Result<T, Instead>) -> Option<T> {
        let Self { what, limit, begun } = self;
        match found {
            Ok(found) => Some(found),
            Err(instead) => {
                assert!(begun.elapsed() < *limit, "waited {limit:?} for {what}: {instead:?}");
                None
            }
        }
    }
}

/// What `look` finds within the limit; `Err` is what there is instead, for whoever reads that it was not found.
pub async fn until<T, Instead: Debug>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<T, Instead>,
) -> T {
    let wait = Wait::begin(what, limit);
    loop {
        if let Some(found) = wait.weigh(look().await) {
            return found;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The same where nothing is async.
pub fn until_blocking<T, Instead: Debug>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<T, Instead>,
) -> T {
    let wait = Wait::begin(what, limit);
    loop {
        if let Some(found) = wait.weigh(look()) {
            return found;
        }
        std::thread::sleep(LOOK);
    }
}

/// `Ok` once it is so. What there is instead is told by whoever knows more.
pub const fn is_so(condition: bool) -> Result<(), &'static str> {
    if condition { Ok(()) } else { Err("it is not so") }
}
