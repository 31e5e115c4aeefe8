//! Secrets are read by name, with `get` and nothing else: the operator asks for no right to list or watch them.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use secrecy::SecretString;

use super::apply::within_limit;
use super::context::Context;
use super::lean::Lean;
use crate::api::reasons::reason;
use crate::controller::shared::error::Error;
use crate::domain::account_health::{AccountFault, FaultKind};
use crate::ports::{SecretData, SecretInvalid};

/// Most keys of a Secret that a message names.
const MAX_KEYS: usize = 10;

/// Which version of which Secret: new clients are made when it changes, and only then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretVersion {
    uid: String,
    resource_version: String,
}

impl SecretVersion {
    /// A version by its parts.
    #[cfg(test)]
    pub fn new(uid: &str, resource_version: &str) -> Self {
        Self {
            uid: uid.to_owned(),
            resource_version: resource_version.to_owned(),
        }
    }
}

/// A Secret's data with its version. No `Debug`: it holds the values.
pub struct ReadSecret {
    pub version: SecretVersion,
    /// Decoded values.
    pub data: SecretData,
}

/// Reads a Secret. The inner error is for the user to mend, and belongs into a condition.
///
/// # Errors
/// If the Kubernetes API fails in another way than "not found" or "forbidden".
pub async fn read_secret(
    ctx: &Context,
    namespace: &str,
    name: &str,
) -> Result<Result<ReadSecret, AccountFault>, Error> {
    let api: Api<Lean<Secret>> = Api::namespaced(ctx.client.clone(), namespace);
    let secret = match within_limit("read Secret", api.get_opt(name)).await {
        Ok(Some(Lean(Ok(secret)))) => secret,
        Ok(Some(Lean(Err(_)))) => return Ok(Err(undecodable(namespace, name))),
        Ok(None) => return Ok(Err(not_found(namespace, name))),
        Err(error) => return explain_error(error, namespace, name).map(Err),
    };
    Ok(decode_secret(secret, name))
}

/// What a Secret without usable credentials means. Names the Secret and the keys it has, no value.
pub fn invalid_secret(namespace: &str, name: &str, data: &SecretData, why: &SecretInvalid) -> AccountFault {
    let keys: Vec<_> = data.keys().take(MAX_KEYS).map(String::as_str).collect();
    let found = match (keys.len(), data.len().saturating_sub(MAX_KEYS)) {
        (0, _) => "It has no keys".to_owned(),
        (1, _) => format!("The only key found is {}", keys.join("")),
        (_, 0) => format!("The keys found are {}", keys.join(", ")),
        (_, more) => format!("The keys found are {} and {more} more", keys.join(", ")),
    };
    let message = format!("Secret {name} in namespace {namespace}: {why}. {found}.");
    AccountFault::new(FaultKind::Credentials, reason::SECRET_INVALID, message)
}

/// What a missing Secret means.
pub fn not_found(namespace: &str, name: &str) -> AccountFault {
    let message = format!(
        "Secret {name} does not exist in namespace {namespace}. Create it; the operator finds it within a minute or so."
    );
    AccountFault::new(FaultKind::Credentials, reason::SECRET_NOT_FOUND, message)
}

fn undecodable(namespace: &str, name: &str) -> AccountFault {
    let message = format!("Secret {name} in namespace {namespace} cannot be decoded. Create it again.");
    AccountFault::new(FaultKind::Credentials, reason::SECRET_INVALID, message)
}

fn explain_error(error: Error, namespace: &str, name: &str) -> Result<AccountFault, Error> {
    let Error::Kube { source, what } = error else {
        return Err(error);
    };
    match source.as_ref() {
        kube::Error::Api(status) if status.is_forbidden() || status.code == 403 => {
            let message = format!(
                "The operator is not allowed to read Secret {name} in namespace {namespace}. Give its service account the \
                 verb get for Secrets there."
            );
            Ok(AccountFault::new(FaultKind::Unreadable, reason::ACCESS_DENIED, message))
        }
        // The words of a decoding error could quote the Secret. An answer that is no JSON says nothing of it.
        kube::Error::SerdeError(why) if why.is_data() => Ok(undecodable(namespace, name)),
        _ => Err(Error::Kube { source, what }),
    }
}

