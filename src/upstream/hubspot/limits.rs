//! Keeps calls within a portal's limits: slots (calls per window) and the gate (`Retry-After`).

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::debug;

use super::config::{HubSpotConfig, SERVICE};
use super::pace::{SearchPace, StatedPace};
use super::slots::{Slot, Slots};
use crate::domain::ids::PortalId;
use crate::ports::UpstreamError;
use crate::ports::crm::Quota;
use crate::upstream::http::gate::CallGates;

/// The bucket of a portal's limits in which a call counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bucket {
    /// Searches: a limit per second, without rate headers.
    Search,
    /// Everything else: a limit per ten seconds, stated in headers.
    Other,
    /// Reads of associations. They count with all others here, but HubSpot has a limit for them, which their headers
    /// may state.
    Associations,
    /// Token endpoints: not counted, but held back by the gate.
    Free,
}

/// The limits of one portal, shared by all its clients.
pub(crate) struct PortalLimits {
    search: Slots,
    search_pace: Mutex<SearchPace>,
    other: Slots,
    stated_pace: Mutex<StatedPace>,
    /// Shut after a 429 or any `Retry-After`: no call of the portal is sent before that has passed.
    gate: CallGates<()>,
    /// The calls of the day, as the latest answer stated them.
    pub(crate) quota: Mutex<Option<Quota>>,
}

impl PortalLimits {
    pub(crate) fn new(config: &HubSpotConfig) -> Self {
        Self {
            search: Slots::new(config.search),
            search_pace: Mutex::new(SearchPace::new(config.search.calls, config.most_searches)),
            other: Slots::new(config.other),
            stated_pace: Mutex::new(StatedPace::new(config.other.calls)),
            gate: CallGates::default(),
            quota: Mutex::default(),
        }
    }

    /// Waits for a turn. Drop the slot when the call has ended.
    pub(crate) async fn wait_for_slot(&self, bucket: Bucket) -> Option<Slot<'_>> {
        match bucket {
            Bucket::Search => self.search.acquire().await,
            Bucket::Other | Bucket::Associations => self.other.acquire().await,
            Bucket::Free => None,
        }
    }

    /// Waits until the gate is open. Fails at once if that would take longer than `longest`.
    pub(crate) async fn wait_until_open(&self, longest: Duration) -> Result<(), UpstreamError> {
        let give_up = tokio::time::Instant::now() + longest;
        let opened = self.gate.wait_until_open(&[()], give_up).await;
        opened.map_err(|shut| shut.into_error(SERVICE, SERVICE))
    }

    /// Shuts the gate for `wait` because of `error`; never shortens a longer wait.
    pub(crate) fn shut_gate(&self, wait: Duration, error: &UpstreamError) {
        self.gate.shut_for((), wait, error);
    }

    #[cfg(test)]
    pub(crate) fn paces(&self) -> (u32, u32) {
        (self.search.calls(), self.other.calls())
    }

    /// Notes how many calls HubSpot said it takes within this time.
    pub(crate) fn limit_stated(&self, calls: u32, within: Duration) {
        if within == self.other.window() {
            let calls = self.stated_pace.lock().limit_stated(calls, Instant::now());
            resize_slots(&self.other, calls);
        }
    }

    /// Notes that an answer stated no such limit.
    pub(crate) fn limit_unstated(&self) {
        let calls = self.stated_pace.lock().limit_unstated(Instant::now());
        resize_slots(&self.other, calls);
    }

    /// Notes that a search was answered; `waited`: it had waited for its turn.
    pub(crate) fn search_answered(&self, waited: bool) {
        let calls = self.search_pace.lock().search_answered(waited, Instant::now());
        resize_slots(&self.search, calls);
    }

    /// Notes that HubSpot refused a call as one too many.
    pub(crate) fn call_refused(&self, bucket: Bucket) {
        let now = Instant::now();
        match bucket {
            Bucket::Search => resize_slots(&self.search, self.search_pace.lock().search_refused(now)),
            Bucket::Other | Bucket::Associations => {
                resize_slots(&self.other, self.stated_pace.lock().call_refused(now));
            }
            Bucket::Free => {}
        }
    }
}

fn resize_slots(slots: &Slots, calls: u32) {
    if slots.calls() != calls {
        debug!(
            calls,
            window_ms = slots.window().as_millis(),
            "the pace of calls to HubSpot changed"
        );
        slots.resize_window(calls);
    }
}

