//! A contact and a deal as HubSpot gives them, as plain data.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::ids::{ContactId, DealId};
use super::lineage;

/// Internal name of the property with the lifecycle stage.
pub const LIFECYCLE_STAGE: &str = "lifecyclestage";
/// Internal name of the property with the ids of merged records, `;`-separated.
pub const MERGED_IDS: &str = "hs_merged_object_ids";
/// Name of the property with HubSpot's modification time of a contact.
pub const LAST_MODIFIED: &str = "lastmodifieddate";
/// Internal name of the property with the number of a contact's deals.
pub const DEAL_COUNT: &str = "num_associated_deals";

/// Internal name of the property with the time of the last entry into a stage (docs/reference/hubspot.md 4.3).
pub fn date_entered(stage: &str) -> String {
    format!("hs_v2_date_entered_{stage}")
}

/// A value of one property, from its history.
#[derive(Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The value; empty if it was cleared.
    pub value: String,
    /// When it was set, HubSpot's clock, milliseconds.
    pub at: Timestamp,
    /// Written by a merge (HubSpot's `sourceType` is `MERGE_OBJECTS`): copies what another record already had.
    pub by_merge: bool,
}

/// Names and values of properties, in one piece of text: contacts are read by the thousand, and this saves memory for
/// each. No `Debug`: it holds personal data.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties {
    text: String,
    /// Where in the text each name ends, and the value behind it.
    ends: Vec<(usize, usize)>,
    /// Names of wanted properties that HubSpot was not asked for, because it does not give them: their values are not
    /// known.
    withheld: Option<Arc<BTreeSet<String>>>,
}

/// Room for one property: more than most take.
const ROOM: usize = 48;

impl Properties {
    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// These properties, with more names that HubSpot was not asked for.
    #[must_use]
    pub fn withholding(self, names: Option<Arc<BTreeSet<String>>>) -> Self {
        let withheld = match (self.withheld, names) {
            (Some(before), Some(names)) => Some(Arc::new(&*before | &*names)),
            (before, names) => before.or(names),
        };
        Self { withheld, ..self }
    }

    /// These properties without some, whose values then count as not known.
    #[must_use]
    pub fn without(self, names: BTreeSet<String>) -> Self {
        let known: Self = self.iter().filter(|(name, _)| !names.contains(*name)).collect();
        known.withholding(self.withheld).withholding(Some(Arc::new(names)))
    }

    /// The names that HubSpot was not asked for.
    pub fn withheld(&self) -> impl Iterator<Item = &str> {
        self.withheld.iter().flat_map(|names| names.iter().map(String::as_str))
    }

    /// True if the value of this name is not known.
    pub fn is_withheld(&self, name: &str) -> bool {
        self.withheld.as_ref().is_some_and(|names| names.contains(name))
    }

    fn size(&self) -> usize {
        self.text.len() + self.ends.len() * size_of::<(usize, usize)>()
    }

    /// Names and values in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |(name, value)| {
            let property = (&self.text[start..*name], &self.text[*name..*value]);
            start = *value;
            property
        })
    }
}

/// If a name comes twice, [`Properties::get`] finds its first value.
impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Properties {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(properties: T) -> Self {
        let properties = properties.into_iter();
        let (few, most) = properties.size_hint();
        let count = most.unwrap_or(few);
        let (mut text, mut ends) = (String::with_capacity(ROOM * count), Vec::with_capacity(count));
        for (name, value) in properties {
            text.push_str(name.as_ref());
            let name_end = text.len();
            text.push_str(value.as_ref());
            ends.push((name_end, text.len()));
        }
        Self {
            text,
            ends,
            withheld: None,
        }
    }
}

/// Why a contact that HubSpot gave cannot be understood. Nothing is decided about such a contact; what can be read of
/// it counts as observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// For people, no personal data.
    pub why: String,
    /// Stages of history rows without a time: it is not known when the contact entered them.
    pub stages: Vec<String>,
}

/// A contact as search or batch read gives it. No `Debug`: it holds personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// The id it was asked for by (an id from before a merge is possible); equals `id` in searches.
    pub requested_id: ContactId,
    /// The record's id now.
    pub id: ContactId,
    /// `updatedAt`, HubSpot's clock; `None` if it cannot be read.
    pub updated_at: Option<Timestamp>,
    /// When it was read, HubSpot's clock; `None` if the answer does not tell.
    pub as_of: Option<Timestamp>,
    /// Current values of the properties asked for; absent, null and empty are all left out.
    pub properties: Properties,
    /// Histories of the properties asked for with history, oldest first. Empty for a property without one.
    pub history: Vec<(String, Vec<HistoryEntry>)>,
    /// `Some` where not all of it can be read.
    pub flaw: Option<Flaw>,
}

