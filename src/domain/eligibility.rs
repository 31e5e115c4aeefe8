//! Whether and what to send for one occurrence: pure, from a fresh read of the contact.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::click_window::{ClickWindow, WindowPlace};
use super::contact::{Contact, DEAL_COUNT, LIFECYCLE_STAGE, MERGED_IDS};
use super::conversion::{ClickId, UserIdentifier, click_value};
use super::identifiers::{self, STREET_PROPERTIES};
use super::outcome::reason;
use super::steady_time::KnownTime;
use super::time::later;
use super::trigger::TriggerKind;
use crate::api::{Money, SharedData};

/// Where the value of a conversion comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueRule {
    /// The same for every conversion.
    Fixed(Money),
    /// The weighted amount of the contact's most recent deal, else the default.
    DealAmount {
        /// Used if there is no deal, it is lost, or its amount is missing or not positive.
        default: Money,
    },
}

/// Which property holds the consent, and which values grant it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentRule {
    /// Contact property.
    pub property: String,
    /// Any of these grants.
    pub granted: Vec<String>,
}

/// Properties that hold click ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickProperties {
    /// Google click id.
    pub gclid: String,
    /// gbraid, if declared.
    pub gbraid: Option<String>,
    /// wbraid, if declared.
    pub wbraid: Option<String>,
}

/// What an event's manifest says about its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRules {
    /// No value: neither value nor currency is sent.
    pub value: Option<ValueRule>,
    /// No consent block: none asked, none sent.
    pub consent: Option<ConsentRule>,
    /// Identifiers to share.
    pub share: Vec<SharedData>,
    /// Click id properties.
    pub clicks: ClickProperties,
    /// Of a stage, or of a form.
    pub trigger_kind: TriggerKind,
}

/// The waits that the process's flags set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryWaits {
    /// `--settle-delay`: from first seen to sent.
    pub settle: SignedDuration,
    /// `--click-grace`: how long after the change a click id is looked for.
    pub click_grace: SignedDuration,
    /// `--too-recent-wait`: how old a click must be before Google takes conversions for it.
    pub too_recent: SignedDuration,
    /// `--google-refresh-interval`: a conversion that the click window leaves out waits this long for the next read of
    /// the window.
    pub window: SignedDuration,
}

/// The times of an occurrence that is decided about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    /// When the stage was reached.
    pub at: Timestamp,
    /// When we saw it first.
    pub first_seen: Timestamp,
}

/// A click id, and when HubSpot first had it (if the history shows that).
struct Click {
    id: ClickId,
    at: Option<Timestamp>,
}

/// What identifies the conversion, decided from a fresh read. No `Debug`: click ids and hashes.
pub struct Prepared {
    /// The click id, if there is one.
    pub click: Option<ClickId>,
    /// Hashed identifiers of the declared kinds.
    pub identifiers: Vec<UserIdentifier>,
    /// Consent is declared, and the contact has granted it.
    pub consent_granted: bool,
}

impl Prepared {
    /// True if nothing but a postal address says whose conversion it is.
    pub fn is_address_alone(&self) -> bool {
        let address = |i: &UserIdentifier| matches!(i, UserIdentifier::Address { .. });
        self.click.is_none() && self.identifiers.iter().all(address)
    }
}

/// What becomes of a row now.
pub enum Decision {
    Send(Prepared),
    /// Look again at `due`.
    Wait {
        /// A pending reason.
        reason: &'static str,
        due: Timestamp,
    },
    /// Never.
    Skip {
        /// A skipped reason.
        reason: &'static str,
    },
}

/// How far HubSpot's clock may be ahead of ours.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(1);
/// Longest pause before the next look, where the time is disputed.
const DISPUTED_LOOK: SignedDuration = SignedDuration::from_mins(5);

/// A read of a contact says that the row is not to be sent. A skipped row stays skipped, and a single answer of
/// HubSpot's may be odd: so it is skipped only once another answer says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SuspectedSkip {
    /// A skipped reason.
    pub reason: &'static str,
    /// When the click was, if the click window leaves the row out.
    pub click: Option<Timestamp>,
}

impl SuspectedSkip {
    pub(super) const fn for_lack(reason: &'static str) -> Self {
        Self { reason, click: None }
    }

    /// The decision once another answer agrees.
    pub const fn skip(self) -> Decision {
        Decision::Skip { reason: self.reason }
    }
}

/// What decides about an entry into a stage.
#[derive(Debug, Clone, Copy)]
pub struct EntryRules<'a> {
    pub event: &'a EventRules,
    pub waits: &'a EntryWaits,
    /// The click window of the conversion action.
    pub window: ClickWindow,
    /// The HubSpot account's default region, for phone numbers without a country.
    pub region: Option<&'a str>,
}

