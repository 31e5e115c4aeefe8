use rstest::rstest;
use serde_json::json;

use super::*;
use crate::cli::layout::tests::{WIDTHS, assert_fits};

const PLAIN: Look = Look {
    width: Width::PIPE,
    colored: false,
    short: false,
};

fn report(probes: Vec<Probe>) -> Report {
    let key = ObjectKey::new("marketing", "won");
    Report::new(
        vec![Checked::new("AdConversionEvent", &key, Some("won.yaml"), probes)],
        vec![],
    )
}

#[rstest]
#[case::nothing(&[], 0)]
#[case::fine(&[Verdict::Fine, Verdict::Skipped], 0)]
#[case::finding(&[Verdict::Fine, Verdict::Finding, Verdict::NotDone], 1)]
#[case::not_done(&[Verdict::NotDone, Verdict::Fine], 2)]
fn the_worst_decides(#[case] verdicts: &[Verdict], #[case] code: u8) {
    let probes = verdicts
        .iter()
        .map(|verdict| Probe::new("x", *verdict, None, "y"))
        .collect();
    assert_eq!(report(probes).exit_code(), code);
}

#[test]
fn people_read_a_line_a_probe() {
    let found = report(vec![
        Probe::fine("stage", "customer (\"Customer\")"),
        Probe::finding("form", "FormNotFound", "HubSpot has no form \u{1b}[2J<b>\"x\"</b>."),
        Probe::skipped("account goal", "Not known yet."),
    ]);
    assert_eq!(
        found.to_text(PLAIN),
        "AdConversionEvent marketing/won (won.yaml)\n\
         ✓  stage         customer (\"Customer\")\n\
         ✗  form          HubSpot has no form \u{fffd}[2J<b>\"x\"</b>.\n\
         –  account goal  Not known yet.\n\n\
         1 fine, 1 finding\n"
    );
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
fn every_line_fits_where_it_is_read() {
    let message =
        "HubSpot has no stage \"Kunde\". Set spec.trigger.lifecycleStage.stage to one that exists. ".repeat(4);
    let found = report(vec![
        Probe::fine("scope crm.objects.contacts.read", "The token has it."),
        Probe::finding("stage", "StageNotFound", &message),
    ]);
    for columns in WIDTHS {
        for short in [false, true] {
            let text = found.to_text(Look {
                width: Width::of(columns),
                short,
                ..PLAIN
            });
            assert_fits(&text, columns);
            let whole: Vec<_> = text.split_whitespace().collect();
            assert!(whole.join(" ").contains(message.trim()), "{text}");
            if columns.is_none_or(|columns| columns == 0) {
                assert_eq!(
                    text.lines().filter(|line| line.starts_with(['✓', '✗'])).count(),
                    if short { 1 } else { 2 }
                );
            }
        }
    }
}

#[test]
fn the_short_form_has_what_is_not_fine() {
    let key = ObjectKey::new("marketing", "acme");
    let fine = Checked::new(
        "HubSpotAccount",
        &key,
        None,
        vec![Probe::fine("token", "HubSpot accepts it.")],
    );
    let broken = vec![
        Probe::fine("token", "Google accepts it."),
        Probe::finding("customer", "AccountNotFound", "There is none."),
        Probe::skipped("upload", "Not tried."),
        Probe::not_done("customer data terms", &NotDone("No answer.".to_owned())),
    ];
    let broken = Checked::new("GoogleAdsAccount", &key, None, broken);
    let short = Look { short: true, ..PLAIN };
    assert_eq!(
        Report::new(vec![fine, broken], vec![]).to_text(short),
        "✓  HubSpotAccount marketing/acme (cluster)\n\
         GoogleAdsAccount marketing/acme (cluster)\n\
         ✗  customer             There is none.\n\
         –  customer data terms  No answer.\n\n\
         2 fine, 1 finding, 1 could not be found out\n"
    );
}

#[test]
fn what_no_api_server_has_judged_is_not_simply_fine() {
    let key = ObjectKey::new("marketing", "won");
    let probes = vec![
        Probe::skipped(MANIFEST, "No API server was asked."),
        Probe::fine("stage", "It is there."),
    ];
    let unjudged = Checked::new("AdConversionEvent", &key, Some("won.yaml"), probes);
    let short = Look { short: true, ..PLAIN };
    assert_eq!(
        Report::new(vec![unjudged], vec![]).to_text(short),
        "–  AdConversionEvent marketing/won (won.yaml): fine as far as it was judged, which no API server has done\n\n1 fine\n"
    );
}

#[test]
fn texts_of_others_stay_short() {
    let large = "x".repeat(1 << 20);
    let key = ObjectKey::new("marketing", &large);
    let found = Report::new(
        vec![Checked::new(
            "Kind",
            &key,
            Some(&large),
            vec![Probe::fine("stage", &large)],
        )],
        vec![],
    );
    let text = found.to_text(PLAIN);
    assert!(text.len() < 1_000, "{} bytes", text.len());
}

#[test]
fn what_the_cluster_does_not_tell_is_no_pass() {
    let key = ObjectKey::new("marketing", "won");
    let probes = vec![Probe::not_done(
        "manifest",
        &NotDone("In x. You may not get it.".to_owned()),
    )];
    let checked = || vec![Checked::new("AdConversionEvent", &key, None, probes.clone())];
    let said = Report::new(checked(), vec!["You may not get it.".to_owned()]);
    assert!(said.unanswered.is_empty(), "a probe says it already");
    let fine = vec![Checked::new(
        "AdConversionEvent",
        &key,
        None,
        vec![Probe::fine("stage", "customer")],
    )];
    let said = Report::new(fine, vec!["You may not list it.".to_owned()]);
    assert_eq!(said.exit_code(), 2);
    assert!(
        said.to_text(PLAIN)
            .ends_with("The cluster\n–  You may not list it.\n\n1 fine, 1 could not be found out\n")
    );
}
