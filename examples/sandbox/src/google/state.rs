//! What Google knows: accounts, actions, goals, credentials, clicks, and what was uploaded.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ads::accounts::{Account, default_accounts};
use super::ads::action::Action;
use super::auth::Credentials;
use super::dm::store::Ingestion;
use super::tally;
use super::web::Web;
use crate::options::Options;
use crate::random::Random;

/// Operations a day that test accounts allow, whatever the access level.
const TEST_OPERATIONS: u64 = 15_000;

/// Switches a test may move at any time.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// How long Data Manager works on a request (fixed per request when it arrives).
    pub processing_delay: SignedDuration,
    /// Age an action must have at upload.
    pub new_action_age: SignedDuration,
    /// Age a click must have at upload.
    pub min_click_age: SignedDuration,
    /// Lifetime of access tokens.
    pub token_lifetime: SignedDuration,
    /// Google Ads operations a day and project on production accounts; 0 means unlimited.
    pub daily_operations: u64,
    /// Data Manager requests a minute and project, counted apart for writes and status reads; 0 means unlimited.
    pub requests_per_minute: u32,
    /// Rows on a page of `search`.
    pub page_size: usize,
    /// Removed actions keep their name occupied.
    pub removed_names_block: bool,
    /// The Google Ads API is off in the project.
    pub google_ads_disabled: bool,
    /// The Data Manager API is off in the project.
    pub data_manager_disabled: bool,
    /// Clicks nobody registered are taken for real.
    pub accept_unknown_clicks: bool,
    /// An action that is too young refuses the whole request instead of its rows.
    pub new_action_fast_fail: bool,
    /// Events without consent fail with `NO_CONSENT`.
    pub require_consent: bool,
    /// Age from which an event fails with `EVENT_TOO_OLD`; absent means never.
    pub event_too_old: Option<SignedDuration>,
    /// Fast-fail answers name no field at all.
    pub no_violations: bool,
    /// Fast-fail answers name at most so many fields.
    pub max_violations: Option<usize>,
    /// Every violation carries this reason instead of its own.
    pub reason_override: Option<String>,
    /// Status answers carry no record indices.
    pub omit_indices: bool,
    /// Status answers carry at most so many record indices per reason.
    pub max_indices: Option<usize>,
    /// Requests stay in processing until this is switched off.
    pub never_finish: bool,
    /// Status answers say `REQUEST_STATUS_UNKNOWN`.
    pub status_unknown: bool,
    /// Status answers count so many records more (or fewer) than there were.
    pub record_count_off: i64,
    /// Status answers name another destination than the one they are about.
    pub misnamed_destinations: bool,
    /// Status answers have every entry twice.
    pub doubled_entries: bool,
    /// What is refused for all rows of an upload names none of them.
    pub refusals_without_rows: bool,
}

impl Settings {
    fn new(options: &Options) -> Self {
        let span = |d: std::time::Duration| SignedDuration::try_from(d).unwrap_or(SignedDuration::MAX);
        Self {
            processing_delay: span(options.processing_delay),
            new_action_age: span(options.new_action_age),
            min_click_age: span(options.min_click_age),
            token_lifetime: span(options.token_lifetime),
            daily_operations: options.google_daily_operations,
            requests_per_minute: if options.no_rate_limits { 0 } else { 300 },
            page_size: 10_000,
            removed_names_block: false,
            google_ads_disabled: false,
            data_manager_disabled: false,
            accept_unknown_clicks: false,
            new_action_fast_fail: false,
            require_consent: false,
            event_too_old: None,
            no_violations: false,
            max_violations: None,
            reason_override: None,
            omit_indices: false,
            max_indices: None,
            never_finish: false,
            status_unknown: false,
            record_count_off: 0,
            misnamed_destinations: false,
            doubled_entries: false,
            refusals_without_rows: false,
        }
    }
}

/// Costs within a sliding window.
#[derive(Default)]
pub struct Window(VecDeque<(Timestamp, u64)>);

impl Window {
    /// Books `cost` if it fits under `limit` within `span`; otherwise tells how long to wait until it does.
    pub fn book(&mut self, now: Timestamp, span: SignedDuration, limit: u64, cost: u64) -> Result<(), SignedDuration> {
        while self.0.front().is_some_and(|(at, _)| now.duration_since(*at) >= span) {
            self.0.pop_front();
        }
        let mut excess = (self.used() + cost).saturating_sub(limit);
        if excess == 0 {
            self.0.push_back((now, cost));
            return Ok(());
        }
        for (at, booked) in &self.0 {
            excess = excess.saturating_sub(*booked);
            if excess == 0 {
                return Err(span - now.duration_since(*at));
            }
        }
        Err(span)
    }

    /// Sum of what is booked.
    pub fn used(&self) -> u64 {
        self.0.iter().map(|(_, cost)| cost).sum()
    }
}

/// What uploads change.
pub struct Counted {
    accounts: BTreeMap<String, Account>,
    ingestion: Ingestion,
    web: Web,
}

/// All of Google's state.
pub struct Google {
    pub(super) settings: Settings,
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) actions: BTreeMap<u64, Action>,
    /// Whether a goal is biddable, by account, category and origin.
    pub(super) goals: BTreeMap<(String, String, String), bool>,
    pub(super) credentials: Credentials,
    /// Windows by project and kind of call.
    pub(super) quotas: BTreeMap<(String, &'static str), Window>,
    pub(super) clicks: HashMap<String, Timestamp>,
    pub(super) ingestion: Ingestion,
    /// What web tags reported.
    pub web: Web,
    random: Random,
    next_action: u64,
}

