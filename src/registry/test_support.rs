//! Accounts that work, for unit tests. A test changes what it is about.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{DealAccess, Forms, GoogleAccount, GoogleSnapshot, HubSpotAccount, Readiness};
use crate::api::Uploads;
use crate::domain::ids::{ObjectKey, PortalId};
use crate::ports::ads::Customer;
use crate::ports::crm::Portal;

/// A customer that owns its conversion actions and has accepted the terms. Nothing else is said of it.
pub(crate) fn customer() -> Customer {
    Customer {
        id: "1234567890".parse().unwrap(),
        descriptive_name: None,
        currency_code: None,
        time_zone: None,
        manager: false,
        test_account: false,
        conversion_customer: "1234567890".parse().unwrap(),
        conversion_tracking_id: None,
        conversion_tracking_status: None,
        accepted_customer_data_terms: true,
        enablement: None,
    }
}

/// A read of this customer's account that found no conversion action and no goal.
pub(crate) fn snapshot(customer: Customer) -> GoogleSnapshot {
    GoogleSnapshot {
        customer,
        actions: Arc::default(),
        before: None,
        goals: Arc::default(),
        attribution: None,
        read_at: Timestamp::UNIX_EPOCH,
        unread: false,
    }
}

/// The account `marketing/acme` of [`customer`], without clients; `snapshot` is what was read of it.
pub(crate) fn google_account(snapshot: Option<GoogleSnapshot>) -> GoogleAccount {
    GoogleAccount {
        key: ObjectKey::new("marketing", "acme"),
        customer: customer().id,
        login: None,
        uploads: Uploads::default(),
        clients: None,
        readiness: Readiness::Ready,
        snapshot: snapshot.map(Arc::new),
    }
}

/// The portal `marketing/acme`, without a client: no stages, no properties, and forms and deals not asked about.
pub(crate) fn hubspot_account() -> HubSpotAccount {
    HubSpotAccount {
        key: ObjectKey::new("marketing", "acme"),
        crm: None,
        readiness: Readiness::Ready,
        portal: Some(Portal {
            id: PortalId(1),
            time_zone: "Europe/Berlin".to_owned(),
            company_currency: "EUR".to_owned(),
            ui_domain: String::new(),
        }),
        stages: Arc::default(),
        properties: Arc::default(),
        forms: Forms::Unread,
        deals: DealAccess::Unasked,
        interval: Duration::from_mins(1),
        default_region: None,
    }
}
