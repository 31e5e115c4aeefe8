//! The contact that somebody asks about: by its id, or found by its address.

use serde::Deserialize;

use super::answer::AdminRefusal;
use crate::domain::brief::brief;
use crate::domain::ids::ContactId;
use crate::ports::UpstreamError;
use crate::ports::crm::Crm;

/// Whom the question is about. An e-mail address is used to look the contact up, and neither logged nor repeated.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactQuestion {
    #[serde(default)]
    contact: Option<String>,
    #[serde(default)]
    email: Option<String>,
}

impl ContactQuestion {
    /// What somebody typed: an id, or an address.
    pub(super) fn about(typed: &str) -> Self {
        let typed = Some(typed.trim().to_owned());
        let (contact, email) = if typed.as_ref().is_some_and(|text| text.contains('@')) {
            (None, typed)
        } else {
            (typed, None)
        };
        Self { contact, email }
    }
}

pub(super) const ASK_SO: &str = r#"ask with {"contact": "ID"}, the id of a HubSpot contact, or with {"email": "ADDRESS"}, as content-type: application/json"#;

const NO_ID: &str = "The id of a HubSpot contact is a number, the one in the address of its page in HubSpot. You can \
                     also ask with its e-mail address.";

pub(super) const NOT_ASKED: &str = "HubSpot was not asked, as the event is stalled or its HubSpotAccount is not ready or suspended: \
                         see the event's conditions. What follows is from the ledger alone.";

/// Whom the question is about; `None` if HubSpot knows nobody of this address.
pub(super) async fn asked_contact(
    question: &ContactQuestion,
    crm: Option<&dyn Crm>,
) -> Result<Option<ContactId>, AdminRefusal> {
    match (question.contact.as_deref(), question.email.as_deref(), crm) {
        (Some(id), None, _) => {
            let id = id
                .trim()
                .parse()
                .map_err(|_| AdminRefusal::Malformed(NO_ID.to_owned()))?;
            Ok(Some(id))
        }
        (None, Some(_), None) => Err(AdminRefusal::Failed(NOT_ASKED.to_owned())),
        (None, Some(email), Some(crm)) => find_by_email(crm, email).await,
        _ => Err(AdminRefusal::Malformed(ASK_SO.to_owned())),
    }
}

/// A well-formed address, of nobody in particular (RFC 2606).
const ANY_ADDRESS: &str = "anybody@example.com";

/// Without HubSpot nobody knows whose an address is.
fn refuse_by_email(error: UpstreamError) -> AdminRefusal {
    AdminRefusal::Failed(format!(
        "HubSpot was asked whose this address is, and failed: {}. Ask with the contact's id: what the ledger has of it needs no HubSpot.",
        brief(error)
    ))
}

async fn find_by_email(crm: &dyn Crm, email: &str) -> Result<Option<ContactId>, AdminRefusal> {
    let address = email.trim().to_lowercase();
    let mut asked = vec![address.clone()];
    let mut found = crm.read_by_email(&asked, &[]).await.map_err(refuse_by_email)?;
    if found.unreadable.contains_key(&address) {
        // HubSpot refuses what it does not take for an address. That it is no other refusal shows where it answers for
        // another one beside it.
        asked.push(ANY_ADDRESS.to_owned());
        found = crm.read_by_email(&asked, &[]).await.map_err(refuse_by_email)?;
    }
    if found.unreadable.contains_key(&address) {
        return Err(AdminRefusal::Failed(
            "HubSpot shows the contact in a form that the operator does not understand.".to_owned(),
        ));
    }
    Ok(found.contacts.get(&address).map(|contact| contact.id))
}
