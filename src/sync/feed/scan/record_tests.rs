#![allow(clippy::unwrap_used)]

use jiff::SignedDuration;

use super::*;
use crate::domain::trigger::Trigger;
use crate::ports::ledger::StreamRequest;
use crate::ports::test_support::{FixedClock, at};
use crate::registry::Event;
use crate::registry::test_support::hubspot_account;
use crate::sync::absences::AbsentContact;
use crate::sync::context::SyncContext;
use crate::sync::feed::pass::Pass;
use crate::sync::feed::read_history::{Candidate, DatedStage, ReadHistory};
use crate::sync::test_support::{
    FakePortal, STAGE, Waiting, context, customer, event, portal, waiting_rows, without_click,
};

/// What is read is noted at this second: an hour and more after most entries, so that they have settled.
const NOW: i64 = 10_000;

/// A pass over events, in which pages are noted.
struct Setting {
    ctx: SyncContext,
    clock: Arc<FixedClock>,
    pass: Pass,
    history: ReadHistory,
}

impl Setting {
    /// With one event of each name, on a stream of its own.
    async fn new(names: &[&str]) -> Self {
        let (ctx, clock) = context().await;
        clock.advance(SignedDuration::from_secs(NOW));
        let mut pass = Pass {
            account: hubspot_account(),
            crm: FakePortal::new([]),
            portal: portal(),
            events: vec![],
            forms: vec![],
        };
        for name in names {
            let mut event = event(name);
            event.action = None;
            let of = StreamRequest::new(event.key.clone(), event.uid.clone(), portal().id, &event.trigger, None);
            let stream = ctx.ledger.stream_for(&of).await.unwrap();
            ctx.registry.set_event(event.clone());
            pass.events.push(Tracked {
                event: Arc::new(event),
                stream,
                mark: None,
            });
        }
        Self {
            ctx,
            clock,
            pass,
            history: ReadHistory::default(),
        }
    }

    /// An event of the pass, to be another one.
    fn change_event(&mut self, event: usize) -> &mut Event {
        Arc::make_mut(&mut self.pass.events[event].event)
    }

    /// Notes a page; how many rows were new.
    async fn note(&mut self, page: PageRead) -> usize {
        self.try_note(page).await.unwrap()
    }

    async fn try_note(&mut self, page: PageRead) -> Result<usize, SyncError> {
        let mut seen = ScanFindings::default();
        let mut scan = Scan::new(&self.ctx, &self.pass, &mut self.history);
        scan.unnoted.push(page);
        scan.record(&mut seen).await?;
        assert_eq!(
            seen.new_rows,
            self.pass.events.iter().map(|t| seen.new_of(t.stream)).sum::<usize>()
        );
        Ok(seen.new_rows)
    }

    /// The rows of an event that wait.
    async fn rows(&self, event: usize) -> Vec<Waiting> {
        waiting_rows(&self.ctx, self.pass.events[event].stream).await
    }

    /// What an event is told of contacts, by contact.
    fn told(&self, event: usize) -> Vec<(u64, String)> {
        let report = self.ctx.registry.event_report(&self.pass.events[event].event.key);
        let notes = report.errors.into_iter();
        notes.map(|note| (note.contact.unwrap(), note.message)).collect()
    }

    fn is_aside(&self, id: u64) -> bool {
        self.history.aside.is_aside(ContactId(id))
    }
}

/// A page on which the search has shown these contacts, and the reads these.
fn page(searched: impl IntoIterator<Item = Contact>, read: impl IntoIterator<Item = Contact>) -> PageRead {
    let stages = [DatedStage::new(STAGE)];
    let mark = |contact: &Contact| Candidate::new(contact, &stages, at(NOW)).read_mark(&stages, &[]);
    PageRead {
        contacts: read.into_iter().map(|contact| (at(NOW), Arc::new(contact))).collect(),
        read: searched.into_iter().map(|contact| mark(&contact)).collect(),
        ..PageRead::default()
    }
}

/// The search and the reads have shown the same.
fn agreeing(contacts: impl IntoIterator<Item = Contact>) -> PageRead {
    let contacts: Vec<_> = contacts.into_iter().collect();
    page(contacts.clone(), contacts)
}

