//! Makes text of Google's fit for logs, events and status: values it may echo are cut out, lengths are bounded.

/// Longest message of an error, in characters.
const MESSAGE_LIMIT: usize = 512;
/// Words longer than this are taken for a value (click id, hash, token).
const WORD_LIMIT: usize = 40;
/// Words with this many digits or more are taken for a phone number or an id of a person.
const DIGIT_LIMIT: usize = 7;

/// At most [`MESSAGE_LIMIT`] characters of our own text.
pub(super) fn bounded(text: impl Into<String>) -> String {
    let mut text = text.into();
    if let Some((end, _)) = text.char_indices().nth(MESSAGE_LIMIT - 1)
        && text.chars().nth(MESSAGE_LIMIT).is_some()
    {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Google's own words without anything that may be a value: quoted parts, long words, words with an `@` or many digits.
pub(super) fn words(text: &str) -> String {
    let unquoted = cut_quoted(text);
    let kept: Vec<&str> = unquoted
        .split_whitespace()
        .map(|word| if is_value(word) { "…" } else { word })
        .collect();
    bounded(kept.join(" "))
}

/// A code as Google writes them, or nothing: a name in capitals, digits and a few signs.
pub(super) fn code(text: &str) -> Option<String> {
    let fits = !text.is_empty()
        && text.len() <= 120
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    fits.then(|| text.to_owned())
}

/// A field path, verbatim where it is one: other characters are dropped, at most 200 are kept.
pub(super) fn field_path(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '[' | ']' | '-' | '*'))
        .take(200)
        .collect()
}

fn is_value(word: &str) -> bool {
    word.contains('@')
        || word.chars().count() > WORD_LIMIT
        || word.bytes().filter(u8::is_ascii_digit).count() >= DIGIT_LIMIT
}

/// Replaces what stands in quotes. An apostrophe inside a word ("isn't") opens nothing; an open quote runs to the end.
fn cut_quoted(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut closing: Option<char> = None;
    let mut chars = text.chars().peekable();
    let mut before: Option<char> = None;
    while let Some(c) = chars.next() {
        let inside_word = before.is_some_and(char::is_alphanumeric);
        match closing {
            Some(end) if c == end && !(c == '\'' && chars.peek().is_some_and(|n| n.is_alphanumeric())) => {
                closing = None;
            }
            Some(_) => {}
            None => match closing_quote(c) {
                Some(end) if c != '\'' || !inside_word => {
                    closing = Some(end);
                    kept.push('…');
                }
                _ => kept.push(c),
            },
        }
        before = Some(c);
    }
    kept
}

fn closing_quote(c: char) -> Option<char> {
    Some(match c {
        '"' | '\'' | '`' => c,
        '“' | '„' => '”',
        '‘' => '’',
        '«' => '»',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_out_of_googles_words() {
        let table = [
            ("The name 'Anna Maier' is taken.", "The name … is taken."),
            ("Value \"anna@example.com\" isn't valid", "Value … isn't valid"),
            (
                "Bad e-mail anna@example.com, phone +4930123456 end",
                "Bad e-mail … phone … end",
            ),
            ("open quote 'never closed anna", "open quote …"),
            ("'it's a name' stays out", "… stays out"),
            (
                "hash 223ebda6f6889b1494551ba902d9d381daf2f642bae055888e96343d53e9f9c4",
                "hash …",
            ),
            (
                "Too many conversions, at most 2000.",
                "Too many conversions, at most 2000.",
            ),
        ];
        for (raw, clean) in table {
            assert_eq!(words(raw), clean, "{raw}");
        }
    }

    #[test]
    fn messages_are_bounded_on_a_character() {
        let long = bounded("ä".repeat(600));
        assert_eq!(long.chars().count(), 512);
        assert_eq!(bounded("ä".repeat(512)).chars().count(), 512);
        assert!(bounded("ä".repeat(512)).ends_with('ä'));
    }

    #[test]
    fn codes_and_paths_hold_nothing_else() {
        assert_eq!(code("DUPLICATE_NAME").as_deref(), Some("DUPLICATE_NAME"));
        assert_eq!(code("anna maier"), None);
        assert_eq!(code(""), None);
        assert_eq!(field_path("events.events[3].user_data"), "events.events[3].user_data");
        assert_eq!(field_path("a@b \"c\""), "abc");
    }
}
