//! When nothing may be written to Google for an event (docs/architecture.md, trip 2).

use crate::api::reasons::reason;
use crate::controller::ad_conversion_event::resolve::Resolved;

/// Why nothing is created, renamed, corrected or set in Google, though it can be reached and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandsOff {
    /// The event is suspended.
    Suspended,
    /// HubSpot has not said yet which contact properties there are: one that the manifest names may be misspelt.
    PropertiesUnknown,
}

impl HandsOff {
    /// For the condition of the action.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Suspended => reason::SUSPENDED,
            Self::PropertiesUnknown => reason::PROGRESSING,
        }
    }

    /// What must come first.
    pub(crate) const fn required_first(self) -> &'static str {
        match self {
            Self::Suspended => "spec.suspend is false",
            Self::PropertiesUnknown => "HubSpot's contact properties are known",
        }
    }
}

/// Whether Google must be left alone now. What cannot be worked on at all, or needs a person first, never comes here.
pub(crate) const fn hands_off(resolved: &Resolved) -> Option<HandsOff> {
    if resolved.declared.suspended {
        Some(HandsOff::Suspended)
    } else if !resolved.properties_known {
        Some(HandsOff::PropertiesUnknown)
    } else {
        None
    }
}
