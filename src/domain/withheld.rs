//! Contact properties that HubSpot does not give although it answers reads without them: the token lacks a scope for
//! them, or reads with them fail. Only the events that need such a property wait. A read without it says nothing of its
//! value.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::contact::{Contact, DEAL_COUNT};
use super::eligibility::{EventRules, ValueRule};
use super::identifiers::{STREET_PROPERTIES, properties_for};
use crate::api::SharedData;

/// Why a property is not given, and how long until it is asked for again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// For people, no personal data.
    pub why: String,
    pub again: SignedDuration,
}

/// By the name of the property.
pub type WithheldProperties = BTreeMap<String, Withheld>;

impl EventRules {
    /// The field of the manifest, below `spec`, that makes the event need this contact property; `None` if it does not.
    pub fn field_of(&self, property: &str) -> Option<&'static str> {
        let is = |name: Option<&str>| name == Some(property);
        if is(self.consent.as_ref().map(|rule| rule.property.as_str())) {
            return Some("consent.property");
        }
        if property == DEAL_COUNT && matches!(self.value, Some(ValueRule::DealAmount { .. })) {
            return Some("value.dealAmount");
        }
        let shares = |kind: &SharedData| {
            let street =
                self.trigger_kind.is_form() && *kind == SharedData::Address && STREET_PROPERTIES.contains(&property);
            street || properties_for(*kind).contains(&property)
        };
        if self.share.iter().any(shares) {
            return Some("shareData");
        }
        let clicks = [
            (Some(self.clicks.gclid.as_str()), "clickIds.gclidProperty"),
            (self.clicks.gbraid.as_deref(), "clickIds.gbraidProperty"),
            (self.clicks.wbraid.as_deref(), "clickIds.wbraidProperty"),
        ];
        let mut clicks = clicks.into_iter().filter(|_| !self.trigger_kind.is_form());
        clicks.find(|(name, _)| is(*name)).map(|(_, field)| field)
    }

    /// A property that the event needs and that was left out of the read of this contact: nothing is decided from it.
    pub fn unread_of<'a>(&self, contact: &'a Contact) -> Option<&'a str> {
        let mut withheld = contact.properties.withheld();
        withheld.find(|name| self.field_of(name).is_some())
    }

    /// What these properties mean to the event, and how long until the first of them that it needs is asked for again;
    /// `None` if it needs none of them.
    pub fn describe_withheld(&self, withheld: &WithheldProperties) -> Option<(String, SignedDuration)> {
        let needed = withheld
            .iter()
            .filter_map(|(name, known)| Some((name, self.field_of(name)?, known)));
        let (name, field, known) = needed.clone().next()?;
        let again = needed.map(|(_, _, known)| known.again).min().unwrap_or(known.again);
        let message = format!(
            "HubSpot does not give the contact property {name:?} (spec.{field}) and answers reads without it: {}. The conversions of this event wait, and other events go on. Give the HubSpot token access to the property, or use another one.",
            known.why
        );
        Some((message, again))
    }
}

#[cfg(test)]
#[path = "withheld_tests.rs"]
mod tests;
