#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::upstream::http::growing::TOO_SLOW;
use crate::upstream::http::memory::{TURN_OF_TESTS, ends_in};

const SMALL: AnswerLimit = AnswerLimit {
    bytes: 1000,
    memory: 100_000,
};

fn client(url: &str) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    crate::upstream::client_builder(&[url])
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap()
}

async fn fetch(url: &str, limit: AnswerLimit) -> Result<usize, BodyError> {
    let response = client(url).get(url).send().await.unwrap();
    let ends = ends_in(Duration::from_secs(10));
    read_body(response, limit, ends).await.map(|body| body.bytes().len())
}

#[tokio::test]
async fn bytes_are_counted_after_decompression() {
    let _turn = TURN_OF_TESTS.lock().await;
    let server = MockServer::start().await;
    let bomb = ResponseTemplate::new(200)
        .insert_header("content-encoding", "gzip")
        .set_body_bytes(BOMB);
    Mock::given(path("/bomb")).respond_with(bomb).mount(&server).await;
    let url = format!("{}/bomb", server.uri());
    assert!(BOMB.len() < 50_000, "small on the wire");
    assert!(matches!(fetch(&url, SMALL).await, Err(BodyError::TooLarge(_))));
    let bytes_only = AnswerLimit {
        bytes: 20_000_000,
        ..SMALL
    };
    assert!(matches!(fetch(&url, bytes_only).await, Err(BodyError::TooLarge(_))));
    let roomy = AnswerLimit {
        bytes: 20_000_000,
        memory: 30_000_000,
    };
    assert_eq!(fetch(&url, roomy).await.unwrap(), 20_000_000);
}

#[tokio::test]
async fn a_body_without_end_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4096]).await.unwrap();
        let head = "HTTP/1.1 500 No\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut sent = 0usize;
        // Ends when the other side hangs up.
        while socket.write_all(b"400\r\n").await.is_ok() {
            let chunk = [b' '; 1024];
            if socket.write_all(&chunk).await.is_err() || socket.write_all(b"\r\n").await.is_err() {
                break;
            }
            sent += chunk.len();
        }
        sent
    });
    assert!(matches!(
        fetch(&url, AnswerLimit::TOKEN).await,
        Err(BodyError::TooLarge(_))
    ));
    let sent = server.await.unwrap();
    assert!(sent < 64 << 20, "the connection was closed: {sent}");
}

#[tokio::test]
async fn small_text_that_is_large_in_memory_is_not_parsed() {
    let server = MockServer::start().await;
    let body = format!("[{}{{}}]", "{\"a\":0},".repeat(100));
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_string(body))
        .mount(&server)
        .await;
    let limit = AnswerLimit {
        bytes: 1000,
        memory: 60_000,
    };
    assert!(matches!(fetch(&server.uri(), limit).await, Err(BodyError::TooLarge(_))));
}

#[tokio::test]
async fn no_redirect_is_followed_and_no_plain_http_unless_an_endpoint_is() {
    let (server, other) = (MockServer::start().await, MockServer::start().await);
    let away = ResponseTemplate::new(307).insert_header("location", format!("{}/stolen", other.uri()));
    Mock::given(method("POST")).respond_with(away).mount(&server).await;
    let http = client(&server.uri());
    let answer = http.post(server.uri()).body("secret").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 307);
    assert!(other.received_requests().await.unwrap().is_empty());
    let strict = client("https://googleads.googleapis.com");
    assert!(strict.get(server.uri()).send().await.unwrap_err().is_builder());
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[test]
fn the_estimate_is_never_far_below_what_a_value_takes() {
    let texts = [
        "{\"a\":0}".to_owned(),
        format!("[{}0]", "{\"a\":0},".repeat(500)),
        format!("[{}0]", "0,".repeat(500)),
        format!("{}{}", "[".repeat(100), "]".repeat(100)),
        "{\"a\\\"{,[\": \"{{{,,,\", \"b\": {\"c\": [1, 2, {}]}}".to_owned(),
        format!("{{\"text\": \"{}\"}}", "x{,".repeat(1000)),
    ];
    for text in texts {
        let value: Value = serde_json::from_str(&text).unwrap();
        let (estimated, weighed) = (estimate_parsed(text.as_bytes()), weigh_value(&value));
        assert!(
            estimated + ENTRY >= weighed && estimated < 2 * weighed + 1000,
            "{text:.60}: {estimated} {weighed}"
        );
    }
}

