//! What a plan says: pure, from what the operator would come to. docs/commands.md has the shape of its JSON.

use jiff::Timestamp;
use serde::Serialize;

use super::changes::{Change, FieldChange, field_changes, joined};
use super::conversion::ConversionEntry;
use super::counts::{PlanCounts, count_conversions, is_sent};
use super::google::GOOGLE;
use super::meter::HUBSPOT;
use super::reads::UnreadItem;
use crate::api::reasons::{condition, reason};
use crate::api::{ActionOrigin, AdConversionEvent, Condition, ConversionActionStatus, TriggerStatus};
use crate::cli::offline::{self, words_before_apply};
use crate::domain::brief::counted;
use crate::domain::conditions::find_condition;
use crate::domain::ids::{CustomerId, ObjectKey};

/// The plans of some events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Plan {
    pub(super) events: Vec<EventPlan>,
    /// Account goals that would be made biddable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) account_goals: Vec<GoalChange>,
    /// There was more in HubSpot than `--limit` allows: the counts are too small.
    pub(super) limited: bool,
    /// What nothing can be planned for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) refused: Vec<RefusedObject>,
    /// Questions that the cluster or the operator did not answer. With the answers the plan might differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) unanswered: Vec<String>,
}

/// An object that nothing can be planned for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefusedObject {
    /// Where it stands; absent if it is in the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
    /// Number of the document in the file; absent if it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) document: Option<usize>,
    /// Kind, namespace and name.
    pub(super) object: String,
    pub(super) message: String,
}

impl From<&offline::RefusedManifest> for RefusedObject {
    fn from(refused: &offline::RefusedManifest) -> Self {
        Self {
            file: Some(refused.place.file.clone()),
            document: Some(refused.place.document),
            object: refused.object.clone(),
            message: refused.message.clone(),
        }
    }
}

/// What would happen for one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventPlan {
    pub(super) namespace: String,
    pub(super) name: String,
    /// The status of the condition Ready: True if nothing stands in the way, False or Unknown.
    pub(super) ready: String,
    /// Why or why not, as the condition would say, or that something could not be read.
    pub(super) reason: String,
    pub(super) message: String,
    /// What could not be read. All that follows is incomplete then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) unread: Vec<UnreadItem>,
    /// The stage or form, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trigger: Option<TriggerStatus>,
    /// Conversions before it are not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start_time: Option<Timestamp>,
    pub(super) conversion_action: ActionPlan,
    pub(super) conversions: PlanCounts,
    pub(super) already_sent: AlreadySent,
    /// What the operator would show as its last errors, and what else is worth knowing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
}

/// What would become of the conversion action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActionPlan {
    pub(super) change: ActionChange,
    /// The account that owns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) customer_id: Option<String>,
    /// Absent if it would be created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    pub(super) fields: Vec<FieldChange>,
    /// Why nothing would be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
}

/// What the operator would do about a conversion action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum ActionChange {
    Create,
    /// Take over one of the same name.
    Adopt,
    /// Use one that the manifest names.
    Map,
    /// Change fields of the event's own.
    Update,
    Keep,
    /// Google could not be read. What is said of the action is what was known before.
    Unknown,
    /// The event has none, and would get none: see the message.
    None,
}

/// An account goal that would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GoalChange {
    pub(super) customer_id: String,
    pub(super) category: String,
    pub(super) origin: String,
    pub(super) biddable: bool,
}

/// What an operator has done about the event so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AlreadySent {
    /// False: nobody could be asked, and what was sent already is counted as `wouldBeSent`.
    pub(super) known: bool,
    /// How many an operator has sent, also those that HubSpot does not show any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<u64>,
    pub(super) message: String,
}

