#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn namespaces_are_watched_once_each() {
    let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    assert_eq!(scopes_of(&[]), [None]);
    assert_eq!(
        scopes_of(&names(&["b", "a", "b"])),
        [Some("a".to_owned()), Some("b".to_owned())]
    );
}

/// What a watch sees.
#[derive(Debug, Clone)]
enum Sees {
    Change(u8, u8),
    End(u8),
    List(Vec<(u8, u8)>),
}

fn sees() -> impl Strategy<Value = Sees> {
    prop_oneof![
        4 => (0_u8..4, 0_u8..6).prop_map(|(name, shape)| Sees::Change(name, shape)),
        2 => (0_u8..4).prop_map(Sees::End),
        1 => vec((0_u8..4, 0_u8..6), 0..5).prop_map(Sees::List),
    ]
}

fn event(namespace: &str, name: u8, shape: u8) -> AdConversionEvent {
    let trigger = if shape.is_multiple_of(2) {
        json!({"lifecycleStage": {"stage": "customer"}})
    } else {
        json!({"formSubmission": {"formId": "Demo"}})
    };
    serde_json::from_value(json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
        "metadata": {"name": format!("e{name}"), "namespace": namespace},
        "spec": {
            "googleAdsAccountRef": {"name": format!("a{}", shape % 3)}, "hubSpotAccountRef": {"name": "h"},
            "trigger": trigger,
        },
    }))
    .unwrap()
}

fn show(writer: &mut CacheWriter<AdConversionEvent>, namespace: &str, sees: &Sees) {
    match sees {
        Sees::Change(name, shape) => writer.apply_event(&Event::Apply(event(namespace, *name, *shape))),
        Sees::End(name) => writer.apply_event(&Event::Delete(event(namespace, *name, 0))),
        Sees::List(all) => {
            writer.apply_event(&Event::Init);
            for (name, shape) in all {
                writer.apply_event(&Event::InitApply(event(namespace, *name, *shape)));
            }
            writer.apply_event(&Event::InitDone);
        }
    }
}

proptest! {
    /// Whatever the watches of two namespaces saw, changes, ends and whole lists
    /// again: what is looked up is what going through all cached objects finds.
    #[test]
    fn what_is_looked_up_is_what_a_scan_finds(
        in_one_scope: bool,
        steps in vec((0_usize..2, sees()), 0..25),
    ) {
        let names = ["m".to_owned(), "n".to_owned()];
        let (cache, mut writers) = new_cache::<AdConversionEvent>(if in_one_scope { &[] } else { &names });
        for (place, sees) in &steps {
            let writer = if in_one_scope { 0 } else { *place };
            show(&mut writers[writer], &names[*place], sees);
            let all = cache.all();
            let lookups: BTreeSet<_> = all.iter().flat_map(|event| event.lookup_keys()).collect();
            for lookup in &lookups {
                let mut scanned: Vec<_> = all.iter().filter(|e| e.lookup_keys().contains(lookup)).map(|e| e.key()).collect();
                scanned.sort();
                prop_assert_eq!(cache.keys_of(lookup), scanned);
                prop_assert!(cache.has_any(lookup));
            }
            let known: BTreeSet<_> = cache.found.read().all().cloned().collect();
            prop_assert_eq!(known, all.iter().map(|event| event.key()).collect::<BTreeSet<_>>());
        }
    }
}

/// Whoever waits for a list finds all of it: an account whose
/// events are not found yet would lose its finalizer for a moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_waited_for_can_be_looked_up() {
    const EVENTS: u16 = 2_000;
    let (cache, mut writers) = new_cache::<AdConversionEvent>(&[]);
    let used = Lookup::Uses(Account::HubSpot(ObjectKey::new("m", "h")));
    let waiter = tokio::spawn(async move {
        assert!(cache.wait_listed(None).await);
        cache.keys_of(&used).len()
    });
    let lister = tokio::task::spawn_blocking(move || {
        let writer = &mut writers[0];
        writer.apply_event(&Event::Init);
        for number in 0..EVENTS {
            let mut event = event("m", 0, 0);
            event.metadata.name = Some(format!("e{number}"));
            writer.apply_event(&Event::InitApply(event));
        }
        writer.apply_event(&Event::InitDone);
    });
    lister.await.unwrap();
    assert_eq!(waiter.await.unwrap(), usize::from(EVENTS));
}

#[test]
fn what_no_list_has_shown_is_not_gone() {
    let key = |namespace: &str, name: &str| ObjectKey::new(namespace, name);
    let (cache, mut writers) = new_cache::<AdConversionEvent>(&["m".to_owned(), "n".to_owned()]);
    assert!(!cache.is_gone(&key("m", "e1")), "not listed yet");
    show(&mut writers[0], "m", &Sees::List(vec![(0, 0)]));
    let gone = |cache: &Cache<AdConversionEvent>| {
        [("m", "e0"), ("m", "e1"), ("n", "e1"), ("elsewhere", "e1")]
            .map(|(namespace, name)| cache.is_gone(&key(namespace, name)))
    };
    assert_eq!(gone(&cache), [false, true, false, false]);
    show(&mut writers[0], "m", &Sees::End(0));
    assert_eq!(
        gone(&cache.clone()),
        [true, true, false, false],
        "its clones see it too"
    );
    let (all, mut writers) = new_cache::<AdConversionEvent>(&[]);
    assert_eq!(gone(&all), [false; 4]);
    show(&mut writers[0], "m", &Sees::List(vec![(0, 0)]));
    assert_eq!(gone(&all), [false, true, true, true], "of all namespaces");
}
