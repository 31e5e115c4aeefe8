//! Strict reading of JSON requests against descriptors of their messages, with the answer Google's front end gives to a
//! request that does not fit.

use jiff::Timestamp;
use serde_json::Value;

/// Type of a field.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A string.
    Text,
    /// `true` or `false`.
    Bool,
    /// A number within 32 bits.
    Int32,
    /// A string of digits or a number within 64 bits.
    Int64,
    /// A JSON number, or one of the strings `NaN`, `Infinity`, `-Infinity`.
    Double,
    /// An RFC 3339 time with a zone.
    Time,
    /// A comma-joined list of camelCase paths.
    Mask,
    /// One of the names.
    Enum(&'static [&'static str]),
    /// A nested message.
    Message(&'static Message),
}

/// A field of a message.
pub struct Field {
    /// Name in JSON.
    pub name: &'static str,
    /// Type of the value, or of each element.
    pub kind: Kind,
    /// Whether the field is a list.
    pub repeated: bool,
}

/// A message: its fields, and the groups of which at most one member may be set.
pub struct Message {
    /// All known fields.
    pub fields: &'static [Field],
    /// Names of fields that exclude each other.
    pub one_of: &'static [&'static str],
}

/// A place in the request that does not fit, as `google.rpc.BadRequest` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path with indices, in `snake_case`.
    pub field: String,
    /// What is wrong.
    pub description: String,
}

/// A singular field.
pub const fn one(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        repeated: false,
    }
}

/// A list field.
pub const fn many(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        repeated: true,
    }
}

/// Reads `body` as JSON and checks it against `message`.
pub fn parse(body: &[u8], message: &Message) -> Result<Value, Vec<Violation>> {
    let value: Value = serde_json::from_slice(body).map_err(|e| {
        vec![Violation {
            field: String::new(),
            description: format!("Invalid JSON payload received. {e}"),
        }]
    })?;
    let mut violations = Vec::new();
    walk(&value, message, "", &mut violations);
    if violations.is_empty() {
        Ok(value)
    } else {
        Err(violations)
    }
}

fn walk(value: &Value, message: &Message, path: &str, out: &mut Vec<Violation>) {
    let Some(map) = value.as_object() else {
        out.push(invalid(path, "a message", value));
        return;
    };
    let set: Vec<&str> = message
        .one_of
        .iter()
        .copied()
        .filter(|name| map.contains_key(*name))
        .collect();
    if set.len() > 1 {
        let description = format!(
            "Invalid value (oneof), oneof field is already set. Cannot set '{}'",
            set[1]
        );
        out.push(Violation {
            field: path.to_owned(),
            description,
        });
    }
    for (name, inner) in map {
        let Some(field) = message.fields.iter().find(|f| f.name == name) else {
            let place = if path.is_empty() {
                String::new()
            } else {
                format!(" at '{path}'")
            };
            let description =
                format!("Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field.");
            out.push(Violation {
                field: path.to_owned(),
                description,
            });
            continue;
        };
        let inner_path = join(path, &snake(name));
        if !field.repeated {
            walk_one(inner, field.kind, &inner_path, out);
        } else if let Some(items) = inner.as_array() {
            for (index, item) in items.iter().enumerate() {
                walk_one(item, field.kind, &format!("{inner_path}[{index}]"), out);
            }
        } else {
            out.push(invalid(&inner_path, "a list", inner));
        }
    }
}

fn walk_one(value: &Value, kind: Kind, path: &str, out: &mut Vec<Violation>) {
    let (fits, expected) = match kind {
        Kind::Text => (value.is_string(), "TYPE_STRING"),
        Kind::Bool => (value.is_boolean(), "TYPE_BOOL"),
        Kind::Int32 => (value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()), "TYPE_INT32"),
        Kind::Int64 => (int(value).is_some(), "TYPE_INT64"),
        Kind::Double => (double(value).is_some(), "TYPE_DOUBLE"),
        Kind::Time => (
            value.as_str().is_some_and(|s| time(s).is_some()),
            "type.googleapis.com/google.protobuf.Timestamp",
        ),
        Kind::Mask => (
            value.as_str().is_some_and(is_mask),
            "type.googleapis.com/google.protobuf.FieldMask",
        ),
        Kind::Enum(names) => (value.as_str().is_some_and(|s| names.contains(&s)), "TYPE_ENUM"),
        Kind::Message(message) => return walk(value, message, path, out),
    };
    if !fits {
        out.push(invalid(path, expected, value));
    }
}

