//! Accounts and who may use them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::google::auth::{DEFAULT_SERVICE_ACCOUNT, DEFAULT_USER};

/// One way into an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Access {
    /// User or service account.
    pub identity: String,
    /// The manager the call must name as `login-customer-id`; absent for a user of the account itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_customer_id: Option<String>,
}

/// A Google Ads account, in the form the admin server reads and shows.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Account {
    /// Ten digits.
    pub customer_id: String,
    /// Name shown in Google's pages.
    #[serde(default)]
    pub descriptive_name: String,
    /// Whether the account manages others.
    #[serde(default)]
    pub manager: bool,
    /// Accounts directly below this manager.
    #[serde(default)]
    pub manager_of: Vec<String>,
    /// Whether it is a test account.
    #[serde(default)]
    pub test_account: bool,
    /// ISO 4217.
    #[serde(default = "euro")]
    pub currency_code: String,
    /// IANA name.
    #[serde(default = "berlin")]
    pub time_zone: String,
    /// ENABLED, CANCELED, SUSPENDED or CLOSED; every other than ENABLED refuses calls.
    #[serde(default = "enabled")]
    pub status: String,
    /// Account that owns the conversion actions; absent: this one.
    #[serde(default)]
    pub conversion_customer: Option<String>,
    /// Number behind `AW-`; absent: derived from the customer id.
    #[serde(default)]
    pub conversion_tracking_id: Option<u64>,
    /// Number of the manager's tracking, if that is used.
    #[serde(default)]
    pub cross_account_conversion_tracking_id: Option<u64>,
    /// A `ConversionTrackingStatus` name.
    #[serde(default = "by_self")]
    pub conversion_tracking_status: String,
    /// Whether the customer data terms were accepted.
    #[serde(default = "yes")]
    pub accepted_customer_data_terms: bool,
    /// Enhanced conversions: ON or OFF.
    #[serde(default = "on")]
    pub enablement: String,
    /// Whether the account may use `uploadClickConversions`.
    #[serde(default)]
    pub click_uploads_allowed: bool,
    /// Whether clicks are tagged.
    #[serde(default = "yes")]
    pub auto_tagging_enabled: bool,
    /// Who may use the account.
    #[serde(default)]
    pub access: Vec<Access>,
    /// An error every Google Ads call to the account answers, as `key.NAME` (for example
    /// `authorizationError.CUSTOMER_NOT_ENABLED`).
    #[serde(default)]
    pub refuse_with: Option<String>,
}

fn euro() -> String {
    "EUR".into()
}

fn berlin() -> String {
    "Europe/Berlin".into()
}

fn enabled() -> String {
    "ENABLED".into()
}

fn by_self() -> String {
    "CONVERSION_TRACKING_MANAGED_BY_SELF".into()
}

fn on() -> String {
    "ON".into()
}

fn yes() -> bool {
    true
}

impl Account {
    /// Whether there is an entry for `who` through `login` (`None`: as a user of the account itself).
    pub fn lets_in(&self, who: &str, login: Option<&str>) -> bool {
        self.access
            .iter()
            .any(|entry| entry.identity == who && entry.login_customer_id.as_deref() == login)
    }

    /// The account that owns the conversion actions.
    pub fn conversion_customer(&self) -> &str {
        self.conversion_customer.as_deref().unwrap_or(&self.customer_id)
    }

    /// The number behind `AW-`.
    pub fn tracking_id(&self) -> u64 {
        self.conversion_tracking_id
            .unwrap_or_else(|| self.customer_id.parse().map_or(0, |id: u64| id % 1_000_000_000))
    }

    /// The `customer` resource as the API shows it.
    pub fn resource(&self) -> Value {
        let mut tracking = json!({
            "conversionTrackingId": self.tracking_id().to_string(),
            "acceptedCustomerDataTerms": self.accepted_customer_data_terms,
            "conversionTrackingStatus": self.conversion_tracking_status,
            "googleAdsConversionCustomer": format!("customers/{}", self.conversion_customer()),
            "enablementSetting": self.enablement,
            "effectiveEnablementSetting": self.enablement,
        });
        if let Some(id) = self.cross_account_conversion_tracking_id {
            tracking["crossAccountConversionTrackingId"] = json!(id.to_string());
        }
        json!({
            "resourceName": format!("customers/{}", self.customer_id),
            "id": self.customer_id,
            "descriptiveName": self.descriptive_name,
            "currencyCode": self.currency_code,
            "timeZone": self.time_zone,
            "manager": self.manager,
            "testAccount": self.test_account,
            "status": self.status,
            "autoTaggingEnabled": self.auto_tagging_enabled,
            "conversionTrackingSetting": tracking,
        })
    }
}

/// The account every sandbox starts with, and its manager.
pub fn default_accounts() -> BTreeMap<String, Account> {
    let users = || {
        [DEFAULT_USER, DEFAULT_SERVICE_ACCOUNT].map(|who| Access {
            identity: who.into(),
            login_customer_id: None,
        })
    };
    let base = |id: &str, name: &str| Account {
        customer_id: id.into(),
        descriptive_name: name.into(),
        manager: false,
        manager_of: Vec::new(),
        test_account: false,
        currency_code: euro(),
        time_zone: berlin(),
        status: enabled(),
        conversion_customer: None,
        conversion_tracking_id: None,
        cross_account_conversion_tracking_id: None,
        conversion_tracking_status: by_self(),
        accepted_customer_data_terms: true,
        enablement: on(),
        click_uploads_allowed: false,
        auto_tagging_enabled: true,
        access: users().to_vec(),
        refuse_with: None,
    };
    let acme = Account {
        conversion_tracking_id: Some(987_654_321),
        ..base("1234567890", "Acme GmbH")
    };
    let manager = Account {
        manager: true,
        manager_of: vec!["1234567890".into()],
        conversion_tracking_status: "NOT_CONVERSION_TRACKED".into(),
        ..base("9876543210", "Acme Holding")
    };
    [acme, manager]
        .into_iter()
        .map(|account| (account.customer_id.clone(), account))
        .collect()
}
