//! Operators that run in pods of the cluster, found by the labels of the Helm chart.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

use crate::cli::cluster::OPERATOR_LABELS;
use crate::cli::kube_words::{ClusterRequest, RightGiver, Unanswered};

/// The flag and the variable that give a pod its namespaces.
const FLAG: &str = "--watch-namespaces";
const VARIABLE: &str = "ADCONVERSION_WATCH_NAMESPACES";

/// A pod (`namespace/name`) whose operator works in one of these namespaces, or will once it starts.
pub(super) async fn working_in(client: &Client, namespaces: &BTreeSet<&str>) -> Result<Option<String>, Unanswered> {
    let pods = Api::<Pod>::all(client.clone());
    let request = ClusterRequest {
        verb: "list",
        resource: "pods",
        doing: "look for the operator's pods",
        namespace: None,
        giver: RightGiver::Nobody,
    };
    let found = pods.list(&ListParams::default().labels(OPERATOR_LABELS)).await;
    let found = found.map_err(|error| request.explain(&error))?;
    let works = |pod: &&Pod| !has_ended(pod) && namespaces.iter().any(|namespace| watches_namespace(pod, namespace));
    let name = |pod: &Pod| format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
    Ok(found.items.iter().find(works).map(name))
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn watches_namespace(pod: &Pod, namespace: &str) -> bool {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut named = containers.filter_map(named_by).peekable();
    // An operator without namespaces works in all.
    named.peek().is_none() || named.any(|list| list.split(',').any(|name| name.trim() == namespace))
}

fn named_by(container: &Container) -> Option<&str> {
    let arguments = container.args.as_deref().unwrap_or_default();
    let by_flag = arguments
        .iter()
        .enumerate()
        .find_map(|(at, argument)| match argument.strip_prefix(FLAG)? {
            "" => arguments.get(at + 1).map(String::as_str),
            rest => rest.strip_prefix('='),
        });
    let by_variable = || {
        let variables = container.env.as_deref().unwrap_or_default();
        variables.iter().find(|v| v.name == VARIABLE)?.value.as_deref()
    };
    by_flag.or_else(by_variable).filter(|list| !list.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::all_of_them(r#"{"args": ["run", "--listen=[::]:8080"]}"#, true)]
    #[case::this_one(r#"{"args": ["run", "--watch-namespaces=sales,marketing"]}"#, true)]
    #[case::others(r#"{"args": ["run", "--watch-namespaces=sales,marketing-2"]}"#, false)]
    #[case::two_arguments(r#"{"args": ["run", "--watch-namespaces", "sales"]}"#, false)]
    #[case::variable(
        r#"{"args": ["run"], "env": [{"name": "ADCONVERSION_WATCH_NAMESPACES", "value": "sales"}]}"#,
        false
    )]
    #[case::no_arguments("{}", true)]
    fn an_operator_works_where_it_is_told_to(#[case] container: &str, #[case] works: bool) {
        let mut container: serde_json::Value = serde_json::from_str(container).unwrap();
        container["name"] = "operator".into();
        let pod = serde_json::json!({"spec": {"containers": [container]}});
        assert_eq!(
            watches_namespace(&serde_json::from_value(pod).unwrap(), "marketing"),
            works
        );
    }
}
