//! What the API server, or the kubeconfig, stands in the way with, in words: the one place for all commands.

use std::error::Error as _;
use std::io;

use axum::http::StatusCode;
use kube::Resource;
use kube::client::UpgradeConnectionError;
use kube::config::{InferConfigError, KubeconfigError};

use super::command_error::CommandError;
use super::read_words::explain_read;
use crate::api::GROUP;
use crate::controller::shared::error::describe_kube;
use crate::domain::brief::brief;

const NO_KUBECONFIG: &str = "there is no kubeconfig ($KUBECONFIG or ~/.kube/config), and this is not a pod";

/// What the cluster does with a login that is no longer good.
const LOGIN_EXPIRED: &str = "does not accept the credentials of your kubeconfig. They may have expired: log in again.";

/// Something that the cluster was asked for, and did not do: what, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub(in crate::cli) struct Unanswered {
    words: String,
    pub(in crate::cli) kind: UnansweredKind,
    /// What is true of the cluster, whatever it is asked for.
    of_cluster: Option<String>,
    /// The right that is missing, whichever object it was wanted for.
    of_right: Option<String>,
}

/// What kind of no answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum UnansweredKind {
    /// The user lacks a right, or is not known.
    Refused,
    /// There was no answer at all: the next question waits as long for nothing.
    Unreached,
    /// The cluster does not have our definitions.
    UnknownKind,
    /// An answer that says something else, or cannot be read.
    Failed,
}

impl Unanswered {
    /// For whoever has words of his own.
    pub(in crate::cli) const fn new(words: String, kind: UnansweredKind) -> Self {
        Self {
            words,
            kind,
            of_cluster: None,
            of_right: None,
        }
    }

    /// What holds for every other question too, if there was no answer at all or the user is not known: it names no object.
    pub(in crate::cli) fn of_cluster(&self) -> Option<&str> {
        self.of_cluster.as_deref()
    }

    /// In words that are the same for all questions that the same stands in the way of.
    pub(in crate::cli) fn of_all(&self) -> &str {
        let of_all = self.of_cluster.as_deref().or(self.of_right.as_deref());
        of_all.unwrap_or(&self.words)
    }
}

/// Who gives a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum RightGiver {
    /// The Role for commands that look before anything is applied.
    Check,
    /// The same where manifests come from files.
    CheckFiles,
    /// The same for a Secret, which may come from a file.
    CheckSecret,
    /// The Role for those who ask the operator.
    Questions,
    /// The rights to change objects, which the chart gives to those who may edit.
    Edit,
    /// No Role of ours.
    Nobody,
}

impl RightGiver {
    fn way_out(self, verb: &str, everywhere: bool) -> String {
        let check = "The Role adconversion-check in docs/commands.md gives it";
        let also = if matches!(verb, "get" | "list" | "watch") {
            ", and so does the chart's ClusterRole *-view, which belongs to view, edit and admin."
        } else {
            ", and so does the chart's ClusterRole *-edit, which belongs to edit and admin."
        };
        match self {
            Self::Check => format!("{check}{also} Or give the manifest as a file with -f."),
            Self::CheckFiles => format!("{check}{also}"),
            Self::CheckSecret => format!("{check}. Or give the Secret as a file with -f."),
            Self::Questions => {
                let one = "The Role adconversion-questions in docs/admin-api.md gives it in the operator's namespace";
                if everywhere {
                    format!("{one}: with that, name the namespace with --operator-namespace.")
                } else {
                    format!("{one}. If the operator runs in another one, name that with --operator-namespace.")
                }
            }
            Self::Nobody => "Have it granted by a ClusterRole and a ClusterRoleBinding.".to_owned(),
            Self::Edit => "The chart's ClusterRole *-edit gives it, which belongs to edit and admin.".to_owned(),
        }
    }
}

/// Something that the cluster is asked for.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct ClusterRequest<'a> {
    /// As RBAC names it.
    pub(in crate::cli) verb: &'a str,
    /// As RBAC names it, with its group.
    pub(in crate::cli) resource: &'a str,
    /// For people: "read Secret marketing/hubspot".
    pub(in crate::cli) doing: &'a str,
    /// `None`: all namespaces.
    pub(in crate::cli) namespace: Option<&'a str>,
    pub(in crate::cli) giver: RightGiver,
}

