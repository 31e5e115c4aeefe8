//! What happens in HubSpot all the while, and what has to become of it. A fate follows from the rules alone: from what
//! the contact has, and from what Google had taken before it changed.

mod traffic;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::cast::TENANTS;
use crate::e2e::Stage;
use crate::e2e::dice::Dice;
use crate::e2e::rows_of::sha256;
use crate::e2e::stage::ago;

const DAY: i64 = 86_400;
const STAGES: [&str; 4] = ["lead", "marketingqualifiedlead", "salesqualifiedlead", "customer"];

/// What becomes of a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Google counts it, once.
    Counts,
    /// The contact changed while it was under way: once or not at all.
    Either,
    /// It is never sent, or Google refuses it.
    Never,
}

/// A contact's entry into a stage that an event is about.
pub struct Entry {
    pub tenant: usize,
    pub person: usize,
    pub stage: &'static str,
    pub at: i64,
    pub fate: Fate,
}

/// A contact.
pub struct Person {
    pub tenant: usize,
    /// The id it has now.
    pub id: String,
    /// Every id it ever had, those of contacts merged into it too.
    pub lineage: Vec<String>,
    place: usize,
    /// What its further entries become.
    fate: Fate,
    /// Nothing further happens to it.
    retired: bool,
}

/// A submission of a form.
pub struct Submission {
    pub tenant: usize,
    pub id: String,
    pub fate: Fate,
    /// The contact whose consent it waits for.
    contact: Option<String>,
}

/// The transaction id of an entry under one of the contact's ids.
pub fn transaction(tenant: usize, id: &str, stage: &str, at: i64) -> String {
    let text = format!("v1|{}|{id}|{stage}|{at}", TENANTS[tenant].portal);
    format!("hs-{}", &sha256(&text)[..40])
}

fn portal(path: &str, tenant: usize) -> String {
    format!("/hubspot/{path}?portalId={}", TENANTS[tenant].portal)
}

/// True where an event of the tenant is about the stage, and whether it wants consent.
fn watched(tenant: usize, stage: &str) -> Option<bool> {
    let event = TENANTS[tenant].events.iter().find(|event| event.stage == Some(stage))?;
    Some(event.consent)
}

/// All of HubSpot that the soak made.
#[derive(Default)]
pub struct Crm {
    pub people: Vec<Person>,
    pub entries: Vec<Entry>,
    pub submissions: Vec<Submission>,
    /// Number of merges, deletions, changes of consent, odd and bad records.
    pub done: BTreeMap<&'static str, usize>,
    last: i64,
}

impl Crm {
    /// A millisecond of now that nothing else has.
    fn now(&mut self) -> i64 {
        self.last = (self.last + 1).max(jiff::Timestamp::now().as_millisecond());
        self.last
    }

    fn count(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    fn enter(&mut self, person: usize, at: i64) {
        let Person {
            tenant, place, fate, ..
        } = self.people[person];
        let stage = STAGES[place];
        if watched(tenant, stage).is_some() {
            let entry = Entry {
                tenant,
                person,
                stage,
                at,
                fate,
            };
            self.entries.push(entry);
        }
    }

    /// A new contact at this stage since this time; its place among the people.
    fn contact(
        &mut self,
        stage: &Stage,
        tenant: usize,
        place: usize,
        at: i64,
        click: Option<&str>,
        consent: bool,
    ) -> usize {
        let number = self.people.len();
        let properties = json!({"email": format!("soak-{number}@example.com"), "phone": format!("+49301{number:06}"),
            "firstname": "Ada", "lastname": "Soakperson", "ads_consent": consent.to_string()});
        let click: Vec<Value> = click
            .map(|prefix| json!({"value": format!("{prefix}-soak-{number}"), "timestamp": ago(DAY * 9), "sourceType": "FORM"}))
            .into_iter()
            .collect();
        let row = json!([{"value": STAGES[place], "timestamp": at, "sourceType": "CRM_UI"}]);
        let contact = json!([{"createdAt": ago(DAY * 10), "properties": properties,
            "history": {"hs_google_click_id": click, "lifecyclestage": row}}]);
        let made = stage.post(&portal("contacts", tenant), &contact);
        let id = made["ids"][0].as_str().expect("an id").to_owned();
        let wants = TENANTS[tenant].events.iter().any(|e| e.stage.is_some() && e.consent);
        let valid = click
            .first()
            .is_some_and(|c| c["value"].to_string().starts_with("\"click"));
        let fate = if valid && (consent || !wants) {
            Fate::Counts
        } else {
            Fate::Never
        };
        self.people.push(Person {
            tenant,
            lineage: vec![id.clone()],
            id,
            place,
            fate,
            retired: false,
        });
        self.enter(number, at);
        number
    }

    /// A crowd from before the events.
    pub fn backlog(&mut self, stage: &Stage, dice: &mut Dice, count: usize) {
        let begin = self.now() - 3_600_000;
        for number in 0..count {
            let at = begin + i64::try_from(number).expect("few") * 1000;
            let tenant = dice.below(TENANTS.len());
            let place = 1 + dice.below(STAGES.len() - 1);
            self.contact(stage, tenant, place, at, Some("click"), true);
        }
    }

    /// One more contact that counts reaches this stage.
    pub fn join(&mut self, stage: &Stage, tenant: usize, lifecycle: &str) {
        let place = STAGES.iter().position(|one| *one == lifecycle).expect("a stage");
        let at = self.now();
        self.contact(stage, tenant, place, at, Some("click"), true);
        self.count("in company of what was refused alone");
    }

    /// How many submissions of a tenant wait for consent.
    pub fn waiting(&self, tenant: usize) -> u64 {
        let waits = |s: &&Submission| s.tenant == tenant && s.fate == Fate::Never && s.contact.is_some();
        self.submissions.iter().filter(waits).count() as u64
    }

    /// Odd records are as they should be again.
    pub fn heal(stage: &Stage) {
        for tenant in 0..TENANTS.len() {
            stage.admin_call("DELETE", &portal("odd", tenant), None);
        }
    }

    /// Entries that the raw histories of a tenant still show, by every id they may have.
    pub fn shown(stage: &Stage, tenant: usize) -> BTreeSet<(String, String, i64)> {
        let path = format!(
            "/hubspot/expected?portalId={}&includeArchived=true",
            TENANTS[tenant].portal
        );
        let all = stage.admin(&path).as_array().cloned().expect("a list");
        let text = |e: &Value, name: &str| e[name].as_str().expect("a text").to_owned();
        all.iter()
            .map(|e| {
                (
                    text(e, "contactId"),
                    text(e, "stage"),
                    e["timestamp"].as_i64().expect("milliseconds"),
                )
            })
            .collect()
    }
}
