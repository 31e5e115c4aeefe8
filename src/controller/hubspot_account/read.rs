//! Reads of a HubSpot account: the portal behind the token, what the token may do, stages and properties.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::lists::{KnownLists, ListReader};
use crate::api::HubSpotAccount as Manifest;
use crate::api::reasons::reason;
use crate::controller::shared::account::state::AccountState;
use crate::controller::shared::context::{Context, Settings};
use crate::controller::shared::lookup::Lookup;
use crate::controller::shared::object::Object as _;
use crate::controller::shared::references;
use crate::domain::account_health::{AccountFault, FaultKind};
use crate::domain::brief;
use crate::domain::ids::{ObjectKey, PortalId};
use crate::domain::portal_pin::{PortalPin, PortalWitnesses, agreed_currency, is_currency_doubtful};
use crate::domain::time::later;
use crate::ports::UpstreamError;
use crate::ports::crm::{Crm, Portal, Stage};
use crate::ports::ledger::LedgerResult;
use crate::registry::{Account, DealAccess, Forms};

/// The scope without which nothing can be read. Every other is asked for by the events that need it, and only they wait
/// for it.
const CONTACTS: &str = "crm.objects.contacts.read";
/// How many checks of the Secret pass between two reads: a quarter of an hour at one check a minute.
const CHECKS: u32 = 15;

/// Time between two reads if nothing is wrong.
pub(super) fn read_interval(settings: &Settings) -> Duration {
    settings.account_check_interval.saturating_mul(CHECKS)
}

/// What is known about the portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PortalSnapshot {
    pub portal: Portal,
    pub stages: Arc<Vec<Stage>>,
    pub properties: Arc<Vec<String>>,
    pub forms: Forms,
    pub deals: DealAccess,
    /// What could not be read, for people: what was known of it before stands.
    pub unread: Option<String>,
    pub read_at: Timestamp,
}

/// What the account's events need beside contacts.
#[derive(Debug, Clone, Default)]
pub(super) struct WantedLists {
    pub forms: bool,
    pub deals: bool,
    /// Deals or forms were refused although the token seemed to have the scope: a call must show.
    pub in_doubt: bool,
}

/// What the account's events need beside contacts.
pub(super) fn wanted_by_events(ctx: &Context, key: &ObjectKey) -> WantedLists {
    WantedLists {
        forms: references::needs_forms(ctx, key),
        deals: references::needs_deals(ctx, key),
        in_doubt: false,
    }
}

/// Of a process before nothing is known but that it has read them: events go on with what they name.
pub(super) fn known_lists(object: &Manifest, snapshot: Option<&PortalSnapshot>) -> KnownLists {
    let Some(snapshot) = snapshot else {
        let is_read = object.status.as_ref().is_some_and(|status| status.portal_id.is_some());
        return KnownLists {
            is_read,
            ..KnownLists::default()
        };
    };
    KnownLists {
        is_read: true,
        stages: Arc::clone(&snapshot.stages),
        properties: Arc::clone(&snapshot.properties),
        forms: snapshot.forms.clone(),
        deals: snapshot.deals.clone(),
    }
}

/// Which portal it must be.
pub(super) fn portal_pin(object: &Manifest, snapshot: Option<&PortalSnapshot>) -> PortalPin {
    let as_portal = |id: i64| u64::try_from(id).ok().map(PortalId);
    let pinned = object.status.as_ref().and_then(|status| status.portal_id);
    PortalPin {
        declared: object.spec.portal_id.and_then(as_portal),
        pinned: pinned.and_then(as_portal).or_else(|| snapshot.map(|s| s.portal.id)),
        of_events: None,
    }
}

