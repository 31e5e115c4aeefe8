//! One thing after the other that happens in HubSpot.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Crm, Fate, Person, STAGES, Submission, portal, transaction};
use crate::e2e::Stage;
use crate::e2e::dice::Dice;
use crate::e2e::soak::cast::{FORM, TENANTS};

impl Crm {
    /// The next thing that happens.
    pub fn step(&mut self, stage: &Stage, dice: &mut Dice) {
        match dice.below(100) {
            0..40 => self.newcomer(stage, dice),
            40..70 => self.moves_on(stage, dice),
            70..85 => self.submits(stage, dice),
            85..88 => self.merges(stage, dice),
            88..90 => self.is_deleted(stage, dice),
            90..92 => self.is_deleted_at_once(stage, dice),
            92..94 => self.takes_consent_back(stage, dice),
            94..96 => self.gives_consent(stage, dice),
            96..98 => self.is_refused_by_google(stage, dice),
            _ => self.is_odd(stage, dice),
        }
    }

    fn newcomer(&mut self, stage: &Stage, dice: &mut Dice) {
        let click = match dice.below(10) {
            0 => None,
            1 => Some("invalid"),
            _ => Some("click"),
        };
        let (tenant, place) = (dice.below(TENANTS.len()), dice.below(STAGES.len()));
        let at = self.now();
        self.contact(stage, tenant, place, at, click, !dice.percent(15));
    }

    /// Somebody to whom something may still happen; of those that count, where asked for.
    fn somebody(&self, dice: &mut Dice, counts: bool) -> Option<usize> {
        let fits = |p: &&Person| !p.retired && (!counts || p.fate == Fate::Counts);
        let all: Vec<usize> = (0..self.people.len()).filter(|n| fits(&&self.people[*n])).collect();
        (!all.is_empty()).then(|| *dice.pick(&all))
    }

    fn moves_on(&mut self, stage: &Stage, dice: &mut Dice) {
        let Some(number) = self.somebody(dice, false) else {
            return;
        };
        let at = self.now();
        let place = (self.people[number].place + 1) % STAGES.len();
        self.people[number].place = place;
        if TENANTS[self.people[number].tenant].portal == 62_517 && dice.percent(50) {
            let deal = json!([{"properties": {"amount": format!("{}.50", 10 + dice.below(90)), "dealstage": "contractsent"},
                "contactIds": [self.people[number].id]}]);
            stage.post(&portal("deals", self.people[number].tenant), &deal);
        }
        self.change(
            stage,
            number,
            &json!({"properties": {"lifecyclestage": STAGES[place]}, "at": at}),
        );
        self.enter(number, at);
    }

    fn change(&self, stage: &Stage, person: usize, change: &Value) {
        let Person { tenant, id, .. } = &self.people[person];
        stage.admin_call("PATCH", &portal(&format!("contacts/{id}"), *tenant), Some(change));
    }

    /// The transactions that Google has taken by now.
    pub fn taken(stage: &Stage) -> BTreeSet<String> {
        let tally = stage.admin("/google/tally");
        let all = tally["conversions"].as_array().cloned().unwrap_or_default();
        all.iter()
            .filter_map(|c| c["transactionId"].as_str().map(str::to_owned))
            .collect()
    }

    /// What Google has taken of a person stays; the rest may go either way from now on.
    fn unsettle(&mut self, stage: &Stage, person: usize) {
        let taken = Self::taken(stage);
        let lineage = self.people[person].lineage.clone();
        for entry in self
            .entries
            .iter_mut()
            .filter(|e| e.person == person && e.fate == Fate::Counts)
        {
            let is_taken = |id: &String| taken.contains(&transaction(entry.tenant, id, entry.stage, entry.at));
            if !lineage.iter().any(is_taken) {
                entry.fate = Fate::Either;
            }
        }
    }

