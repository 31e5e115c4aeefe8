//! Refusals that claim to be about the account while results are asked for: of single actions in the status of a
//! request, and of the question itself. New credentials may not see what the old ones sent, and one action may be
//! refused in the same words as an account. A dummy conversion decides ([`account_judgement`]).

use jiff::Timestamp;

use super::Poller;
use crate::domain::codes::Code;
use crate::ports::UpstreamError;
use crate::ports::ledger::{ActionKey, OpenRequest};
use crate::ports::sink::{DummyIdentity, Route, RouteInfo};
use crate::registry::Routes;
use crate::sync::account_judgement::{self, Judgement};
use crate::sync::delivery::{self, Delivery};
use crate::sync::refusals::Suspicion;

/// Most conversions are attributed by their click id.
const BY_CLICK: DummyIdentity = DummyIdentity {
    click: true,
    identifiers: false,
};

impl Poller {
    /// Whether a denial is, as far as is known, about this request alone.
    pub(super) fn is_its_own(&mut self, request: &OpenRequest, error: &UpstreamError) -> bool {
        if !error.is_coded_answer() || !error.needs_a_person() {
            return false;
        }
        self.denied.record_denied(request, error, self.ctx.clock.now());
        true
    }

    /// What the rows of an action came to says something of the account too.
    pub(super) fn note_delivery(&mut self, route: RouteInfo, action: &ActionKey, found: &Delivery, now: Timestamp) {
        match found {
            Delivery::Open => self.refusals.record_taken(action, now),
            Delivery::Refused(code) => self.note_refused(route, action, code, now),
            // The request as a whole was accepted, so the route works; the rows get their results.
            Delivery::Failed(..) => {}
        }
    }

    fn note_refused(&mut self, route: RouteInfo, action: &ActionKey, code: &Code, now: Timestamp) {
        let Some(error) = delivery::account_error(code, route) else {
            return;
        };
        let suspicion = Suspicion {
            route: route.name,
            action: action.clone(),
            by: BY_CLICK,
            error,
        };
        self.refusals.record_refused(suspicion, now);
    }

    /// Tells the account's controller what was said of the account in this round, where it is a matter of the account.
    pub(super) async fn weigh_refusals(&mut self, routes: &Routes) {
        let by_poll = Route::Polled(routes.results.clone());
        for Suspicion {
            route,
            action,
            by,
            error,
        } in self.refusals.take_suspicions(self.ctx.clock.now())
        {
            if self.judge(&by_poll, (action, by), &error).await == Judgement::LetIn {
                self.refusals.record_let_in(route, self.ctx.clock.now());
            }
        }
        if let Some((action, error)) = self.denied.take_suspicion()
            && self.judge(&by_poll, (action, BY_CLICK), &error).await == Judgement::LetIn
        {
            self.denied.record_let_in(self.ctx.clock.now());
        }
    }

    async fn judge(&self, route: &Route, own: (ActionKey, DummyIdentity), error: &UpstreamError) -> Judgement {
        account_judgement::weigh_error(&self.ctx, &self.key, route, own, error, &self.refusals).await
    }
}