/// As [`portal_pin`], with what the ledger knows of the account's events where the account itself remembers nothing.
pub(super) async fn remembered_pin(
    ctx: &Context,
    object: &Manifest,
    snapshot: Option<&PortalSnapshot>,
) -> LedgerResult<PortalPin> {
    let pin = portal_pin(object, snapshot);
    if pin.pinned.is_some() {
        return Ok(pin);
    }
    let users = ctx.caches.events.find_by(&Lookup::Uses(Account::HubSpot(object.key())));
    let users: Vec<_> = users.iter().map(|event| (event.key(), event.id())).collect();
    let of_events = ctx.ledger.last_portal(&users).await?;
    Ok(PortalPin { of_events, ..pin })
}

impl PortalSnapshot {
    /// When it is to be read again: at once if an event needs forms or deals that nobody has asked for yet, sooner than
    /// usual while an event is `stalled` for something that the portal lacks.
    pub fn next_read(&self, wanted: &WantedLists, stalled: bool, settings: &Settings) -> Timestamp {
        let forms = wanted.forms && self.forms == Forms::Unread;
        let deals = wanted.deals && self.deals == DealAccess::Unasked;
        if forms || deals {
            return Timestamp::MIN;
        }
        let unknown = wanted.deals && self.portal.company_currency.is_empty();
        let regular = if unknown || self.unread.is_some() {
            settings.account_check_interval
        } else {
            read_interval(settings)
        };
        let wait = if stalled {
            regular.min(settings.stalled_probe_interval)
        } else {
            regular
        };
        later(self.read_at, wait)
    }
}

/// What is known of a portal before a check.
pub(super) struct KnownPortal<'a> {
    pub pin: PortalPin,
    /// What the account details said in the check before, and then in this one.
    pub heard: &'a mut Option<PortalId>,
    /// The company's currency; empty if it is not known.
    pub currency: String,
    pub lists: KnownLists,
}

/// The company's currency as it was read so far, in this process or in one before.
pub(super) fn known_currency(object: &Manifest, snapshot: Option<&PortalSnapshot>) -> String {
    let shown = || object.status.as_ref()?.company_currency.clone();
    let read = snapshot.map(|snapshot| snapshot.portal.company_currency.clone());
    read.filter(|currency| !currency.is_empty())
        .or_else(shown)
        .unwrap_or_default()
}

/// Reads everything, the portal first: nothing else is read of a wrong one, or of one that is not certain. Forms and
/// deals only if an event needs them. Where a list can't be read, the one known before stands.
pub(super) async fn read_portal(
    crm: &dyn Crm,
    expected: KnownPortal<'_>,
    wanted: &WantedLists,
    state: &AccountState,
    now: Timestamp,
) -> Result<PortalSnapshot, AccountFault> {
    let fault = |error| state.to_fault(&error);
    let portal = with_short_names(&crm.read_portal().await.map_err(fault)?);
    let before = expected.heard.replace(portal.id);
    let mut lists = ListReader {
        crm,
        known: expected.lists,
        unread: Vec::new(),
    };
    let token = lists.token_info().await.map_err(fault)?;
    expected.pin.check_portal(PortalWitnesses {
        details: portal.id,
        token: token.portal,
        before,
    })?;
    crm.may_use(portal.id);
    let portal = with_certain_currency(crm, portal, &expected.currency)
        .await
        .map_err(fault)?;
    let granted = token.scopes;
    contacts_scope(granted.as_deref())?;
    let stages = lists.stages().await.map_err(fault)?;
    let properties = lists.properties().await.map_err(fault)?;
    let forms = if wanted.forms {
        lists.forms().await.map_err(fault)?
    } else {
        Forms::Unread
    };
    let deals = if wanted.deals {
        let granted = granted.as_deref().filter(|_| !wanted.in_doubt);
        lists.deal_access(granted).await.map_err(fault)?
    } else {
        DealAccess::Unasked
    };
    Ok(PortalSnapshot {
        portal,
        stages,
        properties,
        forms,
        deals,
        unread: (!lists.unread.is_empty()).then(|| lists.unread.join(", ")),
        read_at: now,
    })
}

