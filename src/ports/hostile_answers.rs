//! Whatever a service answers, nothing panics: what the tests of that share between the services.

#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use tokio::runtime::Runtime;
use wiremock::matchers::any as anything;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::any_json::{any_json, edited, edits};

/// Longest time for one call; an answer may ask to come back later.
const LIMIT: Duration = Duration::from_millis(250);

/// What the call gives, unless it takes too long.
pub async fn within<T>(call: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(LIMIT, call).await.ok()
}

/// Right answers of which some parts are replaced, and some of any other shape. Names of members are often of these.
pub fn bodies(right: Vec<Value>, names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let edited = (0..right.len(), edits(names)).prop_map(move |(which, edits)| edited(right[which].clone(), &edits));
    prop_oneof![3 => edited, 1 => any_json(names)]
}

/// Mostly 200, else one of these.
pub fn often_200(others: &'static [u16]) -> impl Strategy<Value = u16> {
    prop_oneof![4 => Just(200_u16), 1 => proptest::sample::select(others)]
}

/// Answers every call alike.
pub struct AnyAnswer {
    runtime: Runtime,
    answer: Arc<Mutex<ResponseTemplate>>,
}

impl AnyAnswer {
    /// Answers nothing yet.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self {
            runtime: runtime.unwrap(),
            answer: Arc::new(Mutex::new(ResponseTemplate::new(200))),
        }
    }

    /// Waits: property tests are not async.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Has the server answer every call for which nothing more important is mounted.
    pub fn serve(&self, server: &MockServer) {
        let answer = Arc::clone(&self.answer);
        let respond = move |_: &Request| answer.lock().clone();
        self.block_on(Mock::given(anything()).respond_with(respond).mount(server));
    }

    /// Makes the calls for one answer after the other. Each case has a number.
    pub fn run(
        &self,
        statuses: impl Strategy<Value = u16>,
        bodies: impl Strategy<Value = Value>,
        calls: impl AsyncFn(u32),
    ) {
        let config = ProptestConfig {
            cases: 64,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let case = Cell::new(0);
        TestRunner::new(config)
            .run(&(statuses, bodies), |(status, body)| {
                *self.answer.lock() = ResponseTemplate::new(status).set_body_json(&body);
                case.set(case.get() + 1);
                self.block_on(calls(case.get()));
                Ok(())
            })
            .unwrap();
    }
}
