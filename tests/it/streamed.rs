//! `adconversion conversions` prints what programs read as it comes:
//! the first rows are there before the last page is asked for.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use xtask::process;

/// Less than the command waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_mins(1);

/// Reads a request, whose address is the answer.
fn asked(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut line = first.clone();
    while line.trim() != "" {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    first.split_whitespace().nth(1).unwrap_or_default().to_owned()
}

fn answer(mut stream: &TcpStream, body: &Value) {
    let body = body.to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).unwrap();
}

fn page(contact: &str, next: Option<&str>) -> Value {
    let row =
        json!({"time": "2026-11-20T10:00:00Z", "transactionId": "hs-1", "contactId": contact, "outcome": "Uploaded"});
    json!({"conversions": [row], "next": next})
}

/// An operator whose second page is there once somebody has read the first. Says whether somebody had.
fn serve(listener: &TcpListener, read: &Receiver<()>) -> bool {
    let mut in_time = false;
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        let address = asked(&stream);
        if !address.contains("/conversions") {
            answer(&stream, &json!({"events": [], "total": 0}));
        } else if address.contains("after=") {
            in_time = read.recv_timeout(PATIENCE).is_ok();
            answer(&stream, &page("52", None));
            return in_time;
        } else {
            answer(&stream, &page("51", Some("behind")));
        }
    }
    in_time
}

/// Reads until the first contact is there.
fn read_first(stdout: &mut ChildStdout) -> String {
    let (mut said, mut buffer) = (Vec::new(), [0; 512]);
    while !String::from_utf8_lossy(&said).contains("51") {
        let read = stdout.read(&mut buffer).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8(said).unwrap()
}

/// `adconversion conversions` of what answers here, with this form.
fn asking(url: &str, form: &str) -> Command {
    let mut command = process::tied(Path::new(env!("CARGO_BIN_EXE_adconversion")));
    let arguments = [
        "conversions",
        "won",
        "--namespace",
        "marketing",
        "--operator-url",
        url,
        "--output",
        form,
    ];
    command.args(arguments).env("KUBECONFIG", "/dev/null");
    command
}

#[test]
fn a_stream_that_breaks_off_says_that_it_is_not_all() {
    for (form, printed) in [("json", true), ("table", false)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let address = asked(&stream);
                if address.contains("after=") {
                    return;
                }
                let next = page("51", Some("behind"));
                let events = json!({"events": [], "total": 0});
                answer(
                    &stream,
                    if address.contains("/conversions") {
                        &next
                    } else {
                        &events
                    },
                );
            }
        });
        let done = process::run(asking(&url, form), None, LIMIT).unwrap();
        server.join().unwrap();
        assert_eq!(
            (done.status.code(), done.stdout.contains("51")),
            (Some(2), printed),
            "{}",
            done.stderr
        );
        let says = "What was printed is not all: 1 conversion.";
        assert_eq!(done.stderr.contains(says), printed, "{form}: {}", done.stderr);
    }
}

#[test]
fn the_first_conversions_are_printed_before_the_last_are_asked_for() {
    for form in ["json", "csv", "yaml"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (has_read, read) = channel();
        let server = thread::spawn(move || serve(&listener, &read));
        let mut command = asking(&url, form);
        command.stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut said = read_first(&mut stdout);
        assert!(!said.contains("52"), "{form}: {said}");
        has_read.send(()).unwrap_or_default();
        stdout.read_to_string(&mut said).unwrap();
        assert!(said.contains("52"), "{form}: {said}");
        let ended = process::wait(&mut child, LIMIT).unwrap();
        assert!(ended.is_some_and(|status| status.success()), "{form}: {ended:?}");
        assert!(
            server.join().unwrap(),
            "{form}: nothing was printed before the last page"
        );
    }
}
