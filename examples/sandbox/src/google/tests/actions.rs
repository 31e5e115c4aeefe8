//! Conversion actions and goals.

use serde_json::{Value, json};

use super::{CUSTOMER, MANAGER, Sandbox, names_in, with};

fn create(fields: &Value) -> Value {
    let mut create = json!({"name": "Customer", "type": "UPLOAD_CLICKS"});
    create
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    json!({"operations": [{"create": create}]})
}

fn update(id: &str, mask: &str, fields: &Value) -> Value {
    let mut resource = json!({"resourceName": format!("customers/{CUSTOMER}/conversionActions/{id}")});
    resource
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    json!({"operations": [{"update": resource, "updateMask": mask}]})
}

#[tokio::test]
async fn creating_fills_the_system_fields() {
    let sandbox = Sandbox::new().await;
    let id = sandbox
        .action(json!({"name": "Form", "type": "WEBPAGE", "clickThroughLookbackWindowDays": "90"}))
        .await;
    let query = "SELECT conversion_action.id, conversion_action.origin, conversion_action.owner_customer, conversion_action.status, \
                 conversion_action.click_through_lookback_window_days, conversion_action.primary_for_goal, \
                 conversion_action.value_settings.default_currency_code, conversion_action.tag_snippets FROM conversion_action";
    let action = sandbox.search(query).await.body["results"][0]["conversionAction"].clone();
    assert_eq!(action["id"], id);
    assert_eq!(
        action["resourceName"],
        format!("customers/{CUSTOMER}/conversionActions/{id}")
    );
    assert_eq!(action["origin"], "WEBSITE");
    assert_eq!(action["ownerCustomer"], format!("customers/{CUSTOMER}"));
    assert_eq!(action["status"], "ENABLED");
    assert_eq!(action["clickThroughLookbackWindowDays"], "90");
    assert_eq!(action["primaryForGoal"], true);
    assert_eq!(action["valueSettings"], json!({"defaultCurrencyCode": "EUR"}));
    let snippet = action["tagSnippets"][0]["eventSnippet"].as_str().unwrap();
    assert!(snippet.contains("'send_to': 'AW-987654321/"), "{snippet}");
}

#[tokio::test]
async fn every_bad_field_of_a_create_is_named() {
    let sandbox = Sandbox::new().await;
    let cases = [
        (json!({"name": ""}), "stringLengthError.EMPTY"),
        (json!({"name": "n".repeat(101)}), "stringLengthError.TOO_LONG"),
        (
            json!({"type": "SALESFORCE"}),
            "conversionActionError.CREATION_NOT_SUPPORTED",
        ),
        (
            json!({"status": "REMOVED"}),
            "operationAccessDeniedError.CREATE_AS_REMOVED_NOT_PERMITTED",
        ),
        (json!({"clickThroughLookbackWindowDays": "91"}), "rangeError.TOO_HIGH"),
        (json!({"clickThroughLookbackWindowDays": 0}), "rangeError.TOO_LOW"),
        (json!({"viewThroughLookbackWindowDays": "31"}), "rangeError.TOO_HIGH"),
        (
            json!({"valueSettings": {"defaultCurrencyCode": "EURO"}}),
            "currencyCodeError.UNSUPPORTED",
        ),
        (json!({"valueSettings": {"defaultValue": -1.0}}), "rangeError.TOO_LOW"),
        (
            json!({"attributionModelSettings": {"attributionModel": "GOOGLE_SEARCH_ATTRIBUTION_LINEAR"}}),
            "conversionActionError.CANNOT_SET_RULE_BASED_ATTRIBUTION_MODELS",
        ),
        (
            json!({"attributionModelSettings": {"attributionModel": "GOOGLE_SEARCH_ATTRIBUTION_DATA_DRIVEN"}}),
            "conversionActionError.DATA_DRIVEN_MODEL_UNKNOWN",
        ),
        (
            json!({"phoneCallDurationSeconds": "60"}),
            "fieldError.VALUE_MUST_BE_UNSET",
        ),
        (
            json!({"includeInConversionsMetric": true}),
            "fieldError.VALUE_MUST_BE_UNSET",
        ),
        (json!({"origin": "WEBSITE"}), "fieldError.VALUE_MUST_BE_UNSET"),
        (json!({"id": "5"}), "newResourceCreationError.CANNOT_SET_ID_FOR_CREATE"),
    ];
    for (fields, error) in cases {
        let reply = sandbox.mutate(&create(&fields)).await;
        assert_eq!(
            (reply.status, reply.ads_errors()),
            (400, vec![error.to_owned()]),
            "{fields}"
        );
    }
    let nameless = json!({"operations": [{"create": {"category": "DEFAULT"}}]});
    assert_eq!(
        sandbox.mutate(&nameless).await.ads_errors(),
        ["fieldError.REQUIRED", "fieldError.REQUIRED"]
    );
    let unknown = sandbox.mutate(&create(&json!({"category": "LEAD"}))).await;
    assert_eq!(unknown.violations(), ["operations[0].create.category -"]);
}

