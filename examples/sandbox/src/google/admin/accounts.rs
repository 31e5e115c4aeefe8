//! Accounts.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::{ARMABLE_KEYS, Answer, Refusal, merged, read};
use crate::google::ads::accounts::Account;
use crate::google::ads::names::{CUSTOMER_STATUSES, TRACKING};
use crate::google::currency::is_currency;
use crate::google::encoding::is_customer_id;
use crate::google::with_google;
use crate::world::Shared;

fn check(account: &Account) -> Result<(), Refusal> {
    let ids = account.manager_of.iter().chain(account.conversion_customer.as_ref());
    let logins = account
        .access
        .iter()
        .filter_map(|entry| entry.login_customer_id.as_ref());
    if let Some(id) = ids
        .chain(logins)
        .chain([&account.customer_id])
        .find(|id| !is_customer_id(id))
    {
        return Err(Refusal::bad(format!("{id} is not a customer id of ten digits")));
    }
    if !account.manager && !account.manager_of.is_empty() {
        return Err(Refusal::bad("only a manager manages accounts"));
    }
    if !is_currency(&account.currency_code) || jiff::tz::TimeZone::get(&account.time_zone).is_err() {
        return Err(Refusal::bad("unknown currencyCode or timeZone"));
    }
    let known = CUSTOMER_STATUSES.contains(&account.status.as_str())
        && TRACKING.contains(&account.conversion_tracking_status.as_str())
        && ["ON", "OFF"].contains(&account.enablement.as_str());
    if !known {
        return Err(Refusal::bad("unknown status, conversionTrackingStatus or enablement"));
    }
    match account.refuse_with.as_deref().map(|text| text.split_once('.')) {
        Some(None) => Err(Refusal::bad("refuseWith must read key.NAME")),
        Some(Some((key, _))) if !ARMABLE_KEYS.contains(&key) => {
            Err(Refusal::bad(format!("refuseWith takes {ARMABLE_KEYS:?}")))
        }
        _ => Ok(()),
    }
}

/// All accounts.
pub async fn list(State(shared): State<Shared>) -> Json<Value> {
    with_google(&shared, |google, _| {
        Json(json!({"accounts": google.accounts.values().collect::<Vec<_>>()}))
    })
}

/// A new account.
pub async fn create(State(shared): State<Shared>, body: Bytes) -> Answer {
    let account: Account = read(&body)?;
    check(&account)?;
    with_google(&shared, |google, _| {
        if google.accounts.contains_key(&account.customer_id) {
            return Err(Refusal::bad("the account exists"));
        }
        let answer = json!(account);
        google.accounts.insert(account.customer_id.clone(), account);
        google.note_goals();
        Ok(Json(answer))
    })
}

/// Changes members of an account.
pub async fn change(State(shared): State<Shared>, Path(id): Path<String>, body: Bytes) -> Answer {
    with_google(&shared, |google, _| {
        let current = google.accounts.get(&id).ok_or_else(|| Refusal::missing("account"))?;
        let account: Account = merged(current, &body)?;
        check(&account)?;
        if account.customer_id != id {
            return Err(Refusal::bad("customerId cannot change"));
        }
        let answer = json!(account);
        google.accounts.insert(id, account);
        google.note_goals();
        Ok(Json(answer))
    })
}

/// Forgets an account.
pub async fn remove(State(shared): State<Shared>, Path(id): Path<String>) -> Answer {
    with_google(&shared, |google, _| {
        google
            .accounts
            .remove(&id)
            .map(|_| Json(json!({})))
            .ok_or_else(|| Refusal::missing("account"))
    })
}
