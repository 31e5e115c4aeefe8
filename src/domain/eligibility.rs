//! Whether and what to send for one occurrence: pure, from a fresh read of the contact.

use rust_decimal::Decimal;

/// A fixed amount of money, as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    /// In units of the currency, not negative.
    pub amount: Decimal,
    /// ISO 4217, upper case.
    pub currency: String,
}

/// Where the value of a conversion comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueRule {
    /// The same for every conversion.
    Fixed(Money),
    /// The weighted amount of the contact's most recent deal, else the default.
    DealAmount {
        /// Used where there is no deal, it is lost, or its amount is missing or not positive.
        default: Money,
    },
}

/// Which property tells consent, and by which values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentRule {
    /// Contact property.
    pub property: String,
    /// Any of these grants.
    pub granted: Vec<String>,
}

/// Kinds of identifiers an event may share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SharedKind {
    /// E-mail.
    Email,
    /// Phone.
    Phone,
    /// Name and address.
    Address,
}

/// Properties that hold click ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickProperties {
    /// Google click id.
    pub gclid: String,
    /// gbraid, where declared.
    pub gbraid: Option<String>,
    /// wbraid, where declared.
    pub wbraid: Option<String>,
}

/// What an event's manifest says about its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRules {
    /// No value: neither value nor currency is sent.
    pub value: Option<ValueRule>,
    /// No consent block: none asked, none sent.
    pub consent: Option<ConsentRule>,
    /// Identifiers to share.
    pub share: Vec<SharedKind>,
    /// Click id properties.
    pub clicks: ClickProperties,
}
