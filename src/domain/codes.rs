//! What an upstream's code means for a conversion. The client that knows the codes gives each its [`Class`]
//! (`upstream/google/row_classes.rs`); everything behind it looks at classes only.

/// What a refusal is about if it is not about the single conversion. A person must act; conversions wait meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Matter {
    /// The account: access, permissions, links between accounts.
    Account,
    /// The account or project may not use this way of uploading.
    NotAllowlisted,
    /// The customer data terms, or a policy about customer data: concerns conversions with shared data.
    Terms,
    /// Enhanced conversions are switched off: concerns conversions with shared data.
    Enhancements,
    /// The conversion action: unknown, of another account, or of a kind that takes no such upload.
    Action,
}

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Wait, then send again; the pending reason to show.
    Wait(&'static str),
    /// The ad network has it already: counts as uploaded.
    Delivered,
    /// The account or the action is not set up for it. Rows wait as `AccountNotReady`, and a condition names the code.
    Blocked(Matter),
    /// The request was too large or repeated itself: smaller requests are sent.
    TooLarge,
    /// The row is refused for good.
    Rejected,
    /// An answer about a request, not about rows: the ad network does not know it (any more).
    Forgotten,
    /// A name we don't know. It counts as [`Class::Rejected`] and is shown verbatim.
    Unknown,
    /// No name at all, or one that only says that there is none: it proves nothing.
    SaysNothing,
}

/// A code of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// The name, verbatim, at most 120 characters of letters, digits and `_.-`.
    pub name: String,
    /// The reason users read: `CamelCase`, without what the ad network puts before all of its names.
    pub reason: String,
    /// What it means.
    pub class: Class,
}

impl Code {
    /// A code of this name. `bare` is the name without the prefix that all names of the ad network share.
    pub fn new(name: impl Into<String>, bare: &str, class: Class) -> Self {
        Self {
            name: name.into(),
            reason: camel_case(bare),
            class,
        }
    }
}

fn camel_case(name: &str) -> String {
    name.split('_')
        .flat_map(|word| {
            let mut chars = word.chars();
            chars
                .next()
                .into_iter()
                .flat_map(char::to_uppercase)
                .chain(chars.flat_map(char::to_lowercase))
        })
        .filter(char::is_ascii_alphanumeric)
        .take(100)
        .collect()
}

#[cfg(test)]
impl Code {
    /// A code without a prefix.
    pub(crate) fn test(name: &str, class: Class) -> Self {
        Self::new(name, name, class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("CLICK_TOO_OLD", "ClickTooOld")]
    #[case("A_NAME_OF_2027", "ANameOf2027")]
    #[case("", "")]
    fn reasons_are_camel_case(#[case] name: &str, #[case] shown: &str) {
        assert_eq!(camel_case(name), shown);
    }
}
