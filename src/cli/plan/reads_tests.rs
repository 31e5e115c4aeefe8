#![allow(clippy::unwrap_used)]

use std::future::{pending, ready};

use rstest::rstest;
use secrecy::SecretString;

use super::*;

const HUBSPOT: &str = "HubSpot";

fn reader(log: &ReadLog) -> QuestionReader {
    log.reader(HUBSPOT, CredentialsId::new(None))
}

fn unread(log: &ReadLog) -> Vec<(String, String)> {
    let found = log.unread(HUBSPOT, CredentialsId::new(None)).into_iter();
    found.map(|unread| (unread.what, unread.message)).collect()
}

fn failed(cause: Cause) -> Result<(), UpstreamError> {
    Err(UpstreamError::new(HUBSPOT, cause, "HTTP 503"))
}

fn ids(ids: &[&str]) -> Vec<(String, String)> {
    ids.iter().map(|id| (String::new(), (*id).to_owned())).collect()
}

#[tokio::test]
async fn a_question_is_open_until_it_is_answered() {
    let log = ReadLog::default();
    let reader = reader(&log);
    let portal = || reader.ask("the portal", "", ready(failed(Cause::Unavailable)));
    portal().await.unwrap_err();
    assert_eq!(
        unread(&log),
        [("the portal".to_owned(), "HubSpot: HTTP 503".to_owned())]
    );
    reader.ask("the portal", "", ready(Ok(()))).await.unwrap();
    assert!(unread(&log).is_empty());
    // One that is given up on is not answered.
    let call = reader.ask("the portal", "", pending::<Result<(), _>>());
    tokio::select! {
        biased;
        _ = call => panic!("answered"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(unread(&log)[0].1, "no answer came in time");
}

#[tokio::test]
async fn what_fails_together_may_be_answered_one_by_one() {
    let log = ReadLog::default();
    let reader = reader(&log);
    let all = ids(&["1", "2", "3"]);
    reader
        .ask_all(DEALS, all, ready(failed(Cause::TooLarge)))
        .await
        .unwrap_err();
    assert_eq!(unread(&log).len(), 1, "one line for all of them");
    reader.ask_all(DEALS, ids(&["1", "3"]), ready(Ok(()))).await.unwrap();
    assert_eq!(unread(&log).len(), 1);
    reader.ask_all(DEALS, ids(&["2"]), ready(Ok(()))).await.unwrap();
    assert!(unread(&log).is_empty());
}

#[tokio::test]
async fn a_list_that_was_read_to_its_end_has_no_holes() {
    let log = ReadLog::default();
    let reader = reader(&log);
    for list in ["a", "b"] {
        let page = [(list.to_owned(), "200".to_owned())];
        let call = ready(failed(Cause::Unavailable));
        reader.ask_all(SEARCH, page, call).await.unwrap_err();
    }
    reader.list_ended(SEARCH, "a");
    assert_eq!(unread(&log).len(), 1);
    reader.list_ended(SEARCH, "b");
    assert!(unread(&log).is_empty());
}

#[rstest]
#[case(SEARCH, Cause::Refused, false)]
#[case(DEALS, Cause::Refused, true)]
#[case(FORMS, Cause::MissingScope, false)]
#[case(SEARCH, Cause::MissingScope, true)]
#[case(FORMS, Cause::Unavailable, true)]
#[tokio::test]
async fn the_operator_decides_by_some_refusals(#[case] what: &'static str, #[case] cause: Cause, #[case] open: bool) {
    let log = ReadLog::default();
    reader(&log).ask(what, "", ready(failed(cause))).await.unwrap_err();
    assert_eq!(!unread(&log).is_empty(), open);
}

#[tokio::test]
async fn accounts_are_told_apart_by_their_credentials() {
    let secret = |token: &str| SecretData::from([("token".to_owned(), SecretString::from(token))]);
    let (one, other) = (
        CredentialsId::new(Some(&secret("1"))),
        CredentialsId::new(Some(&secret("2"))),
    );
    assert_eq!(one, CredentialsId::new(Some(&secret("1"))));
    let log = ReadLog::default();
    let call = ready(failed(Cause::Unavailable));
    log.reader(HUBSPOT, one).ask("the portal", "", call).await.unwrap_err();
    assert_eq!(log.unread(HUBSPOT, one).len(), 1);
    assert!(log.unread(HUBSPOT, other).is_empty() && log.unread("Google Ads", one).is_empty());
}
