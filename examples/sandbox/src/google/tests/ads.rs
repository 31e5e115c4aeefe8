//! Google Ads: access, headers, quota, search, reports.

use serde_json::json;

use super::{CUSTOMER, MANAGER, Sandbox};

const ACCOUNT: &str = "SELECT customer.id FROM customer";

#[tokio::test]
async fn unknown_versions_and_addresses_are_404_pages() {
    let sandbox = Sandbox::new().await;
    for path in [
        "/v22/customers/1234567890/googleAds:search",
        "/v26/customers/1234567890/campaigns:mutate",
        "/v26/customers/1234567890",
    ] {
        let reply = sandbox.post(path, &json!({"query": ACCOUNT})).await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(reply.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    }
    assert_eq!(
        sandbox.get("/v26/customers/1234567890/googleAds:search").await.status,
        404
    );
}

#[tokio::test]
async fn every_answer_carries_a_request_id() {
    let sandbox = Sandbox::new().await;
    assert!(sandbox.search(ACCOUNT).await.headers.contains_key("request-id"));
    let reply = sandbox.search("SELECT customer.nope FROM customer").await;
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.body["error"]["details"][0]["requestId"],
        reply.headers["request-id"].to_str().unwrap()
    );
    assert_eq!(reply.ads_errors(), ["queryError.UNRECOGNIZED_FIELD"]);
}

#[tokio::test]
async fn credentials_and_login_customer_are_checked() {
    let sandbox = Sandbox::new().await;
    let path = format!("/v26/customers/{CUSTOMER}/googleAds:search");
    let call = async |headers: &[(&str, &str)]| sandbox.post_with(&path, &json!({"query": ACCOUNT}), headers).await;
    assert_eq!(
        call(&[("authorization", "")]).await.ads_errors(),
        ["authenticationError.AUTHENTICATION_ERROR"]
    );
    assert_eq!(
        call(&[("authorization", "Bearer nonsense")]).await.ads_errors(),
        ["authenticationError.OAUTH_TOKEN_INVALID"]
    );
    assert_eq!(call(&[("login-customer-id", MANAGER)]).await.status, 200);
    assert_eq!(call(&[("login-customer-id", CUSTOMER)]).await.status, 200);
    let dashed = call(&[("login-customer-id", "987-654-3210")]).await;
    assert_eq!(
        (dashed.status, dashed.ads_errors()),
        (400, vec!["headerError.INVALID_LOGIN_CUSTOMER_ID".to_owned()])
    );
    let stranger = call(&[("login-customer-id", "1111111111")]).await;
    assert_eq!(
        (stranger.status, stranger.ads_errors()),
        (403, vec!["authorizationError.USER_PERMISSION_DENIED".to_owned()])
    );
}

#[tokio::test]
async fn an_account_behind_a_manager_needs_the_header() {
    let sandbox = Sandbox::new().await;
    sandbox
        .admin("PATCH", &format!("/accounts/{CUSTOMER}"), &json!({"access": []}))
        .await;
    assert_eq!(
        sandbox.search(ACCOUNT).await.ads_errors(),
        ["authorizationError.USER_PERMISSION_DENIED"]
    );
    let path = format!("/v26/customers/{CUSTOMER}/googleAds:search");
    let reply = sandbox
        .post_with(&path, &json!({"query": ACCOUNT}), &[("login-customer-id", MANAGER)])
        .await;
    assert_eq!(reply.status, 200);
    let list = sandbox.get("/v26/customers:listAccessibleCustomers").await;
    assert_eq!(list.body, json!({"resourceNames": [format!("customers/{MANAGER}")]}));
}

#[tokio::test]
async fn wrong_customer_ids_are_refused() {
    let sandbox = Sandbox::new().await;
    let call = async |id: &str| {
        sandbox
            .post(
                &format!("/v26/customers/{id}/googleAds:search"),
                &json!({"query": ACCOUNT}),
            )
            .await
    };
    assert_eq!(
        call("123-456-7890").await.ads_errors(),
        ["requestError.INVALID_CUSTOMER_ID"]
    );
    assert_eq!(
        call("1112223334").await.ads_errors(),
        ["authorizationError.USER_PERMISSION_DENIED"]
    );
}

