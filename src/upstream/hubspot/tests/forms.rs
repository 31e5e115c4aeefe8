use super::*;
use crate::ports::Cause;
use crate::ports::crm::Crm;

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
                page(Value::Null, "2", " Demo \u{200d}"),
            ],
        )
        .await;
    let forms = bench.client().list_forms().await.unwrap();
    let listed: Vec<_> = forms.iter().map(|f| (f.id.as_str(), f.name.as_str())).collect();
    assert_eq!(listed, [(GUID, "Demo"), ("2", " Demo \u{200d}")]);
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
    let page = bench.client().list_submissions(GUID, None).await.unwrap();
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
    let same = bench.client().list_submissions(GUID, Some("MTA=")).await;
    assert_eq!(
        same.err().unwrap().cause,
        Cause::Malformed,
        "the same cursor again is no progress"
    );
}

#[tokio::test]
async fn a_submission_that_cannot_be_read_leaves_the_others() {
    let bench = Bench::new().await;
    let rows = json!([
        {"conversionId": "c1", "submittedAt": null},
        {"conversionId": "c2", "submittedAt": 1_761_990_000_123_i64, "pageUrl": {"odd": 1},
         "values": [{"name": "topics", "value": ["a", "b"]}, {"name": "email", "value": "ada@example.com"}]},
        {"conversionId": "c3", "submittedAt": "soon"},
        {"conversionId": "c4", "submittedAt": {}},
        {"submittedAt": 1_761_990_000_122_i64, "values": "none"},
        // No database of ours keeps this character.
        {"conversionId": "6f\u{0}-1", "submittedAt": 1_761_990_000_121_i64, "values": []},
    ]);
    bench.get(&submissions_path(), ok(&json!({"results": rows}))).await;
    let page = bench.client().list_submissions(GUID, None).await.unwrap();
    assert_eq!(page.submissions.len(), 1);
    assert_eq!(page.submissions[0].email.as_deref(), Some("ada@example.com"));
    let mut odd: Vec<_> = page.unreadable.iter().map(|odd| odd.conversion_id.as_deref()).collect();
    odd.sort_unstable();
    assert_eq!(odd, [None, None, Some("c1"), Some("c3"), Some("c4")]);
}

/// Why each of these submissions cannot be read; `None` of one that can.
async fn flaws(rows: &[Value]) -> Vec<Option<String>> {
    let mut all = Vec::new();
    for row in rows {
        let bench = Bench::new().await;
        bench.get(&submissions_path(), ok(&json!({"results": [row]}))).await;
        let page = bench.client().list_submissions(GUID, None).await.unwrap();
        assert_eq!(page.submissions.len() + page.unreadable.len(), 1, "{row}");
        all.push(page.unreadable.into_iter().next().map(|odd| odd.why));
    }
    all
}

#[tokio::test]
async fn what_a_submission_leaves_out_is_not_empty() {
    let row = |change: &dyn Fn(&mut Value)| {
        let mut row =
            json!({"conversionId": "6f-1", "submittedAt": 1_761_990_000_123_i64, "values": [], "pageUrl": null});
        change(&mut row);
        row
    };
    let remove = |row: &mut Value, name: &str| drop(row.as_object_mut().unwrap().remove(name));
    let cases = [
        (row(&|_| ()), None),
        (row(&|r| remove(r, "pageUrl")), None),
        // Old data has none; the feed knows which is old.
        (row(&|r| remove(r, "conversionId")), None),
        (row(&|r| r["conversionId"] = json!(" ")), None),
        (row(&|r| r["values"] = Value::Null), Some("values")),
        (row(&|r| remove(r, "values")), Some("values")),
        (row(&|r| r["values"] = json!({})), Some("wrong type")),
        (row(&|r| r["values"] = json!([null])), Some("wrong type")),
        (row(&|r| r["submittedAt"] = json!(0)), Some("submittedAt")),
        (row(&|r| r["submittedAt"] = json!("-5")), Some("submittedAt")),
        (row(&|r| remove(r, "submittedAt")), Some("submittedAt")),
        (row(&|r| r["conversionId"] = json!("undefined")), Some("conversionId")),
        (row(&|r| r["conversionId"] = json!(0)), Some("conversionId")),
        (
            row(&|r| r["conversionId"] = json!("00000000-0000-0000-0000-000000000000")),
            Some("conversionId"),
        ),
    ];
    let rows: Vec<Value> = cases.iter().map(|(row, _)| row.clone()).collect();
    for (found, (row, wanted)) in flaws(&rows).await.into_iter().zip(cases) {
        assert_eq!(found.is_some(), wanted.is_some(), "{row}: {found:?}");
        assert!(found.unwrap_or_default().contains(wanted.unwrap_or_default()), "{row}");
    }
}