fn flawed(contact: Contact, stages: &[&str]) -> Contact {
    let flaw = Flaw {
        why: "an odd row".to_owned(),
        stages: stages.iter().copied().map(str::to_owned).collect(),
    };
    Contact {
        flaw: Some(flaw),
        ..contact
    }
}

fn waits(contact: u64, reason: &str, due: i64) -> Waiting {
    (contact, Outcome::Pending, reason.to_owned(), due)
}

/// What is read at second 10,000 of a contact with these entries;
/// when each of its rows is looked at first, and why not now.
#[rstest::rstest]
#[case::settled(customer(5, 9_000, &[100]), &[waits(5, reason::CLICK_TOO_RECENT, 100 - 1 + 21_600 + 1_000)])]
#[case::no_entry(customer(5, 9_000, &[]), &[])]
#[case::before_the_start(customer(5, 9_000, &[-100]), &[])]
#[case::no_click_yet(
    without_click(customer(5, 9_000, &[8_000])),
    &[waits(5, reason::AWAITING_CLICK_ID, 8_000 + 3_600 + 1_000)],
)]
#[case::no_click_any_more(without_click(customer(5, 9_000, &[100])), &[waits(5, reason::NOT_DUE, NOW)])]
#[case::just_seen(
    with_old_click(customer(5, NOW, &[9_999])),
    &[waits(5, reason::NOT_DUE, NOW + 600)],
)]
#[case::what_cannot_be_read_wholly_is_read_again_first(
    flawed(customer(5, 9_000, &[100]), &[STAGE]),
    &[waits(5, reason::UNREADABLE_RECORD, NOW)],
)]
#[tokio::test]
async fn an_entry_becomes_a_row_that_waits(#[case] contact: Contact, #[case] rows: &[Waiting]) {
    let mut setting = Setting::new(&["event"]).await;
    assert_eq!(setting.note(agreeing([contact.clone()])).await, rows.len());
    assert_eq!(setting.rows(0).await, rows);
    assert_eq!(setting.note(agreeing([contact])).await, 0, "it is known");
}

/// The click lies two weeks back.
fn with_old_click(mut contact: Contact) -> Contact {
    for (name, entries) in &mut contact.history {
        if name == crate::sync::test_support::GCLID {
            for entry in entries.iter_mut() {
                entry.at = at(-1_209_600);
            }
        }
    }
    contact
}

#[tokio::test]
async fn each_event_takes_the_entries_that_are_its_own() {
    let mut setting = Setting::new(&["early", "late", "other"]).await;
    setting.change_event(1).start = at(5_000);
    setting.change_event(2).trigger = Trigger::Stage("lead".to_owned());
    let contacts = [1, 2].map(|id| customer(id, 9_000, &[1_000 * i64::try_from(id).unwrap() * 3]));
    assert_eq!(setting.note(agreeing(contacts)).await, 5);
    let mut found = Vec::new();
    for event in 0..3 {
        let rows = setting.rows(event).await;
        found.push(rows.into_iter().map(|row| row.0).collect::<Vec<_>>());
    }
    assert_eq!(found, [vec![1, 2], vec![2], vec![1, 2]]);
}

#[tokio::test]
async fn a_row_seen_while_the_event_is_suspended_says_so() {
    for suspended in [false, true] {
        let mut setting = Setting::new(&["event"]).await;
        // Since the pass began.
        let mut event = Event::clone(&setting.pass.events[0].event);
        event.suspended = suspended;
        setting.ctx.registry.set_event(event);
        setting.note(agreeing([customer(5, 9_000, &[100])])).await;
        let stream = setting.pass.events[0].stream;
        let rows = setting
            .ctx
            .ledger
            .due_rows(stream, at(0), Timestamp::MAX, 9)
            .await
            .unwrap();
        assert_eq!(
            rows.iter().map(|row| row.while_suspended).collect::<Vec<_>>(),
            [suspended]
        );
    }
}

