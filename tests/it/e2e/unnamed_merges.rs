//! Answers that leave out who was merged into a contact: what was sent of the old contacts is sent once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::Stage;
use super::judge::{action, became, exactly, transactions};
use super::meddler::{Asked, Meddler, Meddling, Reply};
use super::stage::{Counts, ago};

const DAY: i64 = 86_400;
const NAMED: &str = "hs_merged_object_ids";

/// What answers say of the merged ids.
#[derive(Debug, Clone, Copy)]
enum Odd {
    Null,
    Empty,
    /// The second one alone.
    Half,
}

/// Which answers are odd.
#[derive(Debug, Clone, Copy)]
enum Answers {
    Reads,
    ReadsAndSearches,
}

fn concerns(answers: Answers, asked: &Asked) -> bool {
    let reads = asked.path.contains("/contacts/batch/read");
    reads || matches!(answers, Answers::ReadsAndSearches) && asked.path.contains("/contacts/search")
}

/// The first `times` answers that name merged ids are odd; how many were.
fn leave_out(meddler: &Meddler, (odd, answers, times): (Odd, Answers, usize), second: &str) -> Arc<AtomicUsize> {
    let (seen, second) = (Arc::new(AtomicUsize::new(0)), second.to_owned());
    let counted = seen.clone();
    let change = move |batch: &mut Value| {
        let results = batch["results"].as_array_mut().into_iter().flatten();
        let named = results.filter(|contact| contact["properties"][NAMED].as_str().is_some_and(|ids| !ids.is_empty()));
        let named: Vec<&mut Value> = named.collect();
        if named.is_empty() || counted.load(Ordering::Relaxed) >= times {
            return;
        }
        counted.fetch_add(1, Ordering::Relaxed);
        for contact in named {
            contact["properties"][NAMED] = match odd {
                Odd::Null => Value::Null,
                Odd::Empty => json!(""),
                Odd::Half => json!(second),
            };
        }
    };
    meddler.always(move |asked| concerns(answers, asked), Meddling::change(change));
    seen
}

/// Seconds since the contacts became customers.
#[derive(Debug, Clone, Copy)]
struct Age(i64);

/// Each of the two became a customer, one of them a lead before, and both are one contact now.
fn merged(name: &str, way: (Odd, Answers, usize), Age(age): Age, before_it_is_sent: bool) {
    let settle = if before_it_is_sent { "6s" } else { "500ms" };
    let mut stage = Stage::empty(
        name,
        &["--no-rate-limits"],
        &[("settle-delay", settle), ("sweep-interval", "3s")],
    );
    let meddler = stage.meddled();
    stage.start_operator();
    stage.accounts();
    for (name, of) in [("won", "customer"), ("led", "lead")] {
        stage.event(name, of, &json!({"startTime": ago(DAY * 20)}));
        stage.condition(&format!("adce/{name}"), "Ready", "True", "");
    }
    let contact = |rows: &[(&str, String)], click| stage.contact(rows, Some(click), &json!({}));
    let one = contact(&[("lead", ago(age + 9)), ("customer", ago(age + 6))], "click-one");
    let two = contact(&[("customer", ago(age + 3))], "click-two");
    if before_it_is_sent {
        stage.wait("adce/won", "both are seen", |event| Counts::of(event).observed == 2);
    } else {
        stage.settled("won", 2);
        stage.settled("led", 1);
    }
    let wanted = |of| transactions(&stage, of).into_iter().collect::<BTreeSet<_>>();
    let (mut customers, leads) = (wanted("customer"), wanted("lead"));
    let seen = leave_out(&meddler, way, &two);
    let into = stage.post("/hubspot/merge", &json!({"ids": [one, two]}));
    let into = into["id"].as_str().expect("an id");
    stage.wait_for("the odd answers", || match seen.load(Ordering::Relaxed) {
        odd if odd == way.2 => Ok(()),
        odd => Err(json!(odd)),
    });
    // What is entered now is behind all of that.
    for value in ["", "customer"] {
        let change = json!({"properties": {"lifecyclestage": value}});
        stage.admin_call("PATCH", &format!("/hubspot/contacts/{into}"), Some(&change));
    }
    let (won, led) = (stage.settled("won", 3), stage.settled("led", 1));
    customers.extend(wanted("customer"));
    assert_eq!(customers.len(), 3, "{way:?}");
    exactly(&stage, &won, &customers);
    exactly(&stage, &led, &leads);
    assert_eq!(stage.accepted(&action(&won)).len(), 3, "{way:?}");
}

#[test]
fn one_read_that_leaves_out_who_was_merged_sends_nothing_again() {
    for odd in [Odd::Null, Odd::Empty, Odd::Half] {
        merged("oncewhole", (odd, Answers::Reads, 1), Age(DAY), false);
    }
}

#[test]
fn reads_and_searches_that_leave_it_out_send_nothing_again() {
    for odd in [Odd::Null, Odd::Half] {
        for age in [Age(DAY), Age(0)] {
            merged("leftout", (odd, Answers::ReadsAndSearches, 5), age, false);
        }
    }
}

