//! What wakes a controller.

use crate::domain::ids::ObjectKey;

/// How soon a controller should look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Without waiting for the status interval.
    Now,
    /// With the next status interval.
    Soon,
}

/// Whose controller should look again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// An event: counts or health changed.
    Event {
        key: ObjectKey,
        /// How soon.
        urgency: Urgency,
    },
    /// A Google account: a call was refused in a way that concerns the account.
    Google(ObjectKey),
    /// A HubSpot account.
    HubSpot(ObjectKey),
}
