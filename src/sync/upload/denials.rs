//! Refusals that claim to be about the account: of a whole request, and of rows in a good
//! answer. An ad network may deny a request because of one of its rows in the same words as
//! it denies credentials that may do nothing, and an action or a row in the same words as
//! an account that may send nothing. A dummy conversion decides ([`account_judgement`]).

use super::Uploader;
use super::request::destinations_of;
use crate::ports::ledger::ActionKey;
use crate::ports::sink::{DummyIdentity, IngestError, Route};
use crate::ports::{Cause, UpstreamError};
use crate::registry::Routes;
use crate::sync::account_judgement::{self, Judgement};
use crate::sync::prepare::PreparedRow;

/// What these rows are attributed by: click ids, identifiers or both.
fn by_of(rows: &[&PreparedRow]) -> DummyIdentity {
    DummyIdentity {
        click: rows.iter().any(|ready| ready.prepared.click.is_some()),
        identifiers: rows.iter().any(|ready| !ready.prepared.identifiers.is_empty()),
    }
}

/// What the rows of an action are attributed by.
pub(super) fn by_of_action(rows: &[PreparedRow], action: &ActionKey) -> DummyIdentity {
    let own: Vec<_> = rows.iter().filter(|ready| ready.action == *action).collect();
    by_of(&own)
}

impl Uploader {
    /// The failure of a request. Where the network denies it, and does not deny dummy conversions as well, it is
    /// one that may pass, and that a row may be the reason of.
    pub(super) async fn weigh_denial(&self, route: &Route, rows: &[PreparedRow], failure: IngestError) -> IngestError {
        if !account_judgement::is_denial(&failure.error) {
            return failure;
        }
        let by = by_of(&rows.iter().collect::<Vec<_>>());
        let own = destinations_of(rows).into_iter().map(|action| (action, by)).collect();
        let shown = match account_judgement::judge_account(&self.ctx, &self.key, route, own, &self.refusals).await {
            Judgement::Denied => return failure,
            Judgement::LetIn => "a dummy conversion would be accepted",
            Judgement::Unanswered => "whether a dummy conversion would be accepted is not known",
        };
        UpstreamError {
            cause: Cause::Unavailable,
            message: format!("{}; {shown}", failure.error.message),
            ..failure.error
        }
        .into()
    }

    /// Tells the account's controller what was refused in rows of this round, where it is a matter of the account.
    pub(super) async fn weigh_refusals(&mut self, routes: &Routes) {
        for suspicion in self.refusals.take_suspicions(self.ctx.clock.now()) {
            let Some(route) = routes.route_named(suspicion.route) else {
                continue;
            };
            let own = (suspicion.action, suspicion.by);
            let judgement =
                account_judgement::weigh_error(&self.ctx, &self.key, route, own, &suspicion.error, &self.refusals)
                    .await;
            if judgement == Judgement::LetIn {
                self.refusals.record_let_in(suspicion.route, self.ctx.clock.now());
            }
        }
    }
}
