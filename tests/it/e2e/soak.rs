//! Everything at once, for long: three tenants with contacts that come, move on, merge, are deleted, submit forms and
//! change their minds; a random stream of faults; a hostile tenant beside them. Meanwhile no counter goes down and none
//! is off, the process is alive, its memory stays; in the end Google has counted exactly what it should.
//!
//! A sample runs by default. `ADCONVERSION_SOAK=15m` lets it run so long, `ADCONVERSION_SOAK_SEED=7` repeats a run's
//! faults and contacts as far as time lets it; without it every day has a seed of its own.

mod cast;
mod crm;
mod faults;
mod lookout;
mod verdict;

use std::panic;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Stage;
use super::dice::Dice;
use super::kube_proxy::KubeProxy;
use super::stage::{Neighbour, ago};
use crm::Crm;
use faults::Faults;
use lookout::Lookout;

/// How long faults go on, where the environment does not say.
const SAMPLE: Duration = Duration::from_secs(45);
/// Between two things that happen in HubSpot.
const PACE: Duration = Duration::from_millis(200);
/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Between two faults.
const FAULT: Duration = Duration::from_millis(1200);
/// Between two restarts of the operator, at the times that have any.
const RESTART: Duration = Duration::from_secs(8);
/// Contacts from before the events.
const BACKLOG: usize = 150;
/// Longest time until all has come to rest after the last fault.
const LIMIT: Duration = Duration::from_mins(3);
/// Looks in a row in which nothing is open before the verdict counts.
const AT_REST: usize = 5;
const FLAGS: [(&str, &str); 3] = [("call-timeout", "5s"), ("settle-delay", "2s"), ("backoff-max", "10s")];
/// How long what was refused alone may wait after the last fault before others come along.
const ALONE: Duration = Duration::from_secs(15);

fn length() -> Duration {
    let asked = std::env::var("ADCONVERSION_SOAK").ok().filter(|text| !text.is_empty());
    asked.map_or(SAMPLE, |text| {
        let span: jiff::SignedDuration = text.parse().expect("ADCONVERSION_SOAK is a duration such as 15m");
        Duration::try_from(span).expect("ADCONVERSION_SOAK is not negative")
    })
}

fn seed() -> u64 {
    let asked = std::env::var("ADCONVERSION_SOAK_SEED")
        .ok()
        .filter(|text| !text.is_empty());
    let day = || u64::try_from(jiff::Timestamp::now().as_second() / 86_400).expect("after 1970");
    asked.map_or_else(day, |text| text.parse().expect("ADCONVERSION_SOAK_SEED is a number"))
}

/// What takes part in a run. Of one that fails, evidence is kept.
struct Soak<'a> {
    stage: &'a Stage,
    proxy: &'a KubeProxy,
    dice: Dice,
    crm: Crm,
    faults: Faults,
    lookout: Lookout<'a>,
}

