//! Where a read of a stream has to begin, and how far the stream is covered afterwards.

use jiff::{SignedDuration, Timestamp};

/// How far the feed has come for one stream: every occurrence between the two times has been observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// Everything since here has been read once (start of the backfill).
    pub covered_from: Timestamp,
    /// The newest time seen, HubSpot's clock: polls begin a little before it.
    pub cursor: Timestamp,
}

/// Where to begin reading for an event that starts at `start`, going back `back` from what was seen last.
pub fn lower_bound(covered: Option<Watermark>, start: Timestamp, back: SignedDuration) -> Timestamp {
    match covered {
        Some(c) if c.covered_from <= start => c.cursor.saturating_sub(back).map_or(start, |t| t.max(start)),
        _ => start,
    }
}

/// True if a read from [`lower_bound`] is a backfill: it begins where nothing was read before.
pub fn is_backfill(covered: Option<Watermark>, start: Timestamp) -> bool {
    covered.is_none_or(|c| start < c.covered_from || start > c.cursor)
}

/// The coverage after everything since `read_from` was read up to `newest`. A gap to what was covered before breaks the
/// old coverage: it must not claim what was not read.
pub fn watermark_after(
    covered: Option<Watermark>,
    start: Timestamp,
    read_from: Timestamp,
    newest: Timestamp,
) -> Watermark {
    match covered {
        Some(c) if read_from <= c.cursor => Watermark {
            covered_from: c.covered_from.min(read_from),
            cursor: c.cursor.max(newest),
        },
        _ => Watermark {
            covered_from: read_from.min(start),
            cursor: newest.max(read_from),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn t(s: i64) -> Timestamp {
        Timestamp::from_second(s).unwrap()
    }
    const BACK: SignedDuration = SignedDuration::from_secs(120);

    #[test]
    fn begins_at_the_start_and_then_a_little_before_the_newest() {
        assert_eq!(lower_bound(None, t(1000), BACK), t(1000));
        let c = watermark_after(None, t(1000), t(1000), t(5000));
        assert_eq!(
            c,
            Watermark {
                covered_from: t(1000),
                cursor: t(5000)
            }
        );
        assert_eq!(lower_bound(Some(c), t(1000), BACK), t(4880));
        assert_eq!(
            lower_bound(Some(Watermark { cursor: t(1010), ..c }), t(1000), BACK),
            t(1000),
            "never before the start"
        );
    }

    #[test]
    fn an_earlier_start_reads_again_from_there() {
        let c = Watermark {
            covered_from: t(1000),
            cursor: t(5000),
        };
        assert!(is_backfill(Some(c), t(500)));
        assert_eq!(lower_bound(Some(c), t(500), BACK), t(500));
        assert_eq!(
            watermark_after(Some(c), t(500), t(500), t(5100)),
            Watermark {
                covered_from: t(500),
                cursor: t(5100)
            }
        );
    }

    #[test]
    fn a_gap_is_not_covered() {
        let old = Watermark {
            covered_from: t(1000),
            cursor: t(2000),
        };
        assert!(is_backfill(Some(old), t(9000)));
        let new = watermark_after(Some(old), t(9000), t(9000), t(9500));
        assert_eq!(
            new,
            Watermark {
                covered_from: t(9000),
                cursor: t(9500)
            }
        );
        assert!(
            is_backfill(Some(new), t(1500)),
            "the hole between is read when somebody asks for it"
        );
    }

    #[test]
    fn nothing_seen_keeps_the_place() {
        let c = watermark_after(None, t(1000), t(1000), Timestamp::MIN);
        assert_eq!(
            c,
            Watermark {
                covered_from: t(1000),
                cursor: t(1000)
            }
        );
        assert!(!is_backfill(Some(c), t(1000)));
    }
}
