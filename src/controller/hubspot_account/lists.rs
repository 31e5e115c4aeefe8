//! What is read of a portal besides its identity. Only some events need most of it, or none at the moment: if a part
//! can't be read, what was known of it before stands, and the account says so.

use std::sync::Arc;

use crate::domain::ids::DealId;
use crate::ports::crm::{Crm, Stage, TokenInfo};
use crate::ports::{Cause, UpstreamError};
use crate::registry::{DealAccess, Forms};

/// The scope of events with `value.dealAmount`.
const DEALS: &str = "crm.objects.deals.read";

/// What was read of the portal before, in this process or in one before.
#[derive(Debug, Default)]
pub(super) struct KnownLists {
    pub is_read: bool,
    pub stages: Arc<Vec<Stage>>,
    pub properties: Arc<Vec<String>>,
    pub forms: Forms,
    pub deals: DealAccess,
}

/// Reads the parts one by one.
pub(super) struct ListReader<'a> {
    pub crm: &'a dyn Crm,
    pub known: KnownLists,
    /// What could not be read, for people.
    pub unread: Vec<String>,
}

/// True for a failure that the token or the account need not be the reason of: each list has a scope of its own, and
/// the portal's details were answered just before.
fn is_of_the_list(error: &UpstreamError) -> bool {
    error.may_concern_a_list() || (error.cause == Cause::MissingScope && error.status.is_some())
}

impl ListReader<'_> {
    /// What was read; if that failed for no reason of the account's, what is `known` instead.
    fn or_known<T>(
        &mut self,
        what: &str,
        read: Result<T, UpstreamError>,
        known: impl FnOnce(&KnownLists, &UpstreamError) -> Option<T>,
    ) -> Result<T, UpstreamError> {
        let error = match read {
            Err(error) if is_of_the_list(&error) => error,
            read => return read,
        };
        let Some(known) = known(&self.known, &error) else {
            return Err(error);
        };
        self.unread.push(format!("{what} ({})", error.without_request_id()));
        Ok(known)
    }

    /// What HubSpot says of the token. Where it does not, the portal's own details say whose it is.
    pub(super) async fn token_info(&mut self) -> Result<TokenInfo, UpstreamError> {
        let read = self.crm.token_info().await;
        self.or_known("what the token may do", read, |known, _| {
            known.is_read.then(TokenInfo::default)
        })
    }

    pub(super) async fn stages(&mut self) -> Result<Arc<Vec<Stage>>, UpstreamError> {
        let read = certain_stages(self.crm, &self.known.stages).await.map(Arc::new);
        self.or_known("the lifecycle stages", read, |known, _| {
            known.is_read.then(|| Arc::clone(&known.stages))
        })
    }

    pub(super) async fn properties(&mut self) -> Result<Arc<Vec<String>>, UpstreamError> {
        let read = self.crm.property_names().await.map(Arc::new);
        self.or_known("the names of contact properties", read, |known, _| {
            known.is_read.then(|| Arc::clone(&known.properties))
        })
    }

    /// A token that may not see forms can do everything else.
    pub(super) async fn forms(&mut self) -> Result<Forms, UpstreamError> {
        let read = match self.crm.list_forms().await {
            Ok(forms) => Ok(Forms::Listed(Arc::new(forms))),
            Err(error) if is_denied(&error) => Ok(Forms::Denied(error.to_string())),
            Err(error) => Err(error),
        };
        self.or_known("the list of forms", read, |known, error| {
            Some(match &known.forms {
                Forms::Unread | Forms::Failed(_) => Forms::Failed(error.without_request_id()),
                forms => forms.clone(),
            })
        })
    }

    /// A token that may not see deals can do everything else. If HubSpot
    /// does not name the scopes, a call for a deal that nobody has shows.
    pub(super) async fn deal_access(&mut self, granted: Option<&[String]>) -> Result<DealAccess, UpstreamError> {
        if let Some(granted) = granted {
            return Ok(if granted.iter().any(|scope| scope == DEALS) {
                DealAccess::Granted
            } else {
                DealAccess::Denied("it is not among the token's scopes".to_owned())
            });
        }
        let read = match self.crm.read_deals(&[DealId::NOBODY]).await {
            Ok(_) => Ok(DealAccess::Granted),
            Err(error) if is_denied(&error) => Ok(DealAccess::Denied(error.to_string())),
            Err(error) => Err(error),
        };
        // Unless it is known, reads of deals will show.
        self.or_known("whether the token may read deals", read, |known, _| {
            Some(match &known.deals {
                DealAccess::Unasked => DealAccess::Granted,
                deals => deals.clone(),
            })
        })
    }
}

fn is_denied(error: &UpstreamError) -> bool {
    matches!(error.cause, Cause::MissingScope | Cause::AccessDenied) && !error.is_unexplained()
}

/// The lifecycle stages, as two answers have them: an event
/// keeps the stage that its label stands for when it is created.
async fn certain_stages(crm: &dyn Crm, known: &[Stage]) -> Result<Vec<Stage>, UpstreamError> {
    let stages = crm.read_stages().await?;
    if stages == known {
        return Ok(stages);
    }
    let again = crm.read_stages().await?;
    if again == stages || again == known {
        return Ok(again);
    }
    let differ = "two lists of the portal's lifecycle stages in a row differ";
    Err(UpstreamError::new("HubSpot", Cause::Malformed, differ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::broken(Cause::Unavailable, None, true)]
    #[case::garbled(Cause::Malformed, None, true)]
    #[case::a_login_page(Cause::CredentialsRejected, None, true)]
    #[case::the_token(Cause::CredentialsRejected, Some("INVALID_AUTHENTICATION"), false)]
    #[case::a_scope(Cause::MissingScope, Some("MISSING_SCOPES"), true)]
    #[case::denied(Cause::AccessDenied, Some("FORBIDDEN"), true)]
    #[case::gone(Cause::NotFound, Some("OBJECT_NOT_FOUND"), true)]
    #[case::refused(Cause::Refused, Some("VALIDATION_ERROR"), true)]
    #[case::slow_down(Cause::RateLimited, None, false)]
    #[case::the_day_is_over(Cause::QuotaExhausted, Some("DAILY"), false)]
    #[case::a_router_page(Cause::UnsupportedVersion, None, true)]
    fn what_is_no_matter_of_the_account(#[case] cause: Cause, #[case] code: Option<&str>, #[case] expected: bool) {
        let error = UpstreamError {
            code: code.map(str::to_owned),
            status: Some(500),
            ..UpstreamError::new("HubSpot", cause, "no")
        };
        assert_eq!(is_of_the_list(&error), expected);
        let not_called = UpstreamError { status: None, ..error };
        assert!(not_called.may_concern_a_part() || !is_of_the_list(&not_called));
    }
}
