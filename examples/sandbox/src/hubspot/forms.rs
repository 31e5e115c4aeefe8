//! Forms and their submissions: the two families of endpoints without a dated path.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{
    auth::Call,
    odd,
    reply::{Answer, Outcome},
    store::iso,
};
use crate::google::encoding;

/// Forms of a page where the client does not say.
const DEFAULT_FORMS: usize = 20;
/// Submissions of a page where the client does not say, and at most.
const DEFAULT_SUBMISSIONS: usize = 20;
const MAX_SUBMISSIONS: usize = 50;
/// Types a list may ask for.
const TYPES: [&str; 5] = ["hubspot", "captured", "flow", "blog_comment", "all"];

/// A form.
#[derive(Clone)]
pub struct Form {
    /// GUID, lower case.
    pub id: String,
    /// Name; not unique.
    pub name: String,
    /// One of [`TYPES`] but `all`.
    pub form_type: String,
    /// No longer listed.
    pub archived: bool,
}

/// A submission.
#[derive(Clone)]
pub struct Submission {
    /// GUID of the form.
    pub form: String,
    /// Absent in some old data.
    pub conversion_id: Option<String>,
    /// Epoch milliseconds.
    pub at: i64,
    /// Epoch milliseconds from which the list shows it.
    pub visible: i64,
    /// Fields: name, value, object type.
    pub values: Vec<(String, String, String)>,
    /// Address of the page.
    pub page_url: String,
}

/// A portal's forms.
#[derive(Default)]
pub struct Forms {
    /// All forms, in the order of their creation.
    pub forms: Vec<Form>,
    /// All submissions, in no order.
    pub submissions: Vec<Submission>,
}

fn definition(form: &Form, now: i64) -> Value {
    json!({
        "id": form.id, "name": form.name, "formType": form.form_type, "archived": form.archived,
        "createdAt": iso(now - 86_400_000), "updatedAt": iso(now - 86_400_000), "fieldGroups": [],
        "configuration": {"createNewContactForNewEmail": false, "lifecycleStages": []},
        "legalConsentOptions": {"type": "none"},
    })
}

/// Query parameters that an endpoint knows; any other is refused.
fn parameters(query: Option<&str>, known: &[&str]) -> Result<Vec<(String, String)>, Answer> {
    let pairs = encoding::form(query.unwrap_or_default()).ok_or_else(|| Answer::invalid("Malformed query"))?;
    match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((name, _)) => Err(Answer::invalid(format!("Unknown query parameter {name}"))),
        None => Ok(pairs),
    }
}

fn one<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

fn number(pairs: &[(String, String)], name: &str, default: usize, max: usize) -> Result<usize, Answer> {
    let Some(text) = one(pairs, name) else {
        return Ok(default);
    };
    match text.parse() {
        Ok(number) if (1..=max).contains(&number) => Ok(number),
        _ => Err(Answer::invalid(format!("{name} must be between 1 and {max}"))),
    }
}

/// Where a page begins: the cursor is a position, so pages shift when something arrives at the front.
fn position(pairs: &[(String, String)]) -> Result<usize, Answer> {
    match one(pairs, "after") {
        None => Ok(0),
        Some(cursor) => cursor
            .strip_prefix('p')
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Answer::invalid("Malformed cursor")),
    }
}

fn page(mut rows: Vec<Value>, start: usize, limit: usize) -> Value {
    let total = rows.len();
    let rows: Vec<Value> = rows.drain(start.min(total)..(start + limit).min(total)).collect();
    let mut body = json!({ "results": rows });
    if start + limit < total {
        let after = format!("p{}", start + limit);
        body["paging"] = json!({"next": {"after": after, "link": format!("?after={after}")}});
    }
    body
}

/// `GET /marketing/v3/forms`: without `formTypes` HubSpot's own type only.
pub fn list(call: &Call<'_>, query: Option<&str>) -> Outcome {
    let pairs = parameters(query, &["limit", "after", "archived", "formTypes"])?;
    let types: Vec<&str> = pairs
        .iter()
        .filter(|(n, _)| n == "formTypes")
        .map(|(_, v)| v.as_str())
        .collect();
    if let Some(unknown) = types.iter().find(|wanted| !TYPES.contains(wanted)) {
        return Err(Answer::invalid(format!("Invalid form type {unknown}")));
    }
    let archived = match one(&pairs, "archived") {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => return Err(Answer::invalid(format!("Invalid boolean {other}"))),
    };
    let wanted = |form: &&Form| {
        let of_type = match types.as_slice() {
            [] => form.form_type == "hubspot",
            some => some.contains(&"all") || some.contains(&form.form_type.as_str()),
        };
        of_type && form.archived == archived
    };
    let rows = call
        .portal
        .forms
        .forms
        .iter()
        .filter(wanted)
        .map(|form| definition(form, call.now))
        .collect();
    let limit = number(&pairs, "limit", DEFAULT_FORMS, 100)?;
    Ok(Answer::ok(page(rows, position(&pairs)?, limit)))
}

fn find<'a>(call: &'a Call<'_>, id: &str) -> Result<&'a Form, Answer> {
    let form = call
        .portal
        .forms
        .forms
        .iter()
        .find(|form| form.id.eq_ignore_ascii_case(id));
    form.ok_or_else(|| Answer::not_found(format!("No form with id {id}")))
}

/// `GET /marketing/v3/forms/{id}`.
pub fn get(call: &Call<'_>, id: &str) -> Outcome {
    Ok(Answer::ok(definition(find(call, id)?, call.now)))
}

/// `GET /form-integrations/v1/submissions/forms/{guid}`: newest first, no filter, no contact id.
pub fn submissions(call: &Call<'_>, id: &str, query: Option<&str>) -> Outcome {
    let pairs = parameters(query, &["limit", "after"])?;
    let limit = number(&pairs, "limit", DEFAULT_SUBMISSIONS, MAX_SUBMISSIONS)?;
    let form = find(call, id)?;
    let mut shown: Vec<&Submission> = call
        .portal
        .forms
        .submissions
        .iter()
        .filter(|s| s.form == form.id && s.visible <= call.now)
        .collect();
    shown.sort_by(|a, b| (b.at, &b.conversion_id).cmp(&(a.at, &a.conversion_id)));
    let given = |s: &Submission| {
        let id = s.conversion_id.as_deref().unwrap_or_default();
        call.portal.odd.apply(odd::Kind::Submission, id, row(s))
    };
    let rows = shown.into_iter().map(given).collect();
    Ok(Answer {
        status: StatusCode::OK,
        body: page(rows, position(&pairs)?, limit),
    })
}

fn row(submission: &Submission) -> Value {
    let value =
        |(name, value, of): &(String, String, String)| json!({"name": name, "value": value, "objectTypeId": of});
    let mut row = json!({
        "submittedAt": submission.at,
        "values": submission.values.iter().map(value).collect::<Vec<_>>(),
        "pageUrl": submission.page_url,
    });
    if let Some(id) = &submission.conversion_id {
        row["conversionId"] = json!(id);
    }
    row
}
