//! Foreign numbers and wrong shapes in the answers of every call of one account, of HubSpot's and of Google's: nothing
//! breaks, the account beside it goes on, and the sick one catches up with exactly what it should.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::Stage;
use super::forms::{self, FORM};
use super::judge::{action, exactly, transactions};
use super::meddler::{Asked, Meddling, Reply};
use super::stage::{Counts, ago};

const LIMIT: Duration = Duration::from_secs(90);
/// The healthy portal.
pub const WELL: u64 = 777;
/// How often each call is answered oddly at least.
const TIMES: usize = 2;

/// And at most: an account whose every read is odd in some place stays closed,
/// and what is sent through it is never asked for. No call has more places.
const MOST: usize = 8;

/// JSON that is no number, or none that anything could mean here. No list and object are empty: that could be so.
const ABSURD: [&str; 9] = [
    "1e400",
    "18446744073709551616",
    "\"NaN\"",
    "{\"a\":{\"b\":[null,{}]}}",
    "[[null,[null]]]",
    "-9223372036854775809",
    "\"1e400\"",
    "true",
    "-1e-300",
];

/// What is spoiled: calls whose path contains the first, at these places of the answer; the empty one is all of it.
const CALLS: [(&str, &[&str]); 11] = [
    ("/account-info/", &["/portalId", "/timeZone", ""]),
    ("/crm/properties/", &["/results", "/results/0/name", "/results/0", ""]),
    (
        "/contacts/search",
        &[
            "/results/0/id",
            "/results/0/updatedAt",
            "/results",
            "/total",
            "/results/0",
            "/results/0/properties",
            "",
        ],
    ),
    (
        "/contacts/batch/read",
        &[
            "/results/0/id",
            "/results/0/propertiesWithHistory/lifecyclestage/0/timestamp",
            "/results/0/updatedAt",
            "/results",
            "/results/0/propertiesWithHistory",
            "/results/0",
            "",
        ],
    ),
    (
        "/submissions/forms/",
        &["/results/0/submittedAt", "/results", "/results/0", ""],
    ),
    ("/marketing/v3/forms", &["/results", "/results/0/id", "/id", ""]),
    ("/token", &["/expires_in", "/access_token", "/scope", ""]),
    (
        "/googleAds:search",
        &[
            "/results/0/conversionAction/clickThroughLookbackWindowDays",
            "/results",
            "/results/0/conversionAction/id",
            "/results/0/customer/id",
            "/results/0",
            "/results/0/metrics/allConversions",
            "",
        ],
    ),
    ("/events:ingest", &["/requestId", ""]),
    (
        "/requestStatus:retrieve",
        &[
            "/requestStatusPerDestination/0/eventsIngestionStatus/recordCount",
            "/requestStatusPerDestination/0/requestStatus",
            "/requestStatusPerDestination",
            "/requestStatusPerDestination/0/destination",
            "/requestStatusPerDestination/0",
            "",
        ],
    ),
    (
        ":uploadConversionAdjustments",
        &["/results", "/partialFailureError", "/results/0", ""],
    ),
];

/// The account whose answers are spoiled.
#[derive(Default)]
struct Sick {
    /// Its access tokens of Google.
    tokens: Mutex<BTreeSet<String>>,
    /// Where it is spoiled now; how often each call was asked and spoiled.
    calls: Mutex<(bool, BTreeMap<usize, (usize, usize)>)>,
}

impl Sick {
    fn is_of(&self, asked: &Asked) -> bool {
        let tokens = self.tokens.lock();
        asked.says("sandbox-refresh") || asked.says("pat-na1-sandbox") || tokens.iter().any(|token| asked.says(token))
    }

    fn meddle(&self, asked: &Asked, mut reply: Reply) -> Reply {
        let Ok(mut json) = serde_json::from_slice::<Value>(&reply.body) else {
            return reply;
        };
        if let Some(token) = json["access_token"].as_str() {
            let mut tokens = self.tokens.lock();
            tokens.insert(token.to_owned());
        }
        if let Some(text) = self.spoil(asked, &mut json) {
            reply.body = text.into();
        }
        reply
    }

    /// Every second answer of each call until that was often enough, each time at another place.
    fn spoil(&self, asked: &Asked, json: &mut Value) -> Option<String> {
        let place = CALLS.iter().position(|(path, _)| asked.path.contains(path))?;
        let mut calls = self.calls.lock();
        if !calls.0 {
            return None;
        }
        let (count, spoiled) = calls.1.entry(place).or_default();
        *count += 1;
        if *count % 2 == 0 || *spoiled >= MOST {
            return None;
        }
        // Other pairs of place and value each day.
        let day = usize::try_from(jiff::Timestamp::now().as_second() / 86_400).expect("after 1970");
        let places = CALLS[place].1;
        let absurd = ABSURD[(*spoiled + *spoiled / places.len() + day) % ABSURD.len()];
        // A place that is not there this time is passed over.
        let found = (0..places.len()).map(|n| places[(*spoiled + n) % places.len()]);
        let target = found.into_iter().find(|p| json.pointer(p).is_some())?;
        *spoiled += 1;
        *json.pointer_mut(target)? = json!("@absurd@");
        Some(json.to_string().replace("\"@absurd@\"", absurd))
    }

    fn is_sick(&self, sick: bool) {
        self.calls.lock().0 = sick;
    }

    /// How often the calls were spoiled.
    fn spoiled(&self) -> BTreeMap<&'static str, usize> {
        let calls = self.calls.lock();
        let of = |place: usize| calls.1.get(&place).map_or(0, |(_, spoiled)| *spoiled);
        CALLS
            .iter()
            .enumerate()
            .map(|(place, (path, _))| (*path, of(place)))
            .collect()
    }
}