/// The limits of the portals known by id, so that several tokens of one portal (several account objects, or a rotated
/// Secret) share one set.
#[derive(Default)]
pub(crate) struct Portals(Mutex<HashMap<PortalId, Weak<PortalLimits>>>);

impl Portals {
    /// The limits of this portal: known ones, which inherit the wait of `own`, or else `own`, which others will then
    /// share. `own` must not be shared yet.
    fn share_limits(&self, portal: PortalId, own: Arc<PortalLimits>) -> Arc<PortalLimits> {
        let mut known = self.0.lock();
        known.retain(|_, limits| limits.strong_count() > 0);
        if let Some(shared) = known.get(&portal).and_then(Weak::upgrade) {
            if let Some(shut) = own.gate.last_to_open(&[()]) {
                shared.gate.shut((), shut);
            }
            return shared;
        }
        known.insert(portal, Arc::downgrade(&own));
        own
    }
}

/// The limits that a client keeps: at first its own, and those of a portal once its account may use that portal.
pub(crate) struct Membership(Mutex<MembershipState>);

struct MembershipState {
    limits: Arc<PortalLimits>,
    portal: Option<PortalId>,
}

impl Membership {
    pub(crate) fn new(config: &HubSpotConfig) -> Self {
        Self(Mutex::new(MembershipState {
            limits: Arc::new(PortalLimits::new(config)),
            portal: None,
        }))
    }

    pub(crate) fn current_limits(&self) -> Arc<PortalLimits> {
        Arc::clone(&self.0.lock().limits)
    }

    /// Notes that the token opens this portal. A client of another portal leaves that one's limits, and keeps limits of
    /// its own again, with the slots and the wait. It does not join those of the new portal before the account may use
    /// it.
    pub(crate) fn opens_portal(&self, portal: PortalId, config: &HubSpotConfig) {
        let mut member = self.0.lock();
        if member.portal.is_some_and(|of| of != portal) {
            *member = MembershipState {
                limits: Arc::new(PortalLimits::new(config)),
                portal: None,
            };
        }
    }

    /// Notes that the account may use this portal: from now on the client shares the portal's limits.
    pub(crate) fn joins_portal(&self, portal: PortalId, portals: &Portals, config: &HubSpotConfig) {
        self.opens_portal(portal, config);
        let mut member = self.0.lock();
        if member.portal.is_none() {
            member.limits = portals.share_limits(portal, Arc::clone(&member.limits));
            member.portal = Some(portal);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::ports::Cause;

    const ONE: PortalId = PortalId(777);
    const TWO: PortalId = PortalId(778);

    fn together(a: &Membership, b: &Membership) -> bool {
        Arc::ptr_eq(&a.current_limits(), &b.current_limits())
    }

    #[tokio::test]
    async fn a_client_that_opens_another_portal_leaves_the_one_before() {
        let (portals, config) = (Portals::default(), HubSpotConfig::default());
        let clients: Vec<_> = (0..3).map(|_| Membership::new(&config)).collect();
        let [moves, stays, owner] = clients.as_slice() else {
            panic!("three");
        };
        let joins = |client: &Membership, portal| client.joins_portal(portal, &portals, &config);
        joins(moves, ONE);
        joins(stays, ONE);
        joins(moves, ONE);
        assert!(together(moves, stays));
        moves.opens_portal(ONE, &config);
        assert!(together(moves, stays), "the same portal");
        moves.opens_portal(TWO, &config);
        assert!(!together(moves, stays));
        joins(owner, TWO);
        assert!(!together(moves, owner), "nobody has let it in");
        let error = UpstreamError::new(SERVICE, Cause::RateLimited, "");
        stays.current_limits().shut_gate(Duration::from_hours(1), &error);
        joins(moves, TWO);
        assert!(together(moves, owner) && !together(owner, stays));
        owner.current_limits().wait_until_open(Duration::ZERO).await.unwrap();
        // Also where no other client of the new portal is known.
        drop(clients);
        let clients: Vec<_> = (0..3).map(|_| Membership::new(&config)).collect();
        let [moves, stays, late] = clients.as_slice() else {
            panic!("three");
        };
        joins(moves, ONE);
        joins(stays, ONE);
        joins(moves, TWO);
        joins(late, TWO);
        assert!(together(moves, late) && !together(late, stays));
        joins(moves, ONE);
        assert!(together(moves, stays), "back");
    }
}
