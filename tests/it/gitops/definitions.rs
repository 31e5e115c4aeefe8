//! The objects of Flux and Argo CD in `deploy/`, by the definitions of these two.

use serde_json::Value;
use xtask::{kubectl::Kubectl, process::Output};

use super::documents;
use crate::support::cluster::LONG_CALL;

fn create(kubectl: &Kubectl, text: &str) -> Output {
    let arguments = ["create", "--validate=strict", "--filename", "-"];
    kubectl.run_with(&arguments, Some(text), LONG_CALL).unwrap()
}

/// Brings these definitions, and creates these objects, as whoever uses
/// them would. A field that a definition does not have is refused.
pub fn taken_by(kubectl: &Kubectl, definitions: &str, objects: &[Value]) {
    create(kubectl, definitions).ok().unwrap();
    for definition in documents(definitions) {
        let name = format!("crd/{}", definition["metadata"]["name"].as_str().unwrap());
        kubectl.wait_established(&[&name]).unwrap();
    }
    for object in objects {
        let mut wrong = object.clone();
        wrong["spec"]["notAField"] = Value::from("1h");
        let refused = create(kubectl, &wrong.to_string());
        assert!(
            refused.stderr.contains("unknown field \"spec.notAField\""),
            "{}",
            refused.stderr
        );
        let output = create(kubectl, &object.to_string());
        assert!(
            output.success() && output.stderr.is_empty(),
            "{object}: {}",
            output.stderr
        );
    }
}
