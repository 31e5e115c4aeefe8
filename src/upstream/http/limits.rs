//! Limits for texts of services. They are in one place because a text passes several files that cut it: `text`, `prose`
//! and those that know a vendor's words.

/// Most digits of a word: with more, it could be a phone number or an id of a person.
pub const MOST_DIGITS: usize = 6;
/// Longest message of an error, in characters.
pub const MESSAGE_LIMIT: usize = 512;
/// Longest word in lower case of a sentence.
pub const WORD_LIMIT: usize = 24;
/// Longest name of a field that we know.
pub const FIELD_LIMIT: usize = 40;
/// Longest `CODE_IN_CAPITALS` within a sentence, where nothing says that it is a code.
pub const CODE_IN_PROSE_LIMIT: usize = 64;
/// Longest code.
pub const CODE_LIMIT: usize = 120;
/// Longest id of a request.
pub const ID_LIMIT: usize = 200;
/// Longest name of an object, in characters.
pub const NAME_LIMIT: usize = 256;
/// Longest name of a time zone; the longest there is has 32.
pub const ZONE_LIMIT: usize = 48;
