//! The ConfigMap with the snippet for the web site of a form event: `<event>-google-tag`, owned by the event.
//!
//! It is looked at by its name, as Secrets are and as often (`--account-check-interval`), so that one that was deleted
//! or changed is soon put right. A watch would do that at once, and takes the right to list all ConfigMaps of the
//! namespaces: Kubernetes grants none by label or by part of a name.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Resource};
use parking_lot::Mutex;

use super::action::outcome::ActionOutcome;
use super::resolve::Resolved;
use crate::api::AdConversionEvent;
use crate::api::reasons::event as happened;
use crate::controller::shared::apply::{MANAGER, readable, within_limit};
use crate::controller::shared::context::Context;
use crate::controller::shared::error::Error;
use crate::controller::shared::lean::Lean;
use crate::controller::shared::object::Object;
use crate::controller::shared::recorder::Severity;
use crate::domain::brief::{brief, writable};
use crate::domain::ids::ObjectKey;
use crate::domain::tag::Tag;

/// Key of the snippet.
const KEY: &str = "google-tag.html";
/// End of the ConfigMap's name.
const SUFFIX: &str = "-google-tag";
/// Longest name of an object.
const MAX_NAME: usize = 253;
/// Pause after it could not be written.
const RETRY: Duration = Duration::from_secs(30);

/// The ConfigMaps looked at a moment ago.
#[derive(Default)]
pub struct Tags {
    seen: Mutex<HashMap<ObjectKey, (u64, Instant)>>,
}

impl Tags {
    /// One found as it should be is not looked at again before `interval` is over.
    fn is_fresh(&self, key: &ObjectKey, content: u64, interval: Duration) -> bool {
        let seen = self.seen.lock();
        seen.get(key)
            .is_some_and(|(known, at)| *known == content && at.elapsed() < interval)
    }

    fn remember_content(&self, key: &ObjectKey, content: u64, interval: Duration) {
        let mut seen = self.seen.lock();
        seen.retain(|_, (_, at)| at.elapsed() < interval);
        seen.insert(key.clone(), (content, Instant::now()));
    }
}

/// Brings the ConfigMap of a form event to what it should be, and says in the condition of the action where the snippet
/// is. A ConfigMap of somebody else is left alone.
pub async fn publish_tag(
    ctx: &Context,
    tags: &Tags,
    event: &AdConversionEvent,
    resolved: &Resolved,
    outcome: &mut ActionOutcome,
) {
    let Some(form) = resolved.subject.as_ref().and_then(|s| s.trigger.form()) else {
        return;
    };
    let Some(send_to) = outcome.action.send_to.clone() else {
        if outcome.found.is_some() {
            add_remark(
                outcome,
                "Google has not provided the tag snippet yet. The ConfigMap for the web site is written once it has.",
            );
        }
        return;
    };
    let declared = &resolved.declared;
    let of = declared.key.to_string();
    let html = Tag::new(&of, &send_to, form, declared.rules.value.as_ref()).to_html();
    let name = config_map_name(&declared.key.name);
    let pasted = format!("Paste the snippet in ConfigMap {name} (key {KEY}) into the pages with the form.");
    let interval = ctx.settings.account_check_interval;
    match ensure_config_map(ctx, tags, event, (&name, &html), interval).await {
        Ok(true) => {
            add_remark(outcome, &pasted);
            look_again(outcome, interval);
        }
        Ok(false) => {
            let message = format!(
                "ConfigMap {name} exists and does not belong to this event. Delete or rename it; the snippet for the web site is then written there."
            );
            add_remark(outcome, &message);
            look_again(outcome, RETRY);
        }
        Err(error) => {
            tracing::warn!(event = %event.key(), error = brief(&error), "the ConfigMap with the Google tag could not be written");
            add_remark(
                outcome,
                &format!(
                    "ConfigMap {name} with the snippet for the web site could not be written: {error}. The operator tries again."
                ),
            );
            look_again(outcome, RETRY);
        }
    }
}

fn look_again(outcome: &mut ActionOutcome, after: Duration) {
    outcome.retry = Some(outcome.retry.map_or(after, |retry| retry.min(after)));
}

fn add_remark(outcome: &mut ActionOutcome, text: &str) {
    if let Some((true, _, message)) = &mut outcome.condition {
        message.push(' ');
        message.push_str(text);
    }
}