#[tokio::test]
async fn an_id_that_several_submissions_have_is_nobodys() {
    let bench = Bench::new().await;
    let row = |id: &str, at: i64| json!({"conversionId": id, "submittedAt": at, "values": []});
    let rows = json!([
        row("a", 1_761_990_000_125_i64),
        row("b", 1_761_990_000_124),
        row("a", 1_761_990_000_123),
        // The same submission twice, as pages shift.
        row("b", 1_761_990_000_124)
    ]);
    bench.get(&submissions_path(), ok(&json!({"results": rows}))).await;
    let page = bench.client().list_submissions(GUID, None).await.unwrap();
    let ids: Vec<_> = page.submissions.iter().map(|s| s.conversion_id.as_deref()).collect();
    assert_eq!(ids, [Some("b"), Some("b")]);
    let odd: Vec<_> = page
        .unreadable
        .iter()
        .map(|odd| odd.at.unwrap().as_millisecond())
        .collect();
    assert_eq!(odd, [1_761_990_000_125, 1_761_990_000_123]);
}

#[tokio::test]
async fn a_missing_scope_is_recognized() {
    let bench = Bench::new().await;
    let body = json!({"status": "error", "category": "MISSING_SCOPES", "message": "This app hasn't been granted all required scopes"});
    bench.get(FORMS, ResponseTemplate::new(403).set_body_json(body)).await;
    assert_eq!(
        bench.client().list_forms().await.unwrap_err().cause,
        Cause::MissingScope
    );
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
    assert!(found.unreadable.is_empty());
    let ids: Vec<_> = found
        .contacts
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
    assert_eq!(
        bench.client().read_by_email(&emails, &[]).await.unwrap().contacts.len(),
        1
    );
    assert_eq!(bench.server.received_requests().await.unwrap().len(), 1);
}

/// Answers for the addresses of contacts 1 and 2, and refuses every batch and every search with a malformed one.
async fn with_malformed(bench: &Bench, batches: bool) {
    let respond = move |request: &Request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let search = body.get("filterGroups").is_some();
        if body.to_string().contains("bad..one@") && (search || batches) {
            return status(400).set_body_json(json!({"category": "VALIDATION_ERROR", "message": "m"}));
        }
        let known = [("ada@example.com", 1), ("bob@example.com", 2)];
        let asked = |email: &str| body.to_string().contains(&format!("\"{email}\""));
        let record = |(email, id): &(&str, u64)| json!({"id": id, "updatedAt": "2026-11-01T00:00:00Z", "properties": {"email": email}});
        let found: Vec<_> = known
            .iter()
            .filter(|(email, _)| asked(email) && !search)
            .map(record)
            .collect();
        let errors = json!([{"category": "VALIDATION_ERROR", "context": {"ids": ["bad..one@example.com"]}}]);
        status(207).set_body_json(json!({"results": found, "errors": errors}))
    };
    Mock::given(method("POST"))
        .respond_with(respond)
        .mount(&bench.server)
        .await;
}

