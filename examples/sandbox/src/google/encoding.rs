//! Form and Base64 decoding.

/// Decodes `application/x-www-form-urlencoded` text into its pairs, in order. `None` when an escape is malformed or the
/// text is not UTF-8.
pub fn form(text: &str) -> Option<Vec<(String, String)>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((unescape(name)?, unescape(value)?))
        })
        .collect()
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                out.push(u8::try_from(high * 16 + low).ok()?);
            }
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}

/// Which of the two Base64 alphabets a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// `+` and `/`, padded.
    Standard,
    /// `-` and `_`, not padded (tokens).
    Url,
}

/// Decodes Base64. `None` for characters outside the alphabet or wrong padding.
pub fn base64(text: &str, alphabet: Alphabet) -> Option<Vec<u8>> {
    let body = match alphabet {
        Alphabet::Standard if text.len().is_multiple_of(4) => text
            .strip_suffix("==")
            .or_else(|| text.strip_suffix('='))
            .unwrap_or(text),
        Alphabet::Standard => return None,
        Alphabet::Url => text,
    };
    if body.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(body.len() * 3 / 4);
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for byte in body.bytes() {
        let six = match (byte, alphabet) {
            (b'A'..=b'Z', _) => byte - b'A',
            (b'a'..=b'z', _) => byte - b'a' + 26,
            (b'0'..=b'9', _) => byte - b'0' + 52,
            (b'+', Alphabet::Standard) | (b'-', Alphabet::Url) => 62,
            (b'/', Alphabet::Standard) | (b'_', Alphabet::Url) => 63,
            _ => return None,
        };
        buffer = (buffer << 6) | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((buffer >> bits) & 0xFF).ok()?);
        }
    }
    Some(out)
}

/// Ten digits without hyphens: a customer id as the APIs take it.
pub fn is_customer_id(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded_and_broken_escapes_refused() {
        let pairs = form("a=b+c&d=%C3%A4%2F");
        assert_eq!(pairs, Some(vec![("a".into(), "b c".into()), ("d".into(), "ä/".into())]));
        assert_eq!(form("a=%G0"), None);
        assert_eq!(form("a=%FF"), None);
    }

    #[test]
    fn base64_keeps_the_alphabets_apart() {
        assert_eq!(base64("aGk=", Alphabet::Standard), Some(b"hi".to_vec()));
        assert_eq!(base64("aGk", Alphabet::Standard), None);
        assert_eq!(base64("aGk", Alphabet::Url), Some(b"hi".to_vec()));
        assert_eq!(base64("-_8", Alphabet::Url), Some(vec![0xFB, 0xFF]));
        assert_eq!(base64("-_8=", Alphabet::Standard), None);
    }
}
