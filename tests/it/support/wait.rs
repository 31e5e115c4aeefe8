//! Waiting for what a test expects: it is looked for again and again, for a time.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// What `look` finds within the limit; `Err` is what there is instead, for whoever reads that it was not found.
pub async fn until<T, Instead: Debug>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<T, Instead>,
) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(instead) => assert!(begun.elapsed() < limit, "waited {limit:?} for {what}: {instead:?}"),
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
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(instead) => assert!(begun.elapsed() < limit, "waited {limit:?} for {what}: {instead:?}"),
        }
        std::thread::sleep(LOOK);
    }
}

/// `Ok` once it is so. What there is instead is told by whoever knows more.
pub const fn is_so(condition: bool) -> Result<(), &'static str> {
    if condition { Ok(()) } else { Err("it is not so") }
}
