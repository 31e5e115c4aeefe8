//! Codes with which Google refuses single conversions: what they
//! mean, and what to do (docs/reference/google.md 4.3, 6.6).

/// Google's code for a click that came after its conversion.
pub const CLICK_TOO_LATE: &str = "ConversionPrecedesClick";

/// Google's codes (in CamelCase) that people meet, grouped by meaning: what they mean and what to do.
pub const EXPLAINED: &[(&[&str], &str)] = &[
    (
        &["ClickNotFound", "EventNotFound"],
        "Google knows no ad click with this id. Check that the property of spec.clickIds holds Google's id unchanged, and that the ads run in this account.",
    ),
    (
        &[
            "InvalidGclid",
            "InvalidGbraid",
            "InvalidWbraid",
            "UnparseableGclid",
            "UnparseableGbraid",
            "UnparseableWbraid",
            "InvalidClick",
            "InvalidAdIdentifiers",
        ],
        "Google cannot read the click id. Check what fills the property: an id that was cut off, or whose capitals were changed, cannot be used.",
    ),
    (
        &["ExpiredClick", "ExpiredEvent"],
        "The ad click is older than the click window of the conversion action. If it is shorter than 90 days, spec.conversionAction.create.clickThroughLookbackWindowDays can lengthen it.",
    ),
    (
        &["EventTooOld"],
        "The conversion is older than Google accepts. Nothing to do.",
    ),
    (
        &[CLICK_TOO_LATE, "ConversionPrecedesEvent"],
        "The stage was reached before the ad was clicked. Nothing to do.",
    ),
    (
        &[
            "InvalidOperatingAccountForClick",
            "OperatingAccountMismatchForAdIdentifier",
            "InvalidCustomerForClick",
            "UnauthorizedCustomer",
            "InvalidAdIdentifierForAccount",
        ],
        "The ad belongs to another Google Ads account. To count its conversions, create an event that uses that account.",
    ),
    (
        &["DeniedConsent", "NoConsent", "UnknownConsent"],
        "Google has no consent for these contacts. If they gave consent, configure spec.consent.",
    ),
    (
        &[
            "DestinationAccountEnhancedConversionsTermsNotSigned",
            "CustomerNotAcceptedCustomerDataTerms",
            "TermsAndConditionsNotSigned",
        ],
        "The customer data terms are not accepted. Accept them in Google Ads (Goals > Settings).",
    ),
    (
        &["OnePerClickConversionActionNotPermittedWithBraid"],
        "Conversions with gbraid or wbraid need conversionAction.create.countingType: ManyPerClick.",
    ),
    (
        &[
            "InvalidUserIdentifier",
            "UnsupportedUserIdentifier",
            "NoIdentifiersProvided",
        ],
        "Google could use none of the shared data. Check the contacts' e-mail addresses and phone numbers.",
    ),
    (
        &["InvalidCurrencyCode", "Unsupported"],
        "Google does not support the currency of the value. Use another currency in spec.value or in the deal.",
    ),
];

/// What the reason (Google's code in CamelCase) of a rejected row means, and what to do; `None` for the rare ones.
pub fn explain_rejection(reason: &str) -> Option<&'static str> {
    EXPLAINED
        .iter()
        .find(|(codes, _)| codes.contains(&reason))
        .map(|(_, message)| *message)
}

#[cfg(test)]
mod tests {
    use super::explain_rejection;

    #[rstest::rstest]
    #[case("ClickNotFound")]
    #[case("InvalidGclid")]
    #[case("ExpiredClick")]
    #[case("EventTooOld")]
    #[case("ConversionPrecedesClick")]
    #[case("InvalidOperatingAccountForClick")]
    #[case("OperatingAccountMismatchForAdIdentifier")]
    #[case("DeniedConsent")]
    #[case("DestinationAccountEnhancedConversionsTermsNotSigned")]
    #[case("OnePerClickConversionActionNotPermittedWithBraid")]
    #[case("UnparseableGclid")]
    #[case("EventNotFound")]
    #[case("ExpiredEvent")]
    #[case("InvalidCurrencyCode")]
    fn codes_that_people_meet_are_explained(#[case] reason: &str) {
        assert!(explain_rejection(reason).is_some(), "{reason}");
    }
}
