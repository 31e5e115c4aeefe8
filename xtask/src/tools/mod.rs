//! The binaries of a control plane: where they are, built when they are not.
//!
//! `KUBEBUILDER_ASSETS` (etcd, kube-apiserver, kubectl) is used when set. What it
//! does not have is built once from pinned Go modules (`xtask/control-plane`) into
//! `${XDG_CACHE_HOME:-~/.cache}/adconversion/control-plane/<version>-<hash>/bin`.

mod build;

use std::env;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::credentials::hex;

const GO_MOD: &str = include_str!("../../control-plane/go.mod");
const GO_SUM: &str = include_str!("../../control-plane/go.sum");
const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// A program of the control plane, or one that talks to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// The store behind the API server.
    Etcd,
    /// The API server.
    KubeApiserver,
    /// Garbage collection, namespace deletion, default service accounts.
    KubeControllerManager,
    /// The command line client.
    Kubectl,
    /// The chart installer.
    Helm,
    /// The chart installer's major version before, which renders charts too.
    Helm3,
}

impl Tool {
    /// All of them, in the order in which they are built.
    pub const ALL: [Self; 6] = [
        Self::Etcd,
        Self::KubeApiserver,
        Self::Kubectl,
        Self::KubeControllerManager,
        Self::Helm,
        Self::Helm3,
    ];

    /// File name of the program.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
            Self::Helm => "helm",
            Self::Helm3 => "helm3",
        }
    }

    /// The Go package it is built from.
    const fn package(self) -> &'static str {
        match self {
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::KubeControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Self::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Self::Helm => "helm.sh/helm/v4/cmd/helm",
            Self::Helm3 => "helm.sh/helm/v3/cmd/helm",
        }
    }

    /// Whether a directory for `KUBEBUILDER_ASSETS` always has it.
    const fn is_asset(self) -> bool {
        matches!(self, Self::Etcd | Self::KubeApiserver | Self::Kubectl)
    }
}

/// Path of etcd, built if needed.
pub fn etcd() -> Result<PathBuf, Error> {
    path(Tool::Etcd)
}

/// Path of kube-apiserver, built if needed.
pub fn kube_apiserver() -> Result<PathBuf, Error> {
    path(Tool::KubeApiserver)
}

/// Path of kube-controller-manager, built if needed.
pub fn kube_controller_manager() -> Result<PathBuf, Error> {
    path(Tool::KubeControllerManager)
}

/// Path of kubectl, built if needed.
pub fn kubectl() -> Result<PathBuf, Error> {
    path(Tool::Kubectl)
}

/// Path of helm, built if needed.
pub fn helm() -> Result<PathBuf, Error> {
    path(Tool::Helm)
}

/// Path of Helm 3, built if needed.
pub fn helm3() -> Result<PathBuf, Error> {
    path(Tool::Helm3)
}

/// Path of one program, built if needed.
pub fn path(tool: Tool) -> Result<PathBuf, Error> {
    ensure(&[tool])?;
    let assets = assets();
    match resolve(tool, assets.as_deref(), &cache()?.join("bin")) {
        Place::Found(path) => Ok(path),
        Place::Build(path) | Place::Absent(path) => Err(Error::Setup(format!(
            "{} is not at {} although it was built",
            tool.name(),
            path.display()
        ))),
    }
}

/// Makes sure that the programs exist, building what is missing (about ten
/// minutes for all of them on two cores the first time). Says what it builds.
pub fn ensure(tools: &[Tool]) -> Result<(), Error> {
    let missing = missing(tools)?;
    if missing.is_empty() {
        return Ok(());
    }
    build::build(&cache()?, &missing)
}

/// Which of the programs would have to be built.
pub fn missing(tools: &[Tool]) -> Result<Vec<Tool>, Error> {
    let assets = assets();
    let bin = cache()?.join("bin");
    let mut missing = Vec::new();
    for &tool in Tool::ALL.iter().filter(|tool| tools.contains(tool)) {
        match resolve(tool, assets.as_deref(), &bin) {
            Place::Found(_) => {}
            Place::Build(_) => missing.push(tool),
            Place::Absent(path) => {
                return Err(Error::Setup(format!(
                    "{ASSETS} is set, but {} does not exist: complete that directory, or unset \
                     {ASSETS} to have the binaries built with Go",
                    path.display()
                )));
            }
        }
    }
    Ok(missing)
}

/// Version of Kubernetes that is built, such as `v1.37.2`.
pub fn kubernetes_version() -> &'static str {
    required_version(GO_MOD, "k8s.io/kubernetes").unwrap_or("v0.0.0")
}

