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

pub(super) use self::accounts::Obstacle;
pub(super) use self::data_manager::reach_data_manager;
pub(super) use self::manifests::RefusedManifest;
pub(super) use self::objects::{NotDone, UNJUDGED, Verified};
pub(super) use self::sources::{LoadedEvent, Offline, OfflineFlags};
use crate::api::CREATE_AGAIN;

/// What is said of an event, as it holds for a manifest that is not applied: there is nothing to delete yet.
pub(super) fn words_before_apply(says: &str) -> String {
    says.replace(CREATE_AGAIN, "correct it in the manifest")
}
