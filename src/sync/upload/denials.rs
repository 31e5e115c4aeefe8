//! Refusals that are about the account by their words: of a whole request, and of rows in a good answer. A conversion
//! of nobody decides whether they are ([`nobody`]). An ad network may deny a request for one of its rows in the words
//! that it has for credentials which may do nothing, and an action or a row in those that it has for an account which
//! may send nothing.

use super::Uploader;
use super::request::destinations_of;
use crate::ports::ledger::ActionKey;
use crate::ports::sink::{AsNobody, IngestError, Route};
use crate::ports::{Cause, UpstreamError};
use crate::registry::Routes;
use crate::sync::nobody::{self, Judgement};
use crate::sync::prepare::PreparedRow;

/// By what these rows are to be found.
fn by_of(rows: &[&PreparedRow]) -> AsNobody {
    AsNobody {
        click: rows.iter().any(|ready| ready.prepared.click.is_some()),
        identifiers: rows.iter().any(|ready| !ready.prepared.identifiers.is_empty()),
    }
}

/// By what the rows of an action are to be found.
pub(super) fn by_of_action(rows: &[PreparedRow], action: &ActionKey) -> AsNobody {
    let own: Vec<_> = rows.iter().filter(|ready| ready.action == *action).collect();
    by_of(&own)
}

impl Uploader {
    /// The failure of a request. Where the network denies it, and does not deny conversions of nobody as well, it is
    /// one that may pass, and that a row may be the reason of.
    pub(super) async fn weigh_denial(&self, way: &Route, rows: &[PreparedRow], failure: IngestError) -> IngestError {
        if !nobody::is_denial(&failure.error) {
            return failure;
        }
        let by = by_of(&rows.iter().collect::<Vec<_>>());
        let own = destinations_of(rows).into_iter().map(|action| (action, by)).collect();
        let shown = match nobody::judge_account(&self.ctx, &self.key, way, own, &self.refusals).await {
            Judgement::Denied => return failure,
            Judgement::LetIn => "a conversion of nobody would be taken",
            Judgement::Unanswered => "whether a conversion of nobody would be taken is not known",
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
            let Some(way) = routes.route_named(suspicion.route) else {
                continue;
            };
            let own = (suspicion.action, suspicion.by);
            let judgement = nobody::weigh_error(&self.ctx, &self.key, way, own, &suspicion.error, &self.refusals).await;
            if judgement == Judgement::LetIn {
                self.refusals.record_let_in(suspicion.route, self.ctx.clock.now());
            }
        }
    }
}
