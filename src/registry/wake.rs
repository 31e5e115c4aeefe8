//! What wakes a controller.

use crate::domain::ids::ObjectKey;

/// Whose controller should look again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// An event: counts or health changed. `now`: don't wait for the status interval.
    Event(ObjectKey, bool),
    /// A Google account: a call was refused in a way that concerns the account.
    Google(ObjectKey),
    /// A HubSpot account, likewise.
    HubSpot(ObjectKey),
}
