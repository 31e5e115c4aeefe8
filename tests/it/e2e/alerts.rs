//! Each alert of the chart in a real Prometheus, fired by what it is about and by nothing else.

use std::sync::Arc;

use adconversion_operator::ops::health::{Probes, Watch, probe_router};
use adconversion_operator::ops::metrics::Metrics;
use adconversion_operator::ops::server::serve_apart;
use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Stage;
use super::judge::{became, crowd, settled_within};
use super::replicas::START;
use super::stage::monitor::CLAIM;
use super::stage::{LEASE, LIMIT, ago};
use crate::support::loops::{World, ledger};
use crate::support::memory::Memory;

/// Contacts of a click that Google does not know, so many that they count.
fn strangers(stage: &Stage) {
    let contacts: Vec<Value> = (0..12).map(|i| became(i, &format!("invalid-{i}"))).collect();
    stage.post("/hubspot/contacts", &json!(contacts));
}

fn fail(stage: &Stage, service: &str, action: &Value) {
    let fault = json!({"id": service, "service": service, "count": 0, "action": action});
    stage.post("/faults", &fault);
}

fn mend(stage: &Stage) {
    stage.admin_call("DELETE", "/faults", None);
}

/// Alerts about the work of one operator.
#[test]
fn each_fires_for_what_it_is_about() {
    let mut stage = Stage::empty("alerts", &[], &[]);
    let proxy = stage.proxied();
    stage.start_with_accounts();
    crowd(&stage, 5);
    stage.event("live", "customer", &json!({"startTime": ago(86_400 * 10)}));
    settled_within(&stage, "live", 5, LIMIT);
    let monitor = stage.monitored(&[stage.port()]);
    monitor.fire_alone(&[]);

    let account = json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": "HubSpotAccount",
        "metadata": {"name": "unready"}, "spec": {"credentialsSecretRef": {"name": "nobody"}}});
    stage.apply(&account.to_string());
    monitor.fires("AdConversionNotReady");
    stage.kubectl(&["delete", "hsa/unready"]);
    monitor.ends("AdConversionNotReady");

    strangers(&stage);
    monitor.fires("AdConversionRejections");
    settled_within(&stage, "live", 17, LIMIT);
    monitor.ends("AdConversionRejections");

    fail(&stage, "dataManager", &json!({"status": 503}));
    stage.contact(&[("customer", ago(1))], Some("later"), &json!({}));
    monitor.fires("AdConversionUpstreamFailing");
    monitor.fires("AdConversionPendingTooLong");
    stage.patch("adce/live", &json!({"spec": {"suspend": true}}));
    monitor.ends("AdConversionPendingTooLong");
    mend(&stage);
    stage.patch("adce/live", &json!({"spec": {"suspend": false}}));
    settled_within(&stage, "live", 18, LIMIT);

    proxy.refuse_statuses(true);
    stage.contact(&[("customer", ago(1))], Some("unwritten"), &json!({}));
    monitor.fires("AdConversionReconcileErrors");
    proxy.refuse_statuses(false);
    monitor.ends("AdConversionReconcileErrors");

    // Of a limit for seconds too few calls would be left for minutes, and the alert would be right to go on.
    let daily = json!({"status": "error", "category": "RATE_LIMITS", "errorType": "RATE_LIMIT", "policyName": "DAILY",
        "message": "You have reached your daily limit."});
    fail(
        &stage,
        "hubspot",
        &json!({"status": 429, "headers": {"retry-after": "3"}, "body": daily}),
    );
    monitor.fires("AdConversionThrottled");
    mend(&stage);
    monitor.ends("AdConversionThrottled");
    monitor.fire_alone(&[]);
}

/// Alerts about which operators are there.
#[test]
fn each_fires_for_processes_that_are_too_few_or_too_many() {
    let stage = Stage::empty("alerts-leaders", &[], &[]);
    stage.make_lease();
    let one = stage.start_replica("one", &[], None);
    one.wait_leads(START);
    let other = format!("sqlite://{}", stage.ledger().with_file_name("other.db").display());
    // Somebody's mistake: a ledger and a Lease of its own, beside the first.
    let two = stage.start_replica("two", &[("ledger-url", &other), ("leader-elect", "false")], None);
    two.wait_leads(START);
    let monitor = stage.monitored(&[one.port(), two.port()]);
    monitor.fires("AdConversionSeveralLeaders");
    two.signal("TERM");
    two.wait_ended(START);
    monitor.ends("AdConversionSeveralLeaders");

    for _ in 0..3 {
        one.restart();
        one.wait_leads(START);
    }
    monitor.fires("AdConversionRestarts");
    monitor.fire_alone(&["AdConversionRestarts"]);

    let spec =
        json!({"holderIdentity": "somebody", "leaseDurationSeconds": 300, "renewTime": "2100-01-01T00:00:00.000000Z"});
    one.signal("TERM");
    one.wait_ended(START);
    monitor.fires("AdConversionOperatorDown");
    stage.patch(&format!("lease/{LEASE}"), &json!({"spec": spec}));
    one.restart();
    monitor.fires("AdConversionNoLeader");
    monitor.ends("AdConversionOperatorDown");
}

/// Answers on a port of its own until the end of the test.
fn serve(runtime: &tokio::runtime::Runtime, router: Router) -> u16 {
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        serve_apart(listener, router, CancellationToken::new()).expect("a server");
        port
    })
}

/// A bug, which the real process has none of at hand, and the kubelet, which these tests have none of.
#[test]
fn each_fires_for_what_other_processes_show() {
    let stage = Stage::empty("alerts-others", &[], &[]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let metrics = Arc::new(Metrics::new());
    let probes = Arc::new(Probes::default());
    let operator = serve(&runtime, probe_router(Arc::clone(&probes), Arc::clone(&metrics)));
    let free = Arc::new(parking_lot::Mutex::new(20));
    let shown = Arc::clone(&free);
    let volume = move || {
        let series = |name: &str, value: u32| {
            format!("kubelet_volume_stats_{name}_bytes{{persistentvolumeclaim=\"{CLAIM}\"}} {value}\n")
        };
        std::future::ready(series("available", *shown.lock()) + &series("capacity", 100))
    };
    let kubelet = serve(&runtime, Router::new().route("/metrics", get(volume)));
    metrics.set_leader(true);
    let monitor = stage.monitored(&[operator, kubelet]);
    monitor.fire_alone(&[]);

    *free.lock() = 14;
    monitor.fires("AdConversionLedgerVolumeFull");
    *free.lock() = 90;
    monitor.ends("AdConversionLedgerVolumeFull");

    let running = runtime.block_on(async {
        let mut portal = Memory::new(1);
        portal.panics = true;
        World::new(ledger().await, portal, 1).run_watched(Arc::new(Watch { probes, metrics }))
    });
    monitor.fires("AdConversionBug");
    runtime.block_on(running.stop());
}
