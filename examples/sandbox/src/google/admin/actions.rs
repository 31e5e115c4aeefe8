//! Conversion actions and goals, as a stranger changes them in Google's pages: without the API's rules.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, Refusal, merged, read};
use crate::google::ads::action::{Action, origin_of};
use crate::google::ads::names::{CATEGORIES, COUNTING, MODELS, ORIGINS, STATUSES, TYPES};
use crate::google::state::Google;
use crate::google::with_google;
use crate::world::Shared;

/// An action in the form the admin server reads and shows.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActionForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    customer_id: String,
    name: String,
    #[serde(default = "enabled")]
    status: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    origin: Option<String>,
    #[serde(default = "default_category")]
    category: String,
    #[serde(default = "yes")]
    primary_for_goal: bool,
    #[serde(default = "many")]
    counting_type: String,
    #[serde(default = "thirty")]
    click_through_lookback_window_days: i64,
    #[serde(default = "single")]
    view_through_lookback_window_days: i64,
    #[serde(default = "unit")]
    default_value: f64,
    #[serde(default)]
    default_currency_code: Option<String>,
    #[serde(default)]
    always_use_default_value: bool,
    #[serde(default = "last_click")]
    attribution_model: String,
    #[serde(default)]
    created_at: Option<Timestamp>,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    system: bool,
}

fn enabled() -> String {
    "ENABLED".into()
}

fn default_category() -> String {
    "DEFAULT".into()
}

fn many() -> String {
    "MANY_PER_CLICK".into()
}

fn last_click() -> String {
    "GOOGLE_ADS_LAST_CLICK".into()
}

fn yes() -> bool {
    true
}

fn thirty() -> i64 {
    30
}

fn single() -> i64 {
    1
}

fn unit() -> f64 {
    1.0
}

impl From<&Action> for ActionForm {
    fn from(action: &Action) -> Self {
        Self {
            id: Some(action.id),
            customer_id: action.owner.clone(),
            name: action.name.clone(),
            status: action.status.clone(),
            kind: action.kind.clone(),
            origin: Some(action.origin.clone()),
            category: action.category.clone(),
            primary_for_goal: action.primary,
            counting_type: action.counting.clone(),
            click_through_lookback_window_days: action.click_days,
            view_through_lookback_window_days: action.view_days,
            default_value: action.default_value,
            default_currency_code: Some(action.default_currency.clone()),
            always_use_default_value: action.always_default,
            attribution_model: action.attribution.clone(),
            created_at: Some(action.created),
            label: Some(action.label.clone()),
            system: action.system,
        }
    }
}

impl ActionForm {
    fn check(&self, google: &Google) -> Result<(), Refusal> {
        if !google.accounts.contains_key(&self.customer_id) {
            return Err(Refusal::bad("no such customerId"));
        }
        let known = [
            (TYPES, self.kind.as_str()),
            (STATUSES, &self.status),
            (CATEGORIES, &self.category),
            (COUNTING, &self.counting_type),
            (MODELS, &self.attribution_model),
            (ORIGINS, self.origin.as_deref().unwrap_or("WEBSITE")),
        ];
        match known.iter().find(|(names, name)| !names.contains(name)) {
            Some((_, name)) => Err(Refusal::bad(format!("{name} is not a known name"))),
            None => Ok(()),
        }
    }

    fn into_action(self, google: &mut Google, now: Timestamp) -> Action {
        let currency = google
            .accounts
            .get(&self.customer_id)
            .map(|account| account.currency_code.clone());
        Action {
            id: self.id.unwrap_or_else(|| google.fresh_action_id()),
            owner: self.customer_id,
            name: self.name,
            status: self.status,
            origin: self.origin.unwrap_or_else(|| origin_of(&self.kind).to_owned()),
            kind: self.kind,
            category: self.category,
            primary: self.primary_for_goal,
            counting: self.counting_type,
            click_days: self.click_through_lookback_window_days,
            view_days: self.view_through_lookback_window_days,
            default_value: self.default_value,
            default_currency: self.default_currency_code.or(currency).unwrap_or_default(),
            always_default: self.always_use_default_value,
            attribution: self.attribution_model,
            phone_seconds: None,
            created: self.created_at.unwrap_or(now),
            label: self.label.unwrap_or_else(|| google.fresh_label()),
            system: self.system,
        }
    }
}

/// All actions, removed ones included.
pub async fn list(State(shared): State<Shared>) -> Json<Value> {
    with_google(&shared, |google, _| {
        Json(json!({"actions": google.actions.values().map(ActionForm::from).collect::<Vec<_>>()}))
    })
}

/// A new action; `id` and `createdAt` may be chosen.
pub async fn create(State(shared): State<Shared>, body: Bytes) -> Answer {
    let form: ActionForm = read(&body)?;
    with_google(&shared, |google, now| {
        form.check(google)?;
        if form.id.is_some_and(|id| google.actions.contains_key(&id)) {
            return Err(Refusal::bad("the id is taken"));
        }
        let action = form.into_action(google, now);
        let answer = json!(ActionForm::from(&action));
        google.actions.insert(action.id, action);
        google.note_goals();
        Ok(Json(answer))
    })
}

/// Changes members of an action, whatever the API would say.
pub async fn change(State(shared): State<Shared>, Path(id): Path<u64>, body: Bytes) -> Answer {
    with_google(&shared, |google, now| {
        let current = google.actions.get(&id).ok_or_else(|| Refusal::missing("action"))?;
        let phone_seconds = current.phone_seconds;
        let form: ActionForm = merged(&ActionForm::from(current), &body)?;
        form.check(google)?;
        if form.id != Some(id) {
            return Err(Refusal::bad("id cannot change"));
        }
        let action = Action {
            phone_seconds,
            ..form.into_action(google, now)
        };
        let answer = json!(ActionForm::from(&action));
        google.actions.insert(id, action);
        google.note_goals();
        Ok(Json(answer))
    })
}

/// Removes an action as the pages do: it stays readable as REMOVED. `PATCH` the status to bring it back.
pub async fn remove(State(shared): State<Shared>, Path(id): Path<u64>) -> Answer {
    with_google(&shared, |google, _| {
        let action = google.actions.get_mut(&id).ok_or_else(|| Refusal::missing("action"))?;
        "REMOVED".clone_into(&mut action.status);
        Ok(Json(json!(ActionForm::from(&*action))))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GoalForm {
    customer_id: String,
    category: String,
    origin: String,
    biddable: bool,
}

/// All goals.
pub async fn goals(State(shared): State<Shared>) -> Json<Value> {
    with_google(&shared, |google, _| {
        let list = google.goals.iter().map(|((customer, category, origin), biddable)| {
            json!({"customerId": customer, "category": category, "origin": origin, "biddable": biddable})
        });
        Json(json!({"goals": list.collect::<Vec<_>>()}))
    })
}

/// Sets whether a goal is biddable.
pub async fn change_goal(State(shared): State<Shared>, body: Bytes) -> Answer {
    let form: GoalForm = read(&body)?;
    with_google(&shared, |google, _| {
        let goal = google.goals.get_mut(&(form.customer_id, form.category, form.origin));
        *goal.ok_or_else(|| Refusal::missing("goal"))? = form.biddable;
        Ok(Json(json!({})))
    })
}
