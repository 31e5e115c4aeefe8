//! What the sync loops report.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::api::ChangeDetection;
use crate::domain::codes::Code;
use crate::ports::ledger::StreamId;

/// An error worth showing in `status.sync.lastErrors`. No personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorNote {
    pub time: Timestamp,
    /// CamelCase reason.
    pub reason: String,
    /// For people.
    pub message: String,
    /// The contact it is about, if one.
    pub contact: Option<u64>,
}

/// How one side of the sync (reading, or sending) of an event is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SideHealth {
    pub last_success: Option<Timestamp>,
    /// Since when every try has failed; `None` while it works.
    pub failing_since: Option<Timestamp>,
    /// The last failure, while it lasts. Boxed, because failures are rare and each event has five of these structs.
    pub error: Option<Box<ErrorNote>>,
}

impl SideHealth {
    /// Records a success; true if that changes more than the time.
    pub fn record_success(&mut self, now: Timestamp) -> bool {
        let changed = self.failing_since.is_some() || self.last_success.is_none();
        *self = Self {
            last_success: Some(now),
            failing_since: None,
            error: None,
        };
        changed
    }

    /// Records a failure; true if it was healthy before.
    pub fn record_failure(&mut self, note: ErrorNote) -> bool {
        let changed = self.failing_since.is_none();
        self.failing_since.get_or_insert(note.time);
        self.error = Some(Box::new(note));
        changed
    }
}

/// Where the ad network refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedAt {
    /// The request itself, or its rows in the answer to it.
    Upload,
    /// Later, in the report about a request it had accepted.
    Result,
}

/// The ad network takes no conversions of an event, for a reason that does not lie in single conversions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRefusal {
    /// Where it refuses. The refusal ends when something is taken there.
    pub at: RefusedAt,
    /// The service that refuses, as errors name it. The refusal also ends when the event's conversions go to another
    /// service.
    pub via: &'static str,
    /// The ad network's code, of [`crate::domain::codes::Class::Blocked`]; of [`crate::domain::codes::Class::Unknown`]
    /// where refusals name nothing.
    pub code: Code,
    pub since: Timestamp,
}

/// What the sync loops report about an event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventReport {
    /// Its stream in the ledger; `None` until the first pass.
    pub stream: Option<StreamId>,
    /// The feed; `last_success` set means it has made one pass for this event.
    pub feed: SideHealth,
    /// The reads of HubSpot that precede an upload.
    pub reads: SideHealth,
    /// The uploader.
    pub upload: SideHealth,
    /// What the ad network reports about the requests it has accepted.
    pub poll: SideHealth,
    /// The ad network takes nothing: the refusal.
    pub refused: Option<Box<NetworkRefusal>>,
    /// The ad network has taken something since the process started.
    pub taken: bool,
    /// The ledger, while it fails.
    pub ledger: SideHealth,
    /// Its stored cursor was ahead of HubSpot's clock.
    pub pulled_back: Option<PulledBackCursor>,
    /// The last five errors, newest last.
    pub errors: VecDeque<ErrorNote>,
}

/// A stored cursor that was ahead of HubSpot's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PulledBackCursor {
    /// Where it was.
    pub cursor: Timestamp,
    /// It has been reported to people.
    reported: bool,
}

/// A part of the work for an event that fails apart from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Ledger,
    Feed,
    Reads,
    Upload,
    Poll,
}

impl Side {
    /// What fails first is what others fail by: nothing is read without the ledger, and nothing sent that is not read.
    pub const ALL: [Self; 5] = [Self::Ledger, Self::Feed, Self::Reads, Self::Upload, Self::Poll];
}

impl EventReport {
    /// How a side is.
    pub const fn side(&self, side: Side) -> &SideHealth {
        match side {
            Side::Ledger => &self.ledger,
            Side::Feed => &self.feed,
            Side::Reads => &self.reads,
            Side::Upload => &self.upload,
            Side::Poll => &self.poll,
        }
    }

