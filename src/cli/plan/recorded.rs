//! What an operator has recorded of an event, asked as `conversions` asks it.

use super::conversion::{Conversion, Page, list_path};
use super::loading::LoadedPlan;
use super::report::NEVER_SEEN;
use crate::api::AdConversionEvent;
use crate::cli::ask::OperatorPlace;
use crate::cli::cluster::ConnectFlags;
use crate::cli::command_error::CommandError;
use crate::cli::kube_words::is_refusal;
use crate::controller::shared::object::Object as _;

/// What an operator has recorded is not known.
pub(super) struct Unrecorded {
    /// Why.
    pub(super) says: String,
    /// The user lacks the right to ask.
    pub(super) refused: bool,
}

/// The conversions that an operator has recorded of an event; why that is not known, if so.
pub(super) async fn recorded_conversions(
    planned: &LoadedPlan,
    place: &OperatorPlace,
    cluster: &ConnectFlags,
) -> Result<Vec<Conversion>, Unrecorded> {
    if planned.in_doubt {
        return Err(Unrecorded {
            says: "Unknown: it is not known whether the event is applied already.".to_owned(),
            refused: false,
        });
    }
    let event = &planned.event;
    let sync = event.status.as_ref().and_then(|status| status.sync.as_ref());
    if sync.is_none_or(|sync| sync.ledger_id.is_none()) {
        return Err(Unrecorded {
            says: NEVER_SEEN.to_owned(),
            refused: false,
        });
    }
    ask(event, place, cluster).await.map_err(|why| {
        let said = why.to_string();
        Unrecorded {
            says: format!(
                "Unknown: {}. What was sent already counts as WouldBeSent here.",
                said.trim_end_matches('.')
            ),
            refused: is_refusal(&why),
        }
    })
}

async fn ask(
    event: &AdConversionEvent,
    place: &OperatorPlace,
    cluster: &ConnectFlags,
) -> Result<Vec<Conversion>, CommandError> {
    let operator = place.connect(cluster, 0).await?;
    let key = event.key();
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let query: Vec<(&str, String)> = after.map(|after| ("after", after)).into_iter().collect();
        let page: Page = operator.get(&list_path(&key), &query).await?;
        all.extend(page.conversions);
        after = page.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}
