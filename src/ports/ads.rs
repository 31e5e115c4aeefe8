//! What we need of the Google Ads API: account state, conversion actions and goals.

use async_trait::async_trait;

use super::error::UpstreamError;
pub use crate::domain::action::{ActionFields, Attribution, ConversionAction, Goal};
use crate::domain::ids::{ActionId, CustomerId};

/// The customer and its conversion tracking (docs/reference/google.md 3.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// The customer asked about.
    pub id: CustomerId,
    /// What people call it.
    pub descriptive_name: Option<String>,
    /// ISO 4217.
    pub currency_code: Option<String>,
    /// IANA zone.
    pub time_zone: Option<String>,
    /// A manager account.
    pub manager: bool,
    pub test_account: bool,
    /// The account that owns the conversion actions (`googleAdsConversionCustomer`); itself unless cross-account.
    pub conversion_customer: CustomerId,
    /// The AW number.
    pub conversion_tracking_id: Option<String>,
    /// Google's enum name, e.g. `CONVERSION_TRACKING_MANAGED_BY_SELF`.
    pub conversion_tracking_status: Option<String>,
    pub accepted_customer_data_terms: bool,
    /// `effectiveEnablementSetting` (enhanced conversions): `ON` or `OFF`.
    pub enablement: Option<String>,
}

/// The Google Ads API of one credential. Implementations honour `retryDelay`, refresh the token once on 401 and never
/// repeat a mutate by themselves. Errors: [`UpstreamError`] with `service` "Google Ads"; `code` is Google's enum name.
#[async_trait]
pub trait GoogleAds: Send + Sync {
    /// Gives up the access token that is kept, so that the next call fetches a new one: a denial may have been about a
    /// wrong token.
    async fn drop_token(&self);
    /// The customer and its conversion tracking. One search.
    async fn read_customer(&self, id: &CustomerId) -> Result<Customer, UpstreamError>;
    /// All conversion actions that this account owns, hidden and
    /// removed ones too; not those of its managers. One search a page.
    async fn read_actions(&self, owner: &CustomerId) -> Result<Vec<ConversionAction>, UpstreamError>;
    /// The account's own actions of exactly this name, hidden and removed ones too. One search.
    async fn actions_named(&self, owner: &CustomerId, name: &str) -> Result<Vec<ConversionAction>, UpstreamError>;
    /// All account-default goals. One search.
    async fn read_goals(&self, owner: &CustomerId) -> Result<Vec<Goal>, UpstreamError>;
    /// What Google attributes to each action over the last 30 full days in the account whose ads are clicked: a manager
    /// has no metrics. One search; actions without conversions are absent.
    async fn read_attribution(&self, customer: &CustomerId) -> Result<Vec<Attribution>, UpstreamError>;
    /// Creates an action. `Effect::Unknown` in the error: look it up by name before another try.
    async fn create_action(&self, owner: &CustomerId, fields: &ActionFields) -> Result<ActionId, UpstreamError>;
    /// Changes exactly the fields that are `Some`.
    async fn update_action(&self, owner: &CustomerId, id: ActionId, fields: &ActionFields)
    -> Result<(), UpstreamError>;
    /// Removes an action (its status becomes `REMOVED`).
    async fn remove_action(&self, owner: &CustomerId, id: ActionId) -> Result<(), UpstreamError>;
    /// Makes an account goal biddable or not.
    async fn set_goal_biddable(&self, owner: &CustomerId, goal: &Goal, biddable: bool) -> Result<(), UpstreamError>;
}
