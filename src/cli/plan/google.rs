//! Google for `plan`: what is asked is read, what would be changed is written down, and nothing is changed or sent. The
//! calls that change something never reach the client that could make them.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::changes::Change;
use super::reads::{CredentialsId, QuestionReader, ReadLog};
use crate::cli::offline::reach_data_manager;
use crate::domain::batch::Complaint;
use crate::domain::ids::{ActionId, CustomerId};
use crate::ports::ads::{ActionFields, Attribution, ConversionAction, Customer, Goal, GoogleAds};
use crate::ports::sink::{
    ConversionSink, DestinationStatus, Evidence, IngestError, RouteInfo, RowUploads, UploadAnswer, UploadRequest,
};
use crate::ports::{Cause, GoogleClients, GoogleConnector, GoogleCredentials, SecretInvalid, UpstreamError};

/// What would be changed at Google, in order.
#[derive(Default)]
struct NotebookState {
    changes: Vec<(CustomerId, Change)>,
    /// Actions that would be created.
    created: Vec<(CustomerId, ConversionAction)>,
    /// Goals that would be changed.
    goals: Vec<(CustomerId, Goal)>,
    /// Requests that would be sent.
    requests: u64,
}

/// Google as it would be after what was written down. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Notebook(Arc<Mutex<NotebookState>>);

impl Notebook {
    /// What would be changed, with the account that owns it, in order.
    pub(super) fn changes(&self) -> Vec<(CustomerId, Change)> {
        self.0.lock().changes.clone()
    }

    /// The actions of an account as they would be.
    fn lay_over(&self, owner: &CustomerId, mut actions: Vec<ConversionAction>) -> Vec<ConversionAction> {
        let state = self.0.lock();
        let created = state.created.iter().filter(|(of, _)| of == owner);
        actions.extend(created.map(|(_, action)| action.clone()));
        for (of, change) in &state.changes {
            if let Change::Update { id, fields, .. } = change
                && of == owner
            {
                actions
                    .iter_mut()
                    .filter(|action| action.id == *id)
                    .for_each(|action| action.set_fields(fields));
            }
        }
        actions
    }

    fn create(&self, owner: &CustomerId, fields: &ActionFields) -> ActionId {
        let mut state = self.0.lock();
        // No number that Google has given out.
        let id = ActionId(u64::MAX / 2 - state.created.len() as u64);
        let change = Change::Create {
            id,
            fields: Box::new(fields.clone()),
        };
        state.changes.push((owner.clone(), change));
        state
            .created
            .push((owner.clone(), ConversionAction::created(owner, id, fields)));
        id
    }

    fn update(&self, owner: &CustomerId, before: ConversionAction, fields: &ActionFields) {
        let change = Change::Update {
            id: before.id,
            before: Box::new(before),
            fields: Box::new(fields.clone()),
        };
        self.0.lock().changes.push((owner.clone(), change));
    }

    fn set_goal(&self, owner: &CustomerId, goal: &Goal, biddable: bool) {
        let mut state = self.0.lock();
        let goal = Goal {
            biddable,
            ..goal.clone()
        };
        state.goals.push((owner.clone(), goal.clone()));
        state.changes.push((owner.clone(), Change::Goal(goal)));
    }

    /// A request id that no other request has.
    fn new_request(&self) -> String {
        let mut state = self.0.lock();
        state.requests += 1;
        format!("planned-{}", state.requests)
    }

    fn lay_goals_over(&self, owner: &CustomerId, mut goals: Vec<Goal>) -> Vec<Goal> {
        let state = self.0.lock();
        for (_, changed) in state.goals.iter().filter(|(of, _)| of == owner) {
            let same = |goal: &&mut Goal| goal.category == changed.category && goal.origin == changed.origin;
            goals
                .iter_mut()
                .filter(same)
                .for_each(|goal| goal.biddable = changed.biddable);
        }
        goals
    }
}

/// The service, as a plan names it.
pub(super) const GOOGLE: &str = "Google Ads";

/// Makes clients that read and change nothing, and note what could not be read.
pub(super) struct ReadingConnector {
    inner: Arc<dyn GoogleConnector>,
    notebook: Notebook,
    log: ReadLog,
}

impl ReadingConnector {
    pub(super) fn new(inner: Arc<dyn GoogleConnector>, notebook: Notebook, log: ReadLog) -> Self {
        Self { inner, notebook, log }
    }
}

#[async_trait]
impl GoogleConnector for ReadingConnector {
    async fn connect(
        &self,
        credentials: GoogleCredentials<'_>,
        login: Option<CustomerId>,
    ) -> Result<GoogleClients, SecretInvalid> {
        let secret = match credentials {
            GoogleCredentials::Secret(secret) => Some(secret),
            GoogleCredentials::Ambient { .. } => None,
        };
        let reader = self.log.reader(GOOGLE, CredentialsId::new(secret));
        let clients = self.inner.connect(credentials, login).await?;
        let row_by_row = |info: RouteInfo| Arc::new(NoRowUploads { info });
        Ok(GoogleClients {
            clicks: row_by_row(clients.clicks.route_info()),
            enhancements: row_by_row(clients.enhancements.route_info()),
            sink: Arc::new(NoSink {
                inner: clients.sink,
                notebook: self.notebook.clone(),
                reader: reader.clone(),
                open: OnceCell::new(),
            }),
            ads: Arc::new(ReadingAds {
                inner: clients.ads,
                notebook: self.notebook.clone(),
                reader,
            }),
        })
    }
}

