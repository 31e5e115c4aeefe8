//! The conversion action: carries out the plan of `domain::action_plan`, one effect at a time. The intent to create is in
//! the status, under a precondition, before Google is asked; a create is never repeated blindly.

mod correct;
mod create;
mod goal;
mod hands_off;
mod keep;

use std::sync::Arc;
use std::time::Duration;

use self::correct::correct;
use self::create::{await_create, create};
use self::hands_off::{HandsOff, hands_off, left};
use self::keep::{announce, keep};

use super::Stall;
use super::ownership::owned_by_others;
use super::resolve::{Accounts, Resolved};
use crate::api::reasons::reason;
use crate::api::{AdConversionEvent, AdConversionEventStatus, ConversionActionStatus};
use crate::controller::google_ads_account::refresh_google_actions;
use crate::controller::shared::apply;
use crate::controller::shared::context::Context;
use crate::controller::{Error, Object};
use crate::domain::action::{ActionFields, ConversionAction};
use crate::domain::action_plan::{Known, Seen, Step, Wanted, plan};
use crate::domain::brief::brief;
use crate::domain::ids::{ActionId, CustomerId};
use crate::domain::ownership::named_for;
use crate::domain::spec;
use crate::ports::UpstreamError;
use crate::ports::ads::GoogleAds;
use crate::registry::GoogleAccount;

/// Most steps in one pass; each is an effect or a look.
const MAX_STEPS: usize = 6;
/// Pause between two looks after a lost reply.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Where the conversion action stands after a pass.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionOutcome {
    /// For the status.
    pub action: ConversionActionStatus,
    /// The action itself, where known.
    pub found: Option<ConversionAction>,
    /// True where uploads may go to it.
    pub usable: bool,
    /// Status, reason and message of `ConversionActionReady`; `None` keeps what was said before.
    pub condition: Option<(bool, &'static str, String)>,
    /// A person must act.
    pub stall: Option<Stall>,
    /// Look again after this time.
    pub retry: Option<Duration>,
}

/// Everything the steps need.
struct Work<'a> {
    ctx: &'a Context,
    account: &'a GoogleAccount,
    ads: Arc<dyn GoogleAds>,
    owner: CustomerId,
    declared: ActionFields,
    full: ActionFields,
    /// The name that a live look asks for; without one it reads all actions.
    sought: Option<String>,
    actions: Vec<ConversionAction>,
    live: bool,
    /// Why nothing may be written to Google now.
    hands_off: Option<HandsOff>,
}

impl Work<'_> {
    /// Has the shared snapshot of the account, and this pass, see what we have just written.
    async fn refresh(&mut self) {
        match refresh_google_actions(self.ctx, &self.account.key).await {
            Ok(snapshot) => self.actions = snapshot.actions.to_vec(),
            // The next regular read brings the same.
            Err(error) => {
                tracing::debug!(account = %self.account.key, error = brief(&error), "the snapshot was not brought up to date");
            }
        }
    }
}

/// Brings the conversion action to what the manifest says, as far as it can be now. Returns the event as it is after
/// our own status writes.
pub async fn settle(
    ctx: &Context,
    event: Arc<AdConversionEvent>,
    resolved: &Resolved,
) -> Result<(Arc<AdConversionEvent>, ActionOutcome), Error> {
    let before = event
        .status
        .as_ref()
        .and_then(|s| s.conversion_action.clone())
        .unwrap_or_default();
    let Some(mut work) = work(ctx, &event, resolved) else {
        let usable = before.id.is_some() && resolved.stall.is_none();
        return Ok((
            event,
            ActionOutcome {
                usable,
                ..waiting(before, resolved)
            },
        ));
    };
    let mut event = event;
    let mut current = before;
    for _ in 0..MAX_STEPS {
        match step(&mut work, &event, &mut current).await? {
            Next::Done(outcome) => return Ok((event, *outcome)),
            Next::Again => {}
            Next::Written(written) => event = Arc::new(*written),
            Next::Ended(written, outcome) => return Ok((Arc::new(*written), *outcome)),
        }
    }
    let message = "The conversion action keeps changing in Google Ads; looking again shortly.".to_owned();
    Ok((event, retrying(current, reason::DRIFTED, message, LOOK_AGAIN)))
}

/// What it takes to work on the action; `None` while an account is not usable or somebody must act first. Of a suspended
/// Google account nothing is read either.
fn work<'a>(ctx: &'a Context, event: &AdConversionEvent, resolved: &'a Resolved) -> Option<Work<'a>> {
    let google_usable = !matches!(resolved.accounts, Accounts::NotReady(..) | Accounts::Suspended(_))
        || resolved
            .google
            .as_ref()
            .is_some_and(|g| g.readiness == crate::registry::Readiness::Ready);
    let account = resolved
        .google
        .as_ref()
        .filter(|_| google_usable && resolved.stall.is_none())?;
    // What the manifest says by now counts, even where the account's controller has not come to it.
    if ctx.caches.google.get(&account.key).is_none_or(|a| a.spec.suspend) {
        return None;
    }
    let trigger = &resolved.subject.as_ref()?.trigger;
    let snapshot = account.snapshot.clone()?;
    let full = spec::to_create(event, trigger.stage());
    Some(Work {
        ctx,
        account,
        ads: account.clients.as_ref()?.ads.clone(),
        owner: snapshot.customer.conversion_customer.clone(),
        declared: spec::declared(event),
        sought: match event.spec.existing_action() {
            Some(existing) => existing.name.clone(),
            None => full.name.clone(),
        },
        full,
        actions: snapshot.actions.to_vec(),
        live: false,
        hands_off: hands_off(event, resolved),
    })
}

