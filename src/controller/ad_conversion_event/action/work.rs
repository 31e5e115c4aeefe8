//! The work on an action during one pass: what the steps hold, and what they have in common.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::hands_off::{HandsOff, hands_off};
use super::outcome::{ActionOutcome, retrying_action, stalled_action};
use crate::api::reasons::{event as happened, reason};
use crate::api::{
    ActionOrigin, AdConversionEvent, AdConversionEventStatus, ConversionActionStatus, CreationAttempt, Time,
};
use crate::controller::ad_conversion_event::resolve::{AccountsReadiness, Resolved};
use crate::controller::shared::apply;
use crate::controller::shared::context::Context;
use crate::controller::shared::error::Error;
use crate::controller::shared::google_actions::{refresh_google_actions, show_actions};
use crate::controller::shared::recorder::Severity;
use crate::controller::shared::shared_reads::RefreshError;
use crate::domain::action::{ActionFields, ConversionAction};
use crate::domain::brief::brief;
use crate::domain::declared::DeclaredAction;
use crate::domain::ids::{ActionId, CustomerId};
use crate::ports::ads::GoogleAds;
use crate::ports::{Cause, UpstreamError};
use crate::registry::sync_error::reason_of;
use crate::registry::{Account, GoogleAccount, Readiness};

/// Pause between two looks after a lost reply.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Everything the steps need.
pub(crate) struct Work<'a> {
    pub ctx: &'a Context,
    pub resolved: &'a Resolved,
    pub account: &'a GoogleAccount,
    pub ads: Arc<dyn GoogleAds>,
    pub owner: CustomerId,
    /// The action to create.
    pub full: ActionFields,
    /// The name that a live look asks for; without one it reads all actions.
    pub sought: Option<String>,
    /// The object as it was last written.
    pub event: Arc<AdConversionEvent>,
    /// The action as its status has it, or is to have it.
    pub current: ConversionActionStatus,
    /// Shared with the snapshot of the account as long as it is the same.
    pub actions: Arc<Vec<ConversionAction>>,
    pub live: bool,
    /// The action that the read before this one showed under the name that the event wants.
    pub sighted: Option<ActionId>,
    /// Why nothing may be written to Google now.
    pub hands_off: Option<HandsOff>,
}

/// What follows a step.
pub(crate) enum AfterStep {
    /// The pass is over.
    Done(Box<ActionOutcome>),
    /// Another step.
    Again,
}

/// The end of the pass.
pub(crate) fn end_pass(outcome: ActionOutcome) -> AfterStep {
    AfterStep::Done(Box::new(outcome))
}

impl<'a> Work<'a> {
    /// What it takes to work on the action; `None` while an account is not usable or somebody must act first. Of a
    /// suspended Google account nothing is read either.
    pub fn begin(ctx: &'a Context, event: &Arc<AdConversionEvent>, resolved: &'a Resolved) -> Option<Self> {
        let account = resolved.google.as_ref().filter(|_| resolved.stall.is_none())?;
        let usable = match resolved.accounts {
            AccountsReadiness::Ready => true,
            AccountsReadiness::NotReady(..) | AccountsReadiness::Suspended(_) => account.readiness == Readiness::Ready,
        };
        // What the manifest says by now counts, even if the account's controller has not come to it.
        if !usable || ctx.caches.is_suspended(&Account::Google(account.key.clone())) != Some(false) {
            return None;
        }
        let trigger = &resolved.subject.as_ref()?.trigger;
        let snapshot = account.snapshot.clone()?;
        let full = resolved.declared.to_create(trigger.stage());
        Some(Self {
            ctx,
            resolved,
            account,
            ads: account.clients.as_ref()?.ads.clone(),
            owner: snapshot.customer.conversion_customer.clone(),
            sought: match &resolved.declared.action {
                DeclaredAction::Create => full.name.clone(),
                DeclaredAction::Name(name) => Some(name.clone()),
                DeclaredAction::Id(_) => None,
            },
            full,
            event: Arc::clone(event),
            current: without_future(recorded_action(event), ctx.clock.now()),
            actions: Arc::clone(&snapshot.actions),
            live: false,
            sighted: None,
            hands_off: hands_off(resolved),
        })
    }

