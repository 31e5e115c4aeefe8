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
use crate::cli::cluster::{ConnectFlags, OPERATOR_LABELS};
use crate::cli::command_error::CommandError;
use crate::cli::kube_words::{Giver, Request, Silence};
use crate::cli::names::parse_namespace;
use crate::domain::brief::brief;

/// Longest wait for an answer, which may wait for HubSpot.
const ANSWER_LIMIT: Duration = Duration::from_secs(90);
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

/// Why a question was not answered.
#[derive(Debug, serde::Deserialize)]
struct Refusal {
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
    /// If there is none, or its port cannot be reached.
    pub(in crate::cli) async fn connect(&self, cluster: &ConnectFlags, local: u16) -> Result<Operator, CommandError> {
        if let Some(url) = &self.url {
            return Operator::at(url.clone());
        }
        let (client, _) = cluster.connect().await?;
        let pods = self.running_pods(&client).await?;
        let mut found = Vec::new();
        for pod in &pods {
            let namespace = pod.namespace().unwrap_or_default();
            let api = Api::namespaced(client.clone(), &namespace);
            let forward = forward_port(api, pod.name_any(), self.port, local).await?;
            let name = format!("{namespace}/{}", pod.name_any());
            let operator = Operator::at(format!("http://{}/", forward.address).parse()?)?;
            match operator.works().await {
                Ok(true) => {
                    return Ok(Operator {
                        pod: Some(name),
                        forward: Some(forward),
                        ..operator
                    });
                }
                Ok(false) => found.push(format!("{name} stands by")),
                Err(error) => match forward.why_lost() {
                    // What one pod's port may not be, no other's may.
                    Some(why) if why.kind == Silence::Refused => return Err(why.into()),
                    Some(why) => found.push(format!("{name}: {why}")),
                    None => found.push(format!("{name}: {error}")),
                },
            }
            // The next one may get the same port.
            forward.end().await;
        }
        Err(match found.as_slice() {
            [] => format!(
                "no pod of the operator was found (labels {OPERATOR_LABELS}). Name its namespace with --operator-namespace, or its \
                 address with --operator-url"
            ),
            found => format!("no operator answers: {}", found.join("; ")),
        }
        .into())
    }

    async fn running_pods(&self, client: &Client) -> Result<Vec<Pod>, CommandError> {
        let pods: Api<Pod> = match &self.namespace {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        };
        let found = pods.list(&ListParams::default().labels(OPERATOR_LABELS)).await;
        let request = Request {
            verb: "list",
            resource: "pods",
            doing: "look for the operator's pod",
            namespace: self.namespace.as_deref(),
            giver: Giver::Questions,
        };
        let found = found.map_err(|error| request.explain(&error))?;
        let runs = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
        Ok(found.items.into_iter().filter(runs).collect())
    }
}

impl Operator {
    fn at(base: Url) -> Result<Self, CommandError> {
        let http = reqwest::Client::builder()
            .timeout(ANSWER_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self {
            http,
            base,
            pod: None,
            forward: None,
        })
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
        let answer = self
            .http
            .get(self.address(&["v1", "events"])?)
            .query(&[("limit", "1")])
            .send()
            .await;
        Ok(answer.map_err(without_url)?.status() != StatusCode::SERVICE_UNAVAILABLE)
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
        read_answer(self.http.get(self.address(path)?).query(query)).await
    }

    /// Asks with a body, so that what is asked about stands in no address.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &(impl Serialize + Sync),
    ) -> Result<T, CommandError> {
        read_answer(self.http.post(self.address(path)?).json(body)).await
    }
}

fn without_url(error: reqwest::Error) -> CommandError {
    format!("the operator does not answer: {}", brief(error.without_url())).into()
}

async fn read_answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, CommandError> {
    let mut answer = request.send().await.map_err(without_url)?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(without_url)? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Err("the operator's answer is too large".into());
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return Ok(serde_json::from_slice(&body)?);
    }
    match serde_json::from_slice::<Refusal>(&body) {
        Ok(Refusal { error }) => Err(format!("{} ({})", error.message, error.reason).into()),
        Err(_) => Err(format!(
            "what answers there is not the operator's admin API (HTTP {status}). Check --operator-url or --operator-port"
        )
        .into()),
    }
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
