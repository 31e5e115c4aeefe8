//! The deals of a contact, for the words about its value.

use super::answer::AdminRefusal;
use super::patience::Patience;
use crate::domain::contact::{Contact, Deal};
use crate::domain::eligibility::{EventRules, ValueRule};
use crate::ports::UpstreamError;
use crate::ports::crm::Crm;

/// Most deals of one read (docs/reference/hubspot.md 6.2).
const MAX_DEALS: usize = 100;
/// Most deals of one contact that are read for an answer.
const MAX_READ: usize = 1_000;

/// The deals of a contact, if the event's values come from deals; `None`, with a note that says why, if they cannot be
/// read: the rest of the answer stands without them.
pub(super) async fn read_deals(
    crm: &dyn Crm,
    rules: &EventRules,
    contact: &Contact,
    patience: Patience,
    notes: &mut Vec<String>,
) -> Option<Vec<Deal>> {
    if !matches!(rules.value, Some(ValueRule::DealAmount { .. })) {
        return None;
    }
    let why = match patience.wait(find_deals(crm, contact)).await {
        Ok(Ok(deals)) => return Some(deals),
        Ok(Err(why)) => why,
        Err(error) => AdminRefusal::from(error).message(),
    };
    notes.push(format!("The deals of the contact can't be read: {why}"));
    None
}

async fn find_deals(crm: &dyn Crm, contact: &Contact) -> Result<Result<Vec<Deal>, String>, UpstreamError> {
    let mut links = crm.deals_of(&[contact.id]).await?;
    if let Some(why) = links.unreadable.remove(&contact.id) {
        return Ok(Err(why));
    }
    let ids = links.deals.remove(&contact.id).unwrap_or_default();
    if ids.is_empty() && contact.has_deals() {
        return Ok(Err("HubSpot counts deals for it, but shows none".to_owned()));
    }
    if ids.len() > MAX_READ {
        return Ok(Err(format!("it has {}, and at most {MAX_READ} are read", ids.len())));
    }
    let mut deals = Vec::new();
    for chunk in ids.chunks(MAX_DEALS) {
        let batch = crm.read_deals(chunk).await?;
        // One that can't be read may be the latest.
        if let Some((id, why)) = batch.unreadable.first_key_value() {
            return Ok(Err(format!("deal {id}: {why}")));
        }
        deals.extend(batch.deals);
    }
    Ok(Ok(deals))
}
