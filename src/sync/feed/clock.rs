//! How late a time of HubSpot's clock can be. A record that claims a later one (an import with the year 9999) tells
//! nothing of that clock: no cursor follows it, as everything before a cursor counts as read.

use jiff::Timestamp;

use crate::domain::plausible_time::plausible_until;

/// The latest time an answer can tell of. `answered`: its `Date`; without one this host's clock must do.
pub fn latest_plausible(answered: Option<Timestamp>, now: Timestamp) -> Timestamp {
    plausible_until(answered.unwrap_or(now))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_tells_of_what_is_to_come() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-20T12:00:00Z");
        assert_eq!(latest_plausible(None, now), at("2026-11-20T12:05:00Z"));
        assert_eq!(
            latest_plausible(Some(at("2026-11-20T09:00:00Z")), now),
            at("2026-11-20T09:05:00Z")
        );
        assert_eq!(latest_plausible(Some(Timestamp::MAX), now), Timestamp::MAX);
    }
}
