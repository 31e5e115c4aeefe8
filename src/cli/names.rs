//! Names of objects and namespaces, as Kubernetes takes them. They become parts of the API server's paths, so that none
//! is asked about before it is known to be one.

/// Longest name of an object, in characters
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names>).
const LONGEST_NAME: usize = 253;
/// Longest name of a namespace, in characters
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names>).
const LONGEST_NAMESPACE: usize = 63;

/// What a name of an object must be like.
const NAME_RULE: &str =
    "Use lower-case letters, digits, '-' and '.', with a letter or digit at both ends, and at most 253 characters.";
/// What a name of a namespace must be like.
const NAMESPACE_RULE: &str =
    "Use lower-case letters, digits and '-', with a letter or digit at both ends, and at most 63 characters.";

/// Judges the name of an object.
///
/// # Errors
/// What it must be like, as a sentence.
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    if name.len() <= LONGEST_NAME && name.split('.').all(is_label) {
        return Ok(());
    }
    Err(NAME_RULE)
}

/// Judges the name of a namespace.
///
/// # Errors
/// What it must be like, as a sentence.
pub(super) fn check_namespace(name: &str) -> Result<(), &'static str> {
    if name.len() <= LONGEST_NAMESPACE && is_label(name) {
        return Ok(());
    }
    Err(NAMESPACE_RULE)
}

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// Reads the name of an object from the command line.
///
/// # Errors
/// What it must be like.
pub(super) fn parse_name(given: &str) -> Result<String, String> {
    check_name(given).map_err(|rule| format!("it is not a valid object name. {rule}"))?;
    Ok(given.to_owned())
}

/// Reads the name of a namespace from the command line.
///
/// # Errors
/// What it must be like.
pub(super) fn parse_namespace(given: &str) -> Result<String, String> {
    check_namespace(given).map_err(|rule| format!("it is not a valid namespace name. {rule}"))?;
    Ok(given.to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("won", true, true)]
    #[case("0-9", true, true)]
    #[case("won.acme", true, false)]
    #[case("", false, false)]
    #[case("..", false, false)]
    #[case("../secrets", false, false)]
    #[case("a#b", false, false)]
    #[case("a?dryRun=All", false, false)]
    #[case("a%2fb", false, false)]
    #[case("a/b", false, false)]
    #[case("a..b", false, false)]
    #[case("-a", false, false)]
    #[case("a-", false, false)]
    #[case("a.-b", false, false)]
    #[case("Won", false, false)]
    #[case("zoë", false, false)]
    #[case("a\nb", false, false)]
    fn only_what_needs_no_escape_is_a_name(#[case] text: &str, #[case] name: bool, #[case] namespace: bool) {
        assert_eq!(check_name(text).is_ok(), name);
        assert_eq!(check_namespace(text).is_ok(), namespace);
    }

    #[test]
    fn names_have_a_longest() {
        assert!(check_name(&"a".repeat(253)).is_ok() && check_name(&"a".repeat(254)).is_err());
        assert!(check_namespace(&"a".repeat(63)).is_ok() && check_namespace(&"a".repeat(64)).is_err());
    }
}
