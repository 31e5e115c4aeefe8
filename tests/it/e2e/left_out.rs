//! What HubSpot's answers leave out of a record is not empty: nothing is decided before it is there.

use serde_json::{Value, json};

use super::judge::{exactly, transactions};
use super::meddler::{Asked, Meddler, Meddling, Rule};
use super::stage::{Counts, ago};
use super::{Stage, forms, forms::FORM};

const DAY: i64 = 86_400;

fn reads_contacts(asked: &Asked) -> bool {
    asked.path.contains("/contacts/batch/read") && !asked.path.contains("associations")
}

fn reads_deals(asked: &Asked) -> bool {
    asked.path.contains("/deals/batch/read") && !asked.path.contains("associations")
}

fn lists_submissions(asked: &Asked) -> bool {
    asked.path.contains("/form-integrations/")
}

type Picks = fn(&Asked) -> bool;
type Change = fn(&mut Value);

/// Changes each record of an answer.
fn each(change: Change) -> Meddling {
    Meddling::change(move |body| {
        let records = body["results"].as_array_mut();
        records.into_iter().flatten().for_each(change);
    })
}

fn without(record: &mut Value, parent: &str, name: &str) {
    let fields = record.pointer_mut(parent).and_then(Value::as_object_mut);
    fields.expect("an object").remove(name);
}

fn fired(stage: &Stage, meddler: &Meddler, rule: Rule, times: usize) {
    stage.wait_for("such answers", || {
        let fired = meddler.fired(rule);
        if fired >= times { Ok(()) } else { Err(json!(fired)) }
    });
}

fn stage(name: &str, flags: &[(&str, &str)]) -> (Stage, Meddler) {
    let flags = [&[("settle-delay", "2s"), ("click-grace", "1m")], flags].concat();
    let mut stage = Stage::empty(name, &["--no-rate-limits"], &flags);
    let meddler = stage.meddled();
    stage.post("/hubspot/forms", &json!([{"id": FORM, "name": "Demo request"}]));
    stage.start_operator();
    stage.accounts();
    (stage, meddler)
}

fn all_uploaded(stage: &Stage, name: &str, count: u64) -> Value {
    stage.wait(&format!("adce/{name}"), &format!("{count} uploaded"), |event| {
        let counts = Counts::of(event);
        counts.conserved(event);
        assert_eq!(counts.skipped, 0, "nothing is empty: {event:#}");
        counts.uploaded == count
    })
}

const CONTACTS: [(Picks, Change); 8] = [
    (reads_contacts, |record| without(record, "/properties", "ads_consent")),
    (reads_contacts, |record| without(record, "/properties", "email")),
    (reads_contacts, |record| record["properties"] = json!({})),
    (reads_contacts, |record| record["properties"] = Value::Null),
    (reads_contacts, |record| record["archived"] = json!(true)),
    (reads_contacts, |record| {
        without(record, "/propertiesWithHistory", "hs_google_click_id");
    }),
    (reads_deals, |record| {
        without(record, "/properties", "hs_projected_amount");
    }),
    (reads_deals, |record| record["archived"] = json!(true)),
];

/// With consent, a shared address, a click and a deal: each of them is left out of some answers in turn.
#[test]
fn contacts_and_deals_of_which_answers_leave_something_out_wait_and_arrive() {
    let (stage, meddler) = stage("left-out", &[]);
    let spec = json!({
        "startTime": ago(DAY * 20),
        "shareData": ["Email"],
        "consent": {"property": "ads_consent", "grantedValues": ["true"]},
        "value": {"dealAmount": {"default": {"amount": "1.00", "currency": "EUR"}}},
    });
    stage.event("left-out", "customer", &spec);
    stage.condition("adce/left-out", "Ready", "True", "");
    for (n, (picks, change)) in (1..).zip(CONTACTS) {
        let rule = meddler.always(picks, each(change));
        let properties = json!({"email": format!("c{n}@example.com"), "ads_consent": "true"});
        let id = stage.contact(&[("customer", ago(0))], Some(&format!("click-{n}")), &properties);
        let deal = json!([{"createdAt": ago(DAY * 5), "contactIds": [id],
            "properties": {"amount": "70", "dealstage": "closedwon"}}]);
        stage.post("/hubspot/deals", &deal);
        fired(&stage, &meddler, rule, 3);
        meddler.lift(rule);
        let event = all_uploaded(&stage, "left-out", n);
        exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
        let accepted = stage.accepted(&super::judge::action(&event));
        let click = format!("click-{n}");
        let sent = accepted.iter().find(|c| c["clickId"] == click.as_str());
        assert_eq!(
            sent.map(|c| c["value"].as_f64()),
            Some(Some(70.0)),
            "{n}: {accepted:#?}"
        );
    }
}

const SUBMISSIONS: [Change; 8] = [
    |record| record["values"] = Value::Null,
    |record| without(record, "", "values"),
    |record| record["submittedAt"] = json!(0),
    |record| record["submittedAt"] = json!(-1_761_990_000_123_i64),
    |record| record["submittedAt"] = json!(record["submittedAt"].as_i64().expect("a time") + DAY * 1000),
    |record| without(record, "", "conversionId"),
    |record| record["conversionId"] = json!("00000000-0000-0000-0000-000000000000"),
    |record| record["conversionId"] = json!("5f1d7b5e-0000-4000-8000-000000000001"),
];

#[test]
fn submissions_of_which_an_answer_leaves_something_out_are_read_again_and_arrive() {
    let (stage, meddler) = stage("left-out", &[]);
    forms::event(&stage, "left-out", FORM, &json!({"startTime": ago(3600)}));
    stage.condition("adce/left-out", "Ready", "True", "");
    let mut count = 0;
    for change in SUBMISSIONS {
        let rule = meddler.always(lists_submissions, each(change));
        for _ in 0..2 {
            count += 1;
            forms::submit(&stage, &forms::consenting(&format!("s-{count}")));
        }
        fired(&stage, &meddler, rule, 1);
        stage.wait("adce/left-out", "they are named", |event| {
            event["status"]["sync"]["lastErrors"]
                .to_string()
                .contains("A submission of the form")
        });
        meddler.lift(rule);
        all_uploaded(&stage, "left-out", count);
    }
    let event = stage.get("adce/left-out");
    assert_eq!(Counts::of(&event).observed, count, "each is counted once: {event:#}");
    let sent: Vec<_> = (1..=count).map(|n| format!("s-{n}")).collect();
    let ids = forms::ids(&stage, &event);
    assert!(
        sent.iter().all(|id| ids.contains(id)) && ids.len() == sent.len(),
        "{ids:?}"
    );
}
