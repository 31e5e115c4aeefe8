//! The contacts of submissions; and the submissions that cannot be read, or whose contact cannot be read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use super::FormReader;
use super::findings::FoundContacts;
use super::found_addresses::{BESIDE, Beside};
use super::submission_notes::SoughtSubmission;
use crate::domain::ids::{ContactId, OccurrenceKey, TransactionId};
use crate::domain::time::later;
use crate::ports::crm::{MAX_EMAILS, OddSubmission, Submission, SubmissionPage};
use crate::ports::pulse;
use crate::registry::sync_error::SyncError;
use crate::sync::contact_cache::ContactSnapshot;
use crate::sync::feed::bounds::{Tracked, form_contact_query};
use crate::sync::feed::pass::Pass;
use crate::sync::unreadable;

impl FormReader {
    /// Nothing of a submission can be sent later.
    pub(super) fn sendable_until(&self, submission: &Submission) -> Timestamp {
        let deadline = self.ctx.settings.enhancement_deadline;
        later(submission.at, deadline)
    }

    /// Whether something of a submission may be sent now: as long as it is not certain that its deadline is over.
    pub(super) fn is_sendable(&self, submission: &Submission) -> bool {
        self.ctx.clock.known_time().certain < self.sendable_until(submission)
    }

    /// A contact that was not found is looked for until looks that are `--click-grace`
    /// apart have all found that there is none (`nobodys_for`: how far they are apart so
    /// far); one that can't be read, until nothing could be sent any more.
    pub(super) fn remember_submission(
        &mut self,
        key: TransactionId,
        submission: &Submission,
        contact: Option<ContactId>,
        nobodys_for: Option<SignedDuration>,
    ) {
        let is_nobodys = nobodys_for.is_some_and(|apart| apart >= self.ctx.settings.waits.click_grace);
        let lacking = submission.email.is_some() && contact.is_none() && !is_nobodys;
        // It takes a second answer that shows no address.
        let nameless = submission.email.is_none() && !self.notes.is_sought(key);
        let (at, until) = (submission.at, self.sendable_until(submission));
        if self.is_sendable(submission) && (nameless || lacking) {
            let sought = SoughtSubmission { at, until, nameless };
            return self.notes.record_sought(key, sought);
        }
        let contact = contact.unwrap_or(ContactId::UNKNOWN);
        self.notes.record_contact(key, submission.at, contact);
    }

    /// True if the forms have to be read now: for what is new, or for what was not found.
    pub(super) fn is_open(&mut self, now: Instant) -> bool {
        let unfound = self.notes.oldest_sought().is_some();
        if !unfound {
            self.addresses.fruitless.forget();
        }
        let nameless = self.probe.is_turn() && self.notes.has_nameless();
        let is_news = self.probe.is_open(self.ctx.settings.overlap, unfound, now);
        // Where answers show nobody, people are to hear soon of the first one that does.
        is_news || nameless || self.addresses.fruitless.is_running()
    }

    /// The contacts, found by e-mail. Contacts of submissions that are too old to be sent are not looked for.
    pub(super) async fn contacts_of(
        &mut self,
        pass: &Pass,
        fresh: &[(OccurrenceKey, &Submission)],
    ) -> Result<FoundContacts, SyncError> {
        let emails: BTreeSet<&String> = fresh
            .iter()
            .filter(|(_, submission)| self.is_sendable(submission))
            .filter_map(|(_, s)| s.email.as_ref())
            .collect();
        let emails: Vec<String> = emails.into_iter().cloned().collect();
        let plan = form_contact_query(pass.forms.iter().map(|t| &t.event));
        let cache = self.ctx.contact_cache(&pass.account.key);
        let keep = self.ctx.settings.waits.settle < self.ctx.settings.upload_interval;
        let mut found = FoundContacts::default();
        let is_sought = |(key, _): &(OccurrenceKey, _)| self.notes.is_sought(key.transaction);
        let again = fresh.iter().any(is_sought);
        for chunk in emails.chunks(MAX_EMAILS - BESIDE) {
            pulse::beat();
            let beside = if again {
                self.addresses.find_beside(pass.crm.as_ref()).await
            } else {
                Beside::default()
            };
            let asked = self.ctx.clock.now();
            let both = [chunk, beside.addresses()].concat();
            let mut batch = pass.crm.read_by_email(&both, &plan.0).await?;
            let tells = self.addresses.take_answer(&beside, &batch, asked);
            let is_open =
                |email: &&String| !batch.contacts.contains_key(*email) && !batch.unreadable.contains_key(*email);
            let others = chunk.iter().filter(is_open).filter(|_| tells);
            found.nobodys.extend(others.cloned());
            batch.contacts.retain(|email, _| chunk.contains(email));
            found.unreadable.extend(batch.unreadable);
            for (email, contact) in batch.contacts {
                let contact = Arc::new(contact);
                if keep && contact.flaw.is_none() {
                    let read = ContactSnapshot {
                        at: asked,
                        contact: contact.clone(),
                        confirmed: false,
                    };
                    cache.put(read, &plan);
                }
                found.contacts.insert(email, contact);
            }
        }
        Ok(found)
    }

