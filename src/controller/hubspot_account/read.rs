//! Reads of a HubSpot account: the portal behind the token, what the token may do, stages and properties.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::HubSpotAccount as Manifest;
use crate::api::reasons::reason;
use crate::controller::account::Basics;
use crate::controller::context::Settings;
use crate::domain::account_trouble::{Fault, FaultKind, later};
use crate::domain::ids::PortalId;
use crate::sync::ports::Cause;
use crate::sync::ports::crm::{Crm, Portal, Stage};
use crate::sync::registry::Forms;

/// Scopes without which nothing can be read.
const SCOPES: [&str; 2] = ["crm.objects.contacts.read", "crm.objects.deals.read"];
/// How many checks of the Secret pass between two reads: a quarter of an hour at one check a minute.
const CHECKS: u32 = 15;

/// Time between two reads where nothing is wrong.
pub(super) fn interval(settings: &Settings) -> Duration {
    settings.account_check_interval.saturating_mul(CHECKS)
}

/// What is known about the portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Picture {
    pub portal: Portal,
    pub stages: Arc<Vec<Stage>>,
    pub properties: Arc<Vec<String>>,
    pub forms: Forms,
    pub read_at: Timestamp,
}

/// Which portal it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pins {
    /// `spec.portalId`.
    declared: Option<u64>,
    /// The first one seen.
    seen: Option<u64>,
}

impl Pins {
    pub fn of(object: &Manifest, picture: Option<&Picture>) -> Self {
        let pinned = object
            .status
            .as_ref()
            .and_then(|s| s.portal_id)
            .and_then(|id| u64::try_from(id).ok());
        Self {
            declared: object.spec.portal_id.and_then(|id| u64::try_from(id).ok()),
            seen: pinned.or_else(|| picture.map(|p| p.portal.id.0)),
        }
    }

    fn check(self, PortalId(opened): PortalId) -> Result<(), Fault> {
        let message = match (self.declared, self.seen) {
            (Some(declared), _) if declared != opened => format!(
                "The token in the Secret belongs to HubSpot portal {opened}, but spec.portalId is {declared}. Put a token of \
                 portal {declared} into the Secret, or correct spec.portalId."
            ),
            (_, Some(seen)) if seen != opened => format!(
                "The token in the Secret belongs to HubSpot portal {opened}, but this account has read portal {seen} so far. \
                 Put a token of portal {seen} back, or create another HubSpotAccount for portal {opened}."
            ),
            _ => return Ok(()),
        };
        Err(Fault::new(FaultKind::Denied, reason::PORTAL_MISMATCH, message))
    }
}

impl Picture {
    /// A form of this GUID. A name may have come to stand for two forms since.
    fn lists(&self, id: &str) -> bool {
        matches!(&self.forms, Forms::Listed(forms, _) if forms.iter().any(|f| f.id.eq_ignore_ascii_case(id)))
    }

    /// When it is to be read again: sooner where forms could not be seen, at once where an event names a form and the
    /// list is older than it.
    pub fn due(&self, wanted: &[(String, Timestamp)], settings: &Settings) -> Timestamp {
        let regular = later(self.read_at, interval(settings));
        match &self.forms {
            _ if wanted.is_empty() => regular,
            Forms::Unread => Timestamp::MIN,
            Forms::Denied(_) => regular.min(later(self.read_at, settings.stalled_probe_interval)),
            Forms::Listed(..) => {
                let newer =
                    |(name, created): &&(String, Timestamp)| self.forms.is_older_than(*created) && !self.lists(name);
                let after = |(_, created): &(String, Timestamp)| later(*created, Duration::from_secs(1));
                wanted
                    .iter()
                    .filter(newer)
                    .map(after)
                    .min()
                    .map_or(regular, |at| at.min(regular))
            }
        }
    }
}

/// Reads everything, the portal first: nothing else is read of a wrong one. Forms only where an event names one.
pub(super) async fn read(
    crm: &dyn Crm,
    pins: &Pins,
    with_forms: bool,
    basics: &Basics,
    now: Timestamp,
) -> Result<Picture, Fault> {
    let fault = |error| basics.fault(&error);
    let portal = crm.portal().await.map_err(fault)?;
    pins.check(portal.id)?;
    scopes(crm.scopes().await.map_err(fault)?.as_deref())?;
    let stages = crm.stages().await.map_err(fault)?;
    let properties = crm.property_names().await.map_err(fault)?;
    let forms = if with_forms {
        forms(crm, basics, now).await?
    } else {
        Forms::Unread
    };
    Ok(Picture {
        portal,
        stages: Arc::new(stages),
        properties: Arc::new(properties),
        forms,
        read_at: now,
    })
}

/// Who may not see forms can do everything else.
async fn forms(crm: &dyn Crm, basics: &Basics, now: Timestamp) -> Result<Forms, Fault> {
    match crm.forms().await {
        Ok(forms) => Ok(Forms::Listed(Arc::new(forms), now)),
        Err(error) if matches!(error.cause, Cause::MissingScope | Cause::AccessDenied) => {
            Ok(Forms::Denied(error.to_string()))
        }
        Err(error) => Err(basics.fault(&error)),
    }
}

/// Where HubSpot does not name the scopes, the calls themselves will show.
fn scopes(granted: Option<&[String]>) -> Result<(), Fault> {
    let Some(granted) = granted else { return Ok(()) };
    let missing: Vec<_> = SCOPES
        .into_iter()
        .filter(|wanted| !granted.iter().any(|g| g == wanted))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!(
        "The HubSpot token lacks the scopes {}. Add them to the app or service key and put its token into the Secret.",
        missing.join(", ")
    );
    Err(Fault::new(FaultKind::Denied, reason::MISSING_SCOPE, message))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::first(None, None, None)]
    #[case::same(Some(5), Some(5), None)]
    #[case::declared_other(Some(6), None, Some("spec.portalId is 6"))]
    #[case::pinned_other(None, Some(6), Some("has read portal 6 so far"))]
    #[case::declared_after_the_pin(Some(5), Some(6), Some("has read portal 6 so far"))]
    fn portals_are_pinned(#[case] declared: Option<u64>, #[case] seen: Option<u64>, #[case] refused: Option<&str>) {
        let result = Pins { declared, seen }.check(PortalId(5));
        match refused {
            None => assert_eq!(result, Ok(())),
            Some(words) => {
                let fault = result.unwrap_err();
                assert_eq!(
                    (fault.kind, fault.reason.as_str()),
                    (FaultKind::Denied, "PortalMismatch")
                );
                assert!(fault.message.contains(words) && fault.message.contains("belongs to HubSpot portal 5"));
            }
        }
    }

    #[rstest]
    #[case::unknown(None, "")]
    #[case::both(Some(&["crm.objects.deals.read", "forms", "crm.objects.contacts.read"][..]), "")]
    #[case::one(Some(&["crm.objects.contacts.read"][..]), "scopes crm.objects.deals.read.")]
    #[case::none(Some(&[][..]), "scopes crm.objects.contacts.read, crm.objects.deals.read.")]
    fn missing_scopes_are_named(#[case] granted: Option<&[&str]>, #[case] words: &str) {
        let granted: Option<Vec<String>> = granted.map(|list| list.iter().map(|s| (*s).to_owned()).collect());
        match scopes(granted.as_deref()) {
            Ok(()) => assert!(words.is_empty()),
            Err(fault) => {
                assert_eq!(fault.reason, "MissingScope");
                assert!(!words.is_empty() && fault.message.contains(words), "{}", fault.message);
            }
        }
    }
}
