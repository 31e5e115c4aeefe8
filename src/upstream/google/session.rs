//! A session of one set of credentials: its token, limiters and gates. All calls to Google's APIs are made here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::api::VENDOR;
use super::config::GoogleConfig;
use super::errors::{Api, CallFailure, Parsed, RawAnswer};
use super::own_errors::malformed_answer;
use super::root_cause::root_cause;
use crate::domain::ids::CustomerId;
use crate::ports::stopping::begin_unfinished_step;
use crate::ports::work_permit::WorkPermit;
use crate::ports::{CallKind, CallObserver, Cause, Effect, UpstreamError, budget};
use crate::upstream::google::auth::token::{Token, TokenCache};
use crate::upstream::google::rate_limiter::RateLimiter;
use crate::upstream::http::body;
use crate::upstream::http::body::{AnswerLimit, BodyError, TINY_PIECES};
use crate::upstream::http::memory::ends_in;
use crate::upstream::http::renewal::call_with_renewal;
use crate::upstream::http::text::{bounded_message, valid_id};
use crate::upstream::http::wait::{answer_date, retry_after};

/// Tries of a call that changes nothing.
const READ_TRIES: u32 = 3;

/// A call to make.
pub(crate) struct Call<'a> {
    pub(crate) api: Api,
    /// Short name for metrics.
    pub(crate) method: &'static str,
    /// Path behind the base, with its slash.
    pub(crate) path: String,
    /// Query parameters.
    pub(crate) query: &'a [(&'static str, &'a str)],
    /// JSON to post; a GET without.
    pub(crate) body: Option<Vec<u8>>,
    /// A change is never repeated.
    pub(crate) kind: CallKind,
    /// True if failed rows are no failure of the call.
    pub(crate) partial: bool,
    /// From sending to the last byte.
    pub(crate) timeout: Duration,
    /// The account that the call is about, whose own limits hold it back.
    pub(crate) customer: Option<&'a CustomerId>,
    /// The manager through which the access comes, as a header (Google Ads API only).
    pub(crate) login: Option<&'a CustomerId>,
}

/// No `Debug`: it holds tokens.
pub(crate) struct Session {
    config: Arc<GoogleConfig>,
    http: reqwest::Client,
    observer: Arc<dyn CallObserver>,
    permit: Arc<dyn WorkPermit>,
    tokens: TokenCache,
    developer_token: Option<SecretString>,
    ads: RateLimiter,
    data_manager: RateLimiter,
}

impl Session {
    pub(crate) fn new(
        config: Arc<GoogleConfig>,
        http: reqwest::Client,
        (observer, permit): (Arc<dyn CallObserver>, Arc<dyn WorkPermit>),
        tokens: TokenCache,
        developer_token: Option<SecretString>,
    ) -> Self {
        let (ads, data_manager) = (RateLimiter::new(Api::Ads), RateLimiter::new(Api::DataManager));
        Self {
            config,
            http,
            observer,
            permit,
            tokens,
            developer_token,
            ads,
            data_manager,
        }
    }

    pub(crate) fn config(&self) -> &GoogleConfig {
        &self.config
    }

    /// See [`TokenCache::drop_token`].
    pub(crate) async fn drop_token(&self) {
        self.tokens.drop_token().await;
    }

    /// Makes a call that changes nothing. It is tried again at most twice: after failures that pass by themselves, and
    /// after waits asked for by Google that are short enough.
    pub(crate) async fn read_call(&self, call: &Call<'_>) -> Result<Parsed, Box<CallFailure>> {
        budget::within_budget(call.api.service_name(), CallKind::Reads, self.read_again(call)).await
    }

