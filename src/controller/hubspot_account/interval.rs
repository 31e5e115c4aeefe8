//! How often a portal is read.

use std::time::Duration;

use crate::api::reasons::event::INTERVAL_RAISED;
use crate::api::{HubSpotAccount, MAX_INTERVAL};
use crate::domain::transitions::Announcement;

/// `spec.interval`, but at least the floor and at most a day.
pub struct Interval {
    pub(super) effective: Duration,
    pub(super) remark: Option<String>,
}

impl Interval {
    pub(super) fn from_spec(object: &HubSpotAccount, floor: Duration) -> Self {
        let declared = object.spec.interval;
        // The schema refuses more than a day; this is for objects older than the rule.
        let ceiling = MAX_INTERVAL.as_std().max(floor);
        let effective = declared.as_std().clamp(floor, ceiling);
        let (differs, why) = match declared.as_std() {
            shorter if shorter < floor => ("shorter", " (--min-interval)"),
            longer if longer > ceiling => ("longer", ""),
            _ => {
                return Self {
                    effective,
                    remark: None,
                };
            }
        };
        let used = crate::api::Duration::from(effective);
        let remark =
            format!("spec.interval {declared} is {differs} than this operator allows{why}, so it uses {used}.");
        Self {
            effective,
            remark: Some(remark),
        }
    }

    /// The Kubernetes Event about it, once for each manifest.
    pub(super) fn announce_raised(&self, object: &HubSpotAccount) -> Vec<Announcement> {
        let seen = object.status.as_ref().and_then(|s| s.observed_generation);
        let remark = self.remark.iter().filter(|_| seen != object.metadata.generation);
        remark
            .map(|remark| Announcement {
                warning: true,
                reason: INTERVAL_RAISED.to_owned(),
                message: remark.clone(),
            })
            .collect()
    }
}
