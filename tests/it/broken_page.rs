//! A page of contacts can't be read: those before it count all the same.

use adconversion_operator::domain::ids::ContactId;

use crate::support::loops::{World, ledger};
use crate::support::memory::Memory;

/// Two full pages and a third.
const CONTACTS: usize = 500;
/// The third can't be read.
const READABLE: usize = 400;

#[tokio::test]
async fn contacts_read_before_a_page_that_fails_are_sent() {
    let mut portal = Memory::new(CONTACTS as u64);
    portal.broken = Some(ContactId(READABLE as u64));
    let running = World::new(ledger().await, portal, CONTACTS).run();
    running.sent(READABLE).await;
    let world = running.stop().await;
    assert_eq!(world.sink.taken().len(), READABLE);
}
