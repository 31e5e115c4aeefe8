//! The table beside what Google has published.

use super::*;

/// Published names: enum, name, whose matter.
fn published() -> Vec<(&'static str, &'static str, &'static str)> {
    let mut heading = "";
    let mut names = Vec::new();
    for line in include_str!("codes_published.txt").lines() {
        match line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            Some(found) => heading = found,
            None if line.is_empty() || line.starts_with('#') || line.starts_with("- ") => {}
            None => match line.split_once(' ') {
                Some((name, matter)) => names.push((heading, name, matter)),
                None => panic!("{line}"),
            },
        }
    }
    names
}

fn wanted(matter: &str) -> Class {
    match matter {
        "row" => Class::Rejected,
        "delivered" => Class::Delivered,
        "split" => Class::TooLarge,
        "forgotten" => Class::Forgotten,
        "account" => Class::Blocked(Matter::Account),
        "allowlist" => Class::Blocked(Matter::NotAllowlisted),
        "terms" => Class::Blocked(Matter::Terms),
        "enhancements" => Class::Blocked(Matter::Enhancements),
        "action" => Class::Blocked(Matter::Action),
        "W-click" => Class::Wait(reason::CLICK_TOO_RECENT),
        "W-action" => Class::Wait(reason::ACTION_TOO_NEW),
        "W-web" => Class::Wait(reason::AWAITING_WEB_CONVERSION),
        "W-quota" => Class::Wait(reason::QUOTA_EXHAUSTED),
        "W-later" => Class::Wait(reason::UPSTREAM_UNAVAILABLE),
        other => panic!("{other}"),
    }
}

fn class(heading: &str, name: &str) -> Option<Class> {
    let code = match heading {
        "errorReason" | "processingErrorReason" => data_manager_code(name),
        key => ads_code(key, name),
    };
    code.map(|code| code.class)
}

#[test]
fn every_published_name_has_its_class() {
    let names = published();
    for (heading, least) in [
        ("errorReason", 60),
        ("processingErrorReason", 45),
        ("conversionUploadError", 44),
        ("conversionAdjustmentUploadError", 25),
        ("authorizationError", 17),
        ("quotaError", 6),
        ("internalError", 4),
        ("databaseError", 3),
    ] {
        let listed = names.iter().filter(|(h, ..)| *h == heading).count();
        assert!(listed >= least, "{heading}: {listed}");
    }
    for (heading, name, matter) in names {
        assert_eq!(class(heading, name), Some(wanted(matter)), "{name} of {heading}");
        assert_eq!(class(heading, bare_name(name)), class(heading, name), "{name}");
    }
}

#[test]
fn no_name_stands_in_the_table_that_nobody_published_and_none_twice() {
    let published: Vec<_> = published().into_iter().map(|(_, name, _)| bare_name(name)).collect();
    let mut all: Vec<&str> = Vec::new();
    for list in [
        &DELIVERED[..],
        &TOO_LARGE,
        &ACCOUNT,
        &TERMS,
        &ENHANCEMENTS,
        &ACTION,
        &REJECTED,
    ] {
        all.extend(list);
    }
    for name in &all {
        assert!(published.contains(name), "{name}");
    }
    let listed = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), listed);
}

#[test]
fn a_new_name_is_unknown_under_keys_whose_names_differ_and_as_its_key_says_elsewhere() {
    for heading in [
        "errorReason",
        "conversionUploadError",
        "conversionAdjustmentUploadError",
        "aKeyOf2027",
    ] {
        assert_eq!(class(heading, "A_NAME_OF_2027"), Some(Class::Unknown), "{heading}");
    }
    let new = |key| class(key, "A_NAME_OF_2027");
    assert_eq!(new("notAllowlistedError"), Some(Class::Blocked(Matter::NotAllowlisted)));
    assert_eq!(new("authorizationError"), Some(Class::Blocked(Matter::Account)));
    assert_eq!(new("quotaError"), Some(Class::Wait(reason::QUOTA_EXHAUSTED)));
    assert_eq!(new("internalError"), Some(Class::Wait(reason::UPSTREAM_UNAVAILABLE)));
    assert_eq!(new("fieldError"), Some(Class::Rejected));
}

#[test]
fn what_is_no_code_is_not_kept() {
    for text in ["two words", "ada@example.com", &"A".repeat(121)] {
        let unknown = Some(Code::test("UNKNOWN", Class::SaysNothing));
        assert_eq!(data_manager_code(text), unknown, "{text}");
        assert_eq!(ads_code("fieldError", text), unknown, "{text}");
    }
    assert_eq!((data_manager_code(""), ads_code("fieldError", "")), (None, None));
}

/// Where the key names the matter, it is that matter, whatever the name.
#[rstest::rstest]
#[case("errorReason", "ERROR_REASON_UNSPECIFIED", Class::SaysNothing)]
#[case("processingErrorReason", "PROCESSING_ERROR_REASON_UNSPECIFIED", Class::SaysNothing)]
#[case("processingErrorReason", "UNKNOWN", Class::SaysNothing)]
#[case("conversionUploadError", "UNSPECIFIED", Class::SaysNothing)]
#[case("conversionAdjustmentUploadError", "UNKNOWN", Class::SaysNothing)]
#[case("requestError", "UNKNOWN", Class::SaysNothing)]
#[case("aKeyOf2027", "UNSPECIFIED", Class::SaysNothing)]
#[case("processingErrorReason", "PROCESSING_ERROR_REASON_UNKNOWN_CONSENT", Class::Rejected)]
#[case("authorizationError", "UNKNOWN", Class::Blocked(Matter::Account))]
#[case("conversionActionError", "UNKNOWN", Class::Blocked(Matter::Action))]
#[case("quotaError", "UNSPECIFIED", Class::Wait(reason::QUOTA_EXHAUSTED))]
#[case("internalError", "UNKNOWN", Class::Wait(reason::UPSTREAM_UNAVAILABLE))]
fn a_name_for_none_says_nothing(#[case] heading: &str, #[case] name: &str, #[case] wanted: Class) {
    assert_eq!(class(heading, name), Some(wanted));
}

#[rstest::rstest]
#[case("PROCESSING_ERROR_REASON_INVALID_GCLID", "InvalidGclid")]
#[case(
    "PROCESSING_ERROR_OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER",
    "OperatingAccountMismatchForAdIdentifier"
)]
#[case("A_NAME_OF_2027", "ANameOf2027")]
fn the_reason_of_a_code_has_no_prefix(#[case] name: &str, #[case] reason: &str) {
    let code = data_manager_code(name).map(|code| (code.name, code.reason));
    assert_eq!(code, Some((name.to_owned(), reason.to_owned())));
}

#[test]
fn every_complaint_about_a_destination_has_a_code() {
    let named = |code: &Code| code.name.clone();
    let (own, whole) = (
        data_manager_code("INVALID_FORMAT"),
        data_manager_code("RESOURCE_EXHAUSTED"),
    );
    assert_eq!(named(&of_destination(own, whole.as_ref())), "INVALID_FORMAT");
    assert_eq!(named(&of_destination(None, whole.as_ref())), "RESOURCE_EXHAUSTED");
    let none = of_destination(None, None);
    assert_eq!(
        (named(&none).as_str(), none.class),
        ("INVALID_DESTINATION", Class::Blocked(Matter::Action))
    );
}
