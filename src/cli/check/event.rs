//! What is probed of an event. All judgements are the operator's own; here they become lines.

use super::report::Probe;
use crate::api::reasons::reason;
use crate::api::{ActionOrigin, CREATE_AGAIN};
use crate::cli::offline::NotDone;
use crate::cli::output::foreign;
use crate::controller::ad_conversion_event::preview::{FoundTrigger, OtherEvents, Preview, Subject};
use crate::domain::action_plan::ActionStep;
use crate::domain::brief::counted;
use crate::domain::conditions::Status;
use crate::domain::declared::category_of;
use crate::domain::ids::{ActionId, ObjectKey};
use crate::domain::trigger::Trigger;

/// What is known of an account that an event names.
pub(super) enum AccountView<'a, T> {
    /// There is no such object.
    Missing,
    /// It is not known whether there is.
    Unknown(&'a NotDone),
    /// It cannot be used: its own lines say why.
    Broken,
    Read(&'a T),
}

impl<T> Clone for AccountView<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for AccountView<'_, T> {}

impl<'a, T> AccountView<'a, T> {
    pub(super) const fn read(self) -> Option<&'a T> {
        match self {
            Self::Read(account) => Some(account),
            Self::Missing | Self::Unknown(_) | Self::Broken => None,
        }
    }
}

/// What is known of an account, for a line about it.
pub(super) fn judge_account<T>(
    kind: &str,
    field: &str,
    key: &ObjectKey,
    account: AccountView<'_, T>,
    applied: bool,
) -> Probe {
    let (name, namespace) = (&key.name, &key.namespace);
    if name.is_empty() {
        let message = format!("{field} is missing. Name a {kind} of namespace {namespace}.");
        return Probe::finding(kind, reason::ACCOUNT_NOT_FOUND, message);
    }
    match account {
        AccountView::Missing => {
            let mistake = if applied {
                format!("{CREATE_AGAIN}.")
            } else {
                format!("correct {field}.name.")
            };
            let message = format!(
                "{kind} {name:?} does not exist in namespace {namespace}. Create it. If the name is a mistake, {mistake}"
            );
            Probe::finding(kind, reason::ACCOUNT_NOT_FOUND, message)
        }
        AccountView::Unknown(why) => Probe::not_done(kind, why),
        AccountView::Broken => Probe::skipped(kind, format!("{name} cannot be used yet: see its own lines.")),
        AccountView::Read(_) => Probe::fine(kind, format!("{name} can be used.")),
    }
}

/// The lines of an event that need no further question, in two parts: what is about HubSpot, and what is about Google.
pub(super) struct EventProbes {
    pub(super) of_hubspot: Vec<Probe>,
    pub(super) of_google: Vec<Probe>,
    /// The stage or form.
    pub(super) subject: Option<Subject>,
    /// The conversion action that is there, if one is.
    pub(super) action: Option<ActionId>,
}

const ACTION: &str = "conversion action";
const GOAL: &str = "account goal";

/// What stands beside an event.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) others: &'a OtherEvents<'a>,
    /// All events of the cluster are among them.
    pub(super) all_known: bool,
    /// The operator makes the account goals of its actions biddable.
    pub(super) managed_goals: bool,
}

/// Judges an event by what was read of its accounts.
pub(super) fn judge_event(preview: &Preview<'_>, beside: Surroundings<'_>) -> EventProbes {
    let trigger = preview.trigger();
    let of_hubspot = judge_hubspot_side(preview, &trigger);
    let mut of_google = judge_account_side(preview, trigger.subject.as_ref());
    let (action, probes) = judge_action(preview, &trigger, beside);
    of_google.extend(probes);
    EventProbes {
        of_hubspot,
        of_google,
        subject: trigger.subject,
        action,
    }
}

fn judge_hubspot_side(preview: &Preview<'_>, trigger: &FoundTrigger) -> Vec<Probe> {
    let start = preview.declared.start;
    let note = preview.declared.note_on_start().unwrap_or_default();
    let mut probes = vec![Probe::unless("start", preview.future_start(), || {
        format!("Conversions count from {start:.0}. {note}")
    })];
    let name = if preview.declared.is_form() { "form" } else { "stage" };
    let Some(hubspot) = preview.hubspot else {
        let skip = |probe: &str| Probe::skipped(probe, "Not probed without its HubSpotAccount.");
        probes.extend([name, "properties"].map(skip));
        return probes;
    };
    probes.push(match (&trigger.stall, &trigger.subject) {
        (Some((why, message)), _) => Probe::finding(name, why, message),
        (None, Some(subject)) => Probe::fine(name, subject_words(subject)),
        (None, None) => Probe::skipped(name, "HubSpot shows none."),
    });
    let named = preview.declared.named_properties();
    let named: Vec<_> = named.iter().map(|(_, property)| *property).collect();
    probes.push(if hubspot.properties.is_empty() {
        Probe::skipped("properties", "HubSpot shows none.")
    } else {
        Probe::unless("properties", preview.unknown_property(), || {
            format!("HubSpot has {}.", named.join(", "))
        })
    });
    if preview.declared.needs_deals() {
        probes.push(Probe::unless("value", preview.deals_denied(), || {
            "The token may read deals.".to_owned()
        }));
    }
    probes
}

fn subject_words(subject: &Subject) -> String {
    match &subject.trigger {
        Trigger::Stage(value) => format!("{value} ({:?}).", subject.label),
        Trigger::Form(id) => format!("{id} ({:?}).", subject.label),
    }
}

