//! Whether texts may have colours.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};

/// True if standard output is a terminal that shows colours to somebody who wants them.
pub fn are_wanted() -> bool {
    io::stdout().is_terminal() && are_shown(|name| std::env::var_os(name))
}

/// Whoever sets `NO_COLOR` wants none (<https://no-color.org>), and a dumb terminal would show their codes.
fn are_shown(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    variable("NO_COLOR").is_none() && variable("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::usual(&[("TERM", "xterm")], true)]
    #[case::unnamed(&[], true)]
    #[case::dumb(&[("TERM", "dumb")], false)]
    #[case::unwanted(&[("TERM", "xterm"), ("NO_COLOR", "")], false)]
    fn colors(#[case] variables: &[(&str, &str)], #[case] shown: bool) {
        let value = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.into())
        };
        assert_eq!(are_shown(value), shown);
    }
}
