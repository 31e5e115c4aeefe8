//! Commands that ask the operator reach it through the port-forward of an API server: here one that knows two pods and
//! leads their ports to servers of the test, as the kubelet does.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use futures::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use wiremock::matchers::{body_json, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};
use xtask::process;

use crate::support::documents::readme_shows;

/// The port of the admin API in every pod.
const PORT: u16 = 8081;

/// An API server with the pods `ops/standby` and `ops/working`, whose ports lead to these.
async fn api_server(standby: SocketAddr, working: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, standby, working));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, standby: SocketAddr, working: SocketAddr) {
    let mut head = [0; 2048];
    let read = stream.peek(&mut head).await.unwrap();
    let head = String::from_utf8_lossy(&head[..read]).into_owned();
    let asked = head.split_whitespace().nth(1).unwrap_or_default();
    if asked.starts_with("/api/v1/namespaces/ops/pods/working/portforward?") {
        return lead(stream, working).await;
    }
    if asked.starts_with("/api/v1/namespaces/ops/pods/standby/portforward?") {
        return lead(stream, standby).await;
    }
    let pod = |name: &str| json!({"metadata": {"name": name, "namespace": "ops"}, "status": {"phase": "Running"}});
    let body = if asked.starts_with("/api/v1/pods?") {
        json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod("standby"), pod("working")]})
    } else {
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403,
               "message": "not in this test"})
    };
    let body = body.to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut whole = [0; 2048];
    let _ = stream.read(&mut whole).await;
    stream.write_all(answer.as_bytes()).await.unwrap();
}

/// One port over `v4.channel.k8s.io`: channel 0 has its bytes, channel 1 an error.
#[allow(clippy::result_large_err)] // the callback's signature is that of the library
async fn lead(stream: TcpStream, to: SocketAddr) {
    let speak = |request: &Request, mut response: Response| {
        assert!(
            request.uri().query().unwrap().contains("ports=8081"),
            "{}",
            request.uri()
        );
        let protocol = HeaderValue::from_static("v4.channel.k8s.io");
        response.headers_mut().insert("sec-websocket-protocol", protocol);
        Ok(response)
    };
    let socket = accept_hdr_async(stream, speak).await.unwrap();
    let (mut out, mut back) = socket.split();
    for channel in [0, 1] {
        let [low, high] = PORT.to_le_bytes();
        out.send(Message::Binary(vec![channel, low, high].into()))
            .await
            .unwrap();
    }
    let (mut from_pod, mut to_pod) = TcpStream::connect(to).await.unwrap().into_split();
    let inward = async move {
        while let Some(Ok(message)) = back.next().await {
            if let Message::Binary(bytes) = message {
                assert_eq!(bytes[0], 0);
                to_pod.write_all(&bytes[1..]).await.unwrap();
            }
        }
    };
    let outward = async move {
        let mut buffer = [0; 4096];
        while let Ok(read) = from_pod.read(&mut buffer).await {
            if read == 0 {
                break;
            }
            let frame = [&[0], &buffer[..read]].concat();
            out.send(Message::Binary(frame.into())).await.unwrap();
        }
        let _ = out.close().await;
    };
    tokio::join!(inward, outward);
}

