//! From `install.yaml` or Kustomize to the chart, with the ledger that is there.

use xtask::control_plane::{ControlPlane, Options};

use super::{chart, definitions::advice, helm_on};
use crate::{gitops::uninstall::remove, support::cluster::LONG_CALL};

#[test]
fn a_release_takes_over_the_ledger_as_the_readme_says() {
    let options = Options {
        controller_manager: false,
        ..Options::default()
    };
    let plane = ControlPlane::start(&options).unwrap();
    let kubectl = plane.client();
    let base = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize");
    let built = kubectl.must(&["kustomize", base]).unwrap();
    let apply = ["apply", "--server-side", "--filename", "-"];
    kubectl.run_with(&apply, Some(&built), LONG_CALL).unwrap().ok().unwrap();
    let namespace = ["--namespace", "adconversion-system"];
    let get = ["get", "persistentvolumeclaim", "adconversion-operator-ledger"];
    let claim = || kubectl.json(&[&get[..], &namespace].concat()).unwrap();
    let before = claim();

    remove(kubectl);
    let chart = chart().display().to_string();
    let release = ["upgrade", "--install", "adconversion-operator", &chart];
    let flags = ["--take-ownership", "--force-conflicts"];
    for refused in [&[][..], &flags[..1]] {
        let arguments = [&release[..], &namespace, refused].concat();
        let error = helm_on(kubectl, &arguments, None).unwrap_err().to_string();
        let advice = advice(&error);
        for part in flags
            .iter()
            .chain(&["operations.md#without-helm", "Never delete the claim"])
        {
            assert!(advice.contains(part), "{advice} for {error}");
        }
    }
    helm_on(kubectl, &[&release[..], &namespace, &flags].concat(), None).unwrap();
    let after = claim();
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(after["metadata"]["labels"]["app.kubernetes.io/managed-by"], "Helm");
    plane.stop().unwrap();
}
