//! Reads JSON values that are neither a list nor an object.

use std::fmt;

use jiff::Timestamp;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;

/// A string, number or boolean, as text.
pub(crate) struct Scalar(pub(crate) String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number or a boolean")
    }
    fn visit_str<E: de::Error>(self, v: &str) -> Result<Scalar, E> {
        Ok(Scalar(v.to_owned()))
    }
    fn visit_string<E: de::Error>(self, v: String) -> Result<Scalar, E> {
        Ok(Scalar(v))
    }
    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Scalar, E> {
        Ok(Scalar(v.to_string()))
    }
    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Scalar, E> {
        Ok(Scalar(v.to_string()))
    }
    fn visit_f64<E: de::Error>(self, v: f64) -> Result<Scalar, E> {
        Ok(Scalar(v.to_string()))
    }
    fn visit_bool<E: de::Error>(self, v: bool) -> Result<Scalar, E> {
        Ok(Scalar(v.to_string()))
    }
}

/// Reads a scalar; anything else, however deep it is nested, becomes `None`.
pub(crate) fn scalar_or_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Scalar>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Scalar::from_raw)
}

/// Reads a scalar, null, or something else, however deep it is nested.
#[derive(Default)]
pub(crate) enum Loose {
    #[default]
    Nothing,
    Scalar(Scalar),
    Odd,
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        if raw.get() == "null" {
            return Ok(Self::Nothing);
        }
        Ok(Scalar::from_raw(raw).map_or(Self::Odd, Self::Scalar))
    }
}

impl Loose {
    /// Of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Scalar(scalar) => Some(&scalar.0),
            Self::Nothing | Self::Odd => None,
        }
    }
}

impl Scalar {
    /// Nothing of what is no scalar.
    pub(crate) fn from_raw(raw: &RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    /// ISO 8601 or epoch milliseconds.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        let text = self.0.trim();
        text.parse()
            .ok()
            .or_else(|| text.parse().ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()))
    }

    /// A record id.
    pub(crate) fn id(&self) -> Option<u64> {
        self.0.trim().parse().ok()
    }
}
