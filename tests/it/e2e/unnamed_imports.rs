//! Contacts of imports, which write one time into many, and merges among them that are named by half: however many
//! there are of whom it is to be asked, or who wait, nothing is sent again and nobody is passed over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use rstest::rstest;
use serde_json::{Value, json};

use super::Stage;
use super::judge::{became, crowd, more_polls};
use super::meddler::{Asked, Meddler, Meddling, Reply};
use super::stage::{Counts, ago};
use super::unnamed_runs::{HalfNamed, customers, name_oldest_alone, sent_once, shows_contacts};

const DAY: i64 = 86_400;
const FLAGS: [(&str, &str); 3] = [
    ("settle-delay", "500ms"),
    ("click-grace", "40s"),
    ("sweep-interval", "10s"),
];

/// So many customers since this time; the first of them.
fn import(stage: &Stage, size: usize, at: &str) -> String {
    let mut contact = became(0, "click");
    contact["history"]["lifecyclestage"][0]["timestamp"] = json!(at);
    let made = stage.post("/hubspot/contacts", &json!(vec![contact; size]));
    let first = &made["ids"][0];
    first.as_str().map_or_else(|| first.to_string(), str::to_owned)
}

/// More ids than are asked for at once; more that lead nowhere than were once asked for one by one.
#[rstest]
#[case::of_many(6, 450)]
#[case::of_few(30, 21)]
fn merges_across_many_imports_send_nothing_again(#[case] imports: i64, #[case] size: usize) {
    let mut stage = Stage::empty("imports", &["--no-rate-limits"], &FLAGS);
    let meddler = stage.meddled();
    let subscribers = (0..imports).map(|_| stage.contact(&[("subscriber", ago(DAY))], None, &json!({})));
    let subscribers: Vec<String> = subscribers.collect();
    let imported = (0..imports).map(|number| import(&stage, size, &ago(3_600 + number)));
    let imported: Vec<String> = imported.collect();
    stage.start_operator();
    stage.accounts();
    stage.event("won", "customer", &json!({"startTime": ago(DAY)}));
    stage.settled("won", imports.unsigned_abs() * size as u64);
    let sent = customers(&stage);
    let half = HalfNamed::begin(&meddler);
    for pair in subscribers.iter().zip(&imported) {
        stage.post("/hubspot/merge", &json!({"ids": [pair.0, pair.1]}));
    }
    half.end_after(&stage, 8);
    sent_once(&stage, sent);
    stage.stop_operator();
}

/// Answers that name one of two ids alone, and once show the other one as a contact of its own.
struct StillItself {
    on: AtomicBool,
    id: String,
    record: Mutex<Option<Value>>,
    odd: AtomicUsize,
}

impl StillItself {
    fn begin(meddler: &Meddler, id: &str) -> Arc<Self> {
        let itself = Arc::new(Self {
            on: AtomicBool::new(false),
            id: id.to_owned(),
            record: Mutex::new(None),
            odd: AtomicUsize::new(0),
        });
        let answer = itself.clone();
        meddler.always(
            shows_contacts,
            Meddling::rewrite(move |asked, reply| answer.change(asked, reply)),
        );
        itself
    }

    fn change(&self, asked: &Asked, reply: Reply) -> Reply {
        let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else {
            return reply;
        };
        let reads = asked.path.contains("/batch/read");
        let results = body["results"].as_array().cloned().unwrap_or_default();
        if !self.on.load(Ordering::Relaxed) {
            let known = results
                .into_iter()
                .find(|found| reads && found["id"] == self.id.as_str());
            let mut record = self.record.lock();
            *record = known.or_else(|| record.take());
            return reply;
        }
        name_oldest_alone(&mut body);
        let asks_for_it = reads && asked.says(&format!("\"{}\"", self.id));
        if asks_for_it && self.odd.fetch_add(1, Ordering::Relaxed) == 0 {
            let others = results
                .into_iter()
                .filter(|found| asked.says(&format!("\"{}\"", found["id"].as_str().unwrap_or_default())));
            body["results"] = others.chain(self.record.lock().clone()).collect();
        }
        Reply::json(200, &body)
    }
}

/// Very many wait as they have entered when others did: who is merged meanwhile waits all the same.
#[test]
fn those_who_wait_for_their_time_take_no_room_of_others() {
    const TIMES: i64 = 15;
    let mut stage = Stage::empty("manytimes", &["--no-rate-limits"], &FLAGS);
    let meddler = stage.meddled();
    crowd(&stage, 1);
    let customer = |second| import(&stage, 1, &ago(second));
    // The entry that is left is that of the second.
    let (one, two) = (customer(DAY / 3), customer(DAY / 2));
    let times: Vec<String> = (0..TIMES).map(|number| ago(7_200 + number)).collect();
    for at in &times {
        import(&stage, 5, at);
    }
    let itself = StillItself::begin(&meddler, &two);
    stage.start_operator();
    stage.accounts();
    stage.event("won", "customer", &json!({"startTime": ago(DAY)}));
    stage.settled("won", 78);
    for at in &times {
        import(&stage, 15, at);
    }
    let sent = customers(&stage);
    assert_eq!(sent.len(), 303);
    more_polls(&stage, 3);
    assert_eq!(Counts::of(&stage.get("adce/won")).observed, 78, "they wait");
    itself.on.store(true, Ordering::Relaxed);
    stage.post("/hubspot/merge", &json!({"ids": [one, two]}));
    stage.wait_for("the odd answer", || match itself.odd.load(Ordering::Relaxed) {
        0 => Err(json!("none")),
        _ => Ok(()),
    });
    sent_once(&stage, sent);
    stage.stop_operator();
}