fn invalid(path: &str, expected: &str, value: &Value) -> Violation {
    let shown = match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        other => other.to_string(),
    };
    Violation {
        field: path.to_owned(),
        description: format!("Invalid value at '{path}' ({expected}), {shown}"),
    }
}

/// Joins two parts of a field path.
pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// An int64 in either JSON form.
pub fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) => n.as_i64(),
        Value::String(s) => s.parse().ok().filter(|n: &i64| n.to_string() == *s),
        _ => None,
    }
}

/// A double; the three names of special values count as doubles.
pub fn double(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::String(s) => match s.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// An RFC 3339 time: date, `T`, time with seconds, and `Z` or a numeric offset.
pub fn time(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let shape = bytes.len() >= 20
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && bytes[10] == b'T'
        && bytes[13] == b':'
        && bytes[16] == b':';
    let rest = text.get(19..)?;
    let zone = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let fraction = &rest[..rest.len() - zone.len()];
    let fraction_fits = fraction.is_empty() || (fraction.starts_with('.') && (2..=10).contains(&fraction.len()));
    let zone_fits =
        zone == "Z" || (zone.len() == 6 && (zone.starts_with('+') || zone.starts_with('-')) && &zone[3..4] == ":");
    if shape && fraction_fits && zone_fits {
        text.parse().ok()
    } else {
        None
    }
}

fn is_mask(text: &str) -> bool {
    text.split(',').all(|path| {
        !path.is_empty()
            && path
                .split('.')
                .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric()))
    })
}

/// `lowerCamel` to `snake_case`.
pub fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// `snake_case` to `lowerCamel`.
pub fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = true;
        } else {
            out.push(if upper { c.to_ascii_uppercase() } else { c });
            upper = false;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    static INNER: Message = Message {
        fields: &[one("count", Kind::Int64), one("kind", Kind::Enum(&["A", "B"]))],
        one_of: &[],
    };
    static OUTER: Message = Message {
        fields: &[
            many("innerItems", Kind::Message(&INNER)),
            one("left", Kind::Text),
            one("right", Kind::Text),
        ],
        one_of: &["left", "right"],
    };

    fn fields(json: &str) -> Vec<String> {
        parse(json.as_bytes(), &OUTER)
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|v| v.field)
            .collect()
    }

    #[test]
    fn unknown_names_wrong_types_nulls_and_double_oneofs_are_refused() {
        assert_eq!(
            fields(r#"{"innerItems":[{"count":"3"},{"kind":"A"}]}"#),
            Vec::<String>::new()
        );
        assert_eq!(fields(r#"{"innerItems":[{"nope":1}]}"#), ["inner_items[0]"]);
        assert_eq!(fields(r#"{"innerItems":[{},{"kind":"C"}]}"#), ["inner_items[1].kind"]);
        assert_eq!(fields(r#"{"innerItems":[{"count":"03"}]}"#), ["inner_items[0].count"]);
        assert_eq!(fields(r#"{"left":null}"#), ["left"]);
        assert_eq!(fields(r#"{"left":"a","right":"b"}"#), [""]);
        assert_eq!(fields("{"), [""]);
    }

    #[test]
    fn times_need_a_zone_and_the_letter_t() {
        assert!(time("2026-11-20T12:00:00Z").is_some());
        assert!(time("2026-11-20T12:00:00.123+01:00").is_some());
        for bad in [
            "2026-11-20T12:00:00",
            "2026-11-20 12:00:00Z",
            "2026-11-20T12:00Z",
            "2026-11-20T12:00:00+0100",
            "2026-11-20T25:00:00Z",
            "2026-11-20T12:00:00.Z",
        ] {
            assert!(time(bad).is_none(), "{bad}");
        }
    }
}