    /// Takes out what is not believed yet: a time that has not come, and a missing id while the submission could still
    /// be sent. Old data has no ids (docs/reference/hubspot.md 7.2); nothing of it can be sent, so it counts as it is.
    pub(super) fn take_implausible(&self, page: &mut SubmissionPage, latest: Timestamp) {
        let why = |submission: &Submission| {
            if submission.at > latest {
                return Some("its \"submittedAt\" is in the future");
            }
            let is_fresh = self.is_sendable(submission);
            (submission.conversion_id.is_none() && is_fresh).then_some("it has no \"conversionId\"")
        };
        let odd = page.submissions.extract_if(.., |submission| why(submission).is_some());
        let odd: Vec<_> = odd
            .map(|submission| OddSubmission {
                why: why(&submission).unwrap_or_default().to_owned(),
                at: Some(submission.at).filter(|at| *at <= latest),
                conversion_id: submission.conversion_id,
            })
            .collect();
        page.unreadable.extend(odd);
    }

    /// Names the submissions of a page that cannot be read, and has them looked for until nothing of them could be sent
    /// any more. HubSpot's list shows the newest first: they are as old as the next one that can be read.
    pub(super) fn seek_unreadable(
        &mut self,
        pass: &Pass,
        form: &str,
        events: &[&Tracked],
        page: &SubmissionPage,
        bound: Timestamp,
    ) {
        let now = self.ctx.clock.now();
        let next = page.submissions.last().map_or(bound, |last| last.at);
        // All forms are read whole once more within a quarter of
        // the deadline: one that came to nothing is counted then.
        let deadline = self.ctx.settings.enhancement_deadline;
        let until = later(now, deadline + deadline / 4);
        for odd in &page.unreadable {
            let at = odd.at.unwrap_or(next);
            let key = match &odd.conversion_id {
                Some(id) => OccurrenceKey::for_submission(pass.portal.id, form, id),
                None => OccurrenceKey::for_nameless_submission(pass.portal.id, form, at.as_millisecond()),
            };
            if self.notes.known_contact(key.transaction).is_some() {
                // It could be read before.
                continue;
            }
            let known = self.notes.is_sought(key.transaction);
            if !known {
                let sought = SoughtSubmission {
                    at,
                    until,
                    nameless: false,
                };
                self.notes.record_sought(key.transaction, sought);
            }
            let id = odd
                .conversion_id
                .as_deref()
                .filter(|id| is_plain(id))
                .unwrap_or("without an id");
            let message = format!(
                "A submission of the form ({id}) can't be read: {}. It is read again later; check it in HubSpot.",
                odd.why
            );
            for tracked in events {
                unreadable::report_message(&self.ctx, &tracked.event.key, None, message.clone(), known);
            }
        }
    }

    /// Names the contact of a submission that cannot be read; if it is known by its address only, the submission.
    pub(super) fn name_unreadable(
        &self,
        tracked: &Tracked,
        submission: &Submission,
        contact: Option<ContactId>,
        why: &str,
    ) {
        let event = &tracked.event.key;
        if let Some(contact) = contact {
            return unreadable::report_contact(&self.ctx, event, contact, &unreadable::contact_itself(why), false);
        }
        let id = submission.conversion_id.as_deref().filter(|id| is_plain(id));
        let message = format!(
            "The contact of a submission ({}) can't be read: {why}. It is read again later; check that contact in HubSpot.",
            id.unwrap_or("without an id")
        );
        unreadable::report_message(&self.ctx, event, None, message, false);
    }
}

/// True for what HubSpot makes an id of. Nothing else is shown to people.
fn is_plain(id: &str) -> bool {
    id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
