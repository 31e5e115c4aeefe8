//! Generates contacts with a plausible past, the same for the same seed.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{deal::PIPELINE, record::Source, state::Portal, store::Change};
use crate::{random::Random, world::World};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;

/// What to generate.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Plan {
    /// Number of contacts.
    pub count: u32,
    /// Seed.
    pub seed: u64,
    /// Contacts were created within this many days before now.
    pub span_days: u32,
    /// Internal values of the stages they move through, in order.
    pub stages: Vec<String>,
    /// Share of contacts with a Google click id.
    pub click_id_share: f64,
    /// Share of contacts with at least one deal.
    pub deal_share: f64,
    /// Share of contacts whose `ads_consent` is `true`.
    pub consent_share: f64,
    /// Portal; the default one if absent.
    pub portal_id: Option<u64>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            count: 100,
            seed: 1,
            span_days: 30,
            stages: ["lead", "marketingqualifiedlead", "customer"]
                .map(str::to_owned)
                .to_vec(),
            click_id_share: 0.8,
            deal_share: 0.3,
            consent_share: 0.7,
            portal_id: None,
        }
    }
}

const FIRST_NAMES: [&str; 12] = [
    "Anna", "Ben", "Clara", "David", "Elif", "Finn", "Greta", "Hassan", "Ida", "Jonas", "Katja", "Liam",
];
const LAST_NAMES: [&str; 10] = [
    "Schmidt",
    "Meyer",
    "Yilmaz",
    "Rossi",
    "Novak",
    "Larsen",
    "Dubois",
    "Silva",
    "O'Brien",
    "K\u{f6}hler",
];
/// City, postal code, country, phone prefix.
const PLACES: [(&str, &str, &str, &str); 4] = [
    ("Berlin", "10115", "Germany", "+49 30 90"),
    ("Wien", "1010", "Austria", "+43 1 40"),
    ("Z\u{fc}rich", "8001", "Switzerland", "+41 44 66"),
    ("London", "SW1A 1AA", "United Kingdom", "+44 20 79"),
];

/// Generates contacts and deals, and registers their click ids with Google. Nothing is set after now; everything is
/// visible to search as if it had been lived through.
///
/// # Errors
/// Unknown portal or stage.
pub fn run(world: &mut World, plan: &Plan) -> Result<Value, String> {
    let now = world.clock.now_ms();
    let portal = world.hubspot.portal_mut(plan.portal_id)?;
    if let Some(unknown) = plan
        .stages
        .iter()
        .find(|name| !portal.stages.iter().any(|stage| stage.value == **name))
    {
        return Err(format!("no stage {unknown}"));
    }
    let mut random = Random::new(plan.seed);
    let mut clicks = Vec::new();
    let (mut entries, mut deals) = (0_u64, 0_u64);
    for number in 0..plan.count {
        let mut person = Person::imagine(&mut random, plan, now);
        let id = portal.contacts.create(None, person.created, person.created)?;
        person.describe(&mut random, plan, id, number);
        entries += person
            .rows
            .iter()
            .filter(|(name, value, ..)| name == "lifecyclestage" && !value.is_empty())
            .count() as u64;
        clicks.extend(person.clicks());
        let last = person.store(portal, id)?;
        deals += add_deals(portal, &mut random, plan, id, (person.created, last))?;
    }
    let registered = clicks.len();
    for (gclid, at) in clicks {
        world
            .google
            .register_click(&gclid, Timestamp::from_millisecond(at).unwrap_or_default());
    }
    Ok(json!({"contacts": plan.count, "stageRows": entries, "deals": deals, "clicks": registered}))
}

/// A contact before it is stored: rows of (property, value, time, source), in order of time.
struct Person {
    created: i64,
    rows: Vec<(String, String, i64, &'static str)>,
    last_stage: i64,
    now: i64,
}

impl Person {
    /// Draws the creation time and the way through the stages.
    fn imagine(random: &mut Random, plan: &Plan, now: i64) -> Self {
        let span = i64::from(plan.span_days.max(1)) * DAY;
        let start = now - MINUTE - random.below_ms(span - MINUTE);
        let mut person = Self {
            created: start,
            rows: Vec::new(),
            last_stage: start,
            now,
        };
        let mut at = start;
        let reach = random.below(plan.stages.len() as u64) + 1;
        let path: Vec<&String> = plan.stages.iter().take(usize::try_from(reach).unwrap_or(1)).collect();
        for (place, stage) in path.iter().enumerate() {
            // Jumps: some never see the stages in between.
            if place + 1 < path.len() && random.chance(0.08) {
                continue;
            }
            person.enter(stage, at, if place == 0 { "FORM" } else { "AUTOMATION_PLATFORM" });
            at = person.later(random, at);
            // Re-entries: cleared by hand, set back to the first stage, then on again.
            if place > 0 && random.chance(0.05) {
                person.enter("", at, "CRM_UI");
                person.enter(
                    path.first().map_or("", |s| s.as_str()),
                    at + 1 + random.below_ms(3 * SECOND),
                    "CRM_UI",
                );
                at = person.later(random, at + 4 * SECOND);
                person.enter(stage, at, "CRM_UI");
                at = person.later(random, at);
            }
        }
        if random.chance(0.02) {
            person.enter("", at, "CRM_UI");
        }
        person
    }

