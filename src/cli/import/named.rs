//! What people named on the command line, judged by the portal before anything is imported.

use serde_json::{Value, json};

use super::manifest::ConsentText;
use super::trigger::Assigned;
use crate::api::AdConversionEvent;
use crate::cli::output::foreign;
use crate::controller::ad_conversion_event::preview::Preview;
use crate::domain::declared::Declared;
use crate::registry::HubSpotAccount;

/// Judges what `--stage` and `--form` say, as the operator would judge a manifest that says it.
///
/// # Errors
/// What HubSpot does not have, with the flag.
pub(super) fn check_triggers(portal: &HubSpotAccount, stages: &[Assigned], forms: &[Assigned]) -> Result<(), String> {
    let stages = stages.iter().map(|one| {
        let trigger = json!({"lifecycleStage": {"stage": one.trigger}});
        ("--stage", "spec.trigger.lifecycleStage.stage", one, trigger)
    });
    let forms = forms.iter().map(|one| {
        let trigger = json!({"formSubmission": {"formId": one.trigger}});
        ("--form", "spec.trigger.formSubmission.formId", one, trigger)
    });
    for (flag, field, one, trigger) in stages.chain(forms) {
        let Some(why) = stall_of(portal, &trigger)? else {
            continue;
        };
        // There is no manifest whose field could be set.
        let why = why.replace(&format!("Set {field} to"), "Name");
        return Err(format!("{flag} {}={}: {why}", one.action, foreign(&one.trigger)));
    }
    Ok(())
}

/// Why an event with this trigger would stall.
fn stall_of(portal: &HubSpotAccount, trigger: &Value) -> Result<Option<String>, String> {
    let event = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent", "metadata": {"name": "imported"},
        "spec": {"hubSpotAccountRef": {"name": portal.key.name}, "trigger": trigger},
    });
    let event: AdConversionEvent = serde_json::from_value(event).map_err(|error| error.to_string())?;
    let declared = Declared::from_manifest(&event);
    let preview = Preview {
        declared: &declared,
        status: None,
        google: None,
        hubspot: Some(portal),
        now: declared.created,
    };
    Ok(preview.trigger().stall.map(|(_, why)| why))
}

/// Judges what `--consent` names.
///
/// # Errors
/// If HubSpot does not have it.
pub(super) fn check_consent(portal: &HubSpotAccount, consent: Option<&ConsentText>) -> Result<(), String> {
    let Some(consent) = consent else { return Ok(()) };
    if portal.properties.is_empty() || portal.properties.contains(&consent.property) {
        return Ok(());
    }
    let (property, value) = (foreign(&consent.property), foreign(&consent.value));
    Err(format!(
        "--consent {property}={value}: HubSpot has no contact property {property:?}. Use the property's internal name, or \
         create it in HubSpot."
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ports::crm::{Form, Stage};
    use crate::registry::Forms;
    use crate::registry::test_support::hubspot_account;

    fn portal() -> HubSpotAccount {
        HubSpotAccount {
            stages: Arc::new(vec![Stage {
                value: "customer".to_owned(),
                label: "Customer".to_owned(),
            }]),
            properties: Arc::new(vec!["ads_consent".to_owned()]),
            forms: Forms::Listed(Arc::new(vec![Form {
                id: "78c2891f-ebdd-44c0-bd94-15c012bbbfbf".to_owned(),
                name: "Demo".to_owned(),
            }])),
            ..hubspot_account()
        }
    }

    #[test]
    fn what_the_portal_does_not_have_is_said_of_the_flag() {
        let all = |given: &str| vec![given.parse::<Assigned>().unwrap()];
        assert_eq!(check_triggers(&portal(), &all("7=Customer"), &all("8=Demo")), Ok(()));
        for (stages, forms, parts) in [
            (
                all("7=nosuch"),
                vec![],
                [
                    "--stage 7=nosuch: HubSpot has no lifecycle stage",
                    "Name one that exists",
                    "customer (\"Customer\")",
                ],
            ),
            (
                vec![],
                all("8=nosuch"),
                ["--form 8=nosuch: HubSpot has no form", "Name one that exists", "Demo"],
            ),
        ] {
            let said = check_triggers(&portal(), &stages, &forms).unwrap_err();
            assert!(
                parts.iter().all(|part| said.contains(part)) && !said.contains("spec."),
                "{said}"
            );
        }
    }

    #[test]
    fn the_property_of_the_consent_must_be_there() {
        let consent = |property: &str| ConsentText {
            property: property.to_owned(),
            value: "true".to_owned(),
        };
        assert_eq!(check_consent(&portal(), None), Ok(()));
        assert_eq!(check_consent(&portal(), Some(&consent("ads_consent"))), Ok(()));
        let said = check_consent(&portal(), Some(&consent("nosuch"))).unwrap_err();
        assert!(
            said.starts_with("--consent nosuch=true: HubSpot has no contact property"),
            "{said}"
        );
    }
}
