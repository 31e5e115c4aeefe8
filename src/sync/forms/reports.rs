//! What is reported to the events of a form about its reads.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::FormReader;
use super::findings::{FormFindings, FormRead, FormReadDepth};
use crate::domain::ids::ObjectKey;
use crate::ports::ledger::StreamId;
use crate::registry::Notice;
use crate::registry::sync_error::SyncError;
use crate::sync::feed::bounds::Tracked;
use crate::sync::feed::failure::report_failure;
use crate::sync::feed::pass::Member;
use crate::sync::withheld::{record_read, withheld_of};

impl FormReader {
    /// A form was read to its end, in a pass that began then.
    pub(super) fn record_form_read(
        &mut self,
        (form, events): (&str, &[&Tracked]),
        read: FormRead,
        shown: &FormFindings,
        began: Instant,
    ) {
        self.failing.forget(form);
        self.report_success(events, &shown.new);
        for tracked in events {
            // With the action that it has now.
            self.served.replace(Member::new(&tracked.event));
        }
        if read.depth == FormReadDepth::Whole {
            self.read_whole.insert(form.to_owned(), began);
        }
    }

    /// A read of this form failed. True where that is a matter of
    /// this form: it is tried again by itself, and read whole then.
    pub(super) fn form_failed(&mut self, form: &str, fault: &SyncError, events: &[&Tracked]) -> bool {
        report_failure(&self.ctx, &self.key, fault, events);
        let longest = self.ctx.settings.backoff_max;
        let is_of_form = self.failing.note(form, fault, longest, Instant::now());
        if is_of_form {
            self.read_whole.remove(form);
        }
        is_of_form
    }

    /// Rows have come, and more will.
    pub(super) fn report_new(&self, events: &[&Tracked], new: &BTreeMap<StreamId, usize>) {
        let changed: BTreeSet<&ObjectKey> = events
            .iter()
            .filter(|t| new.get(&t.stream).is_some_and(|n| *n > 0))
            .map(|t| &t.event.key)
            .collect();
        for event in changed {
            self.ctx.registry.update_report(event, |_| Notice::Soon);
        }
    }

    pub(super) fn report_success(&self, events: &[&Tracked], new: &BTreeMap<StreamId, usize>) {
        let (now, threshold) = (self.ctx.clock.now(), self.ctx.settings.failure_threshold);
        for tracked in events {
            let withheld = || withheld_of(&self.ctx, &tracked.event).map(|(what, _)| what);
            let fruitless = self.addresses.fruitless.describe("by e-mail address", threshold);
            let shortfall = fruitless.or_else(withheld);
            self.ctx.registry.update_report(&tracked.event.key, |report| {
                let notice = record_read(report, shortfall, now);
                let new = new.get(&tracked.stream).is_some_and(|n| *n > 0);
                notice.max(if new { Notice::Soon } else { Notice::Quiet })
            });
        }
    }
}
