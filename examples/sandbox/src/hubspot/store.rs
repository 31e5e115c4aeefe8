//! All records of one object type in one portal.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use jiff::Timestamp;

use super::{
    catalogue::{Catalogue, DealField, Kind, Origin, Property},
    deal,
    record::{EVERYTHING, Key, Record, Row, Source},
};

/// Records by id, with the definitions of their properties.
#[derive(Debug, Default)]
pub struct Store {
    /// Records by id; ordered, so that a search starts at its lower bound.
    pub records: BTreeMap<u64, Record>,
    /// Ids that were merged away, to the record they are now.
    pub redirects: BTreeMap<u64, u64>,
    /// Property definitions.
    pub catalogue: Catalogue,
    emails: HashMap<String, u64>,
    next_id: u64,
}

/// A value to set.
#[derive(Clone, Debug)]
pub struct Change {
    /// The value; empty clears.
    pub value: String,
    /// Time shown in the history, epoch milliseconds.
    pub at: i64,
    /// When HubSpot learned of it.
    pub recorded: i64,
    /// `sourceType` of the row.
    pub source: Source,
}

impl Store {
    /// An empty store whose ids start at `first_id`.
    pub fn new(catalogue: Catalogue, first_id: u64) -> Self {
        Self {
            catalogue,
            next_id: first_id,
            ..Self::default()
        }
    }

    /// Adds a record under the given id, or a new one.
    ///
    /// # Errors
    /// When the id is taken.
    pub fn create(&mut self, id: Option<u64>, created: i64, recorded: i64) -> Result<u64, String> {
        let id = id.unwrap_or(self.next_id);
        if id == 0 || self.records.contains_key(&id) || self.redirects.contains_key(&id) {
            return Err(format!("id {id} is taken"));
        }
        self.next_id = self.next_id.max(id + 1);
        self.records.insert(id, Record::new(id, created, recorded));
        Ok(id)
    }

    /// The live record an id stands for: itself, or what it was merged into.
    pub fn resolve(&self, id: u64) -> Option<&Record> {
        let id = self.redirects.get(&id).copied().unwrap_or(id);
        self.records.get(&id).filter(|record| !record.archived)
    }

    /// True where the record an id stood for was deleted for good.
    pub fn is_purged(&self, id: u64) -> bool {
        let id = self.redirects.get(&id).copied().unwrap_or(id);
        self.records.get(&id).is_some_and(|record| record.purged)
    }

    /// The live contact with that primary e-mail address.
    pub fn by_email(&self, email: &str) -> Option<&Record> {
        let wanted = email.trim().to_lowercase();
        let (key, _) = self.catalogue.find("email")?;
        let record = self.resolve(*self.emails.get(&wanted)?)?;
        record
            .value(key, EVERYTHING)
            .filter(|current| current.to_lowercase() == wanted)
            .map(|_| record)
    }

    /// Sets a property. Unknown names become custom text properties.
    ///
    /// # Errors
    /// Unknown record; a computed property; a value that does not fit the property's type or choices.
    pub fn set(&mut self, id: u64, name: &str, change: Change) -> Result<(), String> {
        let key = match self.catalogue.find(name) {
            Some((_, p)) if !matches!(p.origin, Origin::Stored | Origin::Deal(_)) => {
                return Err(format!("{name} is computed"));
            }
            Some((key, _)) => key,
            None if name.starts_with("hs_v2_") => return Err(format!("{name} is computed")),
            None => self.catalogue.define_stored(name, name, Kind::String, true),
        };
        let property = self.catalogue.get(key).ok_or("no such property")?;
        let value = normal(property, &change.value)?;
        let record = self.records.get_mut(&id).ok_or_else(|| format!("no record {id}"))?;
        record.add(
            key,
            Row {
                value: value.into(),
                at: change.at,
                recorded: change.recorded,
                source: change.source,
            },
        );
        if name == "email" {
            self.index_email(id);
        } else if name == "lifecyclestage" {
            self.refresh_entered(id);
        }
        Ok(())
    }

    /// Points the current address of a contact to it. Addresses it had before are checked on look-up.
    pub fn index_email(&mut self, id: u64) {
        let email = self
            .catalogue
            .find("email")
            .and_then(|(key, _)| self.records.get(&id)?.value(key, EVERYTHING));
        if let Some(email) = email.filter(|e| !e.is_empty()) {
            self.emails.insert(email.to_lowercase(), id);
        }
    }

