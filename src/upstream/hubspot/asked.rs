//! Compares a record with the properties that were asked for. HubSpot gives every property that was asked for and that
//! the portal has, as null if it is empty (docs/reference/hubspot.md 4.4), so an absent one is not known to be empty.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::wire::Record;

/// The properties that were asked for of each record.
#[derive(Default)]
pub(crate) struct AskedProperties<'a> {
    pub(crate) properties: Vec<&'a str>,
    pub(crate) with_history: &'a [String],
    /// The properties that the portal has; HubSpot does not answer with others.
    pub(crate) listed: Arc<BTreeSet<String>>,
}

impl AskedProperties<'_> {
    /// A property that this record lacks although HubSpot should give it.
    pub(crate) fn absent_property(&self, record: &Record) -> Option<&str> {
        let first = self.properties.first()?;
        let Some(given) = &record.properties else {
            return Some(first);
        };
        let is_absent = |name: &&&str| self.listed.contains(**name) && !given.contains_key(**name);
        self.properties.iter().find(is_absent).copied()
    }

    /// True if this property was asked for, and it is not known whether it is empty.
    pub(crate) fn is_unknown(&self, name: &str, record: &Record) -> bool {
        let is_given = record.properties.as_ref().map(|given| given.contains_key(name));
        self.properties.contains(&name)
            && !is_given.unwrap_or(false)
            && (is_given.is_none() || self.listed.contains(name))
    }

    /// A property that has a value now, but no history in the answer.
    pub(crate) fn absent_history(&self, record: &Record) -> Option<&str> {
        let given = record.properties_with_history.as_ref();
        let is_given = |name: &String| given.and_then(|all| all.get(name)?.as_ref()).is_some();
        let is_absent = |name: &&String| record.text(name).is_some() && !is_given(name);
        self.with_history.iter().find(is_absent).map(String::as_str)
    }
}
