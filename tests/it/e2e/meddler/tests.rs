//! The proxy itself: what its rules do to the calls they pick, and only to those.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::json;

use super::*;

/// Answers with what it was asked, and counts.
#[derive(Default)]
struct Echo(AtomicUsize);

impl Exchange for Echo {
    async fn exchange(&self, request: Request<Incoming>) -> Result<Response<Body>, Dropped> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let told = json!({"path": request.uri().to_string(), "method": request.method().as_str(), "n": 1});
        let mut response = wire::answer(StatusCode::OK, "application/json", told.to_string());
        let date = HeaderValue::from_static("Thu, 01 Jan 2026 00:00:00 GMT");
        response.headers_mut().insert(header::DATE, date);
        Ok(response)
    }
}

struct Setting {
    meddler: Meddler,
    echo: Arc<Echo>,
    runtime: Runtime,
    client: reqwest::Client,
}

impl Setting {
    fn new() -> Self {
        let runtime = wire::runtime();
        let echo = Arc::new(Echo::default());
        let address = wire::serve(&runtime, Arc::clone(&echo));
        let limit = Duration::from_secs(1);
        Self {
            meddler: Meddler::start(&address),
            echo,
            runtime,
            client: reqwest::Client::builder().timeout(limit).build().expect("a client"),
        }
    }

    /// Status, `Date` and body; or the error.
    fn post(&self, path: &str, body: &str) -> Result<(u16, String, String), reqwest::Error> {
        let url = format!("{}{path}", self.meddler.address);
        let request = self.client.post(url).header("x-token", "secret").body(body.to_owned());
        self.runtime.block_on(async {
            let answer = request.send().await?;
            let date = answer.headers()["date"].to_str().expect("text").to_owned();
            Ok((answer.status().as_u16(), date, answer.text().await?))
        })
    }

    fn asked(&self) -> usize {
        self.echo.0.load(Ordering::Relaxed)
    }
}

#[test]
fn rules_change_the_calls_they_pick_and_no_others() {
    let setting = Setting::new();
    let meddler = &setting.meddler;
    let as_it_was = (
        200,
        "Thu, 01 Jan 2026 00:00:00 GMT".to_owned(),
        json!({"path": "/a?b=c", "method": "POST", "n": 1}).to_string(),
    );
    assert_eq!(setting.post("/a?b=c", "hay").unwrap(), as_it_was);

    let number = meddler.always(
        |asked| asked.says("needle"),
        Meddling::change(|json| json["n"] = json!(-1)),
    );
    assert!(setting.post("/a", "hay needle hay").unwrap().2.contains("\"n\":-1"));
    assert_eq!(setting.post("/a?b=c", "hay").unwrap(), as_it_was);
    meddler.lift(number);
    assert!(setting.post("/a", "needle").unwrap().2.contains("\"n\":1"));

    let text = Meddling::rewrite(|asked, reply| {
        let body = String::from_utf8(reply.body.to_vec())
            .expect("text")
            .replace('1', "1e400");
        Reply::new(203, "text/plain", format!("{}{body}", asked.method)).header("date", "never")
    });
    let by_header = meddler.times(1, |asked| asked.says("secret") && asked.path.starts_with("/a"), text);
    let (status, date, body) = setting.post("/a", "").unwrap();
    assert_eq!((status, date.as_str()), (203, "never"));
    assert!(body.starts_with("POST{") && body.contains("\"n\":1e400"), "{body}");
    assert_eq!(setting.post("/a?b=c", "").unwrap(), as_it_was, "once");
    assert_eq!((meddler.fired(number), meddler.fired(by_header)), (1, 1));
}

#[test]
fn calls_are_answered_in_place_of_the_service_late_never_or_for_ever() {
    let setting = Setting::new();
    let meddler = &setting.meddler;
    let gone = Meddling::Instead(Reply::json(410, &json!({"gone": true})));
    meddler.always(|asked| asked.path == "/gone", gone);
    let endless = Reply::new(200, "text/plain", "begin").and_for_ever(" and on");
    meddler.always(|asked| asked.path == "/endless", Meddling::Instead(endless));
    meddler.always(|asked| asked.path == "/silent", Meddling::Silence);
    meddler.always(|asked| asked.path == "/drop", Meddling::Drop);
    let (status, _, body) = setting.post("/gone", "").unwrap();
    assert_eq!((status, body.as_str()), (410, "{\"gone\":true}"));
    for path in ["/endless", "/silent"] {
        assert!(setting.post(path, "").unwrap_err().is_timeout(), "{path}");
    }
    assert!(setting.post("/drop", "").unwrap_err().is_request());
    assert_eq!(setting.asked(), 0);
    meddler.lift_all();
    assert_eq!(setting.post("/silent", "").unwrap().0, 200);

    let wait = Duration::from_millis(200);
    meddler.always(|_| true, Meddling::Late(wait));
    let begun = Instant::now();
    assert_eq!(setting.post("/late", "").unwrap().0, 200);
    assert!(begun.elapsed() >= wait);
    assert_eq!(setting.asked(), 2);
}

#[test]
fn a_bomb_is_gzip() {
    let bomb = Reply::bomb(200);
    assert_eq!(bomb.headers["content-encoding"], "gzip");
    let mut gzip = Command::new("gzip")
        .args(["--decompress", "--stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("gzip");
    let mut stdin = gzip.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || {
        stdin
            .write_all(&bomb.body)
            .and_then(|()| stdin.write_all(&bomb.without_end.expect("more")))
    });
    let text = gzip.wait_with_output().expect("its output").stdout;
    writer.join().expect("the writer").expect("all is read");
    // gzip complains that the stream has no end.
    assert!(text.starts_with(b"[ ") && text.len() > 2_000_000, "{}", text.len());
    assert!(text[1..].iter().all(|byte| *byte == b' '));
}
