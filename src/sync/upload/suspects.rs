//! What an uploader does with rows that were refused alone and not named: they wait, go again once others of their
//! action are accepted, and are reported at the end of the round.

use std::collections::{BTreeMap, BTreeSet};

use super::Uploader;
use super::lone_rows::ActionRoute;
use super::round_queue::{QueuedRequest, RoundQueue, Suspect};
use crate::domain::batch::{RefusalPlan, RowResult};
use crate::domain::brief::brief;
use crate::domain::codes::{Class, Code};
use crate::domain::delivering::suspect_message;
use crate::domain::ids::{ContactId, ObjectKey};
use crate::domain::outcome::reason;
use crate::ports::UpstreamError;
use crate::ports::ledger::{LedgerError, Row, RowUpdate};
use crate::ports::sink::RouteInfo;
use crate::registry::{ErrorNote, Notice, RefusedAt};
use crate::sync::delivery::{self, Delivery};
use crate::sync::prepare::{PreparedRow, retry_later};

fn action_route_of(route: RouteInfo, row: &PreparedRow) -> ActionRoute {
    (route.name, row.action.clone())
}

/// True for what the ad network says of a row only if it looked at it.
fn is_judgement(row_result: &RowResult) -> bool {
    matches!(
        row_result,
        RowResult::Uploaded
            | RowResult::Rejected(..)
            | RowResult::Wait(reason::AWAITING_WEB_CONVERSION | reason::CLICK_TOO_RECENT, _)
    )
}

impl Uploader {
    /// A request was taken; `row_results`: what was said of its rows at once. What was refused alone on the routes of
    /// those that the ad network looked at goes again now, before these can fail.
    pub(super) fn note_accepted(
        &mut self,
        queued: &QueuedRequest,
        row_results: Option<&BTreeMap<usize, RowResult>>,
        queue: &mut RoundQueue,
    ) {
        let is_taken = |index| row_results.is_none_or(|results| results.get(&index).is_some_and(is_judgement));
        let taken = queued.rows.iter().enumerate().filter(|(index, _)| is_taken(*index));
        let routes: BTreeSet<_> = taken.map(|(_, row)| action_route_of(queued.route, row)).collect();
        for action_route in routes {
            self.lone_rows.record_accepted(action_route.clone());
            queue.send_suspects_again(|queued| {
                queued
                    .rows
                    .iter()
                    .all(|row| action_route_of(queued.route, row) == action_route)
            });
        }
    }

    /// Whether the refusal of a request that names none of its rows is held against its only row.
    pub(super) fn is_singled_out(&self, queued: &QueuedRequest) -> bool {
        let row = queued.rows.first();
        row.is_some_and(|row| {
            self.lone_rows
                .is_singled_out(&action_route_of(queued.route, row), queued.refused)
        })
    }

    /// A row was refused alone, for what may be anything: it
    /// waits, and goes again in this round if others are accepted.
    pub(super) fn suspect_row(
        &mut self,
        queued: QueuedRequest,
        plan: &RefusalPlan,
        error: &UpstreamError,
        queue: &mut RoundQueue,
    ) -> Vec<RowUpdate> {
        let rows: Vec<Row> = queued.rows.iter().map(|ready| ready.row.clone()).collect();
        for ready in &queued.rows {
            self.lone_rows
                .record_fruitless(action_route_of(queued.route, ready), error);
        }
        let refused = Some(self.lone_rows.record_refused());
        queue.put_aside(Suspect {
            queued: QueuedRequest { refused, ..queued },
            code: unnamed_code(plan),
        });
        retry_later(&self.ctx, &rows, error)
    }

    /// Where everything is refused, the other rows of the action wait too; returns those that may go.
    pub(super) async fn defer_closed(
        &self,
        route: RouteInfo,
        rows: Vec<PreparedRow>,
    ) -> Result<Vec<PreparedRow>, LedgerError> {
        let mut open = Vec::with_capacity(rows.len());
        let mut updates = Vec::new();
        for ready in rows {
            match self.lone_rows.why_closed(&action_route_of(route, &ready)) {
                Some(error) => updates.extend(retry_later(&self.ctx, std::slice::from_ref(&ready.row), error)),
                None => open.push(ready),
            }
        }
        if !updates.is_empty() {
            self.ctx.ledger.apply_updates(&updates, self.ctx.clock.now()).await?;
        }
        Ok(open)
    }

    /// Says at the end of a round which conversions wait because they were refused alone, and which events get nothing
    /// through.
    pub(super) fn report_suspects(&mut self, suspects: &[Suspect]) {
        let now = self.ctx.clock.now();
        let mut alarms: BTreeMap<ActionRoute, bool> = BTreeMap::new();
        for Suspect { queued, code } in suspects {
            for ready in &queued.rows {
                let action_route = action_route_of(queued.route, ready);
                let alarm = *alarms
                    .entry(action_route.clone())
                    .or_insert_with(|| self.lone_rows.end_round(action_route));
                for (event, _) in self.events_of(std::slice::from_ref(ready)) {
                    if alarm {
                        let place = (RefusedAt::Upload, queued.route);
                        let refused = Delivery::Refused(code.clone());
                        delivery::report_delivery(&self.ctx.registry, &event, place, &refused, now);
                    } else {
                        self.note_row(&event, ready, suspect_message(code));
                    }
                }
            }
        }
    }

    /// A row fails by itself while others of its route go: its event names it, and nothing else waits for it.
    pub(super) fn note_poison(&self, queued: &QueuedRequest, error: &UpstreamError) {
        let message = format!(
            "Requests with this conversion fail, while others succeed: {}. It waits and is sent again, with growing pauses.",
            brief(error)
        );
        for ready in &queued.rows {
            for (event, _) in self.events_of(std::slice::from_ref(ready)) {
                self.note_row(&event, ready, message.clone());
            }
        }
    }

    fn note_row(&self, event: &ObjectKey, ready: &PreparedRow, message: String) {
        let note = ErrorNote {
            time: self.ctx.clock.now(),
            reason: reason::UPSTREAM_UNAVAILABLE.to_owned(),
            message,
            contact: Some(ready.row.contact)
                .filter(|contact| *contact != ContactId::UNKNOWN)
                .map(|contact| contact.0),
        };
        self.ctx.registry.update_report(event, |report| {
            report.push_error(note);
            Notice::Soon
        });
    }
}

/// The code of a refusal that names no row.
fn unnamed_code(plan: &RefusalPlan) -> Code {
    let found = plan.row_results.get(&0);
    let (why, name) = match found {
        Some(RowResult::Rejected(why, name)) if !name.is_empty() => (why.as_str(), name.as_str()),
        _ => (reason::INVALID_ARGUMENT, reason::INVALID_ARGUMENT),
    };
    Code {
        name: name.to_owned(),
        reason: why.to_owned(),
        class: Class::Unknown,
    }
}
