//! Google's two APIs.

/// Whose clock the answers tell, of both APIs and of the token endpoint.
pub(crate) const VENDOR: &str = "Google";

/// The two APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// Google Ads API.
    Ads,
    /// Data Manager API.
    DataManager,
}

impl Api {
    /// The name in errors.
    pub(crate) const fn service_name(self) -> &'static str {
        match self {
            Self::Ads => "Google Ads",
            Self::DataManager => "Data Manager",
        }
    }

    pub(crate) const fn metric_name(self) -> &'static str {
        match self {
            Self::Ads => "googleAds",
            Self::DataManager => "dataManager",
        }
    }

    /// The API's official host, for messages.
    pub(crate) const fn host(self) -> &'static str {
        match self {
            Self::Ads => "googleads.googleapis.com",
            Self::DataManager => "datamanager.googleapis.com",
        }
    }

    /// The OAuth scope that it requires.
    pub(crate) const fn oauth_scope(self) -> &'static str {
        match self {
            Self::Ads => "https://www.googleapis.com/auth/adwords",
            Self::DataManager => "https://www.googleapis.com/auth/datamanager",
        }
    }
}
