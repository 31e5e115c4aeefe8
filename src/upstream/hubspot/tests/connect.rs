use super::*;

async fn refusal(pairs: &[(&str, &str)]) -> String {
    Bench::new()
        .await
        .connector
        .client_for(&secret(pairs))
        .err()
        .expect("a refusal")
        .message
}

#[tokio::test]
async fn refusals_name_the_key_and_the_way_out() {
    for (pairs, key) in [
        (&[][..], "accessToken"),
        (&[("token", "x")], "accessToken"),
        (&[("accessToken", " \n")], "accessToken"),
        (&[("clientId", "a"), ("refreshToken", "b")], "clientSecret"),
        (
            &[("clientId", "a"), ("clientSecret", "b"), ("refreshToken", "")],
            "refreshToken",
        ),
        (&[("clientSecret", "b"), ("refreshToken", "c")], "clientId"),
    ] {
        let message = refusal(pairs).await;
        assert!(message.starts_with(&format!("key \"{key}\" is ")), "{message}");
        assert!(message.contains("Add accessToken"), "{message}");
    }
    for value in ["Bearer hidden", "hid\nden", "hiddén"] {
        let message = refusal(&[("accessToken", value)]).await;
        assert!(
            message.contains("\"accessToken\"") && !message.contains("hid"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn values_beyond_a_limit_are_refused_whatever_their_key() {
    let long = "x".repeat(320_000);
    for key in ["accessToken", "clientId", "clientSecret", "refreshToken"] {
        let mut pairs = vec![("clientId", "a"), ("clientSecret", "b"), ("refreshToken", "c")];
        pairs.retain(|(other, _)| *other != key);
        pairs.push((key, &long));
        let message = refusal(&pairs).await;
        let words = format!("key \"{key}\" has 320000 bytes, more than the limit of 8192.");
        assert!(message.starts_with(&words) && !message.contains("xx"), "{message}");
    }
}

#[tokio::test]
async fn the_same_credentials_get_the_same_client() {
    let bench = Bench::new().await;
    let client = |pairs: &[(&str, &str)]| bench.connector.client_for(&secret(pairs)).unwrap();
    let first = client(&[("accessToken", "a")]);
    assert!(Arc::ptr_eq(
        &first,
        &client(&[("accessToken", " a\r\n"), ("note", "x")])
    ));
    assert!(!Arc::ptr_eq(&first, &client(&[("accessToken", "b")])));
    let oauth = client(&[("clientId", "a"), ("clientSecret", "bc"), ("refreshToken", "d")]);
    assert!(!Arc::ptr_eq(
        &oauth,
        &client(&[("clientId", "ab"), ("clientSecret", "c"), ("refreshToken", "d")])
    ));
}

#[tokio::test]
async fn credentials_replaced_all_the_time_leave_few_clients() {
    let bench = Bench::new().await;
    let kept = bench
        .connector
        .client_for(&secret(&[("accessToken", "pat-kept")]))
        .unwrap();
    for n in 0..1000 {
        drop(
            bench
                .connector
                .client_for(&secret(&[("accessToken", &format!("pat-{n}"))]))
                .unwrap(),
        );
    }
    assert!(
        bench.connector.client_count() <= 66,
        "{}",
        bench.connector.client_count()
    );
    let again = bench
        .connector
        .client_for(&secret(&[("accessToken", "pat-kept")]))
        .unwrap();
    assert!(std::sync::Arc::ptr_eq(&kept, &again), "one in use stays");
}
