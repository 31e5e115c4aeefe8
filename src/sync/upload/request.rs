//! From decided rows to requests.

use std::collections::BTreeMap;

use crate::domain::ids::AdAccountKey;
use crate::ports::ledger::ActionKey;
use crate::ports::sink::{Conversion, RouteInfo};
use crate::registry::Routes;
use crate::sync::prepare::PreparedRow;

/// What rows of one request have in common: the route, the account if the route wants one, the isolation group.
type Together = (&'static str, Option<AdAccountKey>, i64);

/// Rows as requests: of one route each, rows of an isolation group only among themselves, at most as many rows and
/// destinations as the route takes, of one account if it wants that.
pub fn into_requests(ready: Vec<PreparedRow>, routes: &Routes) -> Vec<(RouteInfo, Vec<PreparedRow>)> {
    let mut groups: BTreeMap<Together, (RouteInfo, Vec<PreparedRow>)> = BTreeMap::new();
    for row in ready {
        let route = routes.route_for(row.form).route_info();
        let owner = route.one_account.then(|| row.action.account.clone());
        let group = groups.entry((route.name, owner, row.row.isolation_group));
        group.or_insert((route, Vec::new())).1.push(row);
    }
    let mut requests = Vec::new();
    for (route, rows) in groups.into_values() {
        let mut request: Vec<PreparedRow> = Vec::new();
        let mut actions: Vec<ActionKey> = Vec::new();
        for row in rows {
            let new = !actions.contains(&row.action);
            if request.len() == route.rows || (new && actions.len() == route.destinations) {
                requests.push((route, std::mem::take(&mut request)));
                actions.clear();
            }
            if !actions.contains(&row.action) {
                actions.push(row.action.clone());
            }
            request.push(row);
        }
        if !request.is_empty() {
            requests.push((route, request));
        }
    }
    // What failed again and again goes last: where one request fails, the others of its route wait.
    requests.sort_by_key(|(_, rows)| rows.iter().map(|row| row.row.attempts).min());
    requests
}

/// The actions of a request, in order of first use.
pub fn destinations_of(ready: &[PreparedRow]) -> Vec<ActionKey> {
    let mut actions: Vec<ActionKey> = Vec::new();
    for row in ready {
        if !actions.contains(&row.action) {
            actions.push(row.action.clone());
        }
    }
    actions
}

/// Index of a row's destination.
pub fn destination_of(destinations: &[ActionKey], row: &PreparedRow) -> usize {
    destinations.iter().position(|d| *d == row.action).unwrap_or(0)
}

/// A row as it is sent.
pub fn to_conversion(ready: &PreparedRow, destination: usize) -> Conversion {
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

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
