//! Events are deleted and created again right before something goes wrong: the operator
//! is killed, Google's reply to an upload is lost, Google is down, the account is
//! suspended. Afterwards Google has exactly the conversions it should have, each once.
//!
//! Four seeds run by default, another one every day.
//! `ADCONVERSION_REBORN=20` runs so many, `ADCONVERSION_REBORN=:7` that one.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::Stage;
use super::dice::Dice;
use super::judge::{action, became, exactly, settled_within, transactions};
use super::stage::{Counts, ago};

/// Seeds that run by default, besides the one of the day.
const SAMPLE: u64 = 3;
/// Stages at a time.
const AT_A_TIME: usize = 3;
/// Faults of one run.
const ROUNDS: usize = 4;
/// Longest time until all is settled.
const LIMIT: Duration = Duration::from_secs(100);
/// Longest time until an event that was deleted is gone.
const GONE: Duration = Duration::from_mins(1);

const NAME: &str = "won";

#[derive(Debug, Clone, Copy)]
enum Fault {
    Killed,
    ReplyLost,
    GoogleDown,
    Suspended,
}

const FAULTS: [Fault; 4] = [Fault::Killed, Fault::ReplyLost, Fault::GoogleDown, Fault::Suspended];

fn seeds() -> Vec<u64> {
    let asked = std::env::var("ADCONVERSION_REBORN").unwrap_or_default();
    let number = |text: &str| text.parse().expect("ADCONVERSION_REBORN is a number, or :number");
    match asked.strip_prefix(':') {
        Some(one) => vec![number(one)],
        None if asked.is_empty() => {
            let today = u64::try_from(jiff::Timestamp::now().as_second() / 86_400).expect("after 1970");
            (0..SAMPLE).chain([today]).collect()
        }
        None => (0..number(&asked)).collect(),
    }
}

