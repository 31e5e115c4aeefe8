//! How much of a service's text may pass on. In one place, because one text goes through several of the files that cut:
//! `text`, `prose` and those that know a vendor's words.

/// With more digits a word could be a phone number, or an id of a person.
pub const MOST_DIGITS: usize = 6;
/// Longest message of an error, in characters.
pub const MESSAGE_LIMIT: usize = 512;
/// Longest word in lower case of a sentence.
pub const WORD_LIMIT: usize = 24;
/// Longest name of a field that we know.
pub const FIELD_LIMIT: usize = 40;
/// Longest `CODE_IN_CAPITALS` of a sentence: where nobody said that it is one.
pub const CODE_IN_PROSE_LIMIT: usize = 64;
/// Longest code.
pub const CODE_LIMIT: usize = 120;
/// Longest id of a request.
pub const ID_LIMIT: usize = 200;
/// Longest name of an object, in characters.
pub const NAME_LIMIT: usize = 256;
/// Longest name of a time zone; the longest there is has 32.
pub const ZONE_LIMIT: usize = 48;
