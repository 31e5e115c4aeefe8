use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::Sandbox;

async fn expected(sandbox: &Sandbox, query: &str) -> Vec<Value> {
    let body = sandbox
        .admin(Method::GET, &format!("/hubspot/expected{query}"), &Value::Null)
        .await;
    body.as_array().unwrap().clone()
}

#[tokio::test]
async fn expected_leaves_out_what_is_no_occurrence() {
    let sandbox = Sandbox::new();
    let rows: Vec<Value> = [
        ("lead", 1, "FORM"),
        ("lead", 2, "API"),
        ("customer", 3, "MERGE_OBJECTS"),
        ("customer", 4, "API"),
        ("", 5, "CRM_UI"),
        ("customer", 6, "CRM_UI"),
        ("lead", 7, "CRM_UI"),
    ]
    .iter()
    .map(|(value, day, source)| json!({"value": value, "timestamp": format!("2026-10-0{day}T00:00:00Z"), "sourceType": source}))
    .collect();
    let id = sandbox
        .contacts(&json!([{"history": {"lifecyclestage": rows}}]))
        .await
        .remove(0);
    let seen: Vec<(String, i64)> = expected(&sandbox, "")
        .await
        .iter()
        .map(|e| {
            (
                e["stage"].as_str().unwrap().to_owned(),
                e["timestamp"].as_i64().unwrap(),
            )
        })
        .collect();
    let day = |n: i64| 1_790_812_800_000 + (n - 1) * 86_400_000;
    let all = [("lead", 1), ("customer", 6), ("lead", 7)].map(|(stage, n)| (stage.to_owned(), day(n)));
    assert_eq!(seen, all);
    assert_eq!(
        expected(&sandbox, "?stage=lead&since=2026-10-07T00:00:00Z").await.len(),
        1
    );
    assert_eq!(expected(&sandbox, "?stage=lead&since=1791331200001").await.len(), 0);
    sandbox
        .admin(Method::DELETE, &format!("/hubspot/contacts/{id}"), &Value::Null)
        .await;
    assert_eq!(
        (
            expected(&sandbox, "").await.len(),
            expected(&sandbox, "?include_archived=true").await.len()
        ),
        (0, 0)
    );
    assert_eq!(expected(&sandbox, "?includeArchived=true").await.len(), 3);
}

#[tokio::test]
async fn generated_data_is_deterministic_and_plausible() {
    let plan = json!({"count": 400, "seed": 7});
    let (one, two) = (Sandbox::new(), Sandbox::new());
    let first = one.admin(Method::POST, "/hubspot/generate", &plan).await;
    assert_eq!(first, two.admin(Method::POST, "/hubspot/generate", &plan).await);
    assert_ne!(
        first,
        Sandbox::new()
            .admin(Method::POST, "/hubspot/generate", &json!({"count": 400, "seed": 8}))
            .await
    );
    let share = |name: &str| first[name].as_f64().unwrap() / 400.0;
    assert!((0.75..1.0).contains(&share("clicks")), "{first}");
    assert!((0.2..0.45).contains(&share("deals")), "{first}");
    let now = one.now();
    let entries = expected(&one, "").await;
    assert!(entries.iter().all(|e| e["timestamp"].as_i64().unwrap() <= now));
    let stages: BTreeSet<&str> = entries.iter().map(|e| e["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, BTreeSet::from(["lead", "marketingqualifiedlead", "customer"]));
    let contacts: BTreeSet<&str> = entries.iter().map(|e| e["contactId"].as_str().unwrap()).collect();
    assert_eq!(contacts.len(), 400);
    assert!(entries.len() > 500, "re-entries and several stages: {}", entries.len());
    assert!(
        entries
            .iter()
            .any(|e| e["timestamp"].as_i64().unwrap() > now - 3 * 86_400_000)
    );
}

#[tokio::test]
async fn a_hundred_thousand_contacts_can_be_paged_by_id() {
    let sandbox = Sandbox::new();
    sandbox
        .admin(
            Method::POST,
            "/hubspot/generate",
            &json!({"count": 100_000, "dealShare": 0}),
        )
        .await;
    let (mut last, mut seen) = (0_u64, 0_u64);
    loop {
        let page = sandbox
            .found(&json!([
                {"propertyName": "hs_v2_date_entered_lead", "operator": "GTE", "value": "0"},
                {"propertyName": "hs_object_id", "operator": "GT", "value": last.to_string()},
            ]))
            .await;
        let Some(end) = page.last() else { break };
        seen += page.len() as u64;
        last = end.parse().unwrap();
        if seen >= 20_000 {
            break;
        }
    }
    assert_eq!(seen, 20_000);
}

#[tokio::test]
async fn a_tick_moves_contacts_one_stage_on() {
    let sandbox = Sandbox::new();
    sandbox
        .contacts(
            &json!([{"properties": {"lifecyclestage": "lead"}}, {"properties": {"lifecyclestage": "customer"}},
            {"properties": {"lifecyclestage": "opportunity"}}, {}]),
        )
        .await;
    let moved = sandbox
        .admin(Method::POST, "/hubspot/tick", &json!({"count": 5, "seed": 1}))
        .await;
    let stages: BTreeSet<&str> = moved["moved"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["stage"].as_str().unwrap())
        .collect();
    assert_eq!(
        stages,
        BTreeSet::from(["subscriber", "marketingqualifiedlead", "customer"])
    );
}

#[tokio::test]
async fn admin_refuses_what_makes_no_sense() {
    let sandbox = Sandbox::new();
    for contact in [
        json!({"properties": {"lifecyclestage": "no-such-stage"}}),
        json!({"properties": {"hs_object_id": "1"}}),
        json!({"properties": {"ads_consent": "maybe"}}),
        json!({"properties": {"email": "a"}, "history": {"email": []}}),
        json!({"id": "x"}),
    ] {
        assert_eq!(
            sandbox
                .try_admin(Method::POST, "/hubspot/contacts", &json!([contact]))
                .await
                .status,
            400,
            "{contact}"
        );
    }
    assert_eq!(
        sandbox
            .try_admin(Method::POST, "/hubspot/merge", &json!({"ids": ["1", "2"]}))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn changes_bump_lastmodifieddate() {
    let sandbox = Sandbox::new();
    let contacts = sandbox
        .contacts(&json!([{"createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-02T00:00:00Z"}]))
        .await;
    let modified = async || sandbox.history(&[&contacts[0]]).await.body["results"][0]["updatedAt"].clone();
    assert_eq!(modified().await, "2026-01-02T00:00:00.000Z");
    let path = format!("/hubspot/contacts/{}", contacts[0]);
    sandbox
        .admin(
            Method::PATCH,
            &path,
            &json!({"properties": {"city": "Berlin"}, "at": "2026-02-01T00:00:00Z"}),
        )
        .await;
    let bumped = modified().await;
    assert!(
        bumped.as_str().unwrap() > "2026-02-02",
        "a back-dated value is still a change of now: {bumped}"
    );
    sandbox.advance(60);
    sandbox.deals(&json!([{"contactIds": [contacts[0]]}])).await;
    assert!(modified().await.as_str() > bumped.as_str());
}
