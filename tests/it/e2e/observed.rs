//! What people who run the operator see of it: its log, its metrics, its health.

use std::cell::Cell;

use serde_json::{Value, json};

use super::Stage;
use super::stage::{Counts, ago};
use crate::metrics::{documented, found};

/// Polls of HubSpot in which nothing happens.
const QUIET: usize = 12;

/// Searches of contacts so far: at rest one for each poll.
fn polls(stage: &Stage) -> usize {
    let log = stage.admin("/requests?since=0&service=hubspot");
    let all = log["requests"].as_array().or_else(|| log.as_array());
    let search = |request: &&Value| {
        request["path"]
            .as_str()
            .is_some_and(|path| path.contains("contacts/search"))
    };
    all.map_or(0, |requests| requests.iter().filter(search).count())
}

#[test]
fn the_log_has_a_line_for_all_that_happens_and_none_at_rest() {
    let stage = Stage::start("logged");
    stage.contact(
        &[("customer", ago(3600))],
        Some("click-1"),
        &json!({"email": "a@example.com"}),
    );
    stage.event("logged", "customer", &json!({"startTime": ago(86_400)}));
    stage.settled("logged", 1);
    stage.condition("adce/logged", "Ready", "True", "");
    let event = format!("{}/logged", stage.namespace);
    let object = format!("object={event}");
    let log = stage.log();
    let lines = |words: &[&str]| lines(&log, words);
    let upload = format!("event={event}");
    assert_eq!(lines(&["uploaded", &upload, "rows=1", "request=\"", "ms="]), 1, "{log}");
    assert_eq!(
        lines(&["Created conversion action", &object, "ConversionActionCreated"]),
        1,
        "{log}"
    );
    assert!(
        lines(&["changed=", "Ready=True", "kind=\"AdConversionEvent\"", &object]) >= 1,
        "{log}"
    );
    for kind in ["GoogleAdsAccount", "HubSpotAccount"] {
        let account = format!("object={}/acme", stage.namespace);
        assert_eq!(lines(&["changed=", "Ready=True", kind, &account]), 1, "{kind}: {log}");
        assert_eq!(
            lines(&["credentials are read again", kind, &account]),
            1,
            "{kind}: {log}"
        );
    }

    let since = Cell::new((0, 0));
    stage.wait_for("polls without a line of the log", || {
        let (now, lines) = (polls(&stage), stage.log().lines().count());
        let (first, before) = since.get();
        if lines != before {
            since.set((now, lines));
        } else if now >= first + QUIET {
            return Ok(());
        }
        Err(json!({"polls": now - since.get().0, "lines": lines}))
    });
    let long = |line: &&str| line.chars().count() > 700;
    let longest: Vec<String> = stage.log().lines().filter(long).map(str::to_owned).collect();
    assert!(longest.is_empty(), "{longest:#?}");
    assert!(stage.http("/livez").starts_with("HTTP/1.1 200"));

    stage.patch("adce/logged", &json!({"spec": {"eventName": "renamed"}}));
    told(&stage, &["renamed", &object, "ConversionActionUpdated"]);
    stage.kubectl(&["delete", "adce/logged"]);
    told(&stage, &[&object, "ExternalResourceOrphaned"]);
}

/// Lines at info with all of these words.
fn lines(log: &str, words: &[&str]) -> usize {
    let line = |line: &&str| line.contains(" INFO ") && words.iter().all(|word| line.contains(word));
    log.lines().filter(line).count()
}

/// Waits for one line with all of these words.
fn told(stage: &Stage, words: &[&str]) {
    stage.wait_for("a line of the log", || match lines(&stage.log(), words) {
        1 => Ok(()),
        count => Err(json!({"words": words, "lines": count})),
    });
}

/// Status line and headers, and the body.
fn parts(answer: &str) -> (&str, &str) {
    answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("an answer: {answer}"))
}

/// The body of an answer.
fn body(answer: &str) -> String {
    let (head, body) = parts(answer);
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    assert!(!chunked, "one piece is expected: {head}");
    body.to_owned()
}

#[test]
fn metrics_are_those_documented_and_it_is_alive_while_much_is_read() {
    let mut stage = Stage::empty("measured", &["--no-rate-limits"], &[]);
    let plan = json!({"count": 1500, "seed": 5, "spanDays": 20, "stages": ["customer"], "clickIdShare": 1.0});
    stage.post("/hubspot/generate", &plan);
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    stage.event("measured", "customer", &json!({"startTime": ago(86_400 * 60)}));
    stage.wait("adce/measured", "all settled, and alive all the time", |event| {
        let health = stage.http("/livez");
        assert!(health.is_empty() || health.starts_with("HTTP/1.1 200"), "{health}");
        let counts = Counts::of(event);
        counts.observed > 500 && counts.pending == 0 && counts.processing == 0
    });

    let answer = stage.http("/metrics");
    let (head, _) = parts(&answer);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    let text = body(&answer);
    xtask::prometheus::check(&text).unwrap_or_else(|error| panic!("{error}"));
    let (found, documented) = (found(&text), documented());
    assert!(found.keys().eq(documented.keys()), "{found:#?}");
    for (name, (kind, labels)) in &found {
        let (wanted, all) = &documented[name];
        assert!(kind == wanted && labels.is_subset(all), "{name}: {kind} {labels:?}");
    }
    let series = format!("namespace=\"{}\",name=\"measured\"", stage.namespace);
    assert!(
        text.contains(&format!("adconversion_event_ready{{{series}}} 1")),
        "{text}"
    );

    let answer = stage.http_with("/metrics", "accept: application/openmetrics-text;version=1.0.0\r\n");
    assert!(
        parts(&answer).0.contains("content-type: application/openmetrics-text"),
        "{answer}"
    );
    assert!(body(&answer).ends_with("# EOF\n"), "{answer}");

    stage.flag("event-metrics", "false");
    stage.stop_operator();
    stage.start_operator();
    let text = stage.wait_for("metrics of the event without series of its own", || {
        let text = stage.http("/metrics");
        let shown = text.contains("adconversion_objects{kind=\"AdConversionEvent\",ready=\"True\"} 1");
        if shown { Ok(text) } else { Err(json!(text)) }
    });
    assert!(!text.contains("adconversion_event_"), "{text}");
}
