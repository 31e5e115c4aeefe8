//! Whether and what to send for one occurrence: pure, from a fresh read of the contact.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::click_window::{ClickWindow, WindowPlace};
use super::contact::{Contact, DEAL_COUNT, LIFECYCLE_STAGE, MERGED_IDS};
use super::conversion::{ClickId, UserIdentifier, click_value};
use super::identifiers::{self, STREET_PROPERTIES};
use super::outcome::reason;
use super::time::later;
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
    /// A form event: its conversions are enhancements of what the web tag reports.
    pub form: bool,
}

/// The waits that the process's flags set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// `--settle-delay`: from first seen to sent.
    pub settle: SignedDuration,
    /// `--click-grace`: how long after the change a click id is looked for.
    pub click_grace: SignedDuration,
    /// `--too-recent-wait`: Google takes no click younger than this.
    pub too_recent: SignedDuration,
    /// `--google-refresh-interval`: when a click window is read once more that leaves a conversion out.
    pub window: SignedDuration,
}

/// Facts of the row that is decided about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    /// When the stage was reached.
    pub at: Timestamp,
    /// When we saw it first.
    pub first_seen: Timestamp,
}

/// A click id and when it came to HubSpot first (if history shows it).
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
    /// A consent block is declared and holds.
    pub consent_granted: bool,
}

impl Prepared {
    /// Only a postal address says whose conversion it is.
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

/// One read of a contact leaves a row out. To skip is for good, and one answer of HubSpot's may be odd: so it takes another
/// answer that says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// A skipped reason.
    pub reason: &'static str,
    /// When the click was, where the click window leaves it out.
    pub click: Option<Timestamp>,
}

impl LeftOut {
    pub(super) const fn for_lack(reason: &'static str) -> Self {
        Self { reason, click: None }
    }

    /// What it comes to once another answer agrees.
    pub const fn skip(self) -> Decision {
        Decision::Skip { reason: self.reason }
    }
}

/// Decides about a row from a fresh read of its contact (`None`: proven deleted, [`super::absence`]). `window` is the click
/// window of the action, `region` the account's default for phones without a country.
///
/// # Errors
/// If this read leaves the row out.
pub fn decide_entry(
    contact: Option<&Contact>,
    occurrence: Occurrence,
    rules: &EventRules,
    waits: &Waits,
    window: ClickWindow,
    region: Option<&str>,
    now: Timestamp,
) -> Result<Decision, LeftOut> {
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
    if let Some((reason, due)) = click_wait(click.as_ref(), contact.as_of, occurrence, waits, now) {
        return Ok(Decision::Wait { reason, due });
    }
    if rules.consent.as_ref().is_some_and(|c| !has_consent(contact, c)) {
        return Err(LeftOut::for_lack(reason::NO_CONSENT));
    }
    let identifiers = identifiers::identifiers_of(contact, &rules.share, region);
    if click.is_none() && identifiers.is_empty() {
        let reason = if rules.share.is_empty() {
            reason::NO_CLICK_ID
        } else {
            reason::NO_SHARED_DATA
        };
        return Err(LeftOut::for_lack(reason));
    }
    if let Some(at) = click.as_ref().and_then(|c| c.at)
        && window_is_unsure(window, at, occurrence)?
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

/// Whether nobody knows yet if the click was inside the window of the action.
///
/// # Errors
/// If it was not.
fn window_is_unsure(window: ClickWindow, click: Timestamp, occurrence: Occurrence) -> Result<bool, LeftOut> {
    match window.place_of(click, occurrence.at) {
        WindowPlace::Inside => Ok(false),
        WindowPlace::Unsure => Ok(true),
        WindowPlace::Outside => Err(LeftOut {
            reason: reason::OUTSIDE_CLICK_WINDOW,
            click: Some(click),
        }),
    }
}

/// Why and until when a new row waits, from the read that found it: the latest of its waits, so that it is read again
/// once and not once per wait. `None`: it may be sent at once.
pub fn first_wait(
    contact: &Contact,
    occurrence: Occurrence,
    clicks: &ClickProperties,
    waits: &Waits,
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

/// The grace is over when a read begun after it, by HubSpot's clock, shows no click id: neither a read of before nor our
/// own clock, which may be wrong, can tell. HubSpot's clock also says how old a click is.
fn click_wait(
    click: Option<&Click>,
    as_of: Option<Timestamp>,
    occurrence: Occurrence,
    waits: &Waits,
    now: Timestamp,
) -> Option<(&'static str, Timestamp)> {
    let left_of = |from, wait| later(from, wait).duration_since(as_of.unwrap_or(now));
    let left = left_of(occurrence.at, waits.click_grace);
    let settled = settle_end(as_of, occurrence, waits.settle, now);
    if click.is_none() && left.is_positive() {
        return Some((reason::AWAITING_CLICK_ID, later(now, left).max(settled)));
    }
    let settled = (reason::NOT_DUE, settled);
    // Google takes no conversion of the future, and a time of HubSpot's may be any.
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

/// When an occurrence has settled: so long after it was first seen. One that lay as far back by then, by HubSpot's clock, had
/// settled before, so that a backfill reads each contact once.
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

/// gclid before gbraid before wbraid; of each the last value at or before the change, else the first one within the
/// grace after it, else, if no history exists, the current value. What cannot be a click id is no value.
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
        // A merge writes the click id it keeps once more: the click is as old as its first row.
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

/// The click of a conversion, for people: where it was found, not what it is.
pub struct SeenClick<'a> {
    pub property: &'a str,
    /// When it came to HubSpot first, if history shows it.
    pub at: Option<Timestamp>,
}

/// The click that the rules above take.
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
        if rule.form {
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
