//! What the admin listener says to requests that it does not take.

use super::Stage;
use super::questions::raw;

fn send(stage: &Stage, request: &str, headers: &str) -> String {
    raw(
        stage,
        &format!("{request} HTTP/1.1\r\nhost: localhost:8081\r\nconnection: close\r\n{headers}\r\n"),
    )
}

#[test]
fn what_is_not_taken_is_refused_in_words() {
    let stage = Stage::start("listener-refuses");
    let method = send(&stage, "DELETE /v1/events", "");
    assert!(
        method.starts_with("HTTP/1.1 405") && method.contains("\"MethodNotAllowed\""),
        "{method}"
    );
    let origin = send(&stage, "GET /v1/events", "origin: https://evil.example\r\n");
    assert!(
        origin.starts_with("HTTP/1.1 403")
            && origin.contains("\"ForeignOrigin\"")
            && !origin.contains("neither localhost"),
        "{origin}"
    );
    let untyped = send(&stage, "POST /v1/events/a/b/explain", "content-length: 0\r\n");
    assert!(
        untyped.starts_with("HTTP/1.1 400") && untyped.contains("content-type: application/json"),
        "{untyped}"
    );
}

#[test]
fn the_address_of_an_explanation_leads_back_to_the_event() {
    let stage = Stage::start("listener-back");
    let opened = send(&stage, "GET /events/marketing/won/explain", "");
    assert!(
        opened.starts_with("HTTP/1.1 303") && opened.contains("location: /events/marketing/won\r\n"),
        "{opened}"
    );
}