    async fn read_again(&self, call: &Call<'_>) -> Result<Parsed, Box<CallFailure>> {
        let mut pause = self.config.timeouts.retry_pause;
        for _ in 1..READ_TRIES {
            match self.call(call).await {
                Err(failure) if self.may_repeat(&failure.error) => {
                    let asked = failure.error.retry_after.and_then(|wait| Duration::try_from(wait).ok());
                    if let Some(wait) = asked {
                        self.observer.observe_throttling(call.api.metric_name(), wait);
                    }
                    tokio::time::sleep(asked.unwrap_or(pause)).await;
                    pause *= 2;
                }
                settled => return settled,
            }
        }
        self.call(call).await
    }

    fn may_repeat(&self, error: &UpstreamError) -> bool {
        match error.retry_after {
            Some(wait) => {
                matches!(
                    error.cause,
                    Cause::Unavailable | Cause::RateLimited | Cause::QuotaExhausted
                ) && Duration::try_from(wait).is_ok_and(|wait| wait <= self.config.timeouts.patience)
            }
            None => error.cause == Cause::Unavailable,
        }
    }

    /// Makes a call once, and once more with a new token if the
    /// token is refused: the refused call surely had no effect.
    pub(crate) async fn call(&self, call: &Call<'_>) -> Result<Parsed, Box<CallFailure>> {
        self.call_with_id(call).await.map(|(answer, _)| answer)
    }

    /// As [`Self::call`], with Google's id of the request if the answer's header names one.
    pub(crate) async fn call_with_id(&self, call: &Call<'_>) -> Result<(Parsed, Option<String>), Box<CallFailure>> {
        budget::within_budget(call.api.service_name(), call.kind, self.call_once(call)).await
    }

    async fn call_once(&self, call: &Call<'_>) -> Result<(Parsed, Option<String>), Box<CallFailure>> {
        let rate_limiter = match call.api {
            Api::Ads => &self.ads,
            Api::DataManager => &self.data_manager,
        };
        let slot = rate_limiter
            .admit(call.customer, self.config.timeouts.patience, &*self.observer)
            .await?;
        let answer = RateLimiter::in_slot(slot, Box::pin(self.call_with_token(call))).await?;
        let id = answer.request_id.clone();
        match answer.into_json() {
            Ok(json) => Ok((json, id)),
            Err(failure) => {
                rate_limiter.record_failure(&failure, call.customer);
                Err(failure)
            }
        }
    }

    async fn call_with_token(&self, call: &Call<'_>) -> Result<RawAnswer, Box<CallFailure>> {
        let token = self.tokens.current_token().await?;
        let attempt = |token: Arc<Token>| async move { self.try_call(call, &token).await };
        let renew = |token, refused| async move {
            // Nothing large is held while waiting for another call.
            drop(refused);
            self.tokens.renew_token(&token).await.map_err(|error| Err(error.into()))
        };
        let is_refused = |ended: &Result<RawAnswer, _>| ended.as_ref().is_ok_and(|answer| answer.status == 401);
        call_with_renewal(token, attempt, is_refused, renew).await
    }

    async fn try_call(&self, call: &Call<'_>, token: &Token) -> Result<RawAnswer, Box<CallFailure>> {
        if call.kind.is_change() {
            // After all waits, for a turn and for a token: this process may have been stopped during any of them.
            let permitted = self.permit.confirm_permit().await;
            permitted.map_err(|no| UpstreamError::new(call.api.service_name(), Cause::Unavailable, no.to_string()))?;
        }
        let _step = call.kind.is_change().then(begin_unfinished_step);
        let request = self.build_request(call, token);
        let started = Instant::now();
        let outcome = receive_answer(call, request, &*self.observer).await;
        let status = match &outcome {
            Ok(answer) => Some(answer.status),
            Err(error) => error.status,
        };
        self.observer
            .observe_call(call.api.metric_name(), call.method, status, started.elapsed());
        Ok(outcome?)
    }