/// The values of a Secret.
///
/// # Errors
/// If one is no text.
pub fn decode_secret(secret: Secret, name: &str) -> Result<ReadSecret, AccountFault> {
    let version = SecretVersion {
        uid: secret.metadata.uid.unwrap_or_default(),
        resource_version: secret.metadata.resource_version.unwrap_or_default(),
    };
    let mut data = SecretData::new();
    for (key, value) in secret.data.unwrap_or_default() {
        let Ok(text) = String::from_utf8(value.0) else {
            let message = format!("Secret {name}: the value of key {key:?} is not text (UTF-8). Store it as text.");
            return Err(AccountFault::new(
                FaultKind::Credentials,
                reason::SECRET_INVALID,
                message,
            ));
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
        Error::from_kube("read Secret", kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn a_missing_secret_is_named_with_its_namespace() {
        let fault = not_found("marketing", "hubspot");
        assert_eq!(
            (fault.kind, fault.reason.as_str()),
            (FaultKind::Credentials, "SecretNotFound")
        );
        assert_eq!(
            fault.message.split_inclusive('.').next(),
            Some("Secret hubspot does not exist in namespace marketing.")
        );
    }

    #[test]
    fn an_unusable_secret_is_named_with_its_keys_and_without_values() {
        let message = |keys: &[&str]| {
            let data = keys
                .iter()
                .map(|k| ((*k).to_owned(), SecretString::from("sesame")))
                .collect();
            let why = SecretInvalid {
                message: "key \"accessToken\" is missing. Add it".into(),
            };
            invalid_secret("marketing", "hubspot", &data, &why).message
        };
        let start = "Secret hubspot in namespace marketing: key \"accessToken\" is missing. Add it. ";
        assert_eq!(message(&[]), format!("{start}It has no keys."));
        assert_eq!(message(&["token"]), format!("{start}The only key found is token."));
        assert_eq!(message(&["a", "b"]), format!("{start}The keys found are a, b."));
        let many: Vec<_> = (10..22).map(|n| format!("k{n}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert!(message(&many).ends_with("k18, k19 and 2 more."), "{}", message(&many));
    }

    #[test]
    fn no_permission_is_the_users_matter_and_a_failing_server_is_not() {
        let fault = explain_error(failed(403), "marketing", "hubspot").unwrap();
        assert_eq!(
            (fault.kind, fault.reason.as_str()),
            (FaultKind::Unreadable, "AccessDenied")
        );
        assert!(explain_error(failed(500), "marketing", "hubspot").is_err());
        assert!(explain_error(Error::NoAnswer { what: "read Secret" }, "marketing", "hubspot").is_err());
    }

    #[test]
    fn an_answer_cut_short_says_nothing_of_the_secret() {
        let read = |answer: &str| {
            let error = serde_json::from_str::<Secret>(answer).unwrap_err();
            explain_error(
                Error::from_kube("read Secret", kube::Error::SerdeError(error)),
                "marketing",
                "hubspot",
            )
        };
        let whole = r#"{"apiVersion":"v1","kind":"Secret","metadata":{},"data":{"accessToken":"c2VzYW1l"}}"#;
        assert!(read(&whole[..whole.len() / 2]).is_err());
        assert!(read("<html>").is_err());
        let fault = read(&whole.replace("c2VzYW1l", "sesame!")).unwrap();
        assert_eq!(
            (fault.kind, fault.reason.as_str()),
            (FaultKind::Credentials, "SecretInvalid")
        );
        assert!(!fault.message.contains("sesame"), "{fault:?}");
    }

    #[test]
    fn values_are_decoded_and_never_quoted() {
        let mut secret = Secret {
            data: Some([("accessToken".into(), ByteString(b"pat-1".to_vec()))].into()),
            ..Secret::default()
        };
        secret.metadata.uid = Some("u".into());
        secret.metadata.resource_version = Some("7".into());
        let read = decode_secret(secret.clone(), "s").unwrap_or_else(|f| panic!("{f:?}"));
        assert_eq!(read.data["accessToken"].expose_secret(), "pat-1");
        assert_eq!(
            read.version,
            SecretVersion {
                uid: "u".into(),
                resource_version: "7".into()
            }
        );
        secret.data = Some([("accessToken".into(), ByteString(vec![b'Q', 0xff]))].into());
        let fault = decode_secret(secret, "s").err().unwrap();
        assert!(
            fault.message.contains("accessToken") && !fault.message.contains('Q'),
            "{fault:?}"
        );
    }
}
