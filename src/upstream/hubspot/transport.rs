//! Makes HTTP calls: limiter, gate, quick retries, bounded body, metrics. All calls to HubSpot are made here.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response};
use serde::de::DeserializeOwned;

use super::config::{API, HubSpotConfig, SERVICE};
use super::errors::{QuickRetry, answer_date, answer_error, malformed_answer, unreached_error};
use super::limits::{Bucket, Membership, PortalLimits, Portals};
use super::rows::Row;
use super::wire::Results;
use crate::domain::ids::PortalId;
use crate::ports::crm::Quota;
use crate::ports::{CallObserver, Cause, UpstreamError};
use crate::upstream::http::body;
use crate::upstream::http::body::{AnswerLimit, Body, BodyError, TINY_PIECES};
use crate::upstream::http::memory::ends_in;

/// The parts that all clients of a connector share.
pub(crate) struct Shared {
    pub(crate) config: HubSpotConfig,
    pub(crate) http: Client,
    pub(crate) observer: Arc<dyn CallObserver>,
    pub(crate) portals: Portals,
}

/// One request. No `Debug`: bodies of token calls hold secrets.
pub(crate) struct Request<'a> {
    /// Our short name of the call, for metrics.
    pub(crate) name: &'static str,
    pub(crate) bucket: Bucket,
    /// Size limit of a good answer.
    pub(crate) limit: AnswerLimit,
    pub(crate) url: String,
    pub(crate) payload: Payload<'a>,
    pub(crate) bearer: Option<&'a HeaderValue>,
}

