//! The condition `CountedForBidding`.

use super::assessment::EventAssessment;
use crate::api::reasons::{condition, reason};
use crate::domain::action::{ConversionAction, Goal};
use crate::domain::conditions::{Conditions, Status};

/// Whether Google bids by the action: primary, and its goal biddable for the account.
pub(crate) fn set_bidding(conditions: &mut Conditions, facts: &EventAssessment<'_>) {
    let (Some(action), Some(snapshot)) = (&facts.outcome.found, facts.resolved.google_snapshot()) else {
        conditions.restate(condition::COUNTED_FOR_BIDDING);
        return;
    };
    let (status, why, message) = bidding_of(action, &snapshot.goals);
    conditions.set(condition::COUNTED_FOR_BIDDING, status, why, &message);
}

/// Whether Google bids by an action, given the goals of its account: status, reason and message of the condition.
pub(super) fn bidding_of(action: &ConversionAction, goals: &[Goal]) -> (Status, &'static str, String) {
    match (action.primary_for_goal, action.goal_in(goals).map(|goal| goal.biddable)) {
        (Some(false), _) => (
            Status::False,
            reason::SECONDARY_ACTION,
            "This is a secondary action: Google lists it under \"All conversions\" and does not bid by it (spec.includeInConversions).".to_owned(),
        ),
        (_, Some(true)) => (Status::True, reason::GOAL_BIDDABLE, "This is a primary action, and its goal is an account default: Google bids by it.".to_owned()),
        (_, Some(false)) => (
            Status::False,
            reason::GOAL_NOT_BIDDABLE,
            format!(
                "The account goal {} / {} is not an account default, so campaigns don't bid by it. Make it one in Google Ads (Goals > Conversions), or set spec.manageAccountGoals on the GoogleAdsAccount.",
                action.category.as_deref().unwrap_or("?"),
                action.origin.as_deref().unwrap_or("?")
            ),
        ),
        (_, None) => (Status::Unknown, reason::PROGRESSING, "Google does not list the goal of this action yet.".to_owned()),
    }
}
