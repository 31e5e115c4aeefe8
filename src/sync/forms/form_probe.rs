//! The probe of the forms: one contact search a poll says whether anybody submitted anything, so that quiet forms cost
//! nothing (docs/reference/hubspot.md 7.2). It says that somebody did, not with which form.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use crate::domain::contact::LAST_MODIFIED;
use crate::domain::ids::ContactId;
use crate::domain::time::to_std;
use crate::ports::crm::{Contact, ContactSearch, Crm};
use crate::ports::pulse;
use crate::ports::{Cause, UpstreamError};
use crate::sync::feed::clock::latest_plausible;

/// The property with the time of a contact's latest form submission.
const CONVERTED: &str = "recent_conversion_date";
/// Beyond this all are forgotten: the forms are read once more. About 2 MiB.
const MAX_CONTACTS: usize = 50_000;
/// Most submissions of contacts that are kept one by one, on either side. About 2 MiB.
const MAX_SUBMISSIONS: usize = 50_000;
/// How long a submission is waited for that no form has shown.
const PATIENCE: SignedDuration = SignedDuration::from_hours(24);
/// How far a contact's property and the submission it is about may lie apart.
const SAME: SignedDuration = SignedDuration::from_secs(10);

/// Submissions that the forms showed: whose and when. Of more than fit the newest are kept, as lists begin with them;
/// the forms are read for the others once more.
#[derive(Default)]
pub struct ShownSubmissions(BTreeSet<(ContactId, Timestamp)>);

impl ShownSubmissions {
    /// A form showed a submission of this contact.
    pub fn add(&mut self, contact: ContactId, at: Timestamp) {
        if contact != ContactId::UNKNOWN && self.0.len() < MAX_SUBMISSIONS {
            self.0.insert((contact, at));
        }
    }

