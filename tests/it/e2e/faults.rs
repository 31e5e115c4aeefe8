//! Faults of what the operator stands on: the API server goes away
//! or refuses its writes, the ledger can't be written or is damaged.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::time::Duration;

use adconversion_operator::api;
use serde_json::{Value, json};
use xtask::control_plane::{ControlPlane, Options};
use xtask::lab::install;

use super::Stage;
use super::judge::{calls, crowd, exactly, settled_within, transactions};
use super::stage::{Counts, ago};

const LIMIT: Duration = Duration::from_secs(100);

fn begin(stage: &Stage, name: &str) {
    stage.start_operator();
    apply(stage, name);
}

fn apply(stage: &Stage, name: &str) {
    stage.apply(include_str!("accounts.yaml"));
    stage.event(name, "customer", &json!({"startTime": ago(86_400 * 10)}));
}

fn judge(stage: &Stage, name: &str) -> Value {
    let all = transactions(stage, "customer");
    let event = settled_within(stage, name, all.len(), LIMIT);
    assert_eq!(Counts::of(&event).uploaded, all.len() as u64, "{:#}", event["status"]);
    exactly(stage, &event, &all.into_iter().collect());
    event
}

/// A control plane of this test's own; it ends with the process.
pub(super) fn plane() -> (&'static ControlPlane, String) {
    let plane = ControlPlane::start(&Options::default()).expect("a control plane");
    plane
        .client()
        .apply(&api::crds_yaml().expect("definitions"))
        .expect("the definitions");
    let helm = xtask::tools::helm().expect("helm");
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = install::install(plane.client(), &helm, repository).expect("the chart's permissions");
    plane
        .client()
        .must(&["create", "namespace", "faults"])
        .expect("a namespace");
    (Box::leak(Box::new(plane)), installed.service_account)
}

/// The cluster role with which the operator writes the status of events.
fn status_role(plane: &ControlPlane) -> Value {
    let roles = plane
        .client()
        .json(&["get", "clusterroles", "-o", "json"])
        .expect("roles");
    let holds = |role: &Value| role["rules"].to_string().contains("adconversionevents/status");
    let found = roles["items"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|role| holds(role) && role["rules"].to_string().contains("patch"));
    let mut role = found.expect("the operator's role").clone();
    for field in ["resourceVersion", "uid", "managedFields", "creationTimestamp"] {
        role["metadata"].as_object_mut().expect("metadata").remove(field);
    }
    role
}

#[test]
fn the_api_server_restarts_and_refuses_a_status_write() {
    let (plane, account) = plane();
    let stage = Stage::on(plane, &account, "faults".to_owned(), &[], &[]);
    crowd(&stage, 20);
    stage.post(
        "/gate",
        &json!({"service": "dataManager", "mutating": true, "number": 1, "when": "after"}),
    );
    begin(&stage, "restart");
    stage.at_the_gate();
    plane.stop_apiserver().expect("the end of the API server");
    stage.admin_call("DELETE", "/gate", None);
    plane.start_apiserver().expect("the API server again");
    let event = judge(&stage, "restart");
    stage.condition("adce/restart", "Ready", "True", "");
    // An API server that has just started refuses what it will allow: no reason to alarm anybody.
    let told = stage.kubectl(&["get", "events", "--output", "json"]);
    assert!(!told.contains("AccessDenied"), "{told}");

    let role = status_role(plane);
    let mut less = role.clone();
    for rule in less["rules"].as_array_mut().expect("rules") {
        if let Some(resources) = rule["resources"].as_array_mut() {
            resources.retain(|r| r != "adconversionevents/status");
        }
    }
    plane
        .client()
        .must(&[
            "delete",
            "clusterrole",
            role["metadata"]["name"].as_str().expect("a name"),
        ])
        .expect("no role");
    plane.client().apply(&less.to_string()).expect("a lesser role");
    crowd(&stage, 23);
    let all = transactions(&stage, "customer");
    let id = super::judge::action(&event);
    stage.wait_for("conversions without status", || {
        let accepted = stage.accepted(&id).len();
        if accepted == all.len() {
            Ok(())
        } else {
            Err(json!(accepted))
        }
    });
    stage.wait_for("the refusal in the log", || {
        if stage.log().contains("forbidden") {
            Ok(())
        } else {
            Err(Value::Null)
        }
    });
    assert_eq!(Counts::of(&stage.get("adce/restart")).observed, 20, "not written");
    plane.client().apply(&role.to_string()).expect("the role again");
    judge(&stage, "restart");
}

/// All objects go with their definitions; the operator lives on, and all is as it was once both are there again.
#[test]
fn the_definitions_are_removed_and_installed_again() {
    let (plane, account) = plane();
    let stage = Stage::on(plane, &account, "faults".to_owned(), &[], &[]);
    crowd(&stage, 20);
    begin(&stage, "again");
    let before = judge(&stage, "again");
    let definitions = ["adconversionevents", "googleadsaccounts", "hubspotaccounts"];
    let names = definitions.map(|plural| format!("crd/{plural}.adconversion.dev"));
    let mut delete = vec!["delete", "--timeout=60s"];
    delete.extend(names.iter().map(String::as_str));
    plane.client().must(&delete).expect("no definitions");
    crowd(&stage, 23);
    stage.wait_for("the operator's complaint", || {
        let log = stage.log();
        if log.contains("404") { Ok(()) } else { Err(json!(log)) }
    });
    plane
        .client()
        .apply(&api::crds_yaml().expect("definitions"))
        .expect("the definitions");
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    plane
        .client()
        .wait_established(&names)
        .expect("the definitions are known");
    apply(&stage, "again");
    let event = judge(&stage, "again");
    assert_eq!(super::judge::action(&event), super::judge::action(&before));
    stage.condition("adce/again", "Ready", "True", "Succeeded");
}