    /// Has the shared snapshot of the account, and this pass, see what we have just written.
    pub async fn refresh_snapshot(&mut self) {
        match refresh_google_actions(self.ctx, &self.account.key).await {
            Ok(snapshot) => self.actions = Arc::clone(&snapshot.actions),
            // The next regular read brings the same.
            Err(error) => {
                tracing::debug!(account = %self.account.key, error = brief(&error), "the snapshot of the Google account could not be refreshed");
            }
        }
    }

    /// Has the shared snapshot of the account, and this pass, show actions as we have written them.
    pub fn show_written(&mut self, written: &[ConversionAction]) {
        show_actions(self.ctx, &self.account.key, &self.owner, written);
        self.take_found(written.to_vec());
    }

    /// Writes the action into the status, on exactly the version that was read. False if it says so already.
    pub async fn record_action(&mut self) -> Result<bool, Error> {
        let mut status: AdConversionEventStatus = self.event.status.clone().unwrap_or_default();
        status.conversion_action = Some(self.current.clone());
        let written = apply::apply_status(self.ctx, self.event.as_ref(), &status).await?;
        let is_new = written.is_some();
        if let Some(written) = written {
            self.event = Arc::new(written);
        }
        Ok(is_new)
    }

    /// Publishes a Kubernetes Event about the event.
    pub async fn publish_event(&self, severity: Severity, why: &str, note: &str) {
        self.ctx
            .recorder
            .publish(self.event.as_ref(), severity, why, note)
            .await;
    }

    /// Reads the account live: all of it where the id counts, else the one name.
    pub async fn read_live(&mut self) -> AfterStep {
        let creating = self.current.creation.as_ref().map(|c| c.name.clone());
        let name = creating.or_else(|| self.sought.clone());
        let by_name = self.current.id.is_none() && name.is_some();
        let Some(name) = name.filter(|_| by_name) else {
            return self.read_all().await;
        };
        match self.ads.actions_named(&self.owner, &name).await {
            Ok(found) => {
                self.take_found(found);
                self.live = true;
                AfterStep::Again
            }
            Err(error) => end_pass(self.failed_call(reason::PROGRESSING, &error)),
        }
    }

    /// Reads all actions of the account live.
    pub async fn read_all(&mut self) -> AfterStep {
        match refresh_google_actions(self.ctx, &self.account.key).await {
            Ok(snapshot) => {
                self.actions = Arc::clone(&snapshot.actions);
                self.live = true;
                AfterStep::Again
            }
            Err(RefreshError::Upstream(error)) => end_pass(self.failed_call(reason::PROGRESSING, &error)),
            Err(error @ RefreshError::NotRead) => end_pass(retrying_action(
                self.current.clone(),
                reason::PROGRESSING,
                error.to_string(),
                LOOK_AGAIN,
            )),
        }
    }

    /// What a look by name found takes the place of what was known.
    pub fn take_found(&mut self, found: Vec<ConversionAction>) {
        let actions = Arc::make_mut(&mut self.actions);
        actions.retain(|known| !found.iter().any(|new| new.id == known.id));
        actions.extend(found);
    }

    /// Has this pass, and the shared snapshot of the account, see the action of the event where the snapshot does not
    /// show it yet: one that was just created is read by its name, not all of them.
    async fn show_own_action(&mut self, origin: ActionOrigin) {
        let id = self.current.id.clone();
        let is_own = |action: &ConversionAction| Some(action.id.to_string()) == id;
        if origin == ActionOrigin::Created && !self.actions.iter().any(is_own) {
            let name = self.full.name.clone().unwrap_or_default();
            match self.ads.actions_named(&self.owner, &name).await {
                Ok(found) => self.take_found(found),
                // The next regular read brings the same.
                Err(error) => {
                    tracing::debug!(account = %self.account.key, error = brief(&error), "the new action could not be read");
                }
            }
        }
        let own = self.actions.iter().find(|action| is_own(action)).cloned();
        show_actions(self.ctx, &self.account.key, &self.owner, own.as_slice());
    }

