//! Forms: reads the submissions of the forms of all form events, newest first, and notes them in the ledger.
//!
//! A form's list has no time filter and shifts while it is read (docs/reference/hubspot.md 7.2): every read begins at
//! the newest submission and ends behind what was seen before.

mod findings;
mod form_probe;
mod found_addresses;
mod found_contacts;
mod partial_read;
mod reports;
mod submission_notes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tracing::debug;

use self::findings::{FormFindings, FormRead, FormReadDepth, FormsRead, NotedPage};
use self::form_probe::FormProbe;
use self::found_addresses::FoundAddresses;
use self::partial_read::{PartialRead, in_turn};
use self::submission_notes::SubmissionNotes;
use crate::domain::eligibility::Decision;
use crate::domain::enhancement::{Person, SubmissionRules, Submitted, decide_submission};
use crate::domain::ids::{ContactId, ObjectKey, OccurrenceKey};
use crate::domain::outcome::{Outcome, reason};
use crate::domain::time::to_std;
use crate::ports::crm::Submission;
use crate::ports::ledger::{NewRow, StreamId, Watermark};
use crate::ports::pulse;
use crate::registry::sync_error::SyncError;
use crate::sync::context::SyncContext;
use crate::sync::failing::FailingParts;
use crate::sync::feed::bounds::{Lookback, STEP_BACK, Tracked};
use crate::sync::feed::clock::latest_plausible;
use crate::sync::feed::failure::report_failure;
use crate::sync::feed::pass::{Member, Pass};
use crate::sync::submissions::submission_key;

/// What the feed knows of the forms in this life of the process.
pub(super) struct FormReader {
    key: ObjectKey,
    ctx: Arc<SyncContext>,
    probe: FormProbe,
    served: BTreeSet<Member>,
    notes: SubmissionNotes,
    addresses: FoundAddresses,
    /// When each form was last read as far back as anything could still be sent.
    read_whole: BTreeMap<String, Instant>,
    last_wide: Option<Instant>,
    /// Reads of forms that were left after their share of a pass.
    parts: BTreeMap<String, PartialRead>,
    failing: FailingParts,
    /// The form that the next pass begins with, if the last one came to no end.
    next: Option<String>,
}

impl FormReader {
    /// Nothing is read before [`Self::read_all`].
    pub(super) fn new(key: ObjectKey, ctx: Arc<SyncContext>) -> Self {
        Self {
            key,
            ctx,
            probe: FormProbe::default(),
            served: BTreeSet::new(),
            notes: SubmissionNotes::default(),
            addresses: FoundAddresses::default(),
            read_whole: BTreeMap::new(),
            last_wide: None,
            parts: BTreeMap::new(),
            failing: FailingParts::default(),
            next: None,
        }
    }

    /// True where the last pass left something to read.
    pub(crate) fn is_behind(&self) -> bool {
        self.next.is_some() || !self.parts.is_empty()
    }

    /// How soon a form whose read failed is tried again; `None`: none failed.
    pub(crate) fn next_try(&self) -> Option<Duration> {
        self.failing.next_try(Instant::now())
    }

    /// Reads the forms if the probe says so. Returns what failed, after reporting it to the events: without what is the
    /// matter of single forms, where others, or (`others`) the stages, could be read.
    pub(super) async fn read_all(&mut self, pass: &Pass, others: bool) -> Vec<SyncError> {
        let began = Instant::now();
        let all: Vec<&Tracked> = pass.forms.iter().collect();
        let general = match self.probe_forms(pass, began).await {
            Ok(depth) => depth,
            Err(fault) => {
                report_failure(&self.ctx, &self.key, &fault, &all);
                return vec![fault];
            }
        };
        let mut read = FormsRead::new(others);
        let forms: BTreeSet<&str> = all.iter().filter_map(|t| t.event.trigger.form()).collect();
        self.parts.retain(|form, _| forms.contains(form.as_str()));
        self.failing.retain(&forms);
        for form in in_turn(&forms, self.next.take().as_deref()) {
            if began.elapsed() >= partial_read::PASS_TIME {
                self.next = Some(form.to_owned());
                read.whole = false;
                break;
            }
            if let Some(fault) = self.failing.waits(form, began) {
                read.of_forms.push(fault);
                continue;
            }
            let of_form = |t: &&&Tracked| t.event.trigger.form() == Some(form);
            let events: Vec<&Tracked> = all.iter().filter(of_form).copied().collect();
            self.read_one(pass, (form, &events), (general, began), &mut read).await;
        }
        let present: BTreeSet<Member> = all.iter().map(|t| Member::new(&t.event)).collect();
        self.served.retain(|m| present.contains(m));
        if read.faults.is_empty() && read.whole {
            self.probe.forms_read(general.map(|_| &read.whose), began);
        }
        read.into_faults()
    }

