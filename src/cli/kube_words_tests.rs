use kube::core::Status;
use rstest::rstest;

use super::*;

fn answered(code: u16, message: &str) -> kube::Error {
    kube::Error::Api(Box::new(Status {
        code,
        message: message.to_owned(),
        reason: "Forbidden".to_owned(),
        ..Status::default()
    }))
}

fn get_account(giver: RightGiver) -> ClusterRequest<'static> {
    ClusterRequest {
        verb: "get",
        resource: "googleadsaccounts.adconversion.dev",
        doing: "read GoogleAdsAccount marketing/acme",
        namespace: Some("marketing"),
        giver,
    }
}

const LIST_PODS: ClusterRequest<'static> = ClusterRequest {
    verb: "list",
    resource: "pods",
    doing: "look for the operator's pods",
    namespace: None,
    giver: RightGiver::Questions,
};

#[rstest]
#[case::right(403, "", &["You may not read GoogleAdsAccount marketing/acme", "the right to get googleadsaccounts.adconversion.dev in namespace marketing", "The Role adconversion-check in docs/commands.md", "-f"])]
#[case::server_says_so(403, "x is forbidden: User \"y\" cannot get resource \"googleadsaccounts\" in API group", &["your user lacks the right to get"])]
#[case::webhook(403, "admission webhook \"z\" denied the request: not on Fridays", &["the cluster refuses it", "not on Fridays"])]
#[case::login(401, "", &["log in again"])]
#[case::definitions(404, "", &["does not know this kind", "adconversion crds"])]
#[case::server(500, "etcd is down", &["the cluster says: etcd is down"])]
fn an_answer_of_the_api_server_is_put_into_words(#[case] code: u16, #[case] said: &str, #[case] parts: &[&str]) {
    let words = get_account(RightGiver::Check)
        .explain(&answered(code, said))
        .to_string();
    for part in parts {
        assert!(words.contains(part), "no {part:?} in {words}");
    }
    assert!(
        !words.contains("Status {") && !words.contains("ApiError"),
        "a dump: {words}"
    );
}

/// As charts/adconversion-operator/templates/rbac-users.yaml gives them.
#[rstest]
#[case("get", "*-view,")]
#[case("list", "*-view,")]
#[case("patch", "*-edit,")]
#[case("create", "*-edit,")]
fn the_role_of_the_chart_that_gives_a_right_is_named(#[case] verb: &'static str, #[case] role: &str) {
    let request = ClusterRequest {
        verb,
        ..get_account(RightGiver::CheckFiles)
    };
    let words = request.explain(&answered(403, "")).to_string();
    assert!(words.contains(role), "{words}");
}

#[test]
fn whoever_gave_files_is_not_told_to_give_files() {
    let words = |giver| get_account(giver).explain(&answered(403, "")).to_string();
    assert!(words(RightGiver::Check).ends_with("Or give the manifest as a file with -f."));
    let beside = words(RightGiver::CheckFiles);
    assert!(
        beside.contains("adconversion-check") && !beside.contains("-f"),
        "{beside}"
    );
}

#[rstest]
#[case(403, UnansweredKind::Refused)]
#[case(401, UnansweredKind::Refused)]
#[case(404, UnansweredKind::Failed)]
#[case(503, UnansweredKind::Failed)]
fn who_is_refused_is_told_apart_from_who_gets_no_answer(#[case] code: u16, #[case] kind: UnansweredKind) {
    assert_eq!(LIST_PODS.explain(&answered(code, "")).kind, kind);
}

#[test]
fn a_cluster_without_the_definitions_is_told_apart() {
    assert_eq!(
        get_account(RightGiver::Check).explain(&answered(404, "")).kind,
        UnansweredKind::UnknownKind
    );
}

#[test]
fn a_cluster_that_is_not_there_is_told_apart_too() {
    let gone = kube::Error::Service(Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)));
    let found = LIST_PODS.explain(&gone);
    assert_eq!(found.kind, UnansweredKind::Unreached);
    let words = found.to_string();
    assert!(
        words.contains("connection refused") && words.contains("--context"),
        "{words}"
    );
    let whatever = found.of_cluster().unwrap_or_default();
    assert!(
        whatever.contains("connection refused") && !whatever.contains("pods"),
        "{whatever}"
    );
    assert_eq!(LIST_PODS.explain(&answered(403, "")).of_cluster(), None);
}

#[test]
fn what_stands_in_the_way_of_many_questions_is_said_in_the_same_words() {
    let said = |code, doing, giver| {
        let request = ClusterRequest {
            doing,
            ..get_account(giver)
        };
        request.explain(&answered(code, "")).of_all().to_owned()
    };
    let both = |code, giver| {
        let [one, other] = ["read this", "read that"].map(|doing| said(code, doing, giver));
        (one == other, one)
    };
    for giver in [RightGiver::Check, RightGiver::CheckFiles] {
        let (same, words) = both(403, giver);
        let begin = "Your user lacks the right to get googleadsaccounts.adconversion.dev in namespace marketing. ";
        assert!(same && words.starts_with(begin), "{words}");
    }
    assert!(
        !both(403, RightGiver::CheckSecret).0,
        "each Secret may have a Role of its own"
    );
    let (same, words) = both(401, RightGiver::CheckSecret);
    assert!(
        same && words.starts_with("The cluster does not accept the credentials"),
        "{words}"
    );
    assert!(!both(500, RightGiver::Check).0);
}

#[test]
fn the_operators_namespace_is_the_way_out_of_whoever_may_not_look_everywhere() {
    let everywhere = LIST_PODS.explain(&answered(403, "")).to_string();
    assert!(everywhere.contains("list pods in all namespaces"), "{everywhere}");
    assert!(
        everywhere.contains("name the namespace with --operator-namespace"),
        "{everywhere}"
    );
    let one = ClusterRequest {
        namespace: Some("default"),
        ..LIST_PODS
    };
    let words = one.explain(&answered(403, "")).to_string();
    assert!(
        words.contains("in namespace default") && words.contains("--operator-namespace"),
        "{words}"
    );
}

#[test]
fn a_port_that_may_not_be_forwarded_is_a_right_that_is_missing() {
    let refused = UpgradeConnectionError::ProtocolSwitch(StatusCode::FORBIDDEN);
    let request = ClusterRequest {
        verb: "get",
        resource: "pods/portforward",
        doing: "forward a port of pod ops/x",
        namespace: Some("ops"),
        giver: RightGiver::Questions,
    };
    let found = request.explain(&kube::Error::UpgradeConnection(refused));
    assert_eq!(found.kind, UnansweredKind::Refused);
    assert!(
        found.to_string().contains("get pods/portforward in namespace ops"),
        "{found}"
    );
}

#[rstest]
#[case(KubeconfigError::LoadContext("prod".to_owned()), "has no context \"prod\"")]
#[case(KubeconfigError::CurrentContextNotSet, "Name one with --context")]
#[case(KubeconfigError::ReadConfig(std::io::ErrorKind::NotFound.into(), "/nowhere".into()), "/nowhere can't be read")]
fn what_is_wrong_with_a_kubeconfig(#[case] error: KubeconfigError, #[case] part: &str) {
    let words = explain_kubeconfig(&error);
    assert!(words.contains(part), "{words}");
}
