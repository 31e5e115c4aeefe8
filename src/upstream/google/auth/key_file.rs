//! The key file in a Secret: its required keys, and the messages about mistakes in it. They name keys, no values.

use serde_json::Value;

use crate::ports::SecretInvalid;
/// The key of the Secret that holds it.
pub(crate) use crate::upstream::secret_value::FILE;

/// A required text of a credentials file.
pub(crate) fn required_text<'a>(json: &'a Value, name: &str) -> Result<&'a str, SecretInvalid> {
    json[name]
        .as_str()
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| SecretInvalid {
            message: format!(
                "\"{name}\" in key \"{FILE}\" is missing or empty. Store the whole file, as Google gave it"
            ),
        })
}

/// An error about a Secret.
pub(crate) fn invalid_secret<T>(message: String) -> Result<T, SecretInvalid> {
    Err(SecretInvalid { message })
}
