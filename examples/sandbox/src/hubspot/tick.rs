//! Moves random contacts one stage on, so that a demo has something to show.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{record::EVERYTHING, state::Portal, store::iso};
use crate::random::Random;

/// Looks per contact to move before the tick gives up: portals whose contacts have all arrived move fewer.
const ATTEMPTS: u32 = 50;

/// Moves up to `count` contacts from their stage to the next one (a contact without stage to the first), at `now`.
/// Contacts at `customer` or beyond stay. Returns what was moved.
///
/// # Errors
/// When a stage cannot be set.
pub fn run(portal: &mut Portal, count: u32, random: &mut Random, now: i64) -> Result<Vec<Value>, String> {
    let mut moved = BTreeMap::new();
    for _ in 0..count.saturating_mul(ATTEMPTS) {
        if moved.len() >= usize::try_from(count).unwrap_or(usize::MAX) {
            break;
        }
        let Some((id, stage)) = candidate(portal, random).filter(|(id, _)| !moved.contains_key(id)) else {
            continue;
        };
        let change = BTreeMap::from([("lifecyclestage".to_owned(), stage.clone())]);
        portal.change_contact(id, &change, now, now, &"AUTOMATION_PLATFORM".into())?;
        moved.insert(id, stage);
    }
    let row = |(id, stage): (&u64, &String)| json!({"contactId": id.to_string(), "stage": stage, "time": iso(now), "timestamp": now});
    Ok(moved.iter().map(row).collect())
}

fn candidate(portal: &Portal, random: &mut Random) -> Option<(u64, String)> {
    let records = &portal.contacts.records;
    let (first, last) = (*records.first_key_value()?.0, *records.last_key_value()?.0);
    let (_, record) = records.range(first + random.below(last - first + 1)..).next()?;
    let (key, _) = portal.contacts.catalogue.find("lifecyclestage")?;
    let current = record.value(key, EVERYTHING).unwrap_or_default();
    let place = portal.stages.iter().position(|stage| stage.value == current);
    let end = portal
        .stages
        .iter()
        .position(|stage| stage.value == "customer")
        .unwrap_or(portal.stages.len());
    let next = place.map_or(0, |at| at + 1);
    let stage = portal.stages.get(next).filter(|_| next <= end && !record.archived)?;
    Some((record.id, stage.value.clone()))
}
