//! Retention: archives what was settled long ago and erases what names
//! contacts that were deleted long ago, now and then, a little at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::context::SyncContext;
use crate::domain::brief::brief;
use crate::domain::ids::ContactId;
use crate::ports::pulse;

/// Rows archived in one write, so that uploads never wait long for it.
const PORTION: usize = 2_000;
/// Between two portions.
const BREATH: Duration = Duration::from_millis(200);
/// Between two rounds; no longer than the retention itself.
const ROUND: Duration = Duration::from_hours(1);
/// How often waits that are too long are looked for.
const WAITS: Duration = Duration::from_mins(1);
/// How often the clock is looked at: whether it was put right, and whether a round may begin that has waited for it.
const TICK: Duration = Duration::from_secs(5);

/// The clocks of two hosts may be so far apart.
const APART: SignedDuration = SignedDuration::from_mins(2);

/// Contacts that are looked at in one write of the erasure.
const ERASED: usize = 200;

/// What an account has found is kept so many times as long as a contact must be missing: it counts for one such time.
const KEPT: i32 = 2;

/// Archives and erases until stopped. Not while another task writes a lot: each portion is a short write. Nothing of it
/// can be taken back, so a round waits until the time is certain.
pub async fn run_retention(ctx: Arc<SyncContext>, stop: CancellationToken) {
    let pause = ROUND.min(ctx.settings.retention.unsigned_abs()).max(BREATH);
    let mut waits = WaitUpkeep::default();
    let mut last_round: Option<Instant> = None;
    loop {
        waits.keep_up(&ctx).await;
        let certain = ctx.clock.known_time().certain;
        let is_due = last_round.is_none_or(|last| last.elapsed() >= pause);
        if is_due && certain > Timestamp::MIN {
            last_round = Some(Instant::now());
            if !run_round(&ctx, certain, &stop).await {
                return;
            }
        }
        if stopped_within(&stop, pause.min(TICK)).await {
            return;
        }
    }
}

/// False: stopped.
async fn run_round(ctx: &SyncContext, now: Timestamp, stop: &CancellationToken) -> bool {
    archive_rows(ctx, now, stop).await && erase_missing(ctx, now, stop).await && forget_looks(ctx, now, stop).await
}

/// Waits in the ledger that were written under a clock that was wrong.
#[derive(Default)]
struct WaitUpkeep {
    /// By how much the clock was ahead, as long as the ledger's waits are still later by as much.
    ahead: SignedDuration,
    /// It was looked for what a process before has written under a clock that was further ahead.
    looked_back: bool,
    /// When waits that are too long were looked for last.
    looked: Option<Instant>,
}

impl WaitUpkeep {
    /// Ends waits that are too long now and then, and brings all forward as soon as the clock was put right.
    async fn keep_up(&mut self, ctx: &SyncContext) {
        self.ahead = self.ahead.max(ctx.clock.take_ahead());
        if self.ahead.is_zero() {
            self.look_back(ctx).await;
        }
        if self.ahead.is_positive() {
            match ctx.ledger.bring_forward(self.ahead, ctx.clock.now()).await {
                Ok(_) => (self.ahead, self.looked_back) = (SignedDuration::ZERO, false),
                Err(error) => warn!(
                    error = brief(&error),
                    "waits that were written under a wrong clock could not be brought forward; the operator tries again"
                ),
            }
        }
        if self.looked.is_some_and(|last| last.elapsed() < WAITS) {
            return;
        }
        self.looked = Some(Instant::now());
        let longest = ctx.settings.longest_wait();
        if let Err(error) = ctx.ledger.end_long_waits(longest, ctx.clock.now()).await {
            warn!(
                error = brief(&error),
                "waits that are too long could not be ended; the operator tries again later"
            );
        }
    }

    /// Once the time is certain: a process before may have ended before its clock was put right. How long ago that was
    /// nobody knows, and so not by how much its waits are too late: all are looked at now.
    async fn look_back(&mut self, ctx: &SyncContext) {
        let known = ctx.clock.known_time();
        if self.looked_back || known.certain == Timestamp::MIN {
            return;
        }
        match ctx.ledger.waits_set_by().await {
            Ok(latest) => {
                self.looked_back = true;
                if latest.is_some_and(|latest| latest.duration_since(known.now) > APART) {
                    self.ahead = SignedDuration::MAX;
                }
            }
            Err(error) => warn!(
                error = brief(&error),
                "waits that were written under a wrong clock could not be looked for; the operator tries again"
            ),
        }
    }
}

/// One round of folding; false: stopped.
async fn archive_rows(ctx: &SyncContext, now: Timestamp, stop: &CancellationToken) -> bool {
    let before = now.saturating_sub(ctx.settings.retention).unwrap_or(Timestamp::MIN);
    let mut folded = 0;
    loop {
        pulse::beat();
        match ctx.ledger.archive_rows(before, PORTION).await {
            Ok(0) => break,
            Ok(rows) => folded += rows,
            Err(error) => {
                warn!(
                    error = brief(&error),
                    "settled conversions could not be archived; they stay until the next round"
                );
                break;
            }
        }
        if stopped_within(stop, BREATH).await {
            return false;
        }
    }
    if folded > 0 {
        info!(rows = folded, %before, "conversions settled before then are kept as totals");
    }
    true
}

/// One round of erasure; false: stopped.
async fn erase_missing(ctx: &SyncContext, now: Timestamp, stop: &CancellationToken) -> bool {
    let (missing_for, mut behind, mut gone) = (ctx.settings.missing_for(), None, 0);
    loop {
        pulse::beat();
        match ctx.ledger.erase_contacts(missing_for, behind, ERASED, now).await {
            Ok(erased) => {
                gone += erased.contacts.len();
                let contacts: BTreeSet<ContactId> = erased.contacts.into_iter().map(|(_, id)| id).collect();
                if !contacts.is_empty() {
                    ctx.registry.forget_contacts(&contacts);
                }
                behind = erased.behind;
            }
            Err(error) => {
                warn!(
                    error = brief(&error),
                    "ids of contacts that HubSpot has deleted could not be erased; they stay until the next round"
                );
                break;
            }
        }
        if behind.is_none() {
            break;
        }
        if stopped_within(stop, BREATH).await {
            return false;
        }
    }
    if gone > 0 {
        info!(
            contacts = gone,
            "contacts that HubSpot deleted long ago are erased from the ledger"
        );
    }
    true
}

/// One round over what accounts have found that look no longer:
/// they are gone, or suspended for very long; false: stopped.
async fn forget_looks(ctx: &SyncContext, now: Timestamp, stop: &CancellationToken) -> bool {
    let span = ctx.settings.missing_for().saturating_mul(KEPT);
    let before = now.saturating_sub(span).unwrap_or(Timestamp::MIN);
    loop {
        pulse::beat();
        match ctx.ledger.forget_looks(before, PORTION).await {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                warn!(
                    error = brief(&error),
                    "notes about accounts that are gone could not be removed; they stay until the next round"
                );
                return true;
            }
        }
        if stopped_within(stop, BREATH).await {
            return false;
        }
    }
}

async fn stopped_within(stop: &CancellationToken, pause: Duration) -> bool {
    pulse::rest(pause);
    tokio::time::timeout(pause, stop.cancelled()).await.is_ok()
}
