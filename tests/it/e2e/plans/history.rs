//! A generated history: a thousand contacts of every kind, deals, merges, submissions of a form.

use serde_json::{Value, json};

use super::super::Stage;
use super::super::dice::Dice;
use super::super::forms;
use super::super::stage::ago;

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

/// A number below this one.
fn below(dice: &mut Dice, end: i64) -> i64 {
    let end = usize::try_from(end).expect("a small number");
    i64::try_from(dice.below(end)).expect("a small number")
}

/// Somebody who became a customer so many seconds ago, after an ad click (if any) before that.
fn customer(number: usize, customer: i64, click: Option<i64>, consent: Option<&str>) -> Value {
    let mut history = json!({
        "lifecyclestage": [{"value": "customer", "timestamp": ago(customer), "sourceType": "CRM_UI"}],
    });
    if let Some(click) = click {
        let id = format!("click-{number}");
        history["hs_google_click_id"] = json!([{"value": id, "timestamp": ago(click), "sourceType": "FORM"}]);
    }
    if let Some(consent) = consent {
        history["ads_consent"] = json!([{"value": consent, "timestamp": ago(DAY * 58), "sourceType": "FORM"}]);
    }
    json!({"createdAt": ago(DAY * 60), "history": history})
}

/// Anybody: clicked or not, consents or not, became a customer once or twice.
fn anybody(dice: &mut Dice, number: usize) -> Value {
    let entered = 2 * HOUR + below(dice, DAY * 29);
    let click = dice.percent(70).then(|| entered + HOUR + below(dice, DAY * 25));
    let consent = *dice.pick(&[Some("true"), Some("true"), Some("true"), Some("false"), None]);
    let mut contact = customer(number, entered, click, consent);
    if dice.percent(10) {
        let rows = contact["history"]["lifecyclestage"].as_array_mut().expect("rows");
        let first = entered + DAY;
        rows.insert(
            0,
            json!({"value": "customer", "timestamp": ago(first), "sourceType": "CRM_UI"}),
        );
        rows.insert(
            1,
            json!({"value": "lead", "timestamp": ago(first - HOUR), "sourceType": "CRM_UI"}),
        );
    }
    contact
}

/// Has HubSpot hold it.
pub fn generate(stage: &Stage) {
    let mut dice = Dice::new(7);
    let mut contacts: Vec<Value> = (0..940).map(|number| anybody(&mut dice, number)).collect();
    for i in 0..20 {
        let (too_old, too_recent, unclicked) = (940 + i, 960 + i, 980 + i);
        let seconds = i64::try_from(i).expect("a small number");
        contacts.push(customer(too_old, DAY + seconds, Some(DAY * 45), Some("true")));
        contacts.push(customer(too_recent, 600 + seconds, Some(900 + seconds), Some("true")));
        contacts.push(customer(unclicked, 300 + seconds, None, Some("true")));
    }
    assert_eq!(contacts.len(), 1_000);
    let mut ids = Vec::new();
    for chunk in contacts.chunks(500) {
        let made = stage.post("/hubspot/contacts", &json!(chunk));
        let made = made["ids"]
            .as_array()
            .unwrap_or_else(|| panic!("ids in {made}"))
            .clone();
        ids.extend(
            made.iter()
                .map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned)),
        );
    }
    let deal = |(number, id): (usize, &String)| json!({"properties": {"amount": format!("{number}.50"), "dealstage": "closedwon"}, "contactIds": [id]});
    let deals: Vec<Value> = ids.iter().enumerate().skip(100).step_by(3).map(deal).collect();
    stage.post("/hubspot/deals", &json!(deals));
    for pair in ids[..40].chunks(2) {
        stage.post("/hubspot/merge", &json!({"ids": pair}));
    }
    stage.post("/hubspot/forms", &json!([{"id": forms::FORM, "name": "Demo request"}]));
    let submissions = json!({"formId": forms::FORM, "count": 120, "seed": 3, "spanMinutes": 60, "consentShare": 0.7,
        "gclidShare": 0.5, "webShare": 1.0, "withoutEmailShare": 0.1});
    stage.post("/hubspot/submissions/generate", &submissions);
}
