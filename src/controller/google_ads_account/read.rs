//! Reads of a Google account's configuration: one snapshot per account object, shared by all its events.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::lists::failure_of_list;
use super::memory::{ACTIONS, GOALS, GoogleMemory, List};
use crate::api::Uploads;
use crate::api::reasons::reason;
use crate::controller::shared::account::state::is_due;
use crate::controller::shared::context::Context;
use crate::domain::action::ENABLED;
use crate::domain::brief::{brief, brief_name};
use crate::domain::ids::{CustomerId, ObjectKey};
use crate::domain::time::later;
use crate::ports::ads::{ConversionAction, Customer, Goal};
use crate::ports::{Cause, GoogleClients, UpstreamError};
use crate::registry::{Account, GoogleAccount, GoogleSnapshot, Readiness};

/// Customer and goals are read this much less often than actions: hourly where those are read every ten minutes.
const SLOWER: u32 = 6;

/// An account, and the clients it is read with.
#[derive(Clone, Copy)]
pub(crate) struct ReadTarget<'a> {
    pub ctx: &'a Context,
    pub key: &'a ObjectKey,
    pub customer: &'a CustomerId,
    pub clients: &'a GoogleClients,
}

/// What a pass reads besides what is due by its interval.
#[derive(Clone, Copy)]
pub(crate) struct ReadScope {
    /// Everything: somebody changed something, or asked.
    pub everything: bool,
    /// The customer: something may be wrong with the account.
    pub customer: bool,
}

/// Reads what is due. The outcome is noted in the memory and the registry.
pub(crate) async fn read_due(target: ReadTarget<'_>, memory: &mut GoogleMemory, scope: ReadScope) {
    let ReadTarget {
        ctx,
        key,
        customer,
        clients,
    } = target;
    let scope = ReadScope {
        customer: scope.customer || memory.state.health.failing_since().is_some(),
        ..scope
    };
    let reader = AccountReader {
        ctx,
        key,
        customer,
        clients,
        memory: &mut *memory,
        scope,
        verified: false,
        asked: false,
    };
    let result = reader.read().await;
    let now = ctx.clock.now();
    match result {
        Ok(false) => {}
        Ok(true) => {
            memory.state.checked = Some(now);
            memory.state.check_succeeded();
            memory.intervals.read_succeeded(now);
        }
        Err(error) => {
            memory.state.checked = Some(now);
            if error.cause == Cause::QuotaExhausted {
                memory.intervals.quota_exhausted(now);
            }
            tracing::warn!(account = %key, error = brief(&error), "a Google Ads account could not be read");
            let fault = memory.state.to_fault(&error);
            memory.state.check_failed(fault, now);
        }
    }
}

/// How often actions, and customer and goals, are read; all of it sooner while an event is stalled for something that
/// Google may show to be over.
fn read_intervals(ctx: &Context, key: &ObjectKey, memory: &GoogleMemory) -> (Duration, Duration) {
    let refresh = memory.intervals.lengthen(ctx.settings.google_refresh_interval);
    let slowly = refresh.saturating_mul(SLOWER);
    if !ctx.rereads.is_needed(&Account::Google(key.clone())) {
        return (refresh, slowly);
    }
    let probe = memory.intervals.lengthen(ctx.settings.stalled_probe_interval);
    (refresh.min(probe), slowly.min(probe))
}

/// One pass over what there is to read.
struct AccountReader<'a> {
    ctx: &'a Context,
    key: &'a ObjectKey,
    customer: &'a CustomerId,
    clients: &'a GoogleClients,
    memory: &'a mut GoogleMemory,
    scope: ReadScope,
    /// The customer was read in this pass.
    verified: bool,
    /// Google was asked.
    asked: bool,
}

