//! Bounded reading of answers: bytes are counted after decompression,
//! and what their JSON would take in memory before it is parsed.

use axum::body::Bytes;
use reqwest::Response;
use serde_json::Value;
use tokio::time::Instant;

use super::growing::{GrowingShare, NO_ROOM, OutOfRoom};
use super::memory::{FREE, PARSED, Share, TEXT};
use super::outline::Outline;

/// Least memory of a JSON object: its first node of entries.
const OBJECT: usize = 640;
/// Least memory of an entry of a list or object.
const ENTRY: usize = 128;
/// Steps by which a share of the pool of texts grows, at first and later.
const FIRST_STEP: usize = 64 << 10;
const STEP: usize = 256 << 10;
/// Number of pieces in which an answer may come whatever their size; with more, the pieces must have this size on
/// average.
const PIECES: usize = 8192;
const PIECE: usize = 64;

/// How large an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerLimit {
    /// Bytes after decompression.
    pub bytes: usize,
    /// Estimated bytes of its JSON in memory.
    pub memory: usize,
}

impl AnswerLimit {
    /// The limit of answers with records, pages of rows and errors about them.
    pub const RECORDS: Self = Self {
        bytes: 8 << 20,
        memory: 32 << 20,
    };
    /// The limit of answers of which little more than names is kept: definitions of properties with all their options.
    pub const LISTS: Self = Self {
        bytes: 16 << 20,
        memory: usize::MAX,
    };
    /// The limit of answers of which only an [`Outline`] is kept, and the outline's size.
    pub const OUTLINE: Self = Self {
        bytes: 64 << 20,
        memory: 1 << 20,
    };
    /// The limit of answers of token endpoints.
    pub const TOKEN: Self = Self {
        bytes: 64 << 10,
        memory: 1 << 20,
    };
    /// The limit of errors about a whole call.
    pub const ERRORS: Self = Self {
        bytes: 256 << 10,
        memory: 2 << 20,
    };

    /// Memory of the parsed answer, as far as this limit counts it.
    fn parsed_size(self, body: &[u8]) -> usize {
        if self == Self::LISTS {
            body.len()
        } else {
            estimate_parsed(body)
        }
    }
}

/// Why a body was not read.
#[derive(Debug)]
pub enum BodyError {
    /// It is larger than the limit, or would be in memory.
    TooLarge(AnswerLimit),
    /// It ended too early, or took too long.
    Broke(reqwest::Error),
    /// It came in very many tiny pieces, each of which costs as much as a large one.
    TinyPieces,
    /// There was no memory for it in time, or quicker answers needed the memory that it had.
    NoRoom(OutOfRoom),
}

/// The message about an answer of tiny pieces.
pub const TINY_PIECES: &str = "the answer came in too many tiny pieces";

impl From<OutOfRoom> for BodyError {
    fn from(short: OutOfRoom) -> Self {
        Self::NoRoom(short)
    }
}

impl BodyError {
    /// The message about an answer that is too large; follows a name of the answer.
    pub fn too_large(limit: AnswerLimit) -> String {
        let bytes = format!("is larger than {} KiB", limit.bytes >> 10);
        if limit.memory == usize::MAX {
            return bytes;
        }
        format!("{bytes}, or would take more than {} KiB of memory", limit.memory >> 10)
    }
}

/// A body, with its shares of the process's memory for answers.
#[derive(Debug, Default)]
pub struct Body {
    bytes: Vec<u8>,
    text: Option<GrowingShare>,
    parsed: Share,
}

