//! Uploads of the Google Ads API: enhancements and click conversions.

use super::*;

fn at(sandbox: &Sandbox, span: &str) -> String {
    let text = sandbox.time(span);
    format!("{} {}+00:00", &text[..10], &text[11..19])
}

async fn enhance(sandbox: &Sandbox, rows: &Value) -> Reply {
    let path = format!("/v26/customers/{CUSTOMER}:uploadConversionAdjustments");
    sandbox
        .post(&path, &json!({"conversionAdjustments": rows, "partialFailure": true}))
        .await
}

/// `index name` of all row errors.
fn failed(reply: &Reply) -> Vec<String> {
    let details = reply.body["partialFailureError"]["details"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let errors = details
        .iter()
        .filter_map(|detail| detail["errors"].as_array())
        .flatten();
    errors
        .map(|error| {
            let name = error["errorCode"].as_object().unwrap().values().next().unwrap();
            let place = &error["location"]["fieldPathElements"][0];
            format!(
                "{}[{}] {}",
                place["fieldName"].as_str().unwrap(),
                place["index"],
                name.as_str().unwrap()
            )
        })
        .collect()
}

async fn web_action(sandbox: &Sandbox) -> String {
    sandbox
        .action(json!({"name": "Demo", "type": "WEBPAGE", "category": "SUBMIT_LEAD_FORM"}))
        .await
}

fn row(sandbox: &Sandbox, action: &str, order: &str) -> Value {
    json!({
        "adjustmentType": "ENHANCEMENT", "orderId": order,
        "conversionAction": format!("customers/{CUSTOMER}/conversionActions/{action}"),
        "gclidDateTimePair": {"conversionDateTime": at(sandbox, "-PT1H")},
        "userIdentifiers": [{"userIdentifierSource": "FIRST_PARTY", "hashedEmail": HASH}],
    })
}

fn with(row: &Value, name: &str, value: Value) -> Value {
    let mut changed = row.clone();
    changed[name] = value;
    changed
}

#[tokio::test]
async fn enhancements_need_the_web_conversion_and_are_taken_once() {
    let sandbox = Sandbox::new().await;
    let action = web_action(&sandbox).await;
    let report = json!({"conversions": [{"transactionId": "o-1"}]});
    sandbox.admin("POST", "/web-conversions", &report).await;
    let rows = json!([row(&sandbox, &action, "o-1"), row(&sandbox, &action, "o-2")]);
    let reply = enhance(&sandbox, &rows).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(failed(&reply), ["conversion_adjustments[1] CONVERSION_NOT_FOUND"]);
    assert_eq!(reply.body["results"][0]["orderId"], "o-1");
    assert_eq!(reply.body["results"][1], json!({}));
    let again = enhance(&sandbox, &json!([row(&sandbox, &action, "o-1")])).await;
    assert_eq!(
        failed(&again),
        ["conversion_adjustments[0] CONVERSION_ALREADY_ENHANCED"]
    );
    let tally = sandbox.admin("GET", "/tally", &Value::Null).await;
    assert_eq!(tally["enhanced"], 1);
    assert_eq!(tally["enhancements"][0]["orderId"], "o-1");
    assert_eq!(tally["enhancements"][0]["identifiers"], json!([HASH]));
}

#[tokio::test]
async fn what_is_only_validated_leaves_no_trace() {
    let sandbox = Sandbox::new().await;
    let action = web_action(&sandbox).await;
    let report = json!({"conversions": [{"transactionId": "o-1"}]});
    sandbox.admin("POST", "/web-conversions", &report).await;
    let before = sandbox.admin("GET", "/tally", &Value::Null).await;
    let path = format!("/v26/customers/{CUSTOMER}:uploadConversionAdjustments");
    let rows = json!([row(&sandbox, &action, "o-1"), row(&sandbox, &action, "o-2")]);
    let body = json!({"conversionAdjustments": rows, "partialFailure": true, "validateOnly": true});
    let reply = sandbox.post(&path, &body).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(failed(&reply), ["conversion_adjustments[1] CONVERSION_NOT_FOUND"]);
    assert_eq!(reply.body["results"], json!([]));
    assert_eq!(sandbox.admin("GET", "/tally", &Value::Null).await, before);
}

#[tokio::test]
async fn rows_that_do_not_fit_are_refused() {
    let sandbox = Sandbox::new().await;
    let action = web_action(&sandbox).await;
    let lead = sandbox.action(json!({"name": "Lead"})).await;
    let good = row(&sandbox, &action, "o-1");
    let pair = |span: &str| json!({"conversionDateTime": at(&sandbox, span)});
    let address = |first: &str| json!([{"addressInfo": {"hashedFirstName": first, "hashedLastName": HASH, "countryCode": "DE", "postalCode": "10115"}}]);
    let cases = [
        (with(&good, "orderId", json!("")), "MISSING_ORDER_ID_FOR_WEBPAGE"),
        (row(&sandbox, &lead, "o-1"), "INVALID_CONVERSION_ACTION_TYPE"),
        (row(&sandbox, "1", "o-1"), "NO_CONVERSION_ACTION_FOUND"),
        (with(&good, "gclidDateTimePair", pair("-PT25H")), "CONVERSION_EXPIRED"),
        (
            with(&good, "gclidDateTimePair", pair("PT2H")),
            "LATER_THAN_MAXIMUM_DATE",
        ),
        (
            with(
                &good,
                "gclidDateTimePair",
                json!({"conversionDateTime": "2026-11-20T12:00:00Z"}),
            ),
            "INVALID_STRING_DATE_TIME_SECONDS_WITH_OFFSET",
        ),
        (with(&good, "userIdentifiers", json!([])), "REQUIRED"),
        (
            with(&good, "userIdentifiers", json!([{"hashedEmail": "ada@example.com"}])),
            "INVALID_USER_IDENTIFIER",
        ),
        (
            with(&good, "userIdentifiers", address("anna")),
            "INVALID_USER_IDENTIFIER",
        ),
        (with(&good, "userIdentifiers", address(HASH)), "CONVERSION_NOT_FOUND"),
        (
            with(&good, "restatementValue", json!({"adjustedValue": 1.0})),
            "REQUIRED",
        ),
        (
            with(&good, "orderId", json!("ada@example.com")),
            "ORDER_ID_CONTAINS_PII",
        ),
    ];
    for (row, name) in cases {
        let reply = enhance(&sandbox, &json!([row])).await;
        assert_eq!(failed(&reply), [format!("conversion_adjustments[0] {name}")], "{row}");
    }
    let twice = enhance(&sandbox, &json!([good, good])).await;
    assert_eq!(
        failed(&twice)[1],
        "conversion_adjustments[1] DUPLICATE_ENHANCEMENT_IN_REQUEST"
    );
    let unknown = enhance(&sandbox, &json!([with(&good, "hashedEmail", json!(HASH))])).await;
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn click_uploads_where_they_are_allowed() {
    let sandbox = Sandbox::new().await;
    sandbox
        .admin(
            "PATCH",
            &format!("/accounts/{CUSTOMER}"),
            &json!({"clickUploadsAllowed": true}),
        )
        .await;
    let action = sandbox.action(json!({})).await;
    sandbox.click("Cj0", "PT48H");
    let row = json!({
        "gclid": "Cj0", "orderId": "hs-1", "conversionDateTime": at(&sandbox, "-PT1H"),
        "conversionAction": format!("customers/{CUSTOMER}/conversionActions/{action}"),
        "conversionValue": 1.5, "currencyCode": "EUR", "conversionEnvironment": "WEB",
    });
    let path = format!("/v26/customers/{CUSTOMER}:uploadClickConversions");
    let send = async |row: &Value| {
        let body = json!({"conversions": [row], "partialFailure": true});
        sandbox.post(&path, &body).await
    };
    let taken = send(&row).await;
    assert_eq!(taken.body["results"][0]["gclid"], "Cj0", "{}", taken.body);
    assert_eq!(failed(&send(&row).await), ["conversions[0] ORDER_ID_ALREADY_IN_USE"]);
    let stranger = with(&with(&row, "gclid", json!("nobody")), "orderId", json!("hs-2"));
    assert_eq!(failed(&send(&stranger).await), ["conversions[0] EVENT_NOT_FOUND"]);
    let tally = sandbox.admin("GET", "/tally", &Value::Null).await;
    assert_eq!(tally["totals"]["conversions"], 1);
    assert_eq!(tally["conversions"][0]["transactionId"], "hs-1");
}
