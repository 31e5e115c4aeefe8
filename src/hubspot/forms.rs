//! Forms and their submissions: the two endpoints without a dated path (reference notes, HubSpot 7 and pitfall 12).

use std::collections::BTreeMap;

use super::client::HubSpot;
use super::errors::refused;
use crate::sync::ports::UpstreamError;
use crate::sync::ports::crm::{Contact, Form, SubmissionPage};

impl HubSpot {
    pub(super) async fn read_forms(&self) -> Result<Vec<Form>, UpstreamError> {
        Err(refused("NOT_BUILT", "forms are not read yet".to_owned()))
    }

    pub(super) async fn read_submissions(
        &self,
        _form: &str,
        _after: Option<&str>,
    ) -> Result<SubmissionPage, UpstreamError> {
        Err(refused("NOT_BUILT", "submissions are not read yet".to_owned()))
    }

    pub(super) async fn contacts_by_email(
        &self,
        _emails: &[String],
        _properties: &[String],
    ) -> Result<BTreeMap<String, Contact>, UpstreamError> {
        Err(refused("NOT_BUILT", "contacts are not read by e-mail yet".to_owned()))
    }
}
