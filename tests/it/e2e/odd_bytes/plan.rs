//! Which answer is odd, and in which way: each call gets one oddity after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};

use super::oddities::ALL;
use crate::e2e::meddler::{Asked, Meddling, Reply};

/// Oddities of each call where the environment does not ask for more.
const SAMPLE: usize = 3;
/// Longest time until each call has had its first oddity, and one more.
const LIMIT: Duration = Duration::from_mins(1);
const OF_ONE: Duration = Duration::from_secs(20);

/// The calls, by a part of their path. The first that fits counts.
const CALLS: [&str; 19] = [
    "/account-info/",
    "/contacts/lifecyclestage",
    "/crm/properties/",
    "/contacts/search",
    "/contacts/batch/read",
    "/contacts/deals/batch/read",
    "/deals/batch/read",
    "/submissions/forms/",
    "/marketing/v3/forms",
    "/oauth/2026-09/token/introspect",
    "/oauth/2026-09/token",
    "access-token-info",
    "/token",
    "/googleAds:search",
    "/conversionActions:mutate",
    "/events:ingest",
    "/requestStatus:retrieve",
    ":uploadConversionAdjustments",
    ":uploadClickConversions",
];

/// What is to be done to which call.
struct Plan {
    calls: BTreeSet<usize>,
    oddities: Vec<usize>,
    /// So many of them suffice.
    least: usize,
}

impl Plan {
    /// Out of `ADCONVERSION_ODDITIES`: all of them, or those of a call, or one on all calls.
    fn asked() -> Self {
        let asked = std::env::var("ADCONVERSION_ODDITIES").unwrap_or_default();
        let mut plan = Self {
            calls: (0..CALLS.len()).collect(),
            oddities: (0..ALL.len()).collect(),
            least: SAMPLE,
        };
        if asked.is_empty() {
            return plan;
        }
        if asked != "all" {
            let calls: BTreeSet<usize> = (0..CALLS.len()).filter(|call| CALLS[*call].contains(&asked)).collect();
            if calls.is_empty() {
                plan.oddities.retain(|oddity| ALL[*oddity].0 == asked);
                assert!(!plan.oddities.is_empty(), "no call and no oddity: {asked}");
            } else {
                plan.calls = calls;
            }
        }
        plan.least = plan.oddities.len();
        plan
    }
}

/// How far it has come.
#[derive(Default)]
struct Progress {
    sick: bool,
    /// The next use of HubSpot's OAuth token is refused.
    expired: bool,
    /// How often each call was answered, and how often oddly.
    asked: BTreeMap<usize, (u64, u64)>,
    had: BTreeMap<usize, BTreeSet<usize>>,
    /// What was answered oddly, and when.
    done: Vec<(Instant, String)>,
    /// Google's access tokens of the account that is spared.
    spared: BTreeSet<String>,
}

/// The plan at work. Where the test fails it says what was answered last.
pub struct Odd {
    plan: Plan,
    progress: Mutex<Progress>,
}

impl Odd {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            plan: Plan::asked(),
            progress: Mutex::default(),
        })
    }

    /// Longest time until each call has had enough oddities.
    pub fn limit(&self) -> Duration {
        LIMIT + OF_ONE * u32::try_from(self.plan.least).expect("a few")
    }

    /// What a proxy is to do with all calls.
    pub fn meddling(self: &Arc<Self>) -> Meddling {
        let odd = Arc::clone(self);
        Meddling::rewrite(move |asked, reply| odd.meddle(asked, reply))
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock()
    }

    /// Every second answer of each call is odd, each time in another way; once it has had enough, every fourth.
    fn meddle(&self, asked: &Asked, reply: Reply) -> Reply {
        let mut progress = self.progress();
        if progress.spares(asked, &reply) {
            return reply;
        }
        let is_first = asked.path.contains("/account-info/") && !asked.says("pat-other");
        if is_first && std::mem::take(&mut progress.expired) {
            let refusal = json!({"status": "error", "category": "EXPIRED_AUTHENTICATION", "message": "expired"});
            return Reply::json(401, &refusal);
        }
        let call = CALLS.iter().position(|path| asked.path.contains(path));
        let Some(call) = call.filter(|call| progress.sick && self.plan.calls.contains(call)) else {
            return reply;
        };
        let Some(number) = progress.odd(call, self.plan.least) else {
            return reply;
        };
        // Other pairs of call and oddity each day.
        let day = u64::try_from(jiff::Timestamp::now().as_second() / 86_400).expect("after 1970");
        let number = number + 7 * (call as u64) + 3 * day;
        let oddities = &self.plan.oddities;
        let which = oddities[usize::try_from(number).expect("a number") % oddities.len()];
        progress.had.entry(call).or_default().insert(which);
        let (name, change) = ALL[which];
        progress.done.push((Instant::now(), format!("{name}: {}", asked.path)));
        change(reply, number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20)
    }

    pub fn is_sick(&self, sick: bool) {
        self.progress().sick = sick;
    }

    /// HubSpot takes the first account's token for expired, once.
    pub fn expire(&self) {
        self.progress().expired = true;
    }

    /// The calls that have not had enough oddities yet, and how many they had.
    pub fn missing(&self) -> Vec<(&'static str, usize)> {
        let progress = self.progress();
        let calls = self.plan.calls.iter().map(|call| (CALLS[*call], progress.had(*call)));
        calls.filter(|(_, had)| *had < self.plan.least).collect()
    }
}

impl Progress {
    /// True for calls of the healthy account's.
    fn spares(&mut self, asked: &Asked, reply: &Reply) -> bool {
        if asked.says("well-refresh") {
            let json: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            self.spared.extend(json["access_token"].as_str().map(str::to_owned));
            return true;
        }
        asked.says("pat-well") || self.spared.iter().any(|token| asked.says(token))
    }

    fn had(&self, call: usize) -> usize {
        self.had.get(&call).map_or(0, BTreeSet::len)
    }

    /// The number of the odd answer where the next one of a call is odd.
    fn odd(&mut self, call: usize, least: usize) -> Option<u64> {
        let enough = self.had(call) >= least;
        let (answers, odd) = self.asked.entry(call).or_default();
        *answers += 1;
        let every = if enough { 4 } else { 2 };
        (*answers % every == 1).then(|| {
            *odd += 1;
            *odd
        })
    }
}

impl Drop for Odd {
    fn drop(&mut self) {
        if thread::panicking() {
            let progress = self.progress();
            for (when, what) in progress.done.iter().rev().take(60).rev() {
                eprintln!("{:.1} s ago {what}", when.elapsed().as_secs_f64());
            }
        }
    }
}
