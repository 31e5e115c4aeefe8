//! How answers are printed: for people, or in a form for programs.

use clap::ValueEnum;
use serde::Serialize;

use super::command_error::CommandError;
use crate::domain::brief::is_unseen;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
    Yaml,
}

impl Output {
    /// The answer as the admin API gives it; `None` if a table is wanted.
    pub(crate) fn of_program(self, answer: &impl Serialize) -> Result<Option<String>, CommandError> {
        match self {
            Self::Table => Ok(None),
            Self::Json => Ok(Some(serde_json::to_string_pretty(answer)? + "\n")),
            Self::Yaml => Ok(Some(serde_yaml::to_string(answer)?)),
        }
    }
}

/// Longest name or value of others that is printed, in characters.
const LONGEST_FOREIGN: usize = 120;
/// Longest word in a sentence that is printed, in characters: an address on the web fits.
const LONGEST_WORD: usize = 160;
/// Longest sentence that is printed, in characters.
const LONGEST_SENTENCE: usize = 2_000;

/// A sentence on one line: what would move the cursor, hide or turn the text around is replaced.
pub(crate) fn printable(text: &str) -> String {
    shortened(text, LONGEST_SENTENCE)
}

/// A name or value of others, as [`printable`] and short.
pub(crate) fn foreign(text: &str) -> String {
    shortened(text, LONGEST_FOREIGN)
}

fn shortened(text: &str, most: usize) -> String {
    // No word of ours is so long: it is a name of others inside a sentence.
    let words: Vec<String> = text.split_whitespace().map(|word| cut(word, LONGEST_WORD)).collect();
    cut(&words.join(" "), most).replace(is_unseen, "\u{fffd}")
}

fn cut(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).collect();
    if short.len() < text.len() {
        short.pop();
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_others_steers_a_terminal() {
        assert_eq!(printable("a\u{1b}[2J\nb\u{202e}c"), "a\u{fffd}[2J b\u{fffd}c");
        assert_eq!(printable("Zoë <\"x\"> 東京"), "Zoë <\"x\"> 東京");
    }

    proptest::proptest! {
        #[test]
        fn whatever_others_write_is_one_short_line(text in "\\PC*|.{0,300}|[\\x00-\\x1f\u{202e}<>\"']{0,80}") {
            for (shown, most) in [(foreign(&text), LONGEST_FOREIGN), (printable(&text), LONGEST_SENTENCE)] {
                proptest::prop_assert!(!shown.contains(is_unseen), "{shown:?}");
                proptest::prop_assert!(shown.chars().count() <= most, "{shown:?}");
            }
        }
    }

    #[test]
    fn what_others_write_is_short() {
        assert_eq!(foreign(&"ä".repeat(LONGEST_FOREIGN)), "ä".repeat(LONGEST_FOREIGN));
        let long = foreign(&"ä".repeat(1 << 20));
        assert!(
            long.chars().count() == LONGEST_FOREIGN && long.ends_with("ä…"),
            "{long}"
        );
        assert_eq!(printable(&"ä ".repeat(1 << 20)).chars().count(), LONGEST_SENTENCE);
        assert_eq!(
            printable(&format!("No {long}.", long = "ä".repeat(1 << 20)))
                .chars()
                .count(),
            LONGEST_WORD + 3
        );
    }
}
