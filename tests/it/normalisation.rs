//! How values of contacts are normalised and hashed: one table, which `cargo xtask conformance` also runs through
//! Google's own formatter.

use std::collections::{BTreeMap, BTreeSet};
use std::{env, fs};

use adconversion_operator::api::SharedData;
use adconversion_operator::domain::contact::Contact;
use adconversion_operator::domain::conversion::UserIdentifier;
use adconversion_operator::domain::identifiers;
use adconversion_operator::domain::ids::ContactId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const CASES: &str = include_str!("normalisation/cases.yaml");
/// Where the table goes as JSON, if set.
const TABLE: &str = "NORMALISATION_TABLE";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    explanations: BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Email,
    Phone,
    GivenName,
    FamilyName,
    PostalCode,
    RegionCode,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    kind: Kind,
    input: String,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    output: Option<String>,
    #[serde(default)]
    hashed: bool,
    #[serde(default)]
    explained: Option<String>,
}

/// A row for the comparison with Google's formatter: what our code made of an input.
#[derive(Serialize)]
struct Row<'a> {
    kind: Kind,
    input: &'a str,
    region: Option<&'a str>,
    output: Option<String>,
    hash: Option<String>,
    explained: Option<&'a str>,
}

fn file() -> File {
    serde_yaml::from_str(CASES).unwrap()
}

fn normalised(case: &Case) -> Option<String> {
    match case.kind {
        Kind::Email => identifiers::normalize_email(&case.input),
        Kind::Phone => identifiers::normalize_phone(&case.input, case.region.as_deref()),
        Kind::GivenName | Kind::FamilyName => identifiers::normalize_name(&case.input),
        Kind::PostalCode => identifiers::normalize_place(&case.input),
        Kind::RegionCode => identifiers::to_region(&case.input).map(str::to_owned),
    }
}

/// What of the value would be sent for a contact that has it: the hash, or the plain text of kinds that are not hashed.
fn sent(case: &Case) -> Option<String> {
    let (property, kind) = match case.kind {
        Kind::Email => ("email", SharedData::Email),
        Kind::Phone => ("phone", SharedData::Phone),
        Kind::GivenName => ("firstname", SharedData::Address),
        Kind::FamilyName => ("lastname", SharedData::Address),
        Kind::PostalCode => ("zip", SharedData::Address),
        Kind::RegionCode => ("country", SharedData::Address),
    };
    let mut properties: BTreeMap<String, String> =
        [("firstname", "a"), ("lastname", "b"), ("zip", "1"), ("country", "DE")]
            .into_iter()
            .filter(|_| kind == SharedData::Address)
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
    properties.insert(property.to_owned(), case.input.clone());
    let contact = Contact {
        requested_id: ContactId(1),
        id: ContactId(1),
        updated_at: Some(Timestamp::UNIX_EPOCH),
        as_of: None,
        properties: properties.into_iter().collect(),
        history: Vec::new(),
        flaw: None,
    };
    let mut found = identifiers::identifiers_of(&contact, &[kind], case.region.as_deref());
    assert!(found.len() <= 1);
    Some(match found.pop()? {
        UserIdentifier::Email(hash) | UserIdentifier::Phone(hash) => hash,
        UserIdentifier::Address {
            given_name,
            family_name,
            region,
            postal_code,
            ..
        } => match case.kind {
            Kind::GivenName => given_name,
            Kind::FamilyName => family_name,
            Kind::PostalCode => postal_code,
            _ => region,
        },
    })
}

fn is_hashed(kind: Kind) -> bool {
    !matches!(kind, Kind::PostalCode | Kind::RegionCode)
}

#[test]
fn values_are_normalised_as_the_table_says() {
    for case in file().cases {
        let (kind, input, region) = (case.kind, &case.input, &case.region);
        let output = normalised(&case);
        if !(case.hashed && matches!(kind, Kind::GivenName | Kind::FamilyName)) {
            assert_eq!(output, case.output, "{kind:?} {input:?} {region:?}");
        }
        let expected = match &case.output {
            _ if case.hashed => Some(input.trim().to_lowercase()),
            Some(output) if is_hashed(kind) => Some(identifiers::sha256_hex(output)),
            plain => plain.clone(),
        };
        assert_eq!(sent(&case), expected, "sent for {kind:?} {input:?} {region:?}");
    }
}

#[test]
fn the_table_is_wide_enough() {
    let file = file();
    let count = |kinds: &[Kind]| file.cases.iter().filter(|case| kinds.contains(&case.kind)).count();
    assert!(file.cases.len() >= 120);
    assert!(count(&[Kind::Email]) >= 45);
    assert!(count(&[Kind::Phone]) >= 40);
    assert!(count(&[Kind::GivenName, Kind::FamilyName]) >= 15);
    assert!(count(&[Kind::PostalCode]) >= 10);
    assert!(count(&[Kind::RegionCode]) >= 10);
    let used: BTreeSet<_> = file.cases.iter().filter_map(|case| case.explained.as_ref()).collect();
    let known: BTreeSet<_> = file.explanations.keys().collect();
    assert_eq!(used, known, "explanations used and known");
}

#[test]
fn the_table_is_written_for_the_comparison() {
    let file = file();
    let rows: Vec<_> = file
        .cases
        .iter()
        .map(|case| Row {
            kind: case.kind,
            input: &case.input,
            region: case.region.as_deref(),
            output: normalised(case).filter(|_| !case.hashed),
            hash: sent(case).filter(|_| is_hashed(case.kind)),
            explained: case.explained.as_ref().map(|key| file.explanations[key].as_str()),
        })
        .collect();
    let text = serde_json::to_string_pretty(&rows).unwrap();
    assert_eq!(
        serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap().len(),
        file.cases.len()
    );
    if let Some(path) = env::var_os(TABLE) {
        fs::write(path, text).unwrap();
    }
}
