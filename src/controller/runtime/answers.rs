//! Answers of the Kubernetes API in bounded memory: whoever may write objects decides how large an answer becomes, and
//! one object can have a megabyte and a half.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, Response, Uri, request::Parts, uri::PathAndQuery};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tower::{Layer, Service, ServiceExt as _};

/// An answer up to this many bytes is read whatever others do.
const SMALL: usize = 64 * 1024;
/// Answers beyond [`SMALL`] that are in memory at a time.
const LARGE_AT_A_TIME: usize = 2;
/// Most bytes of a page of a list that has more than one object. A larger one is asked for again, with fewer objects.
const PAGE: usize = 4 * 1024 * 1024;
/// Most bytes of an answer: etcd takes objects of a megabyte and a half, and some of their characters become six bytes.
const WHOLE: usize = 8 * 1024 * 1024;
/// How long the rest of a large answer may take, because it keeps others from being read.
const LARGE_LIMIT: Duration = Duration::from_mins(1);

/// Bounds all answers of a client but those of watches, which come object by object.
#[derive(Clone)]
pub(super) struct AnswersLayer {
    room: Arc<Room>,
}

impl AnswersLayer {
    pub(super) fn new() -> Self {
        Self {
            room: Arc::new(Room {
                large: Arc::new(Semaphore::new(LARGE_AT_A_TIME)),
                pages: Mutex::default(),
            }),
        }
    }
}

impl<S> Layer<S> for AnswersLayer {
    type Service = Answers<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Answers {
            inner,
            room: Arc::clone(&self.room),
        }
    }
}

/// See [`AnswersLayer`].
#[derive(Clone)]
pub(super) struct Answers<S> {
    inner: S,
    room: Arc<Room>,
}

/// What all requests of a client share.
struct Room {
    large: Arc<Semaphore>,
    /// How many objects the next page is to have, of lists whose objects are large.
    pages: Mutex<HashMap<String, u32>>,
}

/// An answer that is in memory.
struct Read {
    answer: Response<Body>,
    bytes: usize,
}

/// An answer that is not read to its end.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("the answer of the Kubernetes API has more than {WHOLE} bytes")]
    TooLarge,
    #[error("the answer of the Kubernetes API did not end within {} s", LARGE_LIMIT.as_secs())]
    TooSlow,
}

impl<S, B> Service<Request<kube::client::Body>> for Answers<S>
where
    S: Service<Request<kube::client::Body>, Response = Response<B>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        // The clone is not ready, what was asked is.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let room = Arc::clone(&self.room);
        let members: Vec<_> = request.uri().query().unwrap_or_default().split('&').collect();
        let watch = members.iter().any(|member| member.starts_with("watch="));
        let limit = members
            .iter()
            .find_map(|member| member.strip_prefix("limit=")?.parse().ok());
        async move {
            if watch {
                return Ok(inner.call(request).await?.map(Body::new));
            }
            if let Some(limit) = limit {
                return room.page(inner, request.into_parts().0, limit).await;
            }
            let answer = inner.call(request).await?;
            let read = room.read(answer, WHOLE).await?;
            Ok(read.ok_or(Unread::TooLarge)?.answer)
        }
        .boxed()
    }
}

