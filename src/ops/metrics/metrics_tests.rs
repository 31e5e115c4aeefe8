use std::collections::BTreeMap;

use super::*;

fn line(metrics: &Metrics, start: &str, now: Timestamp) -> Option<String> {
    let text = metrics.encode(Format::OpenMetrics, now).unwrap();
    text.lines()
        .find(|l| l.starts_with(start))
        .map(|l| l.rsplit(' ').next().unwrap_or_default().to_owned())
}

#[test]
fn names_are_those_promised() {
    let metrics = Metrics::new();
    let now = Timestamp::from_second(1_790_000_100).unwrap();
    metrics.record_reconcile("AdConversionEvent", "ok", Duration::from_millis(3));
    metrics.observe_call("Google Ads", "search", Some(200), Duration::from_millis(120));
    metrics.observe_call("Google Ads", "search", None, Duration::from_secs(30));
    metrics.observe_throttling("HubSpot", Duration::from_millis(1500));
    metrics.set_object("HubSpotAccount", &ObjectKey::new("a", "b"), "True");
    let text = metrics.encode(Format::OpenMetrics, now).unwrap();
    for wanted in [
        "adconversion_reconcile_total{kind=\"AdConversionEvent\",result=\"ok\"} 1",
        "adconversion_reconcile_duration_seconds_count{kind=\"AdConversionEvent\"} 1",
        "adconversion_upstream_requests_total{api=\"Google Ads\",method=\"search\",code=\"200\"} 1",
        "adconversion_upstream_requests_total{api=\"Google Ads\",method=\"search\",code=\"none\"} 1",
        "adconversion_upstream_request_duration_seconds_count{api=\"Google Ads\",method=\"search\"} 2",
        "adconversion_upstream_throttled_seconds_total{api=\"HubSpot\"} 1.5",
        "adconversion_objects{kind=\"HubSpotAccount\",ready=\"True\"} 1",
        "adconversion_oldest_pending_seconds 0",
        "adconversion_panics_total 0",
        "adconversion_cache_stale_deferrals_total 0",
        concat!("adconversion_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
    ] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
}

#[test]
fn conversions_count_what_came_since_the_start() {
    let metrics = Metrics::new();
    let now = Timestamp::from_second(1_790_000_100).unwrap();
    let key = ObjectKey::new("marketing", "customer");
    let counts = |uploaded, pending| EventCounts {
        outcomes: BTreeMap::from([(Outcome::Uploaded, uploaded), (Outcome::Pending, pending)]),
        waiting_since: (pending > 0).then(|| Timestamp::from_second(1_790_000_040).unwrap()),
        last_upload: None,
    };
    metrics.set_event(&key, counts(10, 2));
    metrics.set_event(&key, counts(13, 1));
    let uploaded = "adconversion_conversions_total{outcome=\"Uploaded\"}";
    assert_eq!(line(&metrics, uploaded, now).as_deref(), Some("3"));
    assert_eq!(
        line(&metrics, "adconversion_occurrences{outcome=\"Uploaded\"}", now).as_deref(),
        Some("13")
    );
    assert_eq!(
        line(&metrics, "adconversion_oldest_pending_seconds", now).as_deref(),
        Some("60.0")
    );
    metrics.forget_object("AdConversionEvent", &key);
    assert_eq!(
        line(&metrics, "adconversion_occurrences{outcome=\"Uploaded\"}", now).as_deref(),
        Some("0")
    );
    assert_eq!(line(&metrics, uploaded, now).as_deref(), Some("3"));
}

#[test]
fn single_events_have_series_where_they_are_switched_on() {
    let now = Timestamp::from_second(1_790_000_100).unwrap();
    let key = ObjectKey::new("marketing", "customer");
    let off = Metrics::new();
    let on = Metrics::new().with_events();
    for metrics in [&off, &on] {
        metrics.set_object("AdConversionEvent", &key, "True");
        metrics.set_object("HubSpotAccount", &ObjectKey::new("marketing", "acme"), "True");
        let counts = EventCounts {
            outcomes: BTreeMap::from([(Outcome::Uploaded, 13)]),
            waiting_since: Some(Timestamp::from_second(1_790_000_040).unwrap()),
            last_upload: Some(Timestamp::from_second(1_790_000_000).unwrap()),
        };
        metrics.set_event(&key, counts);
    }
    let text = off.encode(Format::Prometheus, now).unwrap();
    assert!(!text.contains("marketing") && !text.contains("_event_"), "{text}");
    let text = on.encode(Format::Prometheus, now).unwrap();
    let labels = "namespace=\"marketing\",name=\"customer\"";
    for wanted in [
        format!("adconversion_event_ready{{{labels}}} 1"),
        format!("adconversion_event_occurrences{{{labels},outcome=\"Uploaded\"}} 13"),
        format!("adconversion_event_occurrences{{{labels},outcome=\"Pending\"}} 0"),
        format!("adconversion_event_oldest_pending_seconds{{{labels}}} 60"),
        format!("adconversion_event_last_upload_timestamp_seconds{{{labels}}} 1790000000"),
    ] {
        assert!(text.contains(&wanted), "{wanted} is not in\n{text}");
    }
    assert!(!text.contains("name=\"acme\""), "{text}");
    on.forget_object("AdConversionEvent", &key);
    let text = on.encode(Format::Prometheus, now).unwrap();
    assert!(!text.contains("marketing"), "{text}");
}
