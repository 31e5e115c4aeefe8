//! Whether a refusal is really about the account. Answers to single rows, actions or requests may say that the account
//! is denied and mean only that row or request. So the ad network is asked to validate dummy conversions
//! ([`UploadRequest::dummy`]: no real click, no person, never counted) for actions of the account's events. If one is
//! let in, so is the account. One without an answer shows nothing.

use std::time::Duration;

use tokio::time::timeout;

use super::context::SyncContext;
use super::refusals::Refusals;
use crate::domain::batch::Complaint;
use crate::domain::codes::{Class, Code, Matter};
use crate::domain::ids::ObjectKey;
use crate::ports::ledger::ActionKey;
use crate::ports::pulse;
use crate::ports::sink::{DummyIdentity, IngestError, Route, UploadRequest};
use crate::ports::{Cause, UpstreamError};

/// Longest time that one judgement may take, because a stop waits for it.
const LIMIT: Duration = Duration::from_secs(5);
/// Most actions of each kind that are asked about: of others that were taken, of those that were refused, and of the
/// rest.
const MOST: usize = 3;

/// What dummy conversions show of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// One was let in: who asks may send.
    LetIn,
    /// Each was refused in words that are about the account.
    Denied,
    /// There was no answer, or nothing to ask about.
    Unanswered,
}

/// True where the network itself denies a request: because of who makes it,
/// because of what the caller may use, or because nothing is at its path.
pub const fn is_denial(error: &UpstreamError) -> bool {
    error.is_coded_answer() && (error.needs_a_person() || matches!(error.cause, Cause::NotFound))
}

const fn is_of_account(code: &Code) -> bool {
    matches!(code.class, Class::Blocked(Matter::Account | Matter::NotAllowlisted))
}

/// What an answer shows of the account. What it says of the dummy conversion itself does not matter.
fn judgement_of(answer: &Result<Vec<Complaint>, IngestError>) -> Judgement {
    let is_denied = |complaints: &[Complaint]| {
        let mut codes = complaints.iter().filter_map(|complaint| complaint.code.as_ref());
        codes.any(is_of_account)
    };
    match answer {
        Ok(complaints) if is_denied(complaints) => Judgement::Denied,
        Ok(_) => Judgement::LetIn,
        Err(refused) if refused.error.about_token => Judgement::Unanswered,
        Err(refused) if refused.code.as_ref().is_some_and(is_of_account) || is_denied(&refused.complaints) => {
            Judgement::Denied
        }
        Err(refused) if is_denial(&refused.error) => Judgement::Denied,
        Err(refused) if refused.error.cause == Cause::Refused && refused.error.code.is_some() => Judgement::LetIn,
        Err(_) => Judgement::Unanswered,
    }
}

/// The actions of the account's events that use this route, each with what its dummy conversion is attributed by.
fn declared(ctx: &SyncContext, account: &ObjectKey, route: &str) -> Vec<(ActionKey, DummyIdentity)> {
    let Some(routes) = ctx.registry.ad_account(account).and_then(|account| account.routes) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for event in ctx.registry.events_of_ad_account(account) {
        let kind = event.rules.trigger_kind;
        if event.suspended || routes.route_for(kind).route_info().name != route {
            continue;
        }
        let by = DummyIdentity::for_trigger(kind);
        found.extend(event.action.as_ref().map(|bound| (bound.key.clone(), by)));
    }
    found
}

/// The dummy conversions to ask about, in turn: to other actions that were taken, the last one first, to those that
/// were refused (`own`), and to the rest.
fn in_turn(
    mut declared: Vec<(ActionKey, DummyIdentity)>,
    own: Vec<(ActionKey, DummyIdentity)>,
    refusals: &Refusals,
) -> Vec<(ActionKey, DummyIdentity)> {
    declared.sort_by_key(|(action, _)| std::cmp::Reverse(refusals.last_taken(action)));
    let (taken, rest): (Vec<_>, Vec<_>) = declared
        .into_iter()
        .partition(|(action, _)| refusals.last_taken(action).is_some());
    let mut turns: Vec<(ActionKey, DummyIdentity)> = Vec::new();
    for kind in [taken, own, rest] {
        for asked in kind.into_iter().take(MOST) {
            if !turns.contains(&asked) {
                turns.push(asked);
            }
        }
    }
    turns
}

/// Has dummy conversions judged by this route of the account, until one is let in or not answered. `own`:
/// those that were refused, and by what their rows were to be found.
pub async fn judge_account(
    ctx: &SyncContext,
    account: &ObjectKey,
    route: &Route,
    own: Vec<(ActionKey, DummyIdentity)>,
    refusals: &Refusals,
) -> Judgement {
    let declared = declared(ctx, account, route.route_info().name);
    let mut shown = Judgement::Unanswered;
    for (action, by) in in_turn(declared, own, refusals) {
        pulse::beat();
        let dummy = UploadRequest::dummy(action, by, ctx.clock.now());
        let answer = timeout(LIMIT, route.validate_request(&dummy)).await;
        shown = answer.map_or(Judgement::Unanswered, |answer| judgement_of(&answer));
        if shown != Judgement::Denied {
            break;
        }
    }
    shown
}

/// Has it judged whether an error is the account's that came with
/// an action's rows; tells the account's controller if it is.
pub async fn weigh_error(
    ctx: &SyncContext,
    account: &ObjectKey,
    route: &Route,
    own: (ActionKey, DummyIdentity),
    error: &UpstreamError,
    refusals: &Refusals,
) -> Judgement {
    let judgement = judge_account(ctx, account, route, vec![own], refusals).await;
    if judgement == Judgement::Denied {
        ctx.registry.ad_account_fault(account, error);
    }
    judgement
}

#[cfg(test)]
#[path = "account_judgement_tests.rs"]
mod tests;
