//! One conversion action and trigger belongs to one event: the oldest wins.

use jiff::Timestamp;

use super::ids::{ActionId, CustomerId, ObjectKey};

/// In place of everything that would name an object of a namespace that the reader is not in.
pub const ANOTHER_NAMESPACE: &str = "another namespace";

/// What an event lays claim to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub event: ObjectKey,
    /// Its uid: decides between events of the same second.
    pub uid: String,
    /// When it was created.
    pub created: Timestamp,
    /// The account that owns the action (or is asked, while the owner is not known).
    pub customer: CustomerId,
    /// The action's id, once known.
    pub action: Option<ActionId>,
    /// The name of the action to create; `None` for events that map an existing one.
    pub creates: Option<String>,
    /// Portal and trigger in one text.
    pub trigger: String,
}

impl Claim {
    fn seniority(&self) -> (Timestamp, &str) {
        (self.created, &self.uid)
    }

    /// Same action and same trigger, or the same action to create.
    fn clashes_with(&self, other: &Self) -> bool {
        let same_action = self.action.is_some() && self.action == other.action;
        let same_name = self.creates.is_some() && self.creates == other.creates;
        let both_create = self.creates.is_some() && other.creates.is_some();
        self.customer == other.customer && (same_name || same_action && (both_create || self.trigger == other.trigger))
    }
}

/// How a message calls an event to readers of this namespace: what others have in theirs is not for them to know.
pub fn named_for(reader: &str, event: &ObjectKey) -> String {
    if event.namespace == reader {
        format!("event {event}")
    } else {
        format!("an event in {ANOTHER_NAMESPACE}")
    }
}

/// The event that has what `mine` wants, if an older one does.
pub fn older_claim<'a>(mine: &Claim, all: &'a [Claim]) -> Option<&'a Claim> {
    all.iter()
        .filter(|other| other.event != mine.event && other.clashes_with(mine) && other.seniority() < mine.seniority())
        .min_by_key(|other| other.seniority())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn claim(name: &str, created: i64, action: Option<u64>, creates: Option<&str>, trigger: &str) -> Claim {
        Claim {
            event: ObjectKey::new("ns", name),
            uid: name.into(),
            created: Timestamp::from_second(created).unwrap(),
            customer: "1234567890".parse().unwrap(),
            action: action.map(ActionId),
            creates: creates.map(Into::into),
            trigger: trigger.into(),
        }
    }

    #[test]
    fn the_oldest_wins() {
        let old = claim("old", 1, None, Some("X"), "customer");
        let new = claim("new", 2, None, Some("X"), "lead");
        let all = [old.clone(), new.clone()];
        assert_eq!(older_claim(&new, &all).map(|c| c.event.name.as_str()), Some("old"));
        assert_eq!(older_claim(&old, &all), None);
        let twin = claim("a-twin", 1, None, Some("X"), "lead");
        assert_eq!(
            older_claim(&old, &[twin.clone(), old.clone()]),
            Some(&twin),
            "same second: by uid"
        );
    }

    #[test]
    fn one_action_may_be_mapped_under_different_triggers() {
        let one = claim("one", 1, Some(5), None, "customer");
        let two = claim("two", 2, Some(5), None, "lead");
        let three = claim("three", 3, Some(5), None, "lead");
        let all = [one, two.clone(), three.clone()];
        assert_eq!(older_claim(&two, &all), None);
        assert_eq!(older_claim(&three, &all), Some(&two));
    }

    #[test]
    fn only_the_own_namespace_is_named() {
        let event = ObjectKey::new("payroll", "fired");
        assert_eq!(named_for("payroll", &event), "event payroll/fired");
        assert_eq!(named_for("marketing", &event), "an event in another namespace");
    }

    #[test]
    fn other_customers_are_other_actions() {
        let one = claim("one", 1, None, Some("X"), "customer");
        let two = Claim {
            customer: "0987654321".parse().unwrap(),
            ..claim("two", 2, None, Some("X"), "customer")
        };
        assert_eq!(older_claim(&two, &[one]), None);
    }
}
