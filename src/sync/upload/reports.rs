//! What the answer to a request says about the events and the account whose rows it had.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::Uploader;
use super::denials::by_of_action;
use super::request::destinations_of;
use super::upload_route::silent_answer;
use crate::domain::batch::RowResult;
use crate::domain::ids::ObjectKey;
use crate::ports::ledger::StreamId;
use crate::ports::sink::RouteInfo;
use crate::registry::{Event, RefusedAt};
use crate::sync::delivery::{self, Delivery};
use crate::sync::prepare::PreparedRow;
use crate::sync::refusals::Suspicion;

impl Uploader {
    /// The request was accepted, whatever becomes of its rows.
    pub(super) fn report_open(&mut self, route: RouteInfo, ready: &[PreparedRow], now: Timestamp) {
        for action in destinations_of(ready) {
            self.refusals.record_taken(&action, now);
        }
        for (event, _) in self.events_of(ready) {
            let place = (RefusedAt::Upload, route);
            delivery::report_delivery(&self.ctx.registry, &event, place, &Delivery::Open, now);
        }
    }

    /// What the results of rows say of their actions and events.
    pub(super) fn report_results(
        &mut self,
        route: RouteInfo,
        ready: &[PreparedRow],
        row_results: &BTreeMap<usize, RowResult>,
        now: Timestamp,
    ) {
        let of = |chosen: &dyn Fn(&PreparedRow) -> bool| {
            let own = row_results
                .iter()
                .filter(|(index, _)| ready.get(**index).is_some_and(chosen));
            Delivery::from_results(own.map(|(_, row_result)| row_result))
        };
        for action in destinations_of(ready) {
            match of(&|row| row.action == action) {
                Some(Delivery::Open) => self.refusals.record_taken(&action, now),
                Some(Delivery::Refused(code)) => {
                    if let Some(error) = delivery::account_error(&code, route) {
                        let suspicion = Suspicion {
                            route: route.name,
                            by: by_of_action(ready, &action),
                            action,
                            error,
                        };
                        self.refusals.record_refused(suspicion, now);
                    }
                }
                Some(Delivery::Failed(..)) | None => {}
            }
        }
        for (event, stream) in self.events_of(ready) {
            if let Some(found) = of(&|row| row.row.stream == stream) {
                let place = (RefusedAt::Upload, route);
                delivery::report_delivery(&self.ctx.registry, &event, place, &found, now);
            }
        }
    }

    /// An event has a failure if the answer says nothing about any of its conversions.
    pub(super) fn report_unanswered(&self, route: RouteInfo, ready: &[PreparedRow], unanswered: &BTreeSet<usize>) {
        let is_answered = |stream| {
            let mut own = ready.iter().enumerate().filter(|(_, row)| row.row.stream == stream);
            own.any(|(index, _)| !unanswered.contains(&index))
        };
        for (event, stream) in self.events_of(ready) {
            if !is_answered(stream) {
                self.upload_failed(&event, &silent_answer(route.service).into());
            }
        }
    }

    pub(super) fn events_of(&self, ready: &[PreparedRow]) -> Vec<(ObjectKey, StreamId)> {
        let streams: BTreeSet<_> = ready.iter().map(|r| r.row.stream).collect();
        let of = |event: Arc<Event>| {
            let stream = self.ctx.registry.stream_of(&event.key)?;
            streams.contains(&stream).then(|| (event.key.clone(), stream))
        };
        let events = self.ctx.registry.events_of_ad_account(&self.key);
        events.into_iter().filter_map(of).collect()
    }
}