    /// Recomputes the cache of date-entered properties of a record.
    pub fn refresh_entered(&mut self, id: u64) {
        let Some((stages, _)) = self.catalogue.find("lifecyclestage") else {
            return;
        };
        let Some(record) = self.records.get_mut(&id) else {
            return;
        };
        let mut seen: Vec<&str> = record
            .rows(stages)
            .iter()
            .map(|row| row.value.as_ref())
            .filter(|v| !v.is_empty())
            .collect();
        seen.sort_unstable();
        seen.dedup();
        let mut entered = Vec::new();
        for stage in seen {
            let Some(at) = record.last_entry(stages, stage, EVERYTHING) else {
                continue;
            };
            for name in [
                format!("hs_v2_date_entered_{stage}"),
                format!("hs_lifecyclestage_{stage}_date"),
            ] {
                entered.extend(self.catalogue.key_even_if_hidden(&name).map(|key| (key, at)));
            }
        }
        record.set_entered(entered);
    }

    /// The value of any property of a record as text, at `horizon`; `None` if it was never set.
    pub fn text<'a>(&'a self, record: &'a Record, key: Key, horizon: i64) -> Option<Cow<'a, str>> {
        let property = self.catalogue.get(key)?;
        match &property.origin {
            Origin::Stored => record.value(key, horizon).map(Cow::Borrowed),
            Origin::ObjectId => Some(record.id.to_string().into()),
            Origin::MergedIds if record.merged.is_empty() => None,
            Origin::MergedIds => Some(
                record
                    .merged
                    .iter()
                    .map(u64::to_string)
                    .collect::<Vec<_>>()
                    .join(";")
                    .into(),
            ),
            Origin::LinkCount if record.links.is_empty() => None,
            Origin::LinkCount => Some(record.links.len().to_string().into()),
            Origin::AlwaysEmpty => None,
            Origin::Created | Origin::Modified | Origin::Entered(_) => {
                self.instant(record, key, horizon).map(|ms| iso(ms).into())
            }
            Origin::Deal(field) => match record.value(key, horizon) {
                Some(set) => Some(Cow::Borrowed(set)),
                None => self.deal_field(record, *field, horizon).map(Cow::Owned),
            },
        }
    }

    /// The value of a point-in-time property in epoch milliseconds, at `horizon`.
    pub fn instant(&self, record: &Record, key: Key, horizon: i64) -> Option<i64> {
        match &self.catalogue.get(key)?.origin {
            Origin::Created => Some(record.created),
            Origin::Modified => Some(record.updated(horizon)),
            Origin::Entered(_) if record.settled(horizon) => record.entered(key),
            Origin::Entered(stage) => {
                let (stages, _) = self.catalogue.find("lifecyclestage")?;
                record.last_entry(stages, stage, horizon)
            }
            _ => {
                let text = record.value(key, horizon)?;
                text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
            }
        }
    }

    fn deal_field(&self, record: &Record, field: DealField, horizon: i64) -> Option<String> {
        let stored = |name: &str| {
            self.catalogue
                .find(name)
                .and_then(|(key, _)| record.value(key, horizon))
        };
        deal::computed(field, stored("amount"), stored("dealstage"))
    }
}

/// Milliseconds since the epoch as HubSpot writes them: ISO 8601, UTC, three digits.
pub fn iso(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |t| format!("{t:.3}"))
}

/// Reads a point in time, written as ISO 8601 or as epoch milliseconds.
pub fn instant(text: &str) -> Option<i64> {
    text.parse::<i64>()
        .ok()
        .or_else(|| text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond))
}

/// The value as HubSpot stores it, checked against the property's type.
fn normal(property: &Property, value: &str) -> Result<String, String> {
    let misfit = || format!("{value:?} is no value of {} ({})", property.name, property.kind.name());
    if value.is_empty() {
        return Ok(String::new());
    }
    match property.kind {
        Kind::String => Ok(value.to_owned()),
        Kind::Number => value.parse::<f64>().map(|_| value.to_owned()).map_err(|_| misfit()),
        Kind::Bool => ["true", "false"]
            .contains(&value)
            .then(|| value.to_owned())
            .ok_or_else(misfit),
        Kind::DateTime | Kind::Date => instant(value).map(iso).ok_or_else(misfit),
        Kind::Enumeration => {
            let known = |part: &str| property.options.is_empty() || property.options.iter().any(|o| o.value == part);
            value.split(';').all(known).then(|| value.to_owned()).ok_or_else(misfit)
        }
    }
}
