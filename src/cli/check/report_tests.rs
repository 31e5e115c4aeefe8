use rstest::rstest;
use serde_json::json;

use super::*;

fn report(probes: Vec<Probe>) -> Report {
    let key = ObjectKey::new("marketing", "won");
    Report::new(
        vec![CheckedObject::new("AdConversionEvent", &key, Some("won.yaml"), probes)],
        vec![],
    )
}

#[rstest]
#[case::nothing(&[], 0)]
#[case::fine(&[ProbeVerdict::Fine, ProbeVerdict::Skipped], 0)]
#[case::finding(&[ProbeVerdict::Fine, ProbeVerdict::Finding, ProbeVerdict::NotDone], 1)]
#[case::not_done(&[ProbeVerdict::NotDone, ProbeVerdict::Fine], 2)]
fn the_worst_decides(#[case] verdicts: &[ProbeVerdict], #[case] code: u8) {
    let probes = verdicts
        .iter()
        .map(|verdict| Probe::new("x", *verdict, None, "y"))
        .collect();
    assert_eq!(report(probes).exit_code(), code);
}

#[test]
fn programs_read_this_shape() {
    let found = report(vec![Probe::finding("stage", "StageNotFound", "There is none.")]);
    let expected = json!({"verdict": "Finding", "objects": [{
        "kind": "AdConversionEvent", "namespace": "marketing", "name": "won", "source": "won.yaml",
        "probes": [{"probe": "stage", "verdict": "Finding", "reason": "StageNotFound", "message": "There is none."}],
    }]});
    assert_eq!(serde_json::to_value(found).ok(), Some(expected));
}

#[test]
fn what_the_cluster_does_not_tell_is_no_pass() {
    let key = ObjectKey::new("marketing", "won");
    let probes = vec![Probe::not_done(
        "manifest",
        &NotDone("In x. You may not get it.".to_owned()),
    )];
    let checked = || vec![CheckedObject::new("AdConversionEvent", &key, None, probes.clone())];
    let said = Report::new(checked(), vec!["You may not get it.".to_owned()]);
    assert!(said.unanswered.is_empty(), "a probe says it already");
    let fine = vec![CheckedObject::new(
        "AdConversionEvent",
        &key,
        None,
        vec![Probe::fine("stage", "customer")],
    )];
    let said = Report::new(fine, vec!["You may not list it.".to_owned()]);
    assert_eq!(said.exit_code(), 2);
}
