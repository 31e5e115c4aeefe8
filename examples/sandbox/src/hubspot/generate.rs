//! Generates contacts.

use crate::world::World;

/// What to generate.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Number of contacts.
    pub count: u32,
    /// Seed.
    pub seed: u64,
}

/// Generates contacts in a portal.
pub fn run(_world: &mut World, _portal: u64, _plan: &Plan) {}
