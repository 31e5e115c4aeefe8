//! Reduces a service's free text to words that can only be its own prose, before a person sees it. Everything else is
//! cut out, since a service may repeat what it was sent: names, addresses, phone numbers, tokens. A name in lower case
//! can't be told from a word; anything with a capital, a digit or a sign is kept only if it is known.

use std::fmt::Write as _;

use super::limits::{CODE_IN_PROSE_LIMIT, MOST_DIGITS, WORD_LIMIT};

/// The mark in the place of parts that were cut out.
pub const CUT: &str = "…";

/// Words with a capital, also those that begin a sentence. A list, because a name can begin a sentence too.
const CAPITALISED: &str = "A Access Account Action Adjustment All An And Another Any Application Are At Authentication \
    Authorization Bad Batch Body Both Call Can't Cannot Can Change Check Click Client Consent Content Contact Conversion \
    Conversions Could Couldn't Create Credentials Currency Customer Customers Daily Date Deal Destination Developer \
    Different Do Does Don't Duplicate Each Either Email Empty Enable Error Errors Event Events Exactly Exceeded Expected \
    Expired Failed Field Fields Filter For Form Found Function Grant How However If Illegal In Incorrect Insufficient \
    Internal Invalid Is It It's Its Limit List Login Make Malformed Many Maximum Metadata Method Minimum Missing More \
    Multiple Must Name Network Neither No None Not Number Object One Only Operation Operations Operator Or Otherwise \
    Parameter Path Permission Please Policy Product Project Property Query Quota Rate Read Reason Record Reference Refresh \
    Region Request Requested Requests Required Resource Resources Response Retry Scope Search See Server Service Set Some \
    Something Source Status String Temporary That The There These They This Those Time To Token Too Transaction Type \
    Unable Unauthorized Unexpected Unknown Unrecognized Unsupported Update Uploads Use User Users Value Values Version \
    Wait We When Where While Write You Your You're \
    Ads API APIs Cloud Console CRM Data Google HubSpot Manager Platform Workspace \
    DNS EOF GAQL GBRAID GCLID HTTP HTTPS ID IDs IP ISO JSON JWT MCC OAuth OAuth2 PII REST RFC SSL TLS URI URL URLs UTC \
    UTF-8 SHA-256 E.164 WBRAID XML GET POST AND OR FROM SELECT WHERE \
    AccessDenied BadCertificate BadSignature CertificateRequired Connection HandshakeFailure NotValidForName NotValidYet \
    ProtocolVersion Revoked UnknownCA UnknownIssuer";

/// Words in lower case with a sign inside.
const COMPOUNDS: &str = "e-mail e-mails and/or read-only write-only re-authenticate re-enable re-upload non-empty \
    non-negative non-zero non-test case-sensitive case-insensitive opt-in opt-out sign-in sign-up sub-account \
    time-zone well-formed short-lived long-lived built-in in-store one-time real-time rate-limited third-party first-party \
    cross-account auto-tagging self-certified two-step pre-defined up-to-date per-minute per-day per-project \
    ten_secondly_rolling";

/// Letters that may follow an apostrophe.
const TAILS: [&str; 8] = ["", "s", "t", "re", "ve", "ll", "d", "m"];

/// The words of `text` that are prose, and those that `named` knows; what was cut out in a row becomes one `…`. Ends at
/// the first word behind `limit` bytes.
pub fn keep_prose(text: &str, limit: usize, named: impl Fn(&str) -> bool) -> String {
    let mut kept = String::new();
    let mut cut = false;
    let mut digits = false;
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let core = trim_punctuation(word);
        // Phone numbers and addresses come in parts: "+49 170 123 45", "Ringstr. 12".
        let alone = !cut && !digits && !words.peek().is_some_and(|next| has_digit(next));
        let stays = named(core) || is_prose(core) || is_dash(word) || (alone && is_number(core));
        digits = has_digit(word);
        let shown = if stays { word } else { CUT };
        if stays || !cut {
            let space = if kept.is_empty() { "" } else { " " };
            // Writing to a string can't fail.
            let _ = write!(kept, "{space}{shown}");
        }
        cut = !stays;
        if kept.len() > limit {
            break;
        }
    }
    kept
}

/// A word without the punctuation around it.
fn trim_punctuation(word: &str) -> &str {
    let word = word.strip_prefix('(').unwrap_or(word);
    let core = word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '%']);
    // More than three such characters are no punctuation, but part of the word.
    if word.len() - core.len() <= 3 { core } else { word }
}

fn is_dash(word: &str) -> bool {
    matches!(word, "-" | "–" | "—" | "/" | "&")
}

fn has_digit(word: &str) -> bool {
    word.chars().any(char::is_numeric)
}

fn is_prose(core: &str) -> bool {
    let listed = |list: &str, word: &str| !word.is_empty() && list.split_ascii_whitespace().any(|known| known == word);
    let possessive = core.strip_suffix("'s").or_else(|| core.strip_suffix("’s"));
    listed(CAPITALISED, core)
        || listed(COMPOUNDS, core)
        || possessive.is_some_and(|owner| listed(CAPITALISED, owner))
        || is_plain(core)
        || is_code(core)
}

fn is_plain(core: &str) -> bool {
    let (stem, tail) = core.split_once(['\'', '’']).unwrap_or((core, ""));
    (1..=WORD_LIMIT).contains(&stem.len()) && stem.bytes().all(|b| b.is_ascii_lowercase()) && TAILS.contains(&tail)
}

