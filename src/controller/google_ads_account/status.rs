//! The status of a Google account, and the actions deleted events left behind.

use std::collections::BTreeSet;

use super::memory::GoogleMemory;
use crate::api::reasons::event;
use crate::api::{GoogleAdsAccount, GoogleAdsAccountStatus, MAX_ORPHANED_ACTIONS, OrphanedConversionAction, Time};
use crate::controller::shared::account::kind::CommonStatus;
use crate::controller::shared::context::Context;
use crate::controller::shared::lookup::{Lookup, id_of};
use crate::controller::shared::object::Object;
use crate::domain::action::REMOVED;
use crate::domain::brief::brief;
use crate::domain::ids::{ActionKey, CustomerId};
use crate::domain::ownership::ANOTHER_NAMESPACE;
use crate::domain::transitions::Announcement;
use crate::ports::ads::ConversionAction;
use crate::ports::ledger::{LedgerError, OrphanNote};
use crate::registry::GoogleSnapshot;

/// The status as it should be, and what else to tell people.
pub(crate) async fn compose_status(
    ctx: &Context,
    object: &GoogleAdsAccount,
    memory: &GoogleMemory,
    snapshot: Option<&GoogleSnapshot>,
    common: &CommonStatus<'_>,
) -> (GoogleAdsAccountStatus, Vec<Announcement>) {
    let mut status = object.status.clone().unwrap_or_default();
    status.observed_generation = object.metadata.generation;
    status.last_handled_reconcile_at = object
        .requested_at()
        .map(str::to_owned)
        .or(status.last_handled_reconcile_at);
    status.conditions = common.conditions.to_vec();
    status.used_by = i64::try_from(common.users.len()).ok();
    if let Some((customer, _)) = &memory.customer {
        status.descriptive_name.clone_from(&customer.descriptive_name);
        status.currency_code.clone_from(&customer.currency_code);
        status.time_zone.clone_from(&customer.time_zone);
        status.manager = Some(customer.manager);
        status.test_account = Some(customer.test_account);
        status.conversion_customer_id = Some(customer.conversion_customer.to_string());
        status
            .conversion_tracking_id
            .clone_from(&customer.conversion_tracking_id);
        status
            .conversion_tracking_status
            .clone_from(&customer.conversion_tracking_status);
    }
    if let Some(checked) = memory.state.checked {
        status.last_check_time = Some(Time(checked));
    }
    let mut announced = Vec::new();
    if let Some(snapshot) = snapshot {
        match standing_orphans(ctx, snapshot).await {
            Ok(notes) => {
                let shown = to_status(&notes, &object.key().namespace);
                announced = announce_dropped(&status.orphaned_conversion_actions, &notes, &shown);
                status.orphaned_conversion_actions = shown;
            }
            // The events of the account say what the ledger has; here the list only stays as it was.
            Err(error) => {
                tracing::warn!(account = %object.key(), error = brief(&error), "the list of orphaned conversion actions could not be updated");
            }
        }
    }
    (status, announced)
}

/// The notes that still stand. Those whose action is gone from Google, or has an event again, are forgotten: the event
/// does so itself, unless the process ends in between.
async fn standing_orphans(ctx: &Context, snapshot: &GoogleSnapshot) -> Result<Vec<OrphanNote>, LedgerError> {
    let owner = &snapshot.customer.conversion_customer;
    let used = used_actions(ctx, owner);
    let (stand, gone): (Vec<_>, Vec<_>) = ctx
        .ledger
        .orphan_notes(&owner.account_key())
        .await?
        .into_iter()
        .partition(|note| !is_gone(note, snapshot) && !used.contains(&note.action));
    for note in gone {
        ctx.ledger.forget_orphan(&note.action).await?;
    }
    Ok(stand)
}

/// Actions of this account that events have. One that is being deleted is about to leave its action behind.
fn used_actions(ctx: &Context, owner: &CustomerId) -> BTreeSet<ActionKey> {
    let events = ctx.caches.events.find_by(&Lookup::HasAny(owner.clone()));
    let actions = events.iter().filter_map(|event| event.status.as_ref());
    actions
        .filter_map(|status| id_of(status.conversion_action.as_ref()))
        .map(|id| owner.action_key(id))
        .collect()
}

/// True if Google has removed the action, by two reads: a note that is forgotten does not come back. A note younger
/// than a read may be about an action that it does not show.
fn is_gone(note: &OrphanNote, snapshot: &GoogleSnapshot) -> bool {
    let is_removed = |action: Option<&ConversionAction>| action.is_none_or(|action| action.status == REMOVED);
    snapshot.both_reads_say(&note.action.id, note.at, is_removed)
}

/// The newest notes, as many as a status keeps. `notes` is oldest first.
/// Accounts of several namespaces may have one customer: only the events of `reader`, the own one, are named.
fn to_status(notes: &[OrphanNote], reader: &str) -> Vec<OrphanedConversionAction> {
    let former = |event: &str| match event.split_once('/') {
        Some((namespace, _)) if namespace == reader => event.to_owned(),
        _ => ANOTHER_NAMESPACE.to_owned(),
    };
    let skip = notes.len().saturating_sub(MAX_ORPHANED_ACTIONS);
    let show = |note: &OrphanNote| OrphanedConversionAction {
        id: note.action.id.clone(),
        name: note.name.clone(),
        type_: note.kind.clone(),
        former_event: former(&note.former_event),
        orphan_time: Time(note.at),
    };
    notes.iter().skip(skip).map(show).collect()
}

/// What to say about notes that were shown, still stand, and have no room any more.
fn announce_dropped(
    before: &[OrphanedConversionAction],
    notes: &[OrphanNote],
    shown: &[OrphanedConversionAction],
) -> Vec<Announcement> {
    let stand: BTreeSet<String> = notes.iter().map(|note| note.action.id.clone()).collect();
    let kept: BTreeSet<&str> = shown.iter().map(|orphan| orphan.id.as_str()).collect();
    let lost = before
        .iter()
        .filter(|orphan| stand.contains(&orphan.id) && !kept.contains(orphan.id.as_str()));
    lost.map(|orphan| Announcement {
        warning: true,
        reason: event::ORPHAN_NOTE_DROPPED.to_owned(),
        message: format!(
            "The conversion action {} ({}) left behind by {} is no longer listed: a status has room for \
             {MAX_ORPHANED_ACTIONS}. It is still in Google Ads.",
            orphan.id, orphan.name, orphan.former_event
        ),
    })
    .collect()
}
