//! From decided rows to requests.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::Uploader;
use super::round_queue::QueuedRequest;
use crate::domain::ids::AdAccountKey;
use crate::ports::ledger::ActionKey;
use crate::ports::sink::{Conversion, RouteInfo};
use crate::registry::Routes;
use crate::sync::prepare::PreparedRow;
use crate::sync::upload::route_state::TRIED;

/// What rows of one request have in common: the route, the account if the route
/// wants one, the isolation group, the action if the route is in trouble.
type Together = (&'static str, Option<AdAccountKey>, i64, Option<ActionKey>);

/// Rows as requests: of one route each, rows of an isolation group only among themselves, at most as many rows and
/// destinations as the route takes, of one account if it wants that. By a route
/// of which `is_troubled` is true the rows of each action go by themselves.
fn into_requests(
    ready: Vec<PreparedRow>,
    routes: &Routes,
    is_troubled: impl Fn(&str) -> bool,
) -> Vec<(RouteInfo, Vec<PreparedRow>)> {
    let mut groups: BTreeMap<Together, (RouteInfo, Vec<PreparedRow>)> = BTreeMap::new();
    for row in ready {
        let route = routes.route_for(row.trigger_kind).route_info();
        let owner = route.one_account.then(|| row.action.account.clone());
        let action = is_troubled(route.name).then(|| row.action.clone());
        let group = groups.entry((route.name, owner, row.row.isolation_group, action));
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
    requests
}

/// What is known of a request before it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prospects {
    /// The fewest tries in vain of its rows.
    pub attempts: u32,
    /// The isolation group of its rows: those that failed longer ago have smaller ones.
    pub group: i64,
    /// It is a single row that fails each time.
    pub known_to_fail: bool,
    /// Which failure was the last of its actions, where one fails.
    pub last_failure: Option<u64>,
}

impl Prospects {
    fn of(rows: &[PreparedRow], last_failure: Option<u64>) -> Self {
        Self {
            attempts: rows.iter().map(|row| row.row.attempts).min().unwrap_or(0),
            group: rows.first().map_or(0, |row| row.row.isolation_group),
            known_to_fail: is_known_to_fail(rows),
            last_failure,
        }
    }

    /// True where it will hardly be answered.
    pub(super) const fn are_poor(&self) -> bool {
        self.known_to_fail || self.group != 0 || self.last_failure.is_some()
    }
}

/// True for a single row that was tried often: whatever its requests fail with, it may be this row.
pub(super) fn is_known_to_fail(rows: &[PreparedRow]) -> bool {
    matches!(rows, [row] if row.row.attempts >= TRIED)
}

/// The order in which requests go. First those that nothing is known against, with the fewest tries. Then those of
/// failing actions take turns with what was cut apart, and last go single rows that fail each time: of each kind what
/// failed longest ago first, so that nobody waits for ever where a round has room for some.
fn in_turns<T>(requests: Vec<(Prospects, T)>) -> Vec<T> {
    let (mut poor, mut good): (Vec<_>, Vec<_>) = requests.into_iter().partition(|(request, _)| request.are_poor());
    good.sort_by_key(|(request, _)| request.attempts);
    poor.sort_by_key(|(request, _)| (request.last_failure, request.group));
    let (mut known, poor): (Vec<_>, Vec<_>) = poor.into_iter().partition(|(request, _)| request.known_to_fail);
    let (mut cut, whole): (Vec<_>, Vec<_>) = poor.into_iter().partition(|(request, _)| request.group != 0);
    cut.sort_by_key(|(request, _)| request.group);
    known.sort_by_key(|(request, _)| request.group);
    let (mut cut, mut whole) = (cut.into_iter(), whole.into_iter());
    let turns = std::iter::from_fn(|| {
        let both = [whole.next(), cut.next()];
        both.iter().any(Option::is_some).then_some(both)
    });
    let turns = turns.flatten().flatten().collect::<Vec<_>>();
    let all = good.into_iter().chain(turns).chain(known);
    all.map(|(_, request)| request).collect()
}

/// Rows as requests, in the order in which they go. `last_failure`: which failure was the last of these actions.
fn requests_in_turns(
    ready: Vec<PreparedRow>,
    routes: &Routes,
    is_troubled: impl Fn(&str) -> bool,
    last_failure: impl Fn(&[ActionKey]) -> Option<u64>,
) -> Vec<(RouteInfo, Vec<PreparedRow>)> {
    let of = |request: (RouteInfo, Vec<PreparedRow>)| {
        let failure = last_failure(&destinations_of(&request.1));
        (Prospects::of(&request.1, failure), request)
    };
    let requests = into_requests(ready, routes, is_troubled);
    in_turns(requests.into_iter().map(of).collect())
}

impl Uploader {
    /// Rows as requests, in the order in which they go.
    pub(super) fn plan_requests(&self, ready: Vec<PreparedRow>, routes: &Routes) -> Vec<(RouteInfo, Vec<PreparedRow>)> {
        let now = self.ctx.clock.now();
        let is_troubled = |route: &str| self.states.get(route).is_some_and(|state| state.is_troubled(now));
        requests_in_turns(ready, routes, is_troubled, |actions| self.last_failure(actions))
    }

    pub(super) fn prospects(&self, rows: &[PreparedRow]) -> Prospects {
        Prospects::of(rows, self.last_failure(&destinations_of(rows)))
    }

    /// How long this request may take; `None`: as long as any.
    pub(super) fn time_limit(&self, queued: &QueuedRequest, now: Timestamp) -> Option<Duration> {
        let prospects = self.prospects(&queued.rows);
        let state = self.states.get(queued.route.name)?;
        let doubtful = prospects.known_to_fail || (prospects.are_poor() && state.is_troubled(now));
        state.time_limit(now).filter(|_| doubtful)
    }
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
