#![allow(clippy::unwrap_used)]

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::cli::check::report::ProbeVerdict;

fn declared(shares: bool) -> Declared {
    let share = if shares { json!(["Email"]) } else { json!([]) };
    let event = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent", "metadata": {"name": "won"},
        "spec": {"hubSpotAccountRef": {"name": "acme"}, "trigger": {"lifecycleStage": {"stage": "customer"}}, "shareData": share},
    });
    Declared::from_manifest(&serde_json::from_value(event).unwrap())
}

#[rstest]
#[case::few(
    120,
    3,
    false,
    ProbeVerdict::Fine,
    "3 of 120 contacts that reached the stage in the last 30 days have a click id"
)]
#[case::few_and_why(120, 3, false, ProbeVerdict::Fine, "auto-tagging")]
#[case::few_but_shared(120, 3, true, ProbeVerdict::Fine, "spec.shareData alone")]
#[case::many(120, 100, false, ProbeVerdict::Fine, "100 of 120")]
#[case::none(120, 0, false, ProbeVerdict::Finding, "spec.shareData")]
#[case::none_but_shared(120, 0, true, ProbeVerdict::Fine, "0 of 120")]
#[case::just_enough_to_judge(10, 0, false, ProbeVerdict::Finding, "0 of 10 contacts")]
#[case::too_few_to_judge(9, 0, false, ProbeVerdict::Skipped, "too few to judge")]
#[case::one(
    1,
    0,
    false,
    ProbeVerdict::Skipped,
    "0 of 1 contact that reached the stage in the last 30 days has a click id"
)]
#[case::nobody(0, 0, false, ProbeVerdict::Skipped, "Nobody reached the stage in the last 30 days")]
fn the_share(
    #[case] contacts: usize,
    #[case] with_click: usize,
    #[case] shares: bool,
    #[case] verdict: ProbeVerdict,
    #[case] part: &str,
) {
    let sample = Sample {
        days: 30,
        contacts,
        with_click,
        more: false,
    };
    let probe = judge(sample, &declared(shares));
    assert_eq!(probe.verdict, verdict, "{probe:?}");
    assert!(probe.message.contains(part), "{probe:?}");
}

#[test]
fn a_sample_says_that_it_is_one() {
    let sample = Sample {
        days: 1,
        contacts: 200,
        with_click: 150,
        more: true,
    };
    let said = judge(sample, &declared(false)).message;
    assert!(
        said.starts_with("150 of 200 contacts that reached the stage in the last day have a click id")
            && said.ends_with("There are more contacts, which were not looked at."),
        "{said}"
    );
}