/// One stage with one event that comes and goes.
struct Run {
    stage: Stage,
    dice: Dice,
    start: String,
    contacts: u32,
    /// What was done, for the message of a failure.
    story: Vec<String>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let stage = Stage::empty("reborn", &["--no-rate-limits"], &[("call-timeout", "5s")]);
        Self {
            stage,
            dice: Dice::new(seed),
            start: ago(86_400),
            contacts: 0,
            story: vec![format!("seed {seed}")],
        }
    }

    fn note(&mut self, what: impl Into<String>) {
        self.story.push(what.into());
    }

    /// Some moment within this time.
    fn pause(&mut self, milliseconds: usize) {
        let wait = self.dice.below(milliseconds) as u64;
        self.note(format!("{wait} ms"));
        thread::sleep(Duration::from_millis(wait));
    }

    fn more_contacts(&mut self, most: usize) {
        let end = self.contacts + u32::try_from(1 + self.dice.below(most)).expect("few");
        let contacts: Vec<Value> = (self.contacts..end).map(|i| became(i, &format!("click-{i}"))).collect();
        self.stage.post("/hubspot/contacts", &json!(contacts));
        self.note(format!("{} contacts", end - self.contacts));
        self.contacts = end;
    }

    fn create(&mut self) {
        self.note("created");
        let value = json!({"dealAmount": {"default": {"amount": "10", "currency": "EUR"}}});
        let more = json!({"eventName": "Customer", "startTime": self.start, "value": value});
        self.stage.event(NAME, "customer", &more);
    }

    fn delete(&mut self) {
        self.note("deleted");
        let object = format!("adce/{NAME}");
        self.stage
            .kubectl(&["delete", &object, "--wait=false", "--ignore-not-found"]);
    }

    fn wait_gone(&self) {
        let object = format!("adce/{NAME}");
        let name = ["get", &object, "--ignore-not-found", "--output=name"];
        self.stage.wait_within(GONE, "the event to go", || {
            if self.stage.kubectl(&name).is_empty() {
                Ok(())
            } else {
                Err(json!(self.story))
            }
        });
    }

    /// Something goes wrong, and is right again after a while.
    fn fault(&mut self, fault: Fault) {
        self.note(format!("{fault:?}"));
        match fault {
            Fault::Killed => {
                self.stage.kill_operator();
                self.pause(1000);
                self.stage.start_operator();
            }
            Fault::ReplyLost => {
                let skip = self.dice.below(2);
                let lost =
                    json!({"service": "dataManager", "path": "ingest", "skip": skip, "action": {"dropAfter": true}});
                self.stage.post("/faults", &lost);
                self.pause(4000);
            }
            Fault::GoogleDown => {
                let service = *self.dice.pick(&["dataManager", "googleAds"]);
                self.note(service);
                let down = json!({"id": "down", "service": service, "count": 0, "action": {"status": 503}});
                self.stage.post("/faults", &down);
                self.pause(4000);
                self.stage.admin_call("DELETE", "/faults?id=down", None);
            }
            Fault::Suspended => {
                self.suspend(true);
                self.pause(4000);
                self.suspend(false);
            }
        }
    }

    fn suspend(&self, suspend: bool) {
        self.stage.patch("gaa/acme", &json!({"spec": {"suspend": suspend}}));
    }

    /// The event is deleted and created again, and something goes wrong right behind that or in its midst.
    fn round(&mut self, fault: Fault) {
        if self.dice.percent(70) {
            self.more_contacts(12);
        }
        self.pause(3000);
        self.delete();
        if self.dice.percent(25) {
            self.pause(200);
            self.fault(fault);
            self.wait_gone();
            self.create();
            return;
        }
        self.wait_gone();
        if self.dice.percent(30) {
            self.more_contacts(5);
            self.pause(800);
        }
        self.create();
        self.pause(2500);
        if self.dice.percent(60) {
            self.more_contacts(8);
            self.pause(2500);
        }
        self.fault(fault);
    }

    fn run(&mut self) {
        self.more_contacts(30);
        self.stage.start_operator();
        self.stage.accounts();
        self.create();
        let first = self.dice.below(FAULTS.len());
        for round in 0..ROUNDS {
            self.round(FAULTS[(first + round) % FAULTS.len()]);
        }
        self.more_contacts(3);
    }

    fn judge(&mut self) {
        let wanted: BTreeSet<String> = transactions(&self.stage, "customer").into_iter().collect();
        assert_eq!(wanted.len(), self.contacts as usize);
        let event = settled_within(&self.stage, NAME, wanted.len(), LIMIT);
        let counts = Counts::of(&event);
        counts.conserved(&event);
        assert_eq!(counts.uploaded, wanted.len() as u64, "{:#}", event["status"]);
        exactly(&self.stage, &event, &wanted);
        let tally = self.stage.admin("/google/tally");
        let all = tally["conversions"].as_array().map_or(0, Vec::len);
        assert_eq!(all, wanted.len(), "conversions of other actions");
        let actions = self.stage.actions();
        let ours: Vec<_> = actions.iter().filter(|a| a["name"] == "Customer").collect();
        assert_eq!(ours.len(), 1, "{actions:#?}");
        assert_eq!(ours[0]["id"].to_string().trim_matches('"'), action(&event));
    }
}

/// The seed where something was wrong.
fn outcome(seed: u64) -> Result<(), u64> {
    let mut run = Run::new(seed);
    let result = catch_unwind(AssertUnwindSafe(|| {
        run.run();
        run.judge();
    }));
    println!("ADCONVERSION_REBORN=:{seed} {}", run.story.join(", "));
    result.map_err(|_| {
        println!("FAILED ADCONVERSION_REBORN=:{seed}\n{}", run.stage.log());
        seed
    })
}

#[test]
fn events_created_again_right_before_a_fault_lose_nothing_and_count_nothing_twice() {
    let queue = Mutex::new(seeds().into_iter());
    let failed = Mutex::new(Vec::new());
    let next = || queue.lock().next();
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(seed) = next() {
                    failed.lock().extend(outcome(seed).err());
                }
            });
        }
    });
    let failed = failed.into_inner();
    assert!(failed.is_empty(), "seeds {failed:?}");
}
