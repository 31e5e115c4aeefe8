//! What an operator has recorded of an event, asked as `conversions` asks it.

use std::sync::OnceLock;

use tokio::sync::OnceCell;

use super::conversion::{ConversionEntry, Page, list_path};
use super::loading::LoadedPlan;
use super::report::NEVER_SEEN;
use crate::cli::ask::{NoAnswer, Operator, OperatorPlace};
use crate::cli::cluster::ConnectFlags;
use crate::cli::command_error::CommandError;
use crate::controller::shared::object::Object as _;
use crate::domain::ids::ObjectKey;

/// What an operator has recorded is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unrecorded {
    /// Why it is not known.
    pub(super) says: String,
    /// An operator has the event and did not answer: why. Without its answer the plan is not the whole.
    pub(super) unanswered: Option<String>,
}

impl Unrecorded {
    /// Nobody need be asked.
    fn unasked(says: &str) -> Self {
        Self {
            says: says.to_owned(),
            unanswered: None,
        }
    }

    fn unanswered(why: &str) -> Self {
        let why = why.trim_end_matches('.');
        Self {
            says: format!("Unknown: {why}. What was sent already counts as WouldBeSent here."),
            unanswered: Some(why.to_owned()),
        }
    }
}

/// Asks the operator, which is looked for once, and only if there is something to ask.
pub(super) struct OperatorRecords<'a> {
    place: &'a OperatorPlace,
    cluster: &'a ConnectFlags,
    operator: OnceCell<Result<Operator, String>>,
    /// It gave no answer at all: it is not asked again.
    silent: OnceLock<String>,
}

impl<'a> OperatorRecords<'a> {
    pub(super) const fn new(place: &'a OperatorPlace, cluster: &'a ConnectFlags) -> Self {
        Self {
            place,
            cluster,
            operator: OnceCell::const_new(),
            silent: OnceLock::new(),
        }
    }

    /// The conversions that an operator has recorded of an event; why that is not known, if so.
    pub(super) async fn of(&self, planned: &LoadedPlan) -> Result<Vec<ConversionEntry>, Unrecorded> {
        if planned.in_doubt {
            return Err(Unrecorded::unasked(
                "Unknown: it is not known whether the event is applied already.",
            ));
        }
        let event = &planned.event;
        let sync = event.status.as_ref().and_then(|status| status.sync.as_ref());
        if sync.is_none_or(|sync| sync.ledger_id.is_none()) {
            return Err(Unrecorded::unasked(NEVER_SEEN));
        }
        let found = self.operator.get_or_init(|| async {
            let connected = self.place.connect(self.cluster, 0).await;
            connected.map_err(|why| why.to_string())
        });
        let operator = found.await.as_ref().map_err(|why| Unrecorded::unanswered(why))?;
        if let Some(why) = self.silent.get() {
            return Err(Unrecorded::unanswered(why));
        }
        let recorded = list_recorded(operator, &event.key()).await;
        recorded.map_err(|error| {
            let why = error.to_string();
            if error.is::<NoAnswer>() {
                let _ = self.silent.set(why.clone());
            }
            Unrecorded::unanswered(&why)
        })
    }
}

async fn list_recorded(operator: &Operator, event: &ObjectKey) -> Result<Vec<ConversionEntry>, CommandError> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let query: Vec<(&str, String)> = after.map(|after| ("after", after)).into_iter().collect();
        let page: Page = operator.get(&list_path(event), &query).await?;
        all.extend(page.conversions);
        after = page.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;
    use crate::api::AdConversionEvent;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        place: OperatorPlace,
        #[command(flatten)]
        cluster: ConnectFlags,
    }

    fn planned(ledger: Option<&str>) -> LoadedPlan {
        let event = json!({
            "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
            "metadata": {"name": "won", "namespace": "marketing"},
            "spec": {"googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"},
                     "trigger": {"lifecycleStage": {"stage": "customer"}}},
            "status": {"sync": {"ledgerId": ledger}},
        });
        let event: AdConversionEvent = serde_json::from_value(event).expect("an event");
        LoadedPlan {
            event,
            notes: Vec::new(),
            in_doubt: false,
            applied: true,
        }
    }

    #[tokio::test]
    async fn an_operator_that_has_the_event_and_does_not_answer_leaves_a_hole() {
        // As every command does before its first call.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A port that nobody listens on any more.
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let url = format!("http://{}", port.expect("a port"));
        let flags = Flags::parse_from(["plan", "--operator-url", &url]);
        let records = OperatorRecords::new(&flags.place, &flags.cluster);
        for _ in 0..2 {
            let unknown = records.of(&planned(Some("7c1d"))).await.expect_err("nobody is there");
            let why = unknown.unanswered.expect("a hole");
            assert!(
                why.contains("connection refused") && unknown.says.contains(&why),
                "{why}"
            );
        }
        // Where no operator has looked at it, none can have sent anything for it.
        let unknown = records.of(&planned(None)).await.expect_err("nobody was asked");
        assert_eq!(unknown, Unrecorded::unasked(NEVER_SEEN));
    }
}
