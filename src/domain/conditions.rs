//! Conditions in the shape that kstatus, Flux and Helm read: `Ready` always, `Reconciling` and `Stalled` only while
//! true and never both, transition times that move only when a status flips.

use jiff::Timestamp;

use super::brief::shorten;
use crate::api::reasons::{condition, reason};
use crate::api::{Condition, Time};

/// Longest message of a condition, in characters.
pub const MAX_MESSAGE: usize = 1024;

/// Status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It is so.
    True,
    /// It is not.
    False,
    /// It is not known (yet).
    Unknown,
}

impl Status {
    /// The name Kubernetes has for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Status {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// What an object is doing on the whole; it decides `Ready`, `Reconciling` and `Stalled` together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Summary {
    /// Usable and current.
    Ready {
        /// Of Ready; usually `Succeeded`.
        reason: String,
        /// For people.
        message: String,
    },
    /// The first pass, or the first one for a new manifest, is under way; nothing has failed.
    Progressing {
        /// What is being done.
        message: String,
    },
    /// Not usable; retried without anybody acting.
    Failing {
        /// Of Ready; Reconciling says `ProgressingWithRetry`.
        reason: String,
        /// For people.
        message: String,
    },
    /// Not usable, and nothing to do here: it waits for another object.
    Waiting {
        /// Of Ready.
        reason: String,
        /// For people; names the other object.
        message: String,
    },
    /// Broken until a person acts.
    Stalled {
        /// Of Ready and Stalled.
        reason: String,
        /// For people; says what to do.
        message: String,
    },
    /// `spec.suspend`: Ready keeps the status it had, and so does Stalled. True if it never had one: the object is as
    /// declared.
    Suspended {
        /// For people.
        message: String,
    },
}

/// Which of `Reconciling` and `Stalled` stands beside `Ready`: kstatus allows one of them at most.
#[derive(Clone, Copy)]
enum BesideReady {
    Nothing,
    /// With this reason.
    Reconciling(&'static str),
    /// With the reason of `Ready`.
    Stalled,
}

/// Builds the conditions of one pass out of those of the pass before.
#[derive(Debug, Clone)]
pub struct Conditions {
    previous: Vec<Condition>,
    list: Vec<Condition>,
    generation: Option<i64>,
    now: Timestamp,
}

impl Conditions {
    /// Starts from the conditions the object has. Those not touched stay as they are.
    pub fn new(previous: &[Condition], generation: Option<i64>, now: Timestamp) -> Self {
        Self {
            previous: previous.to_vec(),
            list: previous.to_vec(),
            generation,
            now,
        }
    }

    /// The condition of this type, as it stands now.
    pub fn get(&self, type_: &str) -> Option<&Condition> {
        find_condition(&self.list, type_)
    }

    /// True if the condition is `True` now.
    pub fn is_true(&self, type_: &str) -> bool {
        self.get(type_).is_some_and(|c| c.status == Status::True.as_str())
    }

    /// Sets a condition. Its transition time moves only if the status differs from that of the pass before.
    pub fn set(&mut self, type_: &str, status: Status, reason: &str, message: &str) {
        let status = status.as_str();
        let since = find_condition(&self.previous, type_)
            .filter(|before| before.status == status)
            .map_or(Time(self.now), |before| before.last_transition_time.clone());
        let next = Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: shorten(message, MAX_MESSAGE).to_owned(),
            observed_generation: self.generation,
            last_transition_time: since,
        };
        match self.list.iter_mut().find(|c| c.type_ == type_) {
            Some(slot) => *slot = next,
            None => self.list.push(next),
        }
    }

    /// Repeats a condition unchanged for this generation; does nothing if there is no such condition.
    pub fn restate(&mut self, type_: &str) {
        let generation = self.generation;
        if let Some(condition) = self.list.iter_mut().find(|c| c.type_ == type_) {
            condition.observed_generation = generation;
        }
    }

    /// Removes a condition.
    pub fn remove(&mut self, type_: &str) {
        self.list.retain(|c| c.type_ != type_);
    }

