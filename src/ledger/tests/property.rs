//! Random sequences of calls, with the file dropped and opened again in between, against the model.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::homes::Home;
use super::model::{Known, Model, kind, pick};
use super::stored::stored_rows;
use super::*;
use crate::api::ResumePolicy;
use crate::ports::ledger::{BatchId, BatchResult, LONGEST_WINDOW, LookResult, Looker, StatusResult};

/// What to do, and three numbers that say with what.
type Step = (u8, u8, u8, u8);

struct Run {
    home: Home,
    ledger: SqlLedger,
    model: Model,
    minute: i64,
    of_event: StreamId,
    of_action: StreamId,
    finals: BTreeMap<RowId, Outcome>,
    sent: BTreeMap<RowId, Option<u32>>,
}

impl Run {
    async fn new() -> Self {
        let home = Home::usual().await;
        let ledger = SqlLedger::open(&home.url).await.unwrap();
        let of_event = ledger.stream_for(&request(None)).await.unwrap();
        let of_action = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
        let (model, finals, sent) = Default::default();
        Self {
            home,
            ledger,
            model,
            minute: 10,
            of_event,
            of_action,
            finals,
            sent,
        }
    }

    fn updates(&self, rows: &[RowId], a: u8) -> Vec<RowUpdate> {
        let one = |(i, row): (usize, &RowId)| {
            let (outcome, reason, failed_try) = kind(a.wrapping_add(u8::try_from(i).unwrap()));
            // One time for all, or one for each.
            let later = a.wrapping_add(u8::try_from(i).unwrap() * (a % 2));
            let due = at(self.minute + i64::from(later % 7));
            RowUpdate {
                due,
                failed_try,
                isolation_group: i64::from(a % 3),
                ..update(*row, outcome, reason)
            }
        };
        rows.iter().enumerate().map(one).collect()
    }

    async fn step(&mut self, (what, a, b, c): Step) {
        self.minute += i64::from(c % 4);
        let now = at(self.minute);
        let stream = if a.is_multiple_of(2) {
            self.of_event
        } else {
            self.of_action
        };
        match what {
            0..=2 => self.observe(stream, a, b).await,
            3 => {
                let rows: Vec<RowId> = self.model.rows.keys().copied().collect();
                let updates = self.updates(&pick(&rows, a), b);
                self.ledger.apply_updates(&updates, now).await.unwrap();
                self.model.settle(&updates);
            }
            4 | 5 => {
                let rows: Vec<_> = pick(&self.model.free(), a | 1).into_iter().collect();
                // One value for all, one for each, or none.
                let value = |i: usize| u32::from(b) * 10 + u32::try_from(i).unwrap() * u32::from(b % 2);
                let rows: Vec<_> = rows
                    .iter()
                    .enumerate()
                    .map(|(i, r)| (*r, (b % 3 > 0).then_some(value(i))))
                    .collect();
                let row = |(row, value): &(RowId, Option<u32>)| {
                    value.map_or_else(|| plain(*row), |v| worth(*row, &v.to_string()))
                };
                let batch: Vec<_> = rows.iter().map(row).collect();
                let id = self
                    .ledger
                    .begin_batch(&sender(), &[action(7)], &batch, now)
                    .await
                    .unwrap();
                self.model.begin(id, &rows);
            }
            6 | 7 => self.finish(a, b, c).await,
            8 | 9 => self.status(a, b, c).await,
            10 => {
                self.open_again(b.is_multiple_of(4)).await;
                if a.is_multiple_of(2) {
                    let recovered = self.ledger.recover_batches(None, now).await.unwrap();
                    assert_eq!(recovered, self.model.recover(now));
                }
            }
            11 => {
                let policy = if b.is_multiple_of(2) {
                    ResumePolicy::SkipMissed
                } else {
                    ResumePolicy::CatchUp
                };
                let skipped = self.ledger.resume_rows(stream, policy, now).await.unwrap();
                assert_eq!(skipped, self.model.resume(stream, policy, now));
            }
            12 => {
                let why = kind(b).1;
                self.ledger.release_rows(stream, &[why], now).await.unwrap();
                self.model.release(stream, why, now);
            }
            13 => self.fold(b).await,
            14 => self.erase(u64::from(a % 8) + 1, now).await,
            _ => {
                let of_action = self.ledger.stream_for(&request(Some(action(7)))).await.unwrap();
                assert_eq!(of_action, self.of_action);
                self.model.merge(self.of_event, self.of_action);
            }
        }
    }

