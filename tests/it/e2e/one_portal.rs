//! Two HubSpot accounts, of one portal or of two: what one of them may see,
//! opens by mistake, or is asked to wait for, is no matter of the other's.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Stage;
use super::erased::named;
use super::judge::{crowd, exactly, occurrences, transactions};
use super::meddler::{Asked, Meddling, Reply};
use super::stage::{Neighbour, ago, condition, reason};

const DAY: i64 = 86_400;
const DETAILS: &str = "/account-info/";
const TOKEN: &str = "access-token-info";
const SEARCH: &str = "/contacts/search";

/// Makes tokens of a portal; a portal that is not there is made, without contacts.
pub(super) fn tokens(stage: &Stage, portal: u64, names: &[&str]) {
    let scopes = ["crm.objects.contacts.read", "crm.objects.deals.read", "forms"];
    let all = names
        .iter()
        .map(|name| json!({"accessToken": name, "kind": "privateApp", "scopes": scopes}));
    let body = json!({"portalId": portal, "tokens": all.collect::<Vec<_>>()});
    stage.post("/hubspot/portals", &body);
}

fn secret(name: &str, token: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"accessToken": token}})
}

/// A HubSpot account of a neighbour, with a Secret of the same name.
pub(super) fn account(of: &Neighbour<'_>, name: &str, token: &str, mut spec: Value) {
    spec["credentialsSecretRef"] = json!({"name": name});
    spec["interval"] = json!("500ms");
    let kind = json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": "HubSpotAccount", "metadata": {"name": name}, "spec": spec});
    of.apply(&json!({"apiVersion": "v1", "kind": "List", "items": [secret(name, token), kind]}).to_string());
}

/// Waits until so many more searches have come to the sandbox.
fn searched(stage: &Stage, more: usize) {
    let since = Timestamp::now();
    stage.wait_for("searches", || {
        let log = stage.admin("/requests?since=0&service=hubspot");
        let all = log["requests"]
            .as_array()
            .or_else(|| log.as_array())
            .cloned()
            .unwrap_or_default();
        let later = |r: &&Value| {
            let at = r["time"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
            r["path"].as_str().is_some_and(|path| path.contains(SEARCH)) && at.is_some_and(|at| at > since)
        };
        let found = all.iter().filter(later).count();
        if found >= more { Ok(()) } else { Err(json!(found)) }
    });
}

fn is(call: &Asked, path: &str, token: &str) -> bool {
    call.path.contains(path) && call.says(token)
}

fn wait_an_hour() -> Meddling {
    let body = json!({"status": "error", "category": "RATE_LIMITS", "policyName": "DAILY", "message": "Wait."});
    Meddling::Instead(Reply::json(429, &body).header("retry-after", "3600"))
}

/// One that may see a single contact looks for all of them, for longer than the retention.
#[test]
fn a_narrower_token_erases_nothing_that_another_account_sees() {
    let flags = [("deletion-check-interval", "1s"), ("retention", "4s")];
    let (stage, other) = Stage::with_neighbour("narrow", &flags);
    crowd(&stage, 5);
    let contacts: Vec<String> = occurrences(&stage, "customer").into_iter().map(|(id, _)| id).collect();
    let mut sent: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
    let (gone, own) = (contacts[0].clone(), contacts[1].clone());
    tokens(&stage, 62515, &["pat-narrow"]);
    let sees = json!({"sees": {"pat-narrow": [own]}});
    stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&sees));
    stage.start_operator();
    stage.accounts();
    stage.event(
        "owner",
        "customer",
        &json!({"startTime": ago(DAY), "eventName": "Owner"}),
    );
    stage.settled("owner", 5);
    stage.patch("adce/owner", &json!({"spec": {"suspend": true}}));
    stage.condition("adce/owner", "Ready", "True", "Suspended");
    let waits = stage.contact(&[("customer", ago(60))], Some("click-late"), &json!({}));
    stage.wait("adce/owner", "one that waits", |event| {
        reason(event, "Pending", "Suspended") == 1
    });
    let narrow = stage.neighbour(other);
    narrow.accounts();
    account(&narrow, "acme", "pat-narrow", json!({}));
    narrow.event(
        "narrow",
        "customer",
        &json!({"startTime": ago(DAY), "eventName": "Narrow"}),
    );
    narrow.condition("adce/narrow", "Ready", "True", "");
    // Marks of the narrower account are there before somebody is
    // deleted indeed: once that one is gone, they are old enough.
    let marked = || missed(&stage, &format!("{}/acme", narrow.namespace));
    stage.wait_for("marks of the narrower account", || {
        if marked() >= 4 { Ok(()) } else { Err(json!(marked())) }
    });
    stage.admin_call("DELETE", &format!("/hubspot/contacts/{gone}"), None);
    let only = BTreeSet::from([gone.clone()]);
    stage.wait_for("the deleted contact to be erased", || {
        let found = named(&stage, &only);
        if found.is_empty() { Ok(()) } else { Err(json!(found)) }
    });
    let living = contacts.iter().filter(|id| **id != gone).chain([&waits]);
    let all: BTreeSet<String> = living.cloned().collect();
    let left: BTreeSet<String> = named(&stage, &all).into_iter().map(|(id, _)| id).collect();
    assert_eq!(left, all, "no contact that the owner sees is erased");
    // What waited all the while is sent.
    stage.patch("adce/owner", &json!({"spec": {"suspend": false}}));
    let event = stage.settled("owner", 6);
    assert_eq!(event["status"]["sync"]["uploaded"], 6, "{:#}", event["status"]);
    sent.extend(transactions(&stage, "customer"));
    exactly(&stage, &event, &sent);
}

