use super::*;
use crate::sync::ports::Cause;
use crate::sync::ports::crm::Crm;

const FORMS: &str = "/marketing/v3/forms";
const GUID: &str = "78c2891f-ebdd-44c0-bd94-15c012bbbfbf";

fn submissions_path() -> String {
    format!("/form-integrations/v1/submissions/forms/{GUID}")
}

#[tokio::test]
async fn forms_of_all_types_and_pages() {
    let bench = Bench::new().await;
    let page = |next: Value, id: &str, name: &str| ok(&json!({"results": [{"id": id, "name": name}], "paging": next}));
    bench
        .turns(
            FORMS,
            vec![
                page(json!({"next": {"after": "a=1"}}), &GUID.to_uppercase(), "Demo"),
                page(Value::Null, "2", "Demo"),
            ],
        )
        .await;
    let forms = bench.client().forms().await.unwrap();
    let listed: Vec<_> = forms.iter().map(|f| (f.id.as_str(), f.name.as_str())).collect();
    assert_eq!(listed, [(GUID, "Demo"), ("2", "Demo")]);
    let requests = bench.server.received_requests().await.unwrap();
    assert_eq!(
        requests[0].url.query(),
        Some("limit=100&archived=false&formTypes=hubspot&formTypes=captured&formTypes=flow&formTypes=blog_comment")
    );
    assert!(requests[1].url.query().unwrap().ends_with("&after=a%3D1"));
}

#[tokio::test]
async fn submissions_come_as_they_are() {
    let bench = Bench::new().await;
    let values = json!([{"name": "email", "value": "Ada@Example.com", "objectTypeId": "0-1"}, {"name": "topics", "value": "a"},
        {"name": "topics", "value": "b"}]);
    let rows = json!([
        {"conversionId": "6f-1", "submittedAt": 1_761_990_000_123_i64, "values": values,
         "pageUrl": "https://www.example.com/demo?gclid=Cj0"},
        {"submittedAt": "1761990000122", "values": []},
    ]);
    bench
        .get(
            &submissions_path(),
            ok(&json!({"results": rows, "paging": {"next": {"after": "MTA="}}})),
        )
        .await;
    let page = bench.client().submissions(GUID, None).await.unwrap();
    assert_eq!(page.next.as_deref(), Some("MTA="));
    let first = &page.submissions[0];
    assert_eq!(first.conversion_id.as_deref(), Some("6f-1"));
    assert_eq!(first.at.as_millisecond(), 1_761_990_000_123);
    assert_eq!(
        (first.email.as_deref(), first.gclid.as_deref()),
        (Some("ada@example.com"), Some("Cj0"))
    );
    let second = &page.submissions[1];
    assert!(second.conversion_id.is_none() && second.email.is_none() && second.gclid.is_none());
    let same = bench.client().submissions(GUID, Some("MTA=")).await;
    assert_eq!(
        same.err().unwrap().cause,
        Cause::Malformed,
        "the same cursor again is no progress"
    );
}

#[tokio::test]
async fn a_submission_without_a_time_is_an_error() {
    let bench = Bench::new().await;
    bench
        .get(&submissions_path(), ok(&json!({"results": [{"conversionId": "x"}]})))
        .await;
    assert_eq!(
        bench.client().submissions(GUID, None).await.err().unwrap().cause,
        Cause::Malformed
    );
}

#[tokio::test]
async fn a_missing_scope_is_told_apart() {
    let bench = Bench::new().await;
    let body = json!({"status": "error", "category": "MISSING_SCOPES", "message": "This app hasn't been granted all required scopes"});
    bench.get(FORMS, ResponseTemplate::new(403).set_body_json(body)).await;
    assert_eq!(bench.client().forms().await.unwrap_err().cause, Cause::MissingScope);
}

#[tokio::test]
async fn contacts_are_found_by_any_of_their_addresses() {
    let bench = Bench::new().await;
    let contact = |id: u64, email: &str, more: &str| json!({"id": id, "updatedAt": "2026-11-01T00:00:00Z", "properties": {"email": email, "hs_additional_emails": more}});
    let direct = json!({"status": "COMPLETE", "startedAt": "2026-11-02T00:00:00Z", "results": [contact(1, "Ada@example.com", "")],
        "numErrors": 1, "errors": [{"category": "OBJECT_NOT_FOUND"}]});
    bench.post(READ, ResponseTemplate::new(207).set_body_json(direct)).await;
    let others = json!({"total": 2, "results": [contact(2, "bob@example.com", "x@example.com;old.bob@example.com"),
        contact(3, "carla@example.com", "old.bob@example.com.au")]});
    bench.post(SEARCH, ok(&others)).await;
    let emails = ["ada@example.com", "nobody@example.com", "old.bob@example.com"].map(str::to_owned);
    let found = bench
        .client()
        .read_by_email(&emails, &["phone".to_owned()])
        .await
        .unwrap();
    let ids: Vec<_> = found
        .iter()
        .map(|(email, contact)| (email.as_str(), contact.id.0))
        .collect();
    assert_eq!(ids, [("ada@example.com", 1), ("old.bob@example.com", 2)]);
    let bodies = bench.bodies().await;
    assert_eq!(bodies[0]["idProperty"], "email");
    assert_eq!(
        bodies[0]["properties"],
        json!(["email", "hs_additional_emails", "hs_merged_object_ids", "phone"])
    );
    assert_eq!(
        bodies[1]["filterGroups"].as_array().unwrap().len(),
        2,
        "only those not found"
    );
}

#[tokio::test]
async fn who_is_found_costs_no_search() {
    let bench = Bench::new().await;
    let found = json!({"results": [{"id": 1, "updatedAt": "2026-11-01T00:00:00Z", "properties": {"email": "ada@example.com"}}]});
    bench.post(READ, ok(&found)).await;
    let emails = ["ada@example.com".to_owned()];
    assert_eq!(bench.client().read_by_email(&emails, &[]).await.unwrap().len(), 1);
    assert_eq!(bench.server.received_requests().await.unwrap().len(), 1);
}