    fn merges(&mut self, stage: &Stage, dice: &mut Dice) {
        let Some(first) = self.somebody(dice, true) else { return };
        let tenant = self.people[first].tenant;
        let fits = |n: &usize| {
            let p = &self.people[*n];
            *n != first && p.tenant == tenant && !p.retired && p.fate == Fate::Counts
        };
        let others: Vec<usize> = (0..self.people.len()).filter(fits).collect();
        if others.is_empty() {
            return;
        }
        let second = *dice.pick(&others);
        let ids = json!({"ids": [self.people[first].id, self.people[second].id]});
        let merged = stage.post(&portal("merge", tenant), &ids)["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        let mut lineage = [self.people[first].lineage.clone(), self.people[second].lineage.clone()].concat();
        lineage.push(merged.clone());
        for number in [first, second] {
            let person = &mut self.people[number];
            person.lineage.clone_from(&lineage);
            person.id.clone_from(&merged);
            person.retired = true;
        }
        self.count("merges");
    }

    fn delete(&self, stage: &Stage, person: usize) {
        let Person { tenant, id, .. } = &self.people[person];
        stage.admin_call("DELETE", &portal(&format!("contacts/{id}"), *tenant), None);
    }

    fn is_deleted(&mut self, stage: &Stage, dice: &mut Dice) {
        let Some(number) = self.somebody(dice, false) else {
            return;
        };
        self.unsettle(stage, number);
        self.delete(stage, number);
        self.people[number].retired = true;
        self.count("deletions");
    }

    /// Gone before the settle delay is over: never sent.
    fn is_deleted_at_once(&mut self, stage: &Stage, dice: &mut Dice) {
        let (tenant, at) = (dice.below(TENANTS.len()), self.now());
        let number = self.contact(stage, tenant, 3, at, Some("click"), true);
        self.delete(stage, number);
        self.settle(number, Fate::Never);
        self.count("deletions at once");
    }

    /// Nothing further happens to a person whose entries are all decided.
    fn settle(&mut self, person: usize, fate: Fate) {
        self.people[person].retired = true;
        for entry in self.entries.iter_mut().filter(|e| e.person == person) {
            entry.fate = fate;
        }
    }

    fn takes_consent_back(&mut self, stage: &Stage, dice: &mut Dice) {
        let Some(number) = self.somebody(dice, true) else {
            return;
        };
        if self.people[number].tenant != 1 {
            return;
        }
        self.unsettle(stage, number);
        self.change(stage, number, &json!({"properties": {"ads_consent": "false"}}));
        self.people[number].retired = true;
        self.count("consents taken back");
    }

    /// A submission waits for consent.
    fn gives_consent(&mut self, stage: &Stage, dice: &mut Dice) {
        let waits = |s: &Submission| s.fate == Fate::Never && s.contact.is_some();
        let all: Vec<usize> = (0..self.submissions.len())
            .filter(|n| waits(&self.submissions[*n]))
            .collect();
        if all.is_empty() {
            return;
        }
        let submission = &mut self.submissions[*dice.pick(&all)];
        let contact = submission.contact.clone().expect("a contact");
        let path = portal(&format!("contacts/{contact}"), submission.tenant);
        stage.admin_call("PATCH", &path, Some(&json!({"properties": {"ads_consent": "true"}})));
        submission.fate = Fate::Counts;
        self.count("consents given");
    }

    fn submits(&mut self, stage: &Stage, dice: &mut Dice) {
        let tenant = dice.below(2);
        let id = format!("soak-c-{}", self.submissions.len());
        let (consent, named) = (!dice.percent(20), !dice.percent(5));
        let mut submission = json!({"formId": FORM, "conversionId": id, "properties": {"ads_consent": consent.to_string()},
            "pageUrl": format!("https://www.example.com/demo?gclid=click-soak-{id}")});
        if named {
            submission["email"] = json!(format!("{id}@example.com"));
        }
        let made = stage.post(&portal("submissions", tenant), &json!([submission]));
        let contact = made["submissions"][0]["contactId"].as_str().map(str::to_owned);
        let fate = if consent && named { Fate::Counts } else { Fate::Never };
        self.submissions.push(Submission {
            tenant,
            id,
            fate,
            contact,
        });
    }

    /// Google refuses every request with this one in it, whether it names it or not.
    fn is_refused_by_google(&mut self, stage: &Stage, dice: &mut Dice) {
        let (tenant, at) = (dice.below(TENANTS.len()), self.now());
        let number = self.contact(stage, tenant, 3, at, Some("click"), true);
        let id = transaction(tenant, &self.people[number].id, STAGES[3], at);
        stage.post(
            "/google/bad-rows",
            &json!({"transactionIds": [id], "named": dice.percent(50)}),
        );
        self.settle(number, Fate::Never);
        self.count("refused by Google");
    }

    /// HubSpot shows it without the time of its stage until the end, or an error in its place.
    fn is_odd(&mut self, stage: &Stage, dice: &mut Dice) {
        let (tenant, at) = (dice.below(TENANTS.len()), self.now());
        let number = self.contact(stage, tenant, 3, at, Some("click"), true);
        let mut odd = match dice.below(3) {
            0 => json!({"set": {"/propertiesWithHistory/lifecyclestage/0/timestamp": null}}),
            1 => json!({"error": "FORBIDDEN"}),
            _ => json!({"refuse": 403}),
        };
        odd["object"] = json!("contact");
        odd["id"] = json!(self.people[number].id);
        stage.post(&portal("odd", tenant), &json!([odd]));
        self.people[number].retired = true;
        self.count("odd records");
    }
}
