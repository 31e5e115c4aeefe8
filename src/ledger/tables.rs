//! All tables of the ledger with their columns, for code that handles the ledger as a whole. A test compares them with
//! the schema.

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Number,
    Text,
}

/// A table whose rows belong to the ledger.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [(&'static str, ColumnKind)],
    /// Number of columns at the beginning that are the key.
    pub(crate) key: usize,
    /// Filters that split its rows into parts, where some rows refer to others.
    pub(crate) parts: &'static [&'static str],
    /// True if the database numbers new rows, and never gives a number twice.
    pub(crate) numbered: bool,
    /// Rows handled at a time.
    pub(crate) batch: i64,
}

use ColumnKind::{Number, Text};

const ALL: &[&str] = &["TRUE"];
/// Batches for rows of a few hundred bytes.
const SMALL: i64 = 2_000;
/// Batches for rows of which one may hold the numbers of all conversions of a request.
const LARGE: i64 = 100;

/// All tables; what a row refers to comes before it.
pub(crate) const TABLES: [Table; 11] = [
    Table {
        name: "meta",
        columns: &[("name", Text), ("value", Text)],
        key: 1,
        // These entries describe the database, not its content.
        parts: &["name NOT IN ('epoch', 'lease', 'starts', 'writes')"],
        numbered: false,
        batch: LARGE,
    },
    Table {
        name: "streams",
        columns: &[
            ("id", Number),
            ("portal", Number),
            ("trigger_key", Text),
            ("network", Text),
            ("account", Text),
            ("action", Text),
            ("event", Text),
            ("event_uid", Text),
            ("covered_from", Number),
            ("feed_cursor", Number),
            ("last_upload", Number),
            ("bound_to", Number),
            ("full_scan_at", Number),
            ("full_scan_by", Text),
        ],
        key: 1,
        // Streams of events refer to those of actions.
        parts: &["event IS NULL", "event IS NOT NULL"],
        numbered: true,
        batch: SMALL,
    },
    Table {
        name: "requests",
        columns: &[
            ("id", Number),
            ("state", Text),
            ("network", Text),
            ("sender", Text),
            ("owner", Text),
            ("destinations", Text),
            ("conversion_ids", Text),
            ("destination_indices", Text),
            ("begun_at", Number),
            ("request_id", Text),
            ("accepted_at", Number),
            ("poll_at", Number),
            ("polls", Number),
        ],
        key: 1,
        parts: ALL,
        numbered: true,
        batch: LARGE,
    },
    Table {
        name: "ended_requests",
        columns: &[
            ("network", Text),
            ("sender", Text),
            ("request_id", Text),
            ("ended_at", Number),
        ],
        key: 3,
        parts: ALL,
        numbered: false,
        batch: SMALL,
    },
    Table {
        name: "conversions",
        columns: &[
            ("id", Number),
            ("stream", Number),
            ("sort_key", Number),
            ("transaction_id", Text),
            ("contact", Number),
            ("submission", Text),
            ("occurred_at", Number),
            ("first_seen", Number),
            ("changed_at", Number),
            ("state", Text),
            ("outcome", Text),
            ("reason", Text),
            ("detail", Text),
            ("reason_before", Text),
            ("due", Number),
            ("attempts", Number),
            ("isolation_group", Number),
            ("suspended", Number),
            ("sent", Text),
            ("value", Text),
            ("currency", Text),
            ("request", Number),
            ("request_id", Text),
        ],
        key: 1,
        parts: ALL,
        numbered: true,
        batch: SMALL,
    },
    Table {
        name: "archived_keys",
        columns: &[
            ("stream", Number),
            ("occurred_at", Number),
            ("transaction_id", Text),
            ("outcome", Text),
            ("reason", Text),
            ("detail", Text),
        ],
        key: 3,
        parts: ALL,
        numbered: false,
        batch: SMALL,
    },
    Table {
        name: "daily_totals",
        columns: &[
            ("stream", Number),
            ("day", Number),
            ("outcome", Text),
            ("reason", Text),
            ("detail", Text),
            ("total", Number),
            ("changed_at", Number),
        ],
        key: 5,
        parts: ALL,
        numbered: false,
        batch: SMALL,
    },
    Table {
        name: "canonical_contacts",
        columns: &[("portal", Number), ("contact", Number), ("canonical", Number)],
        key: 2,
        parts: ALL,
        numbered: false,
        batch: SMALL,
    },
    Table {
        name: "look_rounds",
        columns: &[
            ("id", Number),
            ("portal", Number),
            ("account", Text),
            ("contacts", Number),
            ("after", Number),
            ("looked_at", Number),
        ],
        key: 1,
        parts: ALL,
        numbered: true,
        batch: SMALL,
    },
    Table {
        name: "looks",
        columns: &[
            ("looker", Number),
            ("contact", Number),
            ("looked_at", Number),
            ("seen_at", Number),
            ("missing_since", Number),
        ],
        key: 2,
        parts: ALL,
        numbered: false,
        batch: SMALL,
    },
    Table {
        name: "orphans",
        columns: &[
            ("network", Text),
            ("account", Text),
            ("action", Text),
            ("name", Text),
            ("kind", Text),
            ("former_event", Text),
            ("created_at", Number),
            ("noted_at", Number),
        ],
        key: 3,
        parts: ALL,
        numbered: false,
        batch: SMALL,
    },
];

impl Table {
    /// Selects a batch of this part's rows in the order of the
    /// key; `further`: the rows after the key in the parameters.
    pub(crate) fn select(&self, part: &str, further: bool) -> String {
        let columns = self.names(self.columns.len());
        let key = self.names(self.key);
        let after = if further {
            let parameters: Vec<_> = (1..=self.key).map(|n| format!("${n}")).collect();
            format!(" AND ({key}) > ({})", parameters.join(", "))
        } else {
            String::new()
        };
        format!(
            "SELECT {columns} FROM {} WHERE {part}{after} ORDER BY {key} LIMIT {}",
            self.name, self.batch
        )
    }

    /// Inserts the rows of a JSON array.
    pub(crate) fn insert(&self) -> String {
        let value = |(index, (_, kind)): (usize, &(&str, ColumnKind))| match kind {
            Number => format!("CAST(value->>{index} AS BIGINT)"),
            Text => format!("value->>{index}"),
        };
        let values: Vec<_> = self.columns.iter().enumerate().map(value).collect();
        format!(
            "INSERT INTO {} ({}) SELECT {} FROM json_each($1)",
            self.name,
            self.names(self.columns.len()),
            values.join(", ")
        )
    }

    /// Counts the rows of all parts.
    pub(crate) fn count(&self) -> String {
        format!("SELECT count(*) FROM {} WHERE {}", self.name, self.parts.join(" OR "))
    }

    fn names(&self, first: usize) -> String {
        let names: Vec<_> = self.columns.iter().take(first).map(|(name, _)| *name).collect();
        names.join(", ")
    }
}
