//! Rows of an answer, each read by itself, so that one that can't be read does not spoil the others.

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::value::RawValue;

use super::scalar::Scalar;
use crate::upstream::http::json::{Members, text_of};
use crate::upstream::http::text;

/// A row that is not as HubSpot documents it, and what it is about.
#[derive(Default)]
pub(crate) struct OddRow {
    /// The row of a record.
    pub(crate) id: Option<u64>,
    /// The row of a submission.
    pub(crate) conversion_id: Option<String>,
    /// A list of associations, and the record whose they are.
    pub(crate) from: Option<u64>,
}

impl OddRow {
    /// Reads only what names the row: its other members may be nested, huge or present twice.
    fn from_row(row: &RawValue) -> Self {
        let id = |value: &RawValue| Scalar::from_raw(value)?.id();
        let property = || id(member_of(member_of(row, "properties")?, "hs_object_id")?);
        let conversion = || text::valid_id(text_of(member_of(row, "conversionId")?)?.trim());
        Self {
            id: member_of(row, "id").and_then(id).or_else(property),
            conversion_id: conversion(),
            from: member_of(row, "from").and_then(|from| id(member_of(from, "id")?)),
        }
    }
}

/// A member of an object. `None` if there are two of this name: nobody knows which one counts.
fn member_of<'a>(object: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    let Members(members) = serde_json::from_str(object.get()).ok()?;
    let mut named = members
        .into_iter()
        .filter(|(key, _)| text_of(key).as_deref() == Some(name));
    named.next().filter(|_| named.next().is_none()).map(|(_, value)| value)
}

/// A row, readable or not, read by itself from the text of the answer.
pub(crate) enum Row<T> {
    Read(T),
    Odd(OddRow),
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Row<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let row = <&RawValue>::deserialize(deserializer)?;
        Ok(serde_json::from_str(row.get()).map_or_else(|_| Self::Odd(OddRow::from_row(row)), Self::Read))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::upstream::hubspot::wire::Record;

    fn odd(row: &str) -> OddRow {
        match serde_json::from_str::<Row<Record>>(row).unwrap() {
            Row::Odd(odd) => odd,
            Row::Read(_) => panic!("{row} can be read"),
        }
    }

    #[test]
    fn a_row_is_named_whatever_else_is_in_it() {
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        for spoilt in [deep.as_str(), "1e400", r#""\ud800""#, "[[null]]"] {
            for (row, id) in [
                (format!(r#"{{"id": "7", "properties": {{"city": {spoilt}}}}}"#), Some(7)),
                (
                    format!(r#"{{"archived": {spoilt}, "id": 7, "properties": null}}"#),
                    Some(7),
                ),
                (
                    format!(r#"{{"id": {spoilt}, "properties": {{"a": {spoilt}, "hs_object_id": "7"}}}}"#),
                    Some(7),
                ),
                (
                    format!(r#"{{"id": "7", "properties": {spoilt}, "properties": {{}}}}"#),
                    Some(7),
                ),
                (format!(r#"{{"id": "7", "id": "8", "properties": {spoilt}}}"#), None),
                (
                    format!(r#"{{"id": {spoilt}, "properties": {{}}, "archived": 1}}"#),
                    None,
                ),
                (format!("[{spoilt}]"), None),
                (spoilt.to_owned(), None),
            ] {
                let shown: String = row.chars().take(80).collect();
                assert_eq!(odd(&row).id, id, "{shown}");
            }
            let submission = odd(&format!(r#"{{"conversionId": " c-1 ", "properties": {spoilt}}}"#));
            assert_eq!(submission.conversion_id.as_deref(), Some("c-1"));
            assert_eq!(
                odd(&format!(r#"{{"from": {{"id": 9, "x": {spoilt}}}, "id": []}}"#)).from,
                Some(9)
            );
        }
    }
}
