//! HubSpot's JSON as we read it: only what is indispensable is required, ids and values may be strings, numbers or
//! booleans, and null is the same as absent. Types that hold records have no `Debug`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::Deserialize;
use serde_json::Value;

use super::errors::{ErrorBody, malformed_answer};
use super::rows::{OddRow, Row};
pub(crate) use super::scalar::{Scalar, scalar_or_nothing};
use crate::domain::contact::MERGED_IDS;
use crate::domain::ids::ContactId;
use crate::domain::lineage::{self, MAX_LINEAGE};
use crate::domain::plausible_time::is_since_hubspot_exists;
use crate::ports::UpstreamError;
use crate::upstream::http::json;
use crate::upstream::http::memory::Share;

/// Most rows of one answer: no call asks for more.
const MAX_ROWS: usize = 1_000;

/// A contact or a deal.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) id: Option<Scalar>,
    pub(crate) properties: Option<BTreeMap<String, Option<Scalar>>>,
    pub(crate) properties_with_history: Option<BTreeMap<String, Option<Vec<Version>>>>,
    pub(crate) created_at: Option<Scalar>,
    pub(crate) updated_at: Option<Scalar>,
    pub(crate) archived: Option<bool>,
}

/// One value of a property's history.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Version {
    pub(crate) value: Option<Scalar>,
    pub(crate) timestamp: Option<Scalar>,
    pub(crate) source_type: Option<Scalar>,
}

impl Record {
    /// The record's id, or its `hs_object_id`. `None` if neither names the record.
    pub(crate) fn id(&self) -> Option<u64> {
        let id = self.id.as_ref().and_then(Scalar::id);
        id.or_else(|| self.property("hs_object_id")?.id())
    }

    /// True if the id is invalid, whatever the properties say.
    pub(crate) fn has_odd_id(&self) -> bool {
        self.id.as_ref().is_some_and(|id| id.id().is_none())
    }

    /// A property that is neither absent nor null.
    pub(crate) fn property(&self, name: &str) -> Option<&Scalar> {
        self.properties.as_ref()?.get(name)?.as_ref()
    }

    /// A property that is neither absent, null nor blank.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.property(name)
            .map(|value| value.0.trim())
            .filter(|value| !value.is_empty())
    }

    /// True if one of the merged ids is not an id, or there are more than a contact can have: then the contact's
    /// lineage is not known.
    pub(crate) fn has_odd_lineage(&self) -> bool {
        let mut ids = lineage::parse_ids(self.text(MERGED_IDS).unwrap_or_default());
        let known = ids.by_ref().take(MAX_LINEAGE).all(|id| id.is_some());
        !known || ids.next().is_some()
    }

    /// Ids of the contacts that became this one. Only `hs_merged_object_ids` is asked for; the two others (one of
    /// which holds `id:time` pairs) are read if the answer has them.
    pub(crate) fn merged_ids(&self) -> Vec<ContactId> {
        [
            "hs_merged_object_ids",
            "hs_calculated_merged_vids",
            "hs_all_contact_vids",
        ]
        .into_iter()
        .filter_map(|name| self.text(name))
        .flat_map(lineage::parse_ids)
        .flatten()
        .collect()
    }
}

/// An answer with `results`: a list, a page of a search, or a batch.
#[derive(serde::Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
pub(crate) struct Results<T> {
    #[serde(rename = "results")]
    rows: Option<Vec<T>>,
    pub(crate) total: Option<Scalar>,
    pub(crate) paging: Option<Paging>,
    /// When HubSpot finished a batch answer, by its clock.
    #[serde(rename = "startedAt")]
    started_at: Option<Scalar>,
    #[serde(default, rename = "errors", deserialize_with = "json::read_members")]
    item_errors: Option<Vec<Value>>,
    /// How many errors a batch answer has, by its own count.
    #[serde(default, rename = "numErrors", deserialize_with = "scalar_or_nothing")]
    error_count: Option<Scalar>,
    /// How far HubSpot came with a batch: `COMPLETE`, or something else.
    #[serde(default, deserialize_with = "scalar_or_nothing")]
    status: Option<Scalar>,
    /// Rows that are not as HubSpot documents them, each with its own reason.
    #[serde(skip)]
    odd: Vec<OddRow>,
    /// Its share of the process's memory for answers.
    #[serde(skip)]
    share: Share,
}

