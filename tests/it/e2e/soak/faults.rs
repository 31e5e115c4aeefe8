//! What goes wrong: a deck of faults, shuffled by the seed, dealt one after the other; what is taken away is given back
//! some seconds later.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cast::{GOOGLE, TENANTS};
use super::lookout::Lookout;
use crate::e2e::Stage;
use crate::e2e::dice::Dice;
use crate::e2e::kube_proxy::{Fault, KubeProxy};

/// What a stranger writes as the id of the ledger, by which its status is known.
pub const STRANGER: &str = "stranger";
const SERVICES: [&str; 4] = ["hubspot", "googleAds", "dataManager", "token"];

#[derive(Clone, Copy)]
enum Card {
    /// An answer of HubSpot or Google.
    Upstream(&'static str),
    /// An answer of the API server.
    Kubernetes(&'static str, Fault),
    /// Google's answers about the results of uploads are vague.
    Vague(&'static str),
    GoogleRefuses,
    HubSpotRefuses,
    TokensForgotten,
    Suspend,
    Recreate,
    Stranger,
}

const UPSTREAM: [&str; 16] = [
    "500",
    "502",
    "503",
    "503 with Retry-After",
    "429",
    "429 with Retry-After",
    "401",
    "drop before",
    "drop after",
    "hang before",
    "hang after",
    "late",
    "truncated",
    "HTML",
    "wrong shape",
    "no JSON",
];
const KUBERNETES: [(&str, Fault); 13] = [
    ("hang before", Fault::HangBefore),
    ("hang after", Fault::HangAfter),
    ("drop before", Fault::DropBefore),
    ("drop after", Fault::DropAfter),
    ("409", Fault::Refuse(409)),
    ("410", Fault::Gone),
    ("429", Fault::Refuse(429)),
    ("500", Fault::Refuse(500)),
    ("504 after", Fault::RefuseAfter(504)),
    ("HTML", Fault::Html),
    ("truncated", Fault::Truncate),
    ("watches broken", Fault::BreakWatches),
    ("watches frozen", Fault::FreezeWatches),
];
const VAGUE: [&str; 5] = [
    "neverFinish",
    "omitIndices",
    "misnamedDestinations",
    "doubledEntries",
    "statusUnknown",
];
/// Texts that are JSON and not what was asked for.
const SHAPES: [&str; 6] = [
    "[]",
    "null",
    "\"ok\"",
    r#"{"results": 7}"#,
    r#"{"results": [{"id": {}, "conversionAction": 5, "properties": []}]}"#,
    r#"{"requestId": 1e300, "results": "", "requestStatusPerDestination": [{"requestStatus": "WHATEVER"}], "access_token": [], "paging": 3}"#,
];

fn deck() -> Vec<Card> {
    let mut all: Vec<Card> = UPSTREAM
        .iter()
        .chain(&UPSTREAM)
        .map(|kind| Card::Upstream(kind))
        .collect();
    all.extend(KUBERNETES.map(|(name, fault)| Card::Kubernetes(name, fault)));
    all.extend(VAGUE.map(Card::Vague));
    let others = [
        Card::GoogleRefuses,
        Card::HubSpotRefuses,
        Card::TokensForgotten,
        Card::Suspend,
        Card::Recreate,
        Card::Stranger,
    ];
    all.extend(others);
    all.extend([Card::Suspend, Card::Recreate]);
    all
}

/// What is given back.
enum Repair {
    Google(usize),
    HubSpot(usize),
    Setting(&'static str),
    Resume(usize, &'static str),
}

/// The stream of faults.
#[derive(Default)]
pub struct Faults {
    deck: Vec<Card>,
    repairs: Vec<(Instant, Repair)>,
    /// How many of each kind.
    pub dealt: BTreeMap<String, usize>,
    pub restarts: usize,
    pub longest_stop: Duration,
    /// Calls to HubSpot and Google that went wrong by them.
    pub hit: u64,
}

impl Faults {
    /// The next fault.
    pub fn deal(&mut self, stage: &Stage, proxy: &KubeProxy, dice: &mut Dice, lookout: &mut Lookout) {
        if self.deck.is_empty() {
            let cards = deck();
            self.deck = dice
                .shuffled(cards.len())
                .into_iter()
                .map(|place| cards[place])
                .collect();
        }
        let Some(card) = self.deck.pop() else { return };
        match card {
            Card::Upstream(kind) => self.upstream(stage, dice, kind),
            Card::Kubernetes(name, fault) => {
                proxy.arm(proxy.calls().len() + 1 + dice.below(4), fault);
                self.count(&format!("kubernetes: {name}"));
            }
            Card::Vague(setting) => {
                stage.admin_call("PATCH", "/google/settings", Some(&json!({setting: true})));
                self.later(dice, Repair::Setting(setting));
                self.count(&format!("vague: {setting}"));
            }
            Card::GoogleRefuses => self.google_refuses(stage, dice),
            Card::HubSpotRefuses => self.hubspot_refuses(stage, dice),
            Card::TokensForgotten => {
                stage.post("/google/credentials/forget-access-tokens", &json!({}));
                self.count("access tokens forgotten");
            }
            Card::Suspend => self.suspend(dice, lookout),
            Card::Recreate => self.recreate(dice, lookout),
            Card::Stranger => self.stranger(dice, lookout),
        }
    }

    fn count(&mut self, what: &str) {
        *self.dealt.entry(what.to_owned()).or_default() += 1;
    }

    fn later(&mut self, dice: &mut Dice, repair: Repair) {
        let wait = Duration::from_millis(3000 + dice.below(4000) as u64);
        self.repairs.push((Instant::now() + wait, repair));
    }

    fn upstream(&mut self, stage: &Stage, dice: &mut Dice, kind: &str) {
        let action = match kind {
            "503 with Retry-After" => json!({"status": 503, "headers": {"retry-after": "2"}}),
            "429 with Retry-After" => json!({"status": 429, "headers": {"retry-after": "2"}}),
            "drop before" => json!({"dropBefore": true}),
            "drop after" => json!({"dropAfter": true}),
            "hang before" => json!({"hangBefore": true}),
            "hang after" => json!({"hangAfter": true}),
            "late" => json!({"delayMs": 3000}),
            "truncated" => json!({"truncate": dice.below(40)}),
            "HTML" => json!({"html": true}),
            "no JSON" => json!({"status": 200, "body": "<ok/>"}),
            "wrong shape" => {
                let body: Value = serde_json::from_str(dice.pick::<&str>(&SHAPES)).expect("JSON");
                // A text is sent as it is written here: `null` too.
                json!({"status": 200, "body": body.to_string()})
            }
            code => json!({"status": code.parse::<u16>().expect("a status")}),
        };
        let service = *dice.pick(&SERVICES);
        if service == "token" {
            // Tokens are cached: without this nobody would ask for one.
            stage.post("/google/credentials/forget-access-tokens", &json!({}));
        }
        let id = format!("soak-{}", self.dealt.values().sum::<usize>());
        let fault =
            json!({"id": id, "service": service, "skip": dice.below(4), "count": 1 + dice.below(3), "action": action});
        stage.post("/faults", &fault);
        self.count(&format!("{service}: {kind}"));
    }

    /// The operator is killed, or told to stop, and started again.
    pub fn restart(&mut self, stage: &Stage, dice: &mut Dice, lookout: &mut Lookout) {
        // The first time it is killed, the second time stopped: a short run has no more.
        let kill = match self.restarts {
            0 => true,
            1 => false,
            _ => dice.percent(60),
        };
        if kill {
            stage.kill_operator();
            self.count("operator killed");
        } else {
            let asked = Instant::now();
            let ended = format!("{:?}", stage.stop_operator());
            self.longest_stop = self.longest_stop.max(asked.elapsed());
            assert!(ended.contains("exit status: 0"), "SIGTERM: {ended}");
            self.count("operator stopped");
        }
        self.restarts += 1;
        stage.start_operator();
        lookout.restarted();
    }

    fn google_refuses(&mut self, stage: &Stage, dice: &mut Dice) {
        let index = dice.below(GOOGLE.len());
        stage.post("/google/credentials/revoke", &json!({"refreshToken": GOOGLE[index].1}));
        self.later(dice, Repair::Google(index));
        self.count("Google credentials refused");
    }

    fn hubspot_refuses(&mut self, stage: &Stage, dice: &mut Dice) {
        let tenant = dice.below(TENANTS.len());
        let path = format!("/hubspot/portals/{}", TENANTS[tenant].portal);
        stage.admin_call("PATCH", &path, Some(&json!({"revoke": [TENANTS[tenant].token]})));
        self.later(dice, Repair::HubSpot(tenant));
        self.count("HubSpot credentials refused");
    }

    fn suspend(&mut self, dice: &mut Dice, lookout: &Lookout) {
        let (tenant, name) = any_event(dice);
        if lookout.patch(tenant, name, &json!({"spec": {"suspend": true}})) {
            self.later(dice, Repair::Resume(tenant, name));
            self.count("events suspended");
        }
    }

    fn recreate(&mut self, dice: &mut Dice, lookout: &mut Lookout) {
        let (tenant, name) = any_event(dice);
        lookout.delete(tenant, name);
        self.count("events deleted and created again");
    }

    /// Somebody writes the whole status anew, as nonsense; the operator puts it right when it looks at the event next.
    fn stranger(&mut self, dice: &mut Dice, lookout: &Lookout) {
        let (tenant, name) = any_event(dice);
        let status = json!({"observedGeneration": 1, "sync": {"ledgerId": STRANGER, "observed": 3, "uploaded": 99, "rejected": 7},
            "conditions": [{"type": "Ready", "status": "True", "reason": "Mine", "message": "mine",
                "lastTransitionTime": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()}]});
        if lookout.overwrite(tenant, name, &status) {
            self.count("statuses overwritten");
        }
    }

    /// Gives back what is due; all of it where asked for.
    pub fn repair(&mut self, stage: &Stage, lookout: &Lookout, all: bool) {
        let now = Instant::now();
        let (due, rest): (Vec<_>, Vec<_>) = self.repairs.drain(..).partition(|(at, _)| all || *at <= now);
        self.repairs = rest;
        for (_, repair) in due {
            match repair {
                Repair::Google(index) => {
                    let body = json!({"refreshToken": GOOGLE[index].1, "revoked": false});
                    stage.post("/google/credentials/revoke", &body);
                }
                Repair::HubSpot(tenant) => {
                    let path = format!("/hubspot/portals/{}", TENANTS[tenant].portal);
                    stage.admin_call("PATCH", &path, Some(&json!({"restore": [TENANTS[tenant].token]})));
                }
                Repair::Setting(setting) => {
                    stage.admin_call("PATCH", "/google/settings", Some(&json!({setting: false})));
                }
                Repair::Resume(tenant, name) => {
                    // One that was deleted meanwhile comes back unsuspended.
                    lookout.patch(tenant, name, &json!({"spec": {"suspend": false}}));
                }
            }
        }
    }

    /// Nothing goes wrong any more, but for the hostile tenant.
    pub fn end(&mut self, stage: &Stage, lookout: &Lookout) {
        self.repair(stage, lookout, true);
        for fault in stage.admin("/faults").as_array().expect("faults") {
            let id = fault["id"].as_str().expect("an id");
            if !id.starts_with("hostile") {
                self.hit += fault["fired"].as_u64().expect("a number");
                stage.admin_call("DELETE", &format!("/faults?id={id}"), None);
            }
        }
    }
}

fn any_event(dice: &mut Dice) -> (usize, &'static str) {
    let tenant = dice.below(TENANTS.len());
    (tenant, dice.pick(TENANTS[tenant].events).name)
}
