//! The client: authenticated calls, and the port on top of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use super::auth::Auth;
use super::config::SERVICE;
use super::errors::{ErrorBody, item_error};
use super::failed_reads::FailedReads;
use super::failed_searches::FailedSearches;
use super::key_habits::KeyHabits;
use super::limits::Bucket;
use super::token::Token;
use super::token_portal::TokenPurpose;
use super::transport::{GoodAnswer, Payload, Request, Shared, Transport};
use super::wire::Results;
use super::withheld::WithheldMemory;
use crate::domain::ids::{ContactId, DealId, PortalId};
use crate::domain::withheld::WithheldProperties;
use crate::ports::crm::{
    AddressBatch, ContactBatch, ContactPage, ContactRead, ContactSearch, Crm, DealBatch, DealLinks, Form, Portal,
    Quota, Stage, SubmissionPage, TokenInfo,
};
use crate::ports::{CallKind, Cause, UpstreamError, budget};
use crate::upstream::http::body::AnswerLimit;
use crate::upstream::http::renewal::call_with_renewal;

/// A client for one set of credentials. Get one from [`super::HubSpotConnector`]. No `Debug`: it holds tokens.
pub struct HubSpot {
    pub(crate) transport: Transport,
    pub(crate) auth: Auth,
    /// Names of the portal's contact properties, as they were last listed.
    pub(crate) listed: Mutex<Arc<BTreeSet<String>>>,
    /// How the portal answers about empty properties: of contacts, and of deals.
    pub(crate) contact_keys: Mutex<KeyHabits>,
    pub(crate) deal_keys: Mutex<KeyHabits>,
    /// Failed reads: of contacts, of deals, and of the deals of contacts (their first page, or a later one).
    pub(crate) failed_contacts: Mutex<FailedReads<ContactId>>,
    pub(crate) failed_deals: Mutex<FailedReads<DealId>>,
    pub(crate) failed_links: Mutex<FailedReads<(ContactId, bool)>>,
    /// Failed reads of contacts by address, by the address's digest: as the primary one or as a further one.
    pub(crate) failed_addresses: Mutex<FailedReads<(u64, bool)>>,
    /// Failed searches.
    pub(crate) failed_searches: Mutex<FailedSearches>,
    /// Contact properties that HubSpot withholds, and the lock of the hunt for one.
    pub(crate) withheld: Mutex<WithheldMemory>,
    pub(crate) hunting: tokio::sync::Mutex<()>,
    /// When calls for nobody were last answered, by the call's name.
    pub(crate) answered_for_nobody: Mutex<BTreeMap<&'static str, Instant>>,
}

/// An authenticated call.
pub(crate) struct Call<'a> {
    /// Our short name, for metrics.
    pub(crate) name: &'static str,
    pub(crate) bucket: Bucket,
    /// Size limit of a good answer.
    pub(crate) limit: AnswerLimit,
    /// Path from the base, version included.
    pub(crate) path: String,
    /// JSON to POST; `None`: GET.
    pub(crate) body: Option<&'a str>,
}

impl Call<'_> {
    /// A GET of records.
    pub(crate) const fn get(name: &'static str, path: String) -> Self {
        Self {
            name,
            bucket: Bucket::Other,
            limit: AnswerLimit::RECORDS,
            path,
            body: None,
        }
    }
}

impl HubSpot {
    pub(crate) fn new(shared: Arc<Shared>, auth: Auth) -> Self {
        Self {
            transport: Transport::new(shared),
            auth,
            listed: Mutex::default(),
            contact_keys: Mutex::default(),
            deal_keys: Mutex::default(),
            failed_contacts: Mutex::default(),
            failed_deals: Mutex::default(),
            failed_links: Mutex::default(),
            failed_addresses: Mutex::default(),
            failed_searches: Mutex::default(),
            withheld: Mutex::default(),
            hunting: tokio::sync::Mutex::default(),
            answered_for_nobody: Mutex::default(),
        }
    }

    /// Contact properties that have a key in every record.
    pub(crate) fn always_given(&self) -> Arc<BTreeSet<String>> {
        let listed = Arc::clone(&self.listed.lock());
        self.contact_keys.lock().always_given(&listed, Instant::now())
    }

    pub(crate) fn api_version(&self) -> &str {
        &self.transport.config().version
    }

    /// Makes a call. If an OAuth token is refused, another one is bought, once.
    pub(crate) async fn make_call(&self, call: Call<'_>) -> Result<GoodAnswer, UpstreamError> {
        self.make_call_with(call, TokenPurpose::Read, self.retries()).await
    }

    /// As [`Self::make_call`], to find out which portal the token opens.
    pub(crate) async fn make_check_call(&self, call: Call<'_>) -> Result<GoodAnswer, UpstreamError> {
        self.make_call_with(call, TokenPurpose::Check, self.retries()).await
    }

    /// As [`Self::make_call`], with this many quick retries.
    pub(crate) async fn make_call_repeatedly(&self, call: Call<'_>, retries: u32) -> Result<GoodAnswer, UpstreamError> {
        self.make_call_with(call, TokenPurpose::Read, retries).await
    }

    /// The usual number of quick retries of a call.
    pub(crate) fn retries(&self) -> u32 {
        self.transport.config().waits.retries
    }

