//! Whoever is found by going through all events is found in the index, and nobody else.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::api::AdConversionEvent;
use crate::controller::shared::lookup::of_event;
use crate::registry::{Account, Index};

/// What is random about an event.
#[derive(Debug, Clone)]
struct Made {
    account: u8,
    name: u8,
    maps: Option<u8>,
    has: Option<u8>,
    owner: Option<u8>,
    created: u8,
}

fn made() -> impl Strategy<Value = Made> {
    let parts = (
        0_u8..4,
        0_u8..2,
        option::of(0_u8..3),
        option::of(0_u8..3),
        option::of(0_u8..2),
        0_u8..3,
    );
    parts.prop_map(|(account, name, maps, has, owner, created)| Made {
        account,
        name,
        maps,
        has,
        owner,
        created,
    })
}

fn customer(number: u8) -> CustomerId {
    format!("123456789{number}").parse().unwrap()
}

fn event(number: usize, made: &Made) -> AdConversionEvent {
    let existing = made.maps.map(|id| json!({"existing": {"id": id.to_string()}}));
    let action =
        json!({"customerId": made.owner.map(|n| customer(n).to_string()), "id": made.has.map(|id| id.to_string())});
    let mut event = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
        "metadata": {
            "name": format!("e{number}"), "namespace": "m", "uid": format!("u{number}"),
            "creationTimestamp": format!("2026-11-0{}T00:00:00Z", made.created + 1),
        },
        "spec": {
            "googleAdsAccountRef": {"name": format!("a{}", made.account)}, "hubSpotAccountRef": {"name": "h"},
            "eventName": format!("n{}", made.name), "trigger": {"lifecycleStage": {"stage": "customer"}},
        },
        "status": {"conditions": [], "conversionAction": action},
    });
    if let Some(existing) = existing {
        event["spec"]["conversionAction"] = existing;
    }
    serde_json::from_value(event).unwrap()
}

proptest! {
    #[test]
    fn the_index_finds_the_winner_that_a_scan_finds(
        owners in vec(option::of(0_u8..2), 4),
        all in vec(made(), 1..9),
    ) {
        let owners: BTreeMap<ObjectKey, Option<CustomerId>> = owners
            .into_iter()
            .enumerate()
            .map(|(n, owner)| (ObjectKey::new("m", format!("a{n}")), owner.map(customer)))
            .collect();
        let events: Vec<_> = all.iter().enumerate().map(|(n, made)| event(n, made)).collect();
        let claims: BTreeMap<ObjectKey, Claim> = events
            .iter()
            .filter_map(|event| {
                let declared = Declared::from_manifest(event);
                let owner = owners[&declared.google].clone()?;
                Some((declared.key.clone(), claim_through(&declared, event.status.as_ref(), owner, "customer".to_owned())))
            })
            .collect();
        let mut index = Index::default();
        for event in &events {
            index.set(&event.key(), of_event(event));
        }
        let everybody: Vec<Claim> = claims.values().cloned().collect();
        for mine in claims.values() {
            let owned = |(key, owner): (&ObjectKey, &Option<CustomerId>)| {
                (owner.as_ref() == Some(&mine.customer)).then(|| key.clone())
            };
            let accounts: Vec<_> = owners.iter().filter_map(owned).collect();
            let looked_up = claim_lookups(mine, &accounts);
            let found: BTreeSet<_> = looked_up.iter().flat_map(|lookup| index.get(lookup)).collect();
            let rivals: Vec<Claim> = found.iter().filter_map(|key| claims.get(*key)).cloned().collect();
            prop_assert_eq!(older_claim(mine, &rivals), older_claim(mine, &everybody));
        }
    }

    /// The same for who has an action, and for which accounts an event uses.
    #[test]
    fn the_index_finds_the_users_that_a_scan_finds(all in vec(made(), 1..9)) {
        let events: Vec<_> = all.iter().enumerate().map(|(n, made)| event(n, made)).collect();
        let mut index = Index::default();
        for event in &events {
            index.set(&event.key(), of_event(event));
        }
        let scan = |wanted: &dyn Fn(&Made) -> bool| -> Vec<ObjectKey> {
            let found = events.iter().zip(&all).filter(|(_, made)| wanted(made));
            found.map(|(event, _)| event.key()).collect()
        };
        let look = |lookup: Lookup| index.get(&lookup).cloned().collect::<Vec<_>>();
        for n in 0..4 {
            let account = Account::Google(ObjectKey::new("m", format!("a{n}")));
            prop_assert_eq!(look(Lookup::Uses(account)), scan(&|made| made.account == n));
        }
        for (owner, id) in (0..2).flat_map(|owner| (0..3).map(move |id| (owner, id))) {
            let has = |made: &Made| made.owner == Some(owner) && made.has == Some(id);
            prop_assert_eq!(look(Lookup::Has(customer(owner), ActionId(id.into()))), scan(&has));
        }
    }
}
