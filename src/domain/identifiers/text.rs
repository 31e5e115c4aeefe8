//! Text as Google reads it before it hashes: composed characters, and what counts as white space.

use icu_normalizer::ComposingNormalizerBorrowed;

/// Unicode NFC: macOS and some imports write an accent as a
/// character of its own, which is another text with another hash.
pub(super) fn to_nfc(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned()
}

/// White space as Google's formatter sees it: Unicode's, and the four separators U+001C–U+001F.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}
