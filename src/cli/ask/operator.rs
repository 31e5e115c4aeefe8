//! Finds the operator that works, and asks its admin API.

use std::time::Duration;

use clap::Args;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use reqwest::{RequestBuilder, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::forward::{Forward, forward_port};
use super::no_answer::{CHECK_URL, LOOK_AT_IT, NoAnswer};
use crate::cli::cluster::{ConnectFlags, OPERATOR_LABELS};
use crate::cli::command_error::CommandError;
use crate::cli::kube_words::{ClusterRequest, RightGiver, is_refusal};
use crate::cli::names::parse_namespace;
use crate::cli::output::foreign;
use crate::domain::brief::first_names;

/// Longest wait for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Longest wait for a sign of life.
const PROBE_LIMIT: Duration = Duration::from_secs(10);
/// Longest wait for an answer out of the operator's ledger.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Longest wait for an answer for which the operator may have to wait for HubSpot.
const STORY_LIMIT: Duration = Duration::from_secs(90);
/// Most bytes of an answer.
const ANSWER_BYTES: usize = 16 << 20;

/// Which operator to ask, and about which namespace.
#[derive(Debug, Clone, Args)]
pub(super) struct OperatorFlags {
    #[command(flatten)]
    connect: ConnectFlags,
    #[command(flatten)]
    place: OperatorPlace,
}

/// Which operator to ask.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct OperatorPlace {
    /// Namespace that the operator runs in. If absent, its pod is looked for in all namespaces.
    #[arg(
        id = "operator_namespace",
        long = "operator-namespace",
        value_name = "NAMESPACE",
        value_parser = parse_namespace
    )]
    namespace: Option<String>,
    /// Port of the admin API in the pod (`run --admin-listen`).
    #[arg(
        id = "operator_port",
        long = "operator-port",
        value_name = "PORT",
        default_value_t = 8081
    )]
    port: u16,
    /// Ask under this address, like <http://127.0.0.1:8081>, without a port-forward.
    #[arg(
        id = "operator_url",
        long = "operator-url",
        value_name = "URL",
        env = "ADCONVERSION_OPERATOR_URL",
        value_parser = parse_url
    )]
    url: Option<Url>,
}

/// An address that can be asked, and opened in a browser.
fn parse_url(given: &str) -> Result<Url, String> {
    let rule = "write http:// or https://, a host and perhaps a port and a path, like http://127.0.0.1:8081";
    let url: Url = given.parse().map_err(|error| format!("{error}; {rule}"))?;
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !plain {
        return Err(rule.to_owned());
    }
    Ok(url)
}

/// The admin API of one operator.
pub(in crate::cli) struct Operator {
    http: reqwest::Client,
    base: Url,
    /// Which of several pods it is, for messages.
    pub(super) pod: Option<String>,
    /// The port that leads to it, for as long as it is asked.
    forward: Option<Forward>,
}

/// A question was refused: why.
#[derive(Debug, serde::Deserialize)]
struct RefusedQuestion {
    error: RefusalText,
}

#[derive(Debug, serde::Deserialize)]
struct RefusalText {
    reason: String,
    message: String,
}

impl OperatorFlags {
    /// The namespace that the question is about. Nothing is asked of the cluster if it is named.
    pub(super) async fn namespace(&self) -> Result<String, CommandError> {
        match self.connect.named_namespace() {
            Some(namespace) => Ok(namespace.to_owned()),
            None => Ok(self.connect.connect().await?.1),
        }
    }

    /// See [`OperatorPlace::connect`].
    ///
    /// # Errors
    /// If there is none, or its port cannot be reached.
    pub(super) async fn connect(&self, local: u16) -> Result<Operator, CommandError> {
        self.place.connect(&self.connect, local).await
    }
}

impl OperatorPlace {
    /// The operator that works. Of several replicas that is one; the others say that they stand by.
    ///
    /// # Errors
    /// If there is none, or it gives no sign of life.
    pub(in crate::cli) async fn connect(&self, cluster: &ConnectFlags, local: u16) -> Result<Operator, CommandError> {
        if let Some(url) = &self.url {
            let operator = Operator::at(url.clone(), None)?;
            // One that stands by, and whatever else there may be, says so itself.
            operator.works().await?;
            return Ok(operator);
        }
        let (client, _) = cluster.connect().await?;
        let mut found = Vec::new();
        let (running, idle): (Vec<_>, Vec<_>) = self.pods(&client).await?.into_iter().partition(is_running);
        for pod in &running {
            let operator = self.forward_to(&client, pod, local).await?;
            let name = operator.pod.clone().unwrap_or_default();
            match operator.works().await {
                Ok(true) => return Ok(operator),
                Ok(false) => found.push(format!("{name} stands by")),
                // What one pod's port may not be, no other's may.
                Err(error) if is_refusal(&error) => return Err(error),
                Err(error) => found.push(format!("{name}: {}", NoAnswer::reason_of(&error))),
            }
            // The next one may get the same port.
            operator.end().await;
        }
        found.extend(idle.iter().map(describe_idle));
        Err(match found.as_slice() {
            [] => format!(
                "no pod of the operator was found (labels {OPERATOR_LABELS}). Name its namespace with --operator-namespace, or its \
                 address with --operator-url"
            ),
            found => format!("no operator answers: {}. {LOOK_AT_IT}", first_names(found)),
        }
        .into())
    }

