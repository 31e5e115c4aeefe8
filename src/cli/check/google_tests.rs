#![allow(clippy::unwrap_used)]

use rstest::rstest;

use super::*;
use crate::cli::check::report::ProbeVerdict;
use crate::domain::account_health::AccountFault;
use crate::registry::test_support::{customer, google_account, snapshot};

fn good_customer() -> Customer {
    Customer {
        descriptive_name: Some("Acme \"<b>\"".to_owned()),
        currency_code: Some("EUR".to_owned()),
        time_zone: Some("Europe/Berlin".to_owned()),
        conversion_tracking_status: Some("CONVERSION_TRACKING_MANAGED_BY_SELF".to_owned()),
        enablement: Some("ON".to_owned()),
        ..customer()
    }
}

fn account(customer: Customer) -> ReadAccount {
    ReadAccount {
        account: google_account(Some(snapshot(customer))),
        unread_goals: None,
    }
}

fn on() -> Probe {
    Probe::fine(DATA_MANAGER_API, "on")
}

fn find<'a>(probes: &'a [Probe], name: &str) -> &'a Probe {
    probes.iter().find(|probe| probe.name == name).unwrap()
}

#[test]
fn a_good_account_has_every_line() {
    let probes = judge(Ok(&account(good_customer())), on(), true);
    let names: Vec<_> = probes.iter().map(|probe| probe.name.as_str()).collect();
    let expected = [
        TOKEN,
        ADS_API,
        DATA_MANAGER_API,
        CUSTOMER,
        TRACKING,
        TERMS,
        ENHANCED,
        TIER,
    ];
    assert_eq!(names, expected);
    assert!(
        probes.iter().all(|probe| probe.verdict == ProbeVerdict::Fine),
        "{probes:#?}"
    );
    assert!(find(&probes, CUSTOMER).message.contains("1234567890"), "{probes:#?}");
}

#[test]
fn terms_are_a_finding_only_where_data_is_shared() {
    let without = || Customer {
        accepted_customer_data_terms: false,
        enablement: Some("OFF".to_owned()),
        ..good_customer()
    };
    let needed = judge(Ok(&account(without())), on(), true);
    let terms = find(&needed, TERMS);
    assert_eq!(terms.reason.as_deref(), Some("TermsNotAccepted"));
    assert!(
        terms.message.contains("spec.shareData") && terms.message.contains("Goals > Settings"),
        "{terms:?}"
    );
    let unneeded = judge(Ok(&account(without())), on(), false);
    assert_eq!(find(&unneeded, TERMS).verdict, ProbeVerdict::Skipped);
    assert_eq!(
        find(&unneeded, ENHANCED).verdict,
        ProbeVerdict::Skipped,
        "it gates nothing"
    );
}

#[test]
fn managers_and_test_accounts_are_told() {
    let manager = Customer {
        manager: true,
        ..good_customer()
    };
    let cross = Customer {
        conversion_customer: "9876543210".parse().unwrap(),
        ..good_customer()
    };
    let test = Customer {
        test_account: true,
        ..good_customer()
    };
    let said = |customer| judge(Ok(&account(customer)), on(), false);
    assert!(find(&said(manager), TRACKING).message.contains("manager account"));
    assert!(find(&said(cross), TRACKING).message.contains("9876543210 owns"));
    let test = said(test);
    assert!(find(&test, CUSTOMER).message.contains("test account"));
    assert_eq!(find(&test, TIER).verdict, ProbeVerdict::Skipped);
}

#[test]
fn without_its_goals_an_account_has_every_line_and_one_more() {
    let read = ReadAccount {
        unread_goals: Some("Google Ads: down".to_owned()),
        ..account(good_customer())
    };
    let probes = judge(Ok(&read), on(), true);
    assert_eq!(probes.len(), 9);
    let goals = find(&probes, GOALS);
    assert_eq!(goals.verdict, ProbeVerdict::NotDone);
    assert!(goals.message.contains("(Google Ads: down)"), "{goals:?}");
    let others = probes.iter().filter(|probe| probe.name != GOALS);
    assert!(
        others.into_iter().all(|probe| probe.verdict == ProbeVerdict::Fine),
        "{probes:#?}"
    );
}

