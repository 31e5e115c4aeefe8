//! Slots that limit the number of calls in a window, handed out first come, first served.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::config::CallLimit;

/// Calls that may go at once. More are spread over the window, so that nobody has to wait for a whole window.
const BURST: u32 = 10;

/// A number of slots, each good for one call per window.
///
/// A slot is usable again one window after its call has *ended*. The call reaches HubSpot between its start and its
/// end, so two calls of one slot arrive at least a window apart, whatever the network
/// does; hence no window of HubSpot's clock sees more calls than there are slots.
/// Counting from the start would let a slow call and a fast one meet.
pub(crate) struct Slots {
    permits: Semaphore,
    state: Mutex<State>,
    window: Duration,
}

struct State {
    /// When each idle slot may be used, earliest first. As many entries as permits are free.
    free_from: VecDeque<Instant>,
    /// Number of slots, without the surplus.
    calls: u32,
    /// Slots in use that are removed when their call has ended.
    surplus: u32,
    /// The end of the calls so far, had they been spread evenly.
    spread_until: Instant,
}

impl Slots {
    pub(crate) fn new(limit: CallLimit) -> Self {
        let calls = limit.calls.max(1);
        let now = Instant::now();
        Self {
            permits: Semaphore::new(calls as usize),
            state: Mutex::new(State {
                free_from: std::iter::repeat_n(now, calls as usize).collect(),
                calls,
                surplus: 0,
                spread_until: now,
            }),
            window: limit.per,
        }
    }

    /// Length of the window.
    pub(crate) fn window(&self) -> Duration {
        self.window
    }

    /// Calls per window.
    pub(crate) fn calls(&self) -> u32 {
        self.state.lock().calls
    }

    /// Changes the number of calls per window. Slots in use stay until their call has ended.
    pub(crate) fn resize_window(&self, calls: u32) {
        let calls = calls.max(1);
        let mut state = self.state.lock();
        let before = std::mem::replace(&mut state.calls, calls);
        let more = calls.saturating_sub(before);
        let kept = more.min(state.surplus);
        state.surplus -= kept;
        for _ in kept..more {
            state.free_from.push_front(Instant::now());
            self.permits.add_permits(1);
        }
        state.surplus += before.saturating_sub(calls);
        while state.surplus > 0
            && let Ok(idle) = self.permits.try_acquire()
        {
            idle.forget();
            // The slot that would be free last.
            state.free_from.pop_back();
            state.surplus -= 1;
        }
    }

    /// Waits for a slot. `None` only if the semaphore is closed, which ours never is.
    pub(crate) async fn acquire(&self) -> Option<Slot<'_>> {
        let permit = self.permits.acquire().await.ok()?;
        let (free_from, begin) = self.state.lock().take_turn(self.window)?;
        // From here on a dropped (cancelled) slot is given back with the time that it had.
        let mut slot = Slot {
            slots: self,
            permit: Some(permit),
            free_from,
            used: false,
        };
        tokio::time::sleep_until(begin.into()).await;
        slot.used = true;
        Some(slot)
    }
}

impl State {
    /// Takes the slot that is free first. Returns from when on it is free, and when its call may begin.
    fn take_turn(&mut self, window: Duration) -> Option<(Instant, Instant)> {
        let free_from = self.free_from.pop_front()?;
        let spacing = window / self.calls;
        let now = Instant::now();
        let spread = self.spread_until.checked_sub(spacing * (BURST - 1)).unwrap_or(now);
        let begin = free_from.max(now).max(spread);
        self.spread_until = self.spread_until.max(begin) + spacing;
        Some((free_from, begin))
    }
}

/// The right to make one call.
pub(crate) struct Slot<'a> {
    slots: &'a Slots,
    permit: Option<SemaphorePermit<'a>>,
    free_from: Instant,
    used: bool,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let slots = self.slots;
        let mut state = slots.state.lock();
        if state.surplus > 0 {
            state.surplus -= 1;
            if let Some(permit) = self.permit.take() {
                permit.forget();
            }
            return;
        }
        let free_from = if self.used {
            Instant::now() + slots.window
        } else {
            self.free_from
        };
        let at = state.free_from.partition_point(|other| *other <= free_from);
        state.free_from.insert(at, free_from);
        // Before the lock is let go: whoever has the permit finds the slot.
        drop(self.permit.take());
    }
}
