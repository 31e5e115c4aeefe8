//! A form's read in parts: a list without end takes no more of a pass than its share, so that the stages and the other
//! forms of the portal come to their turn.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::findings::{FormFindings, FormRead};
use crate::ports::ledger::StreamId;
use crate::ports::{Cause, UpstreamError};
use crate::sync::feed::bounds::Tracked;
use crate::sync::feed::pass::Member;

/// Pages of a form in one pass, of 50 submissions: ten seconds at the pace that HubSpot allows.
const SHARE: usize = 100;
/// Most bytes of a form in one pass: pages of 50 submissions have some hundred KiB at most.
const SHARE_SIZE: usize = 16 << 20;
/// Longest time with one form in one pass, if pages come slowly.
const SHARE_TIME: Duration = Duration::from_secs(20);
/// Longest time with all forms in one pass: the next one goes on behind them.
pub(super) const PASS_TIME: Duration = Duration::from_mins(1);
/// Pages of one read, over all its passes: 200,000 submissions within a day have never been seen.
const MAX_PAGES: usize = 4000;

/// A read of a form that may go on with the next pass.
pub(super) struct PartialRead {
    /// The page to go on with.
    pub after: Option<String>,
    /// How far back it goes.
    pub by: SignedDuration,
    /// It ends behind this time.
    pub bound: Timestamp,
    /// What it has shown so far.
    pub shown: FormFindings,
    read: FormRead,
    /// For whom all of it was noted so far, and on which streams.
    members: BTreeSet<(Member, StreamId)>,
    pages: usize,
    in_pass: usize,
    bytes_in_pass: usize,
    began: Instant,
}

impl PartialRead {
    /// A read that begins at the newest submission.
    pub fn new(read: FormRead, events: &[&Tracked], (by, bound): (SignedDuration, Timestamp)) -> Self {
        Self {
            after: None,
            by,
            bound,
            shown: FormFindings::default(),
            read,
            members: members_of(events),
            pages: 0,
            in_pass: 0,
            bytes_in_pass: 0,
            began: Instant::now(),
        }
    }

    /// The read to go on with for these events. One that began before an event joined, or of which a part was read
    /// while it was away, has not noted everything for that event: `None`.
    pub fn read_for(&mut self, events: &[&Tracked]) -> Option<FormRead> {
        let members = members_of(events);
        let goes_on = members.is_subset(&self.members);
        self.members = members;
        goes_on.then_some(self.read)
    }

    /// A pass begins with it.
    pub fn begin_pass(&mut self) {
        self.shown.new.clear();
        self.in_pass = 0;
        self.bytes_in_pass = 0;
        self.began = Instant::now();
    }

    /// A page of so many bytes was read and there is another one: true if that has to wait for the next pass.
    pub fn is_enough(&mut self, next: Option<String>, size: usize) -> Result<bool, UpstreamError> {
        self.pages += 1;
        self.in_pass += 1;
        self.bytes_in_pass = self.bytes_in_pass.saturating_add(size);
        if self.pages >= MAX_PAGES {
            let message = format!("a form's list of submissions does not end within {MAX_PAGES} pages");
            return Err(UpstreamError::new("HubSpot", Cause::Malformed, message));
        }
        self.after = next;
        let much = self.in_pass >= SHARE || self.bytes_in_pass >= SHARE_SIZE;
        Ok(much || self.began.elapsed() >= SHARE_TIME)
    }
}

/// The forms in their order, beginning with the given one.
pub(super) fn in_turn<'a>(forms: &BTreeSet<&'a str>, first: Option<&str>) -> Vec<&'a str> {
    let (before, after): (Vec<&str>, Vec<&str>) =
        forms.iter().partition(|form| first.is_some_and(|first| **form < first));
    [after, before].concat()
}

fn members_of(events: &[&Tracked]) -> BTreeSet<(Member, StreamId)> {
    events.iter().map(|t| (Member::new(&t.event), t.stream)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn forms_come_to_their_turn() {
        let forms = BTreeSet::from(["a", "b", "c"]);
        assert_eq!(in_turn(&forms, None), ["a", "b", "c"]);
        assert_eq!(in_turn(&forms, Some("b")), ["b", "c", "a"]);
        assert_eq!(in_turn(&forms, Some("bb")), ["c", "a", "b"], "one that is gone");
        assert_eq!(in_turn(&forms, Some("d")), ["a", "b", "c"]);
    }

    #[test]
    fn a_list_is_left_after_its_share_and_at_its_limit() {
        let read = FormRead {
            depth: crate::sync::forms::findings::FormReadDepth::Whole,
            joined: true,
        };
        let mut part = PartialRead::new(read, &[], (SignedDuration::ZERO, Timestamp::MIN));
        let mut passes = 0;
        let failed = loop {
            part.begin_pass();
            let mut pages = 0;
            let ended = loop {
                pages += 1;
                match part.is_enough(Some(format!("p{pages}")), 10) {
                    Ok(false) => {}
                    Ok(true) => break None,
                    Err(error) => break Some(error),
                }
            };
            if let Some(error) = ended {
                break error;
            }
            assert_eq!((pages, part.after.as_deref()), (SHARE, Some("p100")));
            passes += 1;
        };
        assert_eq!((passes, failed.cause), (MAX_PAGES / SHARE - 1, Cause::Malformed));
    }

    #[test]
    fn large_pages_are_left_after_their_share_of_bytes_and_gone_on_with() {
        let read = FormRead {
            depth: crate::sync::forms::findings::FormReadDepth::Whole,
            joined: true,
        };
        let mut part = PartialRead::new(read, &[], (SignedDuration::ZERO, Timestamp::MIN));
        for pass in 1..=3 {
            part.begin_pass();
            assert!(!part.is_enough(Some("a".to_owned()), SHARE_SIZE - 1).unwrap(), "{pass}");
            assert!(part.is_enough(Some("b".to_owned()), 1).unwrap(), "{pass}");
            assert_eq!(part.after.as_deref(), Some("b"));
        }
    }

    /// Of what is read in parts an event has missed one that was away meanwhile, be it that its action was another one.
    #[test]
    fn a_read_goes_on_for_those_only_who_have_taken_part_in_all_of_it() {
        let read = FormRead {
            depth: crate::sync::forms::findings::FormReadDepth::Whole,
            joined: true,
        };
        let tracked = |name, stream| Tracked {
            event: std::sync::Arc::new(crate::sync::test_support::event(name)),
            stream: StreamId(stream),
            mark: None,
        };
        let (one, other, moved) = (tracked("one", 1), tracked("other", 2), tracked("other", 3));
        for (parts, goes_on) in [
            (vec![vec![&one, &other]], true),
            (vec![vec![&one]], true),
            (vec![vec![&one], vec![&one, &other]], false),
            (vec![vec![&one, &moved]], false),
        ] {
            let mut part = PartialRead::new(read, &[&one, &other], (SignedDuration::ZERO, Timestamp::MIN));
            let reads: Vec<_> = parts.iter().map(|events| part.read_for(events).is_some()).collect();
            assert_eq!(reads.last(), Some(&goes_on), "{reads:?}");
        }
    }
}
