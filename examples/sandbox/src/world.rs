//! Everything the sandbox knows, behind one lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{clock::Clock, faults::Faults, google, hubspot, log::RequestLog, options::Options};

/// The whole simulated outside world.
pub struct World {
    /// The clock all services read.
    pub clock: Clock,
    /// HubSpot's portals.
    pub hubspot: hubspot::state::HubSpot,
    /// Google's accounts, actions and what they accepted.
    pub google: google::state::Google,
    /// Armed faults and the gate.
    pub faults: Faults,
    /// Every upstream request that arrived.
    pub log: RequestLog,
}

/// The world as it is shared between handlers. Never hold the lock across an await.
pub type Shared = Arc<Mutex<World>>;

impl World {
    /// A fresh world: the default portal, Google's default accounts, no faults.
    pub fn new(options: &Options) -> Self {
        let clock = Clock::with_offset(options.clock_offset);
        let mut world = Self {
            clock,
            hubspot: hubspot::state::HubSpot::new(options, clock.now_ms()),
            google: google::state::Google::new(options),
            faults: Faults::new(options.flaky, options.seed),
            log: RequestLog::default(),
        };
        if options.contacts > 0 {
            let plan = hubspot::generate::Plan {
                count: options.contacts,
                seed: options.seed,
                ..Default::default()
            };
            if let Err(error) = hubspot::generate::run(&mut world, &plan) {
                eprintln!("no contacts generated: {error}");
            }
        }
        world
    }

    /// A fresh world, ready to be shared.
    pub fn shared(options: &Options) -> Shared {
        Arc::new(Mutex::new(Self::new(options)))
    }
}

/// Locks the world. A handler that panicked while holding the lock does not take the others down.
pub fn lock(shared: &Shared) -> MutexGuard<'_, World> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
