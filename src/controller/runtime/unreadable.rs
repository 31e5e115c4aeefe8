//! Objects that the API server takes and this operator cannot read: of another version of the definitions, or of a form
//! that only one of the two knows. They are left alone, and keep neither their deletion nor that of their namespace waiting.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::ObjectMeta;
use kube::core::error_boundary::InvalidObject;

use crate::api::reasons::reason;
use crate::controller::shared::apply::{has_finalizer, take_finalizer};
use crate::controller::shared::context::Context;
use crate::controller::shared::error::Error;
use crate::controller::shared::lean::FINALIZERS;
use crate::controller::shared::object::Object;
use crate::controller::shared::recorder::Severity;
use crate::domain::brief::brief;

/// How often it is tried to let an object go. What is still there then is seen again with the next list.
const TRIES: u32 = 8;
/// Before the second try; twice as long before each further one.
const PAUSE: Duration = Duration::from_secs(1);

/// Says that an object cannot be read, and lets it go if it is to be deleted.
pub(super) fn report<K: Object>(ctx: &Arc<Context>, invalid: InvalidObject) {
    let InvalidObject { error, metadata } = invalid;
    let namespace = metadata.namespace.clone().unwrap_or_default();
    let name = metadata.name.clone().unwrap_or_default();
    let error = brief(&error);
    tracing::error!(
        kind = K::KIND,
        namespace,
        name,
        error,
        "an object cannot be read and is left alone"
    );
    let reference = ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::KIND.to_owned()),
        name: metadata.name.clone(),
        namespace: metadata.namespace.clone(),
        uid: metadata.uid.clone(),
        resource_version: metadata.resource_version.clone(),
        field_path: None,
    };
    let goes = is_to_go(&metadata);
    let note = if goes {
        format!(
            "This operator cannot read the object ({error}), which is being deleted: it lets it go. What is in Google Ads \
             stays there."
        )
    } else {
        format!("This operator cannot read the object and leaves it alone: {error}")
    };
    let ctx = Arc::clone(ctx);
    tokio::spawn(async move {
        ctx.recorder
            .publish_about(&reference, Severity::Warning, reason::INVALID_SPEC, &note)
            .await;
        if goes {
            let_go::<K>(&ctx, &metadata).await;
        }
    });
}

/// True for an object that is being deleted and waits for us. Of one with a crowd of finalizers not all are known, and so
/// none can be taken away.
fn is_to_go(metadata: &ObjectMeta) -> bool {
    let few = metadata.finalizers.as_ref().is_none_or(|all| all.len() <= FINALIZERS);
    metadata.deletion_timestamp.is_some() && has_finalizer(metadata) && few
}

async fn let_go<K: Object>(ctx: &Context, metadata: &ObjectMeta) {
    let mut pause = PAUSE;
    for _ in 0..TRIES {
        match take_finalizer::<K>(ctx, metadata).await {
            // Changed meanwhile: the watch tells what it is now.
            Ok(()) | Err(Error::Conflict { .. }) => return,
            Err(error) => {
                let name = metadata.name.as_deref().unwrap_or_default();
                tracing::warn!(
                    kind = K::KIND,
                    name,
                    error = brief(&error),
                    "an object that is deleted is not let go yet"
                );
            }
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use rstest::rstest;

    use super::*;
    use crate::api::FINALIZER;

    #[rstest]
    #[case::ours(true, vec![FINALIZER.to_owned()], true)]
    #[case::beside_others(true, vec!["example.com/x".to_owned(), FINALIZER.to_owned()], true)]
    #[case::another(true, vec!["example.com/x".to_owned()], false)]
    #[case::nobody_deletes_it(false, vec![FINALIZER.to_owned()], false)]
    #[case::a_crowd(true, vec![FINALIZER.to_owned(); FINALIZERS + 1], false)]
    fn what_waits_for_us_alone_goes(#[case] deleted: bool, #[case] finalizers: Vec<String>, #[case] goes: bool) {
        let metadata = ObjectMeta {
            deletion_timestamp: deleted.then_some(Time(Timestamp::UNIX_EPOCH)),
            finalizers: Some(finalizers),
            ..ObjectMeta::default()
        };
        assert_eq!(is_to_go(&metadata), goes);
    }
}