impl Soak<'_> {
    /// Faults and traffic for so long. The operator is restarted in the first third and in the last sixth; between them
    /// it lives on, so that its memory has time to grow.
    fn run(&mut self, length: Duration) {
        let begun = Instant::now();
        let (mut fault, mut look, mut restart) = (begun, begun, begun + RESTART);
        while begun.elapsed() < length {
            let now = Instant::now();
            self.crm.step(self.stage, &mut self.dice);
            self.faults.repair(self.stage, &self.lookout, false);
            if now >= fault {
                fault = now + FAULT;
                self.faults
                    .deal(self.stage, self.proxy, &mut self.dice, &mut self.lookout);
            }
            let restarts = now < begun + length / 3 || now > begun + length / 6 * 5;
            if restarts && now >= restart && self.lookout.is_alive() {
                self.faults.restart(self.stage, &mut self.dice, &mut self.lookout);
                restart = Instant::now() + RESTART;
            }
            if now >= look {
                look = now + LOOK;
                self.lookout.look(self.stage);
            }
            thread::sleep((now + PACE).saturating_duration_since(Instant::now()));
        }
    }

    /// Nothing goes wrong any more, and all comes to rest; how long that took.
    fn drain(&mut self) -> Duration {
        self.faults.end(self.stage, &self.lookout);
        Crm::heal(self.stage);
        let begun = Instant::now();
        let mut quiet = 0;
        while quiet < AT_REST {
            thread::sleep(LOOK);
            self.lookout.look(self.stage);
            let rest = verdict::rest(self.stage, &self.crm, &self.lookout);
            quiet = if rest.is_null() { quiet + 1 } else { 0 };
            if begun.elapsed() > ALONE {
                self.send_company();
            }
            assert!(
                begun.elapsed() < LIMIT,
                "{} s after the last fault: {rest:#}",
                LIMIT.as_secs()
            );
        }
        begun.elapsed()
    }

    /// A conversion that Google refuses without naming it is judged
    /// once others of its event are taken beside it: they come.
    fn send_company(&mut self) {
        for (tenant, place) in verdict::waiting_alone(&self.lookout) {
            self.crm.join(self.stage, tenant, place);
        }
    }

    /// Ledger, log, events and tally of a run that failed, in the
    /// directory of `ADCONVERSION_SOAK_EVIDENCE`, if it is set.
    fn keep_evidence(&self) {
        let Some(directory) = std::env::var_os("ADCONVERSION_SOAK_EVIDENCE").map(std::path::PathBuf::from) else {
            return;
        };
        if let Err(error) = std::fs::create_dir_all(&directory) {
            println!("no evidence is kept: {}: {error}", directory.display());
            return;
        }
        for suffix in ["", "-wal", "-shm"] {
            let mut from = self.stage.ledger().into_os_string();
            from.push(suffix);
            let copied = std::fs::copy(&from, directory.join(format!("ledger.db{suffix}")));
            println!("{}: {copied:?}", from.display());
        }
        let written = std::fs::write(directory.join("operator.log"), self.stage.log());
        println!("operator.log: {written:?}");
        let people = self.crm.people.iter().map(|person| json!([person.id, person.lineage]));
        let events = (0..cast::TENANTS.len()).map(|tenant| self.lookout.events(tenant));
        for (name, value) in [
            ("people.json", people.collect()),
            ("tally.json", self.stage.admin("/google/tally")),
            ("requests.json", self.stage.admin("/requests?since=0")),
            ("events.json", events.flatten().collect()),
        ] {
            println!("{name}: {:?}", std::fs::write(directory.join(name), value.to_string()));
        }
    }

    fn judge(&self, hostile: &Neighbour) {
        verdict::judge_actions(self.stage);
        verdict::judge_files(self.stage, &self.crm);
        self.lookout.judge_objects(hostile);
        let events = hostile.get("adce");
        for event in events["items"].as_array().expect("a list") {
            assert_eq!(
                event["status"]["conversionAction"]["id"],
                Value::Null,
                "{:#}",
                event["status"]
            );
        }
    }

    fn summary(&self, length: Duration, drained: Duration) -> String {
        let memory = verdict::judge_memory(&self.lookout.memory);
        let submissions = self.crm.submissions.len();
        let dealt: usize = self.faults.dealt.values().sum();
        format!(
            "{} s of faults, at rest {} s after the last one, {} looks; longest graceful stop {:.1} s\n{} contacts, {submissions} submissions, {:?}\n\
             conversions expected: {}\n{} restarts, {dealt} faults, {} calls upstream hit: {:#?}\n{memory}",
            length.as_secs(),
            drained.as_secs(),
            self.lookout.looks,
            self.faults.longest_stop.as_secs_f64(),
            self.crm.people.len(),
            self.crm.done,
            verdict::fates(self.stage, &self.crm),
            self.faults.restarts,
            self.faults.hit,
            self.faults.dealt,
        )
    }
}

impl Drop for Soak<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            // What cannot be had, as the sandbox is gone too, must not hide why the run failed.
            let kept = panic::catch_unwind(panic::AssertUnwindSafe(|| self.keep_evidence()));
            println!("all evidence was kept: {}", kept.is_ok());
        }
    }
}

#[test]
fn a_soak_with_faults_loses_nothing_and_counts_nothing_twice() {
    let (length, seed) = (length(), seed());
    println!("ADCONVERSION_SOAK={}s ADCONVERSION_SOAK_SEED={seed}", length.as_secs());
    let (mut stage, mut namespaces) = Stage::with_tenants("soak", cast::TENANTS.len() + 1, &FLAGS);
    let proxy = stage.proxied();
    cast::prepare(&stage);
    let hostile = stage.neighbour(namespaces.pop().expect("a namespace"));
    let tenants = namespaces
        .into_iter()
        .map(|namespace| stage.neighbour(namespace))
        .collect();
    let mut soak = Soak {
        stage: &stage,
        proxy: &proxy,
        dice: Dice::new(seed),
        crm: Crm::default(),
        faults: Faults::default(),
        lookout: Lookout::new(tenants, ago(86_400 * 10)),
    };
    soak.crm.backlog(&stage, &mut soak.dice, BACKLOG);
    let hostile_objects = cast::hostile(&stage);
    stage.start_operator();
    hostile.apply(&hostile_objects);
    soak.lookout.apply();
    soak.run(length);
    let drained = soak.drain();
    soak.judge(&hostile);
    println!("{}", soak.summary(length, drained));
}
