//! Pages of a filter in between: at HubSpot's token endpoint,
//! and in place of contacts that are read with a bought token.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Stage;
use super::credentials::purchases;
use super::judge::{exactly, settled_within, transactions};
use super::meddler::{Asked, Meddler, Meddling, Reply};
use super::poison_contacts::reads_of_crowd;
use super::stage::{ago, condition};

const OAUTH: &str = "clientId: sandbox-client, clientSecret: sandbox-secret, refreshToken: sandbox-refresh";
const BAD: u32 = 12;

fn stage(name: &str) -> (Stage, Meddler) {
    let flags = [("stalled-probe-interval", "30m"), ("backoff-max", "1s")];
    let mut stage = Stage::empty(name, &["--no-rate-limits", "--processing-delay=200ms"], &flags);
    let meddler = stage.meddled();
    (stage, meddler)
}

fn start(stage: &Stage) {
    stage.start_operator();
    stage.apply(&include_str!("accounts.yaml").replace("accessToken: pat-na1-sandbox", OAUTH));
}

fn page(status: u16) -> Meddling {
    Meddling::Instead(Reply::new(status, "text/html", "<html>blocked</html>"))
}

#[test]
fn a_page_at_the_token_endpoint_revokes_nothing() {
    for status in [400, 401, 403] {
        let (stage, meddler) = stage("token-page");
        let tokens = |call: &Asked| call.path.contains("/oauth/") && call.path.ends_with("/token");
        let rule = meddler.always(tokens, page(status));
        start(&stage);
        stage.wait_for("several tries", || {
            let account = stage.get("hsa/acme");
            assert!(
                condition(&account, "Stalled").is_null(),
                "{status}: {:#}",
                account["status"]
            );
            let fired = meddler.fired(rule);
            if fired > 2 { Ok(()) } else { Err(json!(fired)) }
        });
        meddler.lift(rule);
        stage.condition("hsa/acme", "Ready", "True", "");
    }
}

#[test]
fn pages_in_place_of_contacts_cost_no_new_token_each() {
    let (stage, meddler) = stage("page-contacts");
    let reads = reads_of_crowd(&stage, BAD);
    let rule = meddler.always(reads, page(401));
    start(&stage);
    stage.condition("hsa/acme", "Ready", "True", "");
    let (before, begun) = (purchases(&stage, "/oauth/"), Instant::now());
    stage.event("won", "customer", &json!({"startTime": ago(86_400 * 30)}));
    stage.wait_for("many pages", || {
        let fired = meddler.fired(rule);
        if fired > 6 * BAD as usize {
            Ok(())
        } else {
            Err(json!(fired))
        }
    });
    let (bought, seconds) = (purchases(&stage, "/oauth/") - before, begun.elapsed().as_secs());
    assert!(bought as u64 <= 2 + seconds / 30, "{bought} tokens in {seconds} s");
    meddler.lift(rule);
    let event = settled_within(&stage, "won", BAD as usize, Duration::from_mins(2));
    exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
}
