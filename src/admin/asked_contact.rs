//! The contact that somebody asks about: by its id, or found by its address.

use serde::Deserialize;

use super::answer::AdminRefusal;
use super::patience::Patience;
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
const LARGE_ID: &str =
    "No HubSpot contact has so large an id. It is the number in the address of the contact's page in HubSpot.";
pub(super) const TOO_LONG: &str =
    "That is too long for the id or e-mail address of a contact, which has at most 320 characters.";
/// Longest e-mail address, in characters (RFC 3696, section 3).
const LONGEST: usize = 320;

pub(super) const NOT_ASKED: &str = "HubSpot was not asked, as the event is stalled or its HubSpotAccount is not ready or suspended: \
                         see the event's conditions. What follows is from the ledger alone.";

/// Whom the question is about; `None` if HubSpot knows nobody of this address.
pub(super) async fn asked_contact(
    question: &ContactQuestion,
    crm: Option<&dyn Crm>,
    patience: Patience,
) -> Result<Option<ContactId>, AdminRefusal> {
    let asked = [&question.contact, &question.email];
    if asked.into_iter().flatten().any(|text| text.chars().count() > LONGEST) {
        return Err(AdminRefusal::Malformed(TOO_LONG.to_owned()));
    }
    match (question.contact.as_deref(), question.email.as_deref(), crm) {
        (Some(id), None, _) => parse_id(id.trim()).map(Some),
        (None, Some(_), None) => Err(AdminRefusal::Failed(NOT_ASKED.to_owned())),
        (None, Some(email), Some(crm)) => patience
            .wait(find_by_email(crm, email))
            .await
            .map_err(refuse_by_email)?
            .map_err(|()| AdminRefusal::Failed(UNREADABLE.to_owned())),
        _ => Err(AdminRefusal::Malformed(ASK_SO.to_owned())),
    }
}

fn parse_id(text: &str) -> Result<ContactId, AdminRefusal> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let why = if digits { LARGE_ID } else { NO_ID };
    text.parse().map_err(|_| AdminRefusal::Malformed(why.to_owned()))
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

const UNREADABLE: &str =
    "HubSpot gives no answer about this address that can be read. Ask again later, or with the contact's id.";

/// Whose this address is; an error without words if HubSpot's answer cannot be read.
async fn find_by_email(crm: &dyn Crm, email: &str) -> Result<Result<Option<ContactId>, ()>, UpstreamError> {
    let address = email.trim().to_lowercase();
    let mut asked = vec![address.clone()];
    let mut found = crm.read_by_email(&asked, &[]).await?;
    if found.unreadable.contains_key(&address) {
        // HubSpot refuses what it does not take for an address. That it is no other refusal shows where it answers for
        // another one beside it.
        asked.push(ANY_ADDRESS.to_owned());
        found = crm.read_by_email(&asked, &[]).await?;
    }
    if found.unreadable.contains_key(&address) {
        return Ok(Err(()));
    }
    Ok(Ok(found.contacts.get(&address).map(|contact| contact.id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("51", true, "")]
    #[case("ada", false, NO_ID)]
    #[case("", false, NO_ID)]
    #[case("18446744073709551616", false, LARGE_ID)]
    #[case(&"1".repeat(LONGEST + 1), false, TOO_LONG)]
    #[case(&format!("{}@example.com", "a".repeat(LONGEST)), false, TOO_LONG)]
    #[tokio::test]
    async fn what_is_wrong_with_an_id_is_named(#[case] typed: &str, #[case] taken: bool, #[case] why: &str) {
        let asked = asked_contact(&ContactQuestion::about(typed), None, Patience::begin()).await;
        match asked {
            Ok(id) => assert!(taken && id.is_some(), "{id:?}"),
            Err(refused) => assert_eq!((taken, refused.message().as_str()), (false, why)),
        }
    }
}