impl Room {
    /// A page of a list, with as many of the objects that were asked for as there is room for: what comes after them is
    /// in the next page, as if the server had decided so.
    async fn page<S, B>(&self, mut inner: S, request: Parts, limit: u32) -> Result<Response<Body>, BoxError>
    where
        S: Service<Request<kube::client::Body>, Response = Response<B>, Error = BoxError> + Send,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let path = request.uri.path().to_owned();
        let mut objects = self
            .pages
            .lock()
            .get(&path)
            .map_or(limit, |objects| limit.min(*objects));
        loop {
            let mut parts = request.clone();
            parts.uri = with_limit(&parts.uri, objects)?;
            let asked = Request::from_parts(parts, kube::client::Body::empty());
            let answer = inner.ready().await?.call(asked).await?;
            let most = if objects <= 1 { WHOLE } else { PAGE };
            if let Some(Read { answer, bytes }) = self.read(answer, most).await? {
                let next = if bytes < PAGE / 2 {
                    objects.saturating_mul(2)
                } else {
                    objects
                };
                let mut pages = self.pages.lock();
                if next < limit {
                    pages.insert(path, next);
                } else {
                    pages.remove(&path);
                }
                return Ok(answer);
            }
            if objects <= 1 {
                return Err(Unread::TooLarge.into());
            }
            objects = (objects / 4).max(1);
        }
    }

    /// An answer that is in memory as a whole; `None` if it has more bytes.
    async fn read<B>(&self, answer: Response<B>, most: usize) -> Result<Option<Read>, BoxError>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = answer.into_parts();
        let mut frames = Body::new(body).into_data_stream();
        let mut read: Vec<u8> = Vec::new();
        let mut large: Option<(OwnedSemaphorePermit, Instant)> = None;
        loop {
            let next = match &large {
                None => frames.next().await,
                Some((_, end)) => timeout_at(*end, frames.next()).await.map_err(|_| Unread::TooSlow)?,
            };
            let Some(frame) = next.transpose()? else { break };
            if read.len() + frame.len() > most {
                return Ok(None);
            }
            if large.is_none() && read.len() + frame.len() > SMALL {
                let permit = Arc::clone(&self.large).acquire_owned().await?;
                large = Some((permit, Instant::now() + LARGE_LIMIT));
            }
            read.extend_from_slice(&frame);
        }
        let bytes = read.len();
        // There is room for the next one when whoever has asked has taken this one.
        let whole = stream::once(async move {
            let _large = large;
            Ok::<_, BoxError>(Bytes::from(read))
        });
        Ok(Some(Read {
            answer: Response::from_parts(parts, Body::from_stream(whole)),
            bytes,
        }))
    }
}

