//! Looks for contacts that HubSpot has deleted: what the ledger names is asked for again, round after round, a few ids
//! at a time, whenever the feed has nothing else to do.
//!
//! An id is missing where HubSpot answers for others and neither shows a record for it nor names it among the ids
//! merged into one; a call that fails and a record that cannot be read say nothing. What protects from a view that has
//! become narrower, when everything would look deleted:
//!
//! - The token must still be one of the portal that the ids are of: asked before anything counts as missing.
//! - An answer that shows nobody counts only if HubSpot shows in a second one somebody whom an earlier look has found;
//!   where there is nobody else, and few are in question, a contact that a search lists. So neither an outage, nor a scope
//!   that was taken away, nor a token that may see other owners' contacts no longer, marks a whole portal. (Nor does
//!   a portal in which all of more than ten are deleted between two rounds: their ids stay.)
//! - A mark is not yet an erasure: all looks over the whole retention must miss the contact, and a single one that
//!   finds it takes the mark away ([`crate::ports::ledger::Ledger::erase_contacts`]).
//! - Each account of a portal looks for itself and believes what it has seen itself. Where another account of the
//!   portal sees a contact, the marks of a token that may see less erase nothing.
//!
//! And an erasure by mistake costs little: the keys of what was sent
//! stay, and whoever shows up again under the same ids has them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use super::Feed;
use crate::domain::brief::brief;
use crate::domain::ids::ContactId;
use crate::ports::crm::{Contact, ContactRead, ContactSearch, Crm, read_limit};
use crate::ports::ledger::{LookResult, LookRound, Looker};
use crate::ports::pulse;
use crate::registry::Readiness;
use crate::registry::sync_error::SyncError;
use crate::sync::context::SyncContext;

/// Contacts of one call: the most that a read without histories takes.
const PORTION: usize = read_limit(&[]);
/// Calls in a row, of the hundred that HubSpot allows in ten seconds.
const AT_ONCE: i64 = 6;
/// Shortest average pause between two calls, however many contacts there are: 4 % of the smallest daily quota.
const MIN_GAP: SignedDuration = SignedDuration::from_secs(10);
/// Most contacts that may vanish at once if the ledger knows no others.
const FEW: usize = 10;
/// More than one part in so many of the day's calls must be left.
const SPARED: u64 = 2;

impl Feed {
    /// Looks for as many contacts as it is time for. Failures are logged only: whatever is the matter with the account,
    /// polls tell.
    pub(super) async fn look_for_deleted(&mut self) {
        if self.no_look_before.is_some_and(|at| Instant::now() < at) {
            return;
        }
        if let Err(fault) = self.look_for_missing().await {
            warn!(account = %self.key, error = brief(&fault), "contacts could not be checked for deletion; they are checked later");
            let pause = self.ctx.settings.backoff_max.unsigned_abs();
            self.no_look_before = Instant::now().checked_add(pause.max(Duration::from_millis(1)));
        }
    }

