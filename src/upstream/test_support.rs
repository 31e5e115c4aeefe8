//! A Secret for the tests of both clients.

use secrecy::SecretString;

use crate::ports::SecretData;

pub(crate) fn secret(pairs: &[(&str, &str)]) -> SecretData {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), SecretString::from(*value)))
        .collect()
}
