//! A filter in between keeps an address from searches of further addresses: who submitted with it is not given up by that.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Stage;
use super::forms::{FORM, consenting, counted, event, start, submit, with};
use super::meddler::{Asked, Meddling, Reply};
use super::stage::{Counts, ago};

fn search_of_further(call: &Asked) -> bool {
    call.path.ends_with("/contacts/search") && call.says("hs_additional_emails") && call.says("CONTAINS_TOKEN")
}

#[test]
fn a_contacts_further_address_that_no_search_may_name_waits_and_is_sent_once_it_may() {
    let flags = [("click-grace", "3s"), ("backoff-max", "1s")];
    let mut stage = Stage::empty("further-addresses", &["--no-rate-limits"], &flags);
    let meddler = stage.meddled();
    start(&stage);
    event(&stage, "demo", FORM, &json!({"startTime": ago(3600)}));
    stage.condition("adce/demo", "Ready", "True", "");
    submit(&stage, &consenting("first"));
    counted(&stage, "demo", 1, 1, 0);
    let blocked = Reply::new(403, "text/html", "<html>Blocked by filter</html>");
    let rule = meddler.always(search_of_further, Meddling::Instead(blocked));
    let addresses =
        json!({"email": "ada@example.com", "hs_additional_emails": "further@example.com", "ads_consent": "true"});
    let contact = json!([{"createdAt": ago(86_400), "properties": addresses, "history": {}}]);
    stage.post("/hubspot/contacts", &contact);
    submit(&stage, &with(&consenting("further"), &json!({"createContact": false})));
    submit(&stage, &consenting("second"));
    let begun = Instant::now();
    stage.wait("adce/demo", "that the one waits and the other goes", |event| {
        let counts = Counts::of(event);
        counts.conserved(event);
        assert_eq!(counts.skipped, 0, "nobody is deleted: {event:#}");
        begun.elapsed() > Duration::from_secs(10) && (counts.uploaded, counts.pending) == (2, 1)
    });
    meddler.lift(rule);
    counted(&stage, "demo", 3, 3, 0);
}
