//! Every call that changes something at Google asks first whether this process may, and goes nowhere where it may not.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::domain::action::Goal;
use crate::domain::ids::ActionId;
use crate::ports::ads::ActionFields;
use crate::ports::work_permit::{AlwaysPermitted, WorkPermit};
use crate::upstream::google::GoogleConnector;
use crate::upstream::google::test_support::{Silent, TakenOver, cid, clicks, config, connect, http, server};

/// Ends of the paths of calls that change nothing.
const READS: [&str; 4] = ["/token", ":search", ":retrieve", JUDGED];
/// Stands behind the path of an upload that is to be judged only (`validateOnly`): it changes nothing.
const JUDGED: &str = " (validate only)";
/// The methods of the ports that change something.
const CHANGES: [&str; 7] = [
    "create_action",
    "ingest",
    "remove_action",
    "set_goal_biddable",
    "update_action",
    "upload_rows of clicks",
    "upload_rows of enhancements",
];

/// Paths of the requests that Google got since the last time, with what makes one a question.
async fn new_paths(server: &MockServer, seen: &mut usize) -> Vec<String> {
    let requests = server.received_requests().await.unwrap();
    let path = |request: &Request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let asks = if body["validateOnly"] == true { JUDGED } else { "" };
        format!("{}{asks}", request.url.path())
    };
    let paths = requests[*seen..].iter().map(path).collect();
    *seen = requests.len();
    paths
}

/// By method of the ports, the requests that each call led to.
async fn call_each(permit: Arc<dyn WorkPermit>) -> BTreeMap<&'static str, Vec<String>> {
    let server = server().await;
    let answer = ResponseTemplate::new(200).set_body_json(json!({}));
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let connector = GoogleConnector::new(config(&server.uri()), http(), Arc::new(Silent)).permitted_by(permit);
    let clients = connect(&connector).await;
    let (owner, id) = (cid("1234567890"), ActionId(7));
    // An update of nothing is no call.
    let fields = ActionFields {
        name: Some("n".to_owned()),
        ..ActionFields::default()
    };
    let goal = Goal {
        category: "PURCHASE".into(),
        origin: "WEBSITE".into(),
        biddable: false,
    };
    let (ads, sink) = (&clients.ads, &clients.sink);
    let (mut seen, mut calls) = (0, BTreeMap::new());
    macro_rules! call {
        ($name:literal, $call:expr) => {
            // What it makes of the answer is another test's matter.
            let _ = $call.await;
            calls.insert($name, new_paths(&server, &mut seen).await);
        };
    }
    call!("read_customer", ads.read_customer(&owner));
    call!("read_actions", ads.read_actions(&owner));
    call!("actions_named", ads.actions_named(&owner, "n"));
    call!("read_goals", ads.read_goals(&owner));
    call!("read_attribution", ads.read_attribution(&owner));
    call!("create_action", ads.create_action(&owner, &fields));
    call!("update_action", ads.update_action(&owner, id, &fields));
    call!("remove_action", ads.remove_action(&owner, id));
    call!("set_goal_biddable", ads.set_goal_biddable(&owner, &goal, true));
    call!("ingest", sink.ingest(&clicks(1)));
    call!("request_status", sink.request_status("r-1"));
    call!("upload_rows of clicks", clients.clicks.upload_rows(&clicks(1)));
    call!(
        "upload_rows of enhancements",
        clients.enhancements.upload_rows(&clicks(1))
    );
    call!("validate", sink.validate(&clicks(1)));
    call!("validate_rows of clicks", clients.clicks.validate_rows(&clicks(1)));
    call!(
        "validate_rows of enhancements",
        clients.enhancements.validate_rows(&clicks(1))
    );
    call!("drop_token", ads.drop_token());
    calls
}

fn changing(paths: &[String]) -> bool {
    paths.iter().any(|path| !READS.iter().any(|read| path.ends_with(read)))
}

#[tokio::test]
async fn each_call_that_changes_something_asks_first() {
    let permitted = call_each(Arc::new(AlwaysPermitted)).await;
    let changes: BTreeSet<_> = permitted.iter().filter(|(_, paths)| changing(paths)).collect();
    let names: Vec<_> = changes.iter().map(|(name, _)| **name).collect();
    assert_eq!(names, CHANGES, "{permitted:#?}");
    for (name, paths) in call_each(TakenOver::after(0)).await {
        assert!(!changing(&paths), "{name} asked nobody: {paths:?}");
    }
}

/// A method that is added to the ports has to be added here.
#[tokio::test]
async fn no_call_is_left_out() {
    let ports = [
        include_str!("../../../ports/ads.rs"),
        include_str!("../../../ports/sink.rs"),
    ]
    .concat();
    let declared = ports.lines().filter_map(|line| line.strip_prefix("    async fn "));
    let declared: BTreeSet<_> = declared.map(|line| line.split('(').next().unwrap()).collect();
    let calls = call_each(Arc::new(AlwaysPermitted)).await;
    let tried: BTreeSet<_> = calls.keys().map(|name| name.split(' ').next().unwrap()).collect();
    assert_eq!(declared, tried);
}
