//! How many of the contacts that reached a stage lately have a click id: where few have one, few conversions are sent,
//! and that is the commonest disappointment.

use jiff::{SignedDuration, Timestamp};

use super::report::Probe;
use crate::cli::offline::{NotDone, TRY_AGAIN};
use crate::domain::contact::{Contact, LAST_MODIFIED, LIFECYCLE_STAGE, date_entered};
use crate::domain::conversion::click_value;
use crate::domain::declared::Declared;
use crate::domain::ids::ContactId;
use crate::domain::outcome::reason;
use crate::ports::UpstreamError;
use crate::ports::crm::{ContactSearch, Crm};
use crate::registry::HubSpotAccount;

const CLICKS: &str = "click ids";
/// How far back contacts are looked for: no further than a few are found.
const REACHES: [i64; 4] = [1, 7, 30, 90];
/// Contacts that are enough for a sample; one page of a search shows 200.
const ENOUGH: usize = 50;
/// Fewer contacts without a click id prove nothing: they may all have come by other ways than an ad.
const JUDGED: usize = 10;

/// Contacts that reached the stage within so many days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sample {
    days: i64,
    contacts: usize,
    with_click: usize,
    /// There are more than were looked at.
    more: bool,
}

/// Looks at the newest contacts of the stage: at most four searches, one page each.
pub(super) async fn check_clicks(
    crm: &dyn Crm,
    account: &HubSpotAccount,
    declared: &Declared,
    stage: &str,
    now: Timestamp,
) -> Probe {
    match take_sample(crm, account, declared, stage, now).await {
        Ok(sample) => judge(sample, declared),
        Err(error) if error.needs_a_person() => Probe::skipped(CLICKS, format!("HubSpot shows no contacts: {error}")),
        Err(error) => Probe::not_done(
            CLICKS,
            &NotDone(format!(
                "{}. {TRY_AGAIN}",
                error.without_request_id().trim_end_matches('.')
            )),
        ),
    }
}

async fn take_sample(
    crm: &dyn Crm,
    account: &HubSpotAccount,
    declared: &Declared,
    stage: &str,
    now: Timestamp,
) -> Result<Sample, UpstreamError> {
    let entered = date_entered(stage);
    let dated = account.properties.binary_search(&entered).is_ok();
    let by = if dated { entered } else { LAST_MODIFIED.to_owned() };
    let clicks = click_properties(declared);
    let mut sample = Sample {
        days: 0,
        contacts: 0,
        with_click: 0,
        more: false,
    };
    for days in REACHES {
        let since = now
            .saturating_sub(SignedDuration::from_hours(24 * days))
            .unwrap_or(Timestamp::MIN);
        let search = ContactSearch {
            any_since: vec![(by.clone(), since)],
            after: ContactId::UNKNOWN,
            properties: clicks
                .iter()
                .map(|name| (*name).to_owned())
                .chain([LIFECYCLE_STAGE.to_owned()])
                .collect(),
        };
        let page = crm.search_contacts(&search).await?;
        // Without the time of entry, those count that are in the stage now.
        let reached = |contact: &&Contact| dated || contact.property(LIFECYCLE_STAGE) == Some(stage);
        let contacts: Vec<&Contact> = page.contacts.iter().filter(reached).collect();
        sample = Sample {
            days,
            contacts: contacts.len(),
            with_click: contacts.iter().filter(|contact| has_click(contact, &clicks)).count(),
            more: page.next.is_some(),
        };
        if sample.contacts >= ENOUGH || sample.more {
            break;
        }
    }
    Ok(sample)
}

/// The properties that may hold a click id of an event's contacts.
pub(super) fn click_properties(declared: &Declared) -> Vec<&str> {
    let clicks = &declared.rules.clicks;
    let braids = [clicks.gbraid.as_deref(), clicks.wbraid.as_deref()];
    std::iter::once(clicks.gclid.as_str())
        .chain(braids.into_iter().flatten())
        .collect()
}

fn has_click(contact: &Contact, properties: &[&str]) -> bool {
    properties
        .iter()
        .any(|name| contact.property(name).and_then(click_value).is_some())
}

fn judge(sample: Sample, declared: &Declared) -> Probe {
    let Sample {
        days,
        contacts,
        with_click,
        more,
    } = sample;
    let span = if days == 1 {
        "day".to_owned()
    } else {
        format!("{days} days")
    };
    if contacts == 0 {
        return Probe::skipped(CLICKS, format!("Nobody reached the stage in the last {span}."));
    }
    let properties = click_properties(declared).join(" or ");
    let (of, have) = if contacts == 1 {
        ("contact", "has a click id")
    } else {
        ("contacts", "have a click id")
    };
    let more = if more {
        " There are more contacts, which were not looked at."
    } else {
        ""
    };
    let share = format!(
        "{with_click} of {contacts} {of} that reached the stage in the last {span} {have} ({properties}).{more}"
    );
    let shares = !declared.rules.share.is_empty();
    let advice = "Check that ads send people to pages with HubSpot's tracking code, that auto-tagging is on in Google Ads, and that \
                  no redirect or consent banner drops the parameter gclid";
    if with_click == 0 && contacts < JUDGED && !shares {
        let message = format!(
            "{share} That is too few to judge: not everybody comes by an ad. If nobody ever has one: {advice}."
        );
        return Probe::skipped(CLICKS, message);
    }
    if with_click == 0 && !shares {
        let message = format!("{share} Nothing would be sent for them. {advice}; or declare spec.shareData.");
        return Probe::finding(CLICKS, reason::NO_CLICK_ID, message);
    }
    if with_click * 2 >= contacts {
        return Probe::fine(CLICKS, share);
    }
    let rest = if shares {
        "The others are sent by spec.shareData alone, if they have any of it."
    } else {
        "The others are skipped as NoClickId: not everybody comes by an ad."
    };
    Probe::fine(CLICKS, format!("{share} {rest} {advice}."))
}

#[cfg(test)]
#[path = "clicks_tests.rs"]
mod tests;