impl Google {
    /// A copy of what uploads change.
    pub(super) fn counted(&self) -> Counted {
        Counted {
            accounts: self.accounts.clone(),
            ingestion: self.ingestion.clone(),
            web: self.web.clone(),
        }
    }

    /// Takes back what uploads have changed since.
    pub(super) fn restore(&mut self, before: Counted) {
        self.accounts = before.accounts;
        self.ingestion = before.ingestion;
        self.web = before.web;
    }

    /// Google with the default account, its manager and the default credentials.
    pub fn new(options: &Options) -> Self {
        Self {
            settings: Settings::new(options),
            accounts: default_accounts(),
            actions: BTreeMap::new(),
            goals: BTreeMap::new(),
            credentials: Credentials::default(),
            quotas: BTreeMap::new(),
            clicks: HashMap::new(),
            ingestion: Ingestion::default(),
            web: Web::default(),
            random: Random::new(options.seed ^ 0x476F_6F67_6C65),
            next_action: 700_000_001,
        }
    }

    /// Makes a click known, with the time it happened. The first registration of a click id stays.
    pub fn register_click(&mut self, gclid: &str, at: Timestamp) {
        self.clicks.entry(gclid.to_owned()).or_insert(at);
    }

    /// What was accepted, what waits and what failed, as of the last [`Self::settle`].
    pub fn tally(&self) -> Value {
        tally::full(self, None)
    }

    /// An id nobody has had before.
    pub(super) fn fresh_id(&mut self) -> String {
        self.random.uuid().replace('-', "")
    }

    pub(super) fn fresh_action_id(&mut self) -> u64 {
        self.next_action += 1 + self.random.below(90);
        self.next_action
    }

    /// An action's tag label, as it appears behind the slash of `send_to`.
    pub(super) fn fresh_label(&mut self) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        (0..19)
            .map(|_| self.random.pick(LETTERS).copied().map_or('A', char::from))
            .collect()
    }

    /// Books Google Ads operations of a project, or tells how long until they fit.
    pub(super) fn book_operations(
        &mut self,
        project: &str,
        test: bool,
        now: Timestamp,
        cost: u64,
    ) -> Result<(), SignedDuration> {
        let (kind, limit) = if test {
            ("test", TEST_OPERATIONS)
        } else {
            ("production", self.settings.daily_operations)
        };
        let limit = if limit == 0 || self.settings.daily_operations == 0 {
            u64::MAX
        } else {
            limit
        };
        let window = self.quotas.entry((project.to_owned(), kind)).or_default();
        window.book(now, SignedDuration::from_hours(24), limit, cost)
    }

    /// Books one Data Manager request of a project, or tells how long until it fits.
    pub(super) fn book_request(
        &mut self,
        project: &str,
        kind: &'static str,
        now: Timestamp,
    ) -> Result<(), SignedDuration> {
        let limit = u64::from(self.settings.requests_per_minute);
        let limit = if limit == 0 { u64::MAX } else { limit };
        let window = self.quotas.entry((project.to_owned(), kind)).or_default();
        window.book(now, SignedDuration::from_mins(1), limit, 1)
    }

    /// Whether `who` may use `customer`, directly or through the manager `login`.
    pub(super) fn can_reach(&self, who: &str, login: Option<&str>, customer: &str) -> bool {
        let Some(account) = self.accounts.get(customer) else {
            return false;
        };
        match login.filter(|login| *login != customer) {
            None => account.lets_in(who, None),
            Some(manager) => {
                account.lets_in(who, Some(manager)) || self.manages(manager, customer) && self.is_user(who, manager)
            }
        }
    }

    /// Whether `who` is a user of the account itself.
    pub(super) fn is_user(&self, who: &str, customer: &str) -> bool {
        self.accounts
            .get(customer)
            .is_some_and(|account| account.lets_in(who, None))
    }

    /// Whether `manager` is above `customer` in the hierarchy, at any depth.
    pub(super) fn manages(&self, manager: &str, customer: &str) -> bool {
        let mut open = vec![manager];
        let mut seen = Vec::new();
        while let Some(next) = open.pop() {
            let Some(account) = self
                .accounts
                .get(next)
                .filter(|account| account.manager && !seen.contains(&next))
            else {
                continue;
            };
            seen.push(next);
            if account.manager_of.iter().any(|child| child == customer) {
                return true;
            }
            open.extend(account.manager_of.iter().map(String::as_str));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_tells_when_the_next_cost_fits() {
        let day = SignedDuration::from_hours(24);
        let start = Timestamp::UNIX_EPOCH;
        let later = start + SignedDuration::from_hours(1);
        let mut window = Window::default();
        assert_eq!(window.book(start, day, 3, 2), Ok(()));
        assert_eq!(window.book(later, day, 3, 1), Ok(()));
        assert_eq!(window.book(later, day, 3, 1), Err(SignedDuration::from_hours(23)));
        assert_eq!(window.book(start + day, day, 3, 2), Ok(()));
        assert_eq!(window.used(), 3);
    }
}