    async fn forward_to(&self, client: &Client, pod: &Pod, local: u16) -> Result<Operator, CommandError> {
        let namespace = pod.namespace().unwrap_or_default();
        let api = Api::namespaced(client.clone(), &namespace);
        let forward = forward_port(api, pod.name_any(), self.port, local).await?;
        let base = format!("http://{}/", forward.address).parse()?;
        Ok(Operator {
            pod: Some(format!("{namespace}/{}", pod.name_any())),
            ..Operator::at(base, Some(forward))?
        })
    }

    async fn pods(&self, client: &Client) -> Result<Vec<Pod>, CommandError> {
        let pods: Api<Pod> = match &self.namespace {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        };
        let found = pods.list(&ListParams::default().labels(OPERATOR_LABELS)).await;
        let request = ClusterRequest {
            verb: "list",
            resource: "pods",
            doing: "look for the operator's pod",
            namespace: self.namespace.as_deref(),
            giver: RightGiver::Questions,
        };
        let found = found.map_err(|error| request.explain(&error))?;
        Ok(found.items)
    }
}

fn phase_of(pod: &Pod) -> &str {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    phase.unwrap_or("Unknown")
}

fn is_running(pod: &Pod) -> bool {
    phase_of(pod) == "Running"
}

/// A pod whose port cannot be forwarded, and what holds it up where its containers say so.
fn describe_idle(pod: &Pod) -> String {
    let containers = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    let waiting = containers.into_iter().flatten().find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        waiting.reason.clone()
    });
    let waiting = waiting.map(|reason| format!(" ({})", foreign(&reason)));
    format!(
        "{}/{} is {}{}",
        pod.namespace().unwrap_or_default(),
        pod.name_any(),
        foreign(phase_of(pod)),
        waiting.unwrap_or_default()
    )
}

impl Operator {
    fn at(base: Url, forward: Option<Forward>) -> Result<Self, CommandError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self {
            http,
            base,
            pod: None,
            forward,
        })
    }

    /// Frees the port that leads to it.
    async fn end(self) {
        if let Some(forward) = self.forward {
            forward.end().await;
        }
    }

    /// From now on stderr says which connections to it are lost.
    pub(super) fn say_losses(&self) {
        if let Some(forward) = &self.forward {
            forward.say_losses();
        }
    }

    /// Where it is asked.
    pub(super) const fn base(&self) -> &Url {
        &self.base
    }

    /// False if this process stands by.
    async fn works(&self) -> Result<bool, CommandError> {
        let address = self.address(&["v1", "events"])?;
        let question = self.http.get(address).query(&[("limit", "1")]).timeout(PROBE_LIMIT);
        let answer = question.send().await;
        Ok(answer.map_err(|error| self.no_answer(&error))?.status() != StatusCode::SERVICE_UNAVAILABLE)
    }

    fn address(&self, path: &[&str]) -> Result<Url, CommandError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| "the operator's URL can't have a path")?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }

    /// Asks for something.
    pub(in crate::cli) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, CommandError> {
        let question = self.http.get(self.address(path)?).query(query);
        self.ask(question.timeout(ANSWER_LIMIT)).await
    }

    /// Asks with a body, so that what is asked about stands in no address.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &(impl Serialize + Sync),
    ) -> Result<T, CommandError> {
        let question = self.http.post(self.address(path)?).json(body);
        self.ask(question.timeout(STORY_LIMIT)).await
    }

    async fn ask<T: DeserializeOwned>(&self, question: RequestBuilder) -> Result<T, CommandError> {
        let mut answer = question.send().await.map_err(|error| self.no_answer(&error))?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.no_answer(&error))? {
            if body.len() + chunk.len() > ANSWER_BYTES {
                return Err("the operator's answer is too large".into());
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| not_the_api(status));
        }
        match serde_json::from_slice::<RefusedQuestion>(&body) {
            Ok(RefusedQuestion { error }) => Err(format!("{} ({})", error.message, error.reason).into()),
            Err(_) => Err(not_the_api(status)),
        }
    }

    /// What the way to the pod says, or else the connection itself.
    fn no_answer(&self, error: &reqwest::Error) -> CommandError {
        match self.forward.as_ref().map(Forward::why_lost) {
            Some(Some(lost)) => lost.into(),
            Some(None) => NoAnswer::new(error, LOOK_AT_IT).into(),
            None => NoAnswer::new(error, CHECK_URL).into(),
        }
    }
}

/// Somebody else answers there: a web server, or the login page of a proxy.
fn not_the_api(status: StatusCode) -> CommandError {
    format!(
        "that address is not the operator's admin API (HTTP {status}, and not the JSON of it). Check --operator-url or --operator-port"
    )
    .into()
}

/// A field of an answer as text; empty if it is absent.
pub(super) fn text_of<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://127.0.0.1:8081", true)]
    #[case("https://ads.example.com/operator/", true)]
    #[case("http://[::1]:8081/", true)]
    #[case("127.0.0.1:8081", false)]
    #[case("localhost:8081", false)]
    #[case("ftp://localhost", false)]
    #[case("file:///etc/passwd", false)]
    #[case("javascript:alert(1)", false)]
    #[case("http://", false)]
    #[case("http://user:secret@localhost", false)]
    #[case("http://localhost/?x=1", false)]
    #[case("http://localhost/#x", false)]
    #[case("", false)]
    fn an_address_is_one_of_the_web(#[case] given: &str, #[case] taken: bool) {
        match parse_url(given) {
            Ok(_) => assert!(taken, "{given}"),
            Err(why) => assert!(
                !taken && why.contains("http://127.0.0.1:8081") && !why.contains("secret"),
                "{given}: {why}"
            ),
        }
    }
}