/// The address of a page of so many objects.
fn with_limit(uri: &Uri, objects: u32) -> Result<Uri, BoxError> {
    let members = uri.query().unwrap_or_default().split('&').map(|member| {
        if member.starts_with("limit=") {
            format!("limit={objects}")
        } else {
            member.to_owned()
        }
    });
    let query = members.collect::<Vec<_>>().join("&");
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{}?{query}", uri.path()))?);
    Ok(Uri::from_parts(parts)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures::FutureExt as _;
    use tower::service_fn;

    use super::*;

    const MEGABYTE: usize = 1024 * 1024;

    trait Server:
        Service<Request<kube::client::Body>, Response = Response<Body>, Error = BoxError, Future: Send>
        + Clone
        + Send
        + 'static
    {
    }
    impl<S> Server for S where
        S: Service<Request<kube::client::Body>, Response = Response<Body>, Error = BoxError, Future: Send>
            + Clone
            + Send
            + 'static
    {
    }

    fn number(uri: &Uri, name: &str) -> Option<usize> {
        let mut members = uri.query().unwrap_or_default().split('&');
        members.find_map(|member| member.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    }

    type Limits = Arc<Mutex<Vec<usize>>>;

    /// A server with so many objects of so many bytes, and the limits that it was given.
    fn server(objects: usize, size: usize) -> (Answers<impl Server>, Limits) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let limits = Arc::clone(&asked);
        let answer = service_fn(move |request: Request<kube::client::Body>| {
            let count = number(request.uri(), "limit").inspect(|limit| limits.lock().push(*limit));
            let from = number(request.uri(), "continue").unwrap_or_default();
            let count = count.unwrap_or(1).min(objects - from);
            let chunks = stream::iter((0..count).map(move |_| Ok::<_, BoxError>(Bytes::from(vec![b'x'; size]))));
            async move { Ok(Response::new(Body::from_stream(chunks))) }
        });
        (AnswersLayer::new().layer(answer), asked)
    }

    async fn bytes(answer: Result<Response<Body>, BoxError>) -> Result<usize, String> {
        let answer = answer.map_err(|error| error.to_string())?;
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
        Ok(body.unwrap().len())
    }

    fn get(path: &str) -> Request<kube::client::Body> {
        Request::get(path).body(kube::client::Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn a_list_of_large_objects_comes_in_smaller_pages_and_all_of_it_comes() {
        let (server, asked) = server(9, MEGABYTE);
        let mut from = 0;
        while from < 9 {
            let page = server
                .clone()
                .oneshot(get(&format!("/apis/x?&limit=50&continue={from}")))
                .await;
            from += bytes(page).await.unwrap() / MEGABYTE;
        }
        assert_eq!(from, 9);
        assert_eq!(*asked.lock(), [50, 12, 3, 3, 3]);
    }

    #[tokio::test]
    async fn a_list_of_usual_objects_comes_as_it_is_asked_for() {
        let (server, asked) = server(60, 9_000);
        for from in [0, 50] {
            let page = server
                .clone()
                .oneshot(get(&format!("/apis/x?limit=50&continue={from}")))
                .await;
            assert_eq!(bytes(page).await.unwrap(), 9_000 * (60 - from).min(50));
        }
        assert_eq!(*asked.lock(), [50, 50]);
    }

    #[tokio::test]
    async fn after_large_objects_pages_grow_again() {
        let (server, asked) = server(200, 300_000);
        for from in [0, 12, 24] {
            let page = server
                .clone()
                .oneshot(get(&format!("/apis/x?limit=50&continue={from}")))
                .await;
            assert_eq!(bytes(page).await.unwrap(), 3_600_000);
        }
        let few = server.clone().oneshot(get("/apis/x?limit=50&continue=197")).await;
        assert_eq!(bytes(few).await.unwrap(), 900_000);
        let next = server.clone().oneshot(get("/apis/x?limit=50&continue=197")).await;
        assert_eq!(bytes(next).await.unwrap(), 900_000);
        server
            .clone()
            .oneshot(get("/apis/x?limit=50&continue=197"))
            .await
            .unwrap();
        assert_eq!(*asked.lock(), [50, 12, 12, 12, 12, 24, 48]);
    }

    #[tokio::test]
    async fn an_answer_without_end_is_refused() {
        for path in ["/apis/x/one", "/apis/x?limit=50"] {
            let (server, _) = server(100, WHOLE + 1);
            let error = bytes(server.oneshot(get(path)).await).await.unwrap_err();
            assert_eq!(error, "the answer of the Kubernetes API has more than 8388608 bytes");
        }
    }

    #[tokio::test]
    async fn large_answers_wait_for_each_other_and_small_ones_for_none() {
        let (large, _) = server(1, SMALL + 1);
        let held = [
            large.clone().oneshot(get("/one")).await.unwrap(),
            large.clone().oneshot(get("/two")).await.unwrap(),
        ];
        let mut third = Box::pin(large.clone().oneshot(get("/three")));
        assert!((&mut third).now_or_never().is_none(), "no room");
        let small = Answers {
            inner: server(1, SMALL).0.inner,
            room: Arc::clone(&large.room),
        };
        assert_eq!(bytes(small.oneshot(get("/small")).await).await.unwrap(), SMALL);
        let [one, _two] = held;
        assert_eq!(bytes(Ok(one)).await.unwrap(), SMALL + 1);
        assert_eq!(bytes(third.await).await.unwrap(), SMALL + 1);
    }

    /// A watch has no end, and what it sends must not wait for it.
    #[tokio::test]
    async fn a_watch_is_passed_on() {
        let endless = service_fn(|_: Request<kube::client::Body>| async {
            let first = stream::iter([Ok::<_, BoxError>(Bytes::from_static(b"event"))]);
            Ok::<_, BoxError>(Response::new(Body::from_stream(first.chain(stream::pending()))))
        });
        let watch = AnswersLayer::new()
            .layer(endless)
            .oneshot(get("/apis/x?&watch=true&limit=5"))
            .await;
        let mut frames = watch.unwrap().into_body().into_data_stream();
        assert_eq!(frames.next().await.unwrap().unwrap(), Bytes::from_static(b"event"));
    }
}
