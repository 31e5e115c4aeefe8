#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::domain::ids::TransactionId;
use crate::upstream::google::test_support::upload;

fn row(click: Option<ClickId>, identifiers: Vec<UserIdentifier>) -> Conversion {
    Conversion {
        destination: 0,
        order: OrderId::Submission("6f1c-aa".into()),
        at: "2026-11-20T12:00:00.123Z".parse().unwrap(),
        value: None,
        click,
        identifiers,
        consent_granted: false,
    }
}

fn address(street: bool) -> UserIdentifier {
    UserIdentifier::Address {
        given_name: "g1".into(),
        family_name: "f1".into(),
        region: "DE".into(),
        postal_code: "10115".into(),
        street: street.then(|| "s1".into()),
        city: street.then(|| "Berlin".into()),
        state: None,
    }
}

fn json_of(bytes: Option<Vec<u8>>) -> Value {
    serde_json::from_slice(&bytes.unwrap()).unwrap()
}

#[test]
fn enhancements_to_the_letter() {
    let full = Conversion {
        value: Some(("12.50".parse().unwrap(), "EUR".into())),
        consent_granted: true,
        ..row(
            Some(ClickId::Gclid("Cj0".into())),
            vec![
                UserIdentifier::Email("e1".into()),
                UserIdentifier::Phone("p1".into()),
                address(true),
            ],
        )
    };
    let least = row(None, vec![address(false)]);
    assert_eq!(
        json_of(enhancements_body(
            &upload(vec![full, least]),
            UploadPurpose::Count,
            JobId::FIRST
        )),
        json!({"partialFailure": true, "jobId": 4093, "conversionAdjustments": [
            {"adjustmentType": "ENHANCEMENT", "orderId": "6f1c-aa",
             "conversionAction": "customers/1234567890/conversionActions/99",
             "gclidDateTimePair": {"gclid": "Cj0", "conversionDateTime": "2026-11-20 12:00:00+00:00"},
             "restatementValue": {"adjustedValue": 12.5, "currencyCode": "EUR"},
             "userIdentifiers": [
                {"userIdentifierSource": "FIRST_PARTY", "hashedEmail": "e1"},
                {"userIdentifierSource": "FIRST_PARTY", "hashedPhoneNumber": "p1"},
                {"userIdentifierSource": "FIRST_PARTY", "addressInfo": {
                    "hashedFirstName": "g1", "hashedLastName": "f1", "hashedStreetAddress": "s1", "city": "Berlin",
                    "postalCode": "10115", "countryCode": "DE"}}]},
            {"adjustmentType": "ENHANCEMENT", "orderId": "6f1c-aa",
             "conversionAction": "customers/1234567890/conversionActions/99",
             "gclidDateTimePair": {"conversionDateTime": "2026-11-20 12:00:00+00:00"},
             "userIdentifiers": [{"userIdentifierSource": "FIRST_PARTY", "addressInfo": {
                "hashedFirstName": "g1", "hashedLastName": "f1", "postalCode": "10115", "countryCode": "DE"}}]}]})
    );
}

#[test]
fn click_conversions_to_the_letter() {
    let full = Conversion {
        order: OrderId::Lifecycle(TransactionId([0xab; 20])),
        value: Some(("0".parse().unwrap(), "EUR".into())),
        consent_granted: true,
        ..row(
            Some(ClickId::Gclid("Cj0".into())),
            vec![address(true), UserIdentifier::Email("e1".into())],
        )
    };
    let least = row(Some(ClickId::Wbraid("w1".into())), vec![]);
    assert_eq!(
        json_of(clicks_body(
            &upload(vec![full, least]),
            UploadPurpose::Count,
            JobId::FIRST
        )),
        json!({"partialFailure": true, "jobId": 4093, "conversions": [
            {"gclid": "Cj0", "conversionAction": "customers/1234567890/conversionActions/99",
             "conversionDateTime": "2026-11-20 12:00:00+00:00", "conversionValue": 0.0, "currencyCode": "EUR",
             "orderId": format!("hs-{}", "ab".repeat(20)), "conversionEnvironment": "WEB",
             "userIdentifiers": [{"userIdentifierSource": "FIRST_PARTY", "hashedEmail": "e1"}],
             "consent": {"adUserData": "GRANTED"}},
            {"wbraid": "w1", "conversionAction": "customers/1234567890/conversionActions/99",
             "conversionDateTime": "2026-11-20 12:00:00+00:00", "orderId": "6f1c-aa", "conversionEnvironment": "WEB"}]})
    );
}

#[test]
fn a_row_without_a_destination_is_not_sent() {
    let stray = Conversion {
        destination: 1,
        ..row(None, vec![])
    };
    assert!(enhancements_body(&upload(vec![stray]), UploadPurpose::Count, JobId::FIRST).is_none());
}
