//! Contacts that are erased: no report names them any more.

use std::collections::BTreeSet;

use super::reports::{ErrorNote, Side};
use super::{Registry, Urgency, Wake};
use crate::domain::ids::{ContactId, ObjectKey};

impl Registry {
    /// Forgets errors that name one of these contacts.
    pub fn forget_contacts(&self, contacts: &BTreeSet<ContactId>) {
        let of_them = |note: &ErrorNote| note.contact.is_some_and(|id| contacts.contains(&ContactId(id)));
        let moved: Vec<ObjectKey> = self.with_state_mut(|s| {
            let mut moved = Vec::new();
            for (key, report) in &mut s.reports {
                let before = report.errors.len();
                report.errors.retain(|note| !of_them(note));
                let mut forgot = report.errors.len() < before;
                for side in Side::ALL {
                    let health = report.side_mut(side);
                    if let Some(note) = health.error.as_mut().filter(|note| of_them(note)) {
                        note.contact = None;
                        forgot = true;
                    }
                }
                if forgot {
                    moved.push(key.clone());
                }
            }
            moved
        });
        for key in moved {
            self.wake(Wake::Event {
                key,
                urgency: Urgency::Soon,
            });
        }
    }
}
