//! Stages whose searches fail while those of others are answered: HubSpot may not let the property with the time of
//! entry into one be searched, or stumble over it. Such a stage is asked for by itself until it is answered; its events
//! wait, and say so.

use std::collections::BTreeSet;
use std::time::Instant;

use tracing::warn;

use super::Feed;
use super::pass::Pass;
use crate::api::ChangeDetection;
use crate::domain::brief::brief;
use crate::domain::contact::LAST_MODIFIED;
use crate::domain::ids::ContactId;
use crate::ports::crm::ContactSearch;
use crate::ports::{Cause, UpstreamError, pulse};
use crate::registry::Side;
use crate::registry::sync_error::{SyncError, error_note};
use crate::sync::failing::may_be_of_part;
use crate::sync::feed::bounds::{PollReach, Tracked, date_entered, stage_bounds};

/// If so many stages fail one after the other, the stages are not the reason.
const MOST_FRUITLESS: usize = 12;

impl Feed {
    /// Reads for the lifecycle events, but for those of stages that fail by themselves.
    pub(super) async fn run_stages(&mut self, pass: &mut Pass) -> Result<(), SyncError> {
        self.leave_out_failing(pass).await;
        if pass.events.is_empty() {
            return Ok(());
        }
        match self.run_pass(pass).await {
            Err(fault) if self.find_failing(pass, &fault).await => {
                self.leave_out_failing(pass).await;
                self.run_pass(pass).await
            }
            read => read,
        }
    }

    /// Takes the events of stages that fail out of the pass, once it is known whether they still do.
    async fn leave_out_failing(&mut self, pass: &mut Pass) {
        let stages: BTreeSet<&str> = pass.events.iter().map(Tracked::stage).collect();
        self.failing.retain(&stages);
        let known: Vec<String> = stages
            .iter()
            .filter(|stage| self.failing.contains(stage))
            .map(|stage| (*stage).to_owned())
            .collect();
        for stage in known {
            let fault = match self.failing.waits(&stage, Instant::now()) {
                Some(fault) => Some(fault),
                None => self.ask_for_stage(pass, &stage).await.err(),
            };
            match fault {
                Some(fault) => self.leave_out(pass, &stage, &fault),
                None => self.failing.forget(&stage),
            }
        }
    }

    fn leave_out(&self, pass: &mut Pass, stage: &str, fault: &SyncError) {
        let now = self.ctx.clock.now();
        for tracked in pass.events.extract_if(.., |tracked| tracked.stage() == stage) {
            self.ctx.registry.update_report(&tracked.event.key, |report| {
                report.record_failure(Side::Feed, error_note(fault, now))
            });
        }
    }

    /// A pass failed. True if the searches of some of its stages do, and another one is answered.
    async fn find_failing(&mut self, pass: &Pass, fault: &SyncError) -> bool {
        let stages: BTreeSet<&str> = pass.events.iter().map(Tracked::stage).collect();
        if stages.len() < 2 || self.detector.mode() != ChangeDetection::DateEntered || !may_be_of_stage(fault) {
            return false;
        }
        let (mut failed, mut answered) = (Vec::new(), false);
        for stage in stages {
            match self.search_stage(pass, stage).await {
                Ok(()) => answered = true,
                Err(error) => failed.push((stage, named(stage, error))),
            }
            if !answered && failed.len() >= MOST_FRUITLESS {
                return false;
            }
        }
        if !answered || failed.is_empty() {
            return false;
        }
        for (stage, fault) in failed {
            warn!(account = %self.key, stage, error = brief(&fault), "searches for this stage fail, so it is searched for separately");
            self.note_failing(stage, &fault);
        }
        true
    }

    fn note_failing(&mut self, stage: &str, fault: &SyncError) {
        let longest = self.ctx.settings.backoff_max;
        self.failing.note(stage, fault, longest, Instant::now());
    }

    async fn ask_for_stage(&mut self, pass: &Pass, stage: &str) -> Result<(), SyncError> {
        let asked = self.search_stage(pass, stage).await;
        asked.map_err(|error| {
            let fault = named(stage, error);
            self.note_failing(stage, &fault);
            fault
        })
    }

    /// One page of the search for this stage alone.
    async fn search_stage(&self, pass: &Pass, stage: &str) -> Result<(), UpstreamError> {
        pulse::beat();
        let bounds = stage_bounds(&pass.events, self.lookback(PollReach::Usual));
        let Some(since) = bounds.get(stage) else {
            return Ok(());
        };
        let search = ContactSearch {
            any_since: vec![(date_entered(stage), *since)],
            after: ContactId(0),
            properties: vec![LAST_MODIFIED.to_owned()],
        };
        pass.crm.search_contacts(&search).await.map(drop)
    }
}

/// True for failures that the property with the time of entry into one stage may be the reason of.
fn may_be_of_stage(fault: &SyncError) -> bool {
    may_be_of_part(fault) || matches!(fault, SyncError::Upstream(error) if error.cause == Cause::MissingScope)
}

/// The same error for people, who do not know which search it was. It concerns nobody but the stage's events.
fn named(stage: &str, error: UpstreamError) -> SyncError {
    let property = date_entered(stage);
    let message = format!(
        "searches for the stage {stage:?} by its property {property} fail, while those for other stages are answered: {}. The operator searches for this stage separately. If the token has no access to that property, grant it",
        error.message
    );
    let cause = if error.needs_a_person() {
        Cause::Unavailable
    } else {
        error.cause
    };
    UpstreamError {
        cause,
        message,
        ..error
    }
    .into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::broken(Cause::Unavailable, true)]
    #[case::garbled(Cause::Malformed, true)]
    #[case::a_scope(Cause::MissingScope, true)]
    #[case::denied(Cause::AccessDenied, true)]
    #[case::refused(Cause::Refused, true)]
    #[case::the_day_is_over(Cause::QuotaExhausted, false)]
    #[case::the_token(Cause::CredentialsRejected, false)]
    #[case::the_version(Cause::UnsupportedVersion, false)]
    fn what_may_be_of_a_stage(#[case] cause: Cause, #[case] expected: bool) {
        let fault = UpstreamError::new("HubSpot", cause, "no").into();
        assert_eq!(may_be_of_stage(&fault), expected);
    }

    #[test]
    fn the_stage_is_named_and_the_account_is_not_blamed() {
        let refused = UpstreamError::new("HubSpot", Cause::MissingScope, "HTTP 403");
        let SyncError::Upstream(error) = named("customer", refused) else {
            panic!("an upstream's");
        };
        assert!(!error.needs_a_person());
        assert!(error.message.contains("hs_v2_date_entered_customer") && error.message.contains("HTTP 403"));
    }
}
