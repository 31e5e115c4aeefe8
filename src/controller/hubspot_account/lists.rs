//! What is read of a portal beside its identity. Of most of it only some events have need, or nobody at the moment: where a part
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

impl ListReader<'_> {
    /// What was read; if that failed in a way that may pass, what is `known` instead.
    fn or_known<T>(
        &mut self,
        what: &str,
        read: Result<T, UpstreamError>,
        known: impl FnOnce(&KnownLists, &UpstreamError) -> Option<T>,
    ) -> Result<T, UpstreamError> {
        let error = match read {
            // Not one that is refused: HubSpot refuses a list by what the token may do, which a person has to know.
            Err(error) if error.is_of_this_call() => error,
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

    /// A token that may not see deals can do everything else. If HubSpot does not name the scopes, a call for a deal that nobody
    /// has shows.
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

/// The lifecycle stages, as two answers have them: an event keeps the stage that its label stands for when it is created.
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
