//! Texts of `/metrics` on their way out. Those who ask and read slowly share a text: else each of them would keep one of
//! megabytes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use axum::body::Bytes;

use super::exposition::Format;

/// Texts of one format that are on their way at once.
const ALIVE: usize = 2;

/// The texts, oldest first.
#[derive(Debug, Default)]
pub(super) struct Scrapes(Mutex<Vec<(Format, Weak<str>)>>);

/// Lives until it is sent to everybody who waits for it.
struct Text(Arc<str>);

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Scrapes {
    /// A text made now; or, where too many are on their way, the newest of them.
    pub(super) fn text(
        &self,
        format: Format,
        make: impl FnOnce() -> Result<String, fmt::Error>,
    ) -> Result<Bytes, fmt::Error> {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.retain(|(_, text)| text.strong_count() > 0);
        let alive = || texts.iter().filter(|(of, _)| *of == format);
        let newest = alive().next_back().and_then(|(_, text)| text.upgrade());
        if let Some(newest) = newest.filter(|_| alive().count() >= ALIVE) {
            return Ok(Bytes::from_owner(Text(newest)));
        }
        let text: Arc<str> = make()?.into();
        texts.push((format, Arc::downgrade(&text)));
        Ok(Bytes::from_owner(Text(text)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn slow_readers_share_a_text_and_others_get_a_new_one() {
        let scrapes = Scrapes::default();
        let ask = |format, text: &str| scrapes.text(format, || Ok(text.to_owned())).unwrap();
        let slow: Vec<Bytes> = (0..5).map(|n| ask(Format::Prometheus, &n.to_string())).collect();
        assert_eq!(slow, ["0", "1", "1", "1", "1"]);
        assert_eq!(ask(Format::OpenMetrics, "open"), "open");
        drop(slow);
        assert_eq!(ask(Format::Prometheus, "new"), "new");
    }
}