    /// Sets `Ready`, `Reconciling` and `Stalled` together.
    pub fn summarize(&mut self, summary: &Summary) {
        match summary {
            Summary::Ready { reason, message } => self.set_ready(Status::True, reason, message, BesideReady::Nothing),
            Summary::Progressing { message } => {
                let reconciling = BesideReady::Reconciling(reason::PROGRESSING);
                self.set_ready(Status::False, reason::PROGRESSING, message, reconciling);
            }
            Summary::Failing { reason, message } => {
                let reconciling = BesideReady::Reconciling(reason::PROGRESSING_WITH_RETRY);
                self.set_ready(Status::False, reason, message, reconciling);
            }
            Summary::Waiting { reason, message } => {
                self.set_ready(Status::False, reason, message, BesideReady::Nothing);
            }
            Summary::Stalled { reason, message } => {
                self.set_ready(Status::False, reason, message, BesideReady::Stalled);
            }
            Summary::Suspended { message } => self.set_suspended(message),
        }
    }

    fn set_ready(&mut self, status: Status, reason: &str, message: &str, beside: BesideReady) {
        self.set(condition::READY, status, reason, message);
        self.remove(condition::RECONCILING);
        self.remove(condition::STALLED);
        match beside {
            BesideReady::Nothing => {}
            BesideReady::Reconciling(why) => self.set(condition::RECONCILING, Status::True, why, message),
            BesideReady::Stalled => self.set(condition::STALLED, Status::True, reason, message),
        }
    }

    fn set_suspended(&mut self, message: &str) {
        let status = match find_condition(&self.previous, condition::READY).map(|c| c.status.as_str()) {
            Some("False") => Status::False,
            _ => Status::True,
        };
        self.set(condition::READY, status, reason::SUSPENDED, message);
        self.remove(condition::RECONCILING);
        self.restate(condition::STALLED);
    }

    /// The conditions, in an order that does not change: `Ready`, `Reconciling`, `Stalled`, then the others by name.
    /// Without a summary so far, `Ready` is Unknown.
    pub fn into_sorted(mut self) -> Vec<Condition> {
        if self.get(condition::READY).is_none() {
            self.set(
                condition::READY,
                Status::Unknown,
                reason::PROGRESSING,
                "The operator has not looked at this object yet.",
            );
        }
        let rank = |c: &Condition| match c.type_.as_str() {
            condition::READY => 0,
            condition::RECONCILING => 1,
            condition::STALLED => 2,
            _ => 3,
        };
        self.list
            .sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.type_.cmp(&b.type_)));
        self.list
    }
}

/// The condition of this type.
pub fn find_condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == type_)
}

/// The status of `Ready`, as metrics label it: what is absent, or anything else, is `Unknown`.
pub fn ready_label(conditions: &[Condition]) -> &'static str {
    match find_condition(conditions, condition::READY).map(|c| c.status.as_str()) {
        Some("True") => "True",
        Some("False") => "False",
        _ => "Unknown",
    }
}