#[tokio::test]
async fn a_row_that_is_due_is_sent_by_the_read_that_found_it() {
    let mut setting = Setting::new(&["event"]).await;
    let (due, waits) = (with_old_click(customer(1, 9_000, &[100])), customer(2, 9_000, &[101]));
    setting.note(agreeing([due, waits])).await;
    let cache = setting.ctx.contact_cache(&setting.pass.events[0].event.hubspot);
    let plan = crate::sync::feed::contact_query([&setting.pass.events[0].event]);
    let kept = |id| cache.fresh(ContactId(id), &plan, (at(NOW - 1), at(NOW)));
    let read = kept(1).unwrap();
    let click = read.contact.history_of(crate::sync::test_support::GCLID)[0]
        .value
        .clone();
    assert_eq!((click.as_str(), read.at), ("click-1", at(NOW)));
    assert!(kept(2).is_none(), "it is read again when it is due");
}

#[tokio::test]
async fn what_was_read_is_not_read_again() {
    let mut setting = Setting::new(&["event"]).await;
    let contact = customer(5, 9_000, &[100]);
    setting.note(agreeing([contact.clone()])).await;
    let stages = [DatedStage::new(STAGE)];
    let found = Candidate::new(&contact, &stages, at(NOW));
    assert!(!setting.history.new_entry(&found) && !setting.history.new_modification(&found));
}

/// The contact is put aside, and these events hear of it.
#[rstest::rstest]
#[case::in_the_stage_of_both(&[], &[0, 1])]
#[case::in_the_stage_of_one(&["lead"], &[1])]
#[case::in_that_of_none(&["subscriber"], &[])]
#[tokio::test]
async fn what_cannot_be_read_of_a_contact_is_told_to_whom_it_may_concern(
    #[case] lost: &[&str],
    #[case] told: &[usize],
) {
    let mut setting = Setting::new(&["customer", "lead"]).await;
    setting.change_event(1).trigger = Trigger::Stage("lead".to_owned());
    setting.note(agreeing([flawed(customer(5, 9_000, &[]), lost)])).await;
    assert!(setting.is_aside(5));
    let message = "Contact 5 waits: it can't be read (an odd row). It is read again later; check it in HubSpot.";
    for event in 0..2 {
        let expected = told.contains(&event).then(|| (5, message.to_owned()));
        assert_eq!(setting.told(event), expected.into_iter().collect::<Vec<_>>(), "{event}");
    }
}

#[tokio::test]
async fn of_whom_nothing_can_be_read_everybody_hears() {
    let mut setting = Setting::new(&["event", "other"]).await;
    let unreadable = [(ContactId(5), "no id".to_owned())].into();
    let nothing = PageRead {
        unreadable,
        ..PageRead::default()
    };
    assert_eq!(setting.note(nothing).await, 0);
    assert!(setting.is_aside(5));
    assert_eq!([0, 1].map(|event| setting.told(event).len()), [1, 1]);
    // The others of the page count.
    let beside = PageRead {
        unreadable: [(ContactId(6), "no id".to_owned())].into(),
        ..agreeing([customer(7, 9_000, &[100])])
    };
    assert_eq!(setting.note(beside).await, 2);
}

#[tokio::test]
async fn who_is_not_shown_is_looked_for_and_named_unless_hubspot_says_that_it_is_deleted() {
    let mut setting = Setting::new(&["event"]).await;
    let absent = |named| AbsentContact {
        after: SignedDuration::from_secs(90),
        named,
    };
    let missing = PageRead {
        sought: [(ContactId(5), absent(false)), (ContactId(6), absent(true))].into(),
        ..PageRead::default()
    };
    setting.note(missing).await;
    assert_eq!(setting.told(0).into_iter().map(|(id, _)| id).collect::<Vec<_>>(), [5]);
    assert!(setting.history.aside.due_contacts(at(NOW + 89)).is_empty());
    assert_eq!(setting.history.aside.due_contacts(at(NOW + 90)), [5, 6].map(ContactId));
}

/// What two pages with a pause between them have shown: nobody of whom they ask for, one of whom is missed.
#[rstest::rstest]
#[case::nobody([false, false], 15, true)]
#[case::nobody_for_a_while([false, false], 14, false)]
#[case::somebody_else([false, true], 15, false)]
#[tokio::test]
async fn answers_that_show_nobody_are_told(#[case] shows: [bool; 2], #[case] minutes: i64, #[case] told: bool) {
    let mut setting = Setting::new(&["event"]).await;
    let (after, named) = (SignedDuration::from_secs(90), true);
    for shows in shows {
        let page = PageRead {
            sought: [(ContactId(5), AbsentContact { after, named })].into(),
            shows,
            ..PageRead::default()
        };
        setting.note(page).await;
        setting.clock.advance(SignedDuration::from_mins(minutes));
    }
    let said = setting
        .history
        .fruitless
        .describe("by id", setting.ctx.settings.failure_threshold);
    assert_eq!(said.is_some(), told, "{said:?}");
}