    async fn make_call_with(
        &self,
        call: Call<'_>,
        purpose: TokenPurpose,
        retries: u32,
    ) -> Result<GoodAnswer, UpstreamError> {
        budget::within_budget(SERVICE, CallKind::Reads, self.call_once(call, purpose, retries)).await
    }

    async fn call_once(
        &self,
        call: Call<'_>,
        purpose: TokenPurpose,
        retries: u32,
    ) -> Result<GoodAnswer, UpstreamError> {
        let token = self.auth.current_token(&self.transport, purpose).await?;
        let call = &call;
        let send = |token: Token| async move {
            match self.send_with(&token, call, retries).await {
                Err(error) => Err(self.weigh_refusal(error, (call.name, call.bucket)).await),
                answered => answered,
            }
        };
        let renew = |token: Token, refused: Result<GoodAnswer, UpstreamError>| async move {
            let gives_up = match &refused {
                Err(error) => self.auth.give_up(&token, error).await,
                Ok(_) => false,
            };
            if !gives_up {
                return Err(refused);
            }
            self.auth.current_token(&self.transport, purpose).await.map_err(Err)
        };
        let is_refused = |ended: &Result<GoodAnswer, UpstreamError>| {
            ended
                .as_ref()
                .is_err_and(|error| error.cause == Cause::CredentialsRejected)
        };
        Box::pin(call_with_renewal(token, send, is_refused, renew)).await
    }

    pub(crate) async fn send_with(
        &self,
        token: &Token,
        call: &Call<'_>,
        retries: u32,
    ) -> Result<GoodAnswer, UpstreamError> {
        let request = Request {
            name: call.name,
            bucket: call.bucket,
            limit: call.limit,
            url: self.transport.config().url_of(&call.path),
            payload: call.body.map_or(Payload::Nothing, Payload::Json),
            bearer: Some(&token.header),
        };
        self.transport.send_repeatedly(&request, retries).await
    }

    /// A batch read. Errors of items are for [`super::items::OpenInputs`], unless they are about the token and nothing
    /// else came.
    pub(crate) async fn read_batch<T: DeserializeOwned>(
        &self,
        kind: (&'static str, Bucket),
        path: String,
        body: &str,
    ) -> Result<Results<T>, UpstreamError> {
        self.read_batch_repeatedly(kind, path, body, self.retries()).await
    }

    /// As [`Self::read_batch`], with this many quick retries.
    pub(crate) async fn read_batch_repeatedly<T: DeserializeOwned>(
        &self,
        (name, bucket): (&'static str, Bucket),
        path: String,
        body: &str,
        retries: u32,
    ) -> Result<Results<T>, UpstreamError> {
        let call = Call {
            name,
            bucket,
            limit: AnswerLimit::RECORDS,
            path,
            body: Some(body),
        };
        let answer = self.make_call_repeatedly(call, retries).await?;
        let status = answer.status;
        let batch: Results<T> = answer.parse_rows()?;
        let mut errors = batch.item_errors().iter().map(ErrorBody::from_value);
        match errors.find(|error| error.concerns_the_call() && batch.is_empty()) {
            Some(error) => Err(self
                .weigh_refusal(item_error(error, status, body), (name, bucket))
                .await),
            None => Ok(batch),
        }
    }
}

#[async_trait]
impl Crm for HubSpot {
    fn daily_quota(&self) -> Option<Quota> {
        self.transport.daily_quota()
    }

    fn withheld_properties(&self) -> WithheldProperties {
        self.withheld()
    }

    async fn retry_withheld(&self) {
        self.ask_for_withheld().await;
    }

    fn may_use(&self, portal: PortalId) {
        self.auth.pin_portal(portal);
        self.transport.joins_portal(portal);
    }

    async fn drop_token(&self) {
        self.auth.drop_token().await;
    }

    async fn read_portal(&self) -> Result<Portal, UpstreamError> {
        self.read_portal().await
    }

    async fn token_info(&self) -> Result<TokenInfo, UpstreamError> {
        self.read_token_info().await
    }

    async fn read_stages(&self) -> Result<Vec<Stage>, UpstreamError> {
        self.read_stages().await
    }

    async fn property_names(&self) -> Result<Vec<String>, UpstreamError> {
        self.read_property_names().await
    }

    async fn search_contacts(&self, search: &ContactSearch) -> Result<ContactPage, UpstreamError> {
        self.search_contacts(search).await
    }

    async fn read_contacts(&self, read: &ContactRead) -> Result<ContactBatch, UpstreamError> {
        self.read_contacts(read).await
    }

    async fn deals_of(&self, contacts: &[ContactId]) -> Result<DealLinks, UpstreamError> {
        self.read_associations(contacts).await
    }

    async fn read_deals(&self, ids: &[DealId]) -> Result<DealBatch, UpstreamError> {
        self.read_deals(ids).await
    }

    async fn list_forms(&self) -> Result<Vec<Form>, UpstreamError> {
        self.read_forms().await
    }

    async fn list_submissions(&self, form: &str, after: Option<&str>) -> Result<SubmissionPage, UpstreamError> {
        self.read_submissions(form, after).await
    }

    async fn read_by_email(&self, emails: &[String], properties: &[String]) -> Result<AddressBatch, UpstreamError> {
        self.contacts_by_email(emails, properties).await
    }
}
