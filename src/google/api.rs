//! Google's two APIs.

/// The two APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    /// Google Ads API.
    Ads,
    /// Data Manager API.
    DataManager,
}

impl Api {
    /// The name in errors.
    pub(super) const fn service(self) -> &'static str {
        match self {
            Self::Ads => "Google Ads",
            Self::DataManager => "Data Manager",
        }
    }

    /// The name in metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ads => "googleAds",
            Self::DataManager => "dataManager",
        }
    }

    /// The host people know it by.
    pub(super) const fn host(self) -> &'static str {
        match self {
            Self::Ads => "googleads.googleapis.com",
            Self::DataManager => "datamanager.googleapis.com",
        }
    }

    /// The OAuth scope it wants.
    pub(super) const fn scope(self) -> &'static str {
        match self {
            Self::Ads => "https://www.googleapis.com/auth/adwords",
            Self::DataManager => "https://www.googleapis.com/auth/datamanager",
        }
    }
}