#[tokio::test]
async fn names_are_unique_among_actions_that_are_not_removed() {
    let sandbox = Sandbox::new().await;
    let id = sandbox.action(json!({})).await;
    let again = create(&json!({}));
    let reply = sandbox.mutate(&again).await;
    assert_eq!(reply.ads_errors(), ["conversionActionError.DUPLICATE_NAME"]);
    let location = &reply.body["error"]["details"][0]["errors"][0]["location"]["fieldPathElements"];
    assert_eq!(
        *location,
        json!([{"fieldName": "operations", "index": 0}, {"fieldName": "create"}, {"fieldName": "name"}])
    );
    sandbox
        .admin("PATCH", &format!("/actions/{id}"), &json!({"status": "HIDDEN"}))
        .await;
    assert_eq!(sandbox.mutate(&again).await.status, 400);
    sandbox.admin("DELETE", &format!("/actions/{id}"), &Value::Null).await;
    sandbox.set(json!({"removedNamesBlock": true})).await;
    assert_eq!(sandbox.mutate(&again).await.status, 400);
    sandbox.set(json!({"removedNamesBlock": false})).await;
    assert_eq!(sandbox.mutate(&again).await.status, 200);
}

#[tokio::test]
async fn updates_need_masks_of_leaves() {
    let sandbox = Sandbox::new().await;
    let id = sandbox.action(json!({})).await;
    let reply = sandbox
        .mutate(&update(
            &id,
            "valueSettings.defaultValue,name",
            &json!({"name": "New", "valueSettings": {"defaultValue": 5.0}}),
        ))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let cases = [
        (
            update(&id, "valueSettings", &json!({"valueSettings": {"defaultValue": 6.0}})),
            "fieldMaskError.FIELD_HAS_SUBFIELDS",
        ),
        (update(&id, "nonsense", &json!({})), "fieldMaskError.FIELD_NOT_FOUND"),
        (
            update(&id, "type", &json!({"type": "WEBPAGE"})),
            "fieldError.IMMUTABLE_FIELD",
        ),
        (update(&id, "name", &json!({})), "fieldError.FIELD_CANNOT_BE_CLEARED"),
        (
            update(&id, "status", &json!({"status": "REMOVED"})),
            "fieldError.INVALID_VALUE",
        ),
        (
            update("5", "name", &json!({"name": "X"})),
            "mutateError.RESOURCE_NOT_FOUND",
        ),
    ];
    for (body, error) in cases {
        assert_eq!(sandbox.mutate(&body).await.ads_errors(), [error], "{body}");
    }
    let query = "SELECT conversion_action.name, conversion_action.value_settings.default_value FROM conversion_action";
    let action = sandbox.search(query).await.body["results"][0]["conversionAction"].clone();
    assert_eq!(
        (&action["name"], &action["valueSettings"]["defaultValue"]),
        (&json!("New"), &json!(5.0))
    );
}

