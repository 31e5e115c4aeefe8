//! Accounts as the sync loops and the event controller see them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::wake::Wake;
use crate::api::{UploadApi, Uploads};
use crate::domain::click_window::ClickWindow;
use crate::domain::ids::{ActionId, AdAccountKey, CustomerId, ObjectKey};
use crate::domain::trigger::TriggerKind;
use crate::ports::GoogleClients;
use crate::ports::ads::{Attribution, ConversionAction, Customer, Goal};
use crate::ports::crm::{Crm, Form, Portal, Stage};
use crate::ports::sink::{ConversionSink, Route};

/// An account of either kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Account {
    /// A `GoogleAdsAccount`.
    Google(ObjectKey),
    /// A `HubSpotAccount`.
    HubSpot(ObjectKey),
}

impl Account {
    /// Wakes its controller.
    pub fn to_wake(self) -> Wake {
        match self {
            Self::Google(key) => Wake::Google(key),
            Self::HubSpot(key) => Wake::HubSpot(key),
        }
    }
}

/// Whether an account can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Yes.
    Ready,
    /// `spec.suspend`: read nothing, send nothing.
    Suspended,
    /// No; reason and message are those of its Ready condition.
    NotReady {
        /// CamelCase.
        reason: String,
        /// For people.
        message: String,
    },
}

/// One snapshot of a Google account's configuration, shared by all its events.
#[derive(Debug, Clone)]
pub struct GoogleSnapshot {
    /// The customer, read hourly.
    pub customer: Customer,
    /// All conversion actions of the owner account.
    pub actions: Arc<Vec<ConversionAction>>,
    /// The actions by the read before that one: a decision that can't be taken back needs two reads.
    pub before: Option<EarlierActions>,
    /// Account goals.
    pub goals: Arc<Vec<Goal>>,
    /// What Google attributes to the actions, and when that was read.
    pub attribution: Option<(Arc<Vec<Attribution>>, Timestamp)>,
    /// When the actions were read.
    pub read_at: Timestamp,
    /// The actions could not be read again since then.
    pub unread: bool,
}

/// The actions of an account by an earlier read.
#[derive(Debug, Clone)]
pub struct EarlierActions {
    pub actions: Arc<Vec<ConversionAction>>,
    pub read_at: Timestamp,
}

/// A `GoogleAdsAccount` object as the sync loops and the event controller see it.
#[derive(Clone)]
pub struct GoogleAccount {
    pub key: ObjectKey,
    /// `spec.customerId`.
    pub customer: CustomerId,
    /// `spec.loginCustomerId`.
    pub login: Option<CustomerId>,
    /// `spec.uploads`.
    pub uploads: Uploads,
    /// Clients of its credentials; `None` while they can't be made.
    pub clients: Option<GoogleClients>,
    /// Whether it can be used.
    pub readiness: Readiness,
    /// `None` until read once.
    pub snapshot: Option<Arc<GoogleSnapshot>>,
}

impl GoogleSnapshot {
    /// The click window of an action; `None` while it is not known. While the actions can't be read again, an earlier
    /// read does not count as a second one, so no conversion is left out because of it.
    pub fn click_window(&self, id: ActionId) -> Option<ClickWindow> {
        let before = self.before.as_ref().filter(|_| !self.unread);
        let before = before.map(|before| before.actions.as_slice());
        ClickWindow::of_action(id, &self.actions, before)
    }

    /// True if both reads of the actions say this of an action. `since` is when it was last known to be otherwise; a
    /// read before that proves nothing.
    pub fn both_reads_say(&self, id: &str, since: Timestamp, says: impl Fn(Option<&ConversionAction>) -> bool) -> bool {
        let reads = |actions: &[ConversionAction]| says(actions.iter().find(|action| action.id.to_string() == id));
        since < self.read_at
            && reads(&self.actions)
            && self
                .before
                .as_ref()
                .is_some_and(|before| since < before.read_at && reads(&before.actions))
    }

