//! A proxy between the operator and HubSpot and Google: passes everything on to the sandbox, and changes, holds back or
//! replaces the answers that a test's rules pick, as a vendor, a proxy or a stranger in between might.
//!
//! Faults that a vendor itself has (a status, a hang, a cut body) are the
//! sandbox's own; these rules are for what no vendor should ever answer.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use std::{convert::Infallible, iter};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use futures::{StreamExt as _, stream};
use hyper::body::Incoming;
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::wire::{self, Dropped, Exchange, strip, whole};

mod tests;

/// One call of the operator.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: Method,
    /// Path and query.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Asked {
    /// True where the body or a header contains this text.
    pub fn says(&self, text: &str) -> bool {
        let contains = |all: &[u8]| all.windows(text.len()).any(|part| part == text.as_bytes());
        contains(&self.body) || self.headers.values().any(|value| contains(value.as_bytes()))
    }
}

/// An answer, as it was or as it is to be.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Sent after the body, again and again until the operator hangs up.
    pub without_end: Option<Bytes>,
    /// After the body nothing comes any more, and no end.
    pub then_silence: bool,
    /// What it says of its length, where that is not so.
    pub says_length: Option<usize>,
}

impl Reply {
    pub fn new(status: u16, kind: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]),
            body: body.into(),
            without_end: None,
            then_silence: false,
            says_length: None,
        }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("a header");
        self.headers.insert(HeaderName::from_static(name), value);
        self
    }

    /// Followed by these bytes for ever.
    pub fn and_for_ever(mut self, again: impl Into<Bytes>) -> Self {
        self.without_end = Some(again.into());
        self
    }

    /// With a body that stops in its midst.
    pub fn and_then_silence(mut self) -> Self {
        self.then_silence = true;
        self
    }

    /// Compressed JSON that begins like a list and never ends: 13 bytes on the wire are 2064 blanks.
    pub fn bomb(status: u16) -> Self {
        let (begin, again) = bomb();
        let bomb = Self::new(status, "application/json", begin).and_for_ever(again);
        bomb.header("content-encoding", "gzip")
    }

    /// That says it has so many bytes.
    pub fn of_length(mut self, length: usize) -> Self {
        self.says_length = Some(length);
        self
    }

    fn send(self) -> Response<Body> {
        let body = match self.without_end {
            None if self.then_silence => {
                let all = stream::iter([Ok::<_, Infallible>(self.body)]);
                Body::from_stream(all.chain(stream::pending()))
            }
            // A stream, of which nobody but the header knows the length.
            None if self.says_length.is_some() => Body::from_stream(stream::iter([Ok::<_, Infallible>(self.body)])),
            None => Body::from(self.body),
            Some(again) => {
                let all = iter::once(self.body).chain(iter::repeat(again));
                Body::from_stream(stream::iter(all.map(Ok::<_, Infallible>)))
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        strip(response.headers_mut());
        if let Some(length) = self.says_length {
            response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        }
        response
    }
}

/// What happens to a call.
pub enum Meddling {
    /// The sandbox's answer with its JSON changed.
    Change(Box<dyn Fn(&mut Value) + Send + Sync>),
    /// The sandbox's answer changed in any way.
    Rewrite(Box<dyn Fn(&Asked, Reply) -> Reply + Send + Sync>),
    /// This answer; the sandbox never hears of the call.
    Instead(Reply),
    /// The sandbox's answer, so much later.
    Late(Duration),
    /// Never an answer; the sandbox never hears of the call.
    Silence,
    /// The connection breaks off; the sandbox never hears of the call.
    Drop,
}

impl Meddling {
    /// [`Self::Change`].
    pub fn change(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::Change(Box::new(change))
    }

    /// [`Self::Rewrite`].
    pub fn rewrite(rewrite: impl Fn(&Asked, Reply) -> Reply + Send + Sync + 'static) -> Self {
        Self::Rewrite(Box::new(rewrite))
    }
}

/// Handle of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule(usize);

struct Armed {
    rule: Rule,
    picks: Box<dyn Fn(&Asked) -> bool + Send + Sync>,
    meddling: Arc<Meddling>,
    /// How many more times; none: for ever.
    left: Option<usize>,
}

#[derive(Default)]
struct Rules {
    armed: Vec<Armed>,
    /// How often each rule fired, by its number.
    fired: Vec<usize>,
}

struct Shared {
    upstream: String,
    http: reqwest::Client,
    rules: Mutex<Rules>,
}

/// The running proxy; it ends when this is dropped.
pub struct Meddler {
    /// Base URL, for the operator's endpoints.
    pub address: String,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

impl Meddler {
    /// Starts a proxy that changes nothing yet.
    pub fn start(upstream: &str) -> Self {
        let runtime = wire::runtime();
        let http = reqwest::Client::builder()
            .gzip(false)
            .redirect(reqwest::redirect::Policy::none())
            // A connection of its own for each call: none is found closed and tried again.
            .pool_max_idle_per_host(0)
            .build()
            .expect("a client");
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            http,
            rules: Mutex::default(),
        });
        Self {
            address: wire::serve(&runtime, Arc::clone(&shared)),
            shared,
            runtime: Some(runtime),
        }
    }

    /// From now on this happens to each call that is picked, until
    /// the rule is lifted. Of several rules the first counts.
    pub fn always(&self, picks: impl Fn(&Asked) -> bool + Send + Sync + 'static, meddling: Meddling) -> Rule {
        self.arm(None, picks, meddling)
    }

    /// This happens to so many of the next calls that are picked.
    pub fn times(
        &self,
        times: usize,
        picks: impl Fn(&Asked) -> bool + Send + Sync + 'static,
        meddling: Meddling,
    ) -> Rule {
        self.arm(Some(times), picks, meddling)
    }

    fn arm(
        &self,
        left: Option<usize>,
        picks: impl Fn(&Asked) -> bool + Send + Sync + 'static,
        meddling: Meddling,
    ) -> Rule {
        let mut rules = self.shared.rules();
        let rule = Rule(rules.fired.len());
        rules.fired.push(0);
        rules.armed.push(Armed {
            rule,
            picks: Box::new(picks),
            meddling: Arc::new(meddling),
            left,
        });
        rule
    }

    /// How often a rule fired, also after it was lifted.
    pub fn fired(&self, rule: Rule) -> usize {
        self.shared.rules().fired[rule.0]
    }

    /// Takes a rule away. A call that waits already goes on waiting.
    pub fn lift(&self, rule: Rule) {
        self.shared.rules().armed.retain(|armed| armed.rule != rule);
    }

    /// Takes all rules away.
    pub fn lift_all(&self) {
        self.shared.rules().armed.clear();
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Exchange for Shared {
    async fn exchange(&self, request: Request<Incoming>) -> Result<Response<Body>, Dropped> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
        let asked = Asked {
            method: parts.method,
            path,
            headers: parts.headers,
            body: whole(Body::new(body)).await?,
        };
        let meddling = self.meddling(&asked);
        let reply = match meddling.as_deref() {
            None => self.forward(&asked).await?,
            Some(Meddling::Change(change)) => {
                let mut reply = self.forward(&asked).await?;
                let mut json = serde_json::from_slice(&reply.body).expect("the sandbox answers with JSON");
                change(&mut json);
                reply.body = json.to_string().into();
                reply
            }
            Some(Meddling::Rewrite(rewrite)) => rewrite(&asked, self.forward(&asked).await?),
            Some(Meddling::Instead(reply)) => reply.clone(),
            Some(Meddling::Late(wait)) => {
                tokio::time::sleep(*wait).await;
                self.forward(&asked).await?
            }
            Some(Meddling::Silence) => pending().await,
            Some(Meddling::Drop) => return Err(Dropped),
        };
        Ok(reply.send())
    }
}

impl Shared {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock()
    }

    /// What is to happen to a call.
    fn meddling(&self, asked: &Asked) -> Option<Arc<Meddling>> {
        let mut rules = self.rules();
        let armed = rules.armed.iter_mut().find(|a| a.left != Some(0) && (a.picks)(asked))?;
        armed.left = armed.left.map(|left| left - 1);
        let (rule, meddling) = (armed.rule, Arc::clone(&armed.meddling));
        rules.fired[rule.0] += 1;
        Some(meddling)
    }

    /// Asks the sandbox. Where it hangs up, so do we.
    async fn forward(&self, asked: &Asked) -> Result<Reply, Dropped> {
        let mut headers = asked.headers.clone();
        strip(&mut headers);
        let url = format!("{}{}", self.upstream, asked.path);
        let request = self.http.request(asked.method.clone(), url).headers(headers);
        let response = request.body(asked.body.clone()).send().await.map_err(|_| Dropped)?;
        Ok(Reply {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.bytes().await.map_err(|_| Dropped)?,
            without_end: None,
            then_silence: false,
            says_length: None,
        })
    }
}

/// Begin and repetition of a gzip stream: `[`, then blanks, in one block of deflate's fixed codes (RFC 1951, 3.2.6).
fn bomb() -> (Vec<u8>, Vec<u8>) {
    const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    // Length 258 (code 285) at distance 1 (code 0).
    const AGAIN: &str = "1100010100000";
    // No last block, fixed codes, the two characters.
    let begin = format!("010{:08b}{:08b}{AGAIN}", 0x30 + b'[', 0x30 + b' ');
    let bytes = |bits: &str| -> Vec<u8> {
        let byte = |bits: &[u8]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
        bits.as_bytes().chunks(8).map(byte).collect()
    };
    let begin = [HEADER.as_slice(), &bytes(&begin)].concat();
    (begin, bytes(&AGAIN.repeat(8)).repeat(1000))
}
