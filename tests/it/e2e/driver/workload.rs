//! What the operator has to do while one call goes wrong, and how it must look afterwards.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::e2e::Stage;
use crate::e2e::judge::{Monotone, action, became, exactly, occurrences};
use crate::e2e::stage::{Counts, ago, condition, reason};

const CONTACTS: u32 = 60;
/// Between two looks at the events.
const LOOK: Duration = Duration::from_millis(500);
/// Lifecycle events and their stages.
const EVENTS: [(&str, &str); 2] = [("won", "customer"), ("qualified", "marketingqualifiedlead")];
/// The form event, and its form.
const FORM: (&str, &str) = ("demo", "78c2891f-ebdd-44c0-bd94-15c012bbbfbf");
/// Submissions with consent; one more has no e-mail.
const SUBMISSIONS: usize = 12;

/// Two lifecycle events and a form event with all they have to go through.
pub struct Workload<'a> {
    stage: &'a Stage,
    limit: Duration,
    begun: Instant,
    /// Events, what was seen of their counts, and how many occurrences each has.
    events: [(&'static str, Monotone, usize); 3],
}

impl<'a> Workload<'a> {
    /// Seeds HubSpot; nothing is applied yet. All has to be settled within the limit.
    pub fn new(stage: &'a Stage, limit: Duration) -> Self {
        seed(stage);
        let [won, qualified] = EVENTS.map(|(_, lifecycle)| occurrences(stage, lifecycle).len());
        let expected = [(EVENTS[0].0, won), (EVENTS[1].0, qualified), (FORM.0, SUBMISSIONS + 1)];
        Self {
            stage,
            limit,
            begun: Instant::now(),
            events: expected.map(|(name, count)| (name, Monotone::default(), count)),
        }
    }

    /// Applies accounts and events.
    pub fn apply(&self) {
        apply(self.stage);
    }

    /// Looks at the events until all is settled and Ready (true), or `until` says so (false). No counter may go down
    /// meanwhile.
    pub fn settles(&mut self, until: impl Fn() -> bool) -> bool {
        loop {
            let look = Instant::now() + LOOK;
            while Instant::now() < look {
                if until() {
                    return false;
                }
                thread::sleep(LOOK / 10);
            }
            let listed = self.stage.get("adce");
            let all = listed["items"].as_array().cloned().unwrap_or_default();
            let mut settled = true;
            for (name, seen, expected) in &mut self.events {
                let event = all.iter().find(|e| e["metadata"]["name"] == *name);
                let event = event.cloned().unwrap_or_default();
                seen.look(&event);
                let counts = Counts::of(&event);
                let done = counts.observed == *expected as u64 && counts.pending == 0 && counts.processing == 0;
                settled &= done && condition(&event, "Ready")["status"] == "True";
            }
            if settled {
                return true;
            }
            let status = |e: &Value| json!([e["metadata"]["name"], e["status"]]);
            assert!(
                self.begun.elapsed() < self.limit,
                "not settled: {:#}",
                all.iter().map(status).collect::<Value>()
            );
        }
    }

    /// Google has counted exactly what it should, and everything of ours in Kubernetes is as it should be.
    pub fn judge(&self) {
        judge(self.stage);
        judge_form(self.stage);
        judge_objects(self.stage);
        judge_log(self.stage);
    }
}

/// Nothing of the Secrets is in the log, whatever became of the calls that read them.
fn judge_log(stage: &Stage) {
    let log = stage.log();
    for secret in ["pat-na1-", "sandbox-secret", "sandbox-refresh", "\"kind\":\"Secret\""] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

/// Whatever is published for people, and what guards our objects, is there.
fn judge_objects(stage: &Stage) {
    let tag = format!("configmap/{}-google-tag", FORM.0);
    stage.wait(&tag, "the snippet", |map| map["data"].to_string().contains("AW-"));
    for account in ["gaa/acme", "hsa/acme"] {
        stage.wait(account, "Ready, with its users", |o| {
            condition(o, "Ready")["status"] == "True" && o["status"]["usedBy"] == 3
        });
    }
    for object in ["adce/won", "adce/qualified", "adce/demo", "gaa/acme", "hsa/acme"] {
        let finalizers = stage.get(object)["metadata"]["finalizers"].clone();
        assert_eq!(finalizers, json!(["adconversion.dev/finalizer"]), "{object}");
    }
}

/// Sixty contacts with all they had to go through: deals, a click Google can't read, no click at all, a merge.
fn seed(stage: &Stage) {
    let contacts: Vec<Value> = (0..CONTACTS)
        .map(|i| {
            let click = if i == 11 {
                "invalid-click-11".to_owned()
            } else {
                format!("click-{i}")
            };
            let mut contact = became(i, &click);
            let stages = contact.pointer_mut("/history/lifecyclestage").and_then(Value::as_array_mut);
            stages.expect("stages").push(
                json!({"value": "marketingqualifiedlead", "timestamp": ago(7200 + i64::from(i)), "sourceType": "CRM_UI"}),
            );
            if i == 7 {
                contact["history"]["hs_google_click_id"] = json!([]);
            }
            contact
        })
        .collect();
    stage.post("/hubspot/contacts", &json!(contacts));
    let ids: Vec<String> = occurrences(stage, "customer").into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), CONTACTS as usize);
    for (i, id) in ids.iter().enumerate().skip(20).step_by(10) {
        let deal =
            json!([{"properties": {"amount": format!("{i}.50"), "dealstage": "contractsent"}, "contactIds": [id]}]);
        stage.post("/hubspot/deals", &deal);
    }
    stage.post("/hubspot/merge", &json!({"ids": [ids[40], ids[41]]}));
    stage.post("/hubspot/forms", &json!([{"id": FORM.1, "name": "Demo"}]));
    let submission = |n: usize| {
        json!({"formId": FORM.1, "conversionId": format!("c-{n:02}"), "submittedAt": ago(900 + i64::try_from(n).expect("small")),
               "email": (n < SUBMISSIONS).then(|| format!("person-{n}@example.com")), "properties": {"ads_consent": "true"},
               "pageUrl": format!("https://www.example.com/demo?gclid=page-{n}")})
    };
    let submissions: Vec<Value> = (0..=SUBMISSIONS).map(submission).collect();
    stage.post("/hubspot/submissions", &json!(submissions));
}

