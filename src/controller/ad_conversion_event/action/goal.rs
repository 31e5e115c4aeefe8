//! The account goal of an action of ours, if the account asks for it (`spec.manageAccountGoals`): made biddable.

use super::work::Work;
use crate::api::ActionOrigin;
use crate::api::reasons::event as happened;
use crate::controller::shared::google_actions::refresh_google_actions;
use crate::controller::shared::recorder::Severity;
use crate::domain::action::ConversionAction;
use crate::domain::brief::brief;
use crate::ports::stopping::begin_unfinished_step;

/// Makes the account goal of a primary action of ours biddable. A failure changes nothing about the action: the
/// condition `CountedForBidding` goes on saying that the goal is not biddable, and the next pass tries again.
pub(crate) async fn manage_goal(work: &Work<'_>, action: &ConversionAction, origin: ActionOrigin) {
    let managed = work.ctx.caches.manages_goals(&work.account.key);
    let Some(snapshot) = work
        .account
        .snapshot
        .as_ref()
        .filter(|_| managed && origin != ActionOrigin::Mapped && work.hands_off.is_none())
    else {
        return;
    };
    let Some(goal) = action.goal_in(&snapshot.goals) else {
        return;
    };
    if goal.biddable || action.primary_for_goal == Some(false) {
        return;
    }
    if !has_same_goal(work, action).await {
        return;
    }
    let answer = work.ads.set_goal_biddable(&work.owner, goal, true).await;
    let _step = begin_unfinished_step();
    match answer {
        Ok(()) => {
            let note = format!(
                "Made the account goal {} / {} biddable (spec.manageAccountGoals).",
                goal.category, goal.origin
            );
            work.publish_event(Severity::Normal, happened::CONVERSION_ACTION_UPDATED, &note)
                .await;
            work.ctx.registry.goals_changed(&work.account.key);
        }
        Err(error) => {
            tracing::warn!(account = %work.account.key, error = brief(&error), "the account goal could not be made biddable");
            work.ctx.registry.ad_account_fault(&work.account.key, &error);
        }
    }
}

/// True if a second read says the same about which goal the action is of: all of the account is bid by it.
async fn has_same_goal(work: &Work<'_>, action: &ConversionAction) -> bool {
    let goal_of = |a: &ConversionAction| (a.category.clone(), a.origin.clone(), a.primary_for_goal);
    match refresh_google_actions(work.ctx, &work.account.key).await {
        Ok(snapshot) => {
            let again = snapshot.actions.iter().find(|a| a.id == action.id);
            again.is_some_and(|again| goal_of(again) == goal_of(action))
        }
        Err(error) => {
            tracing::debug!(account = %work.account.key, error = brief(&error), "the goal of an action could not be re-read");
            false
        }
    }
}