    /// Reads one form, as deep as it needs, for these events.
    async fn read_one(
        &mut self,
        pass: &Pass,
        (form, events): (&str, &[&Tracked]),
        (general, began): (Option<FormReadDepth>, Instant),
        all: &mut FormsRead,
    ) {
        let depth = self.depth_for(form, events, general, began);
        let Some(depth) = self.unfinished_read(form, events).or(depth) else {
            self.report_success(events, &BTreeMap::new());
            all.any = true;
            return;
        };
        match self.read_form(pass, form, events, depth).await {
            // More of it comes with the next pass.
            Ok(None) => {
                self.failing.forget(form);
                (all.any, all.whole) = (true, false);
            }
            Ok(Some(shown)) => {
                all.any = true;
                all.whose.add_all(&shown.whose);
                self.record_form_read((form, events), depth, &shown, began);
            }
            Err(fault) if self.form_failed(form, &fault, events) => all.of_forms.push(fault),
            Err(fault) => all.faults.push(fault),
        }
    }

    /// What to read of one form: all where an event joined, or where it was not read whole for long. One form that
    /// can't be read changes nothing for the others.
    fn depth_for(
        &self,
        form: &str,
        events: &[&Tracked],
        general: Option<FormReadDepth>,
        now: Instant,
    ) -> Option<FormRead> {
        let newcomer = |t: &&Tracked| {
            let member = Member::new(&t.event);
            let served = self.served.get(&member);
            t.is_backfill() || !served.is_some_and(|before| member.keeps_stream_of(before))
        };
        let joined = events.iter().any(newcomer);
        let pause = to_std(self.ctx.settings.enhancement_deadline / 4);
        let last = self.read_whole.get(form);
        let old = last.is_none_or(|last| now.duration_since(*last) >= pause);
        let depth = if joined || old {
            Some(FormReadDepth::Whole)
        } else {
            general
        };
        depth.map(|depth| FormRead { depth, joined })
    }

    /// Finds out how much of all forms to read now; `None`: nothing.
    async fn probe_forms(&mut self, pass: &Pass, now: Instant) -> Result<Option<FormReadDepth>, SyncError> {
        let ctx = Arc::clone(&self.ctx);
        let settings = &ctx.settings;
        let pause = to_std(settings.overlap / 6);
        let wide = self.last_wide.is_none_or(|last| now.duration_since(last) >= pause);
        let back = if wide {
            settings.overlap.max(STEP_BACK)
        } else {
            STEP_BACK
        };
        let seen = |t: &Tracked| t.mark.map_or(t.event.start, |m| m.cursor);
        let since = pass.forms.iter().map(seen).max().unwrap_or(Timestamp::MIN);
        let now_there = ctx.clock.now();
        self.probe
            .search_submitters(pass.crm.as_ref(), since, back, now_there)
            .await?;
        if wide {
            self.last_wide = Some(now);
        }
        self.notes.give_up(ctx.clock.known_time().certain);
        let open = self.is_open(now);
        let depth = if self.probe.has_news() {
            FormReadDepth::News
        } else {
            FormReadDepth::Late
        };
        Ok(open.then_some(depth))
    }

