//! What an event is about: a lifecycle stage or a form.

use super::ids::PortalId;

/// What makes an occurrence of an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trigger {
    /// A contact enters this lifecycle stage (internal value).
    Stage(String),
    /// Somebody submits this form (GUID, lower case).
    Form(String),
}

/// The two kinds of triggers. They differ in what is read of a contact,
/// in the route of the conversions and in the actions that take them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TriggerKind {
    /// A lifecycle stage: its conversions are attributed by click id or shared data.
    Stage,
    /// A form: its conversions are enhancements of what the web tag reports.
    Form,
}

impl TriggerKind {
    /// True if conversions are submissions of a form.
    pub const fn is_form(self) -> bool {
        matches!(self, Self::Form)
    }
}

/// Begins the ledger's name of a form trigger; no lifecycle stage has a colon in its internal value.
const FORM: &str = "form:";

impl Trigger {
    /// The ledger's name of the trigger: the stage's internal value, or `form:` and the form's GUID.
    pub fn ledger_key(&self) -> String {
        match self {
            Self::Stage(stage) => stage.clone(),
            Self::Form(form) => format!("{FORM}{form}"),
        }
    }

    /// The trigger that the ledger names so.
    pub fn from_ledger_key(key: &str) -> Self {
        match key.strip_prefix(FORM) {
            Some(form) => Self::Form(form.to_owned()),
            None => Self::Stage(key.to_owned()),
        }
    }

    /// The stage of a lifecycle event.
    pub fn stage(&self) -> Option<&str> {
        match self {
            Self::Stage(stage) => Some(stage),
            Self::Form(_) => None,
        }
    }

    /// The form of a form event.
    pub fn form(&self) -> Option<&str> {
        match self {
            Self::Form(form) => Some(form),
            Self::Stage(_) => None,
        }
    }

    /// The trigger within its portal, for people and for comparing claims.
    pub fn in_portal(&self, portal: Option<PortalId>) -> String {
        portal.map_or_else(|| self.ledger_key(), |portal| format!("{portal}/{}", self.ledger_key()))
    }
}