#[tokio::test]
async fn operations_must_be_complete() {
    let sandbox = Sandbox::new().await;
    let id = sandbox.action(json!({})).await;
    let good = update(&id, "name", &json!({"name": "X"}));
    let maskless = with(&good, "operations.0.updateMask", Value::Null);
    let misnamed = with(&good, "operations.0.update.resourceName", json!("actions/5"));
    let aimless = json!({"operations": [{"updateMask": "name"}]});
    let errors = async |body: &Value| sandbox.mutate(body).await.ads_errors();
    assert_eq!(errors(&maskless).await, ["fieldMaskError.FIELD_MASK_MISSING"]);
    assert_eq!(errors(&misnamed).await, ["requestError.RESOURCE_NAME_MALFORMED"]);
    assert_eq!(errors(&aimless).await, ["requestError.OPERATION_REQUIRED"]);
    let empty = json!({"operations": []});
    assert_eq!(errors(&empty).await, ["fieldError.REQUIRED_NONEMPTY_LIST"]);
    let snake = update(&id, "value_settings.default_value", &json!({}));
    assert_eq!(
        sandbox.mutate(&snake).await.violations(),
        ["operations[0].update_mask -"]
    );
    assert_eq!(sandbox.mutate(&good).await.status, 200);
}

#[tokio::test]
async fn removed_and_foreign_actions_cannot_be_changed() {
    let sandbox = Sandbox::new().await;
    let id = sandbox.action(json!({})).await;
    let removal = json!({"operations": [{"remove": format!("customers/{CUSTOMER}/conversionActions/{id}")}]});
    assert_eq!(sandbox.mutate(&removal).await.status, 200);
    let gone = "operationAccessDeniedError.OPERATION_NOT_PERMITTED_FOR_REMOVED_RESOURCE";
    assert_eq!(sandbox.mutate(&removal).await.ads_errors(), [gone]);
    assert_eq!(
        sandbox
            .mutate(&update(&id, "name", &json!({"name": "X"})))
            .await
            .ads_errors(),
        [gone]
    );
    let system =
        json!({"id": 77, "customerId": CUSTOMER, "name": "Store visits", "type": "STORE_VISITS", "system": true});
    sandbox.admin("POST", "/actions", &system).await;
    let reply = sandbox.mutate(&update("77", "name", &json!({"name": "X"}))).await;
    assert_eq!(reply.ads_errors(), ["conversionActionError.UPDATE_NOT_SUPPORTED"]);
    sandbox
        .admin(
            "PATCH",
            &format!("/accounts/{CUSTOMER}"),
            &json!({"conversionCustomer": MANAGER}),
        )
        .await;
    let reply = sandbox.mutate(&create(&json!({"name": "Other"}))).await;
    assert_eq!(
        reply.ads_errors(),
        ["operationAccessDeniedError.MUTATE_NOT_PERMITTED_FOR_CUSTOMER"]
    );
}

#[tokio::test]
async fn the_actions_of_a_manager_are_listed_beside_the_own_ones() {
    let sandbox = Sandbox::new().await;
    let of_manager = json!({"id": 900, "customerId": MANAGER, "name": "Customer", "type": "UPLOAD_CLICKS"});
    sandbox.admin("POST", "/actions", &of_manager).await;
    let own = sandbox.action(json!({"name": "Customer"})).await;
    let query = "SELECT conversion_action.id, conversion_action.owner_customer FROM conversion_action \
                 WHERE conversion_action.name = 'Customer'";
    let listed = sandbox.search(query).await.body["results"].clone();
    let row = |id: &str, owner: &str| {
        json!({"conversionAction": {"resourceName": format!("customers/{CUSTOMER}/conversionActions/{id}"), "id": id,
            "ownerCustomer": format!("customers/{owner}")}})
    };
    assert_eq!(listed, json!([row("900", MANAGER), row(&own, CUSTOMER)]));
}