/// Makes the ConfigMap of this name hold the snippet; one that does is not looked at again before `interval` is over.
/// False if the name belongs to somebody else.
async fn ensure_config_map(
    ctx: &Context,
    tags: &Tags,
    event: &AdConversionEvent,
    (name, html): (&str, &str),
    interval: Duration,
) -> Result<bool, Error> {
    let key = event.key();
    let mut hasher = DefaultHasher::new();
    (event.id(), name, html).hash(&mut hasher);
    let content = hasher.finish();
    if tags.is_fresh(&key, content, interval) {
        return Ok(true);
    }
    let api: Api<Lean<ConfigMap>> = Api::namespaced(ctx.client.clone(), &key.namespace);
    let what = "read ConfigMap";
    let found = within_limit(what, api.get_opt(name)).await?;
    let found = found.map(|found| readable(what, found)).transpose()?;
    if let Some(found) = &found {
        let ours = found
            .metadata
            .owner_references
            .iter()
            .flatten()
            .any(|owner| owner.uid == event.id());
        if !ours {
            let note = format!(
                "ConfigMap {name} does not belong to this event, so the snippet for the web site is not written. Delete or rename it."
            );
            ctx.recorder
                .publish(event, Severity::Warning, happened::NAME_CONFLICT, &note)
                .await;
            return Ok(false);
        }
        if found
            .data
            .as_ref()
            .and_then(|data| data.get(KEY))
            .is_some_and(|known| *known == writable(html))
        {
            tags.remember_content(&key, content, interval);
            return Ok(true);
        }
    }
    write_config_map(ctx, event, name, html, found).await?;
    tags.remember_content(&key, content, interval);
    Ok(true)
}

/// Creates the ConfigMap, or changes the version of it that was read: one that somebody else puts there meanwhile stays
/// theirs.
async fn write_config_map(
    ctx: &Context,
    event: &AdConversionEvent,
    name: &str,
    html: &str,
    found: Option<ConfigMap>,
) -> Result<(), Error> {
    let mut map = ConfigMap {
        data: Some([(KEY.to_owned(), writable(html).into_owned())].into()),
        ..ConfigMap::default()
    };
    map.metadata.name = Some(name.to_owned());
    map.metadata.labels = Some([("app.kubernetes.io/managed-by".to_owned(), MANAGER.to_owned())].into());
    map.metadata.owner_references = Some(vec![OwnerReference {
        api_version: AdConversionEvent::api_version(&()).into_owned(),
        kind: AdConversionEvent::kind(&()).into_owned(),
        name: event.key().name,
        uid: event.id(),
        controller: Some(true),
        ..OwnerReference::default()
    }]);
    let namespace = event.key().namespace;
    let Some(found) = found else {
        let api = Api::<ConfigMap>::namespaced(ctx.client.clone(), &namespace);
        let parameters = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        return within_limit("create ConfigMap", api.create(&parameters, &map))
            .await
            .map(drop);
    };
    map.metadata.uid = found.metadata.uid;
    map.metadata.resource_version = found.metadata.resource_version;
    let api = Api::<Lean<ConfigMap>>::namespaced(ctx.client.clone(), &namespace);
    let parameters = PatchParams::apply(MANAGER).force();
    within_limit("write ConfigMap", api.patch(name, &parameters, &Patch::Apply(&map)))
        .await
        .map(drop)
}

/// `<event>-google-tag`; the name of an event that is too long for that is cut and told apart by a number.
fn config_map_name(event: &str) -> String {
    let whole = format!("{event}{SUFFIX}");
    if whole.len() <= MAX_NAME {
        return whole;
    }
    let digest = crate::domain::identifiers::sha256_hex(event);
    let room = MAX_NAME - SUFFIX.len() - 9;
    let cut = event[..room].trim_end_matches(['.', '-']);
    format!("{cut}-{}{SUFFIX}", &digest[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit() {
        assert_eq!(config_map_name("demo-request"), "demo-request-google-tag");
        let long = "a".repeat(253);
        let cut = config_map_name(&long);
        assert!(cut.len() <= MAX_NAME && cut.ends_with("-google-tag"), "{cut}");
        assert_ne!(cut, config_map_name(&"a".repeat(252)));
    }
}