/// Everything that one event's plan is made of.
pub(super) struct PlanFacts<'a> {
    /// The object as it is now.
    pub(super) before: &'a AdConversionEvent,
    /// It is there already, or may be.
    pub(super) applied: bool,
    /// The events of the plan that are not there yet.
    pub(super) new_events: &'a [ObjectKey],
    /// The object as the operator would leave it.
    pub(super) after: &'a AdConversionEvent,
    /// All changes at Google.
    pub(super) changes: &'a [(CustomerId, Change)],
    /// The conversions that the operator would have recorded.
    pub(super) conversions: &'a [ConversionEntry],
    /// Those that an operator has recorded, or why that is not known.
    pub(super) recorded: &'a Result<Vec<ConversionEntry>, String>,
    /// What of its accounts could not be read.
    pub(super) unread: Vec<UnreadItem>,
    /// HubSpot was asked for its conversions: an event that is stalled has none looked for.
    pub(super) looked_for: bool,
    pub(super) notes: Vec<String>,
}

impl PlanFacts<'_> {
    /// What could not be read, unless an account refuses us: that is a finding, and its condition says so.
    fn unread(&self, ready: Option<&Condition>) -> &[UnreadItem] {
        let refused = ready.is_some_and(|ready| ready.status == "False") && self.unread.iter().all(|u| !u.may_pass);
        if refused { &[] } else { &self.unread }
    }

    fn count(&self, unread: &[UnreadItem]) -> PlanCounts {
        let counts = count_conversions(self.conversions, self.recorded.as_deref().unwrap_or_default());
        let of_hubspot = self.unread.iter().any(|unread| unread.service == HUBSPOT);
        let is_answered = self.looked_for && unread.is_empty() && !of_hubspot;
        PlanCounts {
            // What an operator has recorded does not say that HubSpot was asked.
            known: is_answered || !self.conversions.is_empty(),
            ..counts
        }
    }

    fn condition_message(&self, name: &str) -> Option<String> {
        let conditions = &self.after.status.as_ref()?.conditions;
        Some(self.words(&find_condition(conditions, name)?.message))
    }

    /// What a condition says, as it holds for this event.
    fn words(&self, says: &str) -> String {
        if self.applied {
            says.to_owned()
        } else {
            words_before_apply(says, self.new_events)
        }
    }
}

/// The plan of one event.
pub(super) fn event_plan(facts: &PlanFacts<'_>) -> EventPlan {
    let status = facts.after.status.clone().unwrap_or_default();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let ready = find_condition(&status.conditions, condition::READY);
    let sync = status.sync.clone().unwrap_or_default();
    let errors = sync.last_errors.iter().map(|error| match &error.contact_id {
        Some(contact) => format!("{} (contact {contact})", error.message),
        None => error.message.clone(),
    });
    let unread = facts.unread(ready).to_vec();
    let (is_ready, reason, message) = readiness(ready, &unread);
    let message = facts.words(&message);
    let conversion_action = action_plan(facts, status.conversion_action.as_ref(), &unread);
    let conversions = facts.count(&unread);
    let already_sent = match facts.recorded {
        // To an action that is still to be made nobody has sent anything.
        Err(why) if why == NEVER_SEEN && conversion_action.change == ActionChange::Create => AlreadySent {
            known: true,
            count: Some(0),
            message: "Nothing: the conversion action is new.".to_owned(),
        },
        recorded => already_sent(recorded),
    };
    EventPlan {
        namespace: text(&facts.after.metadata.namespace),
        name: text(&facts.after.metadata.name),
        ready: is_ready,
        reason,
        message,
        conversion_action,
        unread,
        trigger: status.trigger.clone(),
        start_time: sync.start_time.as_ref().map(|start| start.0),
        conversions,
        already_sent,
        notes: facts.notes.iter().cloned().chain(errors).collect(),
    }
}

/// Said of an event of which not everything could be read.
const INCOMPLETE: &str = "Not everything could be read, so what follows is incomplete. Try again.";