impl Contact {
    /// The current value of a property, unless absent, null or empty.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name)
    }

    /// A date-time property: ISO 8601, or epoch milliseconds (docs/reference/hubspot.md 4). `None` if it is neither.
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        let value = self.property(name)?;
        let millis = || Timestamp::from_millisecond(value.parse().ok()?).ok();
        value.parse().ok().or_else(millis)
    }

    /// When it was last modified, HubSpot's clock: the latest of all times that it shows for that.
    pub fn last_modified(&self) -> Option<Timestamp> {
        self.time(LAST_MODIFIED).max(self.updated_at)
    }

    /// True if HubSpot counts deals of this contact. The property may be missing, which proves nothing.
    pub fn has_deals(&self) -> bool {
        let count = self.property(DEAL_COUNT).and_then(|count| count.trim().parse().ok());
        count.is_some_and(|count: f64| count > 0.0)
    }

    /// The history of a property, oldest first; empty if there is none.
    pub fn history_of(&self, name: &str) -> &[HistoryEntry] {
        let mut histories = self.history.iter();
        histories
            .find(|(known, _)| known == name)
            .map_or(&[], |(_, entries)| entries)
    }

    /// About how many bytes it takes in memory.
    pub fn size(&self) -> usize {
        let texts = |list: &[String]| list.iter().map(|text| ROOM + text.len()).sum::<usize>();
        let histories = self.history.iter().flat_map(|(_, entries)| entries);
        let history: usize = histories.map(|entry| ROOM + entry.value.len()).sum();
        let stages = self.flaw.as_ref().map_or(0, |flaw| texts(&flaw.stages));
        self.properties.size() + history + stages
    }

    /// The ids that it names as merged into it.
    pub fn merged_ids(&self) -> Vec<ContactId> {
        lineage::parse_ids(self.property(MERGED_IDS).unwrap_or_default())
            .flatten()
            .collect()
    }

    /// All ids of this contact's lineage: its own, the one asked for, and the merged ones. Sorted, no repeats.
    pub fn lineage(&self) -> Vec<ContactId> {
        let mut ids = self.merged_ids();
        ids.extend([self.id, self.requested_id]);
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// A deal with what the value rule needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deal {
    pub id: DealId,
    /// `createdate`, else the record's `createdAt`.
    pub created_at: Timestamp,
    /// `hs_projected_amount` (amount times stage probability), in the deal's currency.
    pub projected_amount: Option<Decimal>,
    /// `deal_currency_code`, ISO 4217; absent in portals with one currency.
    pub currency: Option<String>,
    /// `hs_is_closed_lost`.
    pub closed_lost: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deals_are_counted_where_hubspot_says_how_many() {
        for (count, has) in [
            ("1", true),
            (" 12.0 ", true),
            ("0", false),
            ("-1", false),
            ("many", false),
            ("", false),
        ] {
            let contact = Contact {
                requested_id: ContactId(1),
                id: ContactId(1),
                updated_at: None,
                as_of: None,
                properties: [(DEAL_COUNT, count)].into_iter().collect(),
                history: Vec::new(),
                flaw: None,
            };
            assert_eq!(contact.has_deals(), has, "{count}");
        }
    }

    #[test]
    fn properties_are_found_by_their_whole_name() {
        let all = [
            ("email", "ada@example.com"),
            ("mail", ""),
            ("", "x"),
            ("é", "ü"),
            ("email", "again"),
        ];
        let properties: Properties = all.into_iter().collect();
        assert_eq!(properties.get("email"), Some("ada@example.com"), "the first of two");
        assert_eq!(properties.get("mail"), Some(""));
        assert_eq!(properties.get(""), Some("x"));
        assert_eq!(properties.get("é"), Some("ü"));
        assert_eq!(properties.get("emai"), None);
        assert_eq!(properties.get("ada@example.com"), None, "a value is no name");
        assert_eq!(properties.iter().collect::<Vec<_>>(), all);
    }
}
