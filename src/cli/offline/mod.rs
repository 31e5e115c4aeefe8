//! What commands that work without an operator stand on: manifests out of files or the
//! cluster, the accounts that they name, and clients for these, all with the rights of
//! whoever runs the command. Nothing here can write to HubSpot or Google: see [`read_only`].

mod accounts;
mod data_manager;
mod documents;
mod manifests;
mod objects;
mod read_only;
mod schema;
mod sources;

pub(super) use self::accounts::{Obstacle, TRY_AGAIN};
pub(super) use self::data_manager::reach_data_manager;
pub(super) use self::manifests::RefusedManifest;
pub(super) use self::objects::{NotDone, UNJUDGED, Verified};
pub(super) use self::sources::{LoadedEvent, Offline, OfflineFlags};
use crate::api::CREATE_AGAIN;
use crate::controller::ad_conversion_event::preview::{OLDER, SEE_STALLED};
use crate::domain::action_plan::{IN_NEW_EVENT, NEW_ACTION};
use crate::domain::declared::BEFORE_CREATION;
use crate::domain::ids::ObjectKey;

const CORRECT: &str = "correct it in the manifest";

/// What is said of an event, as it holds for a manifest that is not applied: there is nothing to delete yet, and no
/// condition to look at. `new_events`: those that are not applied either, so that none of them is the older one.
pub(super) fn words_before_apply<'a>(says: &str, new_events: impl IntoIterator<Item = &'a ObjectKey>) -> String {
    let mut says = says
        .replace(CREATE_AGAIN, CORRECT)
        .replace(NEW_ACTION, CORRECT)
        .replace(IN_NEW_EVENT, "")
        .replace(SEE_STALLED, "")
        .replace(BEFORE_CREATION, "before now");
    if says.contains(OLDER) {
        for rival in new_events {
            let wanted = format!("is wanted by event {rival} too. Leave one of the two out");
            says = says.replace(&format!("belongs to event {rival}{OLDER}"), &wanted);
        }
    }
    says
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_applied_has_no_past() {
        let new = [ObjectKey::new("marketing", "first")];
        let words = |says: String| words_before_apply(&says, &new);
        assert_eq!(
            words(format!("If not, {CREATE_AGAIN}.")),
            "If not, correct it in the manifest."
        );
        assert_eq!(
            words(format!("To use another: {NEW_ACTION}.")),
            "To use another: correct it in the manifest."
        );
        assert_eq!(words(format!("map it{IN_NEW_EVENT}.")), "map it.");
        assert_eq!(words(format!("Waiting.{SEE_STALLED}")), "Waiting.");
        assert_eq!(
            words(format!("90 days {BEFORE_CREATION} (T)")),
            "90 days before now (T)"
        );
        let rival = |name: &str| words(format!("It belongs to event marketing/{name}{OLDER}, or rename it."));
        assert_eq!(
            rival("first"),
            "It is wanted by event marketing/first too. Leave one of the two out, or rename it."
        );
        assert!(rival("applied").contains("which is older"));
    }
}
