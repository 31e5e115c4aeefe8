//! Records of HubSpot that cannot be read: each waits by itself, and is named to those it concerns.

use super::context::SyncContext;
use crate::api::reasons::row::UNREADABLE_RECORD;
use crate::domain::ids::{ContactId, ObjectKey};
use crate::registry::{ErrorNote, Notice};

/// What `status.sync.lastErrors` has room for.
const ROOM: usize = 5;

/// Names a contact that waits in an event's `lastErrors`; `what` of it cannot be read, and why. A later try (`again`)
/// says nothing new: it is named once more only if there is room, so that many such contacts don't push each other out
/// for ever.
pub fn report_contact(ctx: &SyncContext, event: &ObjectKey, contact: ContactId, what: &str, again: bool) {
    let message = format!("Contact {contact} waits: {what}. It is read again later; check it in HubSpot.");
    report_message(ctx, event, Some(contact), message, again);
}

/// What is wrong with a contact that answers leave out.
pub const NOT_SHOWN: &str = "HubSpot does not show it";

/// What is wrong with a contact of which reads show less than searches.
pub const OUTDATED: &str = "HubSpot's search shows a newer state of it than HubSpot's reads";

/// What is wrong with a contact that may be one that was sent before.
pub const UNKNOWN_MERGE: &str =
    "it may have been merged from contacts whose conversions were sent, and HubSpot does not say from which";

/// What of a contact cannot be read, where it is the contact itself.
pub fn contact_itself(why: &str) -> String {
    format!("it can't be read ({why})")
}

/// What of a contact cannot be read, where it is one property that the event needs.
pub fn property_of_it(name: &str) -> String {
    format!("its property {name} can't be read (HubSpot does not give it, or it is too long: shorten it in HubSpot)")
}

/// Tells an event about something without a contact's id that cannot be read.
pub fn report_message(ctx: &SyncContext, event: &ObjectKey, contact: Option<ContactId>, message: String, again: bool) {
    let note = ErrorNote {
        time: ctx.clock.now(),
        reason: UNREADABLE_RECORD.to_owned(),
        message,
        contact: contact.filter(|id| *id != ContactId::UNKNOWN).map(|id| id.0),
    };
    ctx.registry.update_report(event, |report| {
        let same = |known: &ErrorNote| (&known.reason, known.contact) == (&note.reason, note.contact);
        let is_known = report
            .errors
            .iter()
            .any(|known| same(known) && known.message == note.message);
        if is_known || (again && report.errors.len() >= ROOM) {
            return Notice::Quiet;
        }
        report.push_error(note);
        Notice::Soon
    });
}