/// Decides about a row from a fresh read of its contact (`None`: proven deleted, [`super::absence`]).
///
/// # Errors
/// If this read leaves the row out.
pub fn decide_entry(
    contact: Option<&Contact>,
    occurrence: Occurrence,
    by: &EntryRules<'_>,
    time: KnownTime,
) -> Result<Decision, SuspectedSkip> {
    let (rules, waits, now) = (by.event, by.waits, time.now);
    let Some(contact) = contact else {
        return Ok(Decision::Skip {
            reason: reason::CONTACT_DELETED,
        });
    };
    if rules.unread_of(contact).is_some() {
        return Ok(Decision::Wait {
            reason: reason::UPSTREAM_UNAVAILABLE,
            due: later(now, waits.settle.max(SignedDuration::from_secs(1))),
        });
    }
    let click = find_click(contact, &rules.clicks, occurrence.at, waits.click_grace);
    let disputed = || disputed_grace(occurrence, waits.click_grace, time).filter(|_| click.is_none());
    let waited = click_wait(click.as_ref(), contact.as_of, occurrence, waits, now);
    if let Some((reason, due)) = waited.or_else(disputed) {
        return Ok(Decision::Wait { reason, due });
    }
    if rules.consent.as_ref().is_some_and(|c| !has_consent(contact, c)) {
        return Err(SuspectedSkip::for_lack(reason::NO_CONSENT));
    }
    let identifiers = identifiers::identifiers_of(contact, &rules.share, by.region);
    if click.is_none() && identifiers.is_empty() {
        let reason = if rules.share.is_empty() {
            reason::NO_CLICK_ID
        } else {
            reason::NO_SHARED_DATA
        };
        return Err(SuspectedSkip::for_lack(reason));
    }
    if let Some(at) = click.as_ref().and_then(|c| c.at)
        && window_is_unsure(by.window, at, occurrence)?
    {
        return Ok(Decision::Wait {
            reason: reason::NOT_DUE,
            due: later(now, waits.window),
        });
    }
    let consent_granted = rules.consent.is_some();
    Ok(Decision::Send(Prepared {
        click: click.map(|c| c.id),
        identifiers,
        consent_granted,
    }))
}

/// The wait for a click id goes on where the read says that the grace is over, and somebody says that it is not: a time
/// in an answer may be any.
fn disputed_grace(occurrence: Occurrence, grace: SignedDuration, time: KnownTime) -> Option<(&'static str, Timestamp)> {
    let left = later(occurrence.at, grace).duration_since(time.certain) - CLOCKS_APART;
    let due = || later(time.now, left.min(DISPUTED_LOOK));
    left.is_positive().then(|| (reason::AWAITING_CLICK_ID, due()))
}

/// True if it is not certain yet whether the click was inside the window of the action.
///
/// # Errors
/// If it was not.
fn window_is_unsure(window: ClickWindow, click: Timestamp, occurrence: Occurrence) -> Result<bool, SuspectedSkip> {
    match window.place_of(click, occurrence.at) {
        WindowPlace::Inside => Ok(false),
        WindowPlace::Unsure => Ok(true),
        WindowPlace::Outside => Err(SuspectedSkip {
            reason: reason::OUTSIDE_CLICK_WINDOW,
            click: Some(click),
        }),
    }
}

/// Why and until when a new row waits, by the read that found it. Of several waits it is the one that ends last, so
/// that the contact is read again once and not once for each wait. `None`: the row may be sent at once.
pub fn first_wait(
    contact: &Contact,
    occurrence: Occurrence,
    clicks: &ClickProperties,
    waits: &EntryWaits,
    now: Timestamp,
) -> Option<(&'static str, Timestamp)> {
    click_wait(
        find_click(contact, clicks, occurrence.at, waits.click_grace).as_ref(),
        contact.as_of,
        occurrence,
        waits,
        now,
    )
}

/// The wait for a click id ends only by a read that HubSpot answered after the grace, by its own clock: an earlier read
/// can't tell whether a click id appeared later, and our clock may be wrong. The age of a click is measured by
/// HubSpot's clock too.
fn click_wait(
    click: Option<&Click>,
    as_of: Option<Timestamp>,
    occurrence: Occurrence,
    waits: &EntryWaits,
    now: Timestamp,
) -> Option<(&'static str, Timestamp)> {
    let left_of = |from, wait| later(from, wait).duration_since(as_of.unwrap_or(now));
    let left = left_of(occurrence.at, waits.click_grace);
    let settled = settle_end(as_of, occurrence, waits.settle, now);
    if click.is_none() && left.is_positive() {
        return Some((reason::AWAITING_CLICK_ID, later(now, left).max(settled)));
    }
    let settled = (reason::NOT_DUE, settled);
    // Google takes no conversions that lie in the future, and a time that HubSpot gives may be any.
    let happened = (
        reason::NOT_DUE,
        later(now, left_of(occurrence.at, SignedDuration::ZERO)),
    );
    let old_enough = click
        .and_then(|c| c.at)
        .map(|at| (reason::CLICK_TOO_RECENT, later(now, left_of(at, waits.too_recent))));
    [Some(settled), Some(happened), old_enough]
        .into_iter()
        .flatten()
        .filter(|(_, due)| *due > now)
        .max_by_key(|(_, due)| *due)
}