    async fn look_for_missing(&self) -> Result<(), SyncError> {
        let Some((looker, due)) = self.looks_due().await? else {
            return Ok(());
        };
        for _ in 0..due {
            // Not from before the loop: the account may have been suspended meanwhile.
            let account = self.ctx.registry.hubspot_account(&self.key);
            let usable = account.filter(|a| {
                a.readiness == Readiness::Ready && a.portal.as_ref().is_some_and(|of_now| of_now.id == looker.portal)
            });
            let Some(crm) = usable.and_then(|account| account.crm) else {
                return Ok(());
            };
            if crm.daily_quota().is_some_and(|quota| quota.left <= quota.of / SPARED)
                || !make_call(&self.ctx, &*crm, &looker).await?
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The account that looks, and how many calls are due.
    async fn looks_due(&self) -> Result<Option<(Looker, i64)>, SyncError> {
        let account = self.ctx.registry.hubspot_account(&self.key);
        let Some(portal) = account
            .filter(|a| a.readiness == Readiness::Ready)
            .and_then(|a| a.portal)
        else {
            return Ok(None);
        };
        let looker = Looker {
            portal: portal.id,
            account: self.key.clone(),
        };
        let now = self.ctx.clock.now();
        let round = self.ctx.ledger.look_round(&looker).await?;
        // A time in the future comes from a clock that was ahead: it is not waited for.
        let Some(round) = round.filter(|round| round.looked_at <= now) else {
            self.ctx.ledger.begin_look_round(&looker, now).await?;
            return Ok(None);
        };
        let due = due_calls(&round, self.ctx.settings.deletion_check_interval, now);
        Ok(Some((looker, due)))
    }
}

/// Calls that it is time for, spread over the interval.
fn due_calls(round: &LookRound, interval: SignedDuration, now: Timestamp) -> i64 {
    let calls = round.contacts.div_ceil(PORTION as u64).max(1);
    let gap = interval.as_millis() / i128::from(calls);
    let gap = gap.max(MIN_GAP.min(interval).as_millis()).max(1);
    let due = now.duration_since(round.looked_at).as_millis() / gap;
    i64::try_from(due).unwrap_or(AT_ONCE).min(AT_ONCE)
}

/// One call, and what follows from it. False at the end of the round.
async fn make_call(ctx: &SyncContext, crm: &dyn Crm, looker: &Looker) -> Result<bool, SyncError> {
    let Some(round) = ctx.ledger.look_round(looker).await? else {
        return Ok(false);
    };
    let asked = ctx.ledger.contacts_after(looker.portal, round.after, PORTION).await?;
    let mut seen = BTreeSet::new();
    let mut missing = Vec::new();
    if !asked.is_empty() {
        let answer = ask_portal(crm, &asked).await?;
        seen = answer.seen;
        let unanswered = |id: &&ContactId| !seen.contains(id) && !answer.unreadable.contains(id);
        missing = asked.iter().filter(unanswered).copied().collect();
        if !missing.is_empty() && !is_believed(ctx, crm, looker, &asked, &mut seen).await? {
            warn!(
                account = %looker.account,
                portal = %looker.portal,
                contacts = missing.len(),
                "HubSpot shows none of these contacts, nor others that it showed before, so none of them counts as deleted. Check that the token still belongs to this portal and may read all contacts."
            );
            missing.clear();
            seen.clear();
        }
    }
    let after = asked.last().copied().filter(|_| asked.len() == PORTION);
    let look = LookResult {
        seen: seen.into_iter().collect(),
        missing,
        after,
        at: ctx.clock.now(),
    };
    ctx.ledger.record_look(looker, &asked, &look).await?;
    Ok(after.is_some())
}

struct PortalAnswer {
    /// Every id that leads to a record, or was merged into one.
    seen: BTreeSet<ContactId>,
    unreadable: BTreeSet<ContactId>,
}

async fn ask_portal(crm: &dyn Crm, ids: &[ContactId]) -> Result<PortalAnswer, SyncError> {
    pulse::beat();
    let read = ContactRead {
        ids: ids.to_vec(),
        properties: Vec::new(),
        with_history: Vec::new(),
    };
    let batch = crm.read_contacts(&read).await?;
    Ok(PortalAnswer {
        seen: batch.contacts.iter().flat_map(Contact::lineage).collect(),
        unreadable: batch.unreadable.into_keys().collect(),
    })
}

/// Whether contacts that an answer does not show are missing: see the top of this file. Adds whom else HubSpot shows.
async fn is_believed(
    ctx: &SyncContext,
    crm: &dyn Crm,
    looker: &Looker,
    asked: &[ContactId],
    seen: &mut BTreeSet<ContactId>,
) -> Result<bool, SyncError> {
    pulse::beat();
    if crm.read_portal().await?.id != looker.portal {
        return Ok(false);
    }
    if !seen.is_empty() {
        return Ok(true);
    }
    let mut others = ctx.ledger.last_seen(looker, asked, PORTION).await?;
    if others.is_empty() {
        if ctx.ledger.last_seen(looker, &[], FEW + 1).await?.len() > FEW {
            return Ok(false);
        }
        pulse::beat();
        let page = crm.search_contacts(&ContactSearch::anybody()).await?;
        others.extend(page.contacts.first().map(|contact| contact.id));
    }
    if !others.is_empty() {
        seen.extend(ask_portal(crm, &others).await?.seen);
    }
    Ok(!seen.is_empty())
}

#[cfg(test)]
#[path = "deleted_tests.rs"]
mod tests;
