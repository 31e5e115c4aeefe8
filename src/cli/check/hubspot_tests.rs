#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use rstest::rstest;

use super::*;
use crate::cli::check::report::ProbeVerdict;
use crate::cli::offline::NotDone;
use crate::domain::account_health::AccountFault;
use crate::registry::test_support::hubspot_account;

const BOTH: Needs = Needs {
    forms: true,
    deals: true,
};

fn account(forms: Forms, deals: DealAccess) -> HubSpotAccount {
    HubSpotAccount {
        forms,
        deals,
        ..hubspot_account()
    }
}

fn known(needs: Needs, scopes: Option<&[String]>) -> PortalFacts<'_> {
    PortalFacts {
        secret: "hubspot",
        needs,
        scopes,
        quota: Some(Quota { left: 7, of: 250_000 }),
    }
}

fn verdicts(probes: &[Probe]) -> Vec<(&str, ProbeVerdict)> {
    probes
        .iter()
        .map(|probe| (probe.name.as_str(), probe.verdict))
        .collect()
}

fn scopes(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn only_the_scopes_that_events_need_are_probed() {
    let all = account(Forms::Listed(Arc::default()), DealAccess::Granted);
    let probes = judge(&known(Needs::default(), None), Ok(&all));
    let fine = [
        "credentials",
        "token",
        "portal",
        "scope crm.objects.contacts.read",
        "limits",
    ];
    assert_eq!(verdicts(&probes), fine.map(|probe| (probe, ProbeVerdict::Fine)));
    assert_eq!(probes[2].message, "Portal 1 (Europe/Berlin, EUR).");
    assert_eq!(
        probes[4].message,
        "7 of 250000 calls a day are left (the limit of Free or Starter)."
    );
    let probes = judge(&known(BOTH, None), Ok(&all));
    assert_eq!(probes.len(), 7, "{probes:?}");
}

/// What HubSpot said when forms and deals were read; what it says of the token; whether each scope is there.
#[rstest]
#[case::listed(false, Some(&[CONTACTS, DEALS, FORMS][..]), true, true)]
#[case::not_listed(false, Some(&[CONTACTS][..]), false, false)]
#[case::only_one_listed(false, Some(&[CONTACTS, FORMS][..]), false, true)]
#[case::not_told(false, None, true, true)]
#[case::denied(true, None, false, false)]
#[case::denied_though_listed(true, Some(&[CONTACTS, DEALS, FORMS][..]), false, false)]
fn each_scope_has_its_line(
    #[case] denied: bool,
    #[case] listed: Option<&[&str]>,
    #[case] deals: bool,
    #[case] forms: bool,
) {
    let why = || "it said no".to_owned();
    let read = if denied {
        account(Forms::Denied(why()), DealAccess::Denied(why()))
    } else {
        account(Forms::Listed(Arc::default()), DealAccess::Granted)
    };
    let listed = listed.map(scopes);
    let probes = judge(&known(BOTH, listed.as_deref()), Ok(&read));
    for (scope, granted) in [(DEALS, deals), (FORMS, forms)] {
        let name = format!("scope {scope}");
        let probe = probes.iter().find(|probe| probe.name == name).unwrap();
        assert_eq!(probe.verdict == ProbeVerdict::Fine, granted, "{probe:?}");
        if !granted {
            assert_eq!(probe.reason.as_deref(), Some("MissingScope"));
            assert!(
                probe.message.contains(scope) && probe.message.contains("Secret hubspot"),
                "{probe:?}"
            );
        }
    }
}

#[rstest]
#[case::token(FaultKind::Credentials, "SecretInvalid", "token", false)]
#[case::portal(FaultKind::Denied, "PortalMismatch", "portal", true)]
#[case::denied(FaultKind::Denied, "AccessDenied", "portal", true)]
#[case::scope(FaultKind::Denied, "MissingScope", "scope crm.objects.contacts.read", true)]
fn a_fault_stands_where_it_belongs(#[case] kind: FaultKind, #[case] why: &str, #[case] at: &str, #[case] token: bool) {
    let obstacle = Obstacle::Fault(AccountFault::new(kind, why, "What is wrong, and the way out."), None);
    let granted = scopes(&[DEALS]);
    let probes = judge(&known(BOTH, Some(&granted)), Err(&obstacle));
    let found = probes.iter().find(|probe| probe.name == at).unwrap();
    assert_eq!(
        (found.verdict, found.reason.as_deref()),
        (ProbeVerdict::Finding, Some(why))
    );
    assert_eq!(probes[1].verdict == ProbeVerdict::Fine, token, "{probes:?}");
    let forms = probes.iter().find(|probe| probe.name == "scope forms").unwrap();
    let expected = if why == "MissingScope" {
        ProbeVerdict::Finding
    } else {
        ProbeVerdict::Skipped
    };
    assert_eq!(forms.verdict, expected, "the other scopes are told too");
}

#[test]
fn what_could_not_be_asked_is_no_finding() {
    let outage = Obstacle::NotDone(NotDone("HubSpot: no answer in time".to_owned()));
    let probes = judge(&known(BOTH, None), Err(&outage));
    assert_eq!(probes[1].verdict, ProbeVerdict::NotDone);
    assert!(probes.iter().all(|probe| probe.verdict != ProbeVerdict::Finding));
    let probes = without_credentials(&outage, BOTH);
    assert_eq!(probes[0].verdict, ProbeVerdict::NotDone);
}

#[test]
fn trouble_of_hubspot_is_none_of_the_token() {
    let outage = Obstacle::Outage(NotDone("HubSpot: HTTP 503. Try again later.".to_owned()), None);
    let probes = judge(&known(BOTH, None), Err(&outage));
    let not_done: Vec<_> = probes
        .iter()
        .filter(|probe| probe.verdict == ProbeVerdict::NotDone)
        .collect();
    assert_eq!(not_done.len(), 1, "{probes:?}");
    assert_eq!(
        (not_done[0].name.as_str(), probes[1].verdict),
        (PORTAL, ProbeVerdict::Skipped)
    );
}

#[rstest]
#[case(None, ProbeVerdict::Skipped, "no daily limit")]
#[case(Some((12, 1_000_000)), ProbeVerdict::Fine, "Enterprise")]
#[case(Some((12, 777)), ProbeVerdict::Fine, "12 of 777 calls a day are left.")]
#[case(Some((0, 250_000)), ProbeVerdict::Finding, "used up")]
fn limits(#[case] quota: Option<(u64, u64)>, #[case] verdict: ProbeVerdict, #[case] part: &str) {
    let probe = judge_limits(quota.map(|(left, of)| Quota { left, of }));
    assert_eq!(probe.verdict, verdict);
    assert!(probe.message.contains(part), "{probe:?}");
}
