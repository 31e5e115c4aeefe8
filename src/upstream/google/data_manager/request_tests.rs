#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;

use crate::domain::ids::{ActionId, TransactionId};
use crate::upstream::google::test_support::cid;

fn row(destination: usize) -> Conversion {
    Conversion {
        destination,
        order: OrderId::Lifecycle(TransactionId([0xab; 20])),
        at: "2026-11-20T12:00:00.512Z".parse().unwrap(),
        value: None,
        click: None,
        identifiers: Vec::new(),
        consent_granted: false,
    }
}

fn request(rows: Vec<Conversion>) -> UploadRequest {
    let destination = |action| cid("1234567890").action_key(ActionId(action));
    UploadRequest {
        destinations: vec![destination(99), destination(100)],
        rows,
    }
}

fn text(request: &UploadRequest) -> String {
    String::from_utf8(ingest_body(request, None, UploadPurpose::Count).unwrap()).unwrap()
}

#[test]
fn the_whole_body_is_as_documented() {
    let full = Conversion {
        value: Some(("12.50".parse().unwrap(), "EUR".to_owned())),
        click: Some(ClickId::Gclid("G".to_owned())),
        identifiers: vec![
            UserIdentifier::Email("e1".to_owned()),
            UserIdentifier::Phone("p1".to_owned()),
            UserIdentifier::Address {
                given_name: "g1".to_owned(),
                family_name: "f1".to_owned(),
                region: "US".to_owned(),
                postal_code: "94045".to_owned(),
                street: Some("s1".to_owned()),
                city: Some("c1".to_owned()),
                state: None,
            },
        ],
        consent_granted: true,
        ..row(0)
    };
    let bare = Conversion {
        click: Some(ClickId::Wbraid("W".to_owned())),
        ..row(1)
    };
    let login = cid("4560000000");
    let body = ingest_body(&request(vec![full, bare]), Some(&login), UploadPurpose::Count).unwrap();
    let sent: Value = serde_json::from_slice(&body).unwrap();
    let transaction = "hs-abababababababababababababababababababab";
    let account = json!({"accountType": "GOOGLE_ADS", "accountId": "1234567890"});
    let login = json!({"accountType": "GOOGLE_ADS", "accountId": "4560000000"});
    assert_eq!(
        sent,
        json!({
            "destinations": [
                {"reference": "d0", "operatingAccount": account, "loginAccount": login, "productDestinationId": "99"},
                {"reference": "d1", "operatingAccount": account, "loginAccount": login, "productDestinationId": "100"}],
            "encoding": "HEX",
            "events": [
                {"destinationReferences": ["d0"], "transactionId": transaction,
                 "eventTimestamp": "2026-11-20T12:00:00.512Z", "eventSource": "WEB", "currency": "EUR",
                 "conversionValue": 12.5, "adIdentifiers": {"gclid": "G"},
                 "userData": {"userIdentifiers": [{"emailAddress": "e1"}, {"phoneNumber": "p1"},
                    {"address": {"givenName": "g1", "familyName": "f1", "regionCode": "US", "postalCode": "94045"}}]},
                 "consent": {"adUserData": "CONSENT_GRANTED"}},
                {"destinationReferences": ["d1"], "transactionId": transaction,
                 "eventTimestamp": "2026-11-20T12:00:00.512Z", "eventSource": "WEB", "adIdentifiers": {"wbraid": "W"}}]
        })
    );
}

#[test]
fn what_is_absent_is_left_out() {
    let only = Conversion {
        click: Some(ClickId::Gbraid("B".to_owned())),
        ..row(0)
    };
    assert_eq!(
        text(&UploadRequest {
            destinations: vec![cid("1234567890").action_key(ActionId(99))],
            rows: vec![only],
        }),
        "{\"destinations\":[{\"reference\":\"d0\",\"operatingAccount\":{\"accountType\":\"GOOGLE_ADS\",\
         \"accountId\":\"1234567890\"},\"productDestinationId\":\"99\"}],\"events\":[{\"destinationReferences\":[\"d0\"],\
         \"transactionId\":\"hs-abababababababababababababababababababab\",\
         \"eventTimestamp\":\"2026-11-20T12:00:00.512Z\",\"eventSource\":\"WEB\",\"adIdentifiers\":{\"gbraid\":\"B\"}}]}"
    );
}

#[test]
fn values_are_the_nearest_double_and_zero_is_sent() {
    for (declared, sent) in [
        ("0.1", "0.1"),
        ("0", "0.0"),
        ("999999999999.999", "999999999999.999"),
        ("250.00", "250.0"),
    ] {
        let valued = Conversion {
            value: Some((declared.parse().unwrap(), "EUR".to_owned())),
            ..row(0)
        };
        let body = text(&request(vec![valued]));
        assert!(body.contains(&format!("\"conversionValue\":{sent}}}")), "{body}");
    }
}

#[test]
fn a_row_without_a_destination_is_not_written() {
    assert!(ingest_body(&request(vec![row(2)]), None, UploadPurpose::Count).is_none());
}
