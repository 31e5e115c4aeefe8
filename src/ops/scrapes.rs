//! Texts of `/metrics` on their way out. Whoever asks shares what was made within the last second, and nobody else
//! waits while one is made: thousands of series take long to write down, and health is asked for on the same thread.
//! Those who read slowly share a text: else each of them would keep one of megabytes.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;

use super::exposition::Format;

/// How long a text is given to whoever asks.
const FRESH: Duration = Duration::from_secs(1);
/// Texts of one format that are on their way at once.
const ALIVE: usize = 2;

/// The texts of both formats.
pub(super) struct Scrapes {
    fresh: Duration,
    prometheus: Mutex<Texts>,
    open_metrics: Mutex<Texts>,
}

impl Default for Scrapes {
    fn default() -> Self {
        Self::new(FRESH)
    }
}

/// The texts of one format.
#[derive(Default)]
struct Texts {
    /// Made, or in the making.
    newest: Option<Making>,
    /// Those before it, which somebody still reads.
    older: Vec<Weak<str>>,
}

/// A text for everybody who asks for it.
type Making = Shared<BoxFuture<'static, MadeText>>;

#[derive(Clone)]
struct MadeText {
    text: Result<Arc<str>, fmt::Error>,
    at: Instant,
}

/// Lives until it is sent to everybody who waits for it.
struct SharedText(Arc<str>);

impl AsRef<[u8]> for SharedText {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Scrapes {
    fn new(fresh: Duration) -> Self {
        Self {
            fresh,
            prometheus: Mutex::default(),
            open_metrics: Mutex::default(),
        }
    }

    /// A text made within the last second; or, where too many are on their way, the newest of them.
    pub(super) async fn current_text(
        &self,
        format: Format,
        make: impl FnOnce() -> Result<String, fmt::Error> + Send + 'static,
    ) -> Result<Bytes, fmt::Error> {
        let text = self.making(format, make).await.text?;
        Ok(Bytes::from_owner(SharedText(text)))
    }

    fn making(&self, format: Format, make: impl FnOnce() -> Result<String, fmt::Error> + Send + 'static) -> Making {
        let texts = match format {
            Format::Prometheus => &self.prometheus,
            Format::OpenMetrics => &self.open_metrics,
        };
        let mut texts = texts.lock();
        if let Some(newest) = texts.usable(self.fresh) {
            return newest;
        }
        let making = make_apart(make);
        if let Some(before) = texts.newest.replace(making.clone())
            && let Some(MadeText { text: Ok(text), .. }) = before.peek()
        {
            texts.older.push(Arc::downgrade(text));
        }
        making
    }
}

impl Texts {
    /// The newest text, if no caller needs a newer one or may have one.
    fn usable(&mut self, fresh: Duration) -> Option<Making> {
        let newest = self.newest.as_ref()?;
        let Some(made) = newest.peek() else {
            return Some(newest.clone());
        };
        self.older.retain(|text| text.strong_count() > 0);
        // One of the references is this one's own.
        let is_read = made.text.as_ref().is_ok_and(|text| Arc::strong_count(text) > 1);
        let crowded = self.older.len() + usize::from(is_read) >= ALIVE;
        (crowded || made.at.elapsed() < fresh).then(|| newest.clone())
    }
}

/// Makes a text on a thread of its own, even if whoever asked for it has gone: the next one finds it begun.
fn make_apart(make: impl FnOnce() -> Result<String, fmt::Error> + Send + 'static) -> Making {
    let making = tokio::task::spawn_blocking(make).map(|made| MadeText {
        // The panic is in the log already.
        text: made.unwrap_or(Err(fmt::Error)).map(Arc::from),
        at: Instant::now(),
    });
    let making = making.boxed().shared();
    // Nobody may be left to take it over, and then its age would be unknown.
    tokio::spawn(making.clone());
    making
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use futures::future::join_all;

    use super::*;

    const ALWAYS: Duration = Duration::MAX;

    #[tokio::test]
    async fn slow_readers_share_a_text_and_others_get_a_new_one() {
        let scrapes = Scrapes::new(Duration::ZERO);
        let ask = async |format, text: String| scrapes.current_text(format, || Ok(text)).await.unwrap();
        let mut slow = Vec::new();
        for n in 0..5 {
            slow.push(ask(Format::Prometheus, n.to_string()).await);
        }
        assert_eq!(slow, ["0", "1", "1", "1", "1"]);
        assert_eq!(ask(Format::OpenMetrics, "open".to_owned()).await, "open");
        drop(slow);
        assert_eq!(ask(Format::Prometheus, "new".to_owned()).await, "new");
    }

    #[tokio::test]
    async fn whoever_asks_meanwhile_or_soon_after_shares_a_text() {
        let made = Arc::new(AtomicUsize::new(0));
        let ask = |scrapes: &Arc<Scrapes>, format| {
            let (scrapes, made) = (Arc::clone(scrapes), Arc::clone(&made));
            async move {
                let make = move || Ok(made.fetch_add(1, Ordering::Relaxed).to_string());
                scrapes.current_text(format, make).await.unwrap()
            }
        };
        let scrapes = Arc::new(Scrapes::new(ALWAYS));
        let texts = join_all((0..100).map(|_| ask(&scrapes, Format::Prometheus))).await;
        assert!(texts.iter().all(|text| text == "0"), "{texts:?}");
        drop(texts);
        assert_eq!(ask(&scrapes, Format::Prometheus).await, "0");
        assert_eq!(ask(&scrapes, Format::OpenMetrics).await, "1");
        // An old one is given to no caller.
        let scrapes = Arc::new(Scrapes::new(Duration::ZERO));
        assert_eq!(ask(&scrapes, Format::Prometheus).await, "2");
        assert_eq!(ask(&scrapes, Format::Prometheus).await, "3");
    }

    #[tokio::test]
    async fn others_on_the_thread_go_on_while_a_text_is_made() {
        let scrapes = Scrapes::default();
        let (open, gate) = mpsc::channel();
        let make = move || {
            let opened = gate.recv_timeout(Duration::from_secs(10));
            Ok(opened.map_or("nobody went on", |()| "somebody went on").to_owned())
        };
        let other = async { open.send(()).unwrap() };
        let (text, ()) = tokio::join!(scrapes.current_text(Format::Prometheus, make), other);
        assert_eq!(text.unwrap(), "somebody went on");
    }

    #[tokio::test]
    async fn whoever_goes_away_leaves_the_text_to_the_next() {
        let scrapes = Scrapes::new(ALWAYS);
        let (open, gate) = mpsc::channel::<()>();
        let make = move || {
            let _ = gate.recv();
            Ok("first".to_owned())
        };
        assert!(scrapes.current_text(Format::Prometheus, make).now_or_never().is_none());
        let next = scrapes.current_text(Format::Prometheus, || Ok("second".to_owned()));
        drop(open);
        assert_eq!(next.await.unwrap(), "first");
        let broken = scrapes.current_text(Format::OpenMetrics, || panic!("for a test"));
        assert!(broken.await.is_err());
    }
}
