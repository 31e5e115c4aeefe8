//! Secrets are read by name, with `get` and nothing else: the operator asks for no right to list or watch them.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use secrecy::SecretString;

use super::Error;
use super::apply::within;
use super::context::Context;
use crate::api::reasons::reason;
use crate::domain::account_trouble::{Fault, FaultKind};
use crate::sync::ports::SecretData;

/// Which version of which Secret: clients are made anew when it changes, and only then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretVersion {
    uid: String,
    resource_version: String,
}

/// A Secret's data with its version. No `Debug`: it holds the values.
pub struct ReadSecret {
    /// The version.
    pub version: SecretVersion,
    /// Decoded values.
    pub data: SecretData,
}

/// Reads a Secret. The inner error is a matter of the user's, and belongs into a condition.
///
/// # Errors
/// Where the Kubernetes API fails in another way than "not found" or "forbidden".
pub async fn read(ctx: &Context, namespace: &str, name: &str) -> Result<Result<ReadSecret, Fault>, Error> {
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), namespace);
    let secret = match within("read Secret", api.get_opt(name)).await {
        Ok(Some(secret)) => secret,
        Ok(None) => return Ok(Err(not_found(namespace, name))),
        Err(error) => return explain(error, namespace, name).map(Err),
    };
    Ok(decode(secret, name))
}

fn not_found(namespace: &str, name: &str) -> Fault {
    let message =
        format!("There is no Secret {name} in namespace {namespace}. Create it; it is looked for again by itself.");
    Fault::new(FaultKind::Credentials, reason::SECRET_NOT_FOUND, message)
}

fn explain(error: Error, namespace: &str, name: &str) -> Result<Fault, Error> {
    let Error::Kube { source, what } = error else {
        return Err(error);
    };
    match source.as_ref() {
        kube::Error::Api(status) if status.is_forbidden() || status.code == 403 => {
            let message = format!(
                "The operator may not read the Secret {name} in namespace {namespace}. Give its service account the verb \
                 get for Secrets there."
            );
            Ok(Fault::new(FaultKind::Unreadable, reason::ACCESS_DENIED, message))
        }
        // The words of a decoding error could quote the Secret.
        kube::Error::SerdeError(_) => {
            let message = format!("The Secret {name} in namespace {namespace} cannot be decoded.");
            Ok(Fault::new(FaultKind::Credentials, reason::SECRET_INVALID, message))
        }
        _ => Err(Error::Kube { source, what }),
    }
}

fn decode(secret: Secret, name: &str) -> Result<ReadSecret, Fault> {
    let version = SecretVersion {
        uid: secret.metadata.uid.unwrap_or_default(),
        resource_version: secret.metadata.resource_version.unwrap_or_default(),
    };
    let mut data = SecretData::new();
    for (key, value) in secret.data.unwrap_or_default() {
        let Ok(text) = String::from_utf8(value.0) else {
            let message = format!("Key {key:?} of the Secret {name} is not text (UTF-8).");
            return Err(Fault::new(FaultKind::Credentials, reason::SECRET_INVALID, message));
        };
        data.insert(key, SecretString::from(text));
    }
    Ok(ReadSecret { version, data })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use k8s_openapi::ByteString;
    use kube::core::Status;
    use secrecy::ExposeSecret;

    use super::*;

    fn failed(code: u16) -> Error {
        let status = Status {
            code,
            reason: String::new(),
            message: "no".into(),
            ..Status::default()
        };
        Error::kube("read Secret", kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn a_missing_secret_is_named_with_its_namespace() {
        let fault = not_found("marketing", "hubspot");
        assert_eq!(
            (fault.kind, fault.reason.as_str()),
            (FaultKind::Credentials, "SecretNotFound")
        );
        assert!(fault.message.contains("Secret hubspot in namespace marketing"));
    }

    #[test]
    fn no_permission_is_the_users_matter_and_a_failing_server_is_not() {
        let fault = explain(failed(403), "marketing", "hubspot").unwrap();
        assert_eq!(
            (fault.kind, fault.reason.as_str()),
            (FaultKind::Unreadable, "AccessDenied")
        );
        assert!(explain(failed(500), "marketing", "hubspot").is_err());
        assert!(explain(Error::NoAnswer { what: "read Secret" }, "marketing", "hubspot").is_err());
    }

    #[test]
    fn values_are_decoded_and_never_quoted() {
        let mut secret = Secret {
            data: Some([("accessToken".into(), ByteString(b"pat-1".to_vec()))].into()),
            ..Secret::default()
        };
        secret.metadata.uid = Some("u".into());
        secret.metadata.resource_version = Some("7".into());
        let read = decode(secret.clone(), "s").unwrap_or_else(|f| panic!("{f:?}"));
        assert_eq!(read.data["accessToken"].expose_secret(), "pat-1");
        assert_eq!(
            read.version,
            SecretVersion {
                uid: "u".into(),
                resource_version: "7".into()
            }
        );
        secret.data = Some([("accessToken".into(), ByteString(vec![b'Q', 0xff]))].into());
        let fault = decode(secret, "s").err().unwrap();
        assert!(
            fault.message.contains("accessToken") && !fault.message.contains('Q'),
            "{fault:?}"
        );
    }
}