fn judge_account_side(preview: &Preview<'_>, subject: Option<&Subject>) -> Vec<Probe> {
    let mut probes = Vec::new();
    if preview.google.is_none() {
        return probes;
    }
    if !preview.declared.rules.share.is_empty() {
        probes.push(Probe::unless(
            "customer data terms",
            preview.terms_not_accepted(),
            || "They are accepted.".to_owned(),
        ));
    }
    if preview.declared.is_form() {
        probes.push(Probe::unless(
            "conversion tracking",
            preview.manager_account(subject),
            || "The account owns its conversion actions.".to_owned(),
        ));
    }
    probes
}

fn judge_action(
    preview: &Preview<'_>,
    trigger: &FoundTrigger,
    beside: Surroundings<'_>,
) -> (Option<ActionId>, Vec<Probe>) {
    let skip = |why: &str| (None, vec![Probe::skipped(ACTION, why), Probe::skipped(GOAL, why)]);
    if preview.google.is_none() {
        return skip("Not probed without its GoogleAdsAccount.");
    }
    let stall = preview
        .action_elsewhere()
        .or_else(|| preview.unprintable_name())
        .or_else(|| preview.rival(trigger, beside.others));
    if let Some((why, message)) = stall {
        let goal = Probe::skipped(GOAL, "Not probed, see above.");
        return (None, vec![Probe::finding(ACTION, why, message), goal]);
    }
    let Some((subject, step)) = trigger
        .subject
        .as_ref()
        .and_then(|subject| Some((subject, preview.action_step(subject, beside.others)?)))
    else {
        return skip("Not probed before the stage or form is found.");
    };
    let (id, line) = judge_step(preview, subject, &step, beside.all_known);
    (
        id,
        vec![line, judge_goal(preview, subject, &step, beside.managed_goals)],
    )
}

fn judge_step(
    preview: &Preview<'_>,
    subject: &Subject,
    step: &ActionStep,
    all_known: bool,
) -> (Option<ActionId>, Probe) {
    let name = |id: &ActionId| {
        preview
            .action(*id)
            .map(|action| action.name.clone())
            .unwrap_or_default()
    };
    let recorded = preview
        .status
        .and_then(|status| status.conversion_action.as_ref())
        .is_some();
    match step {
        ActionStep::Keep { id, origin } => {
            let what = match (origin, recorded) {
                (ActionOrigin::Mapped, _) => "is used as it is, and never changed",
                (ActionOrigin::Adopted, false) if !all_known => {
                    "is as declared. It would be adopted as it is, unless an event in the cluster has it, which is not known"
                }
                (ActionOrigin::Adopted, false) => {
                    "is as declared and belongs to no event: it would be adopted as it is"
                }
                _ => "is as declared",
            };
            (Some(*id), Probe::fine(ACTION, format!("{id} {:?} {what}.", name(id))))
        }
        ActionStep::Correct { id, difference, .. } => {
            let message = format!(
                "{id} {:?} has {difference}: it would be changed to what is declared.",
                name(id)
            );
            (Some(*id), Probe::fine(ACTION, message))
        }
        ActionStep::Create | ActionStep::LookLive => {
            let full = preview.to_create(subject);
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            let message = format!(
                "{:?} would be created ({}, {}, click window of {}).",
                foreign(&text(&full.name)),
                category_words(&text(&full.category)),
                counting_words(&text(&full.counting_type)),
                counted(full.click_window_days.unwrap_or_default().unsigned_abs(), "day")
            );
            (None, Probe::fine(ACTION, message))
        }
        ActionStep::AwaitCreate | ActionStep::AwaitListing => {
            (None, Probe::skipped(ACTION, "The operator is creating it."))
        }
        ActionStep::Stalled { reason, message } => (None, Probe::finding(ACTION, reason, message)),
    }
}

fn judge_goal(preview: &Preview<'_>, subject: &Subject, step: &ActionStep, managed_goals: bool) -> Probe {
    let (action, mapped) = match step {
        ActionStep::Keep { id, origin } | ActionStep::Correct { id, origin, .. } => {
            (preview.action(*id).cloned(), *origin == ActionOrigin::Mapped)
        }
        ActionStep::Create | ActionStep::LookLive | ActionStep::AwaitCreate | ActionStep::AwaitListing => {
            (preview.created_action(subject), false)
        }
        ActionStep::Stalled { .. } => return Probe::skipped(GOAL, "Not probed, see above."),
    };
    let Some((status, why, message)) = action.as_ref().and_then(|action| preview.bidding(action)) else {
        return Probe::skipped(GOAL, "Google shows none.");
    };
    match status {
        Status::True => Probe::fine(GOAL, message),
        Status::False if why == reason::GOAL_NOT_BIDDABLE && managed_goals && !mapped => {
            let text = |value: Option<String>| foreign(&value.unwrap_or_default());
            let (category, origin) = action.map_or((None, None), |action| (action.category, action.origin));
            let goal = format!("{} / {}", text(category), text(origin));
            let message = format!(
                "The account goal {goal} is not an account default yet. The operator makes it one, for all of the account's \
                 campaigns (spec.manageAccountGoals)."
            );
            Probe::fine(GOAL, message)
        }
        Status::False if why == reason::GOAL_NOT_BIDDABLE => Probe::finding(GOAL, why, message),
        Status::Unknown if matches!(step, ActionStep::Create | ActionStep::LookLive) => Probe::skipped(
            GOAL,
            "Known once the conversion action exists: Google does not list its goal yet.",
        ),
        // That it is secondary is what somebody wants.
        Status::False | Status::Unknown => Probe::skipped(GOAL, message),
    }
}

/// As a manifest names it.
fn category_words(name: &str) -> String {
    match category_of(name) {
        Some(category) => format!("category {category:?}"),
        None => format!("category {}", foreign(name)),
    }
}

/// As Google Ads names it on its pages.
fn counting_words(name: &str) -> &'static str {
    match name {
        "ONE_PER_CLICK" => "one conversion a click",
        _ => "every conversion of a click",
    }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