impl ClusterRequest<'_> {
    /// Why it was not done.
    pub(in crate::cli) fn explain(&self, error: &kube::Error) -> Unanswered {
        let (words, kind) = self.put_into_words(error);
        let is_unknown = code_of(error) == Some(StatusCode::UNAUTHORIZED);
        let of_cluster = match kind {
            UnansweredKind::Unreached => {
                let said = brief(describe_kube(error));
                Some(format!(
                    "The cluster gives no usable answer: {said}. Check --context and --kubeconfig."
                ))
            }
            UnansweredKind::Refused if is_unknown => Some(format!("The cluster {LOGIN_EXPIRED}")),
            _ => None,
        };
        // One Secret may be granted and another one not.
        let of_kind = matches!(self.giver, RightGiver::Check | RightGiver::CheckFiles);
        let is_right = kind == UnansweredKind::Refused && code_of(error) == Some(StatusCode::FORBIDDEN);
        Unanswered {
            words,
            kind,
            of_cluster,
            of_right: (of_kind && is_right).then(|| format!("Your {}", self.missing_right())),
        }
    }

    fn put_into_words(&self, error: &kube::Error) -> (String, UnansweredKind) {
        let doing = self.doing;
        let said = brief(describe_kube(error));
        match code_of(error) {
            Some(StatusCode::FORBIDDEN) => match self.other_refusal(error) {
                Some(said) => (
                    format!("You can't {doing}: the cluster refuses it: {said}."),
                    UnansweredKind::Failed,
                ),
                None => (
                    format!("You may not {doing}: your {}", self.missing_right()),
                    UnansweredKind::Refused,
                ),
            },
            Some(StatusCode::UNAUTHORIZED) => (
                format!("You can't {doing}: the cluster {LOGIN_EXPIRED}"),
                UnansweredKind::Refused,
            ),
            Some(StatusCode::NOT_FOUND) if self.resource.ends_with(GROUP) => (
                format!(
                    "You can't {doing}: the cluster does not know this kind. Apply the definitions (adconversion crds | \
                     kubectl apply --server-side -f -), or give manifests as files with -f."
                ),
                UnansweredKind::UnknownKind,
            ),
            Some(_) => (
                format!("You can't {doing}: the cluster says: {said}."),
                UnansweredKind::Failed,
            ),
            None if matches!(error, kube::Error::Auth(_)) => (
                format!(
                    "You can't {doing}: the credentials that the kubeconfig names can't be obtained: {said}. Log in again."
                ),
                UnansweredKind::Refused,
            ),
            None if matches!(error, kube::Error::SerdeError(_)) => (
                format!("You can't {doing}: the cluster's answer can't be read: {said}."),
                UnansweredKind::Failed,
            ),
            None => (
                format!(
                    "You can't {doing}, because the cluster gives no usable answer: {said}. Check --context and --kubeconfig."
                ),
                UnansweredKind::Unreached,
            ),
        }
    }

    fn missing_right(&self) -> String {
        let place = match self.namespace {
            Some(namespace) => format!("in namespace {namespace}"),
            None => "in all namespaces".to_owned(),
        };
        format!(
            "user lacks the right to {} {} {place}. {}",
            self.verb,
            self.resource,
            self.giver.way_out(self.verb, self.namespace.is_none())
        )
    }

    /// What was said by somebody else than the one who keeps the rights: an admission webhook, say.
    fn other_refusal(&self, error: &kube::Error) -> Option<String> {
        let kube::Error::Api(status) = error else { return None };
        let of_rights = status.message.is_empty() || status.message.contains(&format!("cannot {} resource", self.verb));
        (!of_rights).then(|| brief(status.message.trim_end_matches('.')))
    }
}

/// The HTTP status of an answer.
fn code_of(error: &kube::Error) -> Option<StatusCode> {
    match error {
        kube::Error::Api(status) => StatusCode::from_u16(status.code).ok(),
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(code)) => {
            StatusCode::from_u16(code.as_u16()).ok()
        }
        _ => None,
    }
}

/// As RBAC names a kind: with its group.
pub(in crate::cli) fn resource_of<K: Resource<DynamicType = ()>>() -> String {
    match K::group(&()) {
        group if group.is_empty() => K::plural(&()).into_owned(),
        group => format!("{}.{group}", K::plural(&())),
    }
}

/// True if a command failed because its user lacks a right.
pub(in crate::cli) fn is_refusal(error: &CommandError) -> bool {
    let unanswered = error.downcast_ref::<Unanswered>();
    unanswered.is_some_and(|unanswered| unanswered.kind == UnansweredKind::Refused)
}

/// Why no client of the cluster could be made.
pub(in crate::cli) fn explain_client(error: &kube::Error) -> String {
    format!(
        "the credentials of the kubeconfig can't be used: {}",
        brief(describe_kube(error))
    )
}

/// Why there is no cluster to ask: what is wrong with the kubeconfig.
pub(in crate::cli) fn explain_kubeconfig(error: &KubeconfigError) -> String {
    match error {
        error if names_no_context(error) => "the kubeconfig has no current context. Name one with --context".to_owned(),
        KubeconfigError::LoadContext(name) => {
            format!("the kubeconfig has no context {name:?}. `kubectl config get-contexts` lists those that it has")
        }
        KubeconfigError::LoadClusterOfContext(name) => {
            format!("the kubeconfig has no cluster {name:?}, which the context names")
        }
        KubeconfigError::ReadConfig(error, path) => {
            format!(
                "the kubeconfig {} can't be read: {}",
                path.display(),
                explain_read(error)
            )
        }
        error => format!("the kubeconfig can't be used: {}", brief(error)),
    }
}

/// True where `kubectl config unset current-context` was used, or nothing stands in the file at all.
fn names_no_context(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::CurrentContextNotSet => true,
        KubeconfigError::LoadContext(name) => name.is_empty(),
        _ => false,
    }
}

/// Nobody has set up a cluster: commands that can do without one do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::cli) struct Unconfigured(String);

/// The same as [`explain_kubeconfig`] where no file and no context were named and this is not a pod either:
/// [`Unconfigured`] if no cluster is meant. `variable`: `$KUBECONFIG` names files.
pub(in crate::cli) fn explain_inferred(error: &InferConfigError, variable: bool) -> CommandError {
    let of_file = error
        .source()
        .and_then(|source| source.downcast_ref::<KubeconfigError>());
    match of_file {
        Some(KubeconfigError::ReadConfig(cause, _)) if cause.kind() == io::ErrorKind::NotFound && !variable => {
            Unconfigured(NO_KUBECONFIG.to_owned()).into()
        }
        Some(error) if names_no_context(error) => Unconfigured(explain_kubeconfig(error)).into(),
        Some(KubeconfigError::FindPath) | None => Unconfigured(NO_KUBECONFIG.to_owned()).into(),
        Some(error) => explain_kubeconfig(error).into(),
    }
}

#[cfg(test)]
#[path = "kube_words_tests.rs"]
mod tests;
