//! The Google Ads API client: account state, conversion actions, goals (docs/reference/google.md 2 and 3).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::errors::{Api, Parsed};
use super::own_errors::unusable_answer;
use super::session::{Call, Session};
use crate::domain::ids::{ActionId, CustomerId};
use crate::ports::ads::{ActionFields, Attribution, ConversionAction, Customer, Goal, GoogleAds};
use crate::ports::{CallKind, Cause, Effect, UpstreamError};
use crate::upstream::google::ads::query as wire;
use crate::upstream::http::body::{AnswerLimit, weigh_value};
use crate::upstream::http::growing::{GrowingShare, OutOfRoom};
use crate::upstream::http::memory::{FREE, KEPT, ends_in};

/// Most pages of a search, 10,000 rows each: an end for a paging that never ends.
const MAX_PAGES: usize = 20;
/// Memory that the rows of a search may take, all pages together, and the most text they may come in.
const MAX_MEMORY: usize = AnswerLimit::RECORDS.memory;
const MAX_TEXT: usize = 16 << 20;
/// How many times the time limit of one call a whole search may take.
const SEARCH_CALLS: u32 = 4;

/// The Google Ads API of one set of credentials, by way of one manager or directly.
pub(crate) struct AdsClient {
    session: Arc<Session>,
    login: Option<CustomerId>,
}

impl AdsClient {
    pub(crate) fn new(session: Arc<Session>, login: Option<CustomerId>) -> Self {
        Self { session, login }
    }

    /// The rows of a query for which `read` returns something. Bounded in size and time as a whole, since many small
    /// pages are as much as a large one.
    async fn search_rows<T>(
        &self,
        customer: &CustomerId,
        query: &str,
        read: impl Fn(&Value) -> Result<Option<T>, UpstreamError> + Send + Sync,
    ) -> Result<Vec<T>, UpstreamError>
    where
        T: Send,
    {
        let limit = self.session.config().timeouts.read.saturating_mul(SEARCH_CALLS);
        match tokio::time::timeout(limit, self.read_pages(customer, query, read)).await {
            Ok(rows) => rows,
            Err(_) => Err(UpstreamError::new(
                Api::Ads.service_name(),
                Cause::Unavailable,
                format!("a search was not finished within {} s", limit.as_secs()),
            )),
        }
    }

    async fn read_pages<T: Send>(
        &self,
        customer: &CustomerId,
        query: &str,
        read: impl Fn(&Value) -> Result<Option<T>, UpstreamError> + Send + Sync,
    ) -> Result<Vec<T>, UpstreamError> {
        let mut all = Pages::default();
        let mut rows = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let body = match &token {
                Some(token) => json!({"query": query, "pageToken": token}),
                None => json!({"query": query}),
            };
            let call = self.new_call(CallKind::Reads, "search", customer, "/googleAds:search", &body);
            let next = {
                let page = tokio::select! {
                    biased;
                    short = all.given_up() => return Err(short_of_memory(short)),
                    page = self.session.read_call(&call) => page.map_err(|failure| failure.error)?,
                };
                all.add_page(&page)?;
                take_rows(&page, &read, &mut rows)?;
                match &page["nextPageToken"] {
                    Value::Null => None,
                    Value::String(next) => Some(next.clone()).filter(|next| !next.is_empty()),
                    // If this were taken for the end, actions on further
                    // pages would seem missing, and be created again.
                    _ => return Err(unreadable_answer("nextPageToken is no text")),
                }
            };
            match next {
                None => return Ok(rows),
                same if same == token => return Err(unreadable_answer("the paging does not move on")),
                next => token = next,
            }
            all.make_room(call.timeout).await?;
        }
        Err(unreadable_answer("the paging does not end"))
    }

    /// The rows of a query for actions that belong to the account itself.
    async fn own_actions(&self, owner: &CustomerId, query: &str) -> Result<Vec<ConversionAction>, UpstreamError> {
        let own = |row: &Value| wire::is_own(row, owner);
        let action = require_key(wire::parse_action);
        self.search_rows(owner, query, |row| if own(row) { action(row) } else { Ok(None) })
            .await
    }

    async fn mutate(
        &self,
        method: &'static str,
        owner: &CustomerId,
        path: &str,
        body: &Value,
    ) -> Result<Parsed, UpstreamError> {
        let call = self.new_call(CallKind::Changes, method, owner, path, body);
        self.session.call(&call).await.map_err(|failure| failure.error)
    }

    async fn mutate_action(&self, owner: &CustomerId, body: &Value) -> Result<Parsed, UpstreamError> {
        self.mutate("mutateConversionActions", owner, "/conversionActions:mutate", body)
            .await
    }

    fn new_call<'a>(
        &'a self,
        kind: CallKind,
        method: &'static str,
        customer: &'a CustomerId,
        path: &str,
        body: &Value,
    ) -> Call<'a> {
        let config = self.session.config();
        Call {
            api: Api::Ads,
            method,
            path: format!("/{}/customers/{customer}{path}", config.ads_version),
            query: &[],
            body: Some(body.to_string().into_bytes()),
            kind,
            partial: false,
            timeout: match kind {
                CallKind::Reads => config.timeouts.read,
                CallKind::Changes => config.timeouts.mutate,
            },
            customer: Some(customer),
            login: self.login.as_ref(),
        }
    }
}