/// `CUSTOMER_NOT_FOUND`, `INVALID_SHA256_FORMAT`.
fn is_code(core: &str) -> bool {
    let part = |part: &str| {
        matches!(part, "SHA256" | "E164" | "BASE64")
            || (!part.is_empty() && part.bytes().all(|b| b.is_ascii_uppercase()))
    };
    core.len() <= CODE_IN_PROSE_LIMIT && core.contains('_') && core.split('_').all(part)
}

/// `2000`, `1.5`.
fn is_number(core: &str) -> bool {
    let (whole, fraction) = core.split_once('.').unwrap_or((core, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    core.len() <= MOST_DIGITS && digits(whole) && digits(fraction)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &str) -> String {
        keep_prose(text, 4096, |_| false)
    }

    #[test]
    fn only_words_of_prose_stay() {
        for (raw, clean) in [
            (
                "leak.me@example.com +491701234567 ya29.SECRETTOKEN pat-evil evil-refresh Anna Maier",
                "…",
            ),
            ("The user Anna Maier isn't here.", "The user … isn't here."),
            ("Anna: the name is taken", "… the name is taken"),
            ("call +49 170 123 45 67 now", "call … now"),
            ("call 0170 12345 now", "call … now"),
            ("lives at Ringstraße 12, 10115 Berlin", "lives at …"),
            ("token GOCSPX-ab pat-na1-cd ya29.ef 1//gh end", "token … end"),
            ("secret=abc, key:abc and <b>", "… and …"),
            ("maier, ANNA or aNNA or zoë", "maier, … or … or …"),
            ("MAIER_2 and AN__NA and _A", "… and … and …"),
            ("x..... y", "… y"),
        ] {
            assert_eq!(cut(raw), clean, "{raw}");
        }
    }

    #[test]
    fn what_services_say_stays_readable() {
        for text in [
            "User doesn't have permission to access customer.",
            "The customer account can't be accessed because it is not yet enabled or has been deactivated.",
            "The developer token is only approved for use with test accounts.",
            "Request contains an invalid argument.",
            "Too many requests. Retry in 30 seconds.",
            "Resource was not found.",
            "There was a problem with the request.",
            "The maximum number of inputs supported in a batch request is 100",
            "One or more of the following scopes are required.",
            "This app hasn't been granted all required scopes to make this call.",
            "You have reached your ten_secondly_rolling limit.",
            "Request is missing required authentication credential. Expected OAuth 2 access token.",
            "The customer is not allowlisted for uploading conversions through the Google Ads API.",
            "Not an ISO 4217 code.",
            "The code is CUSTOMER_NOT_ENABLED (Google's own), see INVALID_SHA256_FORMAT.",
            "Connection refused (os error 111)",
            "received fatal alert: HandshakeFailure",
            "failed to lookup address information: Name or service not known",
        ] {
            assert_eq!(cut(text), text);
        }
    }

    #[test]
    fn names_that_the_caller_knows_stay() {
        let named = |word: &str| word == "hs_v2_1066237962";
        assert_eq!(
            keep_prose("No hs_v2_1066237962, hs_v2_5.", 99, named),
            "No hs_v2_1066237962, …"
        );
    }

    #[test]
    fn a_long_text_is_not_read_to_its_end() {
        assert_eq!(keep_prose(&"word ".repeat(1_000_000), 512, |_| false).len(), 514);
    }

    /// Names, addresses, phone numbers and secrets as services could repeat them, each with a mark to look for.
    fn private() -> impl Strategy<Value = String> {
        prop_oneof![
            "Zq[a-z]{2,12}",
            "ZQ[A-Z]{1,12}",
            "[a-z]{1,8}@zq[a-z]{1,6}\\.com",
            "\\+49[0-9]{9,11}",
            "0[0-9]{3,4} [0-9]{5,6}",
            "\\+49 [0-9]{3} [0-9]{3} [0-9]{2,4}",
            "\\(0[0-9]{3}\\) [0-9]{3,6}",
            "GOCSPX-[A-Za-z0-9_-]{4,28}",
            "pat-(na1|eu1)-[a-f0-9-]{4,36}",
            "ya29\\.[A-Za-z0-9_-]{4,60}",
            "1//[A-Za-z0-9_-]{4,60}",
            "zq-[a-z]{1,12}",
            "[a-z]{3}[0-9][a-z0-9]{3,30}",
            "[a-z]{25,60}",
        ]
    }

    proptest! {
        #[test]
        fn no_private_text_survives(
            said in proptest::collection::vec(prop_oneof!["[a-z]{1,10}[.,:;]?", "[(\"'=:]{0,2}"], 0..8),
            private in private(),
            place in 0usize..9,
            mark in "[.,;:!?)\"]{0,2}",
        ) {
            let mut words = said;
            let place = place.min(words.len());
            words.insert(place, format!("{private}{mark}"));
            let clean = cut(&words.join(" "));
            for part in private.split_whitespace() {
                prop_assert!(!clean.split(|c: char| c.is_whitespace()).any(|word| word.contains(part)), "{clean}");
            }
        }

        #[test]
        fn what_stays_of_any_text_is_prose(text in "\\PC{0,200}") {
            let clean = cut(&text);
            for word in clean.split_whitespace() {
                let core = trim_punctuation(word);
                prop_assert!(word == CUT || is_dash(word) || is_prose(core) || is_number(core), "{word}");
            }
            prop_assert!(!clean.contains("… …"));
            prop_assert_eq!(cut(&clean), clean);
        }
    }
}
