//! The Roles that the pages show are enough: whoever has one and nothing else gets answers.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::super::Stage;
use super::super::judge::crowd;
use super::{ACCOUNTS, Stranger, event, lay_pod};

/// The Role of this name that stands on the page.
fn role_of(page: &str, name: &str) -> Value {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).expect("the page");
    let blocks = text
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let mut roles = blocks.filter_map(|block| serde_yaml::from_str::<Value>(block).ok());
    roles
        .find(|role| role["kind"] == "Role" && role["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("{page} has no Role {name}"))
}

impl Stranger<'_> {
    /// Gives the Role of the page, in the stage's namespace.
    fn grant_of_page(&self, page: &str, name: &str) {
        let mut role = role_of(page, name);
        role["metadata"]["namespace"] = json!(self.stage.namespace);
        self.stage.apply(&role.to_string());
        let account = format!("--serviceaccount={}:stranger", self.stage.namespace);
        let of = format!("--role={name}");
        self.stage.kubectl(&["create", "rolebinding", name, &of, &account]);
    }
}

#[test]
fn the_role_for_check_and_plan_is_enough_for_them() {
    let stage = Stage::empty("rights-page-check", &[], &[]);
    crowd(&stage, 3);
    let action = json!({"customerId": "1234567890", "type": "UPLOAD_CLICKS", "name": "Any", "category": "SIGNUP"});
    stage.post("/google/actions", &action);
    let stranger = Stranger::of(&stage);
    let manifests = stage.file("event.yaml", &event("other"));
    let accounts = stage.file("accounts.yaml", ACCOUNTS);
    for command in ["check", "plan"] {
        stranger.look(&[command, "-f", &accounts, "-f", &manifests], 2);
    }
    stranger.grant_of_page("docs/commands.md", "adconversion-check");
    for command in ["check", "plan"] {
        stranger.look(&[command, "-f", &accounts, "-f", &manifests], 0);
    }
    // And of what is applied, with the Secrets of the cluster.
    stage.apply(ACCOUNTS);
    stage.apply(&event("won"));
    for command in [
        &["check"][..],
        &["check", "won"],
        &["plan"],
        &["plan", "won"],
        &["check", "-f", &manifests],
        &["plan", "-f", &manifests],
    ] {
        stranger.look(command, 0);
    }
}

/// No node has the pod here, so the API server has nobody to lead the port to: that is what it says once it grants it.
#[test]
fn the_role_for_questions_leads_to_the_operators_port() {
    let stage = Stage::empty("rights-page-questions", &[], &[]);
    lay_pod(&stage);
    let stranger = Stranger::of(&stage);
    let place = ["--operator-namespace", stage.namespace.as_str()];
    let questions = [
        &["explain", "won", "--contact", "1"][..],
        &["conversions", "won"],
        &["dashboard"],
    ];
    let lacks = |question: &[&str]| stranger.run(&[question, &place].concat(), 2);
    for question in questions {
        assert!(lacks(question).contains("right to list pods"), "{question:?}");
    }
    stranger.grant_of_page("docs/admin-api.md", "adconversion-questions");
    for question in questions {
        let said = lacks(question);
        assert!(!said.contains("right to"), "{question:?}: {said}");
        assert!(said.contains("does not have a host assigned"), "{question:?}: {said}");
    }
}
