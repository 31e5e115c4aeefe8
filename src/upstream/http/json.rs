//! Reads JSON part by part: a part that can't be kept does not spoil the rest.
//!
//! `serde_json` refuses a whole text for a value nested deeper than 128 levels, a number beyond 64 bits of floating
//! point or half a surrogate pair in a text. Its own `Value` also takes the text under one reserved name for JSON and
//! parses it, which no limit of an answer has counted ([`super::body::estimate_parsed`]). Both ways here do without it.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

/// Levels of nesting that are kept. No answer that we read has more than a dozen.
const MAX_DEPTH: usize = 64;
/// Levels that are searched for parts that can't be kept. Each level reads the text once more.
const MAX_SEARCH: usize = 12;

/// Reads a text. `None` if it is not JSON.
pub fn read_json(text: &[u8]) -> Option<Value> {
    serde_json::from_slice::<&RawValue>(text).ok().map(read_value)
}

/// Reads a value. A part that can't be kept is [`unkept_part`]; a member without a name that is a text is left out.
pub fn read_value(raw: &RawValue) -> Value {
    read_part(raw, MAX_SEARCH)
}

/// The value in the place of a part that can't be kept: an object, since null would say that there was nothing.
fn unkept_part() -> Value {
    Value::Object(Map::new())
}

fn read_part(raw: &RawValue, deeper: usize) -> Value {
    let mut text = serde_json::Deserializer::from_str(raw.get());
    if let Ok(value) = (Node { deeper: MAX_DEPTH }).deserialize(&mut text) {
        return value;
    }
    let Some(deeper) = deeper.checked_sub(1) else {
        return unkept_part();
    };
    if let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
        return list.into_iter().map(|inner| read_part(inner, deeper)).collect();
    }
    match serde_json::from_str::<Members>(raw.get()) {
        Ok(Members(members)) => {
            let named = |(name, inner)| Some((text_of(name)?, read_part(inner, deeper)));
            members.into_iter().filter_map(named).collect()
        }
        Err(_) => unkept_part(),
    }
}

/// The content of a text in quotes. `None` if it is not one.
pub fn text_of(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// Reads a list whose members are each read by themselves.
///
/// # Errors
/// Where it is not a list.
pub fn read_members<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Value>>, D::Error> {
    let list = Option::<Vec<&RawValue>>::deserialize(deserializer)?;
    Ok(list.map(|list| list.into_iter().map(read_value).collect()))
}

/// The members of an object in their order, none of them read.
pub struct Members<'a>(pub Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

/// Reads a value that may have this many levels.
#[derive(Clone, Copy)]
struct Node {
    deeper: usize,
}

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.deeper == 0 {
            // Passed over without recursion.
            return IgnoredAny::deserialize(deserializer).map(|_| unkept_part());
        }
        let deeper = self.deeper - 1;
        deserializer.deserialize_any(Self { deeper })
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).map(Value::Number);
        number.ok_or_else(|| E::custom("no finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let member = map.next_value_seed(self)?;
            members.insert(name, member);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nested(levels: usize) -> String {
        format!("{}1{}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn what_is_well_formed_is_read_as_it_is() {
        for text in [
            r#"{"a": [1, -2, 18446744073709551615, 0.5, true, null, "\u00e4\ud83d\ude00", {}, []], "b": {"c": {"d": "e"}}}"#,
            r#"{"a": 1, "a": 2}"#,
            "1e300",
            "-0",
            "\"x\"",
            "null",
            " [ ] ",
        ] {
            let plain: Value = serde_json::from_str(text).unwrap();
            assert_eq!(read_json(text.as_bytes()), Some(plain), "{text}");
        }
        for text in ["", "{", "[1,]", "{} {}", "\u{feff}{}", "<html>", "{\"a\": \"\u{0}\"}"] {
            assert_eq!(read_json(text.as_bytes()), None, "{text}");
        }
        assert_eq!(read_json(b"{\"a\": \"\xfc\"}"), None);
    }

    #[test]
    fn a_part_that_cannot_be_kept_takes_nothing_along() {
        for part in [
            nested(129),
            nested(100_000),
            r#"{"a":"#.repeat(200) + "1" + &"}".repeat(200),
            "1e400".to_owned(),
            "-1e400".to_owned(),
            r#""\ud800""#.to_owned(),
            r#""a\udc00b""#.to_owned(),
        ] {
            let shown = part.chars().take(20).collect::<String>();
            let text = format!(
                r#"{{"first": {{"id": "7", "odd": {part}}}, "list": [1, {part}, 3], "\ud800": 4, "last": "x"}}"#
            );
            let read = read_json(text.as_bytes()).unwrap();
            assert_eq!(
                (&read["first"]["id"], &read["last"]),
                (&json!("7"), &json!("x")),
                "{shown}"
            );
            assert_eq!(read.as_object().map(Map::len), Some(3), "{shown}");
            let list = read["list"].as_array().unwrap();
            assert_eq!((&list[0], list.len(), &list[2]), (&json!(1), 3, &json!(3)), "{shown}");
            for kept in [&read["first"]["odd"], &list[1]] {
                assert!(kept.is_object() || kept.is_array(), "{shown}");
            }
        }
    }

    #[test]
    fn a_text_under_the_reserved_name_stays_a_text() {
        for name in ["$serde_json::private::RawValue", "\\u0024serde_json::private::RawValue"] {
            let text = format!(r#"{{"a": {{"{name}": "[1,2,3]"}}}}"#);
            let read = read_json(text.as_bytes()).unwrap();
            assert_eq!(read["a"], json!({"$serde_json::private::RawValue": "[1,2,3]"}));
        }
    }

    #[test]
    fn what_is_kept_is_no_deeper_than_can_be_walked() {
        fn depth(value: &Value) -> usize {
            let inner = |inner: &mut dyn Iterator<Item = &Value>| inner.map(depth).max().unwrap_or(0);
            match value {
                Value::Array(list) => 1 + inner(&mut list.iter()),
                Value::Object(members) => 1 + inner(&mut members.values()),
                _ => 0,
            }
        }
        for levels in [10, 63, 65, 1_000, 100_000] {
            let kept = read_json(nested(levels).as_bytes()).unwrap();
            assert!(depth(&kept) == levels || levels > MAX_DEPTH, "{levels}");
            assert!(depth(&kept) <= MAX_DEPTH + 1, "{levels}");
            let spoilt = nested(levels).replace('1', "1e400");
            assert!(
                depth(&read_json(spoilt.as_bytes()).unwrap()) <= MAX_DEPTH + 1,
                "{levels}"
            );
        }
    }
}