    /// This snapshot with a later read of the actions.
    pub(crate) fn with_later_actions(&self, actions: Vec<ConversionAction>, read_at: Timestamp) -> Self {
        let unchanged = *self.actions == actions;
        let before = if read_at > self.read_at {
            Some(EarlierActions {
                actions: Arc::clone(&self.actions),
                read_at: self.read_at,
            })
        } else {
            self.before.clone()
        };
        Self {
            actions: if unchanged {
                Arc::clone(&self.actions)
            } else {
                Arc::new(actions)
            },
            before,
            read_at,
            unread: false,
            ..self.clone()
        }
    }

    /// True if no action's click window has changed.
    pub(crate) fn same_windows(&self, other: &Self) -> bool {
        let of = |snapshot: &Self| {
            let ids = self.actions.iter().map(|action| action.id);
            ids.map(|id| snapshot.click_window(id)).collect::<Vec<_>>()
        };
        of(self) == of(other)
    }

    /// True if nothing differs but the times of the reads.
    fn same(&self, other: &Self) -> bool {
        let Self {
            customer,
            actions,
            before: _,
            goals,
            attribution,
            read_at: _,
            unread,
        } = self;
        let numbers = |a: &Option<(Arc<Vec<Attribution>>, Timestamp)>| a.as_ref().map(|(list, _)| Arc::clone(list));
        *customer == other.customer
            && *actions == other.actions
            && *goals == other.goals
            && *unread == other.unread
            && numbers(attribution) == numbers(&other.attribution)
    }
}

/// `new`, with the actions of `old` if those were read later.
pub(crate) fn newer_actions(old: &Arc<GoogleSnapshot>, new: &Arc<GoogleSnapshot>) -> Arc<GoogleSnapshot> {
    if old.read_at <= new.read_at || old.customer.conversion_customer != new.customer.conversion_customer {
        return Arc::clone(new);
    }
    Arc::new(GoogleSnapshot {
        actions: Arc::clone(&old.actions),
        before: old.before.clone(),
        read_at: old.read_at,
        unread: old.unread,
        ..new.as_ref().clone()
    })
}

/// The account object of an ad network as the sync loops see it.
#[derive(Clone)]
pub struct AdAccount {
    /// Whether it can be used.
    pub readiness: Readiness,
    /// The account that owns its actions; `None` until read once.
    pub owner: Option<AdAccountKey>,
    /// The routes of its conversions; `None` while its clients can't be made.
    pub routes: Option<Routes>,
    /// The services that take its conversions, also while its clients can't be made.
    pub services: UploadServices,
}

/// The routes of an account.
#[derive(Clone)]
pub struct Routes {
    /// For conversions of lifecycle events.
    pub stages: Route,
    /// For conversions of form events.
    pub forms: Route,
    /// Where to ask about accepted requests, including those that were sent before `spec.uploads` was changed.
    pub results: Arc<dyn ConversionSink>,
}

/// The services that take the conversions of an account, as errors name them.
#[derive(Clone, Copy)]
pub struct UploadServices {
    /// For conversions of lifecycle events.
    pub stages: &'static str,
    /// For conversions of form events.
    pub forms: &'static str,
}

impl AdAccount {
    /// Its routes, while it can be used.
    pub fn usable_routes(self) -> Option<Routes> {
        self.routes.filter(|_| self.readiness == Readiness::Ready)
    }

    /// The service that takes the conversions of events of this kind.
    pub const fn service_name(&self, kind: TriggerKind) -> &'static str {
        match kind {
            TriggerKind::Stage => self.services.stages,
            TriggerKind::Form => self.services.forms,
        }
    }
}

impl Routes {
    /// The route of the conversions of events of this kind.
    pub const fn route_for(&self, kind: TriggerKind) -> &Route {
        match kind {
            TriggerKind::Stage => &self.stages,
            TriggerKind::Form => &self.forms,
        }
    }

    /// The route of this name.
    pub fn route_named(&self, name: &str) -> Option<&Route> {
        [&self.stages, &self.forms]
            .into_iter()
            .find(|route| route.route_info().name == name)
    }
}

impl GoogleAccount {
    /// The conversion actions of the account that owns them; empty until they were read once.
    pub fn actions(&self) -> &[ConversionAction] {
        self.snapshot
            .as_ref()
            .map(|seen| seen.actions.as_slice())
            .unwrap_or_default()
    }

