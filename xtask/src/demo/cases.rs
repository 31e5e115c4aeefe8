//! Contacts and submissions that end in every class, so that a user sees what each looks like and what is said of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::Error;
use crate::lab::sandbox::Sandbox;

/// GUID of the form that `examples/demo-request.yaml` names.
const FORM: &str = "78c2891f-ebdd-44c0-bd94-15c012bbbfbf";
/// Submissions that are sent.
const SENT: usize = 12;
/// Submissions of people who have not consented.
const SILENT: usize = 3;
/// Submissions that no Google tag has reported.
const UNREPORTED: usize = 2;
/// Submissions that wait at the end of the demo.
pub(super) const WAITING: u64 = (SILENT + UNREPORTED) as u64;

/// Epoch milliseconds of so many days ago, as the sandbox takes them.
fn ago(days: u64) -> Result<u64, Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let then = now
        .ok()
        .and_then(|now| now.checked_sub(Duration::from_hours(24 * days)));
    then.and_then(|then| u64::try_from(then.as_millis()).ok())
        .ok_or_else(|| Error::Failed(format!("this machine's clock has no time {days} days ago")))
}

/// What must be there before the events are applied.
pub(super) fn prepare(sandbox: &Sandbox) -> Result<(), Error> {
    sandbox
        .post("/admin/hubspot/forms", &json!([{"id": FORM, "name": "Demo request"}]))
        .map(drop)
}

/// Contacts that become customers now: one whose click is too old, one whose click id Google can't read, and one that
/// is deleted before it can be sent. The id of the second, of which there is most to tell.
pub(super) fn contacts(sandbox: &Sandbox) -> Result<String, Error> {
    let customer = |click: &str, clicked: u64| -> Result<Value, Error> {
        Ok(json!({"createdAt": ago(120)?, "registerClick": false, "history": {
            "hs_google_click_id": [{"value": click, "timestamp": ago(clicked)?, "sourceType": "FORM"}],
            "lifecyclestage": [{"value": "customer", "timestamp": ago(0)?, "sourceType": "CRM_UI"}]}}))
    };
    let made = sandbox.post(
        "/admin/hubspot/contacts",
        &json!([
            customer("Cj0-long-ago", 100)?,
            customer("invalid-click-id", 3)?,
            customer("Cj0-deleted", 3)?
        ]),
    )?;
    let id = |place: usize| {
        let id = made.pointer(&format!("/ids/{place}")).and_then(Value::as_str);
        id.ok_or_else(|| Error::Failed("the sandbox does not name the contacts it made".to_owned()))
    };
    let path = format!("/admin/hubspot/contacts/{}", id(2)?);
    sandbox.call("DELETE", &path, None)?;
    Ok(id(1)?.to_owned())
}

/// Submissions of the form: sent, waiting, skipped and rejected ones.
pub(super) fn submissions(sandbox: &Sandbox) -> Result<(), Error> {
    let submission = |id: String, more: Value| {
        let mut all = json!({"formId": FORM, "conversionId": id, "email": format!("{id}@example.com"),
            "properties": {"ads_consent": "true"}});
        for (name, value) in more.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        all
    };
    let refused = json!({"transactionIds": ["refused"], "reason": "INVALID_USER_IDENTIFIER"});
    sandbox.post("/admin/google/outcomes", &refused)?;
    let mut all = vec![submission("refused".to_owned(), json!({}))];
    all.extend((0..SENT).map(|n| submission(format!("sent-{n}"), json!({}))));
    all.extend((0..SILENT).map(|n| submission(format!("silent-{n}"), json!({"properties": {}}))));
    all.extend((0..UNREPORTED).map(|n| submission(format!("no-tag-{n}"), json!({"webConversion": false}))));
    all.push(submission("nameless".to_owned(), json!({"email": Value::Null})));
    sandbox.post("/admin/hubspot/submissions", &Value::Array(all)).map(drop)
}

/// How many submissions of the form were made since a time, and how many enhancements of an action Google took.
pub(super) fn counted(sandbox: &Sandbox, form: &str, since: &str, action: &str) -> Result<(u64, u64), Error> {
    let expected = sandbox.get(&format!(
        "/admin/hubspot/expected-submissions?formId={form}&since={since}"
    ))?;
    let tally = sandbox.get(&format!("/admin/google/tally?actionId={action}"))?;
    let count = |list: Option<&Vec<Value>>| list.and_then(|list| u64::try_from(list.len()).ok());
    count(expected.as_array())
        .zip(count(tally.get("enhancements").and_then(Value::as_array)))
        .ok_or_else(|| Error::Failed("the sandbox's counts are not understood".to_owned()))
}