/// How many contacts the ledger says this account's looks miss.
fn missed(stage: &Stage, account: &str) -> i64 {
    use sqlx::ConnectOptions;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(stage.ledger())
            .read_only(true);
        let mut ledger = options.connect().await.expect("the ledger");
        let statement = "SELECT count(*) FROM looks l JOIN look_rounds r ON r.id = l.looker
                         WHERE r.account = ?1 AND l.missing_since IS NOT NULL AND l.looked_at > l.missing_since";
        sqlx::query_scalar(statement)
            .bind(account)
            .fetch_one(&mut ledger)
            .await
            .expect("a number")
    })
}

/// A stranger in between answers the first calls about another
/// portal with the owner's id: first all of them, then one of two.
#[test]
fn who_is_refused_for_its_portal_holds_up_nobody() {
    let (mut stage, other) = Stage::with_neighbour("stranger", &[]);
    let meddler = stage.meddled();
    tokens(&stage, 778, &["pat-liar", "pat-moved"]);
    let claims = |token: &'static str, path: &'static str, field: &'static str| {
        let lie = Meddling::change(move |answer| answer[field] = json!(62515));
        meddler.times(1, move |call| is(call, path, token), lie)
    };
    let liar = claims("pat-liar", DETAILS, "portalId");
    claims("pat-liar", TOKEN, "hubId");
    let moved = claims("pat-moved", DETAILS, "portalId");
    // From the second call on: the first one is told the lie.
    meddler.always(|call| is(call, DETAILS, "pat-liar"), wait_an_hour());
    let searches = meddler.always(|call| is(call, SEARCH, "pat-moved"), wait_an_hour());
    crowd(&stage, 1);
    stage.start_operator();
    stage.accounts();
    stage.event("owner", "customer", &json!({"startTime": ago(DAY)}));
    stage.settled("owner", 1);
    let hostile = stage.neighbour(other);
    hostile.accounts();
    account(&hostile, "liar", "pat-liar", json!({"portalId": 778}));
    hostile.condition("hsa/liar", "Stalled", "True", "PortalMismatch");
    hostile.condition("hsa/liar", "QuotaAvailable", "False", "RateLimited");
    searched(&stage, 3);
    // Another one is let into its own portal afterwards, and asked to wait there.
    account(&hostile, "moved", "pat-moved", json!({"portalId": 778}));
    hostile.condition("hsa/moved", "Ready", "True", "");
    let event = json!({"hubSpotAccountRef": {"name": "moved"}, "eventName": "Moved", "startTime": ago(DAY)});
    hostile.event("moved", "customer", &event);
    stage.wait_for("a wait of the other portal", || {
        let fired = meddler.fired(searches);
        if fired > 0 { Ok(()) } else { Err(json!(fired)) }
    });
    searched(&stage, 3);
    assert_eq!((meddler.fired(liar), meddler.fired(moved)), (1, 1));
    let owner = stage.get("hsa/acme");
    assert_eq!(
        condition(&owner, "QuotaAvailable")["status"],
        "True",
        "{:#}",
        owner["status"]
    );
}

/// A limit or an outage at the next probe says nothing about what stalls an account.
#[test]
fn a_stalled_account_stays_so_while_nothing_tells() {
    let stage = Stage::start("unproven");
    stage.event("won", "customer", &json!({}));
    stage.condition("adce/won", "Ready", "True", "");
    tokens(&stage, 778, &["pat-other"]);
    stage.apply(&secret("hubspot", "pat-other").to_string());
    stage.condition("hsa/acme", "Stalled", "True", "PortalMismatch");
    let daily = json!({"status": "error", "category": "RATE_LIMITS", "policyName": "DAILY", "message": "Wait."});
    let limit = json!({"status": 429, "headers": {"retry-after": "6"}, "body": daily});
    for action in [limit, json!({"status": 503})] {
        let fault = json!({"id": "probe", "service": "hubspot", "path": DETAILS, "count": 0, "action": action});
        stage.post("/faults", &fault);
        let account = stage.wait("hsa/acme", "a probe that tells nothing", |account| {
            let stalled = condition(account, "Stalled");
            stalled["message"]
                .as_str()
                .is_some_and(|m| m.contains("The last check failed"))
                || stalled.is_null()
        });
        assert_eq!(
            condition(&account, "Stalled")["reason"],
            "PortalMismatch",
            "{action}: {account:#}"
        );
        assert_eq!(condition(&account, "Ready")["status"], "False", "{action}: {account:#}");
        stage.condition("adce/won", "AccountsReady", "False", "AccountNotReady");
        stage.admin_call("DELETE", "/faults?id=probe", None);
        stage.wait("hsa/acme", "a probe that tells the same", |account| {
            let message = condition(account, "Stalled")["message"].clone();
            message.as_str().is_some_and(|m| !m.contains("The last check failed"))
        });
    }
    stage.apply(&secret("hubspot", "pat-na1-sandbox").to_string());
    stage.condition("hsa/acme", "Ready", "True", "");
    stage.condition("adce/won", "Ready", "True", "");
}
