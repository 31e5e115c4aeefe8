//! The account controllers against a real API server, with upstream services in memory.

mod fake;
mod operator;
mod restarts;

use std::sync::atomic::Ordering;
use std::time::Duration;

use adconversion_operator::api::{AdConversionEvent, GoogleAdsAccount, HubSpotAccount};
use adconversion_operator::controller::shared::object::Object;
use adconversion_operator::domain::conditions::find_condition;
use adconversion_operator::domain::ids::{ActionId, CustomerId};
use adconversion_operator::ports::Cause;
use adconversion_operator::ports::ledger::OrphanNote;
use adconversion_operator::registry::{Account, Readiness};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::json;

use crate::support::wait::{is_so, until};
use fake::{World, refusal};
use operator::{Operator, PATIENCE, holds};

/// So many more looks tell that something is looked at again and again.
const LOOKS: u32 = 5;
const HUBSPOT_READY: [&str; 5] = [
    "Ready=True/Succeeded",
    "CredentialsValid=True/TokenRefreshed",
    "QuotaAvailable=True/WithinQuota",
    "!Stalled",
    "!Reconciling",
];

/// Which version of the Google account the API server has: another one after every write.
async fn google_version(op: &Operator) -> Option<String> {
    let account = op.api::<GoogleAdsAccount>().get("acme").await.unwrap();
    account.resource_version()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hubspot_account_from_missing_secret_to_ready_and_through_faults() {
    let world = World::new();
    let op = Operator::start("hubspot", &world).await;
    op.create::<HubSpotAccount>(
        "acme",
        &json!({"credentialsSecretRef": {"name": "hs"}, "interval": "1s"}),
    )
    .await;
    let missing = [
        "Stalled=True/SecretNotFound",
        "CredentialsValid=False/SecretNotFound",
        "!Reconciling",
    ];
    op.wait::<HubSpotAccount>("acme", &missing).await;
    op.secret("hs", &json!({"other": "x"})).await;
    op.wait::<HubSpotAccount>("acme", &["Stalled=True/SecretInvalid"]).await;
    op.secret("hs", &json!({"accessToken": "pat-secret-value"})).await;
    let ready = op.wait::<HubSpotAccount>("acme", &HUBSPOT_READY).await;
    let status = ready.status.clone().unwrap();
    assert_eq!((status.portal_id, status.used_by), (Some(62515), Some(0)));
    assert_eq!(status.lifecycle_stages.len(), 1);
    assert!(
        find_condition(&status.conditions, "Ready")
            .unwrap()
            .message
            .contains("spec.interval 1s is shorter than this operator allows")
    );
    assert!(
        !ready.finalizers().iter().any(|f| f.starts_with("adconversion")),
        "not in use: no finalizer"
    );
    let told = op.told("acme", "CredentialsRecovered").await;
    assert!(
        ["SecretNotFound", "SecretInvalid", "IntervalRaised"]
            .iter()
            .all(|reason| told.iter().any(|t| t == reason)),
        "{told:?}"
    );
    assert!(op.probes.closed_gates().is_empty());
    assert!(op.probes.stuck_loops().is_empty());
    let mut watched: Vec<String> = ["AdConversionEvent", "GoogleAdsAccount", "HubSpotAccount"]
        .iter()
        .flat_map(|kind| ["controller", "watch"].map(|what| format!("{what} of {kind} in {}", op.namespace)))
        .chain(["router of the controllers".to_owned()])
        .collect();
    watched.sort();
    assert_eq!(op.probes.watched_loops(), watched);
    let registered = op.registry.hubspot_account(&op.key("acme")).unwrap();
    assert_eq!(
        (registered.readiness, registered.interval),
        (Readiness::Ready, Duration::from_secs(10))
    );

    // A refused token stalls; what is mended at HubSpot heals without anybody touching Kubernetes.
    *world.hubspot_error.lock() = Some(refusal("HubSpot", Cause::CredentialsRejected));
    op.registry
        .hubspot_fault(&op.key("acme"), &refusal("HubSpot", Cause::MissingScope));
    op.wait::<HubSpotAccount>(
        "acme",
        &["Stalled=True/TokenRevoked", "CredentialsValid=False/TokenRevoked"],
    )
    .await;
    *world.hubspot_error.lock() = None;
    op.wait::<HubSpotAccount>("acme", &HUBSPOT_READY).await;

    // Another portal behind a new token: nothing of it is read.
    *world.portal.lock() = 7;
    op.secret("hs", &json!({"accessToken": "pat-other"})).await;
    let stalled = op
        .wait::<HubSpotAccount>("acme", &["Stalled=True/PortalMismatch", "Ready=False/PortalMismatch"])
        .await;
    assert_eq!(stalled.status.unwrap().portal_id, Some(62515));
    assert!(
        op.registry.hubspot_account(&op.key("acme")).unwrap().crm.is_none(),
        "the client of the wrong portal stays here"
    );
    assert_eq!(
        *world.used.lock(),
        [62515].into(),
        "nor does it count with those of that portal"
    );
    let dropped = || world.hubspot_dropped.load(Ordering::Relaxed);
    let before = dropped();
    *world.portal.lock() = 62515;
    op.wait::<HubSpotAccount>("acme", &HUBSPOT_READY).await;
    assert!(dropped() > before, "the probe asks with another token");

    *world.scopes.lock() = Some(vec!["crm.objects.deals.read".into()]);
    op.patch::<HubSpotAccount>(
        "acme",
        &json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now-1"}}}),
    )
    .await;
    let stalled = op.wait::<HubSpotAccount>("acme", &["Stalled=True/MissingScope"]).await;
    assert_eq!(
        stalled.status.unwrap().last_handled_reconcile_at.as_deref(),
        Some("now-1")
    );
    assert!(
        op.told("acme", "ReconcileRequestHandled")
            .await
            .contains(&"PortalMismatch".to_owned())
    );
    op.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_google_account_is_read_guarded_and_let_go() {
    let world = World::new();
    *world.terms.lock() = false;
    let op = Operator::start("google", &world).await;
    op.secret("ga", &json!({"refreshToken": "x"})).await;
    let spec = json!({"customerId": "123-456-7890", "credentialsSecretRef": {"name": "ga"}});
    op.create::<GoogleAdsAccount>("acme", &spec).await;
    let account = op
        .wait::<GoogleAdsAccount>(
            "acme",
            &[
                "Ready=True/Succeeded",
                "CustomerDataTermsAccepted=False/TermsNotAccepted",
                "EnhancedConversionsEnabled=True/Enabled",
            ],
        )
        .await;
    let status = account.status.unwrap();
    assert_eq!(status.descriptive_name.as_deref(), Some("Acme"));
    assert_eq!(status.conversion_customer_id.as_deref(), Some("1234567890"));

    // In use: finalizer and count; a deletion waits.
    let event = json!({
        "googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"},
        "trigger": {"lifecycleStage": {"stage": "customer"}},
    });
    op.create::<AdConversionEvent>("won", &event).await;
    op.wait_for::<GoogleAdsAccount>("acme", |a| {
        a.status.as_ref().is_some_and(|s| s.used_by == Some(1)) && !a.finalizers().is_empty()
    })
    .await;
    op.api::<GoogleAdsAccount>()
        .delete("acme", &DeleteParams::default())
        .await
        .unwrap();
    let blocked = op
        .wait::<GoogleAdsAccount>("acme", &["DeletionBlocked=True/InUse", "Ready=False/InUse"])
        .await;
    op.told("acme", "InUse").await;
    assert_eq!(
        op.registry.google_account(&op.key("acme")).map(|a| a.readiness),
        Some(Readiness::Ready),
        "its events go on"
    );
    let message = find_condition(blocked.conditions(), "DeletionBlocked")
        .unwrap()
        .message
        .clone();
    assert!(message.contains("won"), "{message}");
    op.api::<AdConversionEvent>()
        .delete("won", &DeleteParams::default())
        .await
        .unwrap();
    let gone = async || is_so(op.api::<GoogleAdsAccount>().get_opt("acme").await.unwrap().is_none());
    until("the end of the account", PATIENCE, gone).await;
    assert!(op.registry.google_account(&op.key("acme")).is_none());
    op.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_uploads_show_stalls_a_google_account_and_heals_without_a_flap() {
    let world = World::new();
    let op = Operator::start("reported", &world).await;
    op.create::<GoogleAdsAccount>("acme", &json!({"customerId": "1234567890"}))
        .await;
    op.wait::<GoogleAdsAccount>("acme", &["Ready=True/Succeeded"]).await;
    let key = op.key("acme");
    let refused = refusal("Data Manager", Cause::ServiceDisabled);
    op.registry.ad_account_fault(&key, &refused);
    let stalled = op
        .wait::<GoogleAdsAccount>("acme", &["Stalled=True/AccessDenied"])
        .await;
    let since = find_condition(stalled.conditions(), "Stalled")
        .unwrap()
        .last_transition_time
        .clone();
    assert!(holds(&stalled, "CredentialsValid=True/TokenRefreshed"));

    // The uploader may try again while the status says what it said; it fails: nothing flips.
    let usable = |op: &Operator| op.registry.google_account(&key).unwrap().readiness == Readiness::Ready;
    for _ in 0..2 {
        until("the uploader to be let in again", PATIENCE, async || is_so(usable(&op))).await;
        assert!(matches!(
            op.registry.shown_readiness(&Account::Google(key.clone())),
            Some(Readiness::NotReady { .. })
        ));
        op.registry.ad_account_fault(&key, &refused);
        until("the uploader to be kept out", PATIENCE, async || is_so(!usable(&op))).await;
        let now = op
            .wait::<GoogleAdsAccount>("acme", &["Stalled=True/AccessDenied"])
            .await;
        assert_eq!(
            find_condition(now.conditions(), "Stalled")
                .unwrap()
                .last_transition_time,
            since
        );
    }
    // Nothing more is refused: it heals by itself.
    op.wait::<GoogleAdsAccount>("acme", &["Ready=True/Succeeded", "!Stalled"])
        .await;
    assert!(
        world.google_dropped.load(Ordering::Relaxed) > 0,
        "the checks asked with another token"
    );
    assert_eq!(
        op.registry.shown_readiness(&Account::Google(key.clone())),
        Some(Readiness::Ready)
    );
    let told = op.told("acme", "AccessDenied").await;
    assert_eq!(told.iter().filter(|r| *r == "AccessDenied").count(), 1, "{told:?}");
    op.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blip_leaves_ready_an_outage_does_not_and_suspension_keeps_it() {
    let world = World::new();
    let op = Operator::start("blip", &world).await;
    op.create::<GoogleAdsAccount>("acme", &json!({"customerId": "1234567890"}))
        .await;
    op.create::<GoogleAdsAccount>("other", &json!({"customerId": "9876543210"}))
        .await;
    let ready = op.wait::<GoogleAdsAccount>("acme", &["Ready=True/Succeeded"]).await;
    let since = find_condition(ready.conditions(), "Ready")
        .unwrap()
        .last_transition_time
        .clone();
    *world.google_error.lock() = Some(refusal("Google Ads", Cause::Unavailable));
    let failing = |a: &GoogleAdsAccount| {
        find_condition(a.conditions(), "Ready")
            .unwrap()
            .message
            .contains("last check failed")
    };
    let blip = op.wait_for::<GoogleAdsAccount>("acme", failing).await;
    assert!(holds(&blip, "Ready=True/Succeeded") && holds(&blip, "!Reconciling"));
    assert_eq!(
        find_condition(blip.conditions(), "Ready").unwrap().last_transition_time,
        since
    );
    op.wait::<GoogleAdsAccount>(
        "acme",
        &[
            "Ready=False/UpstreamUnavailable",
            "Reconciling=True/ProgressingWithRetry",
            "!Stalled",
        ],
    )
    .await;
    *world.google_error.lock() = None;
    op.wait::<GoogleAdsAccount>("acme", &["Ready=True/Succeeded", "!Reconciling"])
        .await;

    op.patch::<GoogleAdsAccount>("acme", &json!({"spec": {"suspend": true}}))
        .await;
    op.wait::<GoogleAdsAccount>("acme", &["Ready=True/Suspended"]).await;
    assert_eq!(
        op.registry.google_account(&op.key("acme")).unwrap().readiness,
        Readiness::Suspended
    );
    let reads_of = |customer: &str| {
        let customer: CustomerId = customer.parse().unwrap();
        world.reads_of.lock().get(&customer).copied().unwrap_or_default()
    };
    let (reads, others) = (reads_of("1234567890"), reads_of("9876543210"));
    let version = google_version(&op).await;
    // Who is suspended gives no sign that could be waited for: another account does.
    let read = async || is_so(reads_of("9876543210") >= others + LOOKS);
    until("reads of the other account", PATIENCE, read).await;
    assert_eq!(reads_of("1234567890"), reads, "nothing is read while suspended");
    assert_eq!(google_version(&op).await, version);
    op.patch::<GoogleAdsAccount>("acme", &json!({"spec": {"suspend": false}}))
        .await;
    op.wait::<GoogleAdsAccount>("acme", &["Ready=True/Succeeded"]).await;
    let told = op.told("acme", "Resumed").await;
    assert!(told.contains(&"Suspended".to_owned()), "{told:?}");
    op.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_account_is_read_but_not_written_and_restarts_write_nothing() {
    let world = World::new();
    let op = Operator::start("idle", &world).await;
    let customer: CustomerId = "1234567890".parse().unwrap();
    let note = OrphanNote {
        action: customer.action_key(ActionId(2)),
        name: "Action 2".into(),
        kind: "UPLOAD_CLICKS".into(),
        former_event: "ns/old".into(),
        created_at: Some(Timestamp::now()),
        at: Timestamp::now(),
    };
    let gone = OrphanNote {
        action: customer.action_key(ActionId(99)),
        ..note.clone()
    };
    for note in [note, gone] {
        op.ledger.note_orphan(&note).await.unwrap();
    }
    op.create::<GoogleAdsAccount>("acme", &json!({"customerId": "1234567890"}))
        .await;
    // The note about an action that two reads do not show goes, the other is shown.
    op.wait_for::<GoogleAdsAccount>("acme", |a| {
        let orphans = a.status.as_ref().map_or(&[][..], |s| &s.orphaned_conversion_actions);
        orphans.len() == 1 && orphans[0].id == "2" && holds(a, "Ready=True/Succeeded")
    })
    .await;
    let reads = world.google_reads.load(Ordering::Relaxed);
    let version = google_version(&op).await;
    let looked = async || is_so(world.google_reads.load(Ordering::Relaxed) >= reads + LOOKS);
    until("reads of the account", PATIENCE, looked).await;
    assert_eq!(
        world.google_clients.load(Ordering::Relaxed),
        1,
        "with one set of clients"
    );
    assert_eq!(google_version(&op).await, version, "and not written");
    let (namespace, ledger) = (op.namespace.clone(), op.ledger.clone());
    op.stop().await;
    let op = Operator::start_in(namespace, &world, ledger, operator::settings()).await;
    let ready = async || {
        let account = op.registry.google_account(&op.key("acme"));
        is_so(account.is_some_and(|a| a.readiness == Readiness::Ready))
    };
    until("the account after the restart", PATIENCE, ready).await;
    assert_eq!(google_version(&op).await, version, "nor by a restart");
    assert_eq!(op.ledger.orphan_notes(&customer.account_key()).await.unwrap().len(), 1);
    op.stop().await;
}
