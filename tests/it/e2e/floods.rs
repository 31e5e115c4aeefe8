//! Answers without end and without measure, of many accounts at once: the process stays within the memory that the
//! chart gives it, whoever answers as agreed is served, and all heals once the others do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use serde_json::{Value, json};

use super::Stage;
use super::forms::{FORM, consenting};
use super::judge::{PORTAL, crowd};
use super::meddler::{Asked, Meddler, Meddling, Reply, Rule};
use super::stage::Counts;
use super::strangers::{Stranger, all_arrive, list};

/// The chart's limit.
const MEMORY: f64 = 256.0;

/// A valid beginning of a list, of so many bytes.
fn beginning(bytes: usize) -> Bytes {
    format!("{{\"results\": [{{\"name\": \"{}", "x".repeat(bytes)).into()
}

/// A list with a row that is odd and takes 30 MiB once it is parsed.
fn dense() -> Reply {
    let filling = "{\"a\":0},".repeat(30_000);
    Reply::new(
        200,
        "application/json",
        format!("{{\"results\": [{{\"id\": {{}}, \"x\": [{filling}0]}}]}}"),
    )
}

/// Pages of so many bytes, each with another one behind it.
fn pages(bytes: usize, page: fn(&str, u64) -> Value) -> Meddling {
    let (filling, number) = ("x".repeat(bytes), AtomicU64::new(0));
    Meddling::rewrite(move |_, _| Reply::json(200, &page(&filling, number.fetch_add(1, Ordering::Relaxed))))
}

fn endless(status: u16) -> Reply {
    Reply::new(status, "application/json", "{\"error\": \"").and_for_ever("no end ".repeat(10_000))
}

/// A rule for the calls of an account to paths that contain this.
fn flood(meddler: &Meddler, whose: Stranger, path: &'static str, what: Meddling) -> Rule {
    let of = whose.calls();
    meddler.always(move |asked: &Asked| asked.path.contains(path) && of(asked), what)
}

fn floods(meddler: &Meddler, portals: &[Stranger], google: &[Stranger]) -> Vec<Rule> {
    let instead = Meddling::Instead;
    let submissions = |filling: &str, n: u64| {
        json!({"results": [{"conversionId": format!("flood-{n}"), "pageUrl": filling}],
            "paging": {"next": {"after": n.to_string()}}})
    };
    let rows =
        |filling: &str, n: u64| json!({"results": [{"customer": {"x": filling}}], "nextPageToken": n.to_string()});
    let of = |whose: Stranger, path, what| flood(meddler, whose, path, what);
    vec![
        of(portals[0], "/account-info/", instead(Reply::bomb(200))),
        of(portals[1], "/crm/properties/", instead(Reply::bomb(200))),
        of(portals[2], "/contacts/search", instead(dense())),
        of(portals[3], "/contacts/search", instead(endless(503))),
        of(portals[4], "/submissions/forms/", pages(6 << 20, submissions)),
        of(portals[5], "/contacts/batch/read", instead(Reply::bomb(400))),
        of(google[0], "/token", instead(Reply::bomb(200))),
        of(google[1], "googleAds:search", pages(4 << 20, rows)),
        of(google[2], "googleAds:search", instead(endless(503))),
        of(google[3], "googleAds:search", instead(endless(200))),
        of(google[4], "googleAds:search", instead(dense())),
        of(google[5], "googleAds:search", instead(Reply::bomb(401))),
    ]
}

/// Waits until each rule has fired so often.
fn fired(stage: &Stage, meddler: &Meddler, rules: &[Rule], times: usize) {
    stage.wait_for("all floods", || {
        let fired: Vec<usize> = rules.iter().map(|rule| meddler.fired(*rule)).collect();
        if fired.iter().all(|fired| *fired >= times) {
            Ok(())
        } else {
            Err(json!(fired))
        }
    });
}

fn within_memory(stage: &Stage) {
    let (own, whole) = stage.peak_memory();
    println!("{}: {whole:.0} MiB, without the program {own:.0} MiB", stage.namespace);
    assert!(whole < MEMORY, "{whole:.0} MiB, without the program {own:.0} MiB");
    assert!(!stage.log().contains("panicked"), "{}", stage.log());
}