/// The body of a request, which decides the method too.
pub(crate) enum Payload<'a> {
    /// GET.
    Nothing,
    /// POST of JSON without values of records or tokens.
    Json(&'a str),
    /// POST of JSON that holds a token.
    SecretJson(String),
    /// POST of a form that holds tokens.
    SecretForm(Vec<(&'static str, String)>),
}

/// A successful answer. It holds a share of the process's memory for answers: don't wait for another call while holding
/// one.
pub(crate) struct GoodAnswer {
    pub(crate) status: u16,
    /// When it was made, by HubSpot's clock.
    pub(crate) date: Option<Timestamp>,
    body: Body,
}

impl GoodAnswer {
    /// The body as JSON. The error names the position only: serde's own words can quote values.
    pub(crate) fn parse_json<T: DeserializeOwned>(&self) -> Result<T, UpstreamError> {
        serde_json::from_slice(self.body.bytes()).map_err(|error| {
            let kind = match error.classify() {
                serde_json::error::Category::Eof => "it ends too early",
                serde_json::error::Category::Data => "a field has the wrong type",
                _ => "it is no JSON",
            };
            let at = format!("{kind} (line {}, column {})", error.line(), error.column());
            UpstreamError {
                status: Some(self.status),
                ..malformed_answer(at)
            }
        })
    }

    /// The body as an answer with rows. A row that can't be read does not spoil the others.
    pub(crate) fn parse_rows<T: DeserializeOwned>(self) -> Result<Results<T>, UpstreamError> {
        let one_by_one = |error| {
            self.parse_json::<Results<Row<T>>>()
                .map(Results::split_odd)
                .map_err(|_| error)
        };
        let found = self.parse_json::<Results<T>>().or_else(one_by_one)?;
        Ok(found.holding_share(self.body.into_share()))
    }

    /// Size of the body in bytes.
    pub(crate) fn body_size(&self) -> usize {
        self.body.bytes().len()
    }
}

/// The connection of one client to HubSpot.
pub(crate) struct Transport {
    pub(crate) shared: Arc<Shared>,
    membership: Membership,
}

impl Transport {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let membership = Membership::new(&shared.config);
        Self { shared, membership }
    }

    pub(crate) fn config(&self) -> &HubSpotConfig {
        &self.shared.config
    }

    /// The limits in effect. Looked up for each attempt, since the portal may have become known.
    fn current_limits(&self) -> Arc<PortalLimits> {
        self.membership.current_limits()
    }

    /// The present numbers of searches and of other calls per window.
    #[cfg(test)]
    pub(crate) fn paces(&self) -> (u32, u32) {
        self.current_limits().paces()
    }

    /// See [`Membership::opens_portal`].
    pub(crate) fn opens_portal(&self, portal: PortalId) {
        self.membership.opens_portal(portal, self.config());
    }

    /// See [`Membership::joins_portal`].
    pub(crate) fn joins_portal(&self, portal: PortalId) {
        self.membership
            .joins_portal(portal, &self.shared.portals, self.config());
    }

    /// The portal's calls of the day; `None` if HubSpot does not state them (OAuth apps have no such limit).
    pub(crate) fn daily_quota(&self) -> Option<Quota> {
        *self.current_limits().quota.lock()
    }

    /// Sends a request, with the usual quick retries.
    pub(crate) async fn send_request(&self, request: &Request<'_>) -> Result<GoodAnswer, UpstreamError> {
        self.send_repeatedly(request, self.config().waits.retries).await
    }

    /// Sends a request, with this many quick retries.
    pub(crate) async fn send_repeatedly(
        &self,
        request: &Request<'_>,
        retries: u32,
    ) -> Result<GoodAnswer, UpstreamError> {
        let waits = &self.config().waits;
        let mut attempt = 1;
        loop {
            let (mut error, again) = match self.try_request(request).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let pause = match again {
                QuickRetry::No => Duration::ZERO,
                QuickRetry::Soon => waits.server * attempt,
                QuickRetry::Locked => waits.locked * attempt,
                QuickRetry::Secondly => waits.secondly * attempt,
                QuickRetry::TenSecondly => waits.ten_secondly,
            };
            if matches!(again, QuickRetry::Secondly | QuickRetry::TenSecondly) && error.retry_after.is_none() {
                error.retry_after = SignedDuration::try_from(pause).ok();
            }
            let asked = error
                .retry_after
                .and_then(|wait| wait.try_into().ok())
                .unwrap_or(Duration::ZERO);
            // Any other answer may be about this one call.
            if !asked.is_zero() && concerns_the_portal(&error) {
                self.current_limits().shut_gate(asked, &error);
            }
            if matches!(again, QuickRetry::Secondly | QuickRetry::TenSecondly) {
                self.current_limits().call_refused(request.bucket);
            }
            if again == QuickRetry::No || attempt > retries || pause.max(asked) > waits.longest {
                if error.status.is_some() && !concerns_the_portal(&error) {
                    error.retry_after = error.retry_after.min(SignedDuration::try_from(waits.longest).ok());
                }
                return Err(error);
            }
            tracing::debug!(
                api = API,
                call = request.name,
                status = error.status,
                attempt,
                "trying again"
            );
            tokio::time::sleep(pause.max(asked)).await;
            attempt += 1;
        }
    }

    async fn try_request(&self, request: &Request<'_>) -> Result<GoodAnswer, (UpstreamError, QuickRetry)> {
        let waits = &self.config().waits;
        let limits = self.current_limits();
        let asked = Instant::now();
        let slot = async {
            limits.wait_until_open(waits.longest).await?;
            let slot = tokio::time::timeout(waits.queue, limits.wait_for_slot(request.bucket))
                .await
                .map_err(|_| busy_error(waits.queue))?;
            limits.wait_until_open(waits.longest).await?;
            Ok(slot)
        }
        .await
        .map_err(|error: UpstreamError| (error, QuickRetry::No));
        let held_back = asked.elapsed();
        // Below a millisecond, the call did not have to wait.
        let waited = held_back >= Duration::from_millis(1);
        if waited {
            self.shared.observer.observe_throttling(API, held_back);
        }
        let slot = slot?;
        let start = Instant::now();
        let mut status = None;
        let result = self.exchange_once(request, &mut status).await;
        drop(slot);
        if result.is_ok() && request.bucket == Bucket::Search {
            limits.search_answered(waited);
        }
        self.shared
            .observer
            .observe_call(API, request.name, status, start.elapsed());
        result
    }

    async fn exchange_once(
        &self,
        request: &Request<'_>,
        status: &mut Option<u16>,
    ) -> Result<GoodAnswer, (UpstreamError, QuickRetry)> {
        let ends = ends_in(self.config().timeout);
        let response = self
            .build_request(request)
            .send()
            .await
            .map_err(|error| unreached_error(&error))?;
        let code = response.status().as_u16();
        *status = Some(code);
        let headers = response.headers().clone();
        if let Some(date) = answer_date(&headers) {
            self.shared.observer.observe_date(SERVICE, date);
        }
        if let Some(quota) = parse_quota(&headers) {
            *self.current_limits().quota.lock() = Some(quota);
        }
        if request.bucket == Bucket::Other {
            match parse_limit(&headers) {
                Some((calls, within)) => self.current_limits().limit_stated(calls, within),
                None => self.current_limits().limit_unstated(),
            }
        }
        let good = (200..300).contains(&code);
        let limit = if good { request.limit } else { AnswerLimit::ERRORS };
        let body = read_body(request.name, response, limit, ends).await;
        if !good {
            // The status is enough: the error stands even if the body can't be read.
            let sent = match request.payload {
                Payload::Json(sent) => Some(sent),
                Payload::Nothing | Payload::SecretJson(_) => Some(""),
                Payload::SecretForm(_) => None,
            };
            let (body, now) = (body.unwrap_or_default(), self.shared.observer.vendor_time(SERVICE));
            return Err(answer_error(code, &headers, body.bytes(), sent, now));
        }
        let body = body.map_err(|error| {
            (
                UpstreamError {
                    status: Some(code),
                    ..error
                },
                QuickRetry::No,
            )
        })?;
        Ok(GoodAnswer {
            status: code,
            date: answer_date(&headers),
            body,
        })
    }

    fn build_request(&self, request: &Request<'_>) -> reqwest::RequestBuilder {
        let method = if matches!(request.payload, Payload::Nothing) {
            Method::GET
        } else {
            Method::POST
        };
        let builder = self
            .shared
            .http
            .request(method, &request.url)
            .timeout(self.config().timeout);
        let builder = match request.bearer {
            Some(bearer) => builder.header(reqwest::header::AUTHORIZATION, bearer.clone()),
            None => builder,
        };
        match &request.payload {
            Payload::Nothing => builder,
            Payload::Json(body) => builder
                .header(CONTENT_TYPE, "application/json")
                .body((*body).to_owned()),
            Payload::SecretJson(body) => builder.header(CONTENT_TYPE, "application/json").body(body.clone()),
            Payload::SecretForm(fields) => builder.form(fields),
        }
    }
}

/// True for a limit that HubSpot itself names, and while the portal is moved to another data centre (477). A web page
/// may come from a filter that judged this one call.
fn concerns_the_portal(error: &UpstreamError) -> bool {
    let limited = matches!(error.cause, Cause::RateLimited | Cause::QuotaExhausted);
    (limited && error.code.is_some()) || error.status == Some(477)
}

/// Reads the body of an answer to the call of this name.
async fn read_body(
    call: &str,
    response: Response,
    limit: AnswerLimit,
    ends: tokio::time::Instant,
) -> Result<Body, UpstreamError> {
    body::read_body(response, limit, ends)
        .await
        .map_err(|error| match error {
            BodyError::TooLarge(limit) => {
                let message = format!("the answer to the call {call:?} {}", BodyError::too_large(limit));
                UpstreamError::new(SERVICE, Cause::TooLarge, message)
            }
            BodyError::Broke(error) if error.is_timeout() => unreached_error(&error).0,
            BodyError::Broke(_) => malformed_answer("it broke off"),
            BodyError::TinyPieces => malformed_answer(TINY_PIECES),
            BodyError::NoRoom(short) => UpstreamError::new(SERVICE, Cause::Unavailable, short.0),
        })
}

/// The calls of the day, by the answer's headers (docs/reference/hubspot.md 8.1); answers to searches have none.
fn parse_quota(headers: &HeaderMap) -> Option<Quota> {
    Some(Quota {
        left: header_number(headers, "x-hubspot-ratelimit-daily-remaining")?,
        of: header_number(headers, "x-hubspot-ratelimit-daily")?,
    })
}

/// The token's limit by the answer's headers: calls, and the time within which they may be made.
fn parse_limit(headers: &HeaderMap) -> Option<(u32, Duration)> {
    let calls = header_number(headers, "x-hubspot-ratelimit-max")?;
    let within = header_number(headers, "x-hubspot-ratelimit-interval-milliseconds")?;
    Some((calls, Duration::from_millis(within)))
}

fn header_number<T: FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn busy_error(waited: Duration) -> UpstreamError {
    let message = format!("not called: no turn at our own limiter within {} s", waited.as_secs());
    UpstreamError {
        retry_after: Some(SignedDuration::from_secs(1)),
        ..UpstreamError::new(SERVICE, Cause::RateLimited, message)
    }
}
