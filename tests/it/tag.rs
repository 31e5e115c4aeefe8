//! The snippet for the web site, in a real browser: a page with a stand-in
//! for HubSpot's form script, and what the Google tag would have been given.

use std::path::PathBuf;

use adconversion_operator::api::Money;
use adconversion_operator::domain::eligibility::ValueRule;
use adconversion_operator::domain::tag::Tag;
use serde_json::{Value, json};
use xtask::browser::rendered;

const FORM: &str = "78c2891f-ebdd-44c0-bd94-15c012bbbfbf";
const OTHER: &str = "11111111-ebdd-44c0-bd94-15c012bbbfbf";
const SEND_TO: &str = "AW-987654321/AbC-D_efG";

/// HubSpot's side of the page: forms of today dispatch an event, those of the older editor post a message.
const STAND_IN: &str = r#"<script>
window.HubSpotFormsV4 = { getFormFromEvent: function (event) { return event.detail.form; } };
function today(form, id) {
  var instance = { getFormId: function () { return form; }, getConversionId: function () { return id; } };
  window.dispatchEvent(new CustomEvent("hs-form-event:on-submission:success", { detail: { form: instance } }));
}
function older(name, form, id) {
  window.postMessage({ type: "hsFormCallback", eventName: name, id: form,
    data: { conversionId: id, submissionValues: { email: "ada@example.com" } } }, "*");
}
function recorded() {
  var calls = window.dataLayer.map(function (call) { return Array.prototype.slice.call(call); });
  var out = document.createElement("pre");
  out.id = "recorded";
  out.textContent = encodeURIComponent(JSON.stringify(calls));
  document.body.appendChild(out);
}
</script>"#;

struct Page(PathBuf);

impl Page {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("adconversion-tag-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    /// The calls of `gtag` on a page where this happens.
    fn calls(&self, snippet: &str, happens: &str) -> Vec<Value> {
        let page = self.0.join("page.html");
        let html = format!(
            "<!doctype html><html><head>{STAND_IN}{snippet}</head><body><script>{happens}\nsetTimeout(recorded, 200);</script></body></html>"
        );
        std::fs::write(&page, html).unwrap();
        let document = rendered(&page, &self.0.join("profile")).unwrap();
        let start = document
            .find("<pre id=\"recorded\">")
            .unwrap_or_else(|| panic!("{document}"))
            + 19;
        let text = document[start..].split('<').next().unwrap();
        let url = format!("http://x/?c={text}");
        let calls = reqwest::Url::parse(&url)
            .unwrap()
            .query_pairs()
            .next()
            .unwrap()
            .1
            .into_owned();
        serde_json::from_str(&calls).unwrap()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn conversions(calls: &[Value]) -> Vec<&Value> {
    calls.iter().filter(|call| call[0] == "event").collect()
}

#[test]
fn each_submission_is_reported_once_under_its_id() {
    let rule = ValueRule::Fixed(Money {
        amount: "250.50".parse().unwrap(),
        currency: "EUR".into(),
    });
    let snippet = Tag::new("web/demo", SEND_TO, FORM, Some(&rule)).to_html();
    let happens = format!(
        "today('{FORM}', 'c-1'); today('{FORM}', 'c-1'); today('{OTHER}', 'c-2'); today('{}', 'c-3'); today('{FORM}', '');
         older('onFormSubmitted', '{FORM}', 'c-1'); older('onFormSubmitted', '{FORM}', 'c-4');
         older('onFormSubmit', '{FORM}', 'c-5'); older('onFormSubmitted', '{OTHER}', 'c-6');
         window.postMessage('a text', '*'); window.postMessage(null, '*');",
        FORM.to_uppercase()
    );
    let calls = Page::new("once").calls(&snippet, &happens);
    assert_eq!(calls[0][0], "js");
    assert_eq!(calls[1], json!(["config", "AW-987654321"]));
    let expected = |id: &str| {
        json!(["event", "conversion",
            {"send_to": SEND_TO, "transaction_id": id, "value": 250.5, "currency": "EUR"}])
    };
    assert_eq!(
        conversions(&calls),
        [&expected("c-1"), &expected("c-3"), &expected("c-4")]
    );
}

#[test]
fn without_a_value_none_is_reported_and_a_tag_that_is_there_is_used() {
    let snippet = Tag::new("web/demo", SEND_TO, FORM, None).to_html();
    let own =
        "<script>window.dataLayer = []; window.gtag = function () { window.dataLayer.push(arguments); };</script>";
    let calls = Page::new("plain").calls(&format!("{own}{snippet}"), &format!("today('{FORM}', 'c-1');"));
    assert_eq!(
        calls,
        [
            json!(["config", "AW-987654321"]),
            json!(["event", "conversion", {"send_to": SEND_TO, "transaction_id": "c-1"}]),
        ]
    );
}
