//! As much of HTTP/1.1 as the sandbox's admin port needs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::Error;

const LIMIT: Duration = Duration::from_secs(30);

/// Sends one request and returns the JSON of the answer (`null` for an empty
/// one). Anything but a 2xx status is an error.
pub fn call(address: SocketAddr, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Error> {
    let what = format!("{method} http://{address}{path}");
    let io = |source| Error::io(what.clone(), source);
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).map_err(io)?;
    stream.set_read_timeout(Some(LIMIT)).map_err(io)?;
    stream.set_write_timeout(Some(LIMIT)).map_err(io)?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).map_err(io)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(io)?;
    parse(&String::from_utf8_lossy(&answer)).map_err(|reason| Error::Failed(format!("{what}: {reason}")))
}

fn parse(answer: &str) -> Result<Value, String> {
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer was cut short")?;
    let status = head.split_whitespace().nth(1).ok_or("the answer has no status")?;
    if !status.starts_with('2') {
        return Err(format!("status {status}: {body}"));
    }
    let chunked = head.lines().any(|line| {
        let line = line.to_ascii_lowercase();
        line.starts_with("transfer-encoding:") && line.contains("chunked")
    });
    if chunked {
        return Err("the answer is chunked, which is not supported here".to_owned());
    }
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(body).map_err(|error| format!("the answer is no JSON: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_json_and_nothing_and_refuses_the_rest() {
        let ok = parse("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{\"a\":1}").unwrap();
        assert_eq!(ok.pointer("/a"), Some(&Value::from(1)));
        assert_eq!(parse("HTTP/1.1 204 No Content\r\n\r\n").unwrap(), Value::Null);
        assert!(
            parse("HTTP/1.1 400 Bad Request\r\n\r\n{\"error\":\"no\"}")
                .unwrap_err()
                .contains("400")
        );
        assert!(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n").is_err());
        assert!(parse("HTTP/1.1 200 OK\r\n").is_err());
    }
}
