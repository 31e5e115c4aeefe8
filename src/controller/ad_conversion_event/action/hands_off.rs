//! When nothing may be written to Google for an event (DESIGN 3.1, 3.8), and what is said of the action meanwhile.

use super::{ActionOutcome, Resolved, Work};
use crate::api::reasons::reason;
use crate::api::{AdConversionEvent, ConversionActionStatus};
use crate::domain::action_plan::Step;

/// Why nothing is created, renamed, corrected or set in Google, though it can be reached and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandsOff {
    /// The event is suspended.
    Suspended,
    /// HubSpot has not said yet which contact properties there are: one that the manifest names may be misspelt.
    PropertiesUnknown,
}

impl HandsOff {
    const fn reason(self) -> &'static str {
        match self {
            Self::Suspended => reason::SUSPENDED,
            Self::PropertiesUnknown => reason::PROGRESSING,
        }
    }

    /// What must come first.
    const fn until(self) -> &'static str {
        match self {
            Self::Suspended => "spec.suspend is false",
            Self::PropertiesUnknown => "HubSpot's contact properties are known",
        }
    }
}

/// Whether Google must be left alone now. What cannot be worked on at all, or needs a person first, never comes here.
pub(crate) const fn hands_off(event: &AdConversionEvent, resolved: &Resolved) -> Option<HandsOff> {
    if event.spec.suspend {
        Some(HandsOff::Suspended)
    } else if !resolved.properties_known {
        Some(HandsOff::PropertiesUnknown)
    } else {
        None
    }
}

/// The end of the pass where the next step would write to Google, or ask it about an action that could not be made
/// anyway; nothing where the step may be taken.
pub(crate) fn left(work: &Work<'_>, current: &ConversionActionStatus, next: &Step) -> Option<ActionOutcome> {
    let why = work.hands_off?;
    let until = why.until();
    let (message, found) = match next {
        // Mapping and taking over write nothing to Google.
        Step::Keep { .. } | Step::Stalled { .. } => return None,
        Step::Correct { id, difference, .. } => (
            format!("Conversion action {id}: {difference}. It is changed in Google Ads once {until}."),
            work.actions.iter().find(|a| a.id == *id).cloned(),
        ),
        Step::LookLive => (
            format!("The conversion action is looked for in Google Ads once {until}."),
            None,
        ),
        Step::Create | Step::AwaitCreate => (
            format!("The conversion action is created in Google Ads once {until}."),
            None,
        ),
    };
    Some(ActionOutcome {
        action: current.clone(),
        found,
        usable: current.id.is_some(),
        condition: Some((false, why.reason(), message)),
        stall: None,
        retry: None,
    })
}