fn waiting(action: ConversionActionStatus, resolved: &Resolved) -> ActionOutcome {
    let condition = action.id.is_none().then(|| {
        let message = match &resolved.stall {
            Some(_) => "Waiting until the event is no longer stalled. See the condition Stalled.",
            None => "Waiting for the accounts to become ready.",
        };
        (false, reason::PROGRESSING, message.to_owned())
    });
    ActionOutcome {
        action,
        found: None,
        usable: false,
        condition,
        stall: None,
        retry: None,
    }
}

fn retrying(action: ConversionActionStatus, why: &'static str, message: String, wait: Duration) -> ActionOutcome {
    let condition = Some((false, why, message));
    ActionOutcome {
        action,
        found: None,
        usable: false,
        condition,
        stall: None,
        retry: Some(wait),
    }
}

fn stalled(action: ConversionActionStatus, why: &'static str, message: String) -> ActionOutcome {
    ActionOutcome {
        action,
        found: None,
        usable: false,
        condition: Some((false, why, message.clone())),
        stall: Some((why, message)),
        retry: None,
    }
}

enum Next {
    Done(Box<ActionOutcome>),
    Again,
    /// Another step, on the version of the event that was written.
    Written(Box<AdConversionEvent>),
    /// As `Done`, on the version that was written.
    Ended(Box<AdConversionEvent>, Box<ActionOutcome>),
}

fn done(outcome: ActionOutcome) -> Next {
    Next::Done(Box::new(outcome))
}

async fn step(
    work: &mut Work<'_>,
    event: &AdConversionEvent,
    current: &mut ConversionActionStatus,
) -> Result<Next, Error> {
    let existing = event.spec.existing_action();
    let id = existing
        .and_then(|e| e.id.as_deref())
        .and_then(|id| id.parse::<ActionId>().ok());
    let name = existing.and_then(|e| e.name.as_deref());
    let wanted = match (id, name) {
        (Some(id), _) => Wanted::Id(id),
        (None, Some(name)) => Wanted::Name(name),
        (None, None) => Wanted::Create {
            declared: &work.declared,
            full: &work.full,
        },
    };
    let known = Known {
        id: current.id.as_deref().and_then(|id| id.parse().ok()),
        origin: current.origin,
        creating: current.creation.as_ref().map(|c| c.name.clone()),
    };
    let reader = event.key().namespace;
    let others: Vec<_> = owned_by_others(work.ctx, event, &work.owner)
        .into_iter()
        .map(|(id, other)| (id, named_for(&reader, &other)))
        .collect();
    let seen = Seen {
        actions: &work.actions,
        live: work.live,
        others: &others,
    };
    let kind = work.full.kind.clone().unwrap_or_default();
    let next = plan(&wanted, &kind, &known, seen);
    if let Some(outcome) = left(work, current, &next) {
        return Ok(done(outcome));
    }
    match next {
        Step::Keep { id, origin } => keep(work, event, current, id, origin).await,
        Step::Correct {
            id,
            origin,
            fields,
            difference,
        } => correct(work, event, current, (id, origin), &fields, &difference).await,
        Step::LookLive => look(work, current).await,
        Step::Create => create(work, event, current).await,
        Step::AwaitCreate => await_create(work, event, current).await,
        Step::Stalled { reason, message } => {
            // An attempt whose name turned out to be a stranger's is over.
            current.creation = None;
            Ok(done(stalled(current.clone(), reason, message)))
        }
    }
}

/// Reads the account live: all of it where the id counts, else the one name.
async fn look(work: &mut Work<'_>, current: &ConversionActionStatus) -> Result<Next, Error> {
    let name = current
        .creation
        .as_ref()
        .map(|c| c.name.clone())
        .or_else(|| work.sought.clone());
    let by_name = current.id.is_none() && name.is_some();
    let read = match name {
        Some(name) if by_name => work.ads.actions_named(&work.owner, &name).await,
        _ => work.ads.actions(&work.owner).await,
    };
    match read {
        Ok(found) if by_name => {
            let ids: Vec<_> = found.iter().map(|a| a.id).collect();
            work.actions.retain(|a| !ids.contains(&a.id));
            work.actions.extend(found);
        }
        Ok(found) => work.actions = found,
        Err(error) => return Ok(done(failed(work, current, reason::PROGRESSING, &error))),
    }
    work.live = true;
    Ok(Next::Again)
}

/// A call failed that changed nothing.
fn failed(
    work: &Work<'_>,
    current: &ConversionActionStatus,
    why: &'static str,
    error: &UpstreamError,
) -> ActionOutcome {
    work.ctx.registry.google_fault(&work.account.key, error);
    let wait = error
        .retry_after
        .and_then(|d| Duration::try_from(d).ok())
        .unwrap_or_else(|| work.ctx.backoff.failed("ConversionAction", &work.account.key));
    let usable = current.id.is_some();
    ActionOutcome {
        usable,
        ..retrying(current.clone(), why, error.to_string(), wait)
    }
}

/// Writes the conversion action into the status, on exactly the version that was read.
async fn record(
    ctx: &Context,
    event: &AdConversionEvent,
    action: &ConversionActionStatus,
) -> Result<Option<AdConversionEvent>, Error> {
    let mut status: AdConversionEventStatus = event.status.clone().unwrap_or_default();
    status.conversion_action = Some(action.clone());
    apply::status(ctx, event, &status).await
}
