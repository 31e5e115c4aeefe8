//! Files, ports and command lines of one control plane.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{APISERVER, CONTROLLER_MANAGER, ETCD};
use crate::supervisor::Spec;
use crate::{Error, credentials, ports, process};

/// Everything that is decided before the first process starts.
pub(super) struct Layout {
    pub(super) directory: PathBuf,
    pub(super) admin_kubeconfig: PathBuf,
    etcd_client: u16,
    etcd_peer: u16,
    apiserver: u16,
}

impl Layout {
    /// Chooses ports and writes keys, the administrator's token and kubeconfig.
    pub(super) fn create(directory: PathBuf) -> Result<Self, Error> {
        let ports = ports::free(3)?;
        let layout = Self {
            admin_kubeconfig: directory.join("admin.kubeconfig"),
            directory,
            etcd_client: ports[0],
            etcd_peer: ports[1],
            apiserver: ports[2],
        };
        let token = credentials::random_token()?;
        let keys = credentials::service_account_keys()?;
        layout.write("sa.key", &keys.private)?;
        layout.write("sa.pub", &keys.public)?;
        layout.write("tokens.csv", &format!("{token},admin,admin,\"system:masters\"\n"))?;
        let config = kubeconfig(&layout.url(), &layout.certificate(), &token);
        layout.write("admin.kubeconfig", &config)?;
        Ok(layout)
    }

    pub(super) fn admin_kubeconfig(&self) -> PathBuf {
        self.admin_kubeconfig.clone()
    }

    pub(super) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.apiserver)
    }

    /// The self-signed certificate, written by kube-apiserver when it starts.
    pub(super) fn certificate(&self) -> PathBuf {
        self.directory.join("certs").join("apiserver.crt")
    }

    /// The last lines of a process's log, or why they can't be read.
    pub(super) fn log_tail(&self, name: &str) -> String {
        fs::read_to_string(self.log(name)).map_or_else(|error| error.to_string(), |log| process::tail(&log, 20))
    }

    pub(super) fn etcd(&self, program: PathBuf) -> Spec {
        let client = format!("http://127.0.0.1:{}", self.etcd_client);
        let peer = format!("http://127.0.0.1:{}", self.etcd_peer);
        self.spec(
            ETCD,
            program,
            vec![
                format!("--data-dir={}", self.at("etcd")),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=default={peer}"),
                // The data lives as long as the process: no reason to wait for the disk.
                "--unsafe-no-fsync".to_owned(),
            ],
        )
    }

    pub(super) fn apiserver(&self, program: PathBuf, additional: &[String]) -> Spec {
        let mut arguments = vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_client),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            // A loopback address may not be published as an endpoint.
            "--endpoint-reconciler-type=none".to_owned(),
            format!("--secure-port={}", self.apiserver),
            format!("--cert-dir={}", self.at("certs")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", self.at("sa.pub")),
            format!("--service-account-signing-key-file={}", self.at("sa.key")),
            format!("--token-auth-file={}", self.at("tokens.csv")),
            "--authorization-mode=RBAC".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--allow-privileged=true".to_owned(),
        ];
        arguments.extend_from_slice(additional);
        self.spec(APISERVER, program, arguments)
    }

    pub(super) fn controller_manager(&self, program: PathBuf) -> Spec {
        self.spec(
            CONTROLLER_MANAGER,
            program,
            vec![
                format!("--kubeconfig={}", self.admin_kubeconfig.display()),
                "--leader-elect=false".to_owned(),
                format!("--service-account-private-key-file={}", self.at("sa.key")),
                format!("--root-ca-file={}", self.certificate().display()),
                // Nobody asks it for health or metrics.
                "--secure-port=0".to_owned(),
            ],
        )
    }

    fn spec(&self, name: &str, program: PathBuf, arguments: Vec<String>) -> Spec {
        Spec {
            name: name.to_owned(),
            program,
            arguments,
            environment: BTreeMap::new(),
            log: self.log(name),
        }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }

    fn at(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.directory.join(name);
        fs::write(&path, text).map_err(|source| Error::path("write", &path, source))
    }
}

fn kubeconfig(url: &str, certificate: &Path, token: &str) -> String {
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "control-plane",
            "cluster": {"server": url, "certificate-authority": certificate},
        }],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{
            "name": "control-plane",
            "context": {"cluster": "control-plane", "user": "admin"},
        }],
        "current-context": "control-plane",
    })
    .to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        Layout {
            directory: PathBuf::from("/d"),
            admin_kubeconfig: PathBuf::from("/d/admin.kubeconfig"),
            etcd_client: 1,
            etcd_peer: 2,
            apiserver: 3,
        }
    }

    #[test]
    fn every_listener_is_on_loopback() {
        let layout = layout();
        for spec in [layout.etcd("etcd".into()), layout.apiserver("apiserver".into(), &[])] {
            for argument in spec.arguments.iter().filter(|a| a.contains("http://")) {
                assert!(argument.contains("http://127.0.0.1:"), "{argument}");
            }
        }
        let arguments = layout.apiserver("apiserver".into(), &[]).arguments;
        assert!(arguments.contains(&"--bind-address=127.0.0.1".to_owned()));
        assert!(arguments.contains(&"--authorization-mode=RBAC".to_owned()));
    }

    #[test]
    fn additional_flags_come_last() {
        let flags = ["--feature-gates=A=true".to_owned()];
        let spec = layout().apiserver("apiserver".into(), &flags);
        assert_eq!(spec.arguments.last(), Some(&flags[0]));
    }

    #[test]
    fn the_kubeconfig_names_server_certificate_and_token() {
        let text = kubeconfig("https://127.0.0.1:3", Path::new("/d/c.crt"), "abc");
        let config: serde_json::Value = serde_json::from_str(&text).unwrap();
        let at = |pointer| config.pointer(pointer).unwrap().as_str().unwrap();
        assert_eq!(at("/clusters/0/cluster/server"), "https://127.0.0.1:3");
        assert_eq!(at("/clusters/0/cluster/certificate-authority"), "/d/c.crt");
        assert_eq!(at("/users/0/user/token"), "abc");
        assert_eq!(at("/contexts/0/context/user"), at("/users/0/name"));
    }
}
