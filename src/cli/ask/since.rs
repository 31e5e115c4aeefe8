//! Since when: a time, a day, or how long ago.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// A time, a day (UTC), or how long ago it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum SinceFlag {
    At(Timestamp),
    Ago(Span),
}

impl std::str::FromStr for SinceFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        if let Ok(day) = text.parse::<Date>()
            && !text.contains(['T', 't', ' '])
        {
            let begin = day.to_zoned(TimeZone::UTC);
            return begin
                .map(|begin| Self::At(begin.timestamp()))
                .map_err(|_| FORMS.to_owned());
        }
        let ago = text.parse::<Span>().map_err(|_| FORMS.to_owned())?;
        if ago.is_negative() || Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC).checked_sub(ago).is_err() {
            return Err(FORMS.to_owned());
        }
        Ok(Self::Ago(ago))
    }
}

const FORMS: &str =
    "neither a time like 2026-11-20T08:00:00Z, nor a day (UTC) like 2026-11-20, nor how long ago, like 24h or 7d";

impl SinceFlag {
    pub(super) fn time(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.to_zoned(TimeZone::UTC).saturating_sub(ago).timestamp(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("24h", "2026-11-26T00:00:00Z")]
    #[case("7d", "2026-11-20T00:00:00Z")]
    #[case("1d", "2026-11-26T00:00:00Z")]
    #[case("90m", "2026-11-26T22:30:00Z")]
    #[case("1d12h", "2026-11-25T12:00:00Z")]
    #[case("2w", "2026-11-13T00:00:00Z")]
    #[case("2026-11-20", "2026-11-20T00:00:00Z")]
    #[case("2026-11-01T00:00:00+01:00", "2026-10-31T23:00:00Z")]
    #[case("2026-11-01T08:30:00Z", "2026-11-01T08:30:00Z")]
    fn a_time_a_day_or_how_long_ago(#[case] text: &str, #[case] time: &str) {
        let now: Timestamp = "2026-11-27T00:00:00Z".parse().unwrap();
        assert_eq!(text.parse::<SinceFlag>().unwrap().time(now).to_string(), time);
    }

    #[rstest]
    #[case("yesterday")]
    #[case("7")]
    #[case("-7d")]
    #[case("2026-13-01")]
    #[case("2026-11-20T25:00:00Z")]
    #[case("99999999d")]
    #[case("")]
    fn all_else_names_the_forms(#[case] text: &str) {
        let said = text.parse::<SinceFlag>().unwrap_err();
        assert!(said.contains("7d") && said.contains("2026-11-20"), "{said}");
    }
}