    /// Only one at a time has it: the one before goes first. `moves`: to the other database.
    async fn open_again(&mut self, moves: bool) {
        if !self.home.is_file() {
            // A server hears a little later that a session was dropped.
            self.ledger.close().await;
        }
        self.ledger = SqlLedger::open("sqlite::memory:").await.unwrap();
        if moves {
            self.home = self.home.moved().await;
        }
        self.ledger = SqlLedger::open(&self.home.url).await.unwrap();
    }

    /// What went was settled for good, on the action's track, and in no request.
    async fn fold(&mut self, b: u8) {
        let before = at(self.minute - i64::from(b % 6));
        let folded = self.ledger.archive_rows(before, usize::from(b % 4) + 1).await.unwrap();
        let stored = stored_rows(&self.ledger).await;
        let gone: Vec<_> = self
            .model
            .rows
            .keys()
            .filter(|id| !stored.contains_key(id))
            .copied()
            .collect();
        assert_eq!(gone.len(), folded);
        for id in gone {
            let row = self.model.rows.remove(&id).unwrap();
            assert!(row.outcome.is_final() && row.stream == self.of_action && row.batch.is_none());
            self.model
                .folded
                .insert((row.stream, row.number), (row.outcome, row.reason));
        }
    }

    /// Contact `n` is the one of the occurrence of that number, on both streams; it has been missing for long.
    async fn erase(&mut self, n: u64, now: Timestamp) {
        let contact = ContactId(n);
        let looker = Looker {
            portal: PortalId(62515),
            account: ObjectKey::new("b", "hubspot"),
        };
        // Nobody looks for whom the ledger does not name.
        let before = ContactId(n.saturating_sub(1));
        let named = self.ledger.contacts_after(looker.portal, before, 1).await.unwrap() == [contact];
        // So late that none of them could be sent any more.
        let late = now + LONGEST_WINDOW + SignedDuration::from_mins(1);
        for at in [at(0), late] {
            let (seen, missing, after) = (vec![], vec![contact], None);
            let look = LookResult {
                seen,
                missing,
                after,
                at,
            };
            self.ledger.record_look(&looker, &[contact], &look).await.unwrap();
        }
        let erased = self
            .ledger
            .erase_contacts(LONGEST_WINDOW, None, 100, late)
            .await
            .unwrap();
        let rows: Vec<RowId> = self.model.of_number(n);
        let in_hands = rows.iter().any(|id| self.model.rows[id].is_in_hands());
        let is_erased = erased.contacts.contains(&(PortalId(62515), contact));
        if named {
            assert_eq!(is_erased, !in_hands);
        } else {
            // All that was left of it is perhaps an earlier look, which goes too: its rows went where their key was
            // known.
            assert!(rows.is_empty(), "the ledger does not name it");
        }
        // Others of which a look said so before, as soon as Google has told about them.
        for (_, contact) in erased.contacts {
            self.model.erase(contact.0);
        }
    }

    async fn observe(&mut self, stream: StreamId, a: u8, b: u8) {
        let numbers = pick(&[1, 2, 3, 4, 5, 6, 7, 8], b);
        let row = |n: &u8| NewRow {
            outcome: if b.is_multiple_of(5) {
                Outcome::Skipped
            } else {
                Outcome::Pending
            },
            due: at(self.minute + i64::from(a % 5)),
            while_suspended: a.is_multiple_of(3),
            ..pending(*n)
        };
        let rows: Vec<_> = numbers.iter().map(row).collect();
        let new = self.ledger.record_occurrences(stream, &rows).await.unwrap();
        let fresh: Vec<_> = rows
            .iter()
            .filter(|r| self.model.observed.insert((stream, r.keys[0].transaction.0[0])))
            .collect();
        assert_eq!(new, fresh.len());
        let stored = stored_rows(&self.ledger).await;
        for row in fresh {
            let number = row.keys[0].transaction.0[0];
            let (id, _) = stored
                .iter()
                .find(|(_, r)| r.stream == stream && r.number == number)
                .unwrap();
            let known = Known {
                stream,
                number,
                outcome: row.outcome,
                reason: row.reason.clone().into_owned(),
                due: (row.outcome == Outcome::Pending).then_some(row.due),
                attempts: 0,
                isolation_group: 0,
                suspended: row.while_suspended,
                sent: None,
                batch: None,
            };
            self.model.rows.insert(*id, known);
        }
    }

