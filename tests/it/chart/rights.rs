//! What the operator's service account, and users of the cluster's own roles, may do: asked from the API server, for
//! what they must be allowed and for what they must not.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use xtask::kubectl::Kubectl;

use super::install;
use crate::support::api_client::ApiClient;
use crate::support::cluster::{LONG_CALL, cluster, namespace};
use crate::support::wait::until_blocking;

const VERBS: [&str; 8] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
];
/// Group and resource; the second half is what the operator has no business with.
const RESOURCES: [(&str, &str); 30] = [
    ("adconversion.dev", "adconversionevents"),
    ("adconversion.dev", "googleadsaccounts"),
    ("adconversion.dev", "hubspotaccounts"),
    ("adconversion.dev", "adconversionevents/status"),
    ("adconversion.dev", "googleadsaccounts/status"),
    ("adconversion.dev", "hubspotaccounts/status"),
    ("", "secrets"),
    ("events.k8s.io", "events"),
    ("", "configmaps"),
    ("adconversion.dev", "adconversionevents/finalizers"),
    ("adconversion.dev", "*"),
    ("", "events"),
    ("", "namespaces"),
    ("", "nodes"),
    ("", "persistentvolumeclaims"),
    ("", "pods"),
    ("", "pods/exec"),
    ("", "pods/log"),
    ("", "serviceaccounts"),
    ("", "serviceaccounts/token"),
    ("", "services"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("apps", "deployments"),
    ("authentication.k8s.io", "tokenreviews"),
    ("batch", "jobs"),
    ("coordination.k8s.io", "leases"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("*", "*"),
];

type Right = (&'static str, &'static str, &'static str);

/// All that the operator may do.
fn allowed() -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for &(group, resource) in &RESOURCES[..9] {
        let verbs: &[&'static str] = match resource {
            "secrets" => &["get"],
            "configmaps" => &["get", "create", "patch"],
            "events" => &["create", "patch"],
            status if status.ends_with("/status") => &["patch"],
            _ => &["list", "watch", "patch"],
        };
        rights.extend(verbs.iter().map(|&verb| (group, resource, verb)));
    }
    rights
}

/// Who asks: a user name and the groups that come with it.
struct Subject {
    user: String,
    groups: Vec<String>,
}

impl Subject {
    fn service_account(namespace: &str, name: &str) -> Self {
        Self {
            user: format!("system:serviceaccount:{namespace}:{name}"),
            groups: vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".to_owned(),
            ],
        }
    }

    /// Which of all combinations of verbs and resources the API server grants in a namespace (empty: in all).
    fn rights(
        &self,
        kubectl: &Kubectl,
        namespace: &str,
        resources: &[(&'static str, &'static str)],
    ) -> BTreeSet<Right> {
        let asked: Vec<Right> = resources
            .iter()
            .flat_map(|&(group, resource)| VERBS.map(|verb| (group, resource, verb)))
            .collect();
        let reviews: Vec<Value> = asked
            .iter()
            .map(|(group, path, verb)| {
                let (resource, subresource) = path.split_once('/').unwrap_or((path, ""));
                let attributes = json!({
                    "namespace": namespace, "verb": verb, "group": group,
                    "resource": resource, "subresource": subresource,
                });
                json!({
                    "apiVersion": "authorization.k8s.io/v1",
                    "kind": "SubjectAccessReview",
                    "spec": {"user": self.user, "groups": self.groups, "resourceAttributes": attributes},
                })
            })
            .collect();
        let reviews = json!({"apiVersion": "v1", "kind": "List", "items": reviews}).to_string();
        let arguments = ["create", "--filename", "-", "--output", "json"];
        let answers = kubectl.run_with(&arguments, Some(&reviews), LONG_CALL).unwrap();
        let answers = answers.ok().unwrap();
        let answers: Vec<Value> = serde_json::Deserializer::from_str(&answers)
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(answers.len(), asked.len(), "one answer to each question");
        asked
            .into_iter()
            .zip(answers)
            .filter(|(_, answer)| answer["status"]["allowed"].as_bool().unwrap())
            .map(|(right, _)| right)
            .collect()
    }
}

#[test]
fn the_operator_may_do_what_it_needs_and_nothing_else() {
    let kubectl = cluster().client();
    let (system, users) = (namespace("rights"), namespace("rights-users"));
    let release = install(kubectl, &system, &json!({"rbac": {"aggregate": false}}));
    let operator = Subject::service_account(&system, &release);
    for place in [users.as_str(), system.as_str(), ""] {
        assert_eq!(operator.rights(kubectl, place, &RESOURCES), allowed(), "in {place:?}");
    }
}

#[test]
fn with_named_namespaces_it_may_do_so_there_only() {
    let kubectl = cluster().client();
    let (system, users, others) = (
        namespace("scoped"),
        namespace("scoped-users"),
        namespace("scoped-others"),
    );
    let values = json!({"watchNamespaces": [users], "rbac": {"aggregate": false}});
    let release = install(kubectl, &system, &values);
    let operator = Subject::service_account(&system, &release);
    assert_eq!(operator.rights(kubectl, &users, &RESOURCES), allowed());
    for place in [others.as_str(), system.as_str(), ""] {
        assert_eq!(
            operator.rights(kubectl, place, &RESOURCES),
            BTreeSet::new(),
            "in {place:?}"
        );
    }
}

/// The calls the operator makes, with its own token.
#[test]
fn its_token_opens_what_it_uses() {
    let kubectl = cluster().client();
    let (system, users) = (namespace("token"), namespace("token-users"));
    let release = install(kubectl, &system, &json!({"rbac": {"aggregate": false}}));
    let account = json!({
        "apiVersion": "adconversion.dev/v1alpha1",
        "kind": "HubSpotAccount",
        "metadata": {"name": "acme", "namespace": users},
        "spec": {"credentialsSecretRef": {"name": "hubspot"}},
    });
    kubectl.apply(&account.to_string()).unwrap();
    let secret = [
        "create",
        "secret",
        "generic",
        "hubspot",
        "--from-literal=accessToken=x",
        "--namespace",
        &users,
    ];
    kubectl.must(&secret).unwrap();

    let file = cluster().service_account_kubeconfig(&system, &release).unwrap();
    let alone = ApiClient::new(&file);
    let cache = cluster().directory().join(format!("{system}-cache"));
    let operator = Kubectl::for_kubeconfig(xtask::tools::kubectl().unwrap(), file, cache);
    operator.must(&["get", "adce,gaa,hsa", "--all-namespaces"]).unwrap();
    operator
        .must(&["get", "secret", "hubspot", "--namespace", &users])
        .unwrap();
    // `kubectl patch` would read the object first, which the operator may not.
    let patch = |finalizers: &[&str]| {
        let patch = json!({"metadata": {"finalizers": finalizers}});
        assert!(alone.patch(&users, "hsa/acme", &patch));
        let there = kubectl.json(&["get", "hsa", "acme", "--namespace", &users]).unwrap();
        let there = there["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        assert_eq!(json!(there), json!(finalizers));
    };
    patch(&["adconversion.dev/finalizer"]);
    let status = json!({
        "apiVersion": "adconversion.dev/v1alpha1",
        "kind": "HubSpotAccount",
        "metadata": {"name": "acme", "namespace": users},
        "status": {"observedGeneration": 1, "usedBy": 0},
    });
    let apply = [
        "apply",
        "--server-side",
        "--subresource=status",
        "--field-manager=adconversion-status",
    ];
    let apply = [&apply[..], &["--validate=false", "--filename", "-"]].concat();
    let output = operator.run_with(&apply, Some(&status.to_string()), LONG_CALL).unwrap();
    output.ok().unwrap();
    patch(&[]);

    let refused: [&[&str]; 6] = [
        &["get", "secrets"],
        &["get", "configmaps"],
        &["delete", "configmap", "x"],
        &["delete", "hsa", "acme"],
        &["label", "secret", "hubspot", "a=b"],
        &["create", "serviceaccount", "x"],
    ];
    for arguments in refused {
        let arguments = [arguments, &["--namespace", &users]].concat();
        let output = operator.run(&arguments).unwrap();
        assert!(
            !output.success() && output.stderr.contains("forbidden"),
            "{arguments:?}: {}",
            output.stderr
        );
    }
}

#[test]
fn users_of_view_edit_and_admin_reach_the_three_kinds() {
    let kubectl = cluster().client();
    let users = namespace("aggregated");
    install(kubectl, &namespace("aggregating"), &json!({}));
    let read = ["get", "list", "watch"];
    let write = ["create", "update", "patch", "delete", "deletecollection"];
    let ours = &RESOURCES[..6];
    for (role, writes) in [("view", false), ("edit", true), ("admin", true)] {
        let user = format!("{users}-{role}");
        let binding = ["create", "rolebinding", role, "--clusterrole", role, "--user", &user];
        kubectl
            .must(&[&binding[..], &["--namespace", &users]].concat())
            .unwrap();
        let mut expected = BTreeSet::new();
        for &(group, resource) in ours {
            if resource.ends_with("/status") {
                expected.insert((group, resource, "get"));
                continue;
            }
            expected.extend(read.map(|verb| (group, resource, verb)));
            if writes {
                expected.extend(write.map(|verb| (group, resource, verb)));
            }
        }
        let subject = Subject {
            user,
            groups: vec!["system:authenticated".to_owned()],
        };
        // The cluster's roles are put together by a controller, a moment after ours came.
        until_blocking(&format!("the rights of {role}"), Duration::from_secs(30), || {
            let found = subject.rights(kubectl, &users, ours);
            if found == expected { Ok(()) } else { Err(found) }
        });
    }
}
