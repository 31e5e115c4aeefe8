//! The page's list behind a count: all of its conversions, page by page, and nothing of anybody.

use serde_json::{Value, json};

use super::Stage;
use super::counts::{Counts, ago};
use super::questions::raw;

fn get(stage: &Stage, path: &str) -> String {
    raw(
        stage,
        &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
    )
}

/// The address that a page names for what comes next, as a browser reads it.
fn next_of(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("rel=\"next\" href=\"")?;
    Some(rest.split('"').next()?.replace("&amp;", "&"))
}

/// The times and contacts of all rows, over all pages from this address on, and how many pages there were.
fn all_rows(stage: &Stage, path: &str) -> (Vec<String>, usize) {
    let (mut rows, mut pages) = (Vec::new(), 0);
    let mut address = Some(path.to_owned());
    while let Some(path) = address {
        let page = get(stage, &path);
        assert!(page.starts_with("HTTP/1.1 200"), "{path}: {page}");
        assert!(
            page.contains("default-src 'none'") && !page.contains("<script"),
            "{path}"
        );
        for secret in ["example.com", "click-", "Ada"] {
            assert!(!page.contains(secret), "{path}: {secret}");
        }
        assert_eq!(page.contains("First conversions"), pages > 0, "{path}");
        let after = |text: &str, mark: &str, end: char| {
            let (_, rest) = text.split_once(mark).unwrap_or_else(|| panic!("no {mark}: {text}"));
            rest.split(end).next().unwrap_or_default().to_owned()
        };
        let found = page.split("<th scope=\"row\"").skip(1).map(|row| {
            [
                after(row, "datetime=\"", '"'),
                after(row, "data-label=\"Contact\">", '<'),
            ]
            .join(" ")
        });
        rows.extend(found);
        address = next_of(&page);
        pages += 1;
    }
    (rows, pages)
}

#[test]
fn every_conversion_behind_a_count_is_listed_once() {
    let stage = Stage::start("page-lists");
    let plan = json!({"count": 700, "seed": 5, "spanDays": 20, "clickIdShare": 0.4, "dealShare": 0.1,
        "stages": ["lead", "customer"]});
    stage.post("/hubspot/generate", &plan);
    let start = ago(86_400 * 25);
    stage.event("won", "customer", &json!({"startTime": start}));
    let expected = stage.admin(&format!("/hubspot/expected?stage=customer&since={start}"));
    let expected = expected.as_array().expect("a list").len() as u64;
    assert!(expected > 250, "{expected} conversions");
    let event = stage.settled("won", expected);
    let counts = Counts::of(&event);
    let base = format!("/events/{}/won", stage.namespace);
    let (all, pages) = all_rows(&stage, &format!("{base}/conversions"));
    assert_eq!(all.len() as u64, expected);
    assert!(pages > 2, "{pages} pages");
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "one twice");
    let (uploaded, _) = all_rows(&stage, &format!("{base}/conversions?outcome=Uploaded&reason="));
    assert_eq!(uploaded.len() as u64, counts.uploaded, "{event:#}");
    // As the page of the event leads there.
    let page = get(&stage, &base);
    let reasons = event["status"]["sync"]["reasons"].as_array().expect("reasons");
    assert!(!reasons.is_empty(), "{event:#}");
    for reason in reasons {
        let text = |field: &str| reason[field].as_str().expect("a text");
        let path = format!(
            "{base}/conversions?outcome={}&reason={}",
            text("outcome"),
            text("reason")
        );
        assert!(page.contains(&path.replace('&', "&amp;")), "{path}: {page}");
        let (rows, _) = all_rows(&stage, &path);
        assert_eq!(json!(rows.len()), reason["count"], "{path}");
    }
    refuses_what_is_none(&stage, &base);
    let api: Value = stage.wait_for("the state of the event", || {
        let answer = get(&stage, &format!("/v1/events?namespace={}&state=Ready", stage.namespace));
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let list: Value = serde_json::from_str(body).expect("JSON");
        if list["total"] == 1 { Ok(list) } else { Err(list) }
    });
    assert_eq!(
        (&api["events"][0]["name"], &api["events"][0]["stalled"]),
        (&json!("won"), &json!(false))
    );
}

fn refuses_what_is_none(stage: &Stage, base: &str) {
    for odd in [
        "outcome=Odd",
        "reason=%3Cb%3E",
        "after=kept.x",
        "limit=5",
        "contact=51",
        "outcome=Skipped&outcome=Rejected",
    ] {
        let said = get(stage, &format!("{base}/conversions?{odd}"));
        assert!(
            said.starts_with("HTTP/1.1 400") && said.contains("Not shown"),
            "{odd}: {said}"
        );
    }
    let browser = |path: &str, host: &str| {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {host}\r\naccept: text/html,*/*\r\nconnection: close\r\n\r\n");
        raw(stage, &request)
    };
    for (path, host, code, says) in [
        ("/nosuch", "localhost", 404, "There is nothing under this address"),
        ("/", "evil.example", 403, "Ask under http://127.0.0.1:PORT"),
        ("/?state=Stalled", "localhost", 200, "No event is in this state now."),
    ] {
        let said = browser(path, host);
        let begin = format!("HTTP/1.1 {code}");
        assert!(
            said.starts_with(&begin) && said.contains("<!DOCTYPE html>") && said.contains(says),
            "{path}: {said}"
        );
    }
    let path = base.replace("/won", "/won/explain");
    let body = "contact=nobody%40example.com";
    let length = body.len();
    let nobody = raw(
        stage,
        &format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: \
             application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{body}"
        ),
    );
    assert!(
        nobody.contains("No contact under") && nobody.contains("<form class=\"ask\""),
        "{nobody}"
    );
    let said = get(stage, "/?state=Broken");
    assert!(
        said.starts_with("HTTP/1.1 400") && said.contains("Ready, NotReady, Stalled, Suspended and Unknown"),
        "{said}"
    );
    let said = get(stage, &format!("{base}x/conversions"));
    assert!(said.starts_with("HTTP/1.1 404"), "{said}");
    let none = get(stage, &format!("{base}/conversions?reason=NobodyHasIt"));
    assert!(
        none.starts_with("HTTP/1.1 200") && none.contains("None to show."),
        "{none}"
    );
}
