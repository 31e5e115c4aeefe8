#![allow(clippy::unwrap_used)]

use rstest::rstest;

use super::*;
use crate::cli::check::report::ProbeVerdict;
use crate::ports::{Cause, UpstreamError};

fn to(own: bool) -> Destination {
    let owner: crate::domain::ids::CustomerId = "1234567890".parse().unwrap();
    Destination {
        action: owner.action_key(ActionId(7)),
        own,
    }
}

fn complaint(class: Class) -> Complaint {
    Complaint {
        row: Some(0),
        destination: None,
        code: Some(Code::test("A_CODE", class)),
    }
}

fn judged(answer: Result<Vec<Complaint>, IngestError>, own: bool) -> Probe {
    judge(answer, &to(own), "Data Manager", Some("google-ads"), TriggerKind::Stage)
}

#[rstest]
#[case::taken(vec![], ProbeVerdict::Fine, "conversion action 7")]
#[case::the_click_is_nobodys(vec![complaint(Class::Rejected)], ProbeVerdict::Fine, "counts nothing")]
#[case::too_new(vec![complaint(Class::Wait("ActionTooNew"))], ProbeVerdict::Fine, "counts nothing")]
#[case::not_allowlisted(vec![complaint(Class::Blocked(Matter::NotAllowlisted))], ProbeVerdict::Finding, "spec.uploads.clickConversions")]
#[case::terms(vec![complaint(Class::Rejected), complaint(Class::Blocked(Matter::Terms))], ProbeVerdict::Finding, "customer data terms")]
#[case::account(vec![complaint(Class::Blocked(Matter::Account))], ProbeVerdict::Finding, "A_CODE")]
fn rows(#[case] complaints: Vec<Complaint>, #[case] verdict: ProbeVerdict, #[case] part: &str) {
    let probe = judged(Ok(complaints), true);
    assert_eq!(probe.verdict, verdict, "{probe:?}");
    assert!(probe.message.contains(part), "{probe:?}");
}

#[rstest]
#[case::denied(Cause::AccessDenied, ProbeVerdict::Finding, "spec.loginCustomerId")]
#[case::off(Cause::ServiceDisabled, ProbeVerdict::Finding, "Enable the Data Manager API")]
#[case::refused(Cause::Refused, ProbeVerdict::Finding, "x")]
#[case::outage(Cause::Unavailable, ProbeVerdict::NotDone, "x")]
fn whole_requests(#[case] cause: Cause, #[case] verdict: ProbeVerdict, #[case] part: &str) {
    let probe = judged(Err(UpstreamError::new("Data Manager", cause, "x").into()), true);
    assert_eq!(probe.verdict, verdict, "{probe:?}");
    assert!(probe.message.contains(part), "{probe:?}");
}

#[test]
fn what_is_said_of_an_action_that_stands_in_is_not_the_events_matter() {
    let mut refused = IngestError::from(UpstreamError::new("Data Manager", Cause::Refused, "x"));
    refused.complaints = vec![complaint(Class::Blocked(Matter::Action))];
    assert_eq!(judged(Err(refused.clone()), true).verdict, ProbeVerdict::Finding);
    let probe = judged(Err(refused), false);
    assert_eq!(probe.verdict, ProbeVerdict::Fine);
    assert!(
        probe.message.contains("tried with its conversion action 7"),
        "{probe:?}"
    );
}