/// Status, reason and message of the condition Ready. They say nothing certain while the operator would still be at
/// work, or if something could not be read.
fn readiness(ready: Option<&Condition>, unread: &[UnreadItem]) -> (String, String, String) {
    let unknown = || "Unknown".to_owned();
    if !unread.is_empty() {
        return (
            unknown(),
            reason::UPSTREAM_UNAVAILABLE.to_owned(),
            INCOMPLETE.to_owned(),
        );
    }
    match ready.cloned() {
        None => (unknown(), String::new(), String::new()),
        Some(ready) if ready.reason == reason::PROGRESSING => (unknown(), ready.reason, ready.message),
        Some(ready) => (ready.status, ready.reason, ready.message),
    }
}

fn action_plan(facts: &PlanFacts<'_>, action: Option<&ConversionActionStatus>, unread: &[UnreadItem]) -> ActionPlan {
    let unknown = unread.iter().any(|unread| unread.service == GOOGLE);
    let Some((action, id)) = action.and_then(|action| Some((action, action.id.as_ref()?))) else {
        return ActionPlan {
            change: if unknown {
                ActionChange::Unknown
            } else {
                ActionChange::None
            },
            customer_id: None,
            id: None,
            name: None,
            fields: Vec::new(),
            message: facts.condition_message(condition::CONVERSION_ACTION_READY),
        };
    };
    let of_action = |(owner, change): &&(CustomerId, Change)| {
        let (Change::Create { id: of, .. } | Change::Update { id: of, .. }) = change else {
            return false;
        };
        of.to_string() == *id && Some(owner.as_str()) == action.customer_id.as_deref()
    };
    let changes = || facts.changes.iter().filter(of_action).map(|(_, change)| change);
    let fields = joined(changes().flat_map(changed_fields).collect());
    let before = facts.before.status.as_ref().and_then(|s| s.conversion_action.as_ref());
    let had = before.is_some_and(|before| before.id.is_some());
    let change = match action.origin {
        _ if unknown => ActionChange::Unknown,
        _ if changes().any(|change| matches!(change, Change::Create { .. })) => ActionChange::Create,
        _ if had && fields.is_empty() => ActionChange::Keep,
        _ if had => ActionChange::Update,
        Some(ActionOrigin::Mapped) => ActionChange::Map,
        _ => ActionChange::Adopt,
    };
    ActionPlan {
        change,
        customer_id: action.customer_id.clone(),
        id: Some(id.clone()).filter(|_| change != ActionChange::Create),
        name: action.name.clone(),
        fields,
        message: None,
    }
}

fn changed_fields(change: &Change) -> Vec<FieldChange> {
    match change {
        Change::Create { fields, .. } => field_changes(None, fields),
        Change::Update { before, fields, .. } => field_changes(Some(before), fields),
        Change::Goal(_) => Vec::new(),
    }
}

/// The account goals among changes.
pub(super) fn goal_changes(changes: &[(CustomerId, Change)]) -> Vec<GoalChange> {
    let goal = |(owner, change): &(CustomerId, Change)| match change {
        Change::Goal(goal) => Some(GoalChange {
            customer_id: owner.to_string(),
            category: goal.category.clone(),
            origin: goal.origin.clone(),
            biddable: goal.biddable,
        }),
        Change::Create { .. } | Change::Update { .. } => None,
    };
    changes.iter().filter_map(goal).collect()
}

/// Said of an event that no operator has recorded anything of:
/// whether another event of its action has, nobody can be asked.
pub(super) const NEVER_SEEN: &str = "Unknown: no operator has this event yet. What an earlier event of the same conversion action has \
                                     sent counts as WouldBeSent here, and is not sent again.";

fn already_sent(recorded: &Result<Vec<ConversionEntry>, String>) -> AlreadySent {
    match recorded {
        Ok(recorded) => {
            let count = recorded.iter().filter(|c| is_sent(&c.outcome)).count() as u64;
            AlreadySent {
                known: true,
                count: Some(count),
                message: format!(
                    "An operator has recorded {}, {count} of them sent.",
                    counted(recorded.len() as u64, "conversion")
                ),
            }
        }
        Err(why) => AlreadySent {
            known: false,
            count: None,
            message: why.clone(),
        },
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