    fn enter(&mut self, stage: &str, at: i64, source: &'static str) {
        let at = at.min(self.now);
        self.rows
            .push(("lifecyclestage".to_owned(), stage.to_owned(), at, source));
        self.last_stage = self.last_stage.max(at);
    }

    /// A later time, never after now.
    fn later(&self, random: &mut Random, at: i64) -> i64 {
        (at + 1 + random.below_ms((self.now - at) / 2)).min(self.now)
    }

    fn describe(&mut self, random: &mut Random, plan: &Plan, id: u64, number: u32) {
        let pick = |random: &mut Random, items: &[&'static str]| random.pick(items).copied().unwrap_or_default();
        let (first, last) = (pick(random, &FIRST_NAMES), pick(random, &LAST_NAMES));
        let (city, zip, country, prefix) = random.pick(&PLACES).copied().unwrap_or_default();
        let plain: String = last.chars().filter(char::is_ascii_alphabetic).collect();
        let domain = if random.chance(0.5) {
            "example.com"
        } else {
            "example.org"
        };
        let facts = [
            ("email", format!("{first}.{plain}.{id}@{domain}").to_lowercase()),
            ("firstname", first.to_owned()),
            ("lastname", last.to_owned()),
            ("phone", format!("{prefix}{:06}", u64::from(number) % 1_000_000)),
            ("city", city.to_owned()),
            ("zip", zip.to_owned()),
            ("country", country.to_owned()),
        ];
        for (name, value) in facts {
            self.rows.push((name.to_owned(), value, self.created, "FORM"));
        }
        if random.chance(plan.consent_share) {
            self.rows
                .push(("ads_consent".to_owned(), "true".to_owned(), self.created, "FORM"));
        } else if random.chance(0.5) {
            self.rows
                .push(("ads_consent".to_owned(), "false".to_owned(), self.created, "FORM"));
        }
        if random.chance(plan.click_id_share) {
            self.click(random, id);
        }
    }

    fn click(&mut self, random: &mut Random, id: u64) {
        let mut at = self.created;
        let kind = random.below(100);
        if kind < 4 {
            // Outside any click window: the person came 91 to 120 days before.
            at = self.last_stage - 91 * DAY - random.below_ms(29 * DAY);
            self.created = at;
        } else if kind < 8 {
            // The click id was written after the last stage change.
            at = (self.last_stage + 1 + random.below_ms(20 * MINUTE)).min(self.now);
        }
        let gclid = |random: &mut Random| format!("Cj0KCQ{:016x}{:016x}_{id}", random.bits(), random.bits());
        let value = gclid(random);
        self.rows
            .push(("hs_google_click_id".to_owned(), value, at, "ANALYTICS"));
        if random.chance(0.1) && self.last_stage > at {
            let second = at + random.below_ms(self.last_stage - at);
            let value = gclid(random);
            self.rows
                .push(("hs_google_click_id".to_owned(), value, second, "ANALYTICS"));
        }
    }

    fn clicks(&self) -> impl Iterator<Item = (String, i64)> {
        let rows = self.rows.iter().filter(|(name, ..)| name == "hs_google_click_id");
        rows.map(|(_, value, at, _)| (value.clone(), *at))
    }

    /// Writes the rows into the portal and returns the time of the last one.
    fn store(&self, portal: &mut Portal, id: u64) -> Result<i64, String> {
        let mut last = self.created;
        if let Some(record) = portal.contacts.records.get_mut(&id) {
            record.backdate(self.created);
        }
        for (name, value, at, source) in &self.rows {
            let change = Change {
                value: value.clone(),
                at: *at,
                recorded: *at,
                source: Source::Borrowed(source),
            };
            portal.contacts.set(id, name, change)?;
            last = last.max(*at);
        }
        portal.touch_contact(id, last, last)?;
        Ok(last)
    }
}

fn add_deals(
    portal: &mut Portal,
    random: &mut Random,
    plan: &Plan,
    contact: u64,
    life: (i64, i64),
) -> Result<u64, String> {
    if !random.chance(plan.deal_share) {
        return Ok(0);
    }
    let count = if random.chance(0.1) { 2 } else { 1 };
    for _ in 0..count {
        let at = life.0 + random.below_ms(life.1 - life.0);
        let deal = portal.deals.create(None, at, at)?;
        let stage = random.pick(&PIPELINE).map_or("", |(id, ..)| id);
        let mut properties = vec![
            ("dealname", format!("Deal {deal}")),
            ("pipeline", "default".to_owned()),
            ("dealstage", stage.to_owned()),
        ];
        if random.chance(0.9) {
            properties.push((
                "amount",
                format!("{}.{:02}", 100 + random.below(20_000), random.below(100)),
            ));
        }
        if random.chance(0.1) {
            properties.push(("deal_currency_code", "USD".to_owned()));
        }
        for (name, value) in properties {
            portal.deals.set(
                deal,
                name,
                Change {
                    value,
                    at,
                    recorded: at,
                    source: "CRM_UI".into(),
                },
            )?;
        }
        portal.associate(deal, &[contact], at)?;
    }
    Ok(count)
}
