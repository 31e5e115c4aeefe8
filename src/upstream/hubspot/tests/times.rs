use super::*;
use crate::domain::ids::ContactId;
use crate::ports::crm::ContactRead;

/// A time that none can be is no time: of any history, and also where the answer says nothing else that is odd.
#[tokio::test]
async fn rows_of_a_history_with_an_impossible_time_leave_the_others() {
    let started = "2026-11-24T12:00:00Z";
    for (property, at) in [
        ("lifecyclestage", json!("1970-01-01T00:00:00Z")),
        ("hs_google_click_id", json!(0)),
        ("hs_google_click_id", json!("0")),
        ("hs_google_click_id", json!("0001-01-01T00:00:00Z")),
        ("hs_google_click_id", json!("1999-12-31T23:59:59Z")),
        ("hs_google_click_id", json!(1_763_000_000)),
        ("hs_google_click_id", json!("2026-11-24T12:05:01Z")),
        ("lifecyclestage", json!("9999-12-30T00:00:00Z")),
    ] {
        let mut contact = json!({ "id": 12, "properties": {}, "updatedAt": "2026-11-01T00:00:00.456Z" });
        let good = json!({ "value": "a", "timestamp": "2026-11-24T10:00:00Z" });
        let mut histories = json!({ "lifecyclestage": [good], "hs_google_click_id": [good] });
        histories[property] = json!([{ "value": "b", "timestamp": at }, good]);
        contact["propertiesWithHistory"] = histories;
        let read = ContactRead {
            ids: vec![ContactId(12)],
            properties: Vec::new(),
            with_history: vec!["lifecyclestage".to_owned(), "hs_google_click_id".to_owned()],
        };
        let bench = Bench::new().await;
        let answer = json!({ "startedAt": started, "results": [contact] });
        bench.post(READ, ok(&answer)).await;
        let batch = bench.client().read_contacts(&read).await.unwrap();
        let flaw = batch.contacts[0].flaw.as_ref();
        let why = flaw.map_or("", |flaw| flaw.why.as_str());
        let words = format!("an entry in the history of {property} has no usable time");
        assert_eq!(why, words, "{at}");
        assert_eq!(batch.contacts[0].history_of(property).len(), 1, "{at}");
    }
}
