//! What is wrong with an answer: its status, its bytes, or a part of its JSON.

use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::e2e::meddler::Reply;

/// A name, and what it makes of an answer; the number chooses a place in it.
pub type Oddity = (&'static str, fn(Reply, u64) -> Reply);

/// All of them.
pub const ALL: [Oddity; 29] = [
    ("204", |reply, _| bare(reply, StatusCode::NO_CONTENT)),
    ("304", |reply, _| bare(reply, StatusCode::NOT_MODIFIED)),
    ("nothing", |reply, _| with(reply, "")),
    ("a page", |reply, _| {
        let page = "<!DOCTYPE html><html><body>Sign in to the network</body></html>";
        coded(with(reply, page), "content-type", "text/html")
    }),
    ("gzip that is none", |reply, _| coded(reply, "content-encoding", "gzip")),
    ("brotli that is none", |reply, _| coded(reply, "content-encoding", "br")),
    ("gzip unsaid", |reply, _| bytes(reply, gzip)),
    ("gzip cut off", |reply, _| {
        let cut = bytes(reply, |body| gzip(body)[..12 + body.len() / 2].to_vec());
        coded(cut, "content-encoding", "gzip")
    }),
    ("shorter than it says", |reply, _| {
        let length = reply.body.len() + 100;
        reply.of_length(length)
    }),
    ("longer than it says", |reply, _| {
        let length = reply.body.len() / 2;
        reply.of_length(length)
    }),
    ("UTF-16", |reply, _| {
        bytes(reply, |body| {
            let text = String::from_utf8_lossy(body).into_owned();
            let units = std::iter::once(0xfeff).chain(text.encode_utf16());
            units.flat_map(u16::to_le_bytes).collect()
        })
    }),
    ("byte order mark", |reply, _| {
        bytes(reply, |body| [b"\xef\xbb\xbf", body].concat())
    }),
    ("Latin-1", |reply, _| member(reply, b"\"\xfc\":\"\xe4\xf6\"")),
    ("NUL in a text", |reply, _| member(reply, b"\"a\":\"\0\"")),
    ("NULs behind", |reply, _| bytes(reply, |body| [body, &[0; 8]].concat())),
    ("all twice", |reply, _| {
        bytes(reply, |body| {
            let inner = body.strip_prefix(b"{").and_then(|inner| inner.strip_suffix(b"}"));
            inner.map_or_else(|| body.to_vec(), |inner| [b"{", inner, b",", inner, b"}"].concat())
        })
    }),
    ("null", |reply, _| with(reply, "null")),
    ("a list", |reply, _| with(reply, "[]")),
    ("a text", |reply, _| with(reply, "\"x\"")),
    ("true", |reply, _| with(reply, "true")),
    ("1e400 beside", |reply, _| member(reply, b"\"odd\":1e400")),
    ("1e400", |reply, at| leaf(reply, at, |_, _| true, "1e400")),
    ("-0", |reply, at| leaf(reply, at, counts, "-0")),
    ("2^70", |reply, at| leaf(reply, at, counts, "1180591620717411303424")),
    ("half a character beside", |reply, _| {
        member(reply, br#""\udc00":"\ud800""#)
    }),
    ("half a character", |reply, at| {
        leaf(reply, at, |_, _| true, r#""\ud800""#)
    }),
    ("nested", |reply, at| leaf(reply, at, |_, _| true, &nested(200))),
    ("nested beside", |reply, _| {
        let deep = format!("\"odd\":{}", nested(300));
        member(reply, deep.as_bytes())
    }),
    ("a new name", |reply, at| leaf(reply, at, names, "\"A_NAME_OF_2099\"")),
];

fn nested(levels: usize) -> String {
    format!("{}{}", r#"{"a":["#.repeat(levels), "]}".repeat(levels))
}

fn with(mut reply: Reply, body: &'static str) -> Reply {
    reply.body = Bytes::from_static(body.as_bytes());
    reply
}

fn bare(mut reply: Reply, status: StatusCode) -> Reply {
    reply.status = status;
    reply.headers.remove(header::CONTENT_TYPE);
    with(reply, "")
}

fn coded(mut reply: Reply, name: &'static str, value: &'static str) -> Reply {
    reply.headers.insert(name, HeaderValue::from_static(value));
    reply
}

fn bytes(mut reply: Reply, change: impl Fn(&[u8]) -> Vec<u8>) -> Reply {
    reply.body = change(&reply.body).into();
    reply
}

/// One more member, the first.
fn member(reply: Reply, member: &[u8]) -> Reply {
    bytes(reply, |body| match body.strip_prefix(b"{") {
        Some(b"}") => [b"{", member, b"}"].concat(),
        Some(rest) => [b"{", member, b",", rest].concat(),
        None => body.to_vec(),
    })
}

/// Numbers that count something. Others are a value of somebody's, and a wrong one is as good as a true one.
fn counts(name: &str, value: &Value) -> bool {
    value.is_number() && name != "submittedAt"
}

/// Names of a list that may grow; not those that say what is wrong with a conversion: a new one of these rejects it.
fn names(name: &str, value: &Value) -> bool {
    let is_name = |text: &str| text.len() > 3 && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    value.as_str().is_some_and(is_name) && !name.ends_with("Error") && name != "reason" && name != "currencyCode"
}

/// With one of the values that are no list and no object, and that are picked, in place of which this is.
fn leaf(reply: Reply, at: u64, picks: fn(&str, &Value) -> bool, with: &str) -> Reply {
    let Ok(mut json) = serde_json::from_slice::<Value>(&reply.body) else {
        return reply;
    };
    let mut found = Vec::new();
    places("", &json, picks, &mut String::new(), &mut found);
    let Some(place) = usize::try_from(at)
        .ok()
        .and_then(|at| found.get(at % found.len().max(1)))
    else {
        return reply;
    };
    if let Some(value) = json.pointer_mut(place) {
        *value = json!("@odd@");
    }
    let text = json.to_string().replace("\"@odd@\"", with);
    bytes(reply, |_| text.clone().into_bytes())
}

fn places(name: &str, value: &Value, picks: fn(&str, &Value) -> bool, path: &mut String, found: &mut Vec<String>) {
    let mut inside = |step: &str, name: &str, inner: &Value| {
        let length = path.len();
        path.push('/');
        path.push_str(&step.replace('~', "~0").replace('/', "~1"));
        places(name, inner, picks, path, found);
        path.truncate(length);
    };
    match value {
        Value::Array(list) => (0..)
            .zip(list)
            .for_each(|(n, inner)| inside(&format!("{n}"), name, inner)),
        Value::Object(members) => members.iter().for_each(|(name, inner)| inside(name, name, inner)),
        leaf if picks(name, leaf) => found.push(path.clone()),
        _ => {}
    }
}

/// A gzip stream of stored blocks (RFC 1952, RFC 1951 3.2.4).
fn gzip(body: &[u8]) -> Vec<u8> {
    let mut all = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let count = body.chunks(0xffff).count();
    for (n, block) in (1..).zip(body.chunks(0xffff)) {
        let length = u16::try_from(block.len()).expect("a block's length");
        all.push(u8::from(n == count));
        all.extend(length.to_le_bytes());
        all.extend((!length).to_le_bytes());
        all.extend(block);
    }
    let crc = body.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    all.extend((!crc).to_le_bytes());
    all.extend(u32::try_from(body.len()).expect("a length").to_le_bytes());
    all
}