    /// A call failed that changed nothing. What Google denies here it may deny this event alone, or whoever asks may
    /// send conversions and not this: the account's controller asks for itself whether it is let in.
    pub fn failed_call(&self, why: &'static str, error: &UpstreamError) -> ActionOutcome {
        let account = &self.account.key;
        match error.cause {
            // It reads the customer and the actions often enough.
            Cause::AccessDenied => {}
            _ if error.needs_a_person() => self.ctx.registry.ad_account_refused(account),
            _ => self.ctx.registry.ad_account_fault(account, error),
        }
        let wait = error
            .retry_after
            .and_then(|d| Duration::try_from(d).ok())
            .unwrap_or_else(|| self.ctx.backoff.record_failure("ConversionAction", &self.account.key));
        ActionOutcome {
            usable: self.current.id.is_some(),
            ..retrying_action(self.current.clone(), why, error.to_string(), wait)
        }
    }

    /// Tells people how the event came by its action, and has the shared snapshot show it.
    pub async fn announce_action(&mut self, origin: ActionOrigin) {
        let (why, verb) = match origin {
            ActionOrigin::Created => (happened::CONVERSION_ACTION_CREATED, "Created"),
            ActionOrigin::Adopted => (happened::CONVERSION_ACTION_ADOPTED, "Adopted"),
            ActionOrigin::Mapped => (happened::CONVERSION_ACTION_MAPPED, "Mapped"),
        };
        let name = self.current.name.as_deref().unwrap_or_default();
        let id = self.current.id.as_deref().unwrap_or_default();
        let owner = &self.owner;
        let note = format!("{verb} conversion action {id} {name:?} in Google Ads account {owner}.");
        self.publish_event(Severity::Normal, why, &note).await;
        self.show_own_action(origin).await;
    }

    /// A create or update that certainly did not take effect.
    pub fn refused_call(&self, error: &UpstreamError) -> ActionOutcome {
        if matches!(error.cause, Cause::Refused | Cause::NameTaken | Cause::NotFound) {
            let message = format!("Google Ads refuses the conversion action: {error}. Correct the manifest.");
            return ActionOutcome {
                usable: self.current.id.is_some(),
                ..stalled_action(self.current.clone(), reason::INVALID_SPEC, message)
            };
        }
        let why = if self.current.id.is_none() {
            reason::CREATE_FAILED
        } else {
            reason_of(error.cause)
        };
        self.failed_call(why, error)
    }
}

/// The action as the status of an event has it.
pub(crate) fn recorded_action(event: &AdConversionEvent) -> ConversionActionStatus {
    let status = event.status.as_ref();
    status.and_then(|s| s.conversion_action.clone()).unwrap_or_default()
}

/// A time of it that has not come was recorded by a clock that was ahead. It counts as now, and is recorded so: else the
/// action would be too new until then.
fn without_future(action: ConversionActionStatus, now: Timestamp) -> ConversionActionStatus {
    let come = |time: Time| Time(time.0.min(now));
    ConversionActionStatus {
        create_time: action.create_time.map(come),
        creation: action.creation.map(|attempt| CreationAttempt {
            started_at: come(attempt.started_at),
            ..attempt
        }),
        ..action
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::test_support::at;

    #[test]
    fn times_that_have_not_come_are_now() {
        let recorded = |created: i64, begun: i64| ConversionActionStatus {
            create_time: Some(Time(at(created))),
            creation: Some(CreationAttempt {
                attempt_id: "1".to_owned(),
                name_was_free: true,
                name: "Won".to_owned(),
                started_at: Time(at(begun)),
            }),
            ..ConversionActionStatus::default()
        };
        assert_eq!(without_future(recorded(9, 90), at(10)), recorded(9, 10));
        assert_eq!(without_future(recorded(90, 9), at(10)), recorded(10, 9));
        assert_eq!(
            without_future(ConversionActionStatus::default(), at(10)),
            ConversionActionStatus::default()
        );
    }
}
