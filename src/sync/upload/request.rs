//! From decided rows to a request.

use std::collections::BTreeMap;

use crate::api::Uploads;
use crate::domain::batch::Complaint;
use crate::domain::ids::CustomerId;
use crate::ports::ledger::ActionKey;
use crate::ports::sink::{Conversion, Destination, IngestError, MAX_ROWS, UploadRequest};
use crate::registry::GoogleAccount;
use crate::sync::prepare::Ready;
use crate::sync::upload::upload_route::Lane;

/// Rows as requests: of one lane each, rows with a split number only among themselves, at most 2,000 rows and as many
/// destinations as the lane takes. The Google Ads API takes the actions of one customer in a request.
pub fn split(ready: Vec<Ready>, uploads: Uploads) -> Vec<(Lane, Vec<Ready>)> {
    let mut groups: BTreeMap<(Lane, Option<CustomerId>, i64), Vec<Ready>> = BTreeMap::new();
    for row in ready {
        let lane = Lane::of(row.form, uploads);
        let customer = (lane != Lane::Ingest).then(|| row.action.customer.clone());
        groups.entry((lane, customer, row.row.split)).or_default().push(row);
    }
    let mut requests = Vec::new();
    for ((lane, ..), rows) in groups {
        let mut request: Vec<Ready> = Vec::new();
        let mut actions: Vec<ActionKey> = Vec::new();
        for row in rows {
            let new = !actions.contains(&row.action);
            if request.len() == MAX_ROWS || (new && actions.len() == lane.max_destinations()) {
                requests.push((lane, std::mem::take(&mut request)));
                actions.clear();
            }
            if !actions.contains(&row.action) {
                actions.push(row.action.clone());
            }
            request.push(row);
        }
        if !request.is_empty() {
            requests.push((lane, request));
        }
    }
    requests
}

/// The actions of a request, in order of first use.
pub fn destinations(ready: &[Ready]) -> Vec<ActionKey> {
    let mut actions: Vec<ActionKey> = Vec::new();
    for row in ready {
        if !actions.contains(&row.action) {
            actions.push(row.action.clone());
        }
    }
    actions
}

/// A request without its rows.
pub struct Batch {
    destinations: Vec<ActionKey>,
    login: Option<CustomerId>,
}

impl Batch {
    /// For these destinations.
    pub fn new(account: &GoogleAccount, destinations: &[ActionKey]) -> Self {
        Self {
            destinations: destinations.to_vec(),
            login: account.login.clone(),
        }
    }

    /// Index of a row's destination.
    pub fn destination_of(&self, row: &Ready) -> usize {
        self.destinations.iter().position(|d| *d == row.action).unwrap_or(0)
    }

    /// The request with these rows.
    pub fn request(&self, rows: Vec<Conversion>) -> UploadRequest {
        let destinations = self
            .destinations
            .iter()
            .map(|d| Destination {
                customer: d.customer.clone(),
                action: d.action,
            })
            .collect();
        UploadRequest {
            destinations,
            login: self.login.clone(),
            rows,
        }
    }
}

/// A row as Google gets it.
pub fn conversion(ready: &Ready, destination: usize) -> Conversion {
    Conversion {
        destination,
        order: ready.row.order_id(),
        at: ready.row.occurred_at,
        value: ready.value.clone(),
        click: ready.prepared.click.clone(),
        identifiers: ready.prepared.identifiers.clone(),
        consent_granted: ready.prepared.consent_granted,
    }
}

/// Google's complaints in the words of the rules.
pub fn complaints(failure: &IngestError) -> Vec<Complaint<'_>> {
    failure
        .violations
        .iter()
        .map(|v| Complaint {
            row: v.row,
            destination: v.destination,
            code: v.code.as_ref(),
        })
        .collect()
}