    /// The same, to be changed.
    pub const fn side_mut(&mut self, side: Side) -> &mut SideHealth {
        match side {
            Side::Ledger => &mut self.ledger,
            Side::Feed => &mut self.feed,
            Side::Reads => &mut self.reads,
            Side::Upload => &mut self.upload,
            Side::Poll => &mut self.poll,
        }
    }

    /// Records that a side failed. Returns how soon the status should say so.
    pub fn record_failure(&mut self, side: Side, note: ErrorNote) -> Notice {
        self.push_error(note.clone());
        Notice::Soon.or_now(self.side_mut(side).record_failure(note))
    }

    /// Records that what due rows need was read in a pass that `began` then, unless a part of it has failed since.
    pub fn record_reads(&mut self, began: Timestamp, now: Timestamp) -> Notice {
        if self.reads.error.as_ref().is_some_and(|error| error.time >= began) {
            return Notice::Quiet;
        }
        let failed = self.reads.failing_since.is_some();
        self.reads.record_success(now);
        Notice::Quiet.or_now(failed)
    }

    /// Records that the cursor was ahead.
    pub fn pull_back(&mut self, cursor: Timestamp) {
        self.pulled_back = Some(PulledBackCursor {
            cursor,
            reported: false,
        });
    }

    /// Where the cursor was; returned only once.
    pub fn take_pulled_back(&mut self) -> Option<Timestamp> {
        let news = self.pulled_back.as_mut().filter(|back| !back.reported)?;
        news.reported = true;
        Some(news.cursor)
    }

    /// Records a refusal; true if that is news.
    pub fn record_refused(&mut self, at: RefusedAt, via: &'static str, code: &Code, now: Timestamp) -> bool {
        let before = self.refused.as_ref().filter(|refused| refused.via == via);
        let since = before.map_or(now, |refused| refused.since);
        let next = NetworkRefusal {
            at,
            via,
            code: code.clone(),
            since,
        };
        let news = self.refused.as_deref() != Some(&next);
        self.refused = Some(Box::new(next));
        news
    }

    /// Records that rows were taken; true if that ends a refusal, or is the first success.
    pub fn record_taken(&mut self, at: RefusedAt, via: &'static str) -> bool {
        let first = !std::mem::replace(&mut self.taken, true);
        let ends = |refused: &mut Box<NetworkRefusal>| refused.at == at || refused.via != via;
        self.refused.take_if(ends).is_some() || first
    }

    /// Adds an error, keeping the last five; a repeat of the newest only moves its time.
    pub fn push_error(&mut self, note: ErrorNote) {
        if let Some(last) = self.errors.back_mut()
            && last.reason == note.reason
            && last.message == note.message
            && last.contact == note.contact
        {
            last.time = note.time;
            return;
        }
        self.errors.push_back(note);
        while self.errors.len() > 5 {
            self.errors.pop_front();
        }
    }
}

/// What the feed reports about a HubSpot account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedReport {
    /// How changes are detected; `None` until probed.
    pub change_detection: Option<ChangeDetection>,
    /// Last successful poll.
    pub last_poll: Option<Timestamp>,
}

/// How soon a change of a report should reach the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// Nothing a user would see changed.
    Quiet,
    /// Counts moved: at the next status interval.
    Soon,
    /// A condition changes: at once.
    Now,
}

impl Notice {
    /// `Now` if a condition flips, else this.
    #[must_use]
    pub fn or_now(self, flips: bool) -> Self {
        if flips { Self::Now } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::test_support::at;

    #[test]
    fn reads_fail_until_a_pass_begins_and_ends_without_a_failure() {
        let failure = |time| ErrorNote {
            time,
            reason: "UpstreamUnavailable".to_owned(),
            message: "HubSpot: no answer in time".to_owned(),
            contact: None,
        };
        let mut report = EventReport::default();
        assert_eq!(report.record_failure(Side::Reads, failure(at(2))), Notice::Now);
        assert_eq!(report.record_reads(at(1), at(3)), Notice::Quiet, "a part of it failed");
        assert_eq!(report.reads.failing_since, Some(at(2)));
        assert_eq!(report.record_reads(at(3), at(4)), Notice::Now);
        assert_eq!((report.reads.failing_since, report.reads.error), (None, None));
    }
}
