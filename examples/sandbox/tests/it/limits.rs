use adconversion_sandbox::options::Options;
use serde_json::json;

use crate::support::{SEARCH, Sandbox};

#[tokio::test]
async fn searches_per_second_and_portal() {
    let sandbox = Sandbox::with(&Options::default());
    for _ in 0..5 {
        let reply = sandbox.post(SEARCH, &json!({})).await;
        assert_eq!(reply.status, 200);
        assert!(
            !reply.headers.keys().any(|name| name.as_str().contains("ratelimit")),
            "{:?}",
            reply.headers
        );
    }
    let refused = sandbox.post(SEARCH, &json!({})).await;
    assert_eq!(
        (refused.status, refused.body["message"].as_str()),
        (429, Some("You have reached your secondly limit."))
    );
    assert_eq!(
        (&refused.body["policyName"], &refused.body["errorType"]),
        (&json!("SECONDLY"), &json!("RATE_LIMIT"))
    );
    assert!(refused.body["correlationId"].is_string());
    assert_eq!(
        sandbox.get("/account-info/2026-09/details").await.status,
        200,
        "other calls have their own bucket"
    );
    sandbox.advance(1);
    assert_eq!(sandbox.post(SEARCH, &json!({})).await.status, 200);
}

#[tokio::test]
async fn calls_per_ten_seconds_with_headers() {
    let sandbox = Sandbox::with(&Options {
        burst_rate: 3,
        ..Options::default()
    });
    let remaining = async || {
        let reply = sandbox.get("/account-info/2026-09/details").await;
        (
            reply.status,
            reply.headers["x-hubspot-ratelimit-remaining"]
                .to_str()
                .unwrap()
                .to_owned(),
        )
    };
    assert_eq!(remaining().await, (200, "2".to_owned()));
    assert_eq!(remaining().await, (200, "1".to_owned()));
    assert_eq!(
        sandbox.post(SEARCH, &json!({})).await.status,
        200,
        "searches do not count"
    );
    let third = sandbox.get("/account-info/2026-09/details").await;
    for (name, value) in [
        ("max", "3"),
        ("remaining", "0"),
        ("interval-milliseconds", "10000"),
        ("daily", "625000"),
        ("daily-remaining", "624996"),
    ] {
        assert_eq!(third.headers[&format!("x-hubspot-ratelimit-{name}")], value, "{name}");
    }
    let refused = sandbox.get("/account-info/2026-09/details").await;
    assert_eq!(
        (refused.status, &refused.body["policyName"]),
        (429, &json!("TEN_SECONDLY_ROLLING"))
    );
    assert_eq!(
        refused.body["message"],
        "You have reached your ten_secondly_rolling limit."
    );
    sandbox.advance(10);
    assert_eq!(sandbox.get("/account-info/2026-09/details").await.status, 200);
}

#[tokio::test]
async fn calls_per_day_until_midnight_of_the_account() {
    let sandbox = Sandbox::with(&Options::default());
    sandbox
        .patch_portal(&json!({"limits": {"daily": 10, "dailyUsed": 8}}))
        .await;
    let usage = sandbox
        .get("/account-info/2026-09/api-usage/daily/private-apps")
        .await
        .body["results"][0]
        .clone();
    assert_eq!(
        (&usage["usageLimit"], &usage["currentUsage"], &usage["fetchStatus"]),
        (&json!(10), &json!(9), &json!("SUCCESS"))
    );
    assert_eq!(sandbox.post(SEARCH, &json!({})).await.status, 200);
    let refused = sandbox.get("/account-info/2026-09/details").await;
    assert_eq!((refused.status, &refused.body["policyName"]), (429, &json!("DAILY")));
    assert_eq!(
        sandbox.post(SEARCH, &json!({})).await.body["message"],
        "You have reached your daily limit."
    );
    sandbox.advance(25 * 3600);
    assert_eq!(sandbox.get("/account-info/2026-09/details").await.status, 200);
}

#[tokio::test]
async fn limits_can_be_switched_off() {
    let sandbox = Sandbox::new();
    for _ in 0..300 {
        assert_eq!(sandbox.post(SEARCH, &json!({})).await.status, 200);
    }
}
