//! The rules of an event's reconcile, one by one, for whoever runs no
//! controller. Each judges one thing by what was read, and asks nobody.

use std::collections::HashMap;

use jiff::Timestamp;

pub use super::action::outcome::SEE_STALLED;
use super::action::{known_action, step_for};
use super::bidding::bidding_of;
pub use super::ownership::OLDER;
use super::ownership::{claim_through, older_rival};
pub use super::stall::Stall;
use super::stall::{self, Grounds};
pub use super::subject::Subject;
use super::trigger;
use crate::api::{AdConversionEventStatus, ConversionActionStatus, TriggerStatus};
use crate::controller::shared::lookup::{claimed_by, id_of};
use crate::domain::action::{ActionFields, ConversionAction};
use crate::domain::action_plan::{ActionStep, ShownActions};
use crate::domain::conditions::Status;
use crate::domain::declared::Declared;
use crate::domain::ids::{ActionId, ActionKey};
use crate::domain::ownership::{Claim, named_for};
use crate::domain::trigger::Trigger;
use crate::registry::{GoogleAccount, GoogleSnapshot, HubSpotAccount};

/// Of an action that is still to be created.
const NO_ID: ActionId = ActionId(0);

/// An event, and what is known of its accounts; what could not be read is `None`, and says nothing.
#[derive(Clone, Copy)]
pub struct Preview<'a> {
    pub declared: &'a Declared,
    /// The status, if an operator has looked at the event.
    pub status: Option<&'a AdConversionEventStatus>,
    pub google: Option<&'a GoogleAccount>,
    pub hubspot: Option<&'a HubSpotAccount>,
    pub now: Timestamp,
}

/// Another event, for questions of ownership.
#[derive(Clone, Copy)]
pub struct OtherEvent<'a> {
    pub declared: &'a Declared,
    pub status: Option<&'a AdConversionEventStatus>,
}

/// The other events, found by the conversion action that they want:
/// whoever judges many events does not go through all for each.
#[derive(Default)]
pub struct OtherEvents<'a> {
    by_action: HashMap<ActionId, Vec<OtherEvent<'a>>>,
    by_name: HashMap<String, Vec<OtherEvent<'a>>>,
}

impl<'a> FromIterator<OtherEvent<'a>> for OtherEvents<'a> {
    fn from_iter<T: IntoIterator<Item = OtherEvent<'a>>>(all: T) -> Self {
        let mut others = Self::default();
        for other in all {
            let has = other.status.and_then(|status| status.conversion_action.as_ref());
            let claimed = claimed_by(other.declared, has);
            if let Some(action) = claimed.action {
                others.by_action.entry(action).or_default().push(other);
            }
            if let Some(name) = claimed.creates {
                others.by_name.entry(name).or_default().push(other);
            }
        }
        others
    }
}

impl<'a> OtherEvents<'a> {
    /// Those that have, or name, this action.
    fn with_action(&self, id: ActionId) -> impl Iterator<Item = &OtherEvent<'a>> {
        self.by_action.get(&id).into_iter().flatten()
    }

    /// Those that may want what this one claims.
    fn near(&self, claim: &Claim) -> impl Iterator<Item = &OtherEvent<'a>> {
        let of_action = claim.action.and_then(|id| self.by_action.get(&id));
        let of_name = claim.creates.as_ref().and_then(|name| self.by_name.get(name));
        of_action.into_iter().chain(of_name).flatten()
    }
}

/// What the trigger is.
pub struct FoundTrigger {
    /// The stage or form; `None`: not known, or HubSpot does not have it.
    pub subject: Option<Subject>,
    /// As the status shows it.
    pub shown: Option<TriggerStatus>,
    /// HubSpot does not have what the manifest names.
    pub stall: Option<Stall>,
    claimed: Trigger,
}

