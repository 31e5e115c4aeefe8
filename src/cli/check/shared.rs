//! Calls to HubSpot and Google whose answer holds for many events: each is made once.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::report::Probe;
use super::upload::TestUpload;
use super::{clicks, upload};
use crate::domain::declared::Declared;
use crate::domain::ids::{ActionId, ObjectKey};
use crate::registry::{GoogleAccount, HubSpotAccount};

/// What a count of click ids depends on: the account, the stage, the properties, whether data is shared.
type Sampled = (ObjectKey, String, Vec<String>, bool);

/// What was found so far.
#[derive(Default)]
pub(super) struct SharedLooks {
    clicks: BTreeMap<Sampled, Probe>,
    uploads: BTreeMap<(ObjectKey, TestUpload), Probe>,
}

impl SharedLooks {
    /// See [`clicks::check_clicks`]; `None` if the portal cannot be asked.
    pub(super) async fn clicks(
        &mut self,
        account: &HubSpotAccount,
        declared: &Declared,
        stage: &str,
        now: Timestamp,
    ) -> Option<Probe> {
        let crm = account.crm.as_ref()?;
        let properties = clicks::click_properties(declared);
        let key = (
            account.key.clone(),
            stage.to_owned(),
            properties.into_iter().map(str::to_owned).collect(),
            declared.rules.share.is_empty(),
        );
        if let Some(known) = self.clicks.get(&key) {
            return Some(known.clone());
        }
        let found = clicks::check_clicks(crm.as_ref(), account, declared, stage, now).await;
        self.clicks.insert(key, found.clone());
        Some(found)
    }

    /// See [`upload::check_upload`].
    pub(super) async fn upload(
        &mut self,
        account: &GoogleAccount,
        secret: Option<&str>,
        declared: &Declared,
        action: Option<ActionId>,
        now: Timestamp,
    ) -> Probe {
        let upload = TestUpload {
            trigger_kind: declared.trigger_kind(),
            action_kind: declared.action_kind(),
            action,
        };
        let key = (account.key.clone(), upload);
        if let Some(known) = self.uploads.get(&key) {
            return known.clone();
        }
        let found = upload::check_upload(account, secret, upload, now).await;
        self.uploads.insert(key, found.clone());
        found
    }
}
