//! Durations as Kubernetes users write them: `90s`, `1m`, `1h30m`.
//!
//! Not `kube::core::Duration`, which reads all that Go does: `-1s`, `1.5h`, `1m1m`, `1us`. No interval of ours means
//! any of these, and a rule of the definitions has the API server refuse them (`rules::duration`, the same grammar). It
//! also prints an hour as `3600s`; this type prints each length in one way, and as people write it.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time, written as hours, minutes, seconds and milliseconds in this order, each at most
/// once and of at most six digits: `6h`, `1h30m`, `90s`, `500ms`. Parts of a millisecond are dropped
/// when it is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub std::time::Duration);

/// Why a text is no [`Duration`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration: write it like 90s, 1m or 1h30m")]
pub struct ParseDurationError(String);

/// Units with their length in milliseconds, in the order in which they are written.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Digits that one unit may have.
const MAX_DIGITS: usize = 6;

impl Duration {
    /// A whole number of seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    /// The same length as the standard library has it.
    pub const fn as_std(self) -> std::time::Duration {
        self.0
    }
}

impl From<std::time::Duration> for Duration {
    fn from(value: std::time::Duration) -> Self {
        Self(value)
    }
}

impl From<Duration> for std::time::Duration {
    fn from(value: Duration) -> Self {
        value.0
    }
}

impl FromStr for Duration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| ParseDurationError(text.chars().take(40).collect()))
    }
}

fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut millis = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        if digits == 0 || digits > MAX_DIGITS {
            return None;
        }
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let (_, length) = units.find(|(name, _)| *name == unit)?;
        millis += number.parse::<u64>().ok()? * length;
        rest = tail;
    }
    (!text.is_empty()).then(|| Duration(std::time::Duration::from_millis(millis)))
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_millis();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, length) in UNITS {
            let count = rest / u128::from(length);
            rest %= u128::from(length);
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": 40})
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("1m", 60_000, "1m")]
    #[case("90s", 90_000, "1m30s")]
    #[case("6h", 21_600_000, "6h")]
    #[case("1h30m", 5_400_000, "1h30m")]
    #[case("23h45m", 85_500_000, "23h45m")]
    #[case("1s500ms", 1_500, "1s500ms")]
    #[case("0s", 0, "0s")]
    #[case("000001s", 1_000, "1s")]
    fn reads_and_prints(#[case] text: &str, #[case] millis: u64, #[case] printed: &str) {
        let parsed: Duration = text.parse().unwrap();
        assert_eq!(parsed.as_std(), std::time::Duration::from_millis(millis));
        assert_eq!(parsed.to_string(), printed);
        assert_eq!(printed.parse::<Duration>().unwrap(), parsed);
    }

    #[rstest]
    fn refuses(
        #[values(
            "", "1", "m", "1 m", "-1m", "1.5h", "1m1h", "1m1m", "1d", "1M", "1us", "1234567s", "1m ", "h1"
        )]
        text: &str,
    ) {
        assert!(text.parse::<Duration>().is_err(), "{text:?} was taken");
    }

    #[test]
    fn is_a_string_in_json() {
        let json = serde_json::to_string(&Duration::from_secs(60)).unwrap();
        assert_eq!(json, "\"1m\"");
        assert_eq!(
            serde_json::from_str::<Duration>(&json).unwrap(),
            Duration::from_secs(60)
        );
    }
}
