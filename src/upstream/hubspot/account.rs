//! Calls about the portal, the token and the property definitions.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::auth::Auth;
use super::client::{Call, HubSpot};
use super::errors::malformed_answer;
use super::properties::PropertyDefinitions;
use super::token_info::{Details, ask_about_token, details_path};
use super::token_portal::TokenPurpose;
use super::wire::Scalar;
use crate::domain::ids::PortalId;
use crate::ports::UpstreamError;
use crate::ports::crm::{Portal, Stage, TokenInfo};
use crate::upstream::http::body::AnswerLimit;
use crate::upstream::http::text::{display_name, exact_name, time_zone, valid_currency};

/// Most lifecycle stages that are kept: they are shown in the account's status.
const MAX_STAGES: usize = 200;

#[derive(Deserialize)]
struct LifecycleStage {
    options: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StageOption {
    value: Option<Scalar>,
    label: Option<Scalar>,
    display_order: Option<i64>,
}

/// A value of HubSpot's, `None` if there is none. Empty if it does not have the expected form, because the portal works
/// without it.
fn if_formed(told: Option<&str>, form: fn(&str) -> Option<String>) -> Option<String> {
    let told = told.map(str::trim).filter(|told| !told.is_empty())?;
    Some(form(told).unwrap_or_default())
}

impl HubSpot {
    pub(crate) async fn read_portal(&self) -> Result<Portal, UpstreamError> {
        let path = details_path(self.api_version());
        let answer = self.make_check_call(Call::get("account-info", path)).await?;
        let details: Details = answer.parse_json()?;
        let missing = |field: &str| malformed_answer(format!("the account details have no {field:?}"));
        let text = |value: Option<String>| value.as_deref().and_then(display_name);
        let id = details
            .portal_id
            .and_then(|id| id.id())
            .map(PortalId)
            .ok_or_else(|| missing("portalId"))?;
        self.transport.opens_portal(id);
        Ok(Portal {
            id,
            time_zone: if_formed(details.time_zone.as_deref(), time_zone).ok_or_else(|| missing("timeZone"))?,
            company_currency: if_formed(details.company_currency.as_deref(), valid_currency)
                .ok_or_else(|| missing("companyCurrency"))?,
            ui_domain: text(details.ui_domain).unwrap_or_else(|| "app.hubspot.com".to_owned()),
        })
    }

    /// The scopes of the token. HubSpot may refuse to name them (any 4xx), which is not an error: the calls will show
    /// what is missing.
    pub(crate) async fn read_token_info(&self) -> Result<TokenInfo, UpstreamError> {
        let token = self.auth.current_token(&self.transport, TokenPurpose::Check).await?;
        let keys = match &self.auth {
            Auth::OAuth(oauth) => Some(&oauth.keys),
            Auth::Static(_) => None,
        };
        let info = ask_about_token(&self.transport, keys, &token).await?;
        if let Some(portal) = info.portal {
            self.auth.note_portal(&token, portal).await;
        }
        Ok(info)
    }

    pub(crate) async fn read_stages(&self) -> Result<Vec<Stage>, UpstreamError> {
        let path = format!("/crm/properties/{}/contacts/lifecyclestage", self.api_version());
        let answer = self.make_call(Call::get("property", path)).await?;
        let property: LifecycleStage = answer.parse_json()?;
        let options = property
            .options
            .ok_or_else(|| malformed_answer("lifecyclestage has no \"options\""))?;
        // An event can't name a stage whose row can't be read.
        let options = options
            .into_iter()
            .filter_map(|option| serde_json::from_value(option).ok());
        let mut options: Vec<StageOption> = options.collect();
        // -1 stands for "at the end".
        options.sort_by_key(|option| match option.display_order {
            Some(order) if order >= 0 => order,
            _ => i64::MAX,
        });
        // No contact can be in a stage without a value.
        let stage = |option: StageOption| {
            let value = display_name(&option.value?.0)?;
            let label = option
                .label
                .and_then(|label| exact_name(&label.0))
                .unwrap_or_else(|| value.clone());
            Some(Stage { value, label })
        };
        Ok(options.into_iter().filter_map(stage).take(MAX_STAGES).collect())
    }

    pub(crate) async fn read_property_names(&self) -> Result<Vec<String>, UpstreamError> {
        let path = format!("/crm/properties/{}/contacts", self.api_version());
        let call = Call {
            limit: AnswerLimit::LISTS,
            ..Call::get("properties", path)
        };
        let answer = self.make_call(call).await?;
        let mut names = answer.parse_json::<PropertyDefinitions>()?.into_names()?;
        names.sort();
        names.dedup();
        *self.listed.lock() = Arc::new(names.iter().cloned().collect());
        Ok(names)
    }
}
