//! Upstream services in memory: what they answer can be changed while the controllers run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use adconversion_operator::domain::batch::Complaint;
use adconversion_operator::domain::ids::{ActionId, ContactId, CustomerId, DealId, PortalId};
use adconversion_operator::ports::ads::{ActionFields, Attribution, ConversionAction, Customer, Goal, GoogleAds};
use adconversion_operator::ports::crm::{
    AddressBatch, ContactBatch, ContactPage, ContactRead, ContactSearch, Crm, DealBatch, DealLinks, Form, Portal,
    Stage, SubmissionPage, TokenInfo,
};
use adconversion_operator::ports::sink::{
    ConversionSink, DestinationStatus, IngestError, RouteInfo, RowUploads, UploadAnswer, UploadRequest,
};
use adconversion_operator::ports::{
    Cause, CrmConnector, GoogleClients, GoogleConnector, GoogleCredentials, SecretData, SecretInvalid, UpstreamError,
};
use async_trait::async_trait;
use parking_lot::Mutex;
use secrecy::ExposeSecret;

/// What HubSpot and Google answer.
pub struct World {
    pub portal: Mutex<u64>,
    pub scopes: Mutex<Option<Vec<String>>>,
    pub hubspot_error: Mutex<Option<UpstreamError>>,
    pub google_error: Mutex<Option<UpstreamError>>,
    pub terms: Mutex<bool>,
    pub actions: Mutex<Vec<ConversionAction>>,
    pub hubspot_clients: AtomicU32,
    pub google_clients: AtomicU32,
    pub google_reads: AtomicU32,
    /// Those of each customer.
    pub reads_of: Mutex<BTreeMap<CustomerId, u32>>,
    /// Tokens given up: of HubSpot and of Google.
    pub hubspot_dropped: AtomicU32,
    pub google_dropped: AtomicU32,
    /// The portals that accounts may use, as their clients were told.
    pub used: Mutex<BTreeSet<u64>>,
}

impl World {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            portal: Mutex::new(62515),
            scopes: Mutex::new(None),
            hubspot_error: Mutex::new(None),
            google_error: Mutex::new(None),
            terms: Mutex::new(true),
            actions: Mutex::new(vec![action(1), action(2)]),
            hubspot_clients: AtomicU32::new(0),
            google_clients: AtomicU32::new(0),
            google_reads: AtomicU32::new(0),
            reads_of: Mutex::default(),
            hubspot_dropped: AtomicU32::new(0),
            google_dropped: AtomicU32::new(0),
            used: Mutex::default(),
        })
    }

    fn hubspot(&self) -> Result<(), UpstreamError> {
        self.hubspot_error.lock().clone().map_or(Ok(()), Err)
    }

    fn google(&self, customer: &CustomerId) -> Result<(), UpstreamError> {
        self.google_reads.fetch_add(1, Ordering::Relaxed);
        *self.reads_of.lock().entry(customer.clone()).or_default() += 1;
        self.google_error.lock().clone().map_or(Ok(()), Err)
    }
}

pub fn refusal(service: &'static str, cause: Cause) -> UpstreamError {
    UpstreamError::new(service, cause, "as the test wants it")
}

pub fn action(id: u64) -> ConversionAction {
    ConversionAction {
        id: ActionId(id),
        resource_name: format!("customers/1234567890/conversionActions/{id}"),
        name: format!("Action {id}"),
        status: "ENABLED".into(),
        kind: "UPLOAD_CLICKS".into(),
        origin: None,
        category: None,
        primary_for_goal: None,
        counting_type: None,
        attribution_model: Some("GOOGLE_ADS_LAST_CLICK".into()),
        click_window_days: None,
        view_window_days: None,
        default_value: None,
        default_currency: None,
        always_use_default_value: None,
        event_snippets: Vec::new(),
    }
}

pub struct HubSpot(pub Arc<World>);

#[async_trait]
impl CrmConnector for HubSpot {
    async fn connect(&self, secret: &SecretData) -> Result<Arc<dyn Crm>, SecretInvalid> {
        match secret.get("accessToken") {
            Some(token) if !token.expose_secret().is_empty() => {
                self.0.hubspot_clients.fetch_add(1, Ordering::Relaxed);
                Ok(Arc::new(Self(Arc::clone(&self.0))))
            }
            _ => Err(SecretInvalid {
                message: "key \"accessToken\" is missing".into(),
            }),
        }
    }
}