    /// How far back a read of this depth goes.
    fn lookback_of(&self, events: &[&Tracked], depth: FormReadDepth) -> (SignedDuration, Timestamp) {
        let settings = &self.ctx.settings;
        let overlap = settings.overlap.max(STEP_BACK);
        let by = match depth {
            FormReadDepth::Whole => settings.enhancement_deadline.max(overlap),
            FormReadDepth::News => STEP_BACK,
            FormReadDepth::Late => overlap,
        };
        let back = Lookback { by, reached: None };
        let bound = events
            .iter()
            .map(|t| t.lower_bound(back))
            .min()
            .unwrap_or(Timestamp::MIN);
        let unfound = self.notes.oldest_sought();
        (by, unfound.map_or(bound, |at| at.min(bound)))
    }

    /// Reads a form, or goes on with it; `None` if its share of a pass is used up.
    async fn read_form(
        &mut self,
        pass: &Pass,
        form: &str,
        events: &[&Tracked],
        read: FormRead,
    ) -> Result<Option<FormFindings>, SyncError> {
        let mut part = match self.parts.remove(form) {
            Some(part) => part,
            None => PartialRead::new(read, events, self.lookback_of(events, read.depth)),
        };
        part.begin_pass();
        loop {
            pulse::beat();
            let mut page = pass.crm.list_submissions(form, part.after.as_deref()).await?;
            part.shown.latest = latest_plausible(page.answered, self.ctx.clock.now());
            self.take_implausible(&mut page, part.shown.latest);
            self.record_page(pass, (form, read.joined), events, &page.submissions, &mut part.shown)
                .await?;
            self.seek_unreadable(pass, form, events, &page, part.bound);
            let none = page.submissions.is_empty() && page.unreadable.is_empty();
            let over = none || page.submissions.last().is_some_and(|last| last.at < part.bound);
            if over || page.next.is_none() {
                break;
            }
            if part.is_enough(page.next, page.size)? {
                self.report_new(events, &part.shown.new);
                self.parts.insert(form.to_owned(), part);
                return Ok(None);
            }
        }
        let PartialRead { shown, by, .. } = part;
        debug!(account = %self.key, form, contacts = shown.whose.len(), "form read");
        let mut marks: BTreeMap<StreamId, Watermark> = BTreeMap::new();
        for tracked in events {
            let mark = tracked.mark_after(by, shown.newest.unwrap_or(Timestamp::MIN));
            if tracked.mark != Some(mark) {
                marks.insert(tracked.stream, mark);
            }
        }
        if !marks.is_empty() {
            let marks: Vec<_> = marks.into_iter().collect();
            self.ctx.ledger.set_feed_marks(&marks).await?;
        }
        Ok(Some(shown))
    }

    /// Notes the submissions of a page for every event of the form.
    async fn record_page(
        &mut self,
        pass: &Pass,
        (form, joined): (&str, bool),
        events: &[&Tracked],
        page: &[Submission],
        shown: &mut FormFindings,
    ) -> Result<(), SyncError> {
        let start = events.iter().map(|t| t.event.start).min().unwrap_or(Timestamp::MAX);
        let clicks = self.ctx.click_cache(&pass.account.key);
        let mut fresh: Vec<(OccurrenceKey, &Submission)> = Vec::new();
        for submission in page {
            let key = submission_key(pass.portal.id, form, submission);
            clicks.put_click(key.transaction, submission);
            shown.newest = shown.newest.max(Some(submission.at).filter(|at| *at <= shown.latest));
            match self.notes.known_contact(key.transaction).filter(|_| !joined) {
                Some(contact) => shown.whose.add(contact, submission.at),
                None if submission.at >= start => fresh.push((key, submission)),
                None => {}
            }
        }
        let asked = Instant::now();
        let whose = self.contacts_of(pass, &fresh).await?;
        for (key, submission) in &fresh {
            match whose.is_somebodys(submission) {
                Some(true) => clicks.record_somebodys(key.transaction),
                Some(false) if self.is_sendable(submission) => clicks.record_nobodys(key.transaction, asked),
                _ => {}
            }
        }
        let noted = NotedPage {
            pass,
            whose: &whose,
            now: self.ctx.clock.now(),
        };
        for tracked in events {
            pulse::beat();
            let rows: Vec<NewRow> = fresh
                .iter()
                .filter(|(_, s)| s.at >= tracked.event.start)
                .map(|(key, s)| self.new_row(&noted, tracked, *key, s))
                .collect();
            self.ctx.may_record(&tracked.event.key.namespace).await?;
            let new = self.ctx.ledger.record_occurrences(tracked.stream, &rows).await?;
            *shown.new.entry(tracked.stream).or_default() += new;
        }
        for (key, submission) in fresh {
            let email = submission.email.as_ref();
            let contact = email.and_then(|email| whose.contacts.get(email)).map(|c| c.id);
            if let Some(contact) = contact {
                shown.whose.add(contact, submission.at);
            }
            let nobodys_for = clicks.nobodys_for(key.transaction);
            self.remember_submission(key.transaction, submission, contact, nobodys_for);
        }
        Ok(())
    }