enum Place {
    Found(PathBuf),
    Build(PathBuf),
    Absent(PathBuf),
}

fn resolve(tool: Tool, assets: Option<&Path>, bin: &Path) -> Place {
    if let Some(assets) = assets {
        let path = assets.join(tool.name());
        if path.is_file() {
            return Place::Found(path);
        }
        if tool.is_asset() {
            return Place::Absent(path);
        }
    }
    let path = bin.join(tool.name());
    if path.is_file() {
        Place::Found(path)
    } else {
        Place::Build(path)
    }
}

fn assets() -> Option<PathBuf> {
    env::var_os(ASSETS).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The directory of everything that is fetched or built once.
pub(crate) fn root() -> Result<PathBuf, Error> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let base = match (set("XDG_CACHE_HOME"), set("HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, Some(home)) => PathBuf::from(home).join(".cache"),
        (None, None) => {
            return Err(Error::Setup(
                "neither XDG_CACHE_HOME nor HOME is set: no place for what is fetched or built once".to_owned(),
            ));
        }
    };
    Ok(base.join("adconversion"))
}

fn cache() -> Result<PathBuf, Error> {
    Ok(root()?.join("control-plane").join(cache_key(GO_MOD, GO_SUM)))
}

fn cache_key(go_mod: &str, go_sum: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("{go_mod}\n{go_sum}").as_bytes());
    let version = required_version(go_mod, "k8s.io/kubernetes").unwrap_or("v0.0.0");
    format!("{version}-{}", &hex(digest.as_ref())[..16])
}

/// The version that a `require` line of a go.mod names for a module.
fn required_version<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    go_mod.lines().find_map(|line| {
        let mut words = line.trim().trim_start_matches("require ").split_whitespace();
        let found = words.next() == Some(module);
        words.next().filter(|version| found && version.starts_with('v'))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn reads_versions_from_go_mod() {
        let text = "module x\nrequire (\n\ta.b/c v1.2.3\n\ta.b/c/d v9.9.9 // indirect\n)\nreplace (\n\ta.b/e => a.b/e v0.1.0\n)\n";
        assert_eq!(required_version(text, "a.b/c"), Some("v1.2.3"));
        assert_eq!(required_version(text, "a.b/c/d"), Some("v9.9.9"));
        assert_eq!(required_version(text, "a.b/e"), None);
        assert_eq!(required_version("require a.b/c v3.0.0", "a.b/c"), Some("v3.0.0"));
    }

    #[test]
    fn the_pinned_files_name_their_versions() {
        assert!(kubernetes_version().starts_with("v1."));
        for tool in Tool::ALL {
            assert!(GO_MOD.contains(tool.package()), "{}", tool.package());
        }
    }

    #[test]
    fn the_cache_key_follows_both_files() {
        let go_mod = "require k8s.io/kubernetes v1.2.3";
        let key = cache_key(go_mod, "a");
        assert!(key.starts_with("v1.2.3-"), "{key}");
        assert_eq!(key.len(), "v1.2.3-".len() + 16);
        assert_eq!(key, cache_key(go_mod, "a"));
        assert_ne!(key, cache_key(go_mod, "b"));
        assert_ne!(key, cache_key("require k8s.io/kubernetes v1.2.3\n", "a"));
    }

    #[test]
    fn assets_come_first_and_must_be_complete() {
        let root = env::temp_dir().join(format!("adconversion-tools-{}", std::process::id()));
        let (assets, bin) = (root.join("assets"), root.join("bin"));
        fs::create_dir_all(&assets).unwrap();
        fs::create_dir_all(&bin).unwrap();
        for name in ["kubectl", "helm"] {
            fs::write(bin.join(name), "").unwrap();
        }
        fs::write(assets.join("kubectl"), "").unwrap();

        let place = |tool, assets: Option<&Path>| match resolve(tool, assets, &bin) {
            Place::Found(path) => ("found", path),
            Place::Build(path) => ("build", path),
            Place::Absent(path) => ("absent", path),
        };
        let with = Some(assets.as_path());
        assert_eq!(place(Tool::Kubectl, with), ("found", assets.join("kubectl")));
        assert_eq!(place(Tool::Kubectl, None), ("found", bin.join("kubectl")));
        assert_eq!(place(Tool::Etcd, with), ("absent", assets.join("etcd")));
        assert_eq!(place(Tool::Etcd, None), ("build", bin.join("etcd")));
        assert_eq!(place(Tool::Helm, with), ("found", bin.join("helm")));
        fs::remove_dir_all(&root).unwrap();
    }
}