#[rstest]
#[case::token(FaultKind::Credentials, Some(Cause::CredentialsRejected), TOKEN)]
#[case::api(FaultKind::Denied, Some(Cause::ServiceDisabled), ADS_API)]
#[case::scope(FaultKind::Denied, Some(Cause::MissingScope), ADS_API)]
#[case::version(FaultKind::Denied, Some(Cause::UnsupportedVersion), ADS_API)]
#[case::access(FaultKind::Denied, Some(Cause::AccessDenied), CUSTOMER)]
#[case::unknown(FaultKind::Denied, Some(Cause::NotFound), CUSTOMER)]
#[case::malformed_id(FaultKind::Denied, None, CUSTOMER)]
fn a_fault_stands_where_it_belongs(#[case] kind: FaultKind, #[case] cause: Option<Cause>, #[case] at: &str) {
    let obstacle = Obstacle::Fault(AccountFault::new(kind, "Why", "What is wrong, and the way out."), cause);
    let probes = judge(Err(&obstacle), on(), true);
    let findings: Vec<_> = probes
        .iter()
        .filter(|probe| probe.verdict == ProbeVerdict::Finding)
        .collect();
    assert_eq!(findings.len(), 1, "{probes:#?}");
    assert_eq!(findings[0].name, at);
    assert_eq!(probes.len(), 8, "every probe keeps its line");
}

#[rstest]
#[case::api(
    Obstacle::Outage(said("Google Ads: HTTP 502."), Some("Google Ads")),
    ADS_API,
    ProbeVerdict::Fine
)]
#[case::token(
    Obstacle::Outage(said("Google OAuth: HTTP 502."), Some("Google OAuth")),
    TOKEN,
    ProbeVerdict::NotDone
)]
#[case::unread(Obstacle::NotDone(said("The cluster did not answer.")), TOKEN, ProbeVerdict::NotDone)]
fn trouble_stands_at_what_failed(#[case] obstacle: Obstacle, #[case] at: &str, #[case] token: ProbeVerdict) {
    let probes = judge(Err(&obstacle), on(), true);
    let not_done: Vec<_> = probes
        .iter()
        .filter(|probe| probe.verdict == ProbeVerdict::NotDone)
        .collect();
    assert_eq!(not_done.len(), 1, "{probes:#?}");
    assert_eq!((not_done[0].name.as_str(), find(&probes, TOKEN).verdict), (at, token));
}

fn said(what: &str) -> NotDone {
    NotDone(what.to_owned())
}

#[test]
fn a_project_for_tests_is_named() {
    let message = format!("Google Ads: {TEST_PROJECT}. Give access.");
    let fault = AccountFault::new(FaultKind::Denied, "AccessDenied", message);
    let probes = judge(Err(&Obstacle::Fault(fault, Some(Cause::AccessDenied))), on(), true);
    let tier = find(&probes, TIER);
    assert!(
        tier.verdict == ProbeVerdict::Finding && tier.message.contains("access level"),
        "{tier:?}"
    );
}

#[rstest]
#[case::answered(None, ProbeVerdict::Fine, "")]
#[case::off(Some(Cause::ServiceDisabled), ProbeVerdict::Finding, "Enable the Data Manager API")]
#[case::scope(Some(Cause::MissingScope), ProbeVerdict::Finding, "Secret google-ads")]
#[case::outage(Some(Cause::Unavailable), ProbeVerdict::NotDone, "")]
fn the_second_api(#[case] cause: Option<Cause>, #[case] verdict: ProbeVerdict, #[case] part: &str) {
    let answer = cause.map_or(Ok(()), |cause| Err(UpstreamError::new("Data Manager", cause, "x")));
    let probe = judge_data_manager(answer, Some("google-ads"));
    assert_eq!(probe.verdict, verdict);
    assert!(probe.message.contains(part), "{probe:?}");
}

#[test]
fn an_account_without_a_secret_is_told_whose_credentials_were_tried() {
    assert!(credentials(None).message.contains("of this machine"));
    assert_eq!(credentials(Some("google-ads")).verdict, ProbeVerdict::Fine);
}