impl<T> Results<Row<T>> {
    /// Separates the rows that can be read from the others.
    pub(crate) fn split_odd(self) -> Results<T> {
        let mut odd = self.odd;
        let readable = |row| match row {
            Row::Read(row) => Some(row),
            Row::Odd(row) => {
                odd.push(row);
                None
            }
        };
        let rows = self.rows.map(|rows| rows.into_iter().filter_map(readable).collect());
        Results {
            rows,
            total: self.total,
            paging: self.paging,
            started_at: self.started_at,
            item_errors: self.item_errors,
            error_count: self.error_count,
            status: self.status,
            odd,
            share: self.share,
        }
    }
}

impl<T> Results<T> {
    /// When it was made by HubSpot's clock, if it says so.
    pub(crate) fn answered_at(&self) -> Option<Timestamp> {
        self.started_at
            .as_ref()?
            .time()
            .filter(|at| is_since_hubspot_exists(*at))
    }

    /// The same, with its share of the process's memory for answers.
    pub(crate) fn holding_share(self, share: Share) -> Self {
        Self { share, ..self }
    }

    /// Rows that cannot be read.
    pub(crate) fn odd_rows(&self) -> &[OddRow] {
        &self.odd
    }

    /// The rows. An answer without the field is not understood rather than taken for an empty one.
    pub(crate) fn take_rows(&mut self) -> Result<Vec<T>, UpstreamError> {
        let rows = self
            .rows
            .take()
            .ok_or_else(|| malformed_answer("it has no \"results\""))?;
        if rows.len() > MAX_ROWS {
            return Err(malformed_answer("it has more rows than anybody asks for"));
        }
        Ok(rows)
    }

    /// The errors of a batch answer (207) about single inputs.
    pub(crate) fn item_errors(&self) -> &[Value] {
        self.item_errors.as_deref().unwrap_or_default()
    }

    /// Why a batch answer may leave out inputs that are there, if it says so itself (docs/reference/hubspot.md 4.4).
    pub(crate) fn flaw(&self) -> Option<&'static str> {
        let status = self.status.as_ref().map(|status| status.0.as_str());
        let shown = self
            .item_errors()
            .iter()
            .map(|error| ErrorBody::from_value(error).inputs.len().max(1));
        let shown = shown.sum::<usize>() as u64;
        if status.is_some_and(|status| !status.eq_ignore_ascii_case("COMPLETE")) {
            Some("HubSpot's answer is not complete, by its own status")
        } else if self
            .error_count
            .as_ref()
            .and_then(Scalar::id)
            .is_some_and(|count| count > shown)
        {
            Some("HubSpot's answer counts an error that it does not show")
        } else if self.paging.as_ref().is_some_and(Paging::has_next) {
            Some("HubSpot's answer has a further page, which no batch has")
        } else {
            None
        }
    }

    /// True if an answer holds no row at all, readable or not.
    pub(crate) fn is_empty(&self) -> bool {
        self.odd.is_empty() && self.rows.as_ref().is_none_or(Vec::is_empty)
    }
}

/// Where the next page is.
#[derive(serde::Deserialize)]
pub(crate) struct Paging {
    next: Option<Next>,
}

#[derive(serde::Deserialize)]
struct Next {
    after: Option<Scalar>,
}

impl Paging {
    /// The cursor of the next page.
    pub(crate) fn next_cursor(self) -> Option<String> {
        self.next
            .and_then(|next| next.after)
            .map(|after| after.0)
            .filter(|after| !after.is_empty())
    }

    pub(crate) const fn has_next(&self) -> bool {
        self.next.is_some()
    }
}
