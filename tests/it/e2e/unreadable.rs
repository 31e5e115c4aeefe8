//! Objects that the API server takes and the operator cannot read: they keep nobody else waiting, and may be deleted.

use serde_json::json;

use super::Stage;
use super::faults::plane;
use super::stage::ago;
use super::words::events;

/// Definitions of another version may be looser than ours.
fn loosen(stage: &Stage) {
    let pattern = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/startTime/pattern";
    let patch = json!([{"op": "remove", "path": pattern}]).to_string();
    let definition = "crd/adconversionevents.adconversion.dev";
    stage.kubectl(&["patch", definition, "--type=json", "--patch", &patch]);
}

#[test]
fn what_cannot_be_read_may_be_deleted_and_so_may_its_namespace() {
    let (plane, account) = plane();
    let stage = Stage::on(plane, &account, "faults".to_owned(), &[], &[]);
    loosen(&stage);
    stage.start_operator();
    stage.accounts();
    for name in ["one", "two", "well"] {
        stage.event(name, "customer", &json!({"startTime": ago(600)}));
        stage.condition(&format!("adce/{name}"), "Ready", "True", "");
    }
    let odd = json!({"spec": {"startTime": "2026-10-01T00:00:00+01:60"}});
    stage.wait_for("the looser definition", || {
        let odd = odd.to_string();
        let patch = [
            "--namespace",
            "faults",
            "patch",
            "adce/one",
            "--type=merge",
            "--patch",
            &odd,
        ];
        let patched = plane.client().must(&patch).map_err(|error| error.to_string());
        patched.map(drop).map_err(|error| json!(error))
    });
    stage.patch("adce/two", &odd);
    stage.wait_for("word of it", || {
        let said = events(&stage, "one");
        let told = said
            .iter()
            .any(|event| event.to_string().contains("cannot read the object"));
        if told { Ok(()) } else { Err(json!(said)) }
    });
    stage.kubectl(&["delete", "adce/one", "--timeout=30s"]);
    assert_eq!(stage.actions().len(), 3, "in Google Ads it stays");
    // The accounts are held by events that can be read alone.
    stage.kubectl(&["delete", "namespace", "faults", "--timeout=60s"]);
}
