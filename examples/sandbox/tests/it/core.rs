use std::time::Duration;

use adconversion_sandbox::{
    options::Options,
    serve::{self, Running},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const LIMIT: Duration = Duration::from_secs(20);

async fn start() -> Running {
    let options = Options {
        listen: "127.0.0.1:0".to_owned(),
        admin: "127.0.0.1:0".to_owned(),
        ..Options::default()
    };
    serve::start(&options).await.unwrap()
}

/// Everything the server sends on one connection until it closes it.
async fn raw(address: std::net::SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: sandbox\r\nauthorization: Bearer pat-na1-sandbox\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the bytes is as good an end as an orderly one.
    let _end = timeout(LIMIT, stream.read_to_end(&mut answer))
        .await
        .expect("the connection ends");
    String::from_utf8(answer).unwrap()
}

async fn admin(running: &Running, method: &str, path: &str, body: &Value) -> Value {
    let answer = raw(running.admin, method, &format!("/admin{path}"), &body.to_string()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 2"), "{answer}");
    serde_json::from_str(body).unwrap_or(Value::Null)
}

async fn details(running: &Running) -> String {
    raw(running.listen, "GET", "/account-info/2026-09/details", "").await
}

async fn arm(running: &Running, action: Value) {
    admin(
        running,
        "POST",
        "/faults",
        &json!({"service": "hubspot", "path": "/details", "action": action}),
    )
    .await;
}

async fn used(running: &Running) -> u64 {
    let portals = admin(running, "GET", "/hubspot/portals", &Value::Null).await;
    portals[0]["limits"]["dailyUsed"].as_u64().unwrap()
}

#[tokio::test]
async fn a_drop_before_closes_the_connection_and_applies_nothing() {
    let running = start().await;
    arm(&running, json!({"dropBefore": true})).await;
    assert_eq!(details(&running).await, "");
    assert_eq!(used(&running).await, 0);
    assert!(details(&running).await.starts_with("HTTP/1.1 200"));
    let faults = admin(&running, "GET", "/faults", &Value::Null).await;
    assert_eq!(faults[0]["fired"], 1);
    let log = admin(&running, "GET", "/requests?service=hubspot", &Value::Null).await;
    assert_eq!(
        (&log[0]["status"], &log[0]["fault"], &log[1]["status"]),
        (&Value::Null, &faults[0]["id"], &json!(200))
    );
    assert_eq!(
        (&log[0]["authorization"], log.to_string().contains("pat-na1")),
        (&json!(true), false)
    );
    assert_eq!(
        admin(&running, "GET", "/requests?since=1", &Value::Null)
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let summary = admin(&running, "GET", "/requests/summary", &Value::Null).await;
    assert_eq!(summary["requests"][0]["count"], 2);
}

#[tokio::test]
async fn a_drop_after_applies_the_request_and_answers_nothing() {
    let running = start().await;
    arm(&running, json!({"dropAfter": true})).await;
    assert_eq!(details(&running).await, "");
    assert_eq!(used(&running).await, 1);
}

#[tokio::test]
async fn a_hanging_request_gets_no_answer_until_the_client_gives_up() {
    for (action, applied) in [(json!({"hangBefore": true}), 0), (json!({"hangAfter": true}), 1)] {
        let running = start().await;
        arm(&running, action).await;
        let given_up = timeout(Duration::from_secs(1), details(&running)).await;
        assert!(given_up.is_err(), "no answer: {given_up:?}");
        assert_eq!(used(&running).await, applied);
        let faults = admin(&running, "GET", "/faults", &Value::Null).await;
        let log = admin(&running, "GET", "/requests?service=hubspot", &Value::Null).await;
        assert_eq!(
            (&log[0]["status"], &log[0]["fault"]),
            (&Value::Null, &faults[0]["id"]),
            "the log names the fault"
        );
        assert!(details(&running).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_cut_body_ends_before_its_announced_length() {
    let running = start().await;
    let whole = details(&running).await;
    arm(&running, json!({"truncate": 25})).await;
    let cut = details(&running).await;
    let (head, body) = cut.split_once("\r\n\r\n").unwrap();
    let length = head
        .to_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned))
        .unwrap();
    assert_eq!(body.len(), 25);
    assert_eq!(
        length.parse::<usize>().unwrap(),
        whole.split_once("\r\n\r\n").unwrap().1.len()
    );
}

#[tokio::test]
async fn errors_pages_and_delays() {
    let running = start().await;
    arm(
        &running,
        json!({"status": 503, "headers": {"retry-after": "7"}, "body": {"message": "later"}}),
    )
    .await;
    arm(&running, json!({"html": true})).await;
    arm(&running, json!({"delayMs": 300})).await;
    let before = std::time::Instant::now();
    let error = details(&running).await;
    assert!(
        error.starts_with("HTTP/1.1 503")
            && error.contains("retry-after: 7")
            && error.ends_with(r#"{"message":"later"}"#),
        "{error}"
    );
    let page = details(&running).await;
    assert!(page.starts_with("HTTP/1.1 502") && page.contains("text/html"), "{page}");
    assert!(details(&running).await.starts_with("HTTP/1.1 200"));
    assert!(before.elapsed() >= Duration::from_millis(300));
    admin(&running, "DELETE", "/faults", &Value::Null).await;
    assert_eq!(admin(&running, "GET", "/faults", &Value::Null).await, json!([]));
}

async fn reached(running: &Running) {
    let poll = async {
        while admin(running, "GET", "/gate", &Value::Null).await["reached"] != true {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LIMIT, poll).await.expect("the gate is reached");
}

#[tokio::test]
async fn the_gate_parks_one_request_until_it_is_opened() {
    let running = start().await;
    for (when, applied) in [("before", 1), ("after", 4)] {
        admin(
            &running,
            "POST",
            "/gate",
            &json!({"service": "hubspot", "number": 2, "when": when}),
        )
        .await;
        assert!(details(&running).await.starts_with("HTTP/1.1 200"));
        let address = running.listen;
        let parked = tokio::spawn(async move { raw(address, "GET", "/account-info/2026-09/details", "").await });
        reached(&running).await;
        assert_eq!(used(&running).await, applied, "{when}");
        assert!(!parked.is_finished());
        admin(&running, "DELETE", "/gate", &Value::Null).await;
        assert!(parked.await.unwrap().starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_client_that_dies_at_the_gate_has_not_sent_its_request() {
    let running = start().await;
    admin(&running, "POST", "/gate", &json!({"number": 1, "when": "before"})).await;
    let address = running.listen;
    let parked = tokio::spawn(async move { raw(address, "GET", "/account-info/2026-09/details", "").await });
    reached(&running).await;
    parked.abort();
    assert!(parked.await.unwrap_err().is_cancelled());
    admin(&running, "DELETE", "/gate", &Value::Null).await;
    assert!(details(&running).await.starts_with("HTTP/1.1 200"));
    assert_eq!(used(&running).await, 1);
}

#[tokio::test]
async fn the_clock_moves_on_demand() {
    let running = start().await;
    let now = |body: &Value| body["now"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let before = now(&admin(&running, "GET", "/clock", &Value::Null).await);
    let after = now(&admin(&running, "POST", "/clock/advance", &json!({"seconds": 3600})).await);
    assert!((3600..3660).contains(&after.duration_since(before).as_secs()));
    let set = now(&admin(&running, "POST", "/clock", &json!({"now": "2027-01-01T00:00:00Z"})).await);
    assert!(set.to_string().starts_with("2027-01-01T00:00:0"), "{set}");
    assert_eq!(admin(&running, "GET", "/healthz", &Value::Null).await["status"], "ok");
}

#[tokio::test]
async fn a_flaky_world_fails_at_the_chosen_rate() {
    let running = start().await;
    admin(&running, "POST", "/flaky", &json!({"percent": 100})).await;
    let answer = details(&running).await;
    assert!(answer.starts_with("HTTP/1.1 50"), "{answer}");
    assert_eq!(used(&running).await, 0);
}

#[tokio::test]
async fn the_announcement_names_both_addresses() {
    let running = start().await;
    let line: Value = serde_json::from_str(&running.announcement()).unwrap();
    assert_eq!(
        line,
        json!({"listen": format!("http://{}", running.listen), "admin": format!("http://{}", running.admin)})
    );
}