const ACTIONS: &str = "conversion actions";

/// The Google Ads API, read only.
struct ReadingAds {
    inner: Arc<dyn GoogleAds>,
    notebook: Notebook,
    reader: QuestionReader,
}

impl ReadingAds {
    fn would_not(what: &str) -> UpstreamError {
        UpstreamError::new(GOOGLE, Cause::Refused, format!("a plan does not {what}"))
    }
}

#[async_trait]
impl GoogleAds for ReadingAds {
    async fn drop_token(&self) {
        self.inner.drop_token().await;
    }

    async fn read_customer(&self, id: &CustomerId) -> Result<Customer, UpstreamError> {
        self.reader.ask("the customer", id, self.inner.read_customer(id)).await
    }

    async fn read_actions(&self, owner: &CustomerId) -> Result<Vec<ConversionAction>, UpstreamError> {
        let call = self.inner.read_actions(owner);
        let actions = self.reader.ask(ACTIONS, owner, call).await?;
        self.reader.list_ended(ACTIONS, &owner.to_string());
        Ok(self.notebook.lay_over(owner, actions))
    }

    async fn actions_named(&self, owner: &CustomerId, name: &str) -> Result<Vec<ConversionAction>, UpstreamError> {
        let call = self.inner.actions_named(owner, name);
        let about = [(owner.to_string(), name.to_owned())];
        let found = self.reader.ask_all(ACTIONS, about, call).await?;
        let mut actions = self.notebook.lay_over(owner, found);
        actions.retain(|action| action.is_named(name));
        Ok(actions)
    }

    async fn read_goals(&self, owner: &CustomerId) -> Result<Vec<Goal>, UpstreamError> {
        let call = self.inner.read_goals(owner);
        let goals = self.reader.ask("account goals", owner, call).await?;
        Ok(self.notebook.lay_goals_over(owner, goals))
    }

    async fn read_attribution(&self, _: &CustomerId) -> Result<Vec<Attribution>, UpstreamError> {
        Ok(Vec::new())
    }

    async fn create_action(&self, owner: &CustomerId, fields: &ActionFields) -> Result<ActionId, UpstreamError> {
        Ok(self.notebook.create(owner, fields))
    }

    async fn update_action(
        &self,
        owner: &CustomerId,
        id: ActionId,
        fields: &ActionFields,
    ) -> Result<(), UpstreamError> {
        let actions = self.read_actions(owner).await?;
        let before = actions.into_iter().find(|action| action.id == id);
        let before = before.ok_or_else(|| Self::would_not("change an action that Google does not show"))?;
        self.notebook.update(owner, before, fields);
        Ok(())
    }

    async fn remove_action(&self, _: &CustomerId, _: ActionId) -> Result<(), UpstreamError> {
        Err(Self::would_not("remove an action"))
    }

    async fn set_goal_biddable(&self, owner: &CustomerId, goal: &Goal, biddable: bool) -> Result<(), UpstreamError> {
        self.notebook.set_goal(owner, goal, biddable);
        Ok(())
    }
}

/// The Data Manager API, which is asked whether it can be used, takes everything then and sends nothing.
struct NoSink {
    inner: Arc<dyn ConversionSink>,
    notebook: Notebook,
    reader: QuestionReader,
    /// Set once it has shown that it can be used.
    open: OnceCell<()>,
}

impl NoSink {
    async fn reach(&self) -> Result<(), UpstreamError> {
        let ask = || {
            let call = reach_data_manager(self.inner.as_ref());
            self.reader.ask("the Data Manager API", "", call)
        };
        self.open.get_or_try_init(ask).await.copied()
    }
}

#[async_trait]
impl ConversionSink for NoSink {
    fn route_info(&self) -> RouteInfo {
        self.inner.route_info()
    }

    async fn ingest(&self, _: &UploadRequest) -> Result<String, IngestError> {
        self.reach().await?;
        Ok(self.notebook.new_request())
    }

    async fn validate(&self, _: &UploadRequest) -> Result<(), IngestError> {
        Ok(self.reach().await?)
    }

    async fn request_status(&self, _: &str) -> Result<Vec<DestinationStatus>, UpstreamError> {
        Ok(Vec::new())
    }
}

/// A route of the Google Ads API that takes everything and sends
/// nothing: that this API can be used, its reads have shown.
struct NoRowUploads {
    info: RouteInfo,
}

#[async_trait]
impl RowUploads for NoRowUploads {
    fn route_info(&self) -> RouteInfo {
        self.info
    }

    async fn upload_rows(&self, request: &UploadRequest) -> Result<UploadAnswer, IngestError> {
        Ok(UploadAnswer {
            request_id: None,
            evidence: vec![Evidence::Taken; request.rows.len()],
            errors: Vec::new(),
            retry_after: None,
        })
    }

    async fn validate_rows(&self, _: &UploadRequest) -> Result<Vec<Complaint>, IngestError> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
#[path = "google_tests.rs"]
mod tests;