#[tokio::test]
async fn requests_are_all_or_nothing_unless_partial() {
    let sandbox = Sandbox::new().await;
    let good = json!({"create": {"name": "A", "type": "UPLOAD_CLICKS"}});
    let bad = json!({"create": {"name": "A", "type": "UPLOAD_CLICKS"}});
    let operations = json!([good, bad]);
    assert_eq!(sandbox.mutate(&json!({"operations": operations})).await.status, 400);
    assert_eq!(
        sandbox
            .search("SELECT conversion_action.id FROM conversion_action")
            .await
            .body
            .get("results"),
        None
    );
    let dry = sandbox
        .mutate(&json!({"operations": [good], "validateOnly": true}))
        .await;
    assert_eq!((dry.status, dry.body), (200, json!({})));
    let reply = sandbox
        .mutate(&json!({"operations": operations, "partialFailure": true, "responseContentType": "MUTABLE_RESOURCE"}))
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body["results"][0]["conversionAction"]["name"], "A");
    assert_eq!(reply.body["results"][1], json!({}));
    let partial = &reply.body["partialFailureError"];
    assert_eq!(partial["code"], 3);
    assert_eq!(
        names_in(partial["details"].as_array().unwrap()),
        ["conversionActionError.DUPLICATE_NAME"]
    );
    assert_eq!(
        partial["details"][0]["errors"][0]["location"]["fieldPathElements"][0],
        json!({"fieldName": "operations", "index": 1})
    );
}

#[tokio::test]
async fn goals_appear_and_only_biddable_changes() {
    let sandbox = Sandbox::new().await;
    sandbox.action(json!({})).await;
    let query = "SELECT customer_conversion_goal.category, customer_conversion_goal.origin, customer_conversion_goal.biddable FROM customer_conversion_goal";
    let name = format!("customers/{CUSTOMER}/customerConversionGoals/CONVERTED_LEAD~WEBSITE");
    let goal = sandbox.search(query).await.body["results"][0]["customerConversionGoal"].clone();
    assert_eq!(
        goal,
        json!({"resourceName": name, "category": "CONVERTED_LEAD", "origin": "WEBSITE", "biddable": true})
    );
    let path = format!("/v26/customers/{CUSTOMER}/customerConversionGoals:mutate");
    let change =
        json!({"operations": [{"update": {"resourceName": name, "biddable": false}, "updateMask": "biddable"}]});
    assert_eq!(
        sandbox.post(&path, &change).await.body,
        json!({"results": [{"resourceName": name}]})
    );
    assert_eq!(
        sandbox.search(query).await.body["results"][0]["customerConversionGoal"]["biddable"],
        false
    );
    let cases = [
        (
            with(&change, "operations.0.updateMask", json!("category")),
            "fieldError.IMMUTABLE_FIELD",
        ),
        (
            with(&change, "operations.0.updateMask", Value::Null),
            "fieldMaskError.FIELD_MASK_MISSING",
        ),
        (
            with(
                &change,
                "operations.0.update.resourceName",
                json!(name.replace("CONVERTED", "IMPORTED")),
            ),
            "mutateError.RESOURCE_NOT_FOUND",
        ),
        (
            with(&change, "operations.0.update.biddable", Value::Null),
            "fieldError.FIELD_CANNOT_BE_CLEARED",
        ),
    ];
    for (body, error) in cases {
        assert_eq!(sandbox.post(&path, &body).await.ads_errors(), [error], "{body}");
    }
    assert_eq!(
        sandbox
            .post(&path, &with(&change, "partialFailure", json!(true)))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn the_click_upload_is_closed_with_http_200() {
    let sandbox = Sandbox::new().await;
    let path = format!("/v26/customers/{CUSTOMER}:uploadClickConversions");
    let refused = "notAllowlistedError.CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE";
    // Google names every row; with the setting it names none.
    for (without_rows, wanted) in [(false, vec![refused; 2]), (true, vec![refused])] {
        let setting = json!({"refusalsWithoutRows": without_rows});
        sandbox.admin("PATCH", "/settings", &setting).await;
        let reply = sandbox
            .post(&path, &json!({"conversions": [{}, {}], "partialFailure": true}))
            .await;
        assert_eq!(
            (reply.status, reply.body["results"].as_array().unwrap().len()),
            (200, 2)
        );
        let details = reply.body["partialFailureError"]["details"].as_array().unwrap();
        assert_eq!(names_in(details), wanted);
        let rows = details[0]["errors"].as_array().unwrap();
        let named = rows.iter().filter(|row| row.get("location").is_some()).count();
        assert_eq!(named, if without_rows { 0 } else { 2 });
    }
    let reply = sandbox.post(&path, &json!({"conversions": [{}]})).await;
    assert_eq!(
        reply.ads_errors(),
        ["partialFailureError.PARTIAL_FAILURE_MODE_REQUIRED"]
    );
}
