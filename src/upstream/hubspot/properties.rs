//! Reads the names out of the list of all property definitions. It is the largest of HubSpot's answers (every option of
//! every property), so besides its text only the names are ever in memory.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::errors::malformed_answer;
use crate::ports::UpstreamError;

/// Most names that are kept: portals have some thousands at most.
const MAX_NAMES: usize = 20_000;
/// Longest name that is kept: HubSpot's are shorter, and a manifest can't ask for a longer one.
const MAX_NAME: usize = 256;

#[derive(Deserialize)]
pub(crate) struct PropertyDefinitions {
    results: Option<DefinedNames>,
}

impl PropertyDefinitions {
    /// The names. An answer without the list is not understood rather than taken for an empty one.
    pub(crate) fn into_names(self) -> Result<Vec<String>, UpstreamError> {
        let names = self.results.ok_or_else(|| malformed_answer("it has no \"results\""))?;
        if names.0.len() > MAX_NAMES {
            return Err(malformed_answer(format!("it has more than {MAX_NAMES} properties")));
        }
        Ok(names.0)
    }
}

/// Reads at most one name more than allowed.
struct DefinedNames(Vec<String>);

impl<'de> Deserialize<'de> for DefinedNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(NamesVisitor).map(Self)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of properties")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
        let mut names = Vec::new();
        while let Some(Picked(name)) = list.next_element::<Picked<false>>()? {
            names.extend(name.filter(|_| names.len() <= MAX_NAMES));
        }
        Ok(names)
    }
}

/// Reads a text no longer than a name (`TEXT`), or else the name of a property; anything else becomes `None`.
struct Picked<const TEXT: bool>(Option<String>);

impl<'de, const TEXT: bool> Deserialize<'de> for Picked<TEXT> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Pick::<TEXT>).map(Self)
    }
}

struct Pick<const TEXT: bool>;

impl<'de, const TEXT: bool> Visitor<'de> for Pick<TEXT> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok((TEXT && text.len() <= MAX_NAME).then(|| text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut name = None;
        while let Some(Picked(key)) = map.next_key::<Picked<true>>()? {
            if !TEXT && key.as_deref() == Some("name") {
                name = map.next_value::<Picked<true>>()?.0;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(name)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names(text: &str) -> Option<Vec<String>> {
        serde_json::from_str::<PropertyDefinitions>(text)
            .ok()?
            .into_names()
            .ok()
    }

    #[test]
    fn names_are_read_whatever_else_there_is() {
        let long = "x".repeat(300);
        let odd = format!(
            r#"{{"total": 3, "results": [{{"options": [{{"label": "L"}}], "name": "email"}}, {{"name": 7}}, {{"name": [1]}},
                {{"name": {{"a": 1}}}}, {{"name": null}}, 1, -1, 1.5, true, null, "x", ["name"], {{}}, {{"name": "{long}"}},
                {{"name": "caf\u00e9"}}]}}"#
        );
        assert_eq!(names(&odd).unwrap(), ["email", "caf\u{e9}"]);
        assert_eq!(names(r#"{"results": []}"#).unwrap(), Vec::<String>::new());
        for bad in [
            "{}",
            r#"{"results": null}"#,
            r#"{"results": "x"}"#,
            "[]",
            r#"{"results": ["#,
        ] {
            assert_eq!(names(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_list_of_more_names_than_any_portal_has_is_refused() {
        let list = |count: usize| {
            let all: Vec<_> = (0..count).map(|n| format!(r#"{{"name": "p{n}"}}"#)).collect();
            format!(r#"{{"results": [{}]}}"#, all.join(","))
        };
        assert_eq!(names(&list(MAX_NAMES)).unwrap().len(), MAX_NAMES);
        assert_eq!(names(&list(MAX_NAMES + 1)), None);
    }
}
