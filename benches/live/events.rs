//! Very many events on one API server: what they take at rest,
//! at a cold start, and how long a new one takes among them.

use std::time::{Duration, Instant};

use adconversion_operator::api::AdConversionEvent;
use futures::StreamExt;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::stand::{Stand, accounts};

const ACCOUNTS: usize = 10;
const STAGES: usize = 100;
/// New events whose way to Ready is timed.
const NEW: usize = 30;
/// How long rest is watched.
const REST: Duration = Duration::from_mins(1);
const LIMIT: Duration = Duration::from_mins(15);

/// What was measured with so many events.
struct Figures {
    events: usize,
    memory: f64,
    processor: f64,
    start: f64,
}

/// Measures with so many events, one number after the other.
pub fn run(sizes: &[usize]) {
    let runtime = Runtime::new().expect("a runtime");
    let stand = Stand::start(&[]);
    let most = sizes.iter().copied().max().unwrap_or_default();
    let google = prepare_sandbox(&stand, most);
    stand.start_operator(&[]);
    stand.apply(&accounts(&google, "1m"));
    let events = runtime.block_on(api(&stand));
    let mut known = 0;
    let mut all = Vec::new();
    for size in sizes {
        let begun = Instant::now();
        runtime.block_on(create(&events, known..*size));
        known = *size;
        stand.wait("all events to be Ready", LIMIT, || {
            std::thread::sleep(Duration::from_secs(2));
            (runtime.block_on(ready(&events)) == known).then_some(())
        });
        println!(
            "{known} events: created and Ready within {:.0} s",
            begun.elapsed().as_secs_f64()
        );
        all.push(measure(&stand, &runtime, &events, known));
    }
    for pair in all.windows(2) {
        let [few, many] = pair else { continue };
        let exponent =
            |of: fn(&Figures) -> f64| (of(many) / of(few)).ln() / (many.events as f64 / few.events as f64).ln();
        println!(
            "exponents from {} to {} events: memory {:.2}, processor at rest {:.2}, cold start {:.2}",
            few.events,
            many.events,
            exponent(|f| f.memory),
            exponent(|f| f.processor),
            exponent(|f| f.start)
        );
    }
}

fn measure(stand: &Stand, runtime: &Runtime, events: &Api<AdConversionEvent>, known: usize) -> Figures {
    std::thread::sleep(Duration::from_secs(30));
    let processor = watch_rest(stand);
    let (memory, _, _) = stand.memory();
    println!("  settled memory                    {memory:8.1} MB");
    let mut times = runtime.block_on(time_new(events, known));
    times.sort_by(f64::total_cmp);
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    println!(
        "  new event Ready: median, worst    {median:8.2} s, {:.2} s",
        times.last().copied().unwrap_or_default()
    );
    let start = time_start(stand);
    Figures {
        events: known,
        memory,
        processor,
        start,
    }
}

/// Stages, accounts and conversion actions.
fn prepare_sandbox(stand: &Stand, most: usize) -> Vec<(String, String)> {
    let stages: Vec<Value> = (0..STAGES)
        .map(|n| json!({"value": stage(n), "label": format!("Stage {n}")}))
        .collect();
    let patch = json!({"customStages": stages});
    stand
        .sandbox
        .call("PATCH", "/admin/hubspot/portals/62515", Some(&patch))
        .expect("stages");
    let known = stand.sandbox.get("/admin/google/accounts").expect("accounts");
    let first = known["accounts"]
        .as_array()
        .and_then(|all| all.iter().find(|a| a["customerId"] == "1234567890"));
    let first = first.expect("the sandbox's account").clone();
    let mut named = Vec::new();
    for n in 0..ACCOUNTS {
        let customer = if n == 0 {
            "1234567890".to_owned()
        } else {
            format!("200000000{n}")
        };
        if n > 0 {
            let account = json!({"customerId": customer, "access": first["access"]});
            stand.post("/google/accounts", &account);
        }
        for action in 0..=most.div_ceil(ACCOUNTS * STAGES) {
            let body = json!({"customerId": customer, "type": "UPLOAD_CLICKS", "name": format!("Action {action}"), "id": action_id(n, action)});
            stand.post("/google/actions", &body);
        }
        named.push((format!("google-{n}"), customer));
    }
    named
}

fn stage(n: usize) -> String {
    (1_066_000_000 + n).to_string()
}

fn action_id(account: usize, action: usize) -> usize {
    700_000_000 + account * 1_000 + action
}

