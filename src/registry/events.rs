//! Events as the sync loops see them.

use jiff::Timestamp;

use crate::api::ResumePolicy;
use crate::domain::click_window::ClickWindow;
use crate::domain::eligibility::EventRules;
use crate::domain::ids::ObjectKey;
use crate::domain::trigger::Trigger;
use crate::ports::ledger::ActionKey;

/// The conversion action of an event, once it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundAction {
    /// Owner account and id.
    pub key: ActionKey,
    /// Nothing is sent before this time: we created the action, and it is too new for Google.
    pub hold_until: Option<Timestamp>,
    /// The action's click window, as Google has it. Nothing is sent before it is known.
    pub click_window: Option<ClickWindow>,
}

/// Why no conversion goes to an action that is usable otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBack {
    /// Google rejects conversions for an action that was created so recently.
    Until(Timestamp),
    /// Google has not shown its click window yet.
    WindowUnknown,
}

impl BoundAction {
    /// What holds back the action's conversions, if anything does. The uploader and the status both use this.
    pub fn held(&self, now: Timestamp) -> Option<HeldBack> {
        match self.hold_until.filter(|until| *until > now) {
            Some(until) => Some(HeldBack::Until(until)),
            None => self.click_window.is_none().then_some(HeldBack::WindowUnknown),
        }
    }
}

/// An `AdConversionEvent` the controller has resolved: what to look for and what to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub key: ObjectKey,
    pub uid: String,
    /// Its HubSpot account object.
    pub hubspot: ObjectKey,
    /// Its Google account object.
    pub google: ObjectKey,
    /// What makes an occurrence.
    pub trigger: Trigger,
    /// Effective start.
    pub start: Timestamp,
    /// The action; `None` while there is none or it is not as declared: rows wait as `AccountNotReady`.
    pub action: Option<BoundAction>,
    /// Rules of its rows.
    pub rules: EventRules,
    /// `spec.suspend`.
    pub suspended: bool,
    /// `spec.resumePolicy`.
    pub resume_policy: ResumePolicy,
}
