#![allow(clippy::expect_used)]

use super::*;
use crate::cli::layout::tests::{WIDTHS, assert_fits};
use crate::cli::offline::NotDone;
use crate::domain::ids::ObjectKey;

const PLAIN: ReportStyle = ReportStyle {
    width: Width::PIPE,
    colored: false,
    short: false,
};

fn report(probes: Vec<Probe>) -> Report {
    let key = ObjectKey::new("marketing", "won");
    Report::new(
        vec![CheckedObject::new("AdConversionEvent", &key, Some("won.yaml"), probes)],
        vec![],
    )
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
fn every_line_fits_where_it_is_read() {
    let message =
        "HubSpot has no stage \"Kunde\". Set spec.trigger.lifecycleStage.stage to one that exists. ".repeat(4);
    let found = report(vec![
        Probe::fine("scope crm.objects.contacts.read", "The token has it."),
        Probe::finding("stage", "StageNotFound", &message),
    ]);
    for columns in WIDTHS {
        for short in [false, true] {
            let text = found.to_text(ReportStyle {
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
    let fine = CheckedObject::new(
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
    let broken = CheckedObject::new("GoogleAdsAccount", &key, None, broken);
    let short = ReportStyle { short: true, ..PLAIN };
    assert_eq!(
        Report::new(vec![fine, broken], vec![]).to_text(short),
        "✓  HubSpotAccount marketing/acme (cluster)\n\
         GoogleAdsAccount marketing/acme (cluster)\n\
         ✗  customer             There is none.\n\
         ?  customer data terms  No answer.\n\n\
         2 fine, 1 finding, 1 could not be determined\n"
    );
}

#[test]
fn what_no_api_server_has_judged_is_not_simply_fine() {
    let key = ObjectKey::new("marketing", "won");
    let probes = vec![
        Probe::skipped(MANIFEST, "No API server was asked."),
        Probe::fine("stage", "It is there."),
    ];
    let unjudged = CheckedObject::new("AdConversionEvent", &key, Some("won.yaml"), probes);
    let short = ReportStyle { short: true, ..PLAIN };
    assert_eq!(
        Report::new(vec![unjudged], vec![]).to_text(short),
        "–  AdConversionEvent marketing/won (won.yaml): fine as far as it was judged, which no API server has done\n\n1 fine\n"
    );
}

#[test]
fn an_event_whose_account_cannot_be_used_is_not_called_fine() {
    let found = report(vec![
        Probe::skipped("HubSpotAccount", "acme cannot be used yet: see its own lines."),
        Probe::fine("GoogleAdsAccount", "acme can be used."),
        Probe::skipped("stage", "Not probed without its HubSpotAccount."),
        Probe::skipped("account goal", "Known once the conversion action exists."),
    ]);
    let short = ReportStyle { short: true, ..PLAIN };
    assert_eq!(
        found.to_text(short),
        "–  AdConversionEvent marketing/won (won.yaml): not judged. HubSpotAccount: acme cannot be used yet: see its own lines.\n\n\
         1 fine\n"
    );
}

#[test]
fn texts_of_others_stay_short() {
    let large = "x".repeat(1 << 20);
    let key = ObjectKey::new("marketing", &large);
    let found = Report::new(
        vec![CheckedObject::new(
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
fn what_the_cluster_does_not_tell_has_a_part_of_its_own() {
    let mut found = report(vec![Probe::fine("stage", "customer")]);
    found.unanswered = vec!["You may not list it.".to_owned()];
    assert!(
        found
            .to_text(PLAIN)
            .ends_with("The cluster\n?  You may not list it.\n\n1 fine, 1 could not be determined\n")
    );
}

/// Events of one namespace whose account is missing, each created at a time of its own.
fn crowd(count: usize) -> Vec<CheckedObject> {
    let one = |number: usize| {
        let key = ObjectKey::new("marketing", format!("ev-{number:05}"));
        let probes = vec![
            Probe::fine(MANIFEST, "It is applied."),
            Probe::finding("HubSpotAccount", "AccountNotFound", "There is no acme."),
            Probe::fine("start", format!("Conversions count from {number}.")),
        ];
        CheckedObject::new("AdConversionEvent", &key, None, probes)
    };
    (0..count).map(one).collect()
}

#[test]
fn many_with_the_same_findings_are_one() {
    let mut objects = crowd(10_000);
    let other = Probe::finding("stage", "StageNotFound", "There is no stage Kunde.");
    let key = ObjectKey::new("marketing", "other");
    objects.insert(1, CheckedObject::new("AdConversionEvent", &key, None, vec![other]));
    let report = Report::new(objects, vec![]);
    let short = "\
AdConversionEvent marketing/ev-00000, ev-00001, ev-00002 and 9997 more (cluster)
✗  HubSpotAccount  There is no acme.
AdConversionEvent marketing/other (cluster)
✗  stage  There is no stage Kunde.

20000 fine, 10001 findings
";
    assert_eq!(report.to_text(ReportStyle { short: true, ..PLAIN }), short);
    let long = "\
AdConversionEvent marketing/ev-00000, ev-00001, ev-00002 and 9997 more (cluster)
✓  manifest        It is applied.
✗  HubSpotAccount  There is no acme.
–  start           Not the same for all of these: -o json has each.
";
    let text = report.to_text(PLAIN);
    assert!(text.starts_with(long), "{text}");
    let json = serde_json::to_value(&report).expect("JSON");
    assert_eq!(json["objects"].as_array().map(Vec::len), Some(10_001));
    for columns in WIDTHS {
        let width = Width::of(columns);
        assert_fits(&report.to_text(ReportStyle { width, ..PLAIN }), columns);
    }
    let mut files = crowd(GATHERED_FROM);
    for (number, object) in files.iter_mut().enumerate() {
        object.source = format!("{number}.yaml");
    }
    let text = Report::new(files, vec![]).to_text(PLAIN);
    assert!(
        text.contains("ev-00002 and 7 more (0.yaml, 1.yaml, 2.yaml and 7 more)\n"),
        "{text}"
    );
    // A few are told one by one, but for the short form.
    let two = Report::new(crowd(2), vec![]).to_text(ReportStyle { short: true, ..PLAIN });
    assert_eq!(two.matches("There is no acme.").count(), 1, "{two}");
    let few = Report::new(crowd(GATHERED_FROM - 1), vec![]);
    assert_eq!(
        few.to_text(PLAIN).matches("There is no acme.").count(),
        GATHERED_FROM - 1
    );
}