/// The portal, with a currency that two answers agree on, or the known one.
async fn with_certain_currency(crm: &dyn Crm, portal: Portal, known: &str) -> Result<Portal, UpstreamError> {
    let currency = if is_currency_doubtful(known, &portal.company_currency) {
        let again = with_short_names(&crm.read_portal().await?);
        let second = if again.id == portal.id {
            again.company_currency
        } else {
            String::new()
        };
        agreed_currency(known, &portal.company_currency, &second).to_owned()
    } else {
        known.to_owned()
    };
    Ok(Portal {
        company_currency: currency,
        ..portal
    })
}

/// The portal, with names that fit into a status.
fn with_short_names(portal: &Portal) -> Portal {
    Portal {
        id: portal.id,
        time_zone: brief::brief_name(&portal.time_zone),
        company_currency: brief::brief_name(&portal.company_currency),
        ui_domain: brief::brief_name(&portal.ui_domain),
    }
}

/// Where HubSpot does not name the scopes, the calls themselves will show.
fn contacts_scope(granted: Option<&[String]>) -> Result<(), AccountFault> {
    if granted.is_none_or(|granted| granted.iter().any(|scope| scope == CONTACTS)) {
        return Ok(());
    }
    let message = format!(
        "The HubSpot token lacks the scope {CONTACTS}. Add it to the app or service key and put its token into the Secret."
    );
    Err(AccountFault::new(FaultKind::Denied, reason::MISSING_SCOPE, message))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::regular(Forms::Unread, DealAccess::Unasked, false, 900)]
    #[case::stalled(Forms::Unread, DealAccess::Unasked, true, 600)]
    #[case::known(Forms::Listed(Arc::default()), DealAccess::Granted, false, 900)]
    #[case::denied(Forms::Denied(String::new()), DealAccess::Denied(String::new()), true, 600)]
    fn due(#[case] forms: Forms, #[case] deals: DealAccess, #[case] stalled: bool, #[case] seconds: i64) {
        let read_at = Timestamp::from_second(1_790_000_000).unwrap();
        let at = |seconds| read_at + jiff::SignedDuration::from_secs(seconds);
        let portal = Portal {
            id: PortalId(5),
            time_zone: String::new(),
            company_currency: "EUR".to_owned(),
            ui_domain: String::new(),
        };
        let snapshot = PortalSnapshot {
            portal,
            stages: Arc::default(),
            properties: Arc::default(),
            forms,
            deals,
            unread: None,
            read_at,
        };
        let due = |forms, deals| {
            let wanted = WantedLists {
                forms,
                deals,
                in_doubt: false,
            };
            snapshot.next_read(&wanted, stalled, &Settings::default())
        };
        assert_eq!(due(false, false), at(seconds));
        let retried = PortalSnapshot {
            unread: Some("the list of forms".to_owned()),
            ..snapshot.clone()
        };
        let retried = retried.next_read(&WantedLists::default(), stalled, &Settings::default());
        assert_eq!(retried, at(60), "what could not be read is read again soon");
        let asked = |asked: bool| if asked { at(seconds) } else { Timestamp::MIN };
        assert_eq!(due(true, false), asked(snapshot.forms != Forms::Unread));
        assert_eq!(due(false, true), asked(snapshot.deals != DealAccess::Unasked));
    }

    #[rstest]
    #[case::unknown(None, false)]
    #[case::all(Some(&["crm.objects.deals.read", "forms", CONTACTS][..]), false)]
    #[case::no_more_than_contacts(Some(&[CONTACTS][..]), false)]
    #[case::others(Some(&["crm.objects.deals.read", "forms"][..]), true)]
    #[case::none(Some(&[][..]), true)]
    fn the_account_asks_for_contacts_alone(#[case] granted: Option<&[&str]>, #[case] refused: bool) {
        let granted: Option<Vec<String>> = granted.map(|list| list.iter().map(|s| (*s).to_owned()).collect());
        match contacts_scope(granted.as_deref()) {
            Ok(()) => assert!(!refused),
            Err(fault) => {
                assert_eq!(fault.reason, "MissingScope");
                assert!(refused && fault.message.contains(CONTACTS), "{}", fault.message);
            }
        }
    }
}
