//! What Data Manager does after it has accepted a request: every row is judged, and counted or failed.

use jiff::{SignedDuration, Timestamp};

use super::store::{ClickKind, Event, Outcome};
use crate::google::ads::action::Action;
use crate::google::state::Google;

impl Google {
    /// Processes every request whose delay is over. Call it before reading what was accepted.
    pub fn settle(&mut self, now: Timestamp) {
        if self.settings.never_finish {
            return;
        }
        while let Some(id) = self.ingestion.pop_due(now) {
            self.process(&id);
        }
    }

    fn process(&mut self, id: &str) {
        let Some(mut request) = self.ingestion.requests.remove(id) else {
            return;
        };
        let mut outcomes: Vec<Outcome> = request.destinations.iter().map(|_| Outcome::default()).collect();
        for event in &request.events {
            for target in &event.targets {
                let (Some(outcome), Some(destination)) = (outcomes.get_mut(*target), request.destinations.get(*target))
                else {
                    continue;
                };
                outcome.rows += 1;
                self.ingestion.processing = self.ingestion.processing.saturating_sub(1);
                match self.judge(destination.action, event, request.at) {
                    Some(reason) => {
                        self.ingestion.note_failure(destination.action, &reason);
                        outcome.failed.entry(reason).or_default().push(event.index);
                    }
                    None => self.accept(destination.action, event, id),
                }
            }
        }
        request.events = Vec::new();
        request.outcome = Some(outcomes);
        self.ingestion.requests.insert(id.to_owned(), request);
    }

    pub(in crate::google) fn accept(&mut self, action: u64, event: &Event, request: &str) {
        let click_time = event
            .click
            .as_ref()
            .and_then(|(_, click)| self.clicks.get(click))
            .copied();
        self.ingestion.record(action, event, click_time, request);
        if event.identifiers.is_empty() {
            return;
        }
        // Data of this kind arriving switches the setting on.
        let owner = self.actions.get(&action).map(|action| action.owner.clone());
        if let Some(account) = owner.and_then(|owner| self.accounts.get_mut(&owner)) {
            "ON".clone_into(&mut account.enablement);
        }
    }

    /// The full name of the reason a row fails for, if it does. Ages are measured at the arrival of the request.
    pub(in crate::google) fn judge(&mut self, action: u64, event: &Event, at: Timestamp) -> Option<String> {
        if let Some(reason) = self.ingestion.armed_reason(&event.transaction_id) {
            return Some(reason);
        }
        let action = self.actions.get(&action)?;
        let reason = self
            .judge_setting(action, event, at)
            .or_else(|| self.judge_click(action, event, at))?;
        Some(format!("PROCESSING_ERROR_REASON_{reason}"))
    }

    fn judge_setting(&self, action: &Action, event: &Event, at: Timestamp) -> Option<&'static str> {
        if at.duration_since(action.created) < self.settings.new_action_age {
            return Some("DESTINATION_TOO_RECENTLY_CREATED");
        }
        match event.consent.as_deref() {
            Some("CONSENT_DENIED") => return Some("DENIED_CONSENT"),
            None if self.settings.require_consent => return Some("NO_CONSENT"),
            _ => {}
        }
        let terms = self
            .accounts
            .get(&action.owner)
            .is_some_and(|account| account.accepted_customer_data_terms);
        if !terms && !event.identifiers.is_empty() {
            return Some("DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED");
        }
        if self
            .settings
            .event_too_old
            .is_some_and(|limit| at.duration_since(event.time) > limit)
        {
            return Some("EVENT_TOO_OLD");
        }
        None
    }

    fn judge_click(&self, action: &Action, event: &Event, at: Timestamp) -> Option<&'static str> {
        let (kind, click) = event.click.as_ref()?;
        let braid = *kind != ClickKind::Gclid;
        if braid && action.counting == "ONE_PER_CLICK" {
            return Some("ONE_PER_CLICK_CONVERSION_ACTION_NOT_PERMITTED_WITH_BRAID");
        }
        if click.starts_with("invalid") {
            return Some(match kind {
                ClickKind::Gclid => "INVALID_GCLID",
                ClickKind::Gbraid => "INVALID_GBRAID",
                ClickKind::Wbraid => "INVALID_WBRAID",
            });
        }
        let Some(clicked) = self.clicks.get(click) else {
            // Braids are aggregated: no single click stands behind one that nobody registered.
            return (!braid && !self.settings.accept_unknown_clicks).then_some("CLICK_NOT_FOUND");
        };
        if at.duration_since(*clicked) < self.settings.min_click_age {
            return Some("TOO_RECENT_CLICK");
        }
        if event.time < *clicked {
            return Some("CONVERSION_PRECEDES_CLICK");
        }
        let window = SignedDuration::from_hours(24 * action.click_days);
        (event.time.duration_since(*clicked) > window).then_some("EXPIRED_CLICK")
    }
}