    /// As the sync loops see it.
    pub(crate) fn for_loops(&self) -> AdAccount {
        let routes = |clients: &GoogleClients| Routes {
            stages: match self.uploads.click_conversions {
                UploadApi::DataManager => Route::Polled(Arc::clone(&clients.sink)),
                UploadApi::GoogleAds => Route::AtOnce(Arc::clone(&clients.clicks)),
            },
            forms: match self.uploads.enhancements {
                UploadApi::DataManager => Route::Polled(Arc::clone(&clients.sink)),
                UploadApi::GoogleAds => Route::AtOnce(Arc::clone(&clients.enhancements)),
            },
            results: Arc::clone(&clients.sink),
        };
        AdAccount {
            readiness: self.readiness.clone(),
            owner: self
                .snapshot
                .as_ref()
                .map(|seen| seen.customer.conversion_customer.account_key()),
            routes: self.clients.as_ref().map(routes),
            services: UploadServices {
                stages: self.service_name(TriggerKind::Stage),
                forms: self.service_name(TriggerKind::Form),
            },
        }
    }

    /// The service that takes the conversions of events of this kind, as errors name it.
    pub const fn service_name(&self, kind: TriggerKind) -> &'static str {
        let api = match kind {
            TriggerKind::Stage => self.uploads.click_conversions,
            TriggerKind::Form => self.uploads.enhancements,
        };
        api.service_name()
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        let Self {
            key,
            customer,
            login,
            uploads,
            clients,
            readiness,
            snapshot,
        } = self;
        let same_clients = match (clients, &other.clients) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(&a.ads, &b.ads) && Arc::ptr_eq(&a.sink, &b.sink),
            _ => false,
        };
        let same_snapshot = match (snapshot, &other.snapshot) {
            (None, None) => true,
            (Some(a), Some(b)) => a.same(b),
            _ => false,
        };
        let same_spec =
            *key == other.key && *customer == other.customer && *login == other.login && *uploads == other.uploads;
        same_spec && same_clients && same_snapshot && *readiness == other.readiness
    }
}

/// The forms of a portal, as far as they are known. They are read only while an event names one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Forms {
    /// Not read.
    #[default]
    Unread,
    /// All but archived ones.
    Listed(Arc<Vec<Form>>),
    /// HubSpot does not let the token see them: why, for people.
    Denied(String),
    /// The list could not be read, and is asked for again: why, for people.
    Failed(String),
}

/// Whether the token may read deals. It is asked only while an event needs them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DealAccess {
    /// Not asked.
    #[default]
    Unasked,
    /// Yes.
    Granted,
    /// No: why, for people.
    Denied(String),
}

/// A `HubSpotAccount` object as the sync loops and the event controller see it.
#[derive(Clone)]
pub struct HubSpotAccount {
    pub key: ObjectKey,
    /// Client of its credentials; `None` while it can't be made.
    pub crm: Option<Arc<dyn Crm>>,
    /// Whether it can be used.
    pub readiness: Readiness,
    /// `None` until read once. Its id is the pinned one.
    pub portal: Option<Portal>,
    /// Options of `lifecyclestage`.
    pub stages: Arc<Vec<Stage>>,
    /// Names of all contact properties.
    pub properties: Arc<Vec<String>>,
    /// The portal's forms.
    pub forms: Forms,
    /// Whether the token may read deals.
    pub deals: DealAccess,
    /// `spec.interval`, but no less than `--min-interval`.
    pub interval: Duration,
    /// `spec.defaultRegion`.
    pub default_region: Option<String>,
}

impl HubSpotAccount {
    pub(crate) fn same(&self, other: &Self) -> bool {
        let Self {
            key,
            crm,
            readiness,
            portal,
            stages,
            properties,
            forms,
            deals,
            interval,
            default_region,
        } = self;
        let same_client = match (crm, &other.crm) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        let same_spec = *key == other.key && *interval == other.interval && *default_region == other.default_region;
        let same_names = *stages == other.stages && *properties == other.properties && *forms == other.forms;
        let same_portal = *portal == other.portal && *deals == other.deals && same_names;
        same_spec && same_client && same_portal && *readiness == other.readiness
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "accounts_tests.rs"]
mod tests;