/// The event of this number: each has a trigger and an action that no other has together.
fn event(name: &str, account: usize, stage_number: usize, action: usize) -> AdConversionEvent {
    let event = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent", "metadata": {"name": name},
        "spec": {
            "googleAdsAccountRef": {"name": format!("google-{account}")}, "hubSpotAccountRef": {"name": "acme"},
            "trigger": {"lifecycleStage": {"stage": stage(stage_number)}},
            "conversionAction": {"existing": {"id": action_id(account, action).to_string()}},
        },
    });
    serde_json::from_value(event).expect("an event")
}

async fn api(stand: &Stand) -> Api<AdConversionEvent> {
    let kubeconfig = kube::config::Kubeconfig::read_from(stand.plane().admin_kubeconfig()).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await;
    let client = Client::try_from(config.expect("a configuration")).expect("a client");
    Api::namespaced(client, "default")
}

async fn create(events: &Api<AdConversionEvent>, numbers: std::ops::Range<usize>) {
    let create = |n: usize| async move {
        let new = event(
            &format!("event-{n:05}"),
            n % ACCOUNTS,
            n / ACCOUNTS % STAGES,
            n / (ACCOUNTS * STAGES),
        );
        events.create(&PostParams::default(), &new).await.expect("created");
    };
    futures::stream::iter(numbers).for_each_concurrent(8, create).await;
}

fn is_ready(event: &AdConversionEvent) -> bool {
    let conditions = event.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

async fn ready(events: &Api<AdConversionEvent>) -> usize {
    let (mut count, mut page) = (0, ListParams::default().limit(500));
    loop {
        let list = events.list(&page).await.expect("a list");
        count += list.items.iter().filter(|event| is_ready(event)).count();
        match list.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => page = page.continue_token(&next),
            None => return count,
        }
    }
}

/// Seconds from the creation of each new event to its Ready; they are deleted at the end.
async fn time_new(events: &Api<AdConversionEvent>, known: usize) -> Vec<f64> {
    let extra = known.div_ceil(ACCOUNTS * STAGES);
    let mut times = Vec::new();
    for n in 0..NEW {
        let name = format!("new-{known}-{n}");
        let begun = Instant::now();
        let new = event(&name, n % ACCOUNTS, n / ACCOUNTS, extra);
        events.create(&PostParams::default(), &new).await.expect("created");
        while !is_ready(&events.get(&name).await.expect("it is there")) {
            assert!(begun.elapsed() < LIMIT, "{name} is not Ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        times.push(begun.elapsed().as_secs_f64());
    }
    for n in 0..NEW {
        let name = format!("new-{known}-{n}");
        let deleted = events.delete(&name, &DeleteParams::default()).await;
        deleted.expect("deleted");
        // Gone, so that the next start finds nothing to do.
        while events.get_opt(&name).await.expect("an answer").is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    times
}

/// What a minute at rest takes; the part of a core.
fn watch_rest(stand: &Stand) -> f64 {
    stand.clear_calls();
    let (time, writes) = (stand.processor_time(), stand.kubernetes_writes());
    std::thread::sleep(REST);
    let processor = (stand.processor_time() - time) / REST.as_secs_f64();
    let writes = stand.kubernetes_writes() - writes;
    println!(
        "  in a minute at rest: processor    {:8.2} % of a core",
        processor * 100.0
    );
    println!("    writes to Kubernetes            {writes:8}");
    let hubspot = stand.calls("hubspot", "/").0;
    let google = stand.calls("googleAds", "/").0 + stand.calls("dataManager", "/").0;
    println!("    calls of HubSpot, of Google     {hubspot:8} {google}");
    processor
}

/// Seconds from the start of the process to its first search.
fn time_start(stand: &Stand) -> f64 {
    stand.stop_operator();
    stand.clear_calls();
    let (writes, before) = (stand.kubernetes_writes(), stand.statuses());
    let begun = Instant::now();
    stand.start_operator(&[]);
    stand.wait("the first poll", LIMIT, || {
        (stand.calls("hubspot", "contacts/search").0 > 0).then_some(())
    });
    let start = begun.elapsed().as_secs_f64();
    println!("  cold start to the first poll      {start:8.1} s");
    std::thread::sleep(Duration::from_secs(30));
    println!(
        "    writes to Kubernetes            {:8}",
        stand.kubernetes_writes() - writes
    );
    for (object, status) in &stand.statuses() {
        let old = before.get(object);
        if old != Some(status) {
            println!("      {object}: {}", differences(old.unwrap_or(&Value::Null), status));
        }
    }
    println!(
        "    mutating calls of Google        {:8}",
        stand.calls("googleAds", ":mutate").0
    );
    start
}

/// Members that differ in two statuses.
fn differences(old: &Value, new: &Value) -> String {
    let members = new.as_object().into_iter().flatten();
    let differ = members.filter(|(name, value)| old.get(name) != Some(value));
    let names: Vec<_> = differ.map(|(name, _)| name.as_str()).collect();
    names.join(", ")
}