impl AccountReader<'_> {
    /// True if Google was asked.
    async fn read(mut self) -> Result<bool, UpstreamError> {
        let (refresh, slowly) = read_intervals(self.ctx, self.key, self.memory);
        let read = self.memory.customer.as_ref().map(|(_, at)| *at);
        if self.scope.customer || self.is_due(read, slowly) {
            self.read_customer().await?;
        }
        let Some(owner) = self
            .memory
            .known_customer()
            .map(|read| read.conversion_customer.clone())
        else {
            return Ok(self.asked);
        };
        let registered = self
            .ctx
            .registry
            .google_account(self.key)
            .and_then(|account| account.snapshot);
        let registered = registered.filter(|snapshot| snapshot.customer.conversion_customer == owner);
        if registered.is_none() || self.ctx.registry.take_goals_changed(self.key) {
            self.memory.goals = None;
        }
        self.read_goals(&owner, registered.as_deref(), (refresh, slowly))
            .await?;
        self.read_actions(&owner, registered.as_deref(), refresh).await?;
        self.read_attribution().await;
        Ok(self.asked)
    }

    fn is_due(&self, last: Option<Timestamp>, interval: Duration) -> bool {
        self.scope.everything || is_due(last, interval, self.ctx.clock.now())
    }

    /// A list of which nothing is known is always due; one that could
    /// not be read again, after a shorter wait than `interval`.
    fn is_list_due(&self, list: List, read: Option<Timestamp>, interval: Duration) -> bool {
        match self.memory.failed_at(list).filter(|_| read.is_some()) {
            Some(failed) => self.is_due(Some(failed), retry_interval(self.ctx, self.memory)),
            None => self.is_due(read, interval),
        }
    }

    async fn read_customer(&mut self) -> Result<(), UpstreamError> {
        (self.asked, self.verified) = (true, true);
        let read = agreed_customer(self.clients, self.customer, self.memory.known_customer()).await?;
        self.memory.customer = Some((read, self.ctx.clock.now()));
        Ok(())
    }

    /// The list as it was read; `None` where it can't be, and the customer can.
    async fn list_read<T>(&mut self, list: List, read: Result<T, UpstreamError>) -> Result<Option<T>, UpstreamError> {
        self.asked = true;
        let error = match failure_of_list(read).inspect_err(|_| self.memory.list_read(list))? {
            Ok(read) => {
                self.memory.list_read(list);
                return Ok(Some(read));
            }
            Err(error) => error,
        };
        if !self.verified {
            self.read_customer().await?;
        }
        self.memory.list_failed(self.key, list, &error, self.ctx.clock.now());
        Ok(None)
    }

    /// Google adds a goal by itself with the first action of its kind: until it is listed, goals are read like actions.
    /// They are read as often if the operator manages them.
    async fn read_goals(
        &mut self,
        owner: &CustomerId,
        registered: Option<&GoogleSnapshot>,
        (refresh, slowly): (Duration, Duration),
    ) -> Result<(), UpstreamError> {
        let managed = self.ctx.caches.manages_goals(self.key);
        let pause = match (registered, &self.memory.goals) {
            (Some(snapshot), Some((goals, _))) if managed || lacks_a_goal(&snapshot.actions, goals) => refresh,
            _ => slowly,
        };
        let read = self.memory.goals.as_ref().map(|(_, at)| *at);
        if !self.is_list_due(GOALS, read, pause) {
            return Ok(());
        }
        let read = self.clients.ads.read_goals(owner).await;
        let now = self.ctx.clock.now();
        if let Some(goals) = self.list_read(GOALS, read).await? {
            self.memory.goals = Some((Arc::new(goals), now));
        }
        // Without any goals the conditions say nothing about them, and conversions are still sent.
        self.memory.goals.get_or_insert_with(|| (Arc::default(), now));
        Ok(())
    }

    /// Before there is a first list nobody knows which actions there are.
    async fn read_actions(
        &mut self,
        owner: &CustomerId,
        registered: Option<&GoogleSnapshot>,
        refresh: Duration,
    ) -> Result<(), UpstreamError> {
        let read = registered.map(|snapshot| snapshot.read_at);
        if !self.is_list_due(ACTIONS, read, refresh) {
            return Ok(());
        }
        let read_at = self.ctx.clock.now();
        let read = self.clients.ads.read_actions(owner).await;
        let actions = if registered.is_some() {
            self.list_read(ACTIONS, read).await?
        } else {
            self.asked = true;
            self.memory.list_read(ACTIONS);
            Some(read?)
        };
        if let Some(actions) = actions {
            self.register_actions(owner, actions, read_at);
        }
        Ok(())
    }

    /// Reads what Google attributes, for accounts that have events: of the account itself,
    /// whoever owns the actions, because Google has no metrics for a manager. Nothing
    /// waits for these numbers: a failure is logged and the next interval tries again.
    async fn read_attribution(&mut self) {
        let interval = self.memory.intervals.lengthen(self.ctx.settings.attribution_interval);
        let now = self.ctx.clock.now();
        let used = !self.ctx.registry.events_of_ad_account(self.key).is_empty();
        let manager = self.memory.known_customer().is_some_and(|customer| customer.manager);
        if !used || manager || !is_due(self.memory.attribution_asked, interval, now) {
            return;
        }
        self.memory.attribution_asked = Some(now);
        match self.clients.ads.read_attribution(self.customer).await {
            Ok(read) => self.memory.attribution = Some((Arc::new(read), now)),
            Err(error) => {
                tracing::warn!(account = %self.key, error = brief(&error), "attributed conversions could not be read");
            }
        }
    }

    /// Puts freshly read actions into the registry, where event controllers look for them and may refresh them too.
    fn register_actions(&self, owner: &CustomerId, actions: Vec<ConversionAction>, read_at: Timestamp) {
        let (Some((read, _)), Some((goals, _))) = (&self.memory.customer, &self.memory.goals) else {
            return;
        };
        let account = self.ctx.registry.google_account(self.key);
        let known = account.as_ref().and_then(|a| a.snapshot.as_ref());
        if known.is_some_and(|snapshot| snapshot.customer.conversion_customer == *owner) {
            if let Some((_, true)) = self.ctx.registry.set_google_actions(self.key, owner, actions, read_at) {
                self.ctx.wake_events_of(&Account::Google(self.key.clone()));
            }
            return;
        }
        let snapshot = GoogleSnapshot {
            customer: read.clone(),
            actions: Arc::new(actions),
            before: None,
            goals: Arc::clone(goals),
            attribution: self.memory.attribution.clone(),
            read_at,
            unread: false,
        };
        let base = account.unwrap_or_else(|| unread_account(self.key, self.customer));
        let changed = self.ctx.registry.set_google(GoogleAccount {
            snapshot: Some(Arc::new(snapshot)),
            ..base
        });
        // The end of the pass would find nothing changed any more, so
        // events whose action is in the account of before are woken here.
        if changed {
            self.ctx.wake_events_of(&Account::Google(self.key.clone()));
        }
    }
}

