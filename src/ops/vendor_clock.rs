//! The clock of the process: see [`SteadyTime`]. It hears by the way when answers of HubSpot and Google were made.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tracing::warn;

use crate::domain::steady_time::{DateEffect, HostTime, KnownTime, SteadyTime};
use crate::domain::time::to_signed;
use crate::ports::{CallObserver, Clock};

/// Between two lines about a time that is disputed.
const LOG_PAUSE: Duration = Duration::from_mins(10);

/// The clock, which passes on what it observes to another observer.
pub struct VendorClock {
    began: Instant,
    time: Mutex<SteadyTime>,
    /// By how much the time was ahead until it was corrected, if nobody has asked yet.
    was_ahead: Mutex<SignedDuration>,
    /// When a dispute of the time was logged last.
    disputed: Mutex<Option<Instant>>,
    observer: Arc<dyn CallObserver>,
}

impl VendorClock {
    /// Begins with the host's clock.
    pub fn new(observer: Arc<dyn CallObserver>) -> Self {
        let began = Instant::now();
        Self {
            began,
            time: Mutex::new(SteadyTime::new(host_time(began))),
            was_ahead: Mutex::new(SignedDuration::ZERO),
            disputed: Mutex::new(None),
            observer,
        }
    }
}

impl VendorClock {
    /// Each answer may say it: one line now and then.
    fn log_dispute(&self, vendor: &str, wrong_by: SignedDuration) {
        let mut disputed = self.disputed.lock();
        if disputed.is_some_and(|last| last.elapsed() < LOG_PAUSE) {
            return;
        }
        *disputed = Some(Instant::now());
        warn!(
            seconds = wrong_by.as_secs(),
            vendor,
            "this service's answers tell another time than the node and the other service: until they agree nothing is skipped as too late, archived or erased. Check the node's clock, and a proxy in between"
        );
    }
}

fn host_time(began: Instant) -> HostTime {
    HostTime {
        wall: Timestamp::now(),
        monotonic: to_signed(began.elapsed()),
    }
}

impl Clock for VendorClock {
    fn now(&self) -> Timestamp {
        self.time.lock().now(host_time(self.began))
    }

    fn take_ahead(&self) -> SignedDuration {
        std::mem::take(&mut *self.was_ahead.lock())
    }

    fn known_time(&self) -> KnownTime {
        self.time.lock().known_time(host_time(self.began))
    }
}

impl CallObserver for VendorClock {
    fn observe_call(&self, api: &'static str, method: &'static str, status: Option<u16>, elapsed: Duration) {
        self.observer.observe_call(api, method, status, elapsed);
    }

    fn observe_throttling(&self, api: &'static str, wait: Duration) {
        self.observer.observe_throttling(api, wait);
    }

    fn observe_date(&self, vendor: &'static str, date: Timestamp) {
        let heard = self.time.lock().hear(vendor, date, host_time(self.began));
        match heard {
            DateEffect::Nothing => {}
            DateEffect::Disputed(wrong_by) => self.log_dispute(vendor, wrong_by),
            DateEffect::Corrected(wrong_by) => {
                let mut was_ahead = self.was_ahead.lock();
                *was_ahead = wrong_by.max(*was_ahead);
                warn!(
                    seconds = wrong_by.as_secs(),
                    vendor,
                    "the clock of this node is wrong, so the operator goes by the times of HubSpot's and Google's answers: correct the clock"
                );
            }
        }
    }

    fn vendor_time(&self, vendor: &'static str) -> Timestamp {
        self.time.lock().vendor_time(vendor, host_time(self.began))
    }
}
