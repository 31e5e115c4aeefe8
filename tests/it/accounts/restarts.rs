//! A task that serves all namespaces ends: it is started again alone, and misses nothing.

use std::sync::Arc;
use std::time::Duration;

use adconversion_operator::api::{AdConversionEvent, HubSpotAccount};
use adconversion_operator::controller::shared::context::Settings;
use adconversion_operator::ledger::SqlLedger;
use adconversion_operator::ops::exposition::Format;
use adconversion_operator::registry::{Urgency, Wake};
use jiff::Timestamp;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::HUBSPOT_READY;
use super::fake::World;
use super::operator::{Operator, PATIENCE, own_namespace, settings};
use crate::support::wait::until;

fn event() -> Value {
    json!({
        "googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"},
        "trigger": {"lifecycleStage": {"stage": "customer"}},
    })
}

/// Waits until one restart of this kind is counted.
async fn restarted(op: &Operator, kind: &str) {
    let wanted = format!("adconversion_loop_restarts_total{{loop=\"{kind}\"}} 1");
    let counted = async || {
        let text = op.metrics.encode(Format::Prometheus, Timestamp::now()).unwrap();
        if text.contains(&wanted) { Ok(()) } else { Err(text) }
    };
    until(&wanted, PATIENCE, counted).await;
}

/// Accounts, which have controllers of their own, are served.
async fn accounts_go_on(op: &Operator, name: &str) {
    op.secret("hs", &json!({"accessToken": "pat-secret-value"})).await;
    let spec = json!({"credentialsSecretRef": {"name": "hs"}, "interval": "1s"});
    op.create::<HubSpotAccount>(name, &spec).await;
    op.wait::<HubSpotAccount>(name, &HUBSPOT_READY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_breaks_is_started_again_alone() {
    let world = World::new();
    let op = Operator::start("controller", &world).await;
    op.create::<AdConversionEvent>("before", &event()).await;
    op.seen("before", 1).await;
    op.create::<AdConversionEvent>("breaks-the-controller", &event()).await;
    restarted(&op, "controller").await;
    // What it was at goes once more, and so does everything that it knew: requeues went with it.
    op.seen("breaks-the-controller", 2).await;
    op.seen("before", 2).await;
    op.create::<AdConversionEvent>("after", &event()).await;
    op.seen("after", 1).await;
    accounts_go_on(&op, "acme").await;
    assert_eq!(op.probes.stuck_loops(), [""; 0]);
    op.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_breaks_is_started_again_alone() {
    let world = World::new();
    let op = Operator::start("watch", &world).await;
    op.create::<AdConversionEvent>("breaks-the-watch", &event()).await;
    op.seen("breaks-the-watch", 1).await;
    let delete = DeleteParams::default();
    op.api::<AdConversionEvent>()
        .delete("breaks-the-watch", &delete)
        .await
        .unwrap();
    restarted(&op, "watch").await;
    op.create::<AdConversionEvent>("after", &event()).await;
    op.seen("after", 1).await;
    accounts_go_on(&op, "acme").await;
    assert_eq!(op.probes.stuck_loops(), [""; 0]);
    op.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_breaks_is_started_again_alone() {
    let world = World::new();
    let ledger = Arc::new(SqlLedger::open("sqlite::memory:").await.unwrap());
    // No time lies so far ahead: the router breaks where it reckons when moved counts are due.
    let settings = Settings {
        status_interval: Duration::MAX,
        ..settings()
    };
    let op = Operator::start_in(own_namespace("router").await, &world, ledger, settings).await;
    op.create::<AdConversionEvent>("moved", &event()).await;
    op.seen("moved", 1).await;
    op.registry.wake(Wake::Event {
        key: op.key("moved"),
        urgency: Urgency::Soon,
    });
    restarted(&op, "router").await;
    // A wake-up that went with it is made up for.
    op.seen("moved", 2).await;
    op.create::<AdConversionEvent>("after", &event()).await;
    op.seen("after", 1).await;
    accounts_go_on(&op, "acme").await;
    assert_eq!(op.probes.stuck_loops(), [""; 0]);
    op.stop().await;
}
