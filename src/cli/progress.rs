//! A line on stderr that says what takes long. None appears in pipes, nor for what is done within two seconds.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

/// Shortest work that shows a line.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the line moves.
const TICK: Duration = Duration::from_millis(120);
/// How the line looks where the end is not known, and where it is.
const OPEN: &str = "{spinner} {msg} ({elapsed})";
const BAR: &str = "{spinner} [{bar:24}] {msg} ({elapsed})";

/// The line; it is gone when this is dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    appears: JoinHandle<()>,
}

impl Progress {
    /// A line that appears in two seconds, if stderr is a terminal.
    pub(crate) fn begin(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        set_style(&bar, OPEN);
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

    /// Shows what is being done now, whose end is not known.
    pub(crate) fn say(&self, what: impl AsRef<str>) {
        if self.bar.length().is_some() {
            self.bar.unset_length();
            set_style(&self.bar, OPEN);
        }
        self.bar.set_message(super::output::printable(what.as_ref()));
    }

    /// Shows what is being done now, and as a bar how much of it is done.
    pub(crate) fn say_how_far(&self, what: impl AsRef<str>, done: u64, of: u64) {
        if self.bar.length().is_none() {
            set_style(&self.bar, BAR);
        }
        self.bar.set_length(of);
        self.bar.set_position(done);
        self.bar.set_message(super::output::printable(what.as_ref()));
    }

    /// Prints something while the line is out of the way: both may be on one terminal.
    pub(crate) fn beside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }
}

fn set_style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.appears.abort();
        self.bar.finish_and_clear();
    }
}
