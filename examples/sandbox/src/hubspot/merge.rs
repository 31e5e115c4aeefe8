//! Merging two contacts into a new record.

use super::{
    record::{EVERYTHING, Key, Record, Row},
    state::Portal,
    store::Change,
};

/// Merges contact `second` into `first`: both ids give way to a new one, both histories are kept, the values of `first`
/// win, of the lifecycle stages the one furthest down the funnel. Returns the new id.
///
/// # Errors
/// When one of the two is no live contact, or both are the same.
pub fn contacts(portal: &mut Portal, first: u64, second: u64, now: i64) -> Result<u64, String> {
    let live = |id: u64| {
        portal
            .contacts
            .resolve(id)
            .map(|r| r.id)
            .ok_or_else(|| format!("no contact {id}"))
    };
    let (first, second) = (live(first)?, live(second)?);
    if first == second {
        return Err("both ids are the same contact".to_owned());
    }
    let take = |portal: &mut Portal, id: u64| {
        portal
            .contacts
            .records
            .remove(&id)
            .ok_or_else(|| format!("no contact {id}"))
    };
    let (primary, secondary) = (take(portal, first)?, take(portal, second)?);
    let id = portal
        .contacts
        .create(None, primary.created.min(secondary.created), now)?;
    let merged = combine(portal, id, &primary, &secondary, now);
    redirect(portal, &merged);
    portal.contacts.records.insert(id, merged);
    portal.contacts.index_email(id);
    portal.contacts.refresh_entered(id);
    keep_second_email(portal, id, &primary, &secondary, now)?;
    portal.touch_contact(id, now, now)?;
    Ok(id)
}

fn combine(portal: &Portal, id: u64, primary: &Record, secondary: &Record, now: i64) -> Record {
    let mut merged = Record::new(id, primary.created.min(secondary.created), now);
    for old in [primary, secondary] {
        merged.merged.push(old.id);
        merged.merged.extend(&old.merged);
        old.links.iter().for_each(|deal| merged.link(*deal));
        for (key, rows) in old.all_rows() {
            for row in rows {
                merged.add(*key, row.clone());
            }
        }
    }
    merged.merged.sort_unstable();
    merged.extra_lag = primary.extra_lag.max(secondary.extra_lag);
    let stages = portal.contacts.catalogue.find("lifecyclestage").map(|(key, _)| key);
    let keys: Vec<Key> = merged.all_rows().iter().map(|(key, _)| *key).collect();
    for key in keys {
        let (a, b) = (primary.value(key, EVERYTHING), secondary.value(key, EVERYTHING));
        let winner = if Some(key) == stages {
            further(portal, a, b)
        } else {
            a.filter(|v| !v.is_empty()).or(b)
        };
        let winner = winner.unwrap_or_default().to_owned();
        // HubSpot writes the outcome of the merge into the stage's history even where nothing changes.
        let changed = merged.value(key, EVERYTHING) != Some(winner.as_str());
        if changed || (Some(key) == stages && !winner.is_empty()) {
            merged.add(
                key,
                Row {
                    value: winner.into(),
                    at: now,
                    recorded: now,
                    source: "MERGE_OBJECTS".into(),
                },
            );
        }
    }
    merged
}

fn further<'a>(portal: &Portal, a: Option<&'a str>, b: Option<&'a str>) -> Option<&'a str> {
    let place = |value: Option<&str>| {
        portal
            .stages
            .iter()
            .position(|stage| Some(stage.value.as_str()) == value)
    };
    if place(b) > place(a) { b } else { a }
}

fn redirect(portal: &mut Portal, merged: &Record) {
    for old in &merged.merged {
        portal.contacts.redirects.insert(*old, merged.id);
    }
    for deal in &merged.links {
        if let Some(deal) = portal.deals.records.get_mut(deal) {
            deal.links.retain(|contact| !merged.merged.contains(contact));
            deal.link(merged.id);
        }
    }
}

fn keep_second_email(
    portal: &mut Portal,
    id: u64,
    primary: &Record,
    secondary: &Record,
    now: i64,
) -> Result<(), String> {
    let Some((key, _)) = portal.contacts.catalogue.find("email") else {
        return Ok(());
    };
    let (Some(kept), Some(other)) = (primary.value(key, EVERYTHING), secondary.value(key, EVERYTHING)) else {
        return Ok(());
    };
    if other.is_empty() || kept.is_empty() || kept == other {
        return Ok(());
    }
    let change = Change {
        value: other.to_owned(),
        at: now,
        recorded: now,
        source: "MERGE_OBJECTS".into(),
    };
    portal.contacts.set(id, "hs_additional_emails", change)
}
