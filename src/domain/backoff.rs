//! How long to wait before the next try.

use jiff::SignedDuration;

/// The pause after `attempts` failed tries: it doubles from one second up to `max`. `spread` (any number, e.g. an id)
/// shortens it by up to a fifth, so that rows that failed together do not all come back together.
pub fn backoff(attempts: u32, max: SignedDuration, spread: u64) -> SignedDuration {
    let doubled = SignedDuration::from_secs(1_i64 << attempts.min(20));
    let full = doubled.min(max).max(SignedDuration::from_millis(1));
    let permille = i32::try_from(spread % 200).unwrap_or(0);
    full - (full / 1000).saturating_mul(permille)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_and_stops_at_the_limit() {
        let max = SignedDuration::from_mins(5);
        assert_eq!(backoff(0, max, 0), SignedDuration::from_secs(1));
        assert_eq!(backoff(3, max, 0), SignedDuration::from_secs(8));
        assert_eq!(backoff(99, max, 0), max);
        assert!(backoff(99, max, 199) > SignedDuration::from_mins(4));
    }
}