#[tokio::test]
async fn a_read_that_is_behind_the_search_does_not_count_until_a_second_one_agrees() {
    let mut setting = Setting::new(&["event"]).await;
    let (new, old) = (customer(5, 9_000, &[100, 5_000]), customer(5, 200, &[100]));
    assert_eq!(setting.note(page([new.clone()], [old.clone()])).await, 0);
    assert!(setting.is_aside(5));
    assert!(setting.told(0).is_empty(), "its servers are seconds apart at times");
    // Read again, not by a search.
    assert_eq!(
        setting.note(page([], [old.clone()])).await,
        1,
        "two reads agree about this entry"
    );
    assert!(setting.is_aside(5), "the other one is still missing");
    assert_eq!(setting.note(page([], [new.clone()])).await, 1);
    assert!(
        setting.is_aside(5),
        "of the first entry this read alone tells beside the last one"
    );
    assert_eq!(setting.note(page([], [new])).await, 0);
    assert!(!setting.is_aside(5));
}

#[tokio::test]
async fn reads_that_stay_behind_are_named() {
    let mut setting = Setting::new(&["event"]).await;
    let (new, old) = (customer(5, 9_000, &[100, 5_000]), customer(5, 200, &[100]));
    setting.note(page([new], [old.clone()])).await;
    for _ in 1..SILENT_TRIES {
        setting.note(page([], [old.clone()])).await;
        assert!(setting.told(0).is_empty());
    }
    setting.note(page([], [old.clone()])).await;
    assert_eq!(setting.told(0).len(), 1);
    // Nor is it waited for for ever.
    setting.clock.advance(setting.ctx.settings.waits.click_grace);
    setting.note(page([], [old])).await;
    assert!(!setting.is_aside(5));
}

#[tokio::test]
async fn an_entry_that_one_read_alone_tells_of_waits_for_another_read() {
    let mut setting = Setting::new(&["event"]).await;
    // The search shows the last entry only.
    let contact = customer(5, 9_000, &[100, 5_000]);
    assert_eq!(setting.note(agreeing([contact.clone()])).await, 1);
    assert!(setting.is_aside(5));
    assert_eq!(setting.note(page([], [contact])).await, 1);
    assert!(!setting.is_aside(5));
}

#[tokio::test]
async fn nobody_is_passed_over_where_no_more_can_be_put_aside() {
    let mut setting = Setting::new(&["event"]).await;
    let (pause, aside) = (setting.ctx.settings.backoff_max, &mut setting.history.aside);
    for id in 1_001..=6_000 {
        aside.put_aside(ContactId(id), pause, at(0));
        aside.wait_for_another(&customer(20_000 + id, 200, &[100]), None, at(0), (pause, at(0)));
    }
    let id = 1_001;
    let unreadable = |id| PageRead {
        unreadable: [(ContactId(id), "no id".to_owned())].into(),
        ..agreeing([customer(7, 9_000, &[100])])
    };
    assert!(
        matches!(setting.try_note(unreadable(5)).await, Err(SyncError::Upstream(error)) if error.cause == Cause::Malformed)
    );
    assert_eq!(setting.rows(0).await.len(), 1, "what can be read counts");
    assert!(setting.try_note(unreadable(id)).await.is_ok(), "it has its place");
    let absent = AbsentContact {
        after: SignedDuration::from_secs(90),
        named: true,
    };
    let missing = PageRead {
        sought: [(ContactId(6), absent)].into(),
        ..PageRead::default()
    };
    assert!(setting.try_note(missing).await.is_err());
    let behind = |id| page([customer(id, 9_000, &[100, 5_000])], [customer(id, 200, &[100])]);
    assert!(setting.try_note(behind(8)).await.is_err());
    assert!(setting.try_note(behind(21_001)).await.is_ok(), "it has its place");
}
