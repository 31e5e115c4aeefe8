//! State of HubSpot.

use crate::options::Options;

/// The portal that exists at start.
pub const DEFAULT_PORTAL: u64 = 62515;

/// All portals.
pub struct HubSpot;

impl HubSpot {
    /// The default portal.
    pub fn new(_options: &Options, _now: i64) -> Self {
        Self
    }
}
