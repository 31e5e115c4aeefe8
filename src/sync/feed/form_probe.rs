//! The gate of the forms: one contact search a poll tells whether anybody submitted anything, so that quiet forms cost
//! nothing (docs/reference/hubspot.md 7.2). It says that somebody did, not with which form.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::clock::latest;
use crate::domain::ids::ContactId;
use crate::ports::crm::{ContactSearch, Crm};
use crate::ports::pulse;
use crate::ports::{Cause, UpstreamError};
use crate::sync::feed::read_history::{LAST_MODIFIED, modified, time};

/// The property with the time of a contact's latest form submission.
const CONVERTED: &str = "recent_conversion_date";
/// Beyond this all are forgotten: the forms are read once more.
const MAX_CONTACTS: usize = 400_000;
/// How far a contact's property and the submission it is about may lie apart.
const SAME: SignedDuration = SignedDuration::from_secs(10);

/// What the gate has seen in this life of the process.
#[derive(Default)]
pub struct Gate {
    seen: HashMap<ContactId, Timestamp>,
    newest: Option<Timestamp>,
    /// Submissions that the search told of and no form has shown: of a form nobody asks for, or late in its list.
    unexplained: Vec<(ContactId, Timestamp)>,
    opened: Option<Instant>,
    passes: u32,
    open: bool,
}

impl Gate {
    /// Asks who submitted anything, going `back` from the newest time seen, at first from `since`. A portal that does not
    /// take the search has its gate open always.
    pub async fn look(
        &mut self,
        crm: &dyn Crm,
        since: Timestamp,
        back: SignedDuration,
        now: Timestamp,
    ) -> Result<(), UpstreamError> {
        let from = self.newest.unwrap_or(since);
        let mut search = ContactSearch {
            any_since: vec![(CONVERTED.to_owned(), from.saturating_sub(back).unwrap_or(from))],
            after: ContactId(0),
            properties: vec![CONVERTED.to_owned(), LAST_MODIFIED.to_owned()],
        };
        self.newest = Some(from);
        loop {
            pulse::beat();
            let page = match crm.search(&search).await {
                Err(error) if error.cause == Cause::Refused => {
                    self.open = true;
                    return Ok(());
                }
                page => page?,
            };
            for contact in &page.contacts {
                let Some(at) = contact.property(CONVERTED).and_then(time) else {
                    continue;
                };
                let latest = latest(page.answered, now);
                self.saw(contact.id, at, modified(contact).filter(|at| *at <= latest));
            }
            match page.contacts.iter().map(|c| c.id).max() {
                Some(last) if page.more => search.after = last,
                _ => return Ok(()),
            }
        }
    }

    /// A time later than the record's modification is no time of HubSpot's clock; without that time it tells nothing of it.
    fn saw(&mut self, contact: ContactId, at: Timestamp, modified: Option<Timestamp>) {
        if self.seen.len() >= MAX_CONTACTS {
            self.seen.clear();
        }
        let at = modified.map_or(at, |modified| at.min(modified));
        self.newest = self.newest.max(modified.map(|_| at));
        if self.seen.insert(contact, at) != Some(at) {
            self.open = true;
            self.unexplained.push((contact, at));
        }
    }

    /// True where the forms have to be read now: somebody submitted something, or did so within `overlap` and it has not
    /// shown up, nor has the contact of a submission (`unfound`): then after 1, 3, 7, … passes.
    pub fn is_open(&self, overlap: SignedDuration, unfound: bool, now: Instant) -> bool {
        let overlap = Duration::try_from(overlap).unwrap_or_default();
        let recent = self.opened.is_some_and(|t| now.duration_since(t) <= overlap);
        let turn = (self.passes + 1).is_power_of_two();
        self.open || (recent && turn && (unfound || !self.unexplained.is_empty()))
    }

    /// True where the gate is open for what the last search told, and not to look for what is late.
    pub fn has_news(&self) -> bool {
        self.open
    }

    /// The forms were read and showed submissions of these contacts and times; or they were not read, as there was no need.
    pub fn read(&mut self, shown: Option<&HashSet<(ContactId, Timestamp)>>, now: Instant) {
        self.passes = self.passes.saturating_add(1);
        let Some(shown) = shown else { return };
        if self.open {
            self.opened = Some(now);
            self.passes = 0;
            self.open = false;
        }
        let oldest = self
            .newest
            .and_then(|t| t.checked_sub(SignedDuration::from_hours(24)).ok());
        self.unexplained.retain(|(contact, at)| {
            let is_it = |(who, when): &(ContactId, Timestamp)| who == contact && at.duration_since(*when).abs() <= SAME;
            Some(*at) >= oldest && !shown.contains(&(*contact, *at)) && !shown.iter().any(is_it)
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn t(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }
    const OVERLAP: SignedDuration = SignedDuration::from_hours(1);

    #[test]
    fn opens_for_news_only() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        assert!(!gate.is_open(OVERLAP, false, now));
        gate.saw(ContactId(1), t(100), Some(t(900)));
        assert!(gate.is_open(OVERLAP, false, now) && gate.has_news());
        gate.read(Some(&[(ContactId(1), t(101))].into()), now);
        gate.saw(ContactId(1), t(100), Some(t(900)));
        assert!(!gate.is_open(OVERLAP, false, now), "known, and its submission was seen");
        gate.saw(ContactId(1), t(500), Some(t(900)));
        assert!(gate.is_open(OVERLAP, false, now), "submitted again");
    }

    #[test]
    fn what_does_not_show_up_is_looked_for_ever_less_often() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        gate.saw(ContactId(1), t(100), Some(t(900)));
        gate.read(Some(&[(ContactId(2), t(100))].into()), now);
        let mut read_at = Vec::new();
        for pass in 1..=40 {
            let open = gate.is_open(OVERLAP, false, now);
            if open {
                read_at.push(pass);
            }
            gate.read(open.then_some(&HashSet::new()), now);
        }
        assert_eq!(read_at, [1, 2, 4, 8, 16, 32]);
        assert!(!gate.is_open(OVERLAP, false, now + Duration::from_hours(2)));
    }
}
