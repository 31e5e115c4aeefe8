//! Ingested requests, their processing, and the conversions that came out of it.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::Serialize;

use super::destinations::Destination;

/// Kind of a click identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ClickKind {
    /// Google click id.
    Gclid,
    /// Aggregated identifier, app to web.
    Gbraid,
    /// Aggregated identifier, web to app.
    Wbraid,
}

/// An event that passed the fast checks.
#[derive(Clone)]
pub struct Event {
    /// Position in the request.
    pub index: u32,
    /// Key inside an action.
    pub transaction_id: String,
    /// When it happened.
    pub time: Timestamp,
    /// Value in units of the currency.
    pub value: Option<f64>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// The click.
    pub click: Option<(ClickKind, String)>,
    /// Hashed identifiers.
    pub identifiers: Vec<String>,
    /// `adUserData` consent, of the event or else of the request.
    pub consent: Option<String>,
    /// Positions of the destinations it goes to.
    pub targets: Vec<usize>,
}

/// A conversion Google counts.
#[derive(Clone)]
pub struct Conversion {
    /// The action.
    pub action: u64,
    /// Key inside the action.
    pub transaction_id: String,
    /// Time of the first upload's event; later uploads do not move it.
    pub time: Timestamp,
    /// Value, as last stated.
    pub value: Option<f64>,
    /// Currency, as last stated.
    pub currency: Option<String>,
    /// The click of the first upload.
    pub click: Option<(ClickKind, String)>,
    /// When the click happened, if that is known.
    pub click_time: Option<Timestamp>,
    /// Hashed identifiers.
    pub identifiers: Vec<String>,
    /// Consent of the first upload.
    pub consent: Option<String>,
    /// Uploads that were accepted, the first included.
    pub accepted: u64,
    /// Later uploads that changed nothing.
    pub repeated: u64,
    /// Later uploads with another value or currency.
    pub adjusted: u64,
    /// Requests with an accepted upload.
    pub requests: Vec<String>,
}

/// What became of one destination of a request.
#[derive(Clone, Default)]
pub struct Outcome {
    /// Rows that went to the destination.
    pub rows: u32,
    /// Positions of failed rows by full reason name.
    pub failed: BTreeMap<String, Vec<u32>>,
}

/// An ingested request.
#[derive(Clone)]
pub struct Request {
    /// Project of the caller.
    pub project: String,
    /// When it arrived.
    pub at: Timestamp,
    /// Destinations in order.
    pub destinations: Vec<Destination>,
    /// Events; dropped once processed.
    pub events: Vec<Event>,
    /// Whether its status can no longer be read.
    pub forgotten: bool,
    /// Result per destination, once processed.
    pub outcome: Option<Vec<Outcome>>,
}

/// Counts of one action.
#[derive(Clone, Default)]
pub struct Totals {
    /// Conversions.
    pub conversions: u64,
    /// Uploads that were accepted.
    pub accepted: u64,
    /// Uploads that repeated an earlier one.
    pub repeated: u64,
    /// Uploads that changed a value.
    pub adjusted: u64,
    /// Rows that failed.
    pub failed: u64,
}

impl Totals {
    /// Adds another action's counts.
    pub fn add(&mut self, other: &Self) {
        self.conversions += other.conversions;
        self.accepted += other.accepted;
        self.repeated += other.repeated;
        self.adjusted += other.adjusted;
        self.failed += other.failed;
    }
}

/// A transaction that shall fail while it is processed.
#[derive(Clone)]
pub struct Armed {
    /// Full reason name.
    pub reason: String,
    /// How often it still fires; `None`: always.
    pub left: Option<u32>,
}

/// A transaction that shall refuse the whole request it comes in.
#[derive(Clone)]
pub struct BadRow {
    /// Reason of the violation.
    pub reason: String,
    /// Field of the event, in `snake_case`.
    pub field: String,
    /// Whether the answer names the row.
    pub named: bool,
}

