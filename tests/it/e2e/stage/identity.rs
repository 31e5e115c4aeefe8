//! Whom the operator is to the API server: the chart's service account.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use xtask::control_plane::ControlPlane;
use xtask::lab::install;

use super::repository;
use crate::support::cluster::cluster;

static PERMISSIONS: OnceLock<String> = OnceLock::new();
/// By the control plane's own kubeconfig and the service account.
static KUBECONFIGS: Mutex<BTreeMap<(PathBuf, String), String>> = Mutex::new(BTreeMap::new());

/// The chart's service account, bound to the chart's permissions; its name.
pub(in crate::e2e) fn service_account() -> &'static str {
    PERMISSIONS.get_or_init(|| {
        let helm = xtask::tools::helm().expect("helm");
        let installed = install::install(cluster().client(), &helm, repository()).expect("the chart's permissions");
        installed.service_account
    })
}

/// A kubeconfig of the chart's service account on this control
/// plane, made once: two calls of kubectl less for each test.
pub(super) fn kubeconfig_of(plane: &ControlPlane, account: &str) -> String {
    let admin = plane.admin_kubeconfig();
    let mut known = KUBECONFIGS.lock().unwrap_or_else(PoisonError::into_inner);
    let made = known.entry((admin.to_path_buf(), account.to_owned()));
    let content = made.or_insert_with(|| {
        let file = admin.with_file_name(format!("{account}.kubeconfig"));
        let written = plane
            .client()
            .write_service_account_kubeconfig(install::NAMESPACE, account, &file);
        written.expect("a kubeconfig of the service account");
        fs::read_to_string(file).expect("the kubeconfig")
    });
    content.clone()
}
