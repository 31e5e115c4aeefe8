//! Bounded reading of answers: bytes are counted after decompression, and what their JSON would take in memory before it
//! is parsed.

use reqwest::Response;
use serde_json::Value;

/// What a JSON object takes at least in memory, its first node of entries.
const OBJECT: usize = 640;
/// What an entry of a list or object takes at least.
const ENTRY: usize = 128;

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
    /// Answers that are read without keeping most of them: definitions of properties with all their options.
    pub const LISTS: Self = Self {
        bytes: 16 << 20,
        memory: 96 << 20,
    };
    /// Answers of token endpoints.
    pub const TOKEN: Self = Self {
        bytes: 64 << 10,
        memory: 1 << 20,
    };
}

/// Why a body was not read.
#[derive(Debug)]
pub enum BodyError {
    /// It is larger than the limit, or would be in memory.
    TooLarge(Limit),
    /// It ended too early, or took too long.
    Broke(reqwest::Error),
}

impl BodyError {
    /// What is wrong with an answer that is too large, for people.
    pub fn too_large(limit: Limit) -> String {
        format!(
            "the answer is larger than {} KiB, or would be than {} KiB in memory",
            limit.bytes >> 10,
            limit.memory >> 10
        )
    }
}

/// Reads a body, and no further than the limit.
///
/// # Errors
/// Where it is too large or breaks off.
pub async fn read(mut response: Response, limit: Limit) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Broke)? {
        if body.len().saturating_add(chunk.len()) > limit.bytes {
            return Err(BodyError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    if estimate(&body) > limit.memory {
        return Err(BodyError::TooLarge(limit));
    }
    Ok(body)
}

/// What a text of JSON takes in memory once it is parsed, roughly and never far below. Eight bytes of text can become 640
/// in memory, so that a limit of bytes alone bounds nothing.
pub fn estimate(json: &[u8]) -> usize {
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

/// What a parsed value takes in memory, by the measure of [`estimate`].
pub fn weigh(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().fold(0, |sum, item| sum + ENTRY + weigh(item)),
        Value::Object(map) => map
            .iter()
            .fold(OBJECT, |sum, (key, item)| sum + ENTRY + key.len() + weigh(item)),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// An empty JSON list with twenty million blanks inside, compressed.
#[cfg(test)]
pub const BOMB: &[u8] = include_bytes!("testdata/bomb.gz");

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
