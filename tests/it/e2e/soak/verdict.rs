//! Whether all came out as it had to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use super::cast::{GOOGLE, Plan, TENANTS};
use super::crm::{Crm, Entry, Fate, transaction};
use super::lookout::{Lookout, no_private};
use crate::e2e::Stage;
use crate::e2e::rows_of::sha256;
use crate::e2e::stage::{Counts, condition, reason};

/// Most resident memory, in MiB.
const PEAK: f64 = 256.0;
/// How much higher the last third of the longest life may lie than its first, in MiB.
const GROWTH: f64 = 24.0;
/// Looks after a start that count for nothing: caches fill.
const WARM_UP: usize = 10;

/// What an event's action should have at Google: the ids each conversion may have, and how sure that is.
struct Expected {
    ids: Vec<String>,
    fate: Fate,
}

fn lifecycle(crm: &Crm, stage: &Stage, tenant: usize, lifecycle: &str) -> Vec<Expected> {
    let shown = Crm::shown(stage, tenant);
    let of_event = |e: &&Entry| e.tenant == tenant && e.stage == lifecycle;
    let expected = |entry: &Entry| {
        let person = &crm.people[entry.person];
        // A merge makes rows of two histories one: what it drops counts only where it was seen before.
        let is_shown = shown.contains(&(person.id.clone(), entry.stage.to_owned(), entry.at));
        let fate = if entry.fate == Fate::Counts && !is_shown {
            Fate::Either
        } else {
            entry.fate
        };
        let ids = person
            .lineage
            .iter()
            .map(|id| transaction(tenant, id, entry.stage, entry.at));
        Expected {
            ids: ids.collect(),
            fate,
        }
    };
    crm.entries.iter().filter(of_event).map(expected).collect()
}

fn submissions(crm: &Crm, tenant: usize) -> Vec<Expected> {
    let of_event = crm.submissions.iter().filter(|s| s.tenant == tenant);
    of_event
        .map(|s| Expected {
            ids: vec![s.id.clone()],
            fate: s.fate,
        })
        .collect()
}

fn expected(crm: &Crm, stage: &Stage, tenant: usize, plan: &Plan) -> Vec<Expected> {
    plan.stage
        .map_or_else(|| submissions(crm, tenant), |name| lifecycle(crm, stage, tenant, name))
}

/// Rows that Google counted for an action, by id; each once and with one value.
fn counted(stage: &Stage, plan: &Plan, action: &str) -> BTreeSet<String> {
    let tally = stage.admin(&format!("/google/tally?actionId={action}"));
    let (list, id) = if plan.stage.is_some() {
        ("conversions", "transactionId")
    } else {
        ("enhancements", "orderId")
    };
    let rows = tally[list].as_array().cloned().unwrap_or_default();
    let mut found = BTreeSet::new();
    for row in &rows {
        if plan.stage.is_some() {
            assert_eq!(row["adjusted"], 0, "{}: a repeat changed {row:#}", plan.name);
        }
        if let Some(value) = plan.value {
            assert_eq!(
                (&row["value"], &row["currency"]),
                (&json!(value), &json!("EUR")),
                "{}: {row:#}",
                plan.name
            );
        }
        assert!(
            found.insert(row[id].as_str().expect("an id").to_owned()),
            "twice: {row:#}"
        );
    }
    found
}

/// Conversions that should have counted and did not, and those that should not have and did.
fn compare(expected: &[Expected], mut found: BTreeSet<String>) -> Value {
    let (mut missing, mut wrong) = (Vec::new(), Vec::new());
    for one in expected {
        let hits: Vec<&String> = one.ids.iter().filter(|id| found.contains(*id)).collect();
        match (one.fate, hits.len()) {
            (Fate::Counts, 0) => missing.push(json!(one.ids)),
            (Fate::Counts, 1) | (Fate::Either, 0 | 1) | (Fate::Never, 0) => {}
            (fate, _) => wrong.push(json!({"fate": format!("{fate:?}"), "counted": hits})),
        }
        let hits: Vec<String> = hits.into_iter().cloned().collect();
        for id in hits {
            found.remove(&id);
        }
    }
    if missing.is_empty() && wrong.is_empty() && found.is_empty() {
        return Value::Null;
    }
    json!({"missing": missing, "wrong": wrong, "unknown": found})
}

/// What is still open or wrong of one event; null where nothing is.
fn rest_of(stage: &Stage, crm: &Crm, tenant: usize, plan: &Plan, events: &[Value]) -> Value {
    let Some(event) = events.iter().find(|e| e["metadata"]["name"] == plan.name) else {
        return json!("it is not there");
    };
    let Some(action) = event["status"]["conversionAction"]["id"].as_str() else {
        return json!({"no action": event["status"]});
    };
    let counts = Counts::of(event);
    let waiting = if plan.stage.is_none() { crm.waiting(tenant) } else { 0 };
    let waits = counts.pending == waiting && (waiting == 0 || reason(event, "Pending", "AwaitingConsent") == waiting);
    let found = counted(stage, plan, action);
    let all = expected(crm, stage, tenant, plan);
    // Who is deleted while Google's answer about him is lost can't
    // be asked about again: the status may call him skipped.
    let unsure = all
        .iter()
        .filter(|one| one.fate == Fate::Either && one.ids.iter().any(|id| found.contains(id)));
    let least = found.len() - unsure.count();
    let told = (least as u64..=found.len() as u64).contains(&counts.uploaded) && counts.processing == 0;
    let taken = found.len();
    let difference = compare(&all, found);
    let ready = condition(event, "Ready")["status"] == "True";
    if difference.is_null() && waits && told && ready {
        return Value::Null;
    }
    json!({"difference": difference, "waiting": waiting, "taken": taken, "status": event["status"]})
}