    async fn finish(&mut self, a: u8, b: u8, c: u8) {
        let now = at(self.minute);
        let Some(batch) = self.model.batches(false).get(usize::from(c % 2)).copied() else {
            return;
        };
        let updates = self.updates(&pick(&self.model.rows_of(batch), a), b);
        let result = match b % 4 {
            0 => BatchResult::Accepted {
                request_id: format!("r{}", batch.0),
                poll_at: now,
            },
            1 => BatchResult::Refused { updates },
            2 => BatchResult::Answered {
                updates,
                request_id: None,
            },
            _ => BatchResult::Unknown { updates },
        };
        self.ledger.finish_batch(batch, &result, now).await.unwrap();
        self.model.finish(batch, &result, now);
    }

    async fn status(&mut self, a: u8, b: u8, c: u8) {
        let now = at(self.minute);
        let open = self
            .ledger
            .open_requests(&sender(), at(self.minute + 100), 100)
            .await
            .unwrap();
        let mut ids: Vec<BatchId> = open.iter().map(|r| r.batch).collect();
        ids.sort_unstable();
        assert_eq!(ids, self.model.batches(true));
        let Some(request) = open.get(usize::from(c % 3)) else {
            return;
        };
        let rows: Vec<RowId> = request.rows.iter().map(|r| r.row).collect();
        assert_eq!(rows, self.model.rows_of(request.batch));
        let updates = self.updates(&pick(&rows, a), b);
        let poll_at = c.is_multiple_of(2).then_some(now);
        let result = StatusResult {
            batch: request.batch,
            updates,
            poll_at,
        };
        self.ledger.record_status(&result, now).await.unwrap();
        self.model.status(&result, now);
    }

    async fn check(&mut self) {
        assert_eq!(stored_rows(&self.ledger).await, self.model.rows);
        for stream in [self.of_event, self.of_action] {
            let classes = self
                .ledger
                .count_rows(stream, at(0), at(self.minute))
                .await
                .unwrap()
                .classes;
            let counted: u64 = classes.iter().map(|c| c.count).sum();
            let observed = self.model.observed.iter().filter(|(t, _)| *t == stream).count();
            assert_eq!(
                counted, observed as u64,
                "observed = uploaded + processing + pending + skipped + rejected"
            );
            let mut expected: BTreeMap<(Outcome, String), u64> = BTreeMap::new();
            let of_track = self.model.rows.values().filter(|r| r.stream == stream);
            let rows = of_track.map(|r| (r.outcome, r.reason.clone()));
            let folded = self
                .model
                .folded
                .iter()
                .filter(|((t, _), _)| *t == stream)
                .map(|(_, class)| class.clone());
            rows.chain(folded)
                .for_each(|class| *expected.entry(class).or_default() += 1);
            let counted = classes
                .iter()
                .map(|c| ((c.outcome, c.reason.clone()), c.count))
                .collect();
            assert_eq!(expected, counted, "by class");
            let none = self.ledger.count_rows(stream, at(1), at(self.minute)).await.unwrap();
            assert!(none.classes.is_empty(), "all of them occurred before");
            let now = at(self.minute);
            let due = self.ledger.due_rows(stream, at(0), now, 100).await.unwrap();
            assert_eq!(classes.iter().map(|c| c.due).sum::<u64>(), due.len() as u64);
            assert!(due.is_sorted_by_key(|r| (r.due, r.id)));
            let expected = |(_, r): &(&RowId, &Known)| r.stream == stream && r.due.is_some_and(|d| d <= now);
            let mut ids: Vec<_> = due.iter().map(|r| r.id).collect();
            ids.sort_unstable();
            assert_eq!(
                ids,
                self.model
                    .rows
                    .iter()
                    .filter(expected)
                    .map(|(id, _)| *id)
                    .collect::<Vec<_>>()
            );
        }
        for (id, row) in stored_rows(&self.ledger).await {
            if row.outcome.is_final() {
                assert_eq!(*self.finals.entry(id).or_insert(row.outcome), row.outcome);
            }
            assert!(
                row.outcome.is_final() || !self.finals.contains_key(&id),
                "a final outcome was left"
            );
            if let Some(value) = row.sent {
                assert_eq!(
                    *self.sent.entry(id).or_insert(value),
                    value,
                    "another value would adjust the conversion"
                );
            }
        }
    }
}

/// Each step asks a server a dozen times.
fn cases() -> u32 {
    if std::env::var_os(SERVER).is_some() { 16 } else { 48 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_agrees_with_its_model(
        steps in proptest::collection::vec((0_u8..16, any::<u8>(), any::<u8>(), any::<u8>()), 1..80)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new().await;
            for step in steps {
                run.step(step).await;
                run.check().await;
            }
            run.ledger.close().await;
        });
    }
}
