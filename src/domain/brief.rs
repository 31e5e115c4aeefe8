//! Short texts for the log and the status: what services send can be of any length.

use std::borrow::Cow;
use std::fmt::Display;

/// Longest foreign text in one line of the log, in characters.
pub const LONGEST: usize = 240;

/// Where the Kubernetes client repeats an answer that it has just described, as a dump of its structure.
const DUMP: &str = " (Status {";

/// How many of these characters are the end of the text: services put their request id there.
const END: usize = 60;

/// A foreign text, in one line of at most [`LONGEST`] characters, cut in its middle.
pub fn brief(said: impl Display) -> String {
    let text = said.to_string();
    let words = text.split(DUMP).next().unwrap_or_default();
    let line = words
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace(is_unseen, "\u{fffd}");
    let length = line.chars().count();
    if length <= LONGEST {
        return line;
    }
    let begin = line.chars().take(LONGEST - END - 1);
    let end = line.chars().skip(length - END);
    begin.chain(['…']).chain(end).collect()
}

/// A number and what it counts: `1 event`, `2 events`.
pub fn counted(count: u64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// Most names of a list that are spelled out.
const NAMED: usize = 3;

/// The first names of a list, and how many more there are: `a, b, c and 7 more`.
pub fn first_names(names: &[impl AsRef<str>]) -> String {
    let first: Vec<&str> = names.iter().take(NAMED).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// Longest foreign text that a status repeats (an annotation, the name of an account), in characters.
pub const LONGEST_ECHO: usize = 256;

/// The first [`LONGEST_ECHO`] characters.
pub fn echo(said: &str) -> &str {
    shorten(said, LONGEST_ECHO)
}

/// The first characters of a text, at most `max`.
pub fn shorten(text: &str, max: usize) -> &str {
    text.char_indices().nth(max).map_or(text, |(end, _)| &text[..end])
}

/// At most `max` characters of a text; `…` is the last one if some were cut off.
pub fn clip(text: &str, max: usize) -> String {
    if text.chars().nth(max).is_none() {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// The first [`LONGEST_ECHO`] characters of a name that people read, without those that nobody sees.
pub fn brief_name(said: &str) -> String {
    said.chars().filter(|c| !is_unseen(*c)).take(LONGEST_ECHO).collect()
}

/// True for characters that have no shape of their own but change how others are read: control characters, marks of
/// direction and format, invisible ones, separators of lines; and for what Unicode says is no character.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(c, '\u{fdd0}'..='\u{fdef}')
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// A text that server-side apply takes: what is not, is U+FFFD. The API server reads a patch as YAML, which has no place
/// for some control characters, U+FFFE and U+FFFF; one of them, and nothing of the patch is written.
/// <https://yaml.org/spec/1.2.2/#51-character-set>
pub fn writable(text: &str) -> Cow<'_, str> {
    // Those below a space are escaped in JSON, and so in YAML.
    let refused = |c: char| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    if text.contains(refused) {
        Cow::Owned(text.replace(refused, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoes_are_cut_between_characters() {
        assert_eq!(echo("2026-11-20T10:00:00Z"), "2026-11-20T10:00:00Z");
        let long = "ä".repeat(LONGEST_ECHO);
        assert_eq!(echo(&long), long);
        assert_eq!(echo(&format!("{long}x")), long);
        assert_eq!(
            brief_name(&format!("Ac\nme\u{1b}[2J{long}")).chars().count(),
            LONGEST_ECHO
        );
        assert_eq!(brief_name("Ac\nme\u{85} Gm\u{fffe}b\u{1ffff}H"), "Acme GmbH");
    }

    #[test]
    fn one_is_no_plural() {
        let words = [0, 1, 2].map(|count| counted(count, "earlier day"));
        assert_eq!(words, ["0 earlier days", "1 earlier day", "2 earlier days"]);
    }

    #[test]
    fn only_the_first_of_many_names_are_listed() {
        assert_eq!(first_names(&["a", "b", "c"]), "a, b, c");
        assert_eq!(first_names(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }

    #[test]
    fn nothing_unseen_stays() {
        let marks = [
            "\u{200b}",
            "\u{200f}",
            "\u{202a}",
            "\u{202e}",
            "\u{2060}",
            "\u{2066}",
            "\u{2069}",
            "\u{feff}",
            "\u{ad}",
            "\u{e0041}",
        ];
        for mark in marks {
            assert_eq!(brief_name(&format!("Ac{mark}me")), "Acme", "{}", mark.escape_unicode());
            assert_eq!(
                brief(format!("Ac{mark}me")),
                "Ac\u{fffd}me",
                "{}",
                mark.escape_unicode()
            );
        }
        assert_eq!(brief("a\u{1b}[2J"), "a\u{fffd}[2J");
        assert_eq!(brief_name("Zoë – 東京 🚲"), "Zoë – 東京 🚲");
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        assert_eq!(brief("Google Ads: no answer in time"), "Google Ads: no answer in time");
        assert_eq!(brief("a".repeat(LONGEST)), "a".repeat(LONGEST));
    }

    #[test]
    fn what_is_long_keeps_its_begin_and_its_end() {
        let cut = brief(format!("INTERNAL {} (request-id a1)", "ä".repeat(LONGEST)));
        assert_eq!(cut.chars().count(), LONGEST);
        assert!(
            cut.starts_with("INTERNAL ä") && cut.contains("ä…ä") && cut.ends_with("(request-id a1)"),
            "{cut}"
        );
    }

    #[test]
    fn lines_become_one_and_dumps_go() {
        assert_eq!(brief("one\n  two"), "one two");
        let api = "ApiError: forbidden: Forbidden (Status { status: Some(Failure), code: 403 })";
        assert_eq!(brief(api), "ApiError: forbidden: Forbidden");
    }
}