fn unreadable_answer(what: &str) -> UpstreamError {
    unusable_answer(Api::Ads, CallKind::Reads, what)
}

/// The pages of a search so far.
#[derive(Default)]
struct Pages {
    memory: usize,
    text: usize,
    share: Option<GrowingShare>,
}

impl Pages {
    fn add_page(&mut self, page: &Parsed) -> Result<(), UpstreamError> {
        self.memory = self.memory.saturating_add(weigh_value(page));
        self.text = self.text.saturating_add(page.size);
        if self.memory > MAX_MEMORY || self.text > MAX_TEXT {
            return Err(unreadable_answer("all pages together are too large"));
        }
        Ok(())
    }

    /// Counts what is kept of large pages while the next one is read. No page is held while this waits.
    async fn make_room(&mut self, limit: Duration) -> Result<(), UpstreamError> {
        let Some(beyond) = self.text.checked_sub(FREE).filter(|beyond| *beyond > 0) else {
            return Ok(());
        };
        let share = self.share.get_or_insert_with(|| KEPT.share());
        share.grow(beyond, ends_in(limit)).await.map_err(short_of_memory)
    }

    /// Waits until other searches, whose pages come more quickly, need the memory of this one.
    async fn given_up(&self) -> OutOfRoom {
        match &self.share {
            Some(share) => share.given_up().await,
            None => std::future::pending().await,
        }
    }
}

fn short_of_memory(short: OutOfRoom) -> UpstreamError {
    UpstreamError::new(Api::Ads.service_name(), Cause::Unavailable, short.0)
}

fn take_rows<T>(
    page: &Value,
    read: impl Fn(&Value) -> Result<Option<T>, UpstreamError>,
    rows: &mut Vec<T>,
) -> Result<(), UpstreamError> {
    match &page["results"] {
        Value::Array(results) => {
            for row in results {
                rows.extend(read(row)?);
            }
            Ok(())
        }
        Value::Null => Ok(()),
        _ => Err(unreadable_answer("results is no list")),
    }
}

/// The error of a row without its key: if the row were left out, its object would seem missing.
fn require_key<T>(
    read: impl Fn(&Value) -> Option<T> + Send + Sync,
) -> impl Fn(&Value) -> Result<Option<T>, UpstreamError> + Send + Sync {
    move |row| match read(row) {
        Some(found) => Ok(Some(found)),
        None => Err(unreadable_answer("a row without its key")),
    }
}

#[async_trait]
impl GoogleAds for AdsClient {
    async fn drop_token(&self) {
        self.session.drop_token().await;
    }

    async fn read_customer(&self, id: &CustomerId) -> Result<Customer, UpstreamError> {
        let read = require_key(|row| wire::parse_customer(row, id));
        match self.search_rows(id, wire::CUSTOMER, read).await?.into_iter().next() {
            Some(customer) => Ok(customer),
            None => Err(UpstreamError {
                status: Some(200),
                ..UpstreamError::new(Api::Ads.service_name(), Cause::NotFound, format!("no customer {id}"))
            }),
        }
    }

    async fn read_actions(&self, owner: &CustomerId) -> Result<Vec<ConversionAction>, UpstreamError> {
        self.own_actions(owner, wire::ACTIONS).await
    }

    async fn actions_named(&self, owner: &CustomerId, name: &str) -> Result<Vec<ConversionAction>, UpstreamError> {
        self.own_actions(owner, &wire::actions_named(name)).await
    }

    async fn read_goals(&self, owner: &CustomerId) -> Result<Vec<Goal>, UpstreamError> {
        self.search_rows(owner, wire::GOALS, require_key(wire::parse_goal))
            .await
    }

    async fn read_attribution(&self, customer: &CustomerId) -> Result<Vec<Attribution>, UpstreamError> {
        self.search_rows(customer, wire::ATTRIBUTION, require_key(wire::parse_attribution))
            .await
    }

    async fn create_action(&self, owner: &CustomerId, fields: &ActionFields) -> Result<ActionId, UpstreamError> {
        let answer = self.mutate_action(owner, &wire::create_body(fields)).await?;
        wire::created_id(&answer, owner).ok_or_else(|| UpstreamError {
            effect: Effect::Unknown,
            ..unreadable_answer("the answer to a create names no action of this account")
        })
    }

    async fn update_action(
        &self,
        owner: &CustomerId,
        id: ActionId,
        fields: &ActionFields,
    ) -> Result<(), UpstreamError> {
        let Some(body) = wire::update_body(owner, id, fields) else {
            return Ok(());
        };
        self.mutate_action(owner, &body).await.map(drop)
    }

    async fn remove_action(&self, owner: &CustomerId, id: ActionId) -> Result<(), UpstreamError> {
        self.mutate_action(owner, &wire::remove_body(owner, id)).await.map(drop)
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

pub mod query;
#[cfg(test)]
#[path = "ads_tests.rs"]
mod tests;
pub mod uploads;
