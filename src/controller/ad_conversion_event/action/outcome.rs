//! Where the conversion action stands after a pass.

use std::time::Duration;

use crate::api::ConversionActionStatus;
use crate::api::reasons::reason;
use crate::controller::ad_conversion_event::stall::Stall;
use crate::domain::action::ConversionAction;

/// Where the conversion action stands after a pass.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionOutcome {
    /// For the status.
    pub action: ConversionActionStatus,
    /// The action itself, if known.
    pub found: Option<ConversionAction>,
    /// True if uploads may go to it.
    pub usable: bool,
    /// Status, reason and message of `ConversionActionReady`; `None` keeps the previous condition.
    pub condition: Option<(bool, &'static str, String)>,
    /// A person must act.
    pub stall: Option<Stall>,
    /// Look again after this time.
    pub retry: Option<Duration>,
}

/// The action is not known, or nothing may be sent to it; its condition stays as it was.
fn unusable_action(action: ConversionActionStatus) -> ActionOutcome {
    ActionOutcome {
        action,
        found: None,
        usable: false,
        condition: None,
        stall: None,
        retry: None,
    }
}

/// Where people find why an event is stalled.
pub const SEE_STALLED: &str = " See the condition Stalled.";

/// Nothing can be done about the action yet.
pub(crate) fn waiting_action(action: ConversionActionStatus, is_stalled: bool) -> ActionOutcome {
    let condition = action.id.is_none().then(|| {
        let message = if is_stalled {
            format!("Waiting until the event is no longer stalled.{SEE_STALLED}")
        } else {
            "Waiting for the accounts to become ready.".to_owned()
        };
        (false, reason::PROGRESSING, message)
    });
    ActionOutcome {
        condition,
        ..unusable_action(action)
    }
}

/// Something about the action failed, or is not known: it is looked at again after `wait`.
pub(crate) fn retrying_action(
    action: ConversionActionStatus,
    why: &'static str,
    message: String,
    wait: Duration,
) -> ActionOutcome {
    ActionOutcome {
        condition: Some((false, why, message)),
        retry: Some(wait),
        ..unusable_action(action)
    }
}

/// The action needs a person.
pub(crate) fn stalled_action(action: ConversionActionStatus, why: &'static str, message: String) -> ActionOutcome {
    ActionOutcome {
        condition: Some((false, why, message.clone())),
        stall: Some((why, message)),
        ..unusable_action(action)
    }
}