impl<'a> Preview<'a> {
    fn snapshot(&self) -> Option<&'a GoogleSnapshot> {
        self.google?.snapshot.as_deref()
    }

    fn recorded(&self) -> Option<&'a ConversionActionStatus> {
        self.status?.conversion_action.as_ref()
    }

    /// Finds the stage or form.
    pub fn trigger(&self) -> FoundTrigger {
        let found = trigger::resolve_trigger(&self.declared.trigger, self.status, self.hubspot, true);
        FoundTrigger {
            subject: found.subject,
            shown: found.shown,
            stall: found.stall,
            claimed: found.claimed,
        }
    }

    /// Why the event would stall before its action is looked at,
    /// the first of all reasons; `others` as for [`Self::rival`].
    pub fn stall(&self, trigger: &FoundTrigger, others: &OtherEvents<'_>) -> Option<Stall> {
        let grounds = Grounds {
            declared: self.declared,
            recorded: self.recorded(),
            now: self.now,
            snapshot: self.snapshot(),
            hubspot: self.hubspot,
        };
        let rival = || self.rival(trigger, others);
        trigger
            .stall
            .clone()
            .or_else(|| stall::before_the_action(&grounds, rival))
    }

    /// The action is in another account than the one that Google names by now.
    pub fn action_elsewhere(&self) -> Option<Stall> {
        stall::action_elsewhere(self.recorded(), self.snapshot())
    }

    /// Shared data is declared and the customer data terms are not accepted.
    pub fn terms_not_accepted(&self) -> Option<Stall> {
        stall::terms_not_accepted(self.declared, self.snapshot())
    }

    /// The name of the action cannot be one.
    pub fn unprintable_name(&self) -> Option<Stall> {
        stall::unprintable_name(self.declared)
    }

    /// The start is still to come.
    pub fn future_start(&self) -> Option<Stall> {
        stall::future_start(self.declared, self.now)
    }

    /// A contact property that the manifest names does not exist.
    pub fn unknown_property(&self) -> Option<Stall> {
        stall::unknown_property(self.declared, self.hubspot)
    }

    /// Values come from deals, which the token may not read.
    pub fn deals_denied(&self) -> Option<Stall> {
        stall::deals_denied(self.declared, self.hubspot)
    }

    /// Form conversions would go to an account that takes none.
    pub fn manager_account(&self, subject: Option<&Subject>) -> Option<Stall> {
        stall::manager_account(subject, self.snapshot())
    }

    /// One of the `others`, which is older, has the action that this event wants.
    pub fn rival(&self, trigger: &FoundTrigger, others: &OtherEvents<'_>) -> Option<Stall> {
        let mine = self.claim(self.declared, self.status, &trigger.claimed)?;
        let claims = others
            .near(&mine)
            .filter(|other| other.declared.key != self.declared.key);
        let claims: Vec<Claim> = claims
            .filter(|other| other.declared.google == self.declared.google || owner_of(other.status).is_some())
            .filter_map(|other| {
                let claimed = trigger::claimed_trigger(&other.declared.trigger, other.status);
                self.claim(other.declared, other.status, &claimed)
            })
            .collect();
        older_rival(&mine, &claims)
    }

    fn claim(&self, declared: &Declared, status: Option<&AdConversionEventStatus>, trigger: &Trigger) -> Option<Claim> {
        let owner = self.snapshot()?.customer.conversion_customer.clone();
        // Portals of others are not read; that of this event is theirs where they name the same account.
        let portal = self.hubspot.filter(|hubspot| hubspot.key == declared.hubspot);
        let portal = portal
            .and_then(|hubspot| hubspot.portal.as_ref())
            .map(|portal| portal.id);
        Some(claim_through(declared, status, owner, trigger.in_portal(portal)))
    }

    /// The action that would be created.
    pub fn to_create(&self, subject: &Subject) -> ActionFields {
        self.declared.to_create(subject.trigger.stage())
    }

    /// The action as Google would have it once it is created; nothing while the account is not known.
    pub fn created_action(&self, subject: &Subject) -> Option<ConversionAction> {
        let owner = &self.snapshot()?.customer.conversion_customer;
        Some(ConversionAction::created(owner, NO_ID, &self.to_create(subject)))
    }

    /// What the operator would do about the conversion action; nothing while the account or the subject is not known.
    pub fn action_step(&self, subject: &Subject, others: &OtherEvents<'_>) -> Option<ActionStep> {
        let snapshot = self.snapshot()?;
        let owner = &snapshot.customer.conversion_customer;
        let recorded = self.recorded().cloned().unwrap_or_default();
        let known = known_action(&recorded);
        let full = self.to_create(subject);
        let names = [known.creating.as_deref(), full.name.as_deref()];
        let is_wanted = |action: &&ConversionAction| names.iter().flatten().any(|name| action.is_named(name));
        let candidates = snapshot.actions.iter().filter(is_wanted);
        let owned: Vec<(ActionId, String)> = candidates
            .filter_map(|action| {
                let other = others.with_action(action.id).find(|other| {
                    other.declared.key != self.declared.key
                        && owner_of(other.status) == Some(owner.as_str())
                        && id_of(other.status.and_then(|status| status.conversion_action.as_ref())) == Some(action.id)
                })?;
                Some((action.id, named_for(&self.declared.key.namespace, &other.declared.key)))
            })
            .collect();
        let seen = ShownActions {
            actions: &snapshot.actions,
            live: true,
            others: &owned,
        };
        Some(step_for(self.declared, &full, &known, seen))
    }

    /// The action with this id, as Google has it.
    pub fn action(&self, id: ActionId) -> Option<&'a ConversionAction> {
        self.snapshot()?.actions.iter().find(|action| action.id == id)
    }

    /// Where conversions for this action go.
    pub fn destination(&self, id: ActionId) -> Option<ActionKey> {
        Some(self.snapshot()?.customer.conversion_customer.action_key(id))
    }

    /// Whether Google bids by an action: status, reason and message of `CountedForBidding`.
    pub fn bidding(&self, action: &ConversionAction) -> Option<(Status, &'static str, String)> {
        Some(bidding_of(action, &self.snapshot()?.goals))
    }
}

/// The account that owns the action in a status, as it is written there.
fn owner_of(status: Option<&AdConversionEventStatus>) -> Option<&str> {
    status?.conversion_action.as_ref()?.customer_id.as_deref()
}