    fn new_row(&self, page: &NotedPage<'_>, tracked: &Tracked, key: OccurrenceKey, submission: &Submission) -> NewRow {
        let NotedPage { pass, whose, now } = *page;
        let email = submission.email.as_ref();
        let contact = email.and_then(|email| whose.contacts.get(email));
        let why = contact.and_then(|contact| contact.flaw.as_ref()).map(|flaw| &flaw.why);
        let why = why.or_else(|| whose.unreadable.get(email?));
        if let Some(why) = why {
            self.name_unreadable(tracked, submission, contact.map(|c| c.id), why);
        }
        let person = match (email, contact) {
            _ if why.is_some() => Person::Unreadable,
            // One that names nobody in two answers is skipped when its row is due.
            (None, _) => Person::NotFound { nobodys_for: None },
            (_, Some(contact)) => Person::Known(contact),
            (_, None) => Person::NotFound {
                nobodys_for: self.ctx.click_cache(&pass.account.key).nobodys_for(key.transaction),
            },
        };
        let submitted = Submitted {
            at: submission.at,
            first_seen: now,
            named: submission.conversion_id.is_some(),
        };
        let event = &tracked.event;
        let by = SubmissionRules {
            event: &event.rules,
            waits: &self.ctx.settings.submission_waits(),
            region: pass.account.default_region.as_deref(),
        };
        // While the event is suspended nothing is decided but what the resume policy says.
        let suspended = self.ctx.registry.is_suspended(event);
        let decision = (!suspended).then(|| decide_submission(&person, submitted, &by, self.ctx.clock.known_time()));
        let (outcome, reason, due) = match decision {
            None | Some(Ok(Decision::Send(_)) | Err(_)) => (Outcome::Pending, reason::NOT_DUE, now),
            // Until a second answer shows an address, or none.
            Some(Ok(Decision::Wait { reason, .. })) if email.is_none() => (Outcome::Pending, reason, now),
            Some(Ok(Decision::Wait { reason, due })) => (Outcome::Pending, reason, due),
            Some(Ok(Decision::Skip { reason })) => (Outcome::Skipped, reason, now),
        };
        NewRow {
            keys: vec![key],
            contact: contact.map_or(ContactId::UNKNOWN, |c| c.id),
            submission: submission.conversion_id.clone(),
            occurred_at: submission.at,
            first_seen: now,
            outcome,
            reason: reason.into(),
            due,
            while_suspended: suspended,
            shown: None,
        }
    }

    /// The unfinished read of this form, unless it was begun before an event joined: it has noted nothing for that one.
    fn unfinished_read(&mut self, form: &str, events: &[&Tracked]) -> Option<FormRead> {
        let read = self.parts.get_mut(form)?.read_for(events);
        if read.is_none() {
            self.parts.remove(form);
        }
        read
    }
}