/// Another portal and another customer, with credentials of their own.
pub fn beside(stage: &Stage) {
    let scopes = ["crm.objects.contacts.read", "crm.objects.deals.read", "forms"];
    let token = json!({"accessToken": "pat-well", "kind": "privateApp", "scopes": scopes});
    stage.post("/hubspot/portals", &json!({"portalId": WELL, "tokens": [token]}));
    let account = json!({"customerId": "2222222222", "access": [{"identity": "user@sandbox.test"}]});
    stage.post("/google/accounts", &account);
    let grant = json!({"refreshToken": "well-refresh", "clientId": "sandbox-client", "identity": "user@sandbox.test"});
    stage.post("/google/credentials/refresh-tokens", &grant);
    let manifests = include_str!("accounts.yaml")
        .replace("name: acme", "name: well")
        .replace("name: hubspot", "name: hubspot-well")
        .replace("name: google-ads", "name: google-ads-well")
        .replace("pat-na1-sandbox", "pat-well")
        .replace("sandbox-refresh", "well-refresh")
        .replace("123-456-7890", "222-222-2222");
    stage.apply(&manifests);
}

/// The event of the healthy accounts.
pub fn well(stage: &Stage) {
    let accounts =
        json!({"startTime": ago(3600), "googleAdsAccountRef": {"name": "well"}, "hubSpotAccountRef": {"name": "well"}});
    stage.event("well", "customer", &accounts);
}

/// One more customer in each portal; a submission in the sick one.
fn next(stage: &Stage, number: usize) {
    let click = format!("click-{number}");
    stage.contact(&[("customer", ago(1))], Some(&click), &json!({}));
    forms::submit(stage, &forms::consenting(&format!("submission-{number}")));
    let contact = json!([{"createdAt": ago(86_400 * 10), "history": {
        "hs_google_click_id": [{"value": click, "timestamp": ago(86_400 * 9), "sourceType": "FORM"}],
        "lifecyclestage": [{"value": "customer", "timestamp": ago(1), "sourceType": "CRM_UI"}]}}]);
    stage.post(&format!("/hubspot/contacts?portalId={WELL}"), &contact);
}

/// Google knows the access tokens of the sick accounts no longer. The healthy account keeps its own: tokens that are
/// forgotten again and again, some of them between their issue and their use, are a fault that it would feel.
pub fn forget_tokens(stage: &Stage) {
    stage.post(
        "/google/credentials/forget-access-tokens",
        &json!({"refreshToken": "sandbox-refresh"}),
    );
}

/// Waits until all of the healthy account's conversions have arrived.
pub fn goes_on(stage: &Stage, count: usize) {
    let event = stage.settled("well", count as u64);
    assert_eq!(Counts::of(&event).uploaded, count as u64, "{event:#}");
    assert_eq!(stage.accepted(&action(&event)).len(), count);
}

#[test]
fn absurd_answers_to_every_call_break_nothing_and_reach_nobody_else() {
    let flags = [
        ("backoff-max", "500ms"),
        ("google-refresh-interval", "1s"),
        ("account-check-interval", "1s"),
        ("diagnostics-first-poll", "1s"),
        ("diagnostics-max-poll", "1s"),
        ("attribution-interval", "1s"),
    ];
    let mut stage = Stage::empty("odd", &["--no-rate-limits", "--processing-delay=500ms"], &flags);
    let form = json!([{"id": FORM, "name": "Demo request"}]);
    stage.post("/hubspot/forms", &form);
    let meddler = stage.meddled();
    let sick = Arc::new(Sick::default());
    let (picks, meddles) = (Arc::clone(&sick), Arc::clone(&sick));
    let meddling = Meddling::rewrite(move |asked, reply| meddles.meddle(asked, reply));
    meddler.always(move |asked| picks.is_of(asked), meddling);
    stage.start_operator();
    stage.accounts();
    beside(&stage);
    next(&stage, 0);
    let since = json!({"startTime": ago(3600)});
    stage.event("sick", "customer", &since);
    forms::event(&stage, "form", FORM, &since);
    well(&stage);
    goes_on(&stage, 1);
    for name in ["sick", "form"] {
        stage.settled(name, 1);
    }

    sick.is_sick(true);
    let mut count = 1;
    let begun = std::time::Instant::now();
    while sick.spoiled().values().any(|times| *times < TIMES) {
        assert!(begun.elapsed() < LIMIT, "{:?}", sick.spoiled());
        next(&stage, count);
        count += 1;
        forget_tokens(&stage);
        // The portal's forms are read seldom otherwise.
        let asked = format!("adconversion.dev/reconcile-requested-at={count}");
        stage.kubectl(&["annotate", "--overwrite", "hsa/acme", &asked]);
        goes_on(&stage, count);
    }
    sick.is_sick(false);

    for object in ["hsa/acme", "gaa/acme", "adce/sick", "adce/form"] {
        stage.condition(object, "Ready", "True", "");
    }
    let event = stage.settled("sick", count as u64);
    exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
    let event = stage.settled("form", count as u64);
    assert_eq!(forms::ids(&stage, &event).len(), count, "{event:#}");
    goes_on(&stage, count);
    assert!(stage.http("/livez").contains("200 OK"));
    let metrics = stage.http("/metrics");
    let counted = |name: &str| {
        metrics
            .lines()
            .filter(|line| line.starts_with(name))
            .collect::<Vec<_>>()
    };
    for name in ["adconversion_panics_total", "adconversion_loop_restarts_total"] {
        let lines = counted(name);
        assert!(
            !lines.is_empty() && lines.iter().all(|line| line.ends_with(" 0")),
            "{lines:?}"
        );
    }
    assert!(!stage.log().contains("panic"), "{}", stage.log());
}