#[tokio::test]
async fn switched_off_apis_and_closed_accounts_are_refused() {
    let sandbox = Sandbox::new().await;
    sandbox
        .admin(
            "PATCH",
            &format!("/accounts/{CUSTOMER}"),
            &json!({"status": "CANCELED"}),
        )
        .await;
    assert_eq!(
        sandbox.search(ACCOUNT).await.ads_errors(),
        ["authorizationError.CUSTOMER_NOT_ENABLED"]
    );
    let armed =
        json!({"status": "ENABLED", "refuseWith": "authorizationError.CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION"});
    sandbox.admin("PATCH", &format!("/accounts/{CUSTOMER}"), &armed).await;
    assert_eq!(
        sandbox.search(ACCOUNT).await.ads_errors(),
        ["authorizationError.CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION"]
    );
    sandbox.set(json!({"googleAdsDisabled": true})).await;
    let reply = sandbox.search(ACCOUNT).await;
    assert_eq!((reply.status, reply.info_reason()), (403, "SERVICE_DISABLED"));
}

#[tokio::test]
async fn operations_of_a_day_run_out_and_come_back() {
    let sandbox = Sandbox::new().await;
    sandbox.set(json!({"dailyOperations": 2, "tokenLifetime": "48h"})).await;
    let mut sandbox = sandbox;
    sandbox.login().await;
    assert_eq!(sandbox.search(ACCOUNT).await.status, 200);
    assert_eq!(sandbox.get("/v26/customers:listAccessibleCustomers").await.status, 200);
    let reply = sandbox.search(ACCOUNT).await;
    assert_eq!(
        (reply.status, reply.ads_errors()),
        (429, vec!["quotaError.RESOURCE_EXHAUSTED".to_owned()])
    );
    let quota = &reply.body["error"]["details"][0]["errors"][0]["details"]["quotaErrorDetails"];
    let delay = quota["retryDelay"]
        .as_str()
        .unwrap()
        .trim_end_matches('s')
        .parse::<i64>()
        .unwrap();
    assert!((86_000..=86_400).contains(&delay), "{delay}");
    sandbox.advance("24h");
    assert_eq!(sandbox.search(ACCOUNT).await.status, 200);
}