fn apply(stage: &Stage) {
    stage.apply(include_str!("../accounts.yaml"));
    let start = ago(86_400 * 10);
    let deal = json!({"dealAmount": {"default": {"amount": "10", "currency": "EUR"}}});
    stage.event(EVENTS[0].0, EVENTS[0].1, &json!({"startTime": start, "value": deal}));
    let fixed = json!({"fixed": {"amount": "5", "currency": "EUR"}});
    stage.event(EVENTS[1].0, EVENTS[1].1, &json!({"startTime": start, "value": fixed}));
    let form = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent", "metadata": {"name": FORM.0},
        "spec": {
            "googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"}, "startTime": start,
            "trigger": {"formSubmission": {"formId": FORM.1}}, "value": fixed, "shareData": ["Email"],
            "consent": {"property": "ads_consent", "grantedValues": ["true"]},
        },
    });
    stage.apply(&form.to_string());
}

fn judge(stage: &Stage) {
    for (name, lifecycle) in EVENTS {
        let event = stage.get(&format!("adce/{name}"));
        let listed = occurrences(stage, lifecycle);
        let mut wanted: BTreeSet<String> = listed.iter().map(|(_, t)| t.clone()).collect();
        let counts = Counts::of(&event);
        let lost = [
            reason(&event, "Skipped", "NoClickId"),
            reason(&event, "Rejected", "InvalidGclid"),
        ];
        assert_eq!(lost, [1, 1], "{:#}", event["status"]);
        assert_eq!((counts.skipped, counts.rejected), (1, 1));
        // Which the two are is known by what they lack.
        for contact in [
            without_click(stage, &listed),
            with_click(stage, &listed, "invalid-click-11"),
        ] {
            for (_, transaction) in listed.iter().filter(|(id, _)| *id == contact) {
                wanted.remove(transaction);
            }
        }
        exactly(stage, &event, &wanted);
        let actions = stage.admin("/google/actions");
        let ours = actions["actions"].as_array().into_iter().flatten();
        let ours: Vec<_> = ours.filter(|a| a["name"] == name && a["status"] != "REMOVED").collect();
        assert_eq!(ours.len(), 1, "one conversion action: {ours:?}");
        assert_eq!(ours[0]["id"].to_string().trim_matches('"'), action(&event));
    }
}

/// Google has taken exactly the submissions with an e-mail, each with the click of its page.
fn judge_form(stage: &Stage) {
    let event = stage.get(&format!("adce/{}", FORM.0));
    assert_eq!(reason(&event, "Skipped", "NoSharedData"), 1, "{:#}", event["status"]);
    let tally = stage.admin(&format!("/google/tally?actionId={}", action(&event)));
    let taken = tally["enhancements"].as_array().cloned().unwrap_or_default();
    let found: Vec<_> = taken
        .iter()
        .map(|e| {
            (
                e["orderId"].as_str().expect("an id").to_owned(),
                e["gclid"].clone(),
                e["value"].clone(),
            )
        })
        .collect();
    let wanted: Vec<_> = (0..SUBMISSIONS)
        .map(|n| (format!("c-{n:02}"), json!(format!("page-{n}")), json!(5.0)))
        .collect();
    assert_eq!(found, wanted);
    assert_eq!(Counts::of(&event).uploaded, SUBMISSIONS as u64);
}

fn clicks_of(stage: &Stage, contact: &str) -> String {
    stage.admin(&format!("/hubspot/contacts/{contact}")).to_string()
}

fn without_click(stage: &Stage, listed: &[(String, String)]) -> String {
    let found = listed.iter().find(|(id, _)| !clicks_of(stage, id).contains("click-"));
    found.expect("a contact without a click").0.clone()
}

fn with_click(stage: &Stage, listed: &[(String, String)], click: &str) -> String {
    let found = listed.iter().find(|(id, _)| clicks_of(stage, id).contains(click));
    found.expect("a contact with this click").0.clone()
}
