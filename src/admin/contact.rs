//! The contact that a question is about, as HubSpot shows it now.

use crate::domain::brief::brief;
use crate::domain::contact::Contact;
use crate::domain::eligibility::properties_of;
use crate::domain::ids::ContactId;
use crate::ports::crm::{ContactRead, Crm};
use crate::registry::Event;

/// Reads what the event needs of it; `None`, with a note that says why, if nothing can be said from it.
pub(super) async fn read_contact(
    crm: &dyn Crm,
    event: &Event,
    id: ContactId,
    notes: &mut Vec<String>,
) -> Option<Contact> {
    let (properties, with_history) = properties_of([&event.rules]);
    let read = ContactRead {
        ids: vec![id],
        properties,
        with_history,
    };
    let batch = match crm.read_contacts(&read).await {
        Ok(batch) => batch,
        Err(error) => {
            notes.push(format!(
                "HubSpot did not show the contact: {}. What follows is from the ledger alone; ask again later for the rest.",
                brief(error)
            ));
            return None;
        }
    };
    let found = batch.contacts.into_iter().find(|contact| contact.requested_id == id);
    if let Some(why) = batch.unreadable.get(&id) {
        notes.push(format!(
            "HubSpot shows the contact in a form that the operator does not understand: {why}"
        ));
    } else if batch.deleted.contains(&id) {
        notes.push("HubSpot says that there is no contact of this id: it was deleted or never existed.".to_owned());
    } else if found.is_none() {
        notes.push("HubSpot does not show a contact of this id.".to_owned());
    }
    if let Some(flaw) = found.as_ref().and_then(|contact| contact.flaw.as_ref()) {
        notes.push(format!("Not all of the contact can be read: {}", flaw.why));
    }
    if let Some(name) = found.as_ref().and_then(|contact| event.rules.unread_of(contact)) {
        notes.push(format!(
            "HubSpot does not give the contact's property {name}, which the event needs, or it is too long to be read: nothing is \
             decided now, see the event's condition Synced and lastErrors. What follows is from the ledger alone."
        ));
        return None;
    }
    found
}
