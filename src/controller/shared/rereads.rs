//! Which events wait for an account to be read again: those that a person asked about or has just changed, which are
//! judged by what HubSpot and Google say now, and events stalled for something that only they can show.
//!
//! A read serves all who asked before it began, and an account is read at most once in [`GAP`] for their sake.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::api::reasons::reason;
use crate::domain::ids::ObjectKey;
use crate::registry::{Account, Index, Registry, Urgency, Wake};

/// Shortest time between two reads of an account that were asked for, in an operator.
const GAP: Duration = Duration::from_secs(3);
/// Longest time an event waits for a read. Then it is judged by what is known: the account's own conditions say what is
/// wrong with it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why an event waits for a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A person asked about the event.
    Request,
    /// The manifest is new and names something at Google.
    AtGoogle,
    /// The manifest is new and names something at HubSpot.
    AtHubSpot,
}

/// Which account of an event a read could show that a stall for this reason is over; `None` for all other reasons.
pub fn healed_by(why: &str, google: &ObjectKey, hubspot: &ObjectKey) -> Option<Account> {
    match why {
        reason::STAGE_NOT_FOUND | reason::FORM_NOT_FOUND | reason::PROPERTY_NOT_FOUND | reason::MISSING_SCOPE => {
            Some(Account::HubSpot(hubspot.clone()))
        }
        reason::TERMS_NOT_ACCEPTED
        | reason::MANAGER_ACCOUNT
        | reason::NAME_CONFLICT
        | reason::EXTERNAL_RESOURCE_NOT_FOUND
        | reason::EXTERNAL_RESOURCE_REMOVED
        | reason::INVALID_SPEC => Some(Account::Google(google.clone())),
        _ => None,
    }
}

/// Which events wait for which account. Lost in a restart: everything is read again then.
#[derive(Debug, Default)]
pub struct Rereads(Mutex<RereadState>);

#[derive(Debug)]
struct RereadState {
    /// Shortest time between two reads of an account that were asked for.
    gap: Duration,
    asked: HashMap<Account, Instant>,
    read: HashMap<Account, Instant>,
    waiting: HashMap<(ObjectKey, Topic), WaitingEvent>,
    /// Events that are stalled, by the account that can show that it is over.
    stalled: Index<Account, ObjectKey>,
}

impl Default for RereadState {
    fn default() -> Self {
        Self {
            gap: GAP,
            asked: HashMap::new(),
            read: HashMap::new(),
            waiting: HashMap::new(),
            stalled: Index::default(),
        }
    }
}

/// What an event waits for, or has waited for: the same cause does not make it wait twice on a topic.
#[derive(Debug)]
struct WaitingEvent {
    cause: String,
    since: Instant,
    /// Not read since.
    accounts: Vec<Account>,
}

impl Rereads {
    /// `gap`: shortest time between two reads of an account that were asked for.
    pub fn with_gap(gap: Duration) -> Self {
        Self(Mutex::new(RereadState {
            gap,
            ..RereadState::default()
        }))
    }

    fn with_state<T>(&self, f: impl FnOnce(&mut RereadState) -> T) -> T {
        f(&mut self.0.lock())
    }

    /// True while an event has to wait for accounts to be read again. The first call with a `cause` asks for the read.
    pub fn must_wait(
        &self,
        registry: &Registry,
        (event, topic): (&ObjectKey, Topic),
        cause: &str,
        accounts: Vec<Account>,
    ) -> bool {
        let place = (event.clone(), topic);
        let (waits, wakes) = self.with_state(|state| state.must_wait(place, cause, accounts, Instant::now()));
        for account in wakes {
            registry.wake(account.to_wake());
        }
        waits
    }

    /// Somebody wants the account read again, and no event waits for that.
    pub fn request_read(&self, account: &Account) {
        self.with_state(|state| state.asked.insert(account.clone(), Instant::now()));
    }

