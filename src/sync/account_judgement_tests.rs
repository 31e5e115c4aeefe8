use super::*;
use crate::ports::test_support::at;
use crate::sync::test_support::action;

fn error(cause: Cause, code: Option<&str>, status: Option<u16>) -> UpstreamError {
    UpstreamError {
        code: code.map(str::to_owned),
        status,
        ..UpstreamError::new("Data Manager", cause, "")
    }
}

#[rstest::rstest]
#[case::denied(Cause::AccessDenied, Some("PERMISSION_DENIED"), Some(403), true)]
#[case::refused_token(Cause::CredentialsRejected, Some("UNAUTHENTICATED"), Some(401), true)]
#[case::a_page(Cause::AccessDenied, None, Some(403), false)]
#[case::not_called(Cause::AccessDenied, Some("PERMISSION_DENIED"), None, false)]
#[case::switched_off(Cause::ServiceDisabled, Some("SERVICE_DISABLED"), Some(403), true)]
#[case::not_allowlisted(Cause::NotAllowlisted, Some("NOT_ALLOWLISTED"), Some(403), true)]
#[case::no_path(Cause::UnsupportedVersion, Some("NOT_FOUND"), Some(404), true)]
#[case::nothing_there(Cause::NotFound, Some("NOT_FOUND"), Some(404), true)]
#[case::a_limit(Cause::RateLimited, Some("RESOURCE_EXHAUSTED"), Some(429), false)]
#[case::a_bad_row(Cause::Refused, Some("INVALID_ARGUMENT"), Some(400), false)]
fn what_is_weighed(
    #[case] cause: Cause,
    #[case] code: Option<&str>,
    #[case] status: Option<u16>,
    #[case] weighed: bool,
) {
    assert_eq!(is_denial(&error(cause, code, status)), weighed);
}

#[test]
fn a_denied_token_is_not_weighed_and_shows_nothing() {
    let denied = UpstreamError {
        about_token: true,
        ..error(Cause::CredentialsRejected, Some("invalid_grant"), Some(400))
    };
    assert!(!is_denial(&denied));
    assert_eq!(judgement_of(&Err(denied.into())), Judgement::Unanswered);
}

/// A refusal of the request as a whole.
#[rstest::rstest]
#[case::denied_too(Cause::AccessDenied, Some("PERMISSION_DENIED"), Some(403), Judgement::Denied)]
#[case::the_token_too(Cause::CredentialsRejected, Some("UNAUTHENTICATED"), Some(401), Judgement::Denied)]
#[case::its_click_is_unknown(Cause::Refused, Some("INVALID_ARGUMENT"), Some(400), Judgement::LetIn)]
#[case::a_page(Cause::AccessDenied, None, Some(403), Judgement::Unanswered)]
#[case::a_page_that_refuses(Cause::Refused, None, Some(400), Judgement::Unanswered)]
#[case::down(Cause::Unavailable, Some("UNAVAILABLE"), Some(503), Judgement::Unanswered)]
#[case::a_limit(Cause::RateLimited, Some("RESOURCE_EXHAUSTED"), Some(429), Judgement::Unanswered)]
#[case::a_quota(Cause::QuotaExhausted, Some("RESOURCE_EXHAUSTED"), Some(429), Judgement::Unanswered)]
#[case::broken(Cause::Unavailable, None, None, Judgement::Unanswered)]
#[case::garbled(Cause::Malformed, None, Some(200), Judgement::Unanswered)]
fn what_an_error_shows(
    #[case] cause: Cause,
    #[case] code: Option<&str>,
    #[case] status: Option<u16>,
    #[case] expected: Judgement,
) {
    assert_eq!(judgement_of(&Err(error(cause, code, status).into())), expected);
}

/// A code that comes for the row or the destination of nobody, or for its request.
#[rstest::rstest]
#[case::the_account(Class::Blocked(Matter::Account), Judgement::Denied)]
#[case::the_way(Class::Blocked(Matter::NotAllowlisted), Judgement::Denied)]
#[case::the_action(Class::Blocked(Matter::Action), Judgement::LetIn)]
#[case::terms(Class::Blocked(Matter::Terms), Judgement::LetIn)]
#[case::the_row(Class::Rejected, Judgement::LetIn)]
fn what_a_code_shows(#[case] class: Class, #[case] expected: Judgement) {
    let complaint = Complaint {
        row: None,
        destination: Some(0),
        code: Some(Code::test("A_CODE", class)),
    };
    assert_eq!(judgement_of(&Ok(vec![complaint.clone()])), expected, "in a good answer");
    let refused = IngestError {
        complaints: vec![complaint],
        ..error(Cause::Refused, Some("INVALID_ARGUMENT"), Some(400)).into()
    };
    assert_eq!(judgement_of(&Err(refused)), expected, "of a destination");
    let refused = IngestError {
        code: Some(Code::test("A_CODE", class)),
        ..error(Cause::Refused, Some("A_CODE"), Some(400)).into()
    };
    assert_eq!(judgement_of(&Err(refused)), expected, "of the request");
}

#[test]
fn who_was_taken_last_is_asked_about_first_and_nobody_twice() {
    let click = DummyIdentity {
        click: true,
        identifiers: false,
    };
    let shared = DummyIdentity {
        identifiers: true,
        ..click
    };
    let mut refusals = Refusals::default();
    for (id, minute) in [(2, 1), (4, 3), (3, 2)] {
        refusals.record_taken(&action(id), at(minute));
    }
    let declared = (1..20).map(|id| (action(id), click)).collect();
    let own = vec![(action(7), shared), (action(1), click)];
    let found = in_turn(declared, own, &refusals);
    let expected = [
        (4, click),
        (3, click),
        (2, click),
        (7, shared),
        (1, click),
        (5, click),
        (6, click),
    ];
    assert_eq!(found, expected.map(|(id, by)| (action(id), by)));
}
