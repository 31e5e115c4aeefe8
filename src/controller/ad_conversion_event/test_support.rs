//! What the tests of the status share: an event that works.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::action::outcome::ActionOutcome;
use super::facts::EventFacts;
use super::resolve::{AccountsReadiness, Resolved};
use crate::api::{AdConversionEventStatus, ConversionActionStatus};
use crate::domain::declared::Declared;
use crate::registry::{EventReport, SideHealth};

pub(crate) const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// What facts are about.
pub(crate) struct FactsParts {
    pub(crate) before: AdConversionEventStatus,
    pub(crate) resolved: Resolved,
    pub(crate) outcome: ActionOutcome,
}

impl FactsParts {
    /// Nothing is wrong.
    pub(crate) fn working() -> Self {
        let event = json!({
            "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent", "metadata": {"name": "won"},
            "spec": {"googleAdsAccountRef": {"name": "a"}, "hubSpotAccountRef": {"name": "a"},
                "trigger": {"lifecycleStage": {"stage": "customer"}}},
        });
        let resolved = Resolved {
            declared: Declared::from_manifest(&serde_json::from_value(event).unwrap()),
            google: None,
            accounts: AccountsReadiness::Ready,
            hubspot_read: true,
            undecided: false,
            properties_known: true,
            portal: None,
            subject: None,
            first_by_name: false,
            trigger: None,
            stall: None,
        };
        let outcome = ActionOutcome {
            action: ConversionActionStatus {
                id: Some("1".to_owned()),
                ..ConversionActionStatus::default()
            },
            found: None,
            usable: true,
            condition: None,
            stall: None,
            retry: None,
        };
        Self {
            before: AdConversionEventStatus::default(),
            resolved,
            outcome,
        }
    }

    /// The feed has made a pass; nothing is counted.
    pub(crate) fn facts(&self) -> EventFacts<'_> {
        let feed = SideHealth {
            last_success: Some(NOW),
            ..SideHealth::default()
        };
        EventFacts {
            before: self.before.clone(),
            requested: None,
            resolved: &self.resolved,
            outcome: &self.outcome,
            stall: self.resolved.stall.as_ref().or(self.outcome.stall.as_ref()),
            report: EventReport {
                feed,
                ..EventReport::default()
            },
            counted: None,
            held: None,
            now: NOW,
            failure_threshold: Duration::from_mins(15),
        }
    }
}
