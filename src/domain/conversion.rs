//! What identifies a conversion to Google: one click id, or hashed identifiers, or both.

/// The one click id of a row. No `Debug`: it identifies a person's click.
#[derive(Clone, PartialEq, Eq)]
pub enum ClickId {
    /// Google click id.
    Gclid(String),
    /// Aggregate id of app campaigns; refused by one-per-click actions.
    Gbraid(String),
    /// Aggregate id of web campaigns; refused by one-per-click actions.
    Wbraid(String),
}

/// A hashed identifier (SHA-256 as 64 lower-case hex digits). No `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum UserIdentifier {
    /// Hashed e-mail.
    Email(String),
    /// Hashed phone.
    Phone(String),
    /// Full address; names and street hashed, the rest plain. Data Manager takes the first four only.
    Address {
        /// Hashed given name.
        given_name: String,
        /// Hashed family name.
        family_name: String,
        /// ISO 3166-1 alpha-2, plain.
        region: String,
        /// Plain.
        postal_code: String,
        /// Hashed street and number, for enhancements.
        street: Option<String>,
        /// Plain, for enhancements.
        city: Option<String>,
        /// Plain, for enhancements.
        state: Option<String>,
    },
}
