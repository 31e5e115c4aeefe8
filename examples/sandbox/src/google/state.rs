//! Google's state: written elsewhere.
use jiff::Timestamp;
use serde_json::Value;

/// Google's state.
pub struct Google;

impl Google {
    /// New.
    pub fn new(_options: &crate::options::Options) -> Self {
        Self
    }

    /// A click.
    pub fn register_click(&mut self, _gclid: &str, _at: Timestamp) {}

    /// The tally.
    pub fn tally(&self) -> Value {
        Value::Null
    }
}