/// What is still open or wrong; null where nothing is.
pub fn rest(stage: &Stage, crm: &Crm, lookout: &Lookout) -> Value {
    let mut all = serde_json::Map::new();
    for (number, tenant) in TENANTS.iter().enumerate() {
        let events = lookout.events(number);
        for plan in tenant.events {
            let rest = rest_of(stage, crm, number, plan, &events);
            if !rest.is_null() {
                all.insert(format!("{number}/{}", plan.name), rest);
            }
        }
    }
    if all.is_empty() {
        Value::Null
    } else {
        Value::Object(all)
    }
}

/// Tenant and stage of the events of which conversions were refused, and Google did not say for whose sake.
pub fn waiting_alone(lookout: &Lookout) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (number, tenant) in TENANTS.iter().enumerate() {
        let events = lookout.events(number);
        for plan in tenant.events {
            let event = events.iter().find(|e| e["metadata"]["name"] == plan.name);
            let waits = event.is_some_and(|event| reason(event, "Pending", "UpstreamUnavailable") > 0);
            found.extend(plan.stage.filter(|_| waits).map(|stage| (number, stage)));
        }
    }
    found
}

/// One action of each name, and none for the hostile tenant.
pub fn judge_actions(stage: &Stage) {
    let mut found: BTreeMap<(String, String), usize> = BTreeMap::new();
    for action in stage
        .actions()
        .iter()
        .filter(|a| a["status"] != "REMOVED" && a["system"] != true)
    {
        let text = |name: &str| action[name].as_str().expect("a text").to_owned();
        *found.entry((text("customerId"), text("name"))).or_default() += 1;
    }
    let plans = TENANTS.iter().flat_map(|tenant| tenant.events);
    let wanted = plans.map(|plan| ((GOOGLE[plan.google].0.to_owned(), plan.name.to_owned()), 1));
    assert_eq!(found, wanted.collect::<BTreeMap<_, _>>());
}

/// Runs of so many hex digits, as hashes of identifiers are written.
fn hashes(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_hexdigit());
    words.filter(|word| word.len() == 64).collect()
}

/// Nothing of a person or a credential is in log and ledger, and no panic in the log.
pub fn judge_files(stage: &Stage, crm: &Crm) {
    let log = stage.log();
    assert!(!log.contains("panicked"), "{}", xtask::process::tail(&log, 60));
    no_private("the log", &log);
    let mut hashed: BTreeSet<String> = (0..crm.people.len())
        .map(|n| sha256(&format!("soak-{n}@example.com")))
        .collect();
    hashed.extend(crm.submissions.iter().map(|s| sha256(&format!("{}@example.com", s.id))));
    assert!(
        hashes(&log).iter().all(|word| !hashed.contains(*word)),
        "a hash of an address is in the log"
    );
    for suffix in ["", "-wal"] {
        let mut path = stage.ledger().into_os_string();
        path.push(suffix);
        let Ok(bytes) = fs::read(&path) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        no_private("the ledger", &text);
        assert!(
            hashes(&text).iter().all(|word| !hashed.contains(*word)),
            "a hash of an address is in the ledger"
        );
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Memory of the longest life does not climb, and was never much; what it was.
pub fn judge_memory(lives: &[Vec<f64>]) -> String {
    let peak = lives.iter().flatten().copied().fold(0.0, f64::max);
    let longest = lives.iter().max_by_key(|life| life.len()).expect("a life");
    let warm = longest.get(WARM_UP..).unwrap_or_default();
    assert!(warm.len() >= 9, "no life was long enough: {} looks", longest.len());
    let third = warm.len() / 3;
    let [first, middle, last] = [&warm[..third], &warm[third..2 * third], &warm[2 * third..]].map(median);
    let told = format!(
        "resident memory: peak {peak:.0} MiB; thirds of the longest life ({} looks): {first:.0}, {middle:.0}, {last:.0} MiB",
        longest.len()
    );
    assert!(peak < PEAK, "{told}");
    assert!(last <= first + GROWTH, "{told}");
    told
}

/// How many conversions and submissions had which fate.
pub fn fates(stage: &Stage, crm: &Crm) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, tenant) in TENANTS.iter().enumerate() {
        for plan in tenant.events {
            for one in expected(crm, stage, number, plan) {
                let name = match one.fate {
                    Fate::Counts => "exactly once",
                    Fate::Either => "once or not at all",
                    Fate::Never => "never",
                };
                *counts.entry(name).or_default() += 1;
            }
        }
    }
    format!("{counts:?}")
}
