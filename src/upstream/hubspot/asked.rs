//! What of a record was asked for, and what of it the answer leaves out. HubSpot gives every property that was asked for and that
//! the portal has, as null if it is empty (docs/reference/hubspot.md 4.4): what is absent is not known to be empty.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::wire::Record;

/// What was asked for of each record.
#[derive(Default)]
pub(crate) struct Asked<'a> {
    pub(crate) properties: Vec<&'a str>,
    pub(crate) with_history: &'a [String],
    /// The properties that the portal has; HubSpot leaves out others.
    pub(crate) listed: Arc<BTreeSet<String>>,
}

impl Asked<'_> {
    /// A property that this record ought to have and does not.
    pub(crate) fn absent_property(&self, record: &Record) -> Option<&str> {
        let first = self.properties.first()?;
        let Some(given) = &record.properties else {
            return Some(first);
        };
        let is_absent = |name: &&&str| self.listed.contains(**name) && !given.contains_key(**name);
        self.properties.iter().find(is_absent).copied()
    }

    /// True if this property is asked for, and it is not known whether the record has it.
    pub(crate) fn is_unknown(&self, name: &str, record: &Record) -> bool {
        let is_given = record.properties.as_ref().map(|given| given.contains_key(name));
        self.properties.contains(&name)
            && !is_given.unwrap_or(false)
            && (is_given.is_none() || self.listed.contains(name))
    }

    /// A property that has a value now, and of which the history is left out.
    pub(crate) fn absent_history(&self, record: &Record) -> Option<&str> {
        let given = record.properties_with_history.as_ref();
        let is_given = |name: &String| given.and_then(|all| all.get(name)?.as_ref()).is_some();
        let is_absent = |name: &&String| record.text(name).is_some() && !is_given(name);
        self.with_history.iter().find(is_absent).map(String::as_str)
    }
}