#[tokio::test]
async fn unknown_fields_page_size_and_wrong_content_are_refused() {
    let sandbox = Sandbox::new().await;
    let path = format!("/v26/customers/{CUSTOMER}/googleAds:search");
    let reply = sandbox
        .post(&path, &json!({"query": ACCOUNT, "customerId": CUSTOMER}))
        .await;
    assert_eq!(reply.status, 400);
    assert!(
        reply.body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("Unknown name \"customerId\"")
    );
    let reply = sandbox.post(&path, &json!({"query": ACCOUNT, "pageSize": 10})).await;
    assert_eq!(reply.ads_errors(), ["requestError.PAGE_SIZE_NOT_SUPPORTED"]);
    assert_eq!(
        sandbox
            .post_with(&path, &json!({"query": ACCOUNT}), &[("content-type", "text/plain")])
            .await
            .status,
        400
    );
    assert_eq!(
        sandbox
            .post(&format!("{path}?fields=x"), &json!({"query": ACCOUNT}))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn only_selected_fields_come_back_in_json_form() {
    let sandbox = Sandbox::new().await;
    let query = "SELECT customer.id, customer.manager, customer.conversion_tracking_setting.conversion_tracking_id, \
                 customer.conversion_tracking_setting.cross_account_conversion_tracking_id FROM customer";
    let reply = sandbox.search(query).await;
    let expected = json!({"customer": {
        "resourceName": "customers/1234567890", "id": "1234567890", "manager": false,
        "conversionTrackingSetting": {"conversionTrackingId": "987654321"},
    }});
    assert_eq!(reply.body["results"], json!([expected]));
    assert_eq!(
        sandbox
            .search("SELECT conversion_action.id FROM conversion_action")
            .await
            .body
            .get("results"),
        None
    );
}

#[tokio::test]
async fn conditions_choose_rows_and_removed_actions_stay_readable() {
    let sandbox = Sandbox::new().await;
    let first = sandbox.action(json!({"name": "it's \"A\""})).await;
    let second = sandbox.action(json!({"name": "B"})).await;
    let name = format!("customers/{CUSTOMER}/conversionActions/{second}");
    sandbox.mutate(&json!({"operations": [{"remove": name}]})).await;
    let ids = async |condition: &str| {
        let query = format!("SELECT conversion_action.id, conversion_action.status FROM conversion_action {condition}");
        let rows = sandbox.search(&query).await.body["results"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        rows.iter()
            .map(|row| row["conversionAction"]["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("").await.len(), 2);
    assert_eq!(
        ids("WHERE conversion_action.status != 'REMOVED'").await,
        std::slice::from_ref(&first)
    );
    assert_eq!(
        ids("WHERE conversion_action.status = REMOVED").await,
        std::slice::from_ref(&second)
    );
    assert_eq!(
        ids(r#"WHERE conversion_action.name = 'it\'s "A"'"#).await,
        std::slice::from_ref(&first)
    );
    assert_eq!(
        ids(&format!("WHERE conversion_action.id IN ({first}, 5)")).await,
        std::slice::from_ref(&first)
    );
    assert_eq!(
        ids("ORDER BY conversion_action.id DESC LIMIT 1").await,
        std::slice::from_ref(&second)
    );
}

#[tokio::test]
async fn pages_follow_their_tokens() {
    let sandbox = Sandbox::new().await;
    for index in 0..5 {
        sandbox.action(json!({"name": format!("A{index}")})).await;
    }
    sandbox.set(json!({"pageSize": 2})).await;
    let path = format!("/v26/customers/{CUSTOMER}/googleAds:search");
    let query = "SELECT conversion_action.id FROM conversion_action";
    let mut body = json!({"query": query});
    let mut seen = Vec::new();
    loop {
        let reply = sandbox.post(&path, &body).await;
        seen.push(reply.body["results"].as_array().unwrap().len());
        let Some(token) = reply.body["nextPageToken"].as_str() else {
            break;
        };
        body["pageToken"] = json!(token);
    }
    assert_eq!(seen, [2, 2, 1]);
    body["query"] = json!(format!("{query} LIMIT 4"));
    assert_eq!(
        sandbox.post(&path, &body).await.ads_errors(),
        ["requestError.INVALID_PAGE_TOKEN"]
    );
    let stream = sandbox
        .post(
            &format!("/v26/customers/{CUSTOMER}/googleAds:searchStream"),
            &json!({"query": query}),
        )
        .await;
    assert_eq!(stream.body.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn reports_count_by_action_and_by_goal() {
    let sandbox = Sandbox::new().await;
    let action = sandbox.action(json!({})).await;
    sandbox.click("G1", "30h");
    sandbox.outcome(&action, vec![sandbox.event("t1", "G1")]).await;
    let query = "SELECT segments.conversion_action, metrics.all_conversions, metrics.conversions, \
                 metrics.all_conversions_by_conversion_date FROM customer WHERE segments.date DURING LAST_30_DAYS";
    let row = sandbox.search(query).await.body["results"][0].clone();
    assert_eq!(
        row["segments"]["conversionAction"],
        format!("customers/{CUSTOMER}/conversionActions/{action}")
    );
    assert_eq!(
        (&row["metrics"]["allConversions"], &row["metrics"]["conversions"]),
        (&json!(1.0), &json!(1.0))
    );
    let goal = json!({"customerId": CUSTOMER, "category": "CONVERTED_LEAD", "origin": "WEBSITE", "biddable": false});
    sandbox.admin("PATCH", "/goals", &goal).await;
    let row = sandbox.search(query).await.body["results"][0].clone();
    assert_eq!(
        (&row["metrics"]["allConversions"], &row["metrics"]["conversions"]),
        (&json!(1.0), &json!(0.0))
    );
}

#[tokio::test]
async fn a_manager_has_no_metrics() {
    let sandbox = Sandbox::new().await;
    let path = format!("/v26/customers/{MANAGER}/googleAds:search");
    let query =
        "SELECT segments.conversion_action, metrics.conversions FROM customer WHERE segments.date DURING LAST_30_DAYS";
    let reply = sandbox.post(&path, &json!({"query": query})).await;
    assert_eq!(
        (reply.status, reply.ads_errors()),
        (400, vec!["queryError.REQUESTED_METRICS_FOR_MANAGER".to_owned()])
    );
    let reply = sandbox
        .post(&path, &json!({"query": "SELECT customer.id FROM customer"}))
        .await;
    assert_eq!(reply.status, 200);
}