/// An account as it is registered until the end of its first pass sets what it is.
fn unread_account(key: &ObjectKey, customer: &CustomerId) -> GoogleAccount {
    GoogleAccount {
        key: key.clone(),
        customer: customer.clone(),
        login: None,
        uploads: Uploads::default(),
        clients: None,
        readiness: Readiness::NotReady {
            reason: reason::PROGRESSING.to_owned(),
            message: "The account is being read.".to_owned(),
        },
        snapshot: None,
    }
}

/// How soon a list that could not be read is asked for again.
fn retry_interval(ctx: &Context, memory: &GoogleMemory) -> Duration {
    memory.intervals.lengthen(ctx.settings.account_check_interval)
}

/// The customer. What is not as it was `before` counts once a second read agrees: by it an action is created in this
/// account or another one, and events stall.
pub(super) async fn agreed_customer(
    clients: &GoogleClients,
    id: &CustomerId,
    before: Option<&Customer>,
) -> Result<Customer, UpstreamError> {
    let first = with_short_names(clients.ads.read_customer(id).await?);
    let counts = |customer: &Customer| before.is_some_and(|before| decides_alike(before, customer));
    if counts(&first) {
        return Ok(first);
    }
    let second = with_short_names(clients.ads.read_customer(id).await?);
    if decides_alike(&second, &first) || counts(&second) {
        return Ok(second);
    }
    let message = "two answers about the customer differ";
    Err(UpstreamError::new("Google Ads", Cause::Malformed, message))
}

/// True if two answers differ in nothing that anything follows
/// from: the name, the currency and the time zone are only shown.
fn decides_alike(one: &Customer, other: &Customer) -> bool {
    let shown_like = |customer: &Customer| Customer {
        descriptive_name: None,
        currency_code: None,
        time_zone: None,
        ..customer.clone()
    };
    shown_like(one) == shown_like(other)
}

/// The customer, with names that fit into a status.
fn with_short_names(customer: Customer) -> Customer {
    let fit = |text: Option<String>| text.as_deref().map(brief_name);
    Customer {
        descriptive_name: fit(customer.descriptive_name),
        currency_code: fit(customer.currency_code),
        time_zone: fit(customer.time_zone),
        conversion_tracking_id: fit(customer.conversion_tracking_id),
        conversion_tracking_status: fit(customer.conversion_tracking_status),
        enablement: fit(customer.enablement),
        ..customer
    }
}

/// True if an action that counts has no goal among these.
fn lacks_a_goal(actions: &[ConversionAction], goals: &[Goal]) -> bool {
    actions
        .iter()
        .any(|a| a.status == ENABLED && a.goal_in(goals).is_none())
}

/// When the next read is due.
pub(crate) fn next_due(
    ctx: &Context,
    key: &ObjectKey,
    memory: &GoogleMemory,
    snapshot: Option<&GoogleSnapshot>,
) -> Option<Timestamp> {
    let (refresh, slowly) = read_intervals(ctx, key, memory);
    let retry = retry_interval(ctx, memory);
    let next = |list: List, read: Option<Timestamp>, interval| match memory.failed_at(list) {
        Some(failed) => Some(later(failed, retry)),
        None => read.map(|at| later(at, interval)),
    };
    let customer = memory.customer.as_ref().map(|(_, at)| later(*at, slowly));
    let goals = next(GOALS, memory.goals.as_ref().map(|(_, at)| *at), slowly);
    let actions = next(ACTIONS, snapshot.map(|snapshot| snapshot.read_at), refresh);
    [customer, goals, actions].into_iter().flatten().min()
}