#[test]
fn what_was_not_sent_before_the_merge_is_sent_once() {
    for answers in [Answers::Reads, Answers::ReadsAndSearches] {
        merged("unsent", (Odd::Null, answers, 3), Age(20), true);
    }
}

/// How HubSpot answers who the one is that has entered at the same time before.
#[derive(Debug, Clone, Copy)]
enum Other {
    Shown,
    LeftOut,
    /// Left out beside others, and asked for alone it fails.
    Fails,
    Deleted,
    /// Once the other is shown for it, which names it.
    NamedOnce,
    /// Once the other is shown for it.
    InsteadOnce,
}

/// Two contacts may enter at one time, and one of them may become known late: it is a contact of its own, whatever one
/// answer says.
#[test]
fn a_contact_that_entered_when_another_did_is_its_own() {
    use Other::{Deleted, Fails, InsteadOnce, LeftOut, NamedOnce, Shown};
    for other in [Shown, LeftOut, Fails, Deleted, NamedOnce, InsteadOnce] {
        let flags = [
            ("settle-delay", "500ms"),
            ("sweep-interval", "3s"),
            ("click-grace", "3s"),
            ("backoff-max", "1s"),
        ];
        let mut stage = Stage::empty("sametime", &["--no-rate-limits"], &flags);
        let meddler = stage.meddled();
        stage.start_operator();
        stage.accounts();
        stage.event("won", "customer", &json!({"startTime": ago(DAY * 20)}));
        stage.condition("adce/won", "Ready", "True", "");
        let at = ago(DAY);
        let customer = |click| stage.contact(&[("customer", at.clone())], Some(click), &json!({}));
        let one = customer("click-one");
        stage.settled("won", 1);
        let mut wanted: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
        if let Deleted = other {
            stage.admin_call("DELETE", &format!("/hubspot/contacts/{one}"), None);
        }
        let seen = Arc::new(AtomicUsize::new(0));
        meddler.always(asks_who, Meddling::rewrite(answer(other, one, seen.clone())));
        let two = customer("click-two");
        let event = stage.settled("won", 2);
        assert_ne!(seen.load(Ordering::Relaxed), 0, "{other:?}: HubSpot is asked");
        wanted.extend(transactions(&stage, "customer"));
        exactly(&stage, &event, &wanted);
        assert_eq!(stage.accepted(&action(&event)).len(), 2, "{other:?}: {two}");
    }
}

/// An import writes one time into many contacts, some of whom are found after the others.
#[test]
fn of_an_import_of_one_time_nobody_is_passed_over() {
    let flags = [("settle-delay", "500ms"), ("sweep-interval", "3s")];
    let stage = Stage::empty("import", &["--no-rate-limits"], &flags);
    stage.start_operator();
    stage.accounts();
    stage.event("won", "customer", &json!({"startTime": ago(DAY * 20)}));
    stage.condition("adce/won", "Ready", "True", "");
    let at = ago(DAY);
    let mut contact = became(0, "click");
    contact["history"]["lifecyclestage"][0]["timestamp"] = json!(at);
    let mut all = 0;
    for portion in [30, 150] {
        stage.post("/hubspot/contacts", &json!(vec![contact.clone(); portion]));
        all += portion;
        stage.settled("won", all as u64);
    }
    let wanted = transactions(&stage, "customer").into_iter().collect();
    exactly(&stage, &stage.get("adce/won"), &wanted);
    stage.stop_operator();
}

fn asks_who(asked: &Asked) -> bool {
    asked.path.contains("/contacts/batch/read") && asked.says("\"propertiesWithHistory\":[]")
}

fn answer(other: Other, one: String, seen: Arc<AtomicUsize>) -> impl Fn(&Asked, Reply) -> Reply + Send + Sync {
    let beside = Mutex::new(Value::Null);
    move |asked, reply| {
        let alone = asked.body.windows(5).filter(|part| part == b"\"id\":").count() == 1;
        let before = seen.fetch_add(1, Ordering::Relaxed);
        let mut body: Value = serde_json::from_slice(&reply.body).expect("JSON");
        let results = body["results"].as_array_mut().expect("results");
        if let Some(another) = results.iter().find(|contact| contact["id"] != one.as_str()) {
            beside.lock().clone_from(another);
        }
        match other {
            Other::Fails if alone => return Reply::json(500, &json!({"status": "error", "message": "m"})),
            Other::NamedOnce if before == 0 => {
                results.retain(|contact| contact["id"] != one.as_str());
                for contact in results {
                    contact["properties"][NAMED] = json!(one);
                }
            }
            Other::InsteadOnce if before == 1 && alone => *results = vec![beside.lock().clone()],
            Other::InsteadOnce if before > 0 => return reply,
            Other::LeftOut | Other::Fails | Other::InsteadOnce => {
                results.retain(|contact| contact["id"] != one.as_str());
            }
            _ => return reply,
        }
        Reply::json(200, &body)
    }
}