    /// True if the account is to be read now because somebody asked.
    pub fn is_due(&self, account: &Account) -> bool {
        self.due_in(account).is_some_and(|left| left.is_zero())
    }

    /// How long an account that somebody wants read may not be read yet; `None` if nobody wants it read.
    pub fn due_in(&self, account: &Account) -> Option<Duration> {
        self.with_state(|state| state.due_in(account, Instant::now()))
    }

    /// Notes a read that began then, however it ended, and wakes the events that waited for it.
    pub fn record_read(&self, registry: &Registry, account: &Account, begun: Instant) {
        for event in self.with_state(|state| state.record_read(account, begun)) {
            registry.wake(Wake::Event {
                key: event,
                urgency: Urgency::Now,
            });
        }
    }

    /// Notes what an event is stalled for, if a read of an account could show that it is over. The account's controller
    /// looks how soon that is to be read.
    pub fn record_stall(&self, registry: &Registry, event: &ObjectKey, account: Option<Account>) {
        let wake = self.with_state(|state| {
            let is_new = account
                .clone()
                .filter(|account| !state.stalled.is_under(account, event));
            match account {
                Some(account) => state.stalled.set(event, [account].into()),
                None => state.stalled.remove(event),
            }
            is_new
        });
        if let Some(account) = wake {
            registry.wake(account.to_wake());
        }
    }

    /// Wakes the events that are stalled for something that this account can show to be over.
    pub fn wake_stalled(&self, registry: &Registry, account: &Account) {
        let stalled: Vec<ObjectKey> = self.with_state(|state| state.stalled.get(account).cloned().collect());
        for key in stalled {
            let urgency = Urgency::Now;
            registry.wake(Wake::Event { key, urgency });
        }
    }

    /// True while an event is stalled for something that a read of the account could show to be over.
    pub fn is_needed(&self, account: &Account) -> bool {
        self.with_state(|state| state.stalled.has(account))
    }

    /// Forgets an event that is gone.
    pub fn forget(&self, event: &ObjectKey) {
        self.with_state(|state| {
            state.waiting.retain(|(waiting, _), _| waiting != event);
            state.stalled.remove(event);
        });
    }

    /// Forgets an account that is gone.
    pub fn forget_account(&self, account: &Account) {
        self.with_state(|state| {
            state.asked.remove(account);
            state.read.remove(account);
        });
    }
}

impl RereadState {
    /// Whether the event waits, and which accounts are to be woken.
    fn must_wait(
        &mut self,
        place: (ObjectKey, Topic),
        cause: &str,
        accounts: Vec<Account>,
        now: Instant,
    ) -> (bool, Vec<Account>) {
        if let Some(waiting) = self.waiting.get(&place).filter(|w| w.cause == cause) {
            let patient = now.saturating_duration_since(waiting.since) < PATIENCE;
            return (patient && !waiting.accounts.is_empty(), Vec::new());
        }
        for account in &accounts {
            self.asked.insert(account.clone(), now);
        }
        let waits = !accounts.is_empty();
        let waiting = WaitingEvent {
            cause: cause.to_owned(),
            since: now,
            accounts: accounts.clone(),
        };
        self.waiting.insert(place, waiting);
        (waits, accounts)
    }

    fn due_in(&self, account: &Account, now: Instant) -> Option<Duration> {
        let asked = *self.asked.get(account)?;
        match self.read.get(account) {
            Some(read) if *read >= asked => None,
            Some(read) => Some((*read + self.gap).saturating_duration_since(now)),
            None => Some(Duration::ZERO),
        }
    }

    fn record_read(&mut self, account: &Account, begun: Instant) -> Vec<ObjectKey> {
        self.read.insert(account.clone(), begun);
        let mut served = Vec::new();
        for ((event, _), waiting) in self.waiting.iter_mut().filter(|(_, w)| w.since <= begun) {
            let before = waiting.accounts.len();
            waiting.accounts.retain(|awaited| awaited != account);
            if waiting.accounts.len() < before {
                served.push(event.clone());
            }
        }
        served
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("ns", name)
    }