/// `adconversion ARGUMENTS` with this API server, and the directory of its kubeconfig.
fn command(server: SocketAddr, arguments: &[&str]) -> (std::path::PathBuf, Command) {
    let directory = xtask::control_plane::new_directory().unwrap();
    let kubeconfig = directory.join("kubeconfig");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{server}")}}],
        "users": [{"name": "c", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c", "namespace": "marketing"}}],
    });
    std::fs::write(&kubeconfig, text.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_adconversion"));
    command.args(arguments).env("KUBECONFIG", &kubeconfig);
    (directory, command)
}

/// What it answered in the end.
async fn adconversion(server: SocketAddr, arguments: &[&str]) -> process::Output {
    let (_directory, command) = command(server, arguments);
    let run = move || process::run(command, None, std::time::Duration::from_mins(1)).unwrap();
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn events(status: u16) -> Mock {
    let listed = ResponseTemplate::new(status).set_body_json(json!({"events": [], "total": 0}));
    Mock::given(method("GET")).and(path("/v1/events")).respond_with(listed)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_pods_the_one_that_works_is_asked() {
    let (standby, working) = (MockServer::start().await, MockServer::start().await);
    events(503).expect(1).mount(&standby).await;
    events(200).mount(&working).await;
    let answer = json!({"contactId": "51", "notes": ["A note."], "entries": []});
    Mock::given(method("POST"))
        .and(path("/v1/events/marketing/customers/explain"))
        .and(body_json(json!({"email": "ada@example.com"})))
        .respond_with(ResponseTemplate::new(200).set_body_json(answer))
        .expect(1)
        .mount(&working)
        .await;
    let server = api_server(*standby.address(), *working.address()).await;
    let done = adconversion(server, &["explain", "customers", "--contact", "ada@example.com"]).await;
    assert_eq!(done.status.code(), Some(1), "{}", done.stderr);
    assert_eq!(done.stdout, "Contact 51 under event marketing/customers\n  A note.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_works_is_said() {
    let (standby, dead) = (MockServer::start().await, MockServer::start().await);
    events(503).mount(&standby).await;
    events(503).mount(&dead).await;
    let server = api_server(*standby.address(), *dead.address()).await;
    let done = adconversion(server, &["conversions", "customers"]).await;
    assert_eq!(done.status.code(), Some(2), "{}", done.stdout);
    let said = "no operator answers: ops/standby stands by, ops/working stands by";
    assert!(done.stderr.contains(said), "{}", done.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_says_where_its_page_is_until_it_is_interrupted() {
    let (standby, working) = (MockServer::start().await, MockServer::start().await);
    events(503).mount(&standby).await;
    events(200).mount(&working).await;
    let server = api_server(*standby.address(), *working.address()).await;
    let (_directory, mut command) = command(server, &["dashboard"]);
    let run = move || {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"))
            .unwrap_or_default();
        let address = address.trim_start_matches("http://").trim_end_matches('/').to_owned();
        assert!(std::net::TcpStream::connect(&address).is_ok(), "nobody listens: {line}");
        process::signal("INT", child.id(), false).unwrap();
        let ended = process::wait(&mut child, std::time::Duration::from_secs(20)).unwrap();
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
        (line, address)
    };
    let (line, address) = tokio::task::spawn_blocking(run).await.unwrap();
    let shown = line
        .replace(
            "ops/working",
            "adconversion-system/adconversion-operator-7d9c6b5f48-x2x7k",
        )
        .replace(&address, "127.0.0.1:40123");
    readme_shows("adconversion dashboard", &shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_one_that_works_is_at_the_port_asked_for() {
    let (standby, working) = (MockServer::start().await, MockServer::start().await);
    events(503).mount(&standby).await;
    events(200).mount(&working).await;
    let page = ResponseTemplate::new(200).set_body_string("the page");
    Mock::given(path("/")).respond_with(page).mount(&working).await;
    let server = api_server(*standby.address(), *working.address()).await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let (_directory, command) = command(server, &["dashboard", "--port", &port.to_string()]);
    let mut dashboard = tokio::process::Command::from(command)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = tokio::io::BufReader::new(dashboard.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(std::time::Duration::from_mins(1), said.next_line());
    let line = line.await.unwrap().unwrap().unwrap();
    let expected = format!("The page of pod ops/working is at http://127.0.0.1:{port}/ until you press Ctrl-C.");
    assert_eq!(line, expected);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let text = reqwest::get(format!("http://127.0.0.1:{port}/")).await.unwrap();
    assert_eq!(text.text().await.unwrap(), "the page");
    // Who asks for the same port is told that it is taken.
    let second = adconversion(server, &["dashboard", "--port", &port.to_string()]).await;
    assert_eq!(second.status.code(), Some(2), "{}", second.stdout);
    let taken = format!("port {port} of this machine can't be listened on");
    assert!(second.stderr.contains(&taken), "{}", second.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_at_an_address_says_whether_somebody_is_there() {
    let (working, standby, other) = (
        MockServer::start().await,
        MockServer::start().await,
        MockServer::start().await,
    );
    events(200).mount(&working).await;
    events(503).mount(&standby).await;
    let server = api_server(*standby.address(), *working.address()).await;
    let there = working.uri();
    for (url, code, part) in [
        (there.clone(), 0, format!("The page is at {there}/\n")),
        (standby.uri(), 2, "HTTP 503".to_owned()),
        (other.uri(), 2, "not the operator's admin API (HTTP 404".to_owned()),
        ("ftp://127.0.0.1".to_owned(), 2, "--operator-url".to_owned()),
        ("127.0.0.1:8081".to_owned(), 2, "--operator-url".to_owned()),
    ] {
        let done = adconversion(server, &["dashboard", "--operator-url", &url]).await;
        let said = done.stdout + &done.stderr;
        assert!(
            done.status.code() == Some(code) && said.contains(&part),
            "{url}: no {part:?} in {said}"
        );
    }
}

/// An API server where the operator's only pod waits for its image.
async fn server_of_a_pending_pod() -> MockServer {
    let server = MockServer::start().await;
    let pod = json!({"metadata": {"name": "new", "namespace": "ops"}, "status": {"phase": "Pending", "containerStatuses": [
        {"name": "operator", "image": "x", "imageID": "", "ready": false, "restartCount": 0,
         "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}});
    let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod]});
    let listed = ResponseTemplate::new(200).set_body_json(list);
    Mock::given(path("/api/v1/pods"))
        .respond_with(listed)
        .mount(&server)
        .await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_does_not_run_yet_is_named_with_its_state() {
    let server = server_of_a_pending_pod().await;
    let done = adconversion(*server.address(), &["explain", "won", "--contact", "51"]).await;
    assert_eq!(done.status.code(), Some(2), "{}", done.stdout);
    let said =
        "no operator answers: ops/new is Pending (ImagePullBackOff). Look at its pod and its log (kubectl describe pod";
    assert!(done.stderr.contains(said), "{}", done.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_page_is_not_the_admin_api() {
    let other = MockServer::start().await;
    let page = ResponseTemplate::new(200).set_body_string("<html>Log in</html>");
    Mock::given(method("GET")).respond_with(page).mount(&other).await;
    let arguments = ["conversions", "won", "--operator-url", &other.uri()];
    let done = adconversion(*other.address(), &arguments).await;
    assert_eq!(done.status.code(), Some(2), "{}", done.stdout);
    for part in [
        "not the operator's admin API (HTTP 200 OK, and not the JSON of it)",
        "Check --operator-url",
    ] {
        assert!(done.stderr.contains(part), "no {part:?} in {}", done.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_nothing_is_a_sentence_on_stderr() {
    let operator = MockServer::start().await;
    events(200).mount(&operator).await;
    let none = ResponseTemplate::new(200).set_body_json(json!({"conversions": []}));
    Mock::given(path("/v1/events/marketing/won/conversions"))
        .respond_with(none)
        .mount(&operator)
        .await;
    for (filter, says) in [
        (&[][..], "Event marketing/won has no conversions."),
        (
            &["--outcome", "Rejected"],
            "Event marketing/won has no such conversions.",
        ),
        (
            &["--since", "2999-01-01"],
            "no such conversions: 2999-01-01T00:00:00Z is in the future.",
        ),
    ] {
        let url = operator.uri();
        let arguments = [&["conversions", "won", "--operator-url", &url], filter].concat();
        let done = adconversion(*operator.address(), &arguments).await;
        assert_eq!(
            (done.status.code(), done.stdout.as_str()),
            (Some(0), ""),
            "{}",
            done.stderr
        );
        assert!(done.stderr.contains(says), "no {says:?} in {}", done.stderr);
    }
}
