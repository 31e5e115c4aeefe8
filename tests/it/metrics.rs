//! What `/metrics` shows: documented, and in the words that Prometheus wants.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use adconversion_operator::domain::ids::ObjectKey;
use adconversion_operator::domain::outcome::Outcome;
use adconversion_operator::ops::exposition::Format;
use adconversion_operator::ops::metrics::{EventCounts, Metrics};
use adconversion_operator::ports::CallObserver;
use jiff::Timestamp;

/// Type and labels of a metric.
type About = (String, BTreeSet<String>);

/// All metrics, each with a value.
pub fn exposed() -> String {
    let metrics = Metrics::new().with_events();
    let now = Timestamp::now();
    let event = ObjectKey::new("marketing", "customer");
    metrics.record_reconcile("AdConversionEvent", "ok", Duration::from_millis(3));
    metrics.observe_call("Google Ads", "search", Some(200), Duration::from_millis(120));
    metrics.observe_throttling("HubSpot", Duration::from_millis(1500));
    metrics.set_object("AdConversionEvent", &event, "True");
    for uploaded in [1, 3] {
        let outcomes = BTreeMap::from([(Outcome::Uploaded, uploaded), (Outcome::Pending, 1)]);
        let counts = EventCounts {
            outcomes,
            waiting_since: Some(now),
            last_upload: Some(now),
        };
        metrics.set_event(&event, counts);
    }
    metrics.encode(Format::Prometheus, now).unwrap()
}

/// What a text in the Prometheus format holds, by name.
pub fn found(text: &str) -> BTreeMap<String, About> {
    let described = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let mut found: BTreeMap<String, About> = described
        .map(|(name, kind)| (name.to_owned(), (kind.to_owned(), BTreeSet::new())))
        .collect();
    for sample in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = sample.split_once('{') else {
            continue;
        };
        let name = ["_bucket", "_sum", "_count"]
            .into_iter()
            .filter_map(|part| name.strip_suffix(part))
            .find(|name| found.contains_key(*name))
            .unwrap_or(name);
        let labels = rest.split("\",").filter_map(|label| Some(label.split_once("=\"")?.0));
        let about = found
            .get_mut(name)
            .unwrap_or_else(|| panic!("{name} has no description"));
        about.1.extend(labels.filter(|label| *label != "le").map(str::to_owned));
    }
    found
}

/// What `docs/metrics.md` says there is, by name.
pub fn documented() -> BTreeMap<String, About> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
    let plain = |text: &str| text.trim().trim_matches('`').to_owned();
    page.lines()
        .filter(|line| line.starts_with("| `"))
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
            let [name, kind, labels, words] = cells[..] else {
                panic!("four cells: {row}");
            };
            assert!(words.trim().len() > 5, "it says what it is: {row}");
            let labels = labels.split(',').map(plain).filter(|label| !label.is_empty());
            (plain(name), (plain(kind), labels.collect()))
        })
        .collect()
}

#[test]
fn every_metric_is_documented_and_every_documented_one_is_there() {
    assert_eq!(found(&exposed()), documented());
}

#[test]
fn prometheus_finds_no_fault() {
    xtask::prometheus::check(&exposed()).unwrap();
    let wrong = "# TYPE adconversion_calls counter\nadconversion_calls 1\n";
    assert!(xtask::prometheus::check(wrong).is_err(), "the check can fail");
}
