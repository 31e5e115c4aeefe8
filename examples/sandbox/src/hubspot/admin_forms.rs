//! Admin calls about forms and submissions.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    admin::{InPortal, Instant, Properties, Reply},
    forms::{Form, Submission},
    record::EVERYTHING,
    state::Portal,
    store::{Change, instant, iso},
};
use crate::{
    admin::Refusal,
    random::Random,
    world::{Shared, World, lock},
};

/// A form to create, or to replace.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FormBody {
    id: Option<String>,
    name: String,
    #[serde(default = "hubspot")]
    form_type: String,
    #[serde(default)]
    archived: bool,
}

fn hubspot() -> String {
    "hubspot".to_owned()
}

const fn yes() -> bool {
    true
}

/// `POST /forms`.
pub async fn create(
    State(shared): State<Shared>,
    Query(query): Query<InPortal>,
    Json(body): Json<Vec<FormBody>>,
) -> Reply {
    let mut world = lock(&shared);
    let mut ids = Vec::new();
    for form in body {
        let id = form
            .id
            .map_or_else(|| world.hubspot.random.uuid(), |id| id.to_lowercase());
        let forms = &mut world.hubspot.portal_mut(query.portal_id)?.forms.forms;
        forms.retain(|known| known.id != id);
        forms.push(Form {
            id: id.clone(),
            name: form.name,
            form_type: form.form_type,
            archived: form.archived,
        });
        ids.push(id);
    }
    Ok(Json(json!({ "ids": ids })))
}

/// `DELETE /forms/{id}`.
pub async fn delete(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Query(query): Query<InPortal>,
) -> Result<StatusCode, Refusal> {
    let mut world = lock(&shared);
    let forms = &mut world.hubspot.portal_mut(query.portal_id)?.forms.forms;
    forms.retain(|form| !form.id.eq_ignore_ascii_case(&id));
    Ok(StatusCode::NO_CONTENT)
}

/// A submission to make. Its contact is found by e-mail, or created; the page's tag reports it to Google.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmissionBody {
    form_id: String,
    conversion_id: Option<String>,
    /// The list shows no id of it.
    #[serde(default)]
    missing_conversion_id: bool,
    submitted_at: Option<Instant>,
    email: Option<String>,
    /// Of the contact, at the time of the submission.
    #[serde(default)]
    properties: Properties,
    #[serde(default = "page")]
    page_url: String,
    #[serde(default = "yes")]
    create_contact: bool,
    /// How much later the list shows it.
    #[serde(default)]
    visible_lag_ms: i64,
    /// The page's tag reports it.
    #[serde(default = "yes")]
    web_conversion: bool,
    /// How much later Google knows what the tag reported.
    #[serde(default)]
    web_conversion_lag_ms: i64,
}

fn page() -> String {
    "https://www.example.com/demo".to_owned()
}

/// `POST /submissions`.
pub async fn submit(
    State(shared): State<Shared>,
    Query(query): Query<InPortal>,
    Json(body): Json<Vec<SubmissionBody>>,
) -> Reply {
    let mut world = lock(&shared);
    let mut made = Vec::new();
    for submission in body {
        made.push(make(&mut world, query.portal_id, submission)?);
    }
    Ok(Json(json!({ "submissions": made })))
}

fn make(world: &mut World, portal: Option<u64>, body: SubmissionBody) -> Result<Value, Refusal> {
    let now = world.clock.now_ms();
    let at = body.submitted_at.map_or(now, |at| at.0);
    let id = body.conversion_id.unwrap_or_else(|| world.hubspot.random.uuid());
    let portal = world.hubspot.portal_mut(portal)?;
    let form = body.form_id.to_lowercase();
    let name = portal.forms.forms.iter().find(|f| f.id == form).map(|f| f.name.clone());
    let name = name.ok_or_else(|| format!("no form {form}"))?;
    let mut contact = None;
    let mut values = Vec::new();
    if let Some(email) = &body.email {
        values.push(("email".to_owned(), email.clone(), "0-1".to_owned()));
        contact = contact_of(portal, email, &body.properties, (at, now), body.create_contact, &name)?;
    }
    portal.forms.submissions.push(Submission {
        form,
        conversion_id: (!body.missing_conversion_id).then(|| id.clone()),
        at,
        visible: now + body.visible_lag_ms,
        values,
        page_url: body.page_url,
    });
    if body.web_conversion {
        let time = Timestamp::from_millisecond(at).unwrap_or_default();
        let known = Timestamp::from_millisecond(now + body.web_conversion_lag_ms).unwrap_or_default();
        world.google.web.report(&id, time, known);
    }
    Ok(json!({"conversionId": id, "submittedAt": at, "contactId": contact.map(|id| id.to_string())}))
}