/// Everything that was ingested.
#[derive(Clone, Default)]
pub struct Ingestion {
    pub(crate) requests: HashMap<String, Request>,
    queue: BTreeMap<(Timestamp, u64), String>,
    arrivals: u64,
    pub(crate) conversions: Vec<Conversion>,
    by_key: HashMap<u64, HashMap<String, usize>>,
    by_action: BTreeMap<u64, Vec<usize>>,
    /// Counts by action.
    pub(crate) totals: BTreeMap<u64, Totals>,
    /// Failed rows by reason.
    pub(crate) failed: BTreeMap<String, u64>,
    /// Rows that wait for their outcome.
    pub(crate) processing: u64,
    pub(crate) armed: HashMap<String, Armed>,
    pub(crate) bad_rows: HashMap<String, BadRow>,
}

impl Ingestion {
    /// Takes a request in; its outcome is due at `due`.
    pub fn enqueue(&mut self, id: String, request: Request, due: Timestamp) {
        self.processing += request
            .events
            .iter()
            .map(|event| event.targets.len() as u64)
            .sum::<u64>();
        self.arrivals += 1;
        self.queue.insert((due, self.arrivals), id.clone());
        self.requests.insert(id, request);
    }

    /// The next request whose outcome is due.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<String> {
        let first = self.queue.first_entry()?;
        if first.key().0 > now {
            None
        } else {
            Some(first.remove())
        }
    }

    /// Conversions of an action, oldest first.
    pub fn of_action(&self, action: u64) -> impl Iterator<Item = &Conversion> {
        self.by_action
            .get(&action)
            .into_iter()
            .flatten()
            .filter_map(|index| self.conversions.get(*index))
    }

    /// The armed reason of a transaction, counted down.
    pub fn armed_reason(&mut self, transaction_id: &str) -> Option<String> {
        let armed = self.armed.get_mut(transaction_id)?;
        match &mut armed.left {
            None => {}
            Some(0) => return None,
            Some(left) => *left -= 1,
        }
        Some(armed.reason.clone())
    }

    /// Counts a failed row.
    pub fn note_failure(&mut self, action: u64, reason: &str) {
        *self.failed.entry(reason.to_owned()).or_default() += 1;
        self.totals.entry(action).or_default().failed += 1;
    }

    /// Records an accepted row: a new conversion, a repetition or an adjustment.
    pub fn record(&mut self, action: u64, event: &Event, click_time: Option<Timestamp>, request: &str) {
        let totals = self.totals.entry(action).or_default();
        totals.accepted += 1;
        let keys = self.by_key.entry(action).or_default();
        if let Some(known) = keys
            .get(&event.transaction_id)
            .and_then(|index| self.conversions.get_mut(*index))
        {
            known.accepted += 1;
            let same =
                known.value.map(f64::to_bits) == event.value.map(f64::to_bits) && known.currency == event.currency;
            if same {
                known.repeated += 1;
                totals.repeated += 1;
            } else {
                known.adjusted += 1;
                totals.adjusted += 1;
                known.value = event.value;
                known.currency.clone_from(&event.currency);
            }
            if known.identifiers.is_empty() {
                known.identifiers.clone_from(&event.identifiers);
            }
            if known.requests.last().is_none_or(|last| last != request) {
                known.requests.push(request.to_owned());
            }
            return;
        }
        totals.conversions += 1;
        let index = self.conversions.len();
        keys.insert(event.transaction_id.clone(), index);
        self.by_action.entry(action).or_default().push(index);
        self.conversions.push(Conversion {
            action,
            transaction_id: event.transaction_id.clone(),
            time: event.time,
            value: event.value,
            currency: event.currency.clone(),
            click: event.click.clone(),
            click_time,
            identifiers: event.identifiers.clone(),
            consent: event.consent.clone(),
            accepted: 1,
            repeated: 0,
            adjusted: 0,
            requests: vec![request.to_owned()],
        });
    }
}
