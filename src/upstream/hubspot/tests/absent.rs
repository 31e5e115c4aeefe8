use super::*;
use crate::domain::ids::ContactId;
use crate::ports::crm::{Contact, ContactRead, Crm};

/// Why each of these records cannot be read, where the portal has the properties `email` and `ads_consent`.
async fn flaws(records: &[Value]) -> Vec<Option<String>> {
    let bench = Bench::new().await;
    let names = ["ads_consent", "email", "hs_merged_object_ids", "lifecyclestage"];
    let listed: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
    bench.get(PROPERTIES, ok(&json!({ "results": listed }))).await;
    bench.post(READ, ok(&json!({ "results": records }))).await;
    let client = bench.client();
    client.property_names().await.unwrap();
    let read = ContactRead {
        ids: (1..=records.len() as u64).map(ContactId).collect(),
        properties: ["email", "ads_consent", "lifecyclestage", "not_in_the_portal"]
            .map(str::to_owned)
            .into(),
        with_history: vec!["lifecyclestage".to_owned(), "email".to_owned()],
    };
    let batch = client.read_contacts(&read).await.unwrap();
    assert_eq!((batch.contacts.len(), batch.unreadable.len()), (records.len(), 0));
    let mut contacts = batch.contacts;
    contacts.sort_by_key(|contact| contact.id);
    let why = |contact: Contact| contact.flaw.map(|flaw| flaw.why);
    contacts.into_iter().map(why).collect()
}

#[tokio::test]
async fn what_an_answer_leaves_out_is_not_empty() {
    let whole = json!({ "email": null, "ads_consent": "", "hs_merged_object_ids": null, "lifecyclestage": null });
    let without = |name: &str| {
        let mut properties = whole.clone();
        properties.as_object_mut().unwrap().remove(name);
        properties
    };
    let with = |name: &str, value: &str| {
        let mut properties = whole.clone();
        properties[name] = json!(value);
        properties
    };
    let records = [
        (&whole, json!({}), None),
        (&whole, Value::Null, None),
        (&without("ads_consent"), json!({}), Some("its ads_consent")),
        (&without("email"), json!({}), Some("its email")),
        (
            &without("hs_merged_object_ids"),
            json!({}),
            Some("its hs_merged_object_ids"),
        ),
        (&json!({}), json!({}), Some("its email")),
        (&Value::Null, json!({}), Some("its email")),
        (&with("email", "a@b.example"), json!({ "email": [] }), None),
        (
            &with("email", "a@b.example"),
            json!({ "email": null }),
            Some("the history of its email"),
        ),
        (
            &with("email", "a@b.example"),
            json!({}),
            Some("the history of its email"),
        ),
        (
            &with("email", "a@b.example"),
            Value::Null,
            Some("the history of its email"),
        ),
        (
            &with("lifecyclestage", "lead"),
            json!({}),
            Some("the history of its lifecyclestage"),
        ),
    ];
    let record = |(id, (properties, histories, _)): (u64, &(&Value, Value, Option<&str>))| {
        let mut record = json!({ "id": id, "properties": properties, "updatedAt": "2026-11-01T00:00:00.456Z" });
        record["propertiesWithHistory"] = histories.clone();
        record
    };
    let shown: Vec<Value> = (1..).zip(&records).map(record).collect();
    for (flaw, (properties, histories, why)) in flaws(&shown).await.into_iter().zip(records) {
        let wanted = why.map(|what| format!("{what} is missing in HubSpot's answer"));
        assert_eq!(flaw, wanted, "{properties} {histories}");
    }
}