/// True if the condition of this type is there and True.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find_condition(conditions, type_).is_some_and(|c| c.status == Status::True.as_str())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::domain::test_support::{at, shown};

    fn ready() -> Summary {
        Summary::Ready {
            reason: "Succeeded".into(),
            message: "Fine.".into(),
        }
    }
    fn progressing() -> Summary {
        Summary::Progressing {
            message: "First pass.".into(),
        }
    }
    fn failing() -> Summary {
        Summary::Failing {
            reason: "UpstreamUnavailable".into(),
            message: "No answer.".into(),
        }
    }
    fn waiting() -> Summary {
        Summary::Waiting {
            reason: "AccountNotReady".into(),
            message: "Waits.".into(),
        }
    }
    fn stalled() -> Summary {
        Summary::Stalled {
            reason: "AccessDenied".into(),
            message: "Ask an admin.".into(),
        }
    }
    fn suspended() -> Summary {
        Summary::Suspended {
            message: "Suspended.".into(),
        }
    }

    fn pass(before: &[Condition], summary: &Summary, generation: i64, second: i64) -> Vec<Condition> {
        let mut conditions = Conditions::new(before, Some(generation), at(second));
        conditions.summarize(summary);
        conditions.into_sorted()
    }

    #[rstest]
    #[case::ready(ready(), "Ready=True/Succeeded")]
    #[case::progressing(progressing(), "Ready=False/Progressing Reconciling=True/Progressing")]
    #[case::failing(failing(), "Ready=False/UpstreamUnavailable Reconciling=True/ProgressingWithRetry")]
    #[case::waiting(waiting(), "Ready=False/AccountNotReady")]
    #[case::stalled(stalled(), "Ready=False/AccessDenied Stalled=True/AccessDenied")]
    #[case::suspended(suspended(), "Ready=True/Suspended")]
    fn summaries(#[case] summary: Summary, #[case] wanted: &str) {
        assert_eq!(shown(&pass(&[], &summary, 1, 0)), wanted);
    }

    #[rstest]
    #[case::ready(ready(), "Ready=True/Suspended")]
    #[case::stalled(stalled(), "Ready=False/Suspended Stalled=True/AccessDenied")]
    #[case::progressing(progressing(), "Ready=False/Suspended")]
    fn suspending_keeps_ready(#[case] before: Summary, #[case] wanted: &str) {
        let before = pass(&[], &before, 1, 0);
        let after = pass(&before, &suspended(), 2, 9);
        assert_eq!(shown(&after), wanted);
        assert!(after.iter().all(|c| c.observed_generation == Some(2)));
        assert_eq!(after[0].last_transition_time.0, at(0));
    }

    #[test]
    fn a_flip_and_back_within_a_pass_is_no_transition() {
        let before = pass(&[], &ready(), 1, 0);
        let mut conditions = Conditions::new(&before, Some(1), at(5));
        conditions.summarize(&stalled());
        conditions.summarize(&ready());
        assert_eq!(conditions.into_sorted(), before);
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let mut conditions = Conditions::new(&[], None, at(0));
        conditions.set("Synced", Status::False, "X", &"é".repeat(5000));
        assert_eq!(conditions.get("Synced").unwrap().message.chars().count(), MAX_MESSAGE);
    }

    #[test]
    fn the_order_does_not_depend_on_the_calls() {
        let mut conditions = Conditions::new(&[], None, at(0));
        conditions.set("Synced", Status::True, "RunSucceeded", "");
        conditions.set("AccountsReady", Status::True, "AccountsReady", "");
        conditions.summarize(&stalled());
        let types: Vec<_> = conditions.into_sorted().into_iter().map(|c| c.type_).collect();
        assert_eq!(types, ["Ready", "Stalled", "AccountsReady", "Synced"]);
    }

    fn summary() -> impl Strategy<Value = Summary> {
        prop_oneof![
            Just(ready()),
            Just(progressing()),
            Just(failing()),
            Just(waiting()),
            Just(stalled()),
            Just(suspended())
        ]
    }

    proptest! {
        /// Whatever the passes: Ready is there, Reconciling and Stalled are never there together nor ever anything but
        /// True, and a transition time changes exactly when the status does.
        #[test]
        fn kstatus_rules_hold(passes in prop::collection::vec(summary(), 1..20)) {
            let mut before: Vec<Condition> = Vec::new();
            for (n, summary) in passes.iter().enumerate() {
                let now = i64::try_from(n).unwrap();
                let after = pass(&before, summary, now, now);
                prop_assert!(find_condition(&after, "Ready").is_some());
                prop_assert!(!(is_true(&after, "Reconciling") && is_true(&after, "Stalled")));
                for condition in &after {
                    if condition.type_ != "Ready" {
                        prop_assert_eq!(&condition.status, "True");
                    }
                    prop_assert!(!condition.reason.is_empty());
                    prop_assert_eq!(condition.observed_generation, Some(now));
                    let kept = find_condition(&before, &condition.type_).filter(|c| c.status == condition.status);
                    let wanted = kept.map_or(at(now), |c| c.last_transition_time.0);
                    prop_assert_eq!(condition.last_transition_time.0, wanted);
                }
                before = after;
            }
        }
    }
}