#[async_trait]
impl Crm for HubSpot {
    fn may_use(&self, portal: PortalId) {
        self.0.used.lock().insert(portal.0);
    }
    async fn drop_token(&self) {
        self.0.hubspot_dropped.fetch_add(1, Ordering::Relaxed);
    }
    async fn read_portal(&self) -> Result<Portal, UpstreamError> {
        self.0.hubspot()?;
        Ok(Portal {
            id: PortalId(*self.0.portal.lock()),
            time_zone: "Europe/Berlin".into(),
            company_currency: "EUR".into(),
            ui_domain: "app.hubspot.com".into(),
        })
    }
    async fn token_info(&self) -> Result<TokenInfo, UpstreamError> {
        self.0.hubspot()?;
        Ok(TokenInfo {
            portal: Some(PortalId(*self.0.portal.lock())),
            scopes: self.0.scopes.lock().clone(),
        })
    }
    async fn read_stages(&self) -> Result<Vec<Stage>, UpstreamError> {
        self.0.hubspot()?;
        Ok(vec![Stage {
            value: "customer".into(),
            label: "Customer".into(),
        }])
    }
    async fn property_names(&self) -> Result<Vec<String>, UpstreamError> {
        self.0.hubspot()?;
        Ok(vec!["email".into()])
    }
    async fn search_contacts(&self, _: &ContactSearch) -> Result<ContactPage, UpstreamError> {
        unimplemented!()
    }
    async fn read_contacts(&self, _: &ContactRead) -> Result<ContactBatch, UpstreamError> {
        unimplemented!()
    }
    async fn deals_of(&self, _: &[ContactId]) -> Result<DealLinks, UpstreamError> {
        unimplemented!()
    }
    async fn read_deals(&self, _: &[DealId]) -> Result<DealBatch, UpstreamError> {
        unimplemented!()
    }
    async fn list_forms(&self) -> Result<Vec<Form>, UpstreamError> {
        unimplemented!()
    }
    async fn list_submissions(&self, _: &str, _: Option<&str>) -> Result<SubmissionPage, UpstreamError> {
        unimplemented!()
    }
    async fn read_by_email(&self, _: &[String], _: &[String]) -> Result<AddressBatch, UpstreamError> {
        unimplemented!()
    }
}

pub struct Google(pub Arc<World>);

#[async_trait]
impl GoogleConnector for Google {
    async fn connect(&self, _: GoogleCredentials<'_>, _: Option<CustomerId>) -> Result<GoogleClients, SecretInvalid> {
        self.0.google_clients.fetch_add(1, Ordering::Relaxed);
        let ads = Arc::new(Self(Arc::clone(&self.0)));
        Ok(GoogleClients {
            ads,
            sink: Arc::new(Self(Arc::clone(&self.0))),
            clicks: Arc::new(Self(Arc::clone(&self.0))),
            enhancements: Arc::new(Self(Arc::clone(&self.0))),
        })
    }
}

#[async_trait]
impl GoogleAds for Google {
    async fn drop_token(&self) {
        self.0.google_dropped.fetch_add(1, Ordering::Relaxed);
    }
    async fn read_customer(&self, id: &CustomerId) -> Result<Customer, UpstreamError> {
        self.0.google(id)?;
        Ok(Customer {
            id: id.clone(),
            descriptive_name: Some("Acme".into()),
            currency_code: Some("EUR".into()),
            time_zone: Some("Europe/Berlin".into()),
            manager: false,
            test_account: true,
            conversion_customer: id.clone(),
            conversion_tracking_id: Some("987654321".into()),
            conversion_tracking_status: Some("CONVERSION_TRACKING_MANAGED_BY_SELF".into()),
            accepted_customer_data_terms: *self.0.terms.lock(),
            enablement: Some("ON".into()),
        })
    }
    async fn read_actions(&self, id: &CustomerId) -> Result<Vec<ConversionAction>, UpstreamError> {
        self.0.google(id)?;
        Ok(self.0.actions.lock().clone())
    }
    async fn actions_named(&self, _: &CustomerId, _: &str) -> Result<Vec<ConversionAction>, UpstreamError> {
        unimplemented!()
    }
    async fn read_goals(&self, id: &CustomerId) -> Result<Vec<Goal>, UpstreamError> {
        self.0.google(id)?;
        Ok(Vec::new())
    }
    async fn read_attribution(&self, id: &CustomerId) -> Result<Vec<Attribution>, UpstreamError> {
        self.0.google(id)?;
        Ok(Vec::new())
    }
    async fn create_action(&self, _: &CustomerId, _: &ActionFields) -> Result<ActionId, UpstreamError> {
        unimplemented!()
    }
    async fn update_action(&self, _: &CustomerId, _: ActionId, _: &ActionFields) -> Result<(), UpstreamError> {
        unimplemented!()
    }
    async fn remove_action(&self, _: &CustomerId, _: ActionId) -> Result<(), UpstreamError> {
        unimplemented!()
    }
    async fn set_goal_biddable(&self, _: &CustomerId, _: &Goal, _: bool) -> Result<(), UpstreamError> {
        unimplemented!()
    }
}

/// A route that nothing goes.
const ROUTE: RouteInfo = RouteInfo {
    network: "Google",
    name: "fake",
    service: "fake",
    rows: 1,
    destinations: 1,
    one_account: true,
    addresses: false,
};

#[async_trait]
impl ConversionSink for Google {
    fn route_info(&self) -> RouteInfo {
        ROUTE
    }
    async fn ingest(&self, _: &UploadRequest) -> Result<String, IngestError> {
        unimplemented!()
    }
    async fn validate(&self, _: &UploadRequest) -> Result<(), IngestError> {
        unimplemented!()
    }
    async fn request_status(&self, _: &str) -> Result<Vec<DestinationStatus>, UpstreamError> {
        unimplemented!()
    }
}

#[async_trait]
impl RowUploads for Google {
    fn route_info(&self) -> RouteInfo {
        ROUTE
    }
    async fn upload_rows(&self, _: &UploadRequest) -> Result<UploadAnswer, IngestError> {
        unimplemented!()
    }
    async fn validate_rows(&self, _: &UploadRequest) -> Result<Vec<Complaint>, IngestError> {
        unimplemented!()
    }
}
