//! What an object's status says.

use serde_json::Value;

/// A condition of an object, or null.
pub fn condition(object: &Value, type_: &str) -> Value {
    let all = object.pointer("/status/conditions").and_then(Value::as_array);
    all.into_iter()
        .flatten()
        .find(|c| c["type"] == type_)
        .cloned()
        .unwrap_or_default()
}

/// RFC 3339 text of so many seconds ago.
pub fn ago(seconds: i64) -> String {
    let then = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
    format!("{then:.3}")
}

/// The numbers of `status.sync`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub observed: u64,
    pub uploaded: u64,
    pub processing: u64,
    pub pending: u64,
    pub skipped: u64,
    pub rejected: u64,
}

impl Counts {
    /// Out of an event.
    pub fn of(event: &Value) -> Self {
        let number = |name: &str| event["status"]["sync"][name].as_u64().unwrap_or(0);
        Self {
            observed: number("observed"),
            uploaded: number("uploaded"),
            processing: number("processing"),
            pending: number("pending"),
            skipped: number("skipped"),
            rejected: number("rejected"),
        }
    }

    /// The law of conservation, for the sums and for the reasons.
    pub fn conserved(self, event: &Value) {
        let sum = self.uploaded + self.processing + self.pending + self.skipped + self.rejected;
        assert_eq!(self.observed, sum, "conservation: {event:#}");
        let reasons = event["status"]["sync"]["reasons"].as_array();
        let of = |outcome: &str| -> u64 {
            let all = reasons.into_iter().flatten().filter(|r| r["outcome"] == outcome);
            all.filter_map(|r| r["count"].as_u64()).sum()
        };
        let listed = [of("Pending"), of("Processing"), of("Skipped"), of("Rejected")];
        assert_eq!(
            listed,
            [self.pending, self.processing, self.skipped, self.rejected],
            "reasons: {event:#}"
        );
    }
}

/// The count of one class.
pub fn reason(event: &Value, outcome: &str, reason: &str) -> u64 {
    let reasons = event["status"]["sync"]["reasons"].as_array();
    let class = reasons
        .into_iter()
        .flatten()
        .find(|r| r["outcome"] == outcome && r["reason"] == reason);
    class.and_then(|r| r["count"].as_u64()).unwrap_or(0)
}
