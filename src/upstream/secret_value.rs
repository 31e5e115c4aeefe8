//! Reads a value of a Secret, with a limit, for both kinds of accounts: whoever may write Secrets decides what is in
//! them, and a client keeps their values as long as it lives.

use secrecy::ExposeSecret;

use crate::ports::{SecretData, SecretInvalid};

/// The key that holds a whole credentials file of Google's.
pub(crate) const FILE: &str = "credentials.json";
/// Most bytes of a value: tokens have hundreds.
const LONGEST: usize = 8 << 10;
/// Most bytes of [`FILE`]: key files have 2 to 3 KiB.
const LONGEST_FILE: usize = 64 << 10;

/// A value without the blanks and newlines that `kubectl create secret
/// --from-file` and editors leave at its ends; `None` if there is no such key.
pub(crate) fn secret_value<'a>(secret: &'a SecretData, key: &str) -> Result<Option<&'a str>, SecretInvalid> {
    let Some(value) = secret.get(key) else {
        return Ok(None);
    };
    let value = value.expose_secret();
    let (size, limit) = (value.len(), if key == FILE { LONGEST_FILE } else { LONGEST });
    if size > limit {
        let message = format!(
            "key {key:?} has {size} bytes, more than the limit of {limit}. Store nothing but what belongs there"
        );
        return Err(SecretInvalid { message });
    }
    Ok(Some(value.trim()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;
    use secrecy::SecretString;

    use super::*;

    #[rstest]
    #[case::token("accessToken", 8_192, 8_192)]
    #[case::long_token("accessToken", 8_193, 8_192)]
    #[case::id("clientId", 320_000, 8_192)]
    #[case::client_secret("clientSecret", 320_000, 8_192)]
    #[case::refresh_token("refreshToken", 320_000, 8_192)]
    #[case::developer_token("developerToken", 8_193, 8_192)]
    #[case::file("credentials.json", 65_536, 65_536)]
    #[case::long_file("credentials.json", 65_537, 65_536)]
    fn values_have_a_limit(#[case] key: &str, #[case] size: usize, #[case] limit: usize) {
        let data = SecretData::from([(key.to_owned(), SecretString::from("x".repeat(size)))]);
        match secret_value(&data, key) {
            Ok(value) => assert!(value.unwrap().len() == size && size <= limit),
            Err(why) => {
                let words = format!("key \"{key}\" has {size} bytes, more than the limit of {limit}.");
                assert!(size > limit && why.message.starts_with(&words), "{why}");
                assert!(!why.message.contains("xx"), "{why}");
            }
        }
    }

    #[test]
    fn values_lose_blanks_at_their_ends() {
        let data = SecretData::from([("accessToken".to_owned(), SecretString::from(" pat-1\r\n"))]);
        assert_eq!(secret_value(&data, "accessToken").unwrap(), Some("pat-1"));
        assert_eq!(secret_value(&data, "clientId").unwrap(), None);
    }
}