#[tokio::test]
async fn a_malformed_address_is_nobodys_and_takes_nobody_along() {
    for batches in [true, false] {
        let bench = Bench::new().await;
        with_malformed(&bench, batches).await;
        let emails = [
            "ada@example.com",
            "bad..one@example.com",
            "bob@example.com",
            "new@example.com",
        ]
        .map(str::to_owned);
        let found = bench.client().read_by_email(&emails, &[]).await.unwrap();
        let known: Vec<_> = found.contacts.keys().map(String::as_str).collect();
        assert_eq!(known, ["ada@example.com", "bob@example.com"]);
        assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
    }
}

#[tokio::test]
async fn one_malformed_address_hides_no_further_address_of_others() {
    let bench = Bench::new().await;
    bench.post(READ, ok(&json!({"results": []}))).await;
    let respond = |request: &Request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if body.contains("bad..one@") {
            return status(400).set_body_json(json!({"category": "VALIDATION_ERROR", "message": "m"}));
        }
        let record = json!({"id": 2, "updatedAt": "2026-11-01T00:00:00Z",
            "properties": {"email": "bob@example.com", "hs_additional_emails": "old.bob@example.com"}});
        let found = if body.contains("old.bob@") {
            json!([record])
        } else {
            json!([])
        };
        ok(&json!({"results": found}))
    };
    Mock::given(path(SEARCH))
        .respond_with(respond)
        .mount(&bench.server)
        .await;
    let emails = ["bad..one@example.com", "old.bob@example.com", "x@example.com"].map(str::to_owned);
    let found = bench.client().read_by_email(&emails, &[]).await.unwrap();
    assert_eq!(found.contacts["old.bob@example.com"].id.0, 2);
}

#[tokio::test]
async fn a_contact_by_address_that_cannot_be_read_is_not_nobody() {
    let record = |email: &str| json!({"id": 1, "updatedAt": "2026-11-01T00:00:00Z", "properties": {"email": email}});
    let forbidden = json!([{"category": "FORBIDDEN", "context": {"ids": ["bob@example.com"]}}]);
    for (results, errors) in [
        (json!([record("ada@example.com")]), forbidden),
        (
            json!([record("ada@example.com"), {"id": "x", "properties": {"email": "bob@example.com"}}]),
            json!([]),
        ),
        (
            json!([record("ada@example.com"), {"id": 2, "properties": 7}]),
            json!([]),
        ),
        // In place of the one asked for comes another.
        (
            json!([record("ada@example.com"), record("carla@example.com")]),
            json!([]),
        ),
    ] {
        let bench = Bench::new().await;
        let answer = json!({"results": results, "errors": errors});
        bench.post(READ, status(207).set_body_json(answer)).await;
        bench.post(SEARCH, ok(&json!({"results": []}))).await;
        let emails = ["ada@example.com", "bob@example.com"].map(str::to_owned);
        let found = bench.client().read_by_email(&emails, &[]).await.unwrap();
        assert!(found.contacts.contains_key("ada@example.com"));
        assert_eq!(found.unreadable.keys().collect::<Vec<_>>(), ["bob@example.com"]);
    }
}

#[tokio::test]
async fn a_record_that_was_not_requested_hides_no_further_address() {
    let bench = Bench::new().await;
    let record = |id: u64, email: &str, more: &str| json!({"id": id, "updatedAt": "2026-11-01T00:00:00Z", "properties": {"email": email, "hs_additional_emails": more}});
    bench
        .post(READ, ok(&json!({"results": [record(3, "carla@example.com", "")]})))
        .await;
    let search = json!({"results": [record(2, "bob@example.com", "old.bob@example.com")]});
    bench.post(SEARCH, ok(&search)).await;
    let emails = ["ada@example.com", "old.bob@example.com"].map(str::to_owned);
    let found = bench.client().read_by_email(&emails, &[]).await.unwrap();
    assert_eq!(found.contacts.keys().collect::<Vec<_>>(), ["old.bob@example.com"]);
    assert_eq!(found.unreadable.keys().collect::<Vec<_>>(), ["ada@example.com"]);
}