impl Body {
    /// The bytes, decompressed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads the next piece of its text. An error if quicker answers need its memory.
    async fn next_piece(&self, response: &mut Response) -> Result<Option<Bytes>, BodyError> {
        let piece = response.chunk();
        let given_up = async {
            match &self.text {
                Some(text) => text.given_up().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            short = given_up => Err(short.into()),
            piece = piece => piece.map_err(BodyError::Broke),
        }
    }

    /// Waits for the memory of a text of this size, and of the next step.
    async fn make_room(&mut self, length: usize, limit: AnswerLimit, ends: Instant) -> Result<(), BodyError> {
        let Some(beyond) = length.checked_sub(FREE).filter(|beyond| *beyond > 0) else {
            return Ok(());
        };
        let text = self.text.get_or_insert_with(|| TEXT.share());
        if beyond > text.bytes() {
            let step = if beyond <= FIRST_STEP { FIRST_STEP } else { STEP };
            let wanted = beyond.next_multiple_of(step).min(limit.bytes - FREE);
            text.grow(wanted, ends).await?;
            self.bytes.reserve_exact(FREE + wanted - self.bytes.len());
        }
        Ok(())
    }

    /// Waits for the memory that the values parsed from the text will take.
    async fn make_room_for_parsed(&mut self, limit: AnswerLimit, ends: Instant) -> Result<(), BodyError> {
        let parsed = limit.parsed_size(&self.bytes);
        if parsed > limit.memory {
            return Err(BodyError::TooLarge(limit));
        }
        self.parsed = PARSED.take_share(parsed, ends).await.ok_or(NO_ROOM)?;
        Ok(())
    }

    /// Drops the text and returns the share of its parsed values, which must be held as long as they live.
    pub fn into_share(self) -> Share {
        self.parsed
    }
}

#[cfg(test)]
impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self {
            bytes: text.as_bytes().to_vec(),
            ..Self::default()
        }
    }
}

/// The part of a body that has come so far.
#[derive(Default)]
struct Arrived {
    length: usize,
    pieces: usize,
}

impl Arrived {
    /// Counts the next piece, unless the body is too large with it or comes in too many tiny ones.
    fn count_piece(&mut self, piece: &[u8], limit: AnswerLimit) -> Result<(), BodyError> {
        self.length = self.length.saturating_add(piece.len());
        self.pieces += 1;
        if self.length > limit.bytes {
            return Err(BodyError::TooLarge(limit));
        }
        if self.pieces > PIECES && self.length / PIECE < self.pieces {
            return Err(BodyError::TinyPieces);
        }
        Ok(())
    }
}

/// Reads a body up to the limit. A large one waits for its share
/// of the process's memory, at most as long as the call may take.
///
/// # Errors
/// Where it is too large, breaks off, comes in tiny pieces, finds
/// no memory, or comes too slowly while others need the memory.
pub async fn read_body(mut response: Response, limit: AnswerLimit, ends: Instant) -> Result<Body, BodyError> {
    if limit == AnswerLimit::OUTLINE {
        return read_outline(response, limit, ends).await;
    }
    let mut body = Body::default();
    let mut arrived = Arrived::default();
    while let Some(piece) = body.next_piece(&mut response).await? {
        arrived.count_piece(&piece, limit)?;
        body.make_room(arrived.length, limit, ends).await?;
        body.bytes.extend_from_slice(&piece);
    }
    if let Some(text) = &body.text {
        text.complete();
    }
    body.make_room_for_parsed(limit, ends).await?;
    Ok(body)
}

/// Reads a body to its end, or to the limit, and keeps only its outline.
async fn read_outline(mut response: Response, limit: AnswerLimit, ends: Instant) -> Result<Body, BodyError> {
    let mut body = Body::default();
    let mut outline = Outline::default();
    let mut arrived = Arrived::default();
    while let Some(piece) = body.next_piece(&mut response).await? {
        arrived.count_piece(&piece, limit)?;
        outline.add(&piece);
        if outline.size() > limit.memory {
            return Err(BodyError::TooLarge(limit));
        }
    }
    body.bytes = outline.into_bytes();
    body.make_room_for_parsed(limit, ends).await?;
    Ok(body)
}

/// Estimates the memory of a JSON text once it is parsed: roughly, and never far below. Eight bytes of text can become
/// 640 in memory, so that a limit of bytes alone would bound nothing.
pub fn estimate_parsed(json: &[u8]) -> usize {
    let (mut inside, mut escaped) = (false, false);
    let (mut objects, mut entries) = (0usize, 0usize);
    for byte in json {
        if inside {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => inside = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => inside = true,
            b'{' => objects += 1,
            b',' | b'[' => entries += 1,
            _ => {}
        }
    }
    json.len() + objects * (OBJECT + ENTRY) + entries * ENTRY
}

/// The memory of a parsed value, by the measure of [`estimate_parsed`].
pub fn weigh_value(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().fold(0, |sum, item| sum + ENTRY + weigh_value(item)),
        Value::Object(map) => map
            .iter()
            .fold(OBJECT, |sum, (key, item)| sum + ENTRY + key.len() + weigh_value(item)),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// An empty JSON list with twenty million blanks inside, compressed.
#[cfg(test)]
pub const BOMB: &[u8] = include_bytes!("testdata/bomb.gz");

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