    fn asks(event: &str) -> (ObjectKey, Topic) {
        (key(event), Topic::Request)
    }

    fn account() -> Account {
        Account::HubSpot(key("acme"))
    }

    #[test]
    fn one_read_serves_all_who_asked_before_it_and_nobody_who_asked_later() {
        let (mut state, begin) = (RereadState::default(), Instant::now());
        let at = |ms| begin + Duration::from_millis(ms);
        for (n, event) in ["one", "two"].iter().enumerate() {
            let (waits, wakes) = state.must_wait(asks(event), "1", vec![account()], at(n as u64));
            assert_eq!((waits, wakes), (true, vec![account()]));
        }
        assert_eq!(state.due_in(&account(), at(2)), Some(Duration::ZERO));
        state.must_wait(asks("late"), "1", vec![account()], at(6));
        let mut woken = state.record_read(&account(), at(5));
        woken.sort();
        assert_eq!(woken, [key("one"), key("two")]);
        let waits = |state: &mut RereadState, event: &str| state.must_wait(asks(event), "1", vec![account()], at(10)).0;
        assert!(!waits(&mut state, "one") && !waits(&mut state, "two") && waits(&mut state, "late"));
        // The one who asked later gets a read of his own, but not at once.
        assert_eq!(state.due_in(&account(), at(10)), Some(Duration::from_millis(2995)));
        assert_eq!(state.record_read(&account(), at(3005)), [key("late")]);
        assert!(!waits(&mut state, "late"));
        assert_eq!(state.due_in(&account(), at(3006)), None);
    }

    #[test]
    fn without_a_gap_a_second_read_is_due_at_once() {
        let begin = Instant::now();
        let mut state = RereadState {
            gap: Duration::ZERO,
            ..RereadState::default()
        };
        state.record_read(&account(), begin);
        let asked = begin + Duration::from_millis(1);
        assert!(state.must_wait(asks("one"), "1", vec![account()], asked).0);
        assert_eq!(state.due_in(&account(), asked), Some(Duration::ZERO));
    }

    #[test]
    fn a_cause_makes_an_event_wait_once_and_not_for_ever() {
        let (mut state, now) = (RereadState::default(), Instant::now());
        let waits = |state: &mut RereadState, topic, cause, now| {
            state.must_wait((key("one"), topic), cause, vec![account()], now).0
        };
        assert!(waits(&mut state, Topic::AtHubSpot, "2", now));
        let late = now + PATIENCE;
        assert!(!waits(&mut state, Topic::AtHubSpot, "2", late));
        assert!(waits(&mut state, Topic::Request, "2", late), "another topic");
        assert!(
            !waits(&mut state, Topic::AtHubSpot, "2", late),
            "which the first one outlives"
        );
        assert!(waits(&mut state, Topic::AtHubSpot, "3", late));
        let nothing = state.must_wait((key("one"), Topic::AtHubSpot), "4", Vec::new(), late);
        assert!(!nothing.0, "nothing to read");
    }

    #[test]
    fn a_stall_names_the_account_that_can_heal_it() {
        let (google, hubspot) = (key("g"), key("h"));
        let of = |why| healed_by(why, &google, &hubspot);
        for why in ["StageNotFound", "FormNotFound", "PropertyNotFound", "MissingScope"] {
            assert_eq!(of(why), Some(Account::HubSpot(key("h"))), "{why}");
        }
        for why in [
            "TermsNotAccepted",
            "ManagerAccount",
            "NameConflict",
            "ExternalResourceNotFound",
            "ExternalResourceRemoved",
            "InvalidSpec",
        ] {
            assert_eq!(of(why), Some(Account::Google(key("g"))), "{why}");
        }
        assert_eq!(of("OwnershipConflict"), None);
    }
}