    /// Another form showed these.
    pub fn add_all(&mut self, other: &Self) {
        for (contact, at) in &other.0 {
            self.add(*contact, *at);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if a submission of this contact was shown, of about this time.
    fn contains(&self, contact: ContactId, at: Timestamp) -> bool {
        let from = at.saturating_sub(SAME).unwrap_or(at);
        let to = at.saturating_add(SAME).unwrap_or(at);
        self.0.range((contact, from)..=(contact, to)).next().is_some()
    }
}

/// What the probe has seen in this life of the process.
#[derive(Default)]
pub struct FormProbe {
    seen: HashMap<ContactId, Timestamp>,
    newest: Option<Timestamp>,
    /// Submissions that the search showed and no form has shown: of a form nobody asks for, or late in its list.
    unexplained: Vec<(ContactId, Timestamp)>,
    /// The newest of those that `unexplained` has no room for. They count as not shown.
    further: Option<Timestamp>,
    opened: Option<Instant>,
    passes: u32,
    open: bool,
}

impl FormProbe {
    /// Asks who submitted anything, going `back` from the newest time seen, at first from `since`. A portal that does
    /// not take the search has its probe open always.
    pub async fn search_submitters(
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
            let page = match crm.search_contacts(&search).await {
                Err(error) if error.cause == Cause::Refused => {
                    self.open = true;
                    return Ok(());
                }
                page => page?,
            };
            let latest = latest_plausible(page.answered, now);
            for contact in &page.contacts {
                self.note_submitter(contact, latest);
            }
            match page.next {
                Some(next) => search.after = next,
                None => return Ok(()),
            }
        }
    }

    /// A contact that the search lists. One that shows nothing may have submitted just now.
    fn note_submitter(&mut self, contact: &Contact, latest: Timestamp) {
        match contact.time(CONVERTED) {
            Some(at) => self.record_submission(contact.id, at, contact.last_modified().filter(|at| *at <= latest)),
            None => self.open |= contact.flaw.is_some(),
        }
    }

    /// A time later than the record's modification is no time of
    /// HubSpot's clock; without that time it tells nothing of it.
    fn record_submission(&mut self, contact: ContactId, at: Timestamp, modified: Option<Timestamp>) {
        if self.seen.len() >= MAX_CONTACTS {
            self.seen.clear();
        }
        let at = modified.map_or(at, |modified| at.min(modified));
        self.newest = self.newest.max(modified.map(|_| at));
        if self.seen.insert(contact, at) != Some(at) {
            self.open = true;
            self.look_for(contact, at);
        }
    }

    /// A form has to show this submission.
    fn look_for(&mut self, contact: ContactId, at: Timestamp) {
        if self.unexplained.len() >= MAX_SUBMISSIONS {
            self.lose_patience();
            if self.unexplained.len() > MAX_SUBMISSIONS / 2 {
                let newest = self.unexplained.drain(..).map(|(_, at)| at).max();
                self.further = self.further.max(newest);
            }
        }
        self.unexplained.push((contact, at));
    }

    /// Nothing is waited for that is old by now.
    fn lose_patience(&mut self) {
        let oldest = self.newest.and_then(|t| t.checked_sub(PATIENCE).ok());
        self.unexplained.retain(|(_, at)| Some(*at) >= oldest);
        self.further.take_if(|at| Some(*at) < oldest);
    }

    /// True if the forms have to be read now: somebody submitted something, or did so within `overlap` and it has not
    /// shown up, nor has the contact of a submission (`unfound`): then after 1, 3, 7, … passes.
    pub fn is_open(&self, overlap: SignedDuration, unfound: bool, now: Instant) -> bool {
        let overlap = to_std(overlap);
        let recent = self.opened.is_some_and(|t| now.duration_since(t) <= overlap);
        self.open || (recent && self.is_turn() && (unfound || self.further.is_some() || !self.unexplained.is_empty()))
    }

    /// True after 1, 3, 7, … passes: what is looked for again is looked for then.
    pub fn is_turn(&self) -> bool {
        (self.passes + 1).is_power_of_two()
    }

    /// True if the probe is open for what the last search told, and not to look for what is late.
    pub fn has_news(&self) -> bool {
        self.open
    }

    /// The forms were read and showed submissions of these contacts
    /// and times; or they were not read, as there was no need.
    pub fn forms_read(&mut self, shown: Option<&ShownSubmissions>, now: Instant) {
        self.passes = self.passes.saturating_add(1);
        let Some(shown) = shown else { return };
        if self.open {
            self.opened = Some(now);
            self.passes = 0;
            self.open = false;
        }
        self.lose_patience();
        self.unexplained.retain(|(contact, at)| !shown.contains(*contact, *at));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn t(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn shows(contact: u64, at: i64) -> ShownSubmissions {
        let mut shows = ShownSubmissions::default();
        shows.add(ContactId(contact), t(at));
        shows
    }

    const OVERLAP: SignedDuration = SignedDuration::from_hours(1);

    #[test]
    fn opens_for_news_only() {
        let (mut gate, now) = (FormProbe::default(), Instant::now());
        assert!(!gate.is_open(OVERLAP, false, now));
        gate.record_submission(ContactId(1), t(100), Some(t(900)));
        assert!(gate.is_open(OVERLAP, false, now) && gate.has_news());
        gate.forms_read(Some(&shows(1, 101)), now);
        gate.record_submission(ContactId(1), t(100), Some(t(900)));
        assert!(!gate.is_open(OVERLAP, false, now), "known, and its submission was seen");
        gate.record_submission(ContactId(1), t(500), Some(t(900)));
        assert!(gate.is_open(OVERLAP, false, now), "submitted again");
    }

    #[test]
    fn what_does_not_show_up_is_looked_for_ever_less_often() {
        let (mut gate, now) = (FormProbe::default(), Instant::now());
        gate.record_submission(ContactId(1), t(100), Some(t(900)));
        gate.forms_read(Some(&shows(2, 100)), now);
        let mut read_at = Vec::new();
        for pass in 1..=40 {
            let open = gate.is_open(OVERLAP, false, now);
            if open {
                read_at.push(pass);
            }
            gate.forms_read(open.then_some(&ShownSubmissions::default()), now);
        }
        assert_eq!(read_at, [1, 2, 4, 8, 16, 32]);
        assert!(!gate.is_open(OVERLAP, false, now + Duration::from_hours(2)));
    }

    #[test]
    fn more_than_fits_is_looked_for_until_it_is_old() {
        let (mut gate, now) = (FormProbe::default(), Instant::now());
        let many = 2 * u64::try_from(MAX_SUBMISSIONS).unwrap();
        let mut all = ShownSubmissions::default();
        for contact in 1..=many {
            gate.record_submission(ContactId(contact), t(100_000), Some(t(100_000)));
            all.add(ContactId(contact), t(100_000));
            assert!(gate.seen.len() <= MAX_CONTACTS && gate.unexplained.len() <= MAX_SUBMISSIONS);
        }
        assert_eq!(all.len(), MAX_SUBMISSIONS);
        gate.forms_read(Some(&all), now);
        let (first, _) = gate.unexplained[0];
        assert!(!all.contains(first, t(100_000)) && gate.further == Some(t(100_000)));
        gate.unexplained.clear();
        assert!(gate.is_open(OVERLAP, false, now), "the others may be late");
        gate.forms_read(Some(&ShownSubmissions::default()), now);
        gate.record_submission(ContactId(1), t(186_400), Some(t(186_400)));
        gate.forms_read(Some(&shows(1, 186_400)), now);
        assert!(gate.is_open(OVERLAP, false, now), "24 hours");
        gate.record_submission(ContactId(1), t(186_401), Some(t(186_401)));
        gate.forms_read(Some(&shows(1, 186_401)), now);
        assert!(!gate.is_open(OVERLAP, false, now));
    }

    #[test]
    fn what_is_old_makes_room_for_what_is_new() {
        let mut gate = FormProbe::default();
        for contact in 1..=u64::try_from(MAX_SUBMISSIONS).unwrap() {
            gate.record_submission(ContactId(contact), t(100), Some(t(100)));
        }
        gate.record_submission(ContactId(1), t(900_000), Some(t(900_000)));
        assert_eq!(
            (gate.unexplained.as_slice(), gate.further),
            (&[(ContactId(1), t(900_000))][..], None)
        );
    }

    #[test]
    fn a_submission_is_shown_within_seconds_of_its_contact() {
        let shows = shows(5, 1_000);
        for (contact, at, is) in [
            (5, 990, true),
            (5, 1_010, true),
            (5, 989, false),
            (5, 1_011, false),
            (4, 1_000, false),
        ] {
            assert_eq!(shows.contains(ContactId(contact), t(at)), is, "{contact} {at}");
        }
        let mut none = ShownSubmissions::default();
        none.add(ContactId::UNKNOWN, t(1));
        assert_eq!(none.len(), 0);
    }
}
