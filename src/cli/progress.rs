//! A line on stderr that says what takes long. None appears in pipes, nor for what is done within two seconds.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

/// Shortest work that shows a line.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the line moves.
const TICK: Duration = Duration::from_millis(120);

/// The line; it is gone when this is dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    appears: JoinHandle<()>,
}

impl Progress {
    /// A line that appears in two seconds, if stderr is a terminal.
    pub(crate) fn begin(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.set_message(what);
        let shown = bar.clone();
        let appears = tokio::spawn(async move {
            tokio::time::sleep(PATIENCE).await;
            // indicatif draws nothing where stderr is no terminal.
            shown.set_draw_target(ProgressDrawTarget::stderr());
            shown.enable_steady_tick(TICK);
        });
        Self { bar, appears }
    }

    /// Shows what is being done now.
    pub(crate) fn say(&self, what: impl AsRef<str>) {
        self.bar.set_message(super::output::printable(what.as_ref()));
    }

    /// Prints something while the line is out of the way: both may be on one terminal.
    pub(crate) fn beside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.appears.abort();
        self.bar.finish_and_clear();
    }
}