/// Overwrites the middle of the file, as a bad disk would.
fn damage_pages(stage: &Stage) {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .open(stage.ledger())
        .expect("the ledger");
    let size = file.metadata().expect("a size").len();
    file.seek(SeekFrom::Start(4096)).expect("a place");
    let junk = vec![0xA5_u8; usize::try_from(size - 4096).expect("small")];
    file.write_all(&junk).expect("damage");
}

fn replace_with_text(stage: &Stage) {
    fs::write(stage.ledger(), "this is no database").expect("damage");
}

#[test]
fn nothing_is_sent_with_a_damaged_ledger_and_it_heals_once_restored() {
    let damages: [fn(&Stage); 2] = [damage_pages, replace_with_text];
    for damage in damages {
        let stage = Stage::empty("damaged", &[], &[]);
        crowd(&stage, 20);
        begin(&stage, "damaged");
        let before = judge(&stage, "damaged")["status"]["sync"]["ledgerId"].clone();
        stage.stop_operator();
        let kept = stage.ledger().with_file_name("kept.db");
        fs::copy(stage.ledger(), &kept).expect("a copy");
        for file in ["ledger.db-wal", "ledger.db-shm"] {
            assert!(
                !stage.ledger().with_file_name(file).exists(),
                "a graceful stop folds {file}"
            );
        }
        damage(&stage);
        crowd(&stage, 25);
        let sent = calls(&stage, "events:ingest").len();
        stage.start_operator();
        stage.wait_for("two tries to open the ledger", || {
            let tries = stage.log().matches("the ledger can't be opened").count();
            if tries >= 2 { Ok(()) } else { Err(json!(tries)) }
        });
        assert!(stage.log().contains("damaged"), "the log says why");
        assert!(stage.http("/readyz").starts_with("HTTP/1.1 503"));
        assert!(
            stage.http("/livez").starts_with("HTTP/1.1 200"),
            "a restart would not help"
        );
        assert_eq!(calls(&stage, "events:ingest").len(), sent, "nothing is sent blindly");
        fs::copy(&kept, stage.ledger()).expect("the copy back");
        let event = judge(&stage, "damaged");
        assert_eq!(event["status"]["sync"]["ledgerId"], before, "the same ledger");
    }
}

#[test]
fn an_answer_that_can_not_be_recorded_holds_everything_until_it_can() {
    let stage = Stage::empty("locked", &[], &[]);
    crowd(&stage, 20);
    stage.post(
        "/gate",
        &json!({"service": "dataManager", "mutating": true, "number": 1, "when": "after"}),
    );
    begin(&stage, "locked");
    stage.at_the_gate();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let url = format!("sqlite://{}", stage.ledger().display());
    let mut lock = runtime.block_on(async {
        use sqlx::Connection;
        let mut connection = sqlx::SqliteConnection::connect(&url).await.expect("the ledger");
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut connection)
            .await
            .expect("the lock");
        connection
    });
    stage.admin_call("DELETE", "/gate", None);
    stage.condition("adce/locked", "Synced", "False", "LedgerUnavailable");
    crowd(&stage, 21);
    assert_eq!(calls(&stage, "events:ingest").len(), 1, "nothing else is sent");
    runtime.block_on(async {
        sqlx::query("ROLLBACK")
            .execute(&mut lock)
            .await
            .expect("the end of the lock");
    });
    let event = judge(&stage, "locked");
    stage.condition("adce/locked", "Synced", "True", "");
    let accepted = stage.accepted(&super::judge::action(&event));
    assert!(
        accepted.iter().all(|c| c["acceptedCount"] == 1),
        "nothing was sent twice"
    );
}

#[test]
fn results_of_an_account_that_is_gone_come_in_through_its_successor() {
    let stage = Stage::empty("moved", &["--processing-delay=500ms"], &[]);
    stage.admin_call("PATCH", "/google/settings", Some(&json!({"neverFinish": true})));
    crowd(&stage, 10);
    begin(&stage, "moved");
    stage.wait("adce/moved", "all processing", |e| Counts::of(e).processing == 10);
    stage.kubectl(&["delete", "adce/moved", "gaa/acme", "--wait", "--timeout=30s"]);
    let successor = "apiVersion: adconversion.dev/v1alpha1\nkind: GoogleAdsAccount\nmetadata: {name: successor}\n\
        spec: {customerId: 123-456-7890, credentialsSecretRef: {name: google-ads}}\n";
    stage.apply(successor);
    let more = json!({"startTime": ago(86_400 * 10), "googleAdsAccountRef": {"name": "successor"}});
    stage.event("moved", "customer", &more);
    stage.condition("adce/moved", "Ready", "True", "");
    stage.admin_call("PATCH", "/google/settings", Some(&json!({"neverFinish": false})));
    judge(&stage, "moved");
    assert_eq!(calls(&stage, "events:ingest").len(), 1, "nothing is sent again");
}
