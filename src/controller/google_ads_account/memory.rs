//! What is remembered about a Google account between two passes.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::interval_backoff::IntervalBackoff;
use crate::controller::shared::account::kind::AccountMemory;
use crate::controller::shared::account::state::AccountState;
use crate::ports::GoogleClients;
use crate::ports::ads::{Attribution, Customer, Goal};
use crate::registry::GoogleSnapshot;

/// Name of a list that is read of a customer, for messages.
pub(super) type List = &'static str;
pub(super) const GOALS: List = "the conversion goals";
pub(super) const ACTIONS: List = "the conversion actions";

/// What is remembered about a Google account. No `Debug`: the clients hold tokens.
#[derive(Default)]
pub struct GoogleMemory {
    pub(super) state: AccountState,
    pub(super) clients: Option<GoogleClients>,
    pub(super) customer: Option<(Customer, Timestamp)>,
    pub(super) goals: Option<(Arc<Vec<Goal>>, Timestamp)>,
    pub(super) attribution: Option<(Arc<Vec<Attribution>>, Timestamp)>,
    pub(super) attribution_asked: Option<Timestamp>,
    pub(super) intervals: IntervalBackoff,
    /// Lists that could not be read when they were last asked for: why, and when that was.
    pub(super) unread: BTreeMap<List, (String, Timestamp)>,
}

impl AccountMemory for GoogleMemory {
    fn account_state(&self) -> &AccountState {
        &self.state
    }

    fn state_mut(&mut self) -> &mut AccountState {
        &mut self.state
    }
}

impl GoogleMemory {
    /// When a list was last asked for in vain, if it was not read since.
    pub(super) fn failed_at(&self, list: List) -> Option<Timestamp> {
        self.unread.get(list).map(|(_, at)| *at)
    }

    /// The snapshot as it is now: actions from the registry, where
    /// event controllers refresh them too, the rest from here.
    pub(super) fn current_snapshot(&self, registered: Option<&GoogleSnapshot>) -> Option<Arc<GoogleSnapshot>> {
        let ((customer, _), (goals, _), registered) = (self.customer.as_ref()?, self.goals.as_ref()?, registered?);
        if customer.conversion_customer != registered.customer.conversion_customer {
            return None;
        }
        Some(Arc::new(GoogleSnapshot {
            customer: customer.clone(),
            actions: Arc::clone(&registered.actions),
            before: registered.before.clone(),
            goals: Arc::clone(goals),
            attribution: self.attribution.clone(),
            read_at: registered.read_at,
            unread: self.failed_at(ACTIONS).is_some(),
        }))
    }
}