/// A server whose answers are a text of so many bytes.
async fn serving(bytes: usize) -> MockServer {
    let server = MockServer::start().await;
    let body = format!("[\"{}\"]", "x".repeat(bytes));
    let answer = ResponseTemplate::new(200).set_body_string(body);
    Mock::given(method("GET")).respond_with(answer).mount(&server).await;
    server
}

async fn get(url: &str, limit: AnswerLimit, time: Duration) -> Result<Body, BodyError> {
    let response = client(url).get(url).send().await.unwrap();
    read_body(response, limit, ends_in(time)).await
}

#[tokio::test]
async fn large_answers_of_all_calls_wait_for_what_the_process_has() {
    let _turn = TURN_OF_TESTS.lock().await;
    let (large, small) = (serving(7 << 20).await, serving(1000).await);
    let (short, long) = (Duration::from_millis(300), Duration::from_secs(20));
    let mut held = Vec::new();
    let refused = loop {
        match get(&large.uri(), AnswerLimit::RECORDS, short).await {
            Ok(body) => held.push(body),
            Err(error) => break error,
        }
        assert!(held.len() < 10, "ten answers of 7 MiB are held");
    };
    assert!(matches!(refused, BodyError::NoRoom(_)), "{refused:?}");
    assert!(
        get(&small.uri(), AnswerLimit::RECORDS, short).await.is_ok(),
        "small ones go on"
    );
    let url = large.uri();
    let waiting = tokio::spawn(async move { get(&url, AnswerLimit::RECORDS, long).await.map(|_| ()) });
    tokio::task::yield_now().await;
    held.clear();
    assert!(waiting.await.unwrap().is_ok(), "it has its turn");
}

#[tokio::test]
async fn parsed_answers_count_after_their_text_is_gone() {
    let _turn = TURN_OF_TESTS.lock().await;
    let server = serving(7 << 20).await;
    let mut shares = Vec::new();
    let refused = loop {
        match get(&server.uri(), AnswerLimit::RECORDS, Duration::from_millis(300)).await {
            Ok(body) => shares.push(body.into_share()),
            Err(error) => break error,
        }
        assert!(shares.len() < 20, "shares of more than 140 MiB are held");
    };
    assert!(matches!(refused, BodyError::NoRoom(_)), "{refused:?}");
    assert!(shares.iter().all(|share| !share.is_empty()));
}

/// A server that sends a body in pieces of one byte without end.
async fn dripping() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4096]).await.unwrap();
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        socket.write_all(head.as_bytes()).await.unwrap();
        let pieces = b"1\r\n \r\n".repeat(1000);
        // Ends when the other side hangs up.
        while socket.write_all(&pieces).await.is_ok() {}
    });
    url
}

#[tokio::test]
async fn pieces_of_one_byte_are_left_long_before_the_limit() {
    let refused = fetch(&dripping().await, AnswerLimit::RECORDS).await;
    assert!(matches!(refused, Err(BodyError::TinyPieces)), "{refused:?}");
}

/// A server that answers each call with a beginning of 1,000 KiB, and then with silence.
async fn falling_silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = socket.read(&mut [0; 4096]).await;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2000000\r\n\r\n";
                let _ = socket.write_all(head.as_bytes()).await;
                let _ = socket.write_all(&vec![b' '; 1000 << 10]).await;
                // Until the other side hangs up.
                let _ = socket.read(&mut [0; 1]).await;
            });
        }
    });
    url
}

#[tokio::test]
async fn many_answers_below_a_mebibyte_share_the_memory_and_hold_up_nobody() {
    const CROWD: usize = 200;
    const LONG: Duration = Duration::from_mins(1);
    let _turn = TURN_OF_TESTS.lock().await;
    let (silent, honest) = (falling_silent().await, serving(500 << 10).await);
    let http = client(&silent);
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..CROWD {
        let call = http.get(&silent).send();
        crowd.spawn(async move {
            read_body(call.await.unwrap(), AnswerLimit::RECORDS, ends_in(LONG))
                .await
                .map(|_| ())
        });
    }
    let mut given_up = 0;
    // 32 MiB are for 34 of them.
    while given_up < CROWD - 40 {
        match crowd.join_next().await.unwrap().unwrap() {
            Err(BodyError::NoRoom(TOO_SLOW)) => given_up += 1,
            other => panic!("{given_up} are given up, then: {other:?}"),
        }
        if given_up == CROWD / 4 {
            let answer = http.get(honest.uri()).send().await.unwrap();
            read_body(answer, AnswerLimit::RECORDS, ends_in(LONG)).await.unwrap();
        }
    }
}
