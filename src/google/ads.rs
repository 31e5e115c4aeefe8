//! The Google Ads API client: account state, conversion actions, goals (reference notes, Google 2 and 3).

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::ads_wire as wire;
use super::errors::{Api, malformed};
use super::session::{Call, Session};
use crate::domain::ids::{ActionId, CustomerId};
use crate::sync::ports::ads::{ActionFields, Attribution, ConversionAction, Customer, Goal, GoogleAds};
use crate::sync::ports::{Cause, Effect, UpstreamError};
use crate::upstream::body::{Limit, weigh};

/// Most pages of a search, 10,000 rows each: an end for a paging that never ends.
const MAX_PAGES: usize = 20;
/// Most that the rows of a search may take in memory, all pages together.
const MAX_MEMORY: usize = Limit::RECORDS.memory;
/// A search may take so many times as long as one call of it.
const SEARCH_CALLS: u32 = 4;

/// The Google Ads API of one set of credentials, by way of one manager or directly.
pub(super) struct AdsClient {
    session: Arc<Session>,
    login: Option<CustomerId>,
}

impl AdsClient {
    pub(super) fn new(session: Arc<Session>, login: Option<CustomerId>) -> Self {
        Self { session, login }
    }

    /// All rows of a query, bounded in size and time as a whole: many small pages are as much as a large one.
    async fn search(&self, customer: &CustomerId, query: &str) -> Result<Vec<Value>, UpstreamError> {
        let limit = self.session.config().timeouts.read.saturating_mul(SEARCH_CALLS);
        match tokio::time::timeout(limit, self.pages(customer, query)).await {
            Ok(rows) => rows,
            Err(_) => Err(UpstreamError::new(
                Api::Ads.service(),
                Cause::Unavailable,
                format!("a search was not finished within {} s", limit.as_secs()),
            )),
        }
    }

    async fn pages(&self, customer: &CustomerId, query: &str) -> Result<Vec<Value>, UpstreamError> {
        let mut rows = Vec::new();
        let mut token: Option<String> = None;
        let mut memory = 0usize;
        for _ in 0..MAX_PAGES {
            let body = match &token {
                Some(token) => json!({"query": query, "pageToken": token}),
                None => json!({"query": query}),
            };
            let call = self.call("search", customer, "/googleAds:search", &body, false);
            let mut page = self.session.read(&call).await.map_err(|failure| failure.error)?;
            memory = memory.saturating_add(weigh(&page));
            if memory > MAX_MEMORY {
                return Err(unreadable("all pages together are too large"));
            }
            match page["results"].take() {
                Value::Array(results) => rows.extend(results),
                Value::Null => {}
                _ => return Err(unreadable("results is no list")),
            }
            let next = page["nextPageToken"]
                .as_str()
                .filter(|next| !next.is_empty())
                .map(str::to_owned);
            match next {
                None => return Ok(rows),
                same if same == token => return Err(unreadable("the paging does not move on")),
                next => token = next,
            }
        }
        Err(unreadable("the paging does not end"))
    }

    /// The rows of a query for actions that are the account's own.
    async fn own_actions(&self, owner: &CustomerId, query: &str) -> Result<Vec<ConversionAction>, UpstreamError> {
        let mut rows = self.search(owner, query).await?;
        rows.retain(|row| wire::is_own(row, owner));
        decode(&rows, wire::action)
    }

    async fn mutate(
        &self,
        method: &'static str,
        owner: &CustomerId,
        path: &str,
        body: &Value,
    ) -> Result<Value, UpstreamError> {
        let call = self.call(method, owner, path, body, true);
        self.session.call(&call).await.map_err(|failure| failure.error)
    }

    async fn mutate_action(&self, owner: &CustomerId, body: &Value) -> Result<Value, UpstreamError> {
        self.mutate("mutateConversionActions", owner, "/conversionActions:mutate", body)
            .await
    }

    fn call<'a>(
        &'a self,
        method: &'static str,
        customer: &'a CustomerId,
        path: &str,
        body: &Value,
        mutating: bool,
    ) -> Call<'a> {
        let config = self.session.config();
        Call {
            api: Api::Ads,
            method,
            path: format!("/{}/customers/{customer}{path}", config.ads_version),
            query: &[],
            body: Some(body.to_string().into_bytes()),
            mutating,
            partial: false,
            timeout: if mutating {
                config.timeouts.mutate
            } else {
                config.timeouts.read
            },
            customer: Some(customer),
            login: self.login.as_ref(),
        }
    }
}

fn unreadable(what: &str) -> UpstreamError {
    malformed(Api::Ads, false, 200, None, what)
}

fn decode<T>(rows: &[Value], read: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>, UpstreamError> {
    rows.iter()
        .map(|row| read(row).ok_or_else(|| unreadable("a row without its key")))
        .collect()
}

#[async_trait]
impl GoogleAds for AdsClient {
    async fn customer(&self, id: &CustomerId) -> Result<Customer, UpstreamError> {
        let rows = self.search(id, wire::CUSTOMER).await?;
        match rows.first() {
            Some(row) => Ok(wire::customer(row, id)),
            None => Err(UpstreamError {
                status: Some(200),
                ..UpstreamError::new(Api::Ads.service(), Cause::NotFound, format!("no customer {id}"))
            }),
        }
    }

    async fn actions(&self, owner: &CustomerId) -> Result<Vec<ConversionAction>, UpstreamError> {
        self.own_actions(owner, wire::ACTIONS).await
    }

    async fn actions_named(&self, owner: &CustomerId, name: &str) -> Result<Vec<ConversionAction>, UpstreamError> {
        self.own_actions(owner, &wire::actions_named(name)).await
    }

    async fn goals(&self, owner: &CustomerId) -> Result<Vec<Goal>, UpstreamError> {
        decode(&self.search(owner, wire::GOALS).await?, wire::goal)
    }

    async fn attribution(&self, customer: &CustomerId) -> Result<Vec<Attribution>, UpstreamError> {
        decode(&self.search(customer, wire::ATTRIBUTION).await?, wire::attribution)
    }

    async fn create_action(&self, owner: &CustomerId, fields: &ActionFields) -> Result<ActionId, UpstreamError> {
        let answer = self.mutate_action(owner, &wire::create(fields)).await?;
        wire::created(&answer).ok_or_else(|| UpstreamError {
            effect: Effect::Unknown,
            ..unreadable("the answer to a create names no action")
        })
    }

    async fn update_action(
        &self,
        owner: &CustomerId,
        id: ActionId,
        fields: &ActionFields,
    ) -> Result<(), UpstreamError> {
        let Some(body) = wire::update(owner, id, fields) else {
            return Ok(());
        };
        self.mutate_action(owner, &body).await.map(drop)
    }

    async fn remove_action(&self, owner: &CustomerId, id: ActionId) -> Result<(), UpstreamError> {
        self.mutate_action(owner, &wire::remove(owner, id)).await.map(drop)
    }

    async fn set_goal_biddable(&self, owner: &CustomerId, goal: &Goal, biddable: bool) -> Result<(), UpstreamError> {
        let body = wire::goal_biddable(owner, goal, biddable);
        self.mutate(
            "mutateCustomerConversionGoals",
            owner,
            "/customerConversionGoals:mutate",
            &body,
        )
        .await
        .map(drop)
    }
}

#[cfg(test)]
#[path = "ads_tests.rs"]
mod tests;
