//! The contact that a question is about, as HubSpot shows it now.

use super::patience::Patience;
use crate::domain::brief::brief;
use crate::domain::contact::Contact;
use crate::domain::eligibility::properties_of;
use crate::domain::ids::ContactId;
use crate::ports::crm::{ContactRead, Crm};
use crate::ports::{Cause, UpstreamError};
use crate::registry::Event;

/// What HubSpot shows of it now.
pub(super) enum FoundContact {
    Shown(Contact),
    /// HubSpot says that there is none.
    Deleted,
    /// Nothing can be told.
    Unknown,
}

impl FoundContact {
    pub(super) const fn shown(&self) -> Option<&Contact> {
        match self {
            Self::Shown(contact) => Some(contact),
            Self::Deleted | Self::Unknown => None,
        }
    }
}

/// Reads what the event needs of it. The notes say where nothing can be told from that.
pub(super) async fn read_contact(
    crm: &dyn Crm,
    event: &Event,
    id: ContactId,
    patience: Patience,
    notes: &mut Vec<String>,
) -> FoundContact {
    let (properties, with_history) = properties_of([&event.rules]);
    let read = ContactRead {
        ids: vec![id],
        properties,
        with_history,
    };
    let batch = match patience.wait(crm.read_contacts(&read)).await {
        Ok(batch) => batch,
        Err(error) => {
            notes.push(describe_failure(error));
            return FoundContact::Unknown;
        }
    };
    let found = batch.contacts.into_iter().find(|contact| contact.requested_id == id);
    if let Some(why) = batch.unreadable.get(&id) {
        notes.push(describe_unreadable(why));
    } else if batch.deleted.contains(&id) {
        notes.push("HubSpot says that there is no contact of this id: it was deleted or never existed.".to_owned());
        return FoundContact::Deleted;
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
        return FoundContact::Unknown;
    }
    found.map_or(FoundContact::Unknown, FoundContact::Shown)
}

/// Of one contact alone a failure and an odd answer come alike.
fn describe_unreadable(why: &str) -> String {
    format!(
        "HubSpot does not show the contact in a way that can be read: {}. What follows is from the ledger alone. Ask again later for \
         the rest; if it stays so, look at the contact in HubSpot.",
        brief(why)
    )
}

/// The failure, and the way to the rest of the answer.
fn describe_failure(error: UpstreamError) -> String {
    let way_out = match error.cause {
        Cause::CredentialsRejected => {
            "To see the rest, put a token that HubSpot takes into the Secret of the event's HubSpotAccount, and ask again."
        }
        Cause::MissingScope | Cause::AccessDenied => {
            "To see the rest, give the token of the event's HubSpotAccount the right that it lacks, and ask again."
        }
        _ => "Ask again later for the rest.",
    };
    format!(
        "HubSpot did not show the contact: {}. What follows is from the ledger alone. {way_out}",
        brief(error)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_is_not_said_to_be_shown_oddly() {
        let said = describe_unreadable("HTTP 503");
        assert!(
            said.starts_with("HubSpot does not show the contact")
                && said.contains("HTTP 503. What follows is from the ledger alone."),
            "{said}"
        );
    }

    #[rstest::rstest]
    #[case(Cause::CredentialsRejected, "put a token that HubSpot takes into the Secret")]
    #[case(Cause::MissingScope, "the right that it lacks")]
    #[case(Cause::Unavailable, "Ask again later")]
    fn only_what_passes_is_waited_for(#[case] cause: Cause, #[case] way_out: &str) {
        let said = describe_failure(UpstreamError::new("HubSpot", cause, "it failed"));
        assert!(
            said.contains("from the ledger alone") && said.contains(way_out),
            "{said}"
        );
    }
}
