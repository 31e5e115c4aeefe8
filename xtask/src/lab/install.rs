//! What a user installs before the operator runs: the definitions of the three
//! kinds, and the chart's service account with its permissions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::kubectl::Kubectl;
use crate::{Error, process, tools};

/// Namespace of the operator.
pub const NAMESPACE: &str = "adconversion-system";
/// Of what the chart renders, only this is applied: the operator runs outside
/// the cluster, where its log can be watched.
const KINDS: [&str; 7] = [
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];
const LIMIT: Duration = Duration::from_mins(2);

/// What was installed.
pub struct Installed {
    /// Name of the service account, in [`NAMESPACE`].
    pub service_account: String,
    /// The applied objects, as a list that `kubectl delete` takes.
    pub permissions: String,
}

/// Applies the definitions and waits until the API server serves them, then the
/// permissions.
pub fn install(kubectl: &Kubectl, helm: &Path, repository: &Path) -> Result<Installed, Error> {
    let crds = repository.join("crds").display().to_string();
    kubectl.must(&["apply", "--server-side", "--filename", &crds])?;
    let names = crd_names(&repository.join("crds"))?;
    kubectl.wait_established(&names.iter().map(String::as_str).collect::<Vec<_>>())?;

    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    kubectl.apply(&namespace.to_string())?;
    let rendered = render(kubectl, helm, repository)?;
    // kubectl turns what the chart renders into JSON, which can be picked from.
    let arguments = [
        "create",
        "--dry-run=client",
        "--validate=false",
        "-o",
        "json",
        "-f",
        "-",
    ];
    let objects = kubectl.run_with(&arguments, Some(&rendered), LIMIT)?.ok()?;
    let objects = documents(&objects)?;
    let permissions: Vec<&Value> = objects.iter().filter(|object| KINDS.contains(&kind(object))).collect();
    let service_account = permissions
        .iter()
        .find(|object| kind(object) == "ServiceAccount")
        .and_then(|object| object.pointer("/metadata/name")?.as_str())
        .ok_or_else(|| Error::Failed("the chart renders no service account".to_owned()))?
        .to_owned();
    let permissions = json!({"apiVersion": "v1", "kind": "List", "items": permissions}).to_string();
    kubectl.apply(&permissions)?;
    Ok(Installed {
        service_account,
        permissions,
    })
}

/// helm of the user where it is on `PATH`, else the one that is built.
pub fn helm(prefer_path: bool) -> Result<PathBuf, Error> {
    let mut probe = Command::new("helm");
    probe.args(["version", "--short"]);
    if prefer_path && process::run(probe, None, LIMIT).is_ok_and(|output| output.success()) {
        return Ok(PathBuf::from("helm"));
    }
    tools::helm()
}

fn render(kubectl: &Kubectl, helm: &Path, repository: &Path) -> Result<String, Error> {
    let mut command = kubectl.helm_command(helm);
    command
        .args(["template", "adconversion"])
        .arg(repository.join("charts").join("adconversion-operator"))
        .args(["--namespace", NAMESPACE]);
    process::run(command, None, LIMIT)?.ok()
}

fn crd_names(directory: &Path) -> Result<Vec<String>, Error> {
    let read = |source| Error::path("read", directory, source);
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(read)? {
        let file = entry.map_err(read)?.file_name();
        // A definition's file is named <group>_<plural>.yaml.
        let parts = file
            .to_str()
            .and_then(|name| name.strip_suffix(".yaml")?.split_once('_'));
        if let Some((group, plural)) = parts {
            names.push(format!("crd/{plural}.{group}"));
        }
    }
    if names.is_empty() {
        return Err(Error::Failed(format!("no definitions in {}", directory.display())));
    }
    Ok(names)
}

/// The objects kubectl printed: one after the other, lists opened.
fn documents(text: &str) -> Result<Vec<Value>, Error> {
    let mut objects = Vec::new();
    for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let document = document.map_err(|error| Error::Failed(format!("kubectl printed no valid JSON: {error}")))?;
        match document.get("items").and_then(Value::as_array) {
            Some(items) if kind(&document) == "List" => objects.extend(items.iter().cloned()),
            _ => objects.push(document),
        }
    }
    Ok(objects)
}

fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_sequences_are_opened() {
        let text = r#"{"kind":"A"} {"kind":"List","items":[{"kind":"B"},{"kind":"C"}]}"#;
        let objects = documents(text).unwrap();
        let kinds: Vec<&str> = objects.iter().map(kind).collect();
        assert_eq!(kinds, ["A", "B", "C"]);
        assert!(documents("{").is_err());
    }
}
