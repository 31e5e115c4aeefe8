//! Bounded reading of answers: bytes are counted after decompression, and what their JSON would take in memory before it
//! is parsed.

use axum::body::Bytes;
use reqwest::Response;
use serde_json::Value;
use tokio::time::Instant;

use super::growing::{GrowingShare, NO_ROOM, OutOfRoom};
use super::memory::{FREE, PARSED, Share, TEXT};
use super::outline::Outline;

/// What a JSON object takes at least in memory, its first node of entries.
const OBJECT: usize = 640;
/// What an entry of a list or object takes at least.
const ENTRY: usize = 128;
/// By so much a share of the texts grows, in the beginning and later.
const FIRST_STEP: usize = 64 << 10;
const STEP: usize = 256 << 10;
/// So many pieces an answer may come in whatever their size; the pieces of more have to be of this size on average.
const PIECES: usize = 8192;
const PIECE: usize = 64;

/// How large an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Bytes after decompression.
    pub bytes: usize,
    /// Estimated bytes of its JSON in memory.
    pub memory: usize,
}

impl Limit {
    /// Answers with records, pages of rows and errors about them.
    pub const RECORDS: Self = Self {
        bytes: 8 << 20,
        memory: 32 << 20,
    };
    /// Answers of which little more than the names in them is kept: definitions of properties with all their options.
    pub const LISTS: Self = Self {
        bytes: 16 << 20,
        memory: usize::MAX,
    };
    /// Answers of which only an [`Outline`] is kept, and its size.
    pub const OUTLINE: Self = Self {
        bytes: 64 << 20,
        memory: 1 << 20,
    };
    /// Answers of token endpoints.
    pub const TOKEN: Self = Self {
        bytes: 64 << 10,
        memory: 1 << 20,
    };
    /// Errors about a whole call.
    pub const ERRORS: Self = Self {
        bytes: 256 << 10,
        memory: 2 << 20,
    };

    /// What the parsed answer takes, as far as this limit counts it.
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
    TooLarge(Limit),
    /// It ended too early, or took too long.
    Broke(reqwest::Error),
    /// It came in very many tiny pieces, each of which costs as much as a large one.
    TinyPieces,
    /// There was no memory for it in time, or others who came more quickly needed what it had.
    NoRoom(OutOfRoom),
}

/// What is wrong with an answer of tiny pieces, for people.
pub const TINY_PIECES: &str = "the answer came in too many tiny pieces";

impl From<OutOfRoom> for BodyError {
    fn from(short: OutOfRoom) -> Self {
        Self::NoRoom(short)
    }
}

impl BodyError {
    /// What is wrong with an answer that is too large, for people: behind words for the answer.
    pub fn too_large(limit: Limit) -> String {
        let bytes = format!("is larger than {} KiB", limit.bytes >> 10);
        if limit.memory == usize::MAX {
            return bytes;
        }
        format!("{bytes}, or would take more than {} KiB of memory", limit.memory >> 10)
    }
}

/// A body, with its shares of what the process has for all answers together.
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

    /// The next piece of its text. If others need the memory and come more quickly, it is left.
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

    /// Waits for the memory of a text of so many bytes, and of what may come next.
    async fn make_room(&mut self, length: usize, limit: Limit, ends: Instant) -> Result<(), BodyError> {
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

    /// Waits for the memory of what will be parsed of a text that is there.
    async fn make_room_for_parsed(&mut self, limit: Limit, ends: Instant) -> Result<(), BodyError> {
        let parsed = limit.parsed_size(&self.bytes);
        if parsed > limit.memory {
            return Err(BodyError::TooLarge(limit));
        }
        self.parsed = PARSED.take_share(parsed, ends).await.ok_or(NO_ROOM)?;
        Ok(())
    }

    /// Lets the text go. What is parsed of it may live as long as the share that is left.
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

/// What has come of a body so far.
#[derive(Default)]
struct Arrived {
    length: usize,
    pieces: usize,
}

impl Arrived {
    /// Counts the next piece, unless the body is too large with it or comes in too many tiny ones.
    fn count_piece(&mut self, piece: &[u8], limit: Limit) -> Result<(), BodyError> {
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

/// Reads a body, and no further than the limit. A large one waits for its share of what the process has, as long as the
/// call may take.
///
/// # Errors
/// Where it is too large, breaks off, comes in tiny pieces, finds no room, or comes too slowly while others need the room.
pub async fn read_body(mut response: Response, limit: Limit, ends: Instant) -> Result<Body, BodyError> {
    if limit == Limit::OUTLINE {
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

/// Reads a body to its end, or to the limit, and keeps the outline of it.
async fn read_outline(mut response: Response, limit: Limit, ends: Instant) -> Result<Body, BodyError> {
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

/// What a text of JSON takes in memory once it is parsed, roughly and never far below. Eight bytes of text can become 640
/// in memory, so that a limit of bytes alone bounds nothing.
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

/// What a parsed value takes in memory, by the measure of [`estimate_parsed`].
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
