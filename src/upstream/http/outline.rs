//! The outline of an answer that is too large to be kept: enough of its JSON to tell which record it is about and where
//! the list goes on. It is made while the answer comes in, so that the answer itself is never in memory.

/// Levels of nesting that are kept: the answer, its list of results, and each result.
const DEPTH: usize = 3;
/// Longest text that is kept, in bytes. Ids, times and cursors are shorter.
const LONGEST: usize = 1024;

/// An outline of the JSON that has come so far. What is nested deeper becomes `null`, and a longer text an empty one.
#[derive(Debug, Default)]
pub struct Outline {
    kept: Vec<u8>,
    depth: usize,
    /// Open objects and lists inside of one that is left out, including that one.
    left_out: usize,
    text: Option<Text>,
}

/// A text that has not ended yet.
#[derive(Debug)]
struct Text {
    /// Its beginning in the kept bytes.
    begin: usize,
    escaped: bool,
    long: bool,
}

impl Outline {
    /// Takes the next piece of the answer.
    pub fn add(&mut self, piece: &[u8]) {
        for byte in piece {
            match self.text.take() {
                Some(text) => self.text = self.add_to_text(text, *byte),
                None => self.add_outside(*byte),
            }
        }
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        self.kept.len()
    }

    /// The outline of an answer that has come in whole.
    pub fn into_bytes(self) -> Vec<u8> {
        self.kept
    }

    /// The text with this byte added; `None` if the byte ends it.
    fn add_to_text(&mut self, mut text: Text, byte: u8) -> Option<Text> {
        let ends = byte == b'"' && !text.escaped;
        text.escaped = byte == b'\\' && !text.escaped;
        if self.left_out == 0 && (ends || !text.long) {
            self.kept.push(byte);
            // The whole text is left out: half of it could end within a character.
            if self.kept.len() - text.begin > LONGEST && !text.long && !ends {
                self.kept.truncate(text.begin);
                text.long = true;
            }
        }
        (!ends).then_some(text)
    }

    fn add_outside(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'{' | b'[' if self.left_out > 0 => self.left_out += 1,
            b'{' | b'[' if self.depth == DEPTH => {
                self.left_out = 1;
                self.kept.extend_from_slice(b"null");
            }
            b'}' | b']' if self.left_out > 0 => self.left_out -= 1,
            _ => {
                match byte {
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                if self.left_out == 0 {
                    self.kept.push(byte);
                }
                if byte == b'"' {
                    let begin = self.kept.len();
                    self.text = Some(Text {
                        begin,
                        escaped: false,
                        long: false,
                    });
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// The outline of a text that comes in pieces of this size.
    fn outline(text: &str, piece: usize) -> String {
        let mut outline = Outline::default();
        text.as_bytes().chunks(piece).for_each(|piece| outline.add(piece));
        String::from_utf8(outline.into_bytes()).unwrap()
    }

    #[test]
    fn what_names_a_record_and_the_next_page_stays() {
        let long = "字\\\"".repeat(400);
        let answer = format!(
            "{{ \"results\": [ {{\"conversionId\": \"c \\\"1\\\\\", \"submittedAt\": 12,\n \"values\": [{{\"v\": \"]}}\"}}, []],
             \"pageUrl\": \"{long}\", \"{long}\": {{}}}}], \"paging\": {{\"next\": {{\"after\": \"Ng==\"}}}}}}"
        );
        let kept = "{\"results\":[{\"conversionId\":\"c \\\"1\\\\\",\"submittedAt\":12,\"values\":null,\"pageUrl\":\"\",\
                    \"\":null}],\"paging\":{\"next\":{\"after\":\"Ng==\"}}}";
        for piece in [1, 2, 3, 7, 100_000] {
            assert_eq!(outline(&answer, piece), kept, "{piece}");
        }
    }

    #[test]
    fn a_text_of_the_longest_length_stays_and_a_longer_one_does_not() {
        let of = |length: usize| outline(&format!("\"{}\"", "x".repeat(length)), 10).len() - 2;
        assert_eq!((of(LONGEST), of(LONGEST + 1)), (LONGEST, 0));
    }

    fn leveled(value: &Value, level: usize) -> Value {
        match value {
            Value::Array(_) | Value::Object(_) if level == DEPTH => Value::Null,
            Value::Array(items) => items.iter().map(|item| leveled(item, level + 1)).collect(),
            Value::Object(map) => map
                .iter()
                .map(|(key, item)| (key.clone(), leveled(item, level + 1)))
                .collect(),
            other => other.clone(),
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(|number| json!(number)),
            any::<bool>().prop_map(|truth| json!(truth)),
            "(\\PC|[\"\\\\{}\\[\\],]){0,6}".prop_map(|text| json!(text)),
        ];
        leaf.prop_recursive(6, 60, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("(\\PC|[\"\\\\{}]){0,4}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn an_outline_is_the_answer_down_to_its_depth(value in any_json(), piece in 1..9usize) {
            let text = serde_json::to_string_pretty(&value).unwrap();
            let kept: Value = serde_json::from_str(&outline(&text, piece)).unwrap();
            prop_assert_eq!(kept, leveled(&value, 0));
        }

        #[test]
        fn bytes_that_are_no_json_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut outline = Outline::default();
            outline.add(&bytes);
            prop_assert!(outline.size() <= bytes.len() * 4);
        }
    }
}
