//! How long a service may ask us to wait.

use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;

use crate::domain::time::later;
use crate::ports::Cause;

/// Longest wait that an answer can ask for; then the service is asked again. A mistake, or an answer of somebody else,
/// costs an hour, never a year.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// See [`unsigned_wait`].
const LONGEST_UNSIGNED: SignedDuration = SignedDuration::from_mins(1);

/// A requested wait, cut to the limits.
pub fn bounded_wait(wait: SignedDuration) -> SignedDuration {
    wait.clamp(SignedDuration::ZERO, LONGEST)
}

/// The cause in the error of a call that is held back by a wait: the wait, and never the refusal that came with it.
/// Before the next call nobody knows whether the refusal still holds.
pub const fn wait_cause(asked_with: Cause) -> Cause {
    match asked_with {
        Cause::QuotaExhausted => Cause::QuotaExhausted,
        Cause::Unavailable | Cause::Malformed | Cause::TooLarge => Cause::Unavailable,
        _ => Cause::RateLimited,
    }
}

/// The wait that an answer asks for which has no error of the service's in it: it may come from a filter, and must not
/// decide for an hour.
pub fn unsigned_wait(wait: SignedDuration) -> SignedDuration {
    bounded_wait(wait).min(LONGEST_UNSIGNED)
}

/// When a wait that begins now is over, to the second.
pub fn wait_end(wait: std::time::Duration) -> Timestamp {
    let end = later(Timestamp::now(), wait);
    Timestamp::from_second(end.as_second()).unwrap_or(end)
}

/// A wait given as a number of seconds, cut to the limits; `None` if it is not a number.
pub fn of_seconds(seconds: f64) -> Option<SignedDuration> {
    if seconds.is_nan() {
        return None;
    }
    let seconds = seconds.clamp(0.0, LONGEST.as_secs_f64());
    SignedDuration::try_from_secs_f64(seconds).ok().map(bounded_wait)
}

/// `retry-after-ms`, else `Retry-After` as seconds or as a date (read against the answer's own `Date`), cut to the
/// limits.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<SignedDuration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |name: &str| text(name).and_then(|value| value.parse::<f64>().ok());
    if let Some(ms) = number("retry-after-ms") {
        return of_seconds(ms / 1000.0);
    }
    if let Some(seconds) = number("retry-after") {
        return of_seconds(seconds);
    }
    let now = answer_date(headers).unwrap_or(now);
    let at = text("retry-after").and_then(http_date)?;
    Some(bounded_wait(at.duration_since(now)))
}

/// When an answer was made, by the server's clock.
pub fn answer_date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get("date")?.to_str().ok()?.trim())
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn a_wait_is_no_refusal() {
        for (asked_with, held_back) in [
            (Cause::CredentialsRejected, Cause::RateLimited),
            (Cause::MissingScope, Cause::RateLimited),
            (Cause::AccessDenied, Cause::RateLimited),
            (Cause::ServiceDisabled, Cause::RateLimited),
            (Cause::NotAllowlisted, Cause::RateLimited),
            (Cause::UnsupportedVersion, Cause::RateLimited),
            (Cause::NotFound, Cause::RateLimited),
            (Cause::Refused, Cause::RateLimited),
            (Cause::RateLimited, Cause::RateLimited),
            (Cause::QuotaExhausted, Cause::QuotaExhausted),
            (Cause::Unavailable, Cause::Unavailable),
            (Cause::Malformed, Cause::Unavailable),
            (Cause::TooLarge, Cause::Unavailable),
        ] {
            assert_eq!(wait_cause(asked_with), held_back, "{asked_with:?}");
        }
    }

    fn read(pairs: &[(&'static str, &'static str)]) -> Option<i128> {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        retry_after(&headers, now).map(|wait| wait.as_millis())
    }

    #[test]
    fn a_wait_comes_in_seconds_milliseconds_or_as_a_date_and_is_at_most_an_hour() {
        let hour = Some(3_600_000);
        let table = [
            ("30", Some(30_000)),
            ("1.5", Some(1_500)),
            ("0", Some(0)),
            ("-5", Some(0)),
            ("9999999999", hour),
            ("18446744073709551616", hour),
            ("1e308", hour),
            ("inf", hour),
            ("NaN", None),
            ("soon", None),
            ("Fri, 20 Nov 2026 12:01:30 GMT", Some(90_000)),
            ("Fri, 20 Nov 2026 11:00:00 GMT", Some(0)),
            ("Tue, 01 Jan 2199 00:00:00 GMT", hour),
        ];
        for (text, wait) in table {
            assert_eq!(read(&[("retry-after", text)]), wait, "{text}");
        }
        assert_eq!(read(&[("retry-after-ms", "250"), ("retry-after", "9")]), Some(250));
        assert_eq!(read(&[("retry-after-ms", "1e300")]), hour);
        let dated = [
            ("date", "Fri, 20 Nov 2026 10:00:00 GMT"),
            ("retry-after", "Fri, 20 Nov 2026 10:00:10 GMT"),
        ];
        assert_eq!(read(&dated), Some(10_000));
        assert_eq!(read(&[]), None);
    }
}