/// When an occurrence has settled: `settle` after it was first seen. If it was already that old when it was first seen,
/// by HubSpot's clock, it had settled by then; so a backfill reads each contact only once.
fn settle_end(as_of: Option<Timestamp>, occurrence: Occurrence, settle: SignedDuration, now: Timestamp) -> Timestamp {
    let known_for = now.duration_since(occurrence.first_seen).max(SignedDuration::ZERO);
    let lay_back = as_of.unwrap_or(now).duration_since(occurrence.at) - known_for;
    if lay_back >= settle {
        return occurrence.first_seen;
    }
    later(occurrence.first_seen, settle)
}

/// The contact's consent property holds a granted value; multi-checkboxes (`a;b`) by membership.
pub fn has_consent(contact: &Contact, rule: &ConsentRule) -> bool {
    contact.property(&rule.property).is_some_and(|value| {
        let is_granted = |v: &str| rule.granted.iter().any(|g| g == v);
        is_granted(value) || value.split(';').any(|part| is_granted(part.trim()))
    })
}

/// The gclid, else the gbraid, else the wbraid. Of each the last value at or before the change counts, else the first
/// one within the grace after it; if there is no history, the current value. A value that cannot be a click id counts
/// as none.
fn find_click(contact: &Contact, clicks: &ClickProperties, change: Timestamp, grace: SignedDuration) -> Option<Click> {
    let of = |property: &str, wrap: fn(String) -> ClickId| {
        let history = contact.history_of(property);
        if history.is_empty() {
            let current = click_value(contact.property(property)?)?;
            return Some(Click {
                id: wrap(current.to_owned()),
                at: None,
            });
        }
        let end = later(change, grace);
        let filled = || history.iter().filter_map(|e| Some((click_value(&e.value)?, e.at)));
        let (id, at) = filled()
            .rfind(|(_, at)| *at <= change)
            .or_else(|| filled().find(|(_, at)| *at > change && *at <= end))?;
        // A merge writes the click id that it keeps into the history again: the click is as old as its first row.
        let first = filled().find(|(known, _)| *known == id).map_or(at, |(_, at)| at);
        Some(Click {
            id: wrap(id.to_owned()),
            at: Some(first),
        })
    };
    of(&clicks.gclid, ClickId::Gclid)
        .or_else(|| of(clicks.gbraid.as_deref()?, ClickId::Gbraid))
        .or_else(|| of(clicks.wbraid.as_deref()?, ClickId::Wbraid))
}

/// The click of a conversion, for people: the property that holds it, but not its id.
pub struct SeenClick<'a> {
    pub property: &'a str,
    /// When HubSpot first had it, if the history shows that.
    pub at: Option<Timestamp>,
}

/// The click that [`decide_entry`] takes.
pub fn seen_click<'a>(
    contact: &Contact,
    clicks: &'a ClickProperties,
    change: Timestamp,
    grace: SignedDuration,
) -> Option<SeenClick<'a>> {
    let click = find_click(contact, clicks, change, grace)?;
    let property = match click.id {
        ClickId::Gclid(_) => &clicks.gclid,
        ClickId::Gbraid(_) => clicks.gbraid.as_ref()?,
        ClickId::Wbraid(_) => clicks.wbraid.as_ref()?,
    };
    Some(SeenClick { property, at: click.at })
}

/// What to read of a contact for these events: properties, and properties with history. Sorted, no repeats.
pub fn properties_of<'a>(rules: impl IntoIterator<Item = &'a EventRules>) -> (Vec<String>, Vec<String>) {
    let mut plain = BTreeSet::from([MERGED_IDS]);
    let mut history = BTreeSet::from([LIFECYCLE_STAGE]);
    for rule in rules {
        plain.extend(rule.consent.as_ref().map(|c| c.property.as_str()));
        let by_deal = matches!(rule.value, Some(ValueRule::DealAmount { .. }));
        plain.extend(by_deal.then_some(DEAL_COUNT));
        for kind in &rule.share {
            plain.extend(identifiers::properties_for(*kind));
        }
        if rule.trigger_kind.is_form() {
            plain.extend(
                rule.share
                    .contains(&SharedData::Address)
                    .then_some(STREET_PROPERTIES)
                    .iter()
                    .flatten(),
            );
            continue;
        }
        history.insert(&rule.clicks.gclid);
        history.extend(rule.clicks.gbraid.as_deref());
        history.extend(rule.clicks.wbraid.as_deref());
    }
    // The current value of a click id is asked for too: it counts if no history exists.
    plain.extend(history.iter());
    let owned = |set: BTreeSet<&str>| set.into_iter().map(str::to_owned).collect();
    (owned(plain), owned(history))
}

#[cfg(test)]
#[path = "eligibility_tests.rs"]
mod tests;
