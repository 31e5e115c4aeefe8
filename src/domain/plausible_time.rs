//! Which times in HubSpot's records are plausible. A time may come from a field that was not set, from seconds taken
//! for milliseconds, or from a wrong clock: it proves neither that a click is old nor that a stage was reached.

use super::time::later;
use jiff::{SignedDuration, Timestamp};

/// The first moment of 2006, the year in which HubSpot began: no record of it is older.
const BEGINNING: Timestamp = Timestamp::constant(1_136_073_600, 0);

/// How far a time may be ahead of the answer it came in: the clocks of HubSpot's servers may differ.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// True for a time at or after HubSpot's beginning.
pub fn is_since_hubspot_exists(at: Timestamp) -> bool {
    at >= BEGINNING
}

/// The latest plausible time in an answer that was made at this time.
pub fn plausible_until(answered: Timestamp) -> Timestamp {
    later(answered, AHEAD)
}

/// True for a time that a record may have in an answer made at `answered`; `None`: the answer does not say when it was
/// made.
pub fn is_plausible(at: Timestamp, answered: Option<Timestamp>) -> bool {
    is_since_hubspot_exists(at) && answered.is_none_or(|answered| at <= plausible_until(answered))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::before_the_calendar("-000001-06-01T00:00:00Z", false)]
    #[case::nothing("0001-01-01T00:00:00Z", false)]
    #[case::zero("1970-01-01T00:00:00Z", false)]
    #[case::seconds_as_milliseconds("1970-01-21T13:00:00Z", false)]
    #[case::another_century("1999-12-31T23:59:59Z", false)]
    #[case::just_before("2005-12-31T23:59:59.999Z", false)]
    #[case::the_first("2006-01-01T00:00:00Z", true)]
    #[case::of_the_answer("2026-11-20T12:00:00Z", true)]
    #[case::of_another_clock("2026-11-20T12:05:00Z", true)]
    #[case::to_come("2026-11-20T12:05:00.001Z", false)]
    #[case::far("9999-12-30T00:00:00Z", false)]
    fn times(#[case] at: &str, #[case] plausible: bool) {
        let at: Timestamp = at.parse().unwrap();
        let answered = "2026-11-20T12:00:00Z".parse().unwrap();
        assert_eq!(is_plausible(at, Some(answered)), plausible);
        // Without a time of its own an answer says nothing of what is to come.
        assert_eq!(is_plausible(at, None), is_since_hubspot_exists(at));
        assert_eq!(is_since_hubspot_exists(at), plausible || at > answered);
    }
}
