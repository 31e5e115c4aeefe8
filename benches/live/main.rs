//! The real operator against the sandbox and a real API server. `cargo bench -- backfill` reads a large portal for the
//! first time, `cargo bench -- events` holds very many events. Numbers behind the name say how many. Both print the
//! figures of docs/performance.md; neither runs unless it is named, as they take minutes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)]

mod backfill;
mod events;
mod stand;

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with('-'));
    let part = words.next();
    let numbers: Vec<usize> = words.filter_map(|word| word.parse().ok()).collect();
    match part.as_deref() {
        Some("backfill") => backfill::run(numbers.first().copied().unwrap_or(100_000)),
        Some("events") if numbers.is_empty() => events::run(&[1_000, 3_000, 10_000]),
        Some("events") => events::run(&numbers),
        _ => {}
    }
}
