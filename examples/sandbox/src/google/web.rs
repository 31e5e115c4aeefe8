//! What web tags reported, and how it was enhanced.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::Serialize;

/// An enhancement Google took.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Enhancement {
    /// The action.
    pub conversion_action_id: String,
    /// The conversion's order id.
    pub order_id: String,
    /// As sent.
    pub conversion_date_time: String,
    /// As sent.
    pub gclid: Option<String>,
    /// Restatement value.
    pub value: Option<f64>,
    /// Its currency.
    pub currency: Option<String>,
    /// Hashed identifiers, an address as one entry.
    pub identifiers: Vec<String>,
    /// When it was taken, by the sandbox's clock.
    pub accepted_time: Timestamp,
    /// How often it came again after it was taken.
    pub repeated: u64,
}

/// Conversions of web tags.
#[derive(Clone, Default)]
pub struct Web {
    /// By transaction id: time of the conversion, and when Google knows of it. The page's snippet sends to whatever
    /// action it was made for; the sandbox does not know the page, so a report counts for every web action.
    reports: HashMap<String, (Timestamp, Timestamp)>,
    /// Enhancements by action and order id.
    pub enhancements: BTreeMap<(u64, String), Enhancement>,
    /// Rows of adjustments that failed, by code.
    pub failed: BTreeMap<String, u64>,
}

impl Web {
    /// A tag has reported a conversion; Google knows of it from `known` on.
    pub fn report(&mut self, transaction: &str, time: Timestamp, known: Timestamp) {
        self.reports.entry(transaction.to_owned()).or_insert((time, known));
    }

    /// When the conversion took place, if Google knows of it by now.
    pub fn reported(&self, transaction: &str, now: Timestamp) -> Option<Timestamp> {
        let (time, known) = self.reports.get(transaction)?;
        (*known <= now).then_some(*time)
    }
}
