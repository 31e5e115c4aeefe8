//! One CRM record with the history of its properties.

use std::borrow::Cow;

/// Where a change came from, as HubSpot's `sourceType` (a free string).
pub type Source = Cow<'static, str>;

/// Index of a property in its catalogue.
pub type Key = u16;

/// A view of everything, for reads that are not served by the search index.
pub const EVERYTHING: i64 = i64::MAX;

/// One value of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The value; empty when the property was cleared.
    pub value: Box<str>,
    /// When the value was set, in epoch milliseconds, as history shows it.
    pub at: i64,
    /// When HubSpot learned of it: later than `at` for back-dated values. Decides when search sees it.
    pub recorded: i64,
    /// Where it came from.
    pub source: Source,
}

#[derive(Clone, Copy, Debug)]
struct Touch {
    shown: i64,
    recorded: i64,
}

/// A contact or a deal.
#[derive(Clone, Debug)]
pub struct Record {
    /// Record id.
    pub id: u64,
    /// `createdate`, epoch milliseconds.
    pub created: i64,
    /// Deleted: gone from search and reads, kept for the admin.
    pub archived: bool,
    /// When, epoch milliseconds.
    pub archived_at: i64,
    /// Deleted for good: never restored, and reads do not even call it missing.
    pub purged: bool,
    /// Ids merged into this record, ascending.
    pub merged: Vec<u64>,
    /// Associated records (deals of a contact, contacts of a deal), ascending.
    pub links: Vec<u64>,
    /// Index delay of this record beyond that of its portal, milliseconds.
    pub extra_lag: i64,
    born: i64,
    last_recorded: i64,
    touches: Vec<Touch>,
    series: Vec<(Key, Vec<Row>)>,
    /// Current entry times per date-entered property.
    entered: Vec<(Key, i64)>,
}

impl Record {
    /// A record without properties, created (as shown) at `created`, known to HubSpot since `recorded`.
    pub fn new(id: u64, created: i64, recorded: i64) -> Self {
        Self {
            id,
            created,
            archived: false,
            archived_at: 0,
            purged: false,
            merged: Vec::new(),
            links: Vec::new(),
            extra_lag: 0,
            born: recorded,
            last_recorded: recorded,
            touches: vec![Touch {
                shown: created,
                recorded,
            }],
            series: Vec::new(),
            entered: Vec::new(),
        }
    }

    /// Moves the creation to an earlier time, as if the record had been known since.
    pub fn backdate(&mut self, created: i64) {
        self.created = created;
        self.born = self.born.min(created);
        self.touches.iter_mut().for_each(|t| {
            *t = Touch {
                shown: created,
                recorded: created,
            }
        });
    }

    /// Adds a row to the history of a property; rows stay ordered by time, later additions after earlier ones.
    pub fn add(&mut self, key: Key, row: Row) {
        self.last_recorded = self.last_recorded.max(row.recorded);
        let index = self.series.iter().position(|(k, _)| *k == key).unwrap_or_else(|| {
            self.series.push((key, Vec::with_capacity(1)));
            self.series.len() - 1
        });
        if let Some((_, rows)) = self.series.get_mut(index) {
            let place = rows.partition_point(|old| old.at <= row.at);
            rows.insert(place, row);
        }
    }

    /// Notes a modification; `keep_since` is the oldest time at which the index may still look.
    pub fn touch(&mut self, shown: i64, recorded: i64, keep_since: i64) {
        self.last_recorded = self.last_recorded.max(recorded);
        let shown = shown.max(self.updated(EVERYTHING));
        let indexed = self.touches.iter().filter(|t| t.recorded <= keep_since).count();
        self.touches.drain(..indexed.saturating_sub(1));
        self.touches.push(Touch { shown, recorded });
    }

    /// `lastmodifieddate` as known at `horizon`.
    pub fn updated(&self, horizon: i64) -> i64 {
        self.touches
            .iter()
            .filter(|t| t.recorded <= horizon)
            .map(|t| t.shown)
            .max()
            .unwrap_or(self.created)
    }

    /// Whether the record existed at `horizon`.
    pub fn known(&self, horizon: i64) -> bool {
        self.born <= horizon
    }

    /// Whether everything recorded about the record is visible at `horizon`.
    pub fn settled(&self, horizon: i64) -> bool {
        self.last_recorded <= horizon
    }

    /// All rows of a property, oldest first.
    pub fn rows(&self, key: Key) -> &[Row] {
        self.series
            .iter()
            .find(|(k, _)| *k == key)
            .map_or(&[], |(_, rows)| rows.as_slice())
    }

    /// All properties with rows.
    pub fn all_rows(&self) -> &[(Key, Vec<Row>)] {
        &self.series
    }

    /// The value of a stored property at `horizon`: `None` if never set, empty if cleared.
    pub fn value(&self, key: Key, horizon: i64) -> Option<&str> {
        self.rows(key)
            .iter()
            .rev()
            .find(|row| row.recorded <= horizon)
            .map(|row| row.value.as_ref())
    }

    /// The last time the record entered `stage`, at `horizon`; `stages` is the key of the lifecycle property.
    pub fn last_entry(&self, stages: Key, stage: &str, horizon: i64) -> Option<i64> {
        let mut previous = "";
        let mut last = None;
        for row in self.rows(stages).iter().filter(|row| row.recorded <= horizon) {
            if row.value.as_ref() == stage && previous != stage {
                last = Some(row.at);
            }
            previous = &row.value;
        }
        last
    }

    /// The cached current value of a date-entered property.
    pub fn entered(&self, key: Key) -> Option<i64> {
        self.entered.iter().find(|(k, _)| *k == key).map(|(_, at)| *at)
    }

    /// Replaces the cache of date-entered properties.
    pub fn set_entered(&mut self, entered: Vec<(Key, i64)>) {
        self.entered = entered;
    }

    /// Links another record to this one.
    pub fn link(&mut self, id: u64) {
        if let Err(place) = self.links.binary_search(&id) {
            self.links.insert(place, id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: &str, at: i64, recorded: i64) -> Row {
        Row {
            value: value.into(),
            at,
            recorded,
            source: "API".into(),
        }
    }

    #[test]
    fn history_is_ordered_and_seen_as_of_a_time() {
        let mut record = Record::new(1, 0, 0);
        record.add(3, row("b", 20, 20));
        record.add(3, row("a", 10, 30));
        assert_eq!(
            record.rows(3).iter().map(|r| r.value.as_ref()).collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert_eq!(
            (record.value(3, 15), record.value(3, 25), record.value(3, EVERYTHING)),
            (None, Some("b"), Some("b"))
        );
        assert!(!record.settled(29) && record.settled(30));
    }

    #[test]
    fn the_last_entry_ignores_repeats() {
        let mut record = Record::new(1, 0, 0);
        for (value, at) in [
            ("lead", 1),
            ("lead", 2),
            ("customer", 3),
            ("", 4),
            ("lead", 5),
            ("lead", 6),
        ] {
            record.add(0, row(value, at, at));
        }
        assert_eq!(record.last_entry(0, "lead", EVERYTHING), Some(5));
        assert_eq!(record.last_entry(0, "lead", 4), Some(1));
        assert_eq!(record.last_entry(0, "other", EVERYTHING), None);
    }

    #[test]
    fn modification_times_are_known_as_of_a_time() {
        let mut record = Record::new(1, 100, 100);
        record.touch(200, 200, 100);
        record.touch(300, 300, 250);
        assert_eq!((record.updated(250), record.updated(EVERYTHING)), (200, 300));
    }
}