/// The contact of an address, with what a submission changes about it.
fn contact_of(
    portal: &mut Portal,
    email: &str,
    properties: &Properties,
    (at, now): (i64, i64),
    create: bool,
    form: &str,
) -> Result<Option<u64>, String> {
    let known = portal.contacts.by_email(email).map(|record| record.id);
    let id = match known {
        Some(id) => id,
        None if !create => return Ok(None),
        None => portal.contacts.create(None, at, now)?,
    };
    let mut set = |name: &str, value: &str| {
        let change = Change {
            value: value.to_owned(),
            at,
            recorded: now,
            source: "FORM".into(),
        };
        portal.contacts.set(id, name, change)
    };
    if known.is_none() {
        set("email", email)?;
        set("first_conversion_date", &at.to_string())?;
    }
    set("recent_conversion_date", &at.to_string())?;
    set("recent_conversion_event_name", &format!("Demo page: {form}"))?;
    for (name, value) in &properties.0 {
        set(name, value)?;
    }
    portal.touch_contact(id, now, now)?;
    Ok(Some(id))
}

/// Many submissions with consent, click ids and tags on a part of them; deterministic for a seed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmissionPlan {
    form_id: String,
    count: u32,
    #[serde(default)]
    seed: u64,
    /// How far back the oldest lies.
    #[serde(default)]
    span_minutes: u32,
    #[serde(default = "whole")]
    consent_share: f64,
    #[serde(default)]
    gclid_share: f64,
    #[serde(default = "whole")]
    web_share: f64,
    #[serde(default)]
    without_email_share: f64,
}

const fn whole() -> f64 {
    1.0
}

/// `POST /submissions/generate`.
pub async fn generate(
    State(shared): State<Shared>,
    Query(query): Query<InPortal>,
    Json(plan): Json<SubmissionPlan>,
) -> Reply {
    let mut world = lock(&shared);
    let mut random = Random::new(plan.seed);
    let now = world.clock.now_ms();
    let mut made = Vec::new();
    for n in 0..plan.count {
        let click = random
            .chance(plan.gclid_share)
            .then(|| format!("Cj0-{}", random.uuid()));
        let gclid = click.map_or_else(String::new, |click| format!("?gclid={click}"));
        let consent = random.chance(plan.consent_share);
        let properties = [("ads_consent".to_owned(), consent.to_string())].into();
        let address = format!("form{}-{n}@example.com", plan.seed);
        let body = SubmissionBody {
            form_id: plan.form_id.clone(),
            conversion_id: Some(random.uuid()),
            missing_conversion_id: false,
            submitted_at: Some(Instant(now - random.below_ms(i64::from(plan.span_minutes) * 60_000))),
            email: (!random.chance(plan.without_email_share)).then_some(address),
            properties: Properties(properties),
            page_url: format!("{}{gclid}", page()),
            create_contact: true,
            visible_lag_ms: 0,
            web_conversion: random.chance(plan.web_share),
            web_conversion_lag_ms: 0,
        };
        made.push(make(&mut world, query.portal_id, body)?);
    }
    Ok(Json(json!({ "submissions": made })))
}

/// Query of what is expected.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    portal_id: Option<u64>,
    form_id: Option<String>,
    since: Option<String>,
}

/// `GET /expected-submissions`: from the raw data alone.
pub async fn expected(State(shared): State<Shared>, Query(query): Query<Expected>) -> Reply {
    let since = match query.since.as_deref() {
        None => i64::MIN,
        Some(text) => instant(text).ok_or("since is ISO 8601 or epoch milliseconds")?,
    };
    let mut world = lock(&shared);
    let portal = world.hubspot.portal_mut(query.portal_id)?;
    let consent = portal.contacts.catalogue.find("ads_consent").map(|(key, _)| key);
    let row = |s: &Submission| {
        let email = s
            .values
            .iter()
            .find(|(name, ..)| name == "email")
            .map(|(_, value, _)| value);
        let contact = email.and_then(|email| portal.contacts.by_email(email));
        let consent = contact
            .zip(consent)
            .and_then(|(record, key)| record.value(key, EVERYTHING));
        json!({"conversionId": s.conversion_id, "submittedAt": s.at, "time": iso(s.at),
               "contactId": contact.map(|record| record.id.to_string()), "consent": consent})
    };
    let wanted = |s: &&Submission| {
        let form = query.form_id.as_ref().is_none_or(|id| id.eq_ignore_ascii_case(&s.form));
        form && s.at >= since
    };
    Ok(Json(portal.forms.submissions.iter().filter(wanted).map(row).collect()))
}
