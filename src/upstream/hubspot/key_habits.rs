//! Learns whether a portal's answers have a key for a property that is empty. HubSpot gives one, as null
//! (docs/reference/hubspot.md 4.4), so an answer without the key is odd, and the record is read again. But HubSpot does
//! not promise to: if a portal omits the keys of empty properties for long enough, and never gave one as null, an
//! absent property counts as empty. Otherwise each of the portal's contacts would wait for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::wire::Record;

/// How long a key has to be absent, since the first record without it.
const LONG: Duration = Duration::from_hours(1);
/// Least number of records without it.
const MANY: u32 = 20;

/// The habits that a portal's answers have shown, by property.
#[derive(Default)]
pub(crate) struct KeyHabits(BTreeMap<String, Habit>);

#[derive(Default)]
struct Habit {
    /// An empty property had its key.
    gives_null: bool,
    /// Records without the key, and when the first was seen.
    absent: u32,
    since: Option<Instant>,
}

impl Habit {
    fn leaves_out(&self, now: Instant) -> bool {
        let long = self
            .since
            .is_some_and(|since| now.saturating_duration_since(since) >= LONG);
        !self.gives_null && self.absent >= MANY && long
    }
}

impl KeyHabits {
    /// Learns from records of which these properties were asked for.
    pub(crate) fn learn<'a>(&mut self, asked: &[&str], records: impl IntoIterator<Item = &'a Record>, now: Instant) {
        for given in records.into_iter().filter_map(|record| record.properties.as_ref()) {
            for name in asked {
                match given.get(*name) {
                    Some(Some(_)) => {}
                    Some(None) => self.habit(name).gives_null = true,
                    None => {
                        let habit = self.habit(name);
                        habit.absent = habit.absent.saturating_add(1);
                        habit.since.get_or_insert(now);
                    }
                }
            }
        }
    }

    fn habit(&mut self, name: &str) -> &mut Habit {
        self.0.entry(name.to_owned()).or_default()
    }

    /// True if an absent value of this property counts as empty.
    pub(crate) fn leaves_out(&self, name: &str, now: Instant) -> bool {
        self.0.get(name).is_some_and(|habit| habit.leaves_out(now))
    }

    /// Those of these properties whose key every record has.
    pub(crate) fn always_given(&self, listed: &Arc<BTreeSet<String>>, now: Instant) -> Arc<BTreeSet<String>> {
        if !self.0.values().any(|habit| habit.leaves_out(now)) {
            return Arc::clone(listed);
        }
        let given = listed.iter().filter(|name| !self.leaves_out(name, now));
        Arc::new(given.cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn record(properties: &Value) -> Record {
        serde_json::from_value(json!({"id": "1", "properties": properties})).unwrap_or_else(|e| panic!("{e}"))
    }

    fn learn(habits: &mut KeyHabits, properties: &Value, times: u32, now: Instant) {
        for _ in 0..times {
            habits.learn(&["consent", "email"], [&record(properties)], now);
        }
    }

    #[test]
    fn what_a_portal_always_leaves_out_is_empty_after_an_hour() {
        let listed = Arc::new(BTreeSet::from(["consent".to_owned(), "email".to_owned()]));
        let (mut habits, begun) = (KeyHabits::default(), Instant::now());
        learn(&mut habits, &json!({"email": "a@example.com"}), MANY, begun);
        assert!(!habits.leaves_out("consent", begun), "a moment proves nothing");
        assert_eq!(habits.always_given(&listed, begun), listed);
        let later = begun + LONG;
        assert!(habits.leaves_out("consent", later) && !habits.leaves_out("email", later));
        assert_eq!(
            *habits.always_given(&listed, later),
            BTreeSet::from(["email".to_owned()])
        );

        learn(&mut habits, &json!({"email": null, "consent": null}), 1, begun);
        assert!(
            !habits.leaves_out("consent", later),
            "one that is null shows the portal's way"
        );
        assert_eq!(habits.always_given(&listed, later), listed);
    }

    #[test]
    fn few_records_or_a_null_before_prove_nothing() {
        let (mut habits, begun) = (KeyHabits::default(), Instant::now());
        learn(&mut habits, &json!({}), MANY - 1, begun);
        let later = begun + LONG;
        assert!(!habits.leaves_out("consent", later));

        let (mut habits, begun) = (KeyHabits::default(), Instant::now());
        learn(&mut habits, &json!({"consent": null}), 1, begun);
        learn(&mut habits, &json!({}), MANY, begun);
        let later = begun + LONG;
        assert!(!habits.leaves_out("consent", later) && habits.leaves_out("email", later));
        learn(&mut habits, &json!(null), MANY, begun);
        assert!(
            !habits.leaves_out("consent", later),
            "an answer without properties is odd in any portal"
        );
    }
}