    fn build_request(&self, call: &Call<'_>, token: &Token) -> reqwest::RequestBuilder {
        let base = match call.api {
            Api::Ads => &self.config.ads_endpoint,
            Api::DataManager => &self.config.data_manager_endpoint,
        };
        let url = format!("{}{}", base.trim_end_matches('/'), call.path);
        let request = match &call.body {
            Some(body) => self
                .http
                .post(url)
                .header(
                    reqwest::header::CONTENT_TYPE,
                    HeaderValue::from_static("application/json"),
                )
                .body(body.clone()),
            None => self.http.get(url),
        };
        let mut request = request.timeout(call.timeout).bearer_auth(token.value.expose_secret());
        if !call.query.is_empty() {
            request = request.query(call.query);
        }
        if let Some(login) = call.login {
            request = request.header(HeaderName::from_static("login-customer-id"), login.as_str());
        }
        if let Some(developer) = self.developer_token.as_ref().filter(|_| call.api == Api::Ads) {
            request = request.header(HeaderName::from_static("developer-token"), sensitive_header(developer));
        }
        if let Some(project) = token.quota_project.as_ref().filter(|_| call.api == Api::DataManager) {
            // Data Manager bills calls with a user's ambient credentials to a project that must be named.
            request = request.header(HeaderName::from_static("x-goog-user-project"), project);
        }
        request
    }
}

/// A header value that never shows in `Debug`. The Secret was checked to fit a header.
fn sensitive_header(secret: &SecretString) -> HeaderValue {
    let mut value = HeaderValue::from_str(secret.expose_secret()).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

async fn receive_answer(
    call: &Call<'_>,
    request: reqwest::RequestBuilder,
    observer: &dyn CallObserver,
) -> Result<RawAnswer, UpstreamError> {
    let ends = ends_in(call.timeout);
    let response = request
        .send()
        .await
        .map_err(|error| not_answered(call, None, None, &error))?;
    if let Some(date) = answer_date(response.headers()) {
        observer.observe_date(VENDOR, date);
    }
    let status = response.status().as_u16();
    let request_id = response
        .headers()
        .get("request-id")
        .and_then(|id| id.to_str().ok())
        .and_then(valid_id);
    let retry_after = retry_after(response.headers(), observer.vendor_time(VENDOR));
    let body = match body::read_body(response, AnswerLimit::RECORDS, ends).await {
        Ok(body) => body,
        Err(BodyError::Broke(error)) => return Err(not_answered(call, Some(status), request_id, &error)),
        Err(BodyError::TooLarge(limit)) => {
            let what = format!("the answer {}", BodyError::too_large(limit));
            return Err(malformed_answer(call.api, call.kind, status, request_id, &what));
        }
        Err(BodyError::TinyPieces) => {
            return Err(malformed_answer(call.api, call.kind, status, request_id, TINY_PIECES));
        }
        Err(BodyError::NoRoom(short)) => {
            let error = malformed_answer(call.api, call.kind, status, request_id, short.0);
            return Err(UpstreamError {
                cause: Cause::Unavailable,
                ..error
            });
        }
    };
    Ok(RawAnswer {
        api: call.api,
        kind: call.kind,
        partial: call.partial,
        status,
        body,
        request_id,
        retry_after,
    })
}

/// The error of a connection that failed. Only if no connection was made is it certain that nothing was done.
fn not_answered(
    call: &Call<'_>,
    status: Option<u16>,
    request_id: Option<String>,
    error: &reqwest::Error,
) -> UpstreamError {
    let never_sent = status.is_none() && (error.is_connect() || error.is_builder());
    let what = if error.is_connect() {
        "could not connect"
    } else if error.is_timeout() {
        "no answer in time"
    } else if status.is_some() {
        "the answer broke off"
    } else {
        "the connection broke off"
    };
    UpstreamError {
        effect: if never_sent {
            Effect::None
        } else {
            call.kind.effect_without_answer()
        },
        status,
        request_id,
        ..UpstreamError::new(
            call.api.service_name(),
            Cause::Unavailable,
            bounded_message(format!("{what}{}", root_cause(error))),
        )
    }
}