#[test]
fn floods_of_every_kind_stay_within_the_memory_and_end_with_their_causes() {
    let mut stage = Stage::empty("floods", &["--no-rate-limits"], &[("call-timeout", "5s")]);
    let meddler = stage.meddled();
    crowd(&stage, 20);
    let portals: Vec<_> = (1..=6).map(|n| Stranger::portal(&stage, n)).collect();
    let google: Vec<_> = (11..=16).map(|n| Stranger::google(&stage, n)).collect();
    let form = json!([{"id": FORM, "name": "Demo request"}]);
    stage.post("/hubspot/forms?portalId=700005", &form);
    let mut submission = consenting("flooded");
    submission["formId"] = json!(FORM);
    stage.post("/hubspot/submissions?portalId=700005", &json!([submission]));
    let rules = floods(&meddler, &portals, &google);
    stage.start_operator();
    stage.accounts();
    let all = || portals.iter().chain(&google);
    let manifests: Vec<Value> = all().flat_map(Stranger::manifests).collect();
    stage.apply(&list(&manifests));
    for stranger in all() {
        let more = if stranger.name() == "portal-5" {
            json!({"trigger": {"formSubmission": {"formId": FORM}}, "shareData": ["Email"],
                "consent": {"property": "ads_consent", "grantedValues": ["true"]}})
        } else {
            json!({})
        };
        stranger.event(&stage, &more);
    }
    stage.event(
        "well",
        "customer",
        &json!({"startTime": super::stage::ago(86_400 * 30)}),
    );
    fired(&stage, &meddler, &rules, 2);
    all_arrive(&stage, "well", PORTAL);
    within_memory(&stage);
    meddler.lift_all();
    for stranger in all().filter(|stranger| stranger.name() != "portal-5") {
        stranger.all_arrive(&stage);
    }
    stage.wait("adce/portal-5", "its submission", |e| {
        let counts = Counts::of(e);
        counts.conserved(e);
        (counts.observed, counts.uploaded) == (1, 1)
    });
    within_memory(&stage);
}

#[test]
fn large_answers_of_many_accounts_at_once_share_the_memory_of_the_process() {
    let (mut stage, other) = Stage::with_neighbour("share", &[("call-timeout", "6s")]);
    let meddler = stage.meddled();
    crowd(&stage, 5);
    let portals: Vec<_> = (21..37).map(|n| Stranger::portal(&stage, n)).collect();
    let google: Vec<_> = (41..57).map(|n| Stranger::google(&stage, n)).collect();
    let half = |text: &Bytes| Meddling::Instead(Reply::new(200, "application/json", text.clone()).and_then_silence());
    let (properties, rows) = (beginning(3 << 20), beginning(7 << 20));
    let lists = portals
        .iter()
        .map(|s| flood(&meddler, *s, "/crm/properties/2026-09/contacts", half(&properties)));
    let searches = google
        .iter()
        .map(|s| flood(&meddler, *s, "googleAds:search", half(&rows)));
    let rules: Vec<Rule> = lists.chain(searches).collect();
    stage.start_operator();
    let neighbour = stage.neighbour(other);
    let all = || portals.iter().chain(&google);
    let manifests: Vec<Value> = all().flat_map(Stranger::manifests).collect();
    neighbour.apply(&list(&manifests));
    fired(&stage, &meddler, &rules, 1);
    stage.accounts();
    stage.event(
        "well",
        "customer",
        &json!({"startTime": super::stage::ago(86_400 * 30)}),
    );
    all_arrive(&stage, "well", PORTAL);
    fired(&stage, &meddler, &rules, 2);
    within_memory(&stage);
    meddler.lift_all();
    for stranger in all() {
        neighbour.condition(&stranger.object(), "Ready", "True", "");
    }
}

#[test]
fn answers_that_stop_in_their_midst_hold_up_no_large_answers_of_others() {
    // Longer than all that is to happen.
    let (mut stage, other) = Stage::with_neighbour("trickle", &[("call-timeout", "60s")]);
    let meddler = stage.meddled();
    crowd(&stage, 5);
    let portals: Vec<_> = (61..73).map(|n| Stranger::portal(&stage, n)).collect();
    let begun = Meddling::Instead;
    let properties = Reply::new(200, "application/json", beginning(3 << 20)).and_then_silence();
    let lists = "/crm/properties/2026-09/contacts";
    let rules: Vec<Rule> = portals
        .iter()
        .map(|s| flood(&meddler, *s, lists, begun(properties.clone())))
        .collect();
    let padded = Meddling::rewrite(|_, mut reply| {
        reply.body = [vec![b' '; 1300 << 10], reply.body.to_vec()].concat().into();
        reply
    });
    let records =
        |asked: &Asked| asked.path.contains("/contacts/search") || asked.path.contains("/contacts/batch/read");
    let padded = meddler.always(records, padded);
    stage.start_operator();
    let neighbour = stage.neighbour(other);
    let manifests: Vec<Value> = portals.iter().flat_map(Stranger::manifests).collect();
    neighbour.apply(&list(&manifests));
    fired(&stage, &meddler, &rules, 1);
    let start = Instant::now();
    stage.accounts();
    let back = json!({"startTime": super::stage::ago(86_400 * 30)});
    stage.event("well", "customer", &back);
    all_arrive(&stage, "well", PORTAL);
    let took = start.elapsed();
    assert!(meddler.fired(padded) > 0);
    assert!(took < Duration::from_secs(20), "{took:?}");
    within_memory(&stage);
}
