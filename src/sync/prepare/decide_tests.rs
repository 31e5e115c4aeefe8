#![allow(clippy::unwrap_used)]

use jiff::SignedDuration;

use super::*;
use crate::api::{Money, ResumePolicy, SharedData};
use crate::domain::contact::{Contact, Flaw, LIFECYCLE_STAGE};
use crate::domain::eligibility::ValueRule;
use crate::domain::ids::OccurrenceKey;
use crate::domain::outcome::ADDRESS_ALONE;
use crate::ports::ledger::{NewRow, StreamRequest};
use crate::ports::test_support::{FixedClock, at};
use crate::registry::ErrorNote;
use crate::registry::test_support::hubspot_account;
use crate::sync::test_support::{
    FakePortal, STAGE, Waiting, action, context, customer, event, hubspot_error, portal, row, waiting_rows,
    without_click,
};

#[path = "gates_tests.rs"]
mod gates;

/// All contacts have settled by then, and their clicks are old enough.
const NOW: i64 = 100_000;
/// Its first pause is a second sharp.
const ID: u64 = 200;

/// An event whose rows are prepared.
struct Setting {
    ctx: SyncContext,
    clock: Arc<FixedClock>,
    portal: Arc<FakePortal>,
    event: EligibleEvent,
}

impl Setting {
    async fn new(contacts: impl IntoIterator<Item = Contact>) -> Self {
        let (ctx, clock) = context().await;
        clock.advance(SignedDuration::from_secs(NOW));
        let (crm, event) = (FakePortal::new(contacts), event("event"));
        let action = event.action.clone();
        let key = action.as_ref().map(|action| action.key.clone());
        let of = StreamRequest::new(event.key.clone(), event.uid.clone(), portal().id, &event.trigger, key);
        let stream = ctx.ledger.stream_for(&of).await.unwrap();
        ctx.registry.set_event(event.clone());
        let event = EligibleEvent {
            event: Arc::new(event),
            action: action.unwrap(),
            window: ClickWindow::WIDEST,
            account: hubspot_account(),
            crm: crm.clone(),
            portal: portal(),
            stream,
            addresses: true,
        };
        Self {
            ctx,
            clock,
            portal: crm,
            event,
        }
    }

    /// With a row of each of these contacts, each of an entry at second 100.
    async fn with_rows(contacts: impl IntoIterator<Item = Contact>, rows: &[u64]) -> Self {
        let setting = Self::new(contacts).await;
        setting.record(rows, false).await;
        setting
    }

    /// The event, to be another one.
    fn change_event(&mut self) -> &mut Event {
        Arc::make_mut(&mut self.event.event)
    }

    async fn record(&self, contacts: &[u64], while_suspended: bool) {
        let new = |id: &u64| NewRow {
            keys: vec![OccurrenceKey::for_lifecycle(
                portal().id,
                ContactId(*id),
                STAGE,
                at(100).as_millisecond(),
            )],
            contact: ContactId(*id),
            submission: None,
            occurred_at: at(100),
            first_seen: at(100),
            outcome: Outcome::Pending,
            reason: reason::NOT_DUE.into(),
            due: at(100),
            while_suspended,
            shown: None,
        };
        let rows: Vec<_> = contacts.iter().map(new).collect();
        self.ctx
            .ledger
            .record_occurrences(self.event.stream, &rows)
            .await
            .unwrap();
    }

    /// The contacts whose rows are to be sent now.
    async fn prepare(&self) -> Result<Vec<u64>, SyncError> {
        let (ready, _) = self.event.prepare_rows(&self.ctx, 100).await?;
        Ok(ready.into_iter().map(|ready| ready.row.contact.0).collect())
    }

    async fn waiting(&self) -> Vec<Waiting> {
        waiting_rows(&self.ctx, self.event.stream).await
    }

    /// Outcome, reason and detail of the rows that wait no longer.
    async fn settled(&self) -> Vec<(Outcome, String, String)> {
        let counted = self
            .ctx
            .ledger
            .count_rows(self.event.stream, at(0), at(NOW))
            .await
            .unwrap();
        let settled = counted.classes.into_iter().filter(|class| class.outcome.is_final());
        settled
            .map(|class| (class.outcome, class.reason, class.detail))
            .collect()
    }

    fn errors(&self) -> Vec<ErrorNote> {
        let report = self.ctx.registry.event_report(&self.event.event.key);
        report.errors.into_iter().collect()
    }
}

fn pending(contact: u64, reason: &str, due: i64) -> Waiting {
    (contact, Outcome::Pending, reason.to_owned(), due)
}

fn good(id: u64) -> Contact {
    customer(id, 90_000, &[100])
}

fn flawed() -> Contact {
    let flaw = Flaw {
        why: "an odd row".to_owned(),
        stages: vec![],
    };
    Contact {
        flaw: Some(flaw),
        ..good(ID)
    }
}

/// What HubSpot shows of a contact; whether its row is sent; if
/// not, why it waits and until when, and what is said of it.
#[rstest::rstest]
#[case::with_a_click(Some(good(ID)), None, &[])]
#[case::by_one_read_without_a_click(Some(without_click(good(ID))), None, &[pending(ID, reason::NOT_DUE, NOW + 60)])]
#[case::read_in_part(Some(flawed()), Some("it can't be read (an odd row)"), &[pending(ID, reason::UNREADABLE_RECORD, NOW + 1)])]
#[case::not_shown(None, Some("HubSpot does not show it"), &[pending(ID, reason::UNREADABLE_RECORD, NOW + 600)])]
#[tokio::test]
async fn what_one_read_of_a_contact_comes_to(
    #[case] shown: Option<Contact>,
    #[case] said: Option<&str>,
    #[case] waits: &[Waiting],
) {
    let setting = Setting::with_rows(shown, &[ID]).await;
    let sent = setting.prepare().await.unwrap();
    if waits.is_empty() {
        assert_eq!(sent, [ID]);
    } else {
        assert_eq!(sent, [0; 0]);
        assert_eq!(setting.waiting().await, waits);
    }
    let notes = setting.errors();
    let told: Vec<_> = notes.iter().map(|note| note.contact).collect();
    match said {
        Some(said) => assert!(told == [Some(ID)] && notes[0].message.contains(said), "{notes:?}"),
        None => assert!(told.is_empty(), "{notes:?}"),
    }
    assert!(setting.settled().await.is_empty(), "nothing is final yet");
}

#[tokio::test]
async fn a_contact_of_which_nothing_can_be_read_waits_longer_each_time_and_holds_up_no_other() {
    let setting = Setting::with_rows([good(7)], &[7, ID]).await;
    setting
        .portal
        .unreadable
        .lock()
        .insert(ContactId(ID), "no id".to_owned());
    for (moved, due) in [(0, 1), (1, 3), (2, 7)] {
        setting.clock.advance(SignedDuration::from_secs(moved));
        assert_eq!(setting.prepare().await.unwrap(), [7]);
        let waiting = setting.waiting().await;
        assert_eq!(waiting[1], pending(ID, reason::UNREADABLE_RECORD, NOW + due));
    }
    assert_eq!(setting.errors().len(), 1, "once");
}

#[tokio::test]
async fn it_takes_two_reads_to_leave_a_conversion_out() {
    let setting = Setting::with_rows([without_click(good(ID))], &[ID]).await;
    for (moved, reads) in [(0, 1), (59, 1), (1, 2)] {
        assert!(setting.settled().await.is_empty());
        setting.clock.advance(SignedDuration::from_secs(moved));
        assert_eq!(setting.prepare().await.unwrap(), [0; 0]);
        assert_eq!(setting.portal.reads.lock().len(), reads);
    }
    let skipped = (Outcome::Skipped, reason::NO_CLICK_ID.to_owned(), String::new());
    assert_eq!(setting.settled().await, [skipped]);
}

#[tokio::test]
async fn a_contact_that_stays_away_is_deleted_in_the_end() {
    let mut setting = Setting::with_rows([good(7)], &[ID]).await;
    // Nothing is believed of an absence whose pause, by the clock of this process, is not over.
    for _ in 0..3 {
        setting.clock.advance(SignedDuration::from_hours(1));
        assert_eq!(setting.prepare().await.unwrap(), [0; 0]);
    }
    assert!(setting.settled().await.is_empty());
    let waits = &mut setting.ctx.settings.waits;
    (waits.click_grace, waits.settle) = (SignedDuration::ZERO, SignedDuration::ZERO);
    setting.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(setting.prepare().await.unwrap(), [0; 0]);
    let skipped = (Outcome::Skipped, reason::CONTACT_DELETED.to_owned(), String::new());
    assert_eq!(setting.settled().await, [skipped]);
}

#[tokio::test]
async fn contacts_are_asked_for_once_each_and_not_at_all_if_they_were_just_read() {
    let setting = Setting::with_rows([good(7), good(8)], &[]).await;
    assert_eq!(setting.prepare().await.unwrap(), [0; 0]);
    assert_eq!(setting.portal.reads.lock().len(), 0, "no row is due");
    setting.record(&[8, 7], false).await;
    for moved in [0, 59] {
        setting.clock.advance(SignedDuration::from_secs(moved));
        assert_eq!(setting.prepare().await.unwrap().len(), 2);
        assert_eq!(*setting.portal.reads.lock(), [[7, 8]], "{moved}");
    }
    setting.clock.advance(SignedDuration::from_secs(1));
    let (ready, looked_at) = setting.event.prepare_rows(&setting.ctx, 100).await.unwrap();
    assert_eq!(
        (looked_at, setting.portal.reads.lock().len()),
        (2, 2),
        "an upload interval later"
    );
    assert!(ready.iter().all(|ready| ready.read == at(NOW + 60)));
    // What waits to be sent is read again after half of it.
    setting.clock.advance(SignedDuration::from_secs(29));
    let ready = setting.event.refresh_rows(&setting.ctx, ready).await.unwrap();
    assert_eq!(setting.portal.reads.lock().len(), 2);
    setting.clock.advance(SignedDuration::from_secs(1));
    let ready = setting.event.refresh_rows(&setting.ctx, ready).await.unwrap();
    assert_eq!((ready.len(), setting.portal.reads.lock().len()), (2, 3));
}

#[rstest::rstest]
#[case(Cause::Unavailable, reason::UPSTREAM_UNAVAILABLE)]
#[case(Cause::CredentialsRejected, reason::ACCOUNT_NOT_READY)]
#[tokio::test]
async fn where_contacts_cannot_be_read_all_rows_wait(#[case] cause: Cause, #[case] why: &str) {
    let setting = Setting::with_rows([good(7), good(8)], &[7, 8]).await;
    *setting.portal.failure.lock() = Some(hubspot_error(cause));
    let failed = setting.prepare().await;
    assert!(matches!(failed, Err(SyncError::Upstream(error)) if error.cause == cause));
    assert_eq!(setting.waiting().await, [7, 8].map(|id| pending(id, why, NOW + 1)));
}

/// Whether a failed read of deals is a matter of the account (the call fails), and why the rows wait.
#[rstest::rstest]
#[case(Cause::MissingScope, false, reason::ACCOUNT_NOT_READY)]
#[case(Cause::AccessDenied, false, reason::ACCOUNT_NOT_READY)]
#[case(Cause::CredentialsRejected, true, reason::ACCOUNT_NOT_READY)]
#[case(Cause::Unavailable, true, reason::UPSTREAM_UNAVAILABLE)]
#[tokio::test]
async fn where_deals_cannot_be_read_rows_wait(#[case] cause: Cause, #[case] of_account: bool, #[case] why: &str) {
    let mut setting = Setting::with_rows([good(7)], &[7]).await;
    setting.change_event().rules.value = Some(ValueRule::DealAmount { default: euros(5) });
    *setting.portal.deals.lock() = Some(hubspot_error(cause));
    let prepared = setting.prepare().await;
    assert_eq!(prepared.is_err(), of_account);
    assert_eq!(prepared.unwrap_or_default(), [0; 0]);
    assert_eq!(setting.waiting().await, [pending(7, why, NOW + 1)]);
    let report = setting.ctx.registry.event_report(&setting.event.event.key);
    assert_eq!(
        report.reads.failing_since.is_some(),
        !of_account,
        "the event itself says so"
    );
    let asks_again = setting.ctx.registry.take_scope_refused(&setting.event.event.hubspot);
    assert_eq!(asks_again, !of_account, "the account asks again what its token may do");
}

#[tokio::test]
async fn a_read_that_succeeds_ends_a_failure_also_where_nothing_is_to_be_sent() {
    let mut setting = Setting::with_rows([good(7)], &[7]).await;
    let reads = |setting: &Setting| setting.ctx.registry.event_report(&setting.event.event.key).reads;
    setting.change_event().rules.value = Some(ValueRule::DealAmount { default: euros(5) });
    *setting.portal.deals.lock() = Some(hubspot_error(Cause::MissingScope));
    assert_eq!(setting.prepare().await.unwrap(), [0; 0]);
    assert!(reads(&setting).failing_since.is_some());
    setting.clock.advance(SignedDuration::from_secs(100));
    *setting.portal.deals.lock() = None;
    let shown = without_click(good(7));
    setting.portal.contacts.lock().insert(shown.id, shown);
    assert_eq!(setting.prepare().await.unwrap(), [0; 0]);
    assert_eq!((reads(&setting).failing_since, reads(&setting).error), (None, None));
}

fn euros(amount: i64) -> Money {
    Money {
        amount: amount.into(),
        currency: "EUR".to_owned(),
    }
}

#[tokio::test]
async fn a_row_is_sent_with_the_value_of_its_event() {
    let mut setting = Setting::with_rows([good(7)], &[7]).await;
    setting.change_event().rules.value = Some(ValueRule::Fixed(euros(5)));
    let (ready, _) = setting.event.prepare_rows(&setting.ctx, 100).await.unwrap();
    assert_eq!(ready[0].value, Some((5.into(), "EUR".to_owned())));
    assert!(setting.event.takes_row(&ready[0]) && ready[0].action == action(7) && !ready[0].trigger_kind.is_form());
    setting.event.action.key = action(8);
    assert!(!setting.event.takes_row(&ready[0]), "it was decided for another action");
}

#[rstest::rstest]
#[case::the_route_takes_addresses(true)]
#[case::the_route_takes_none(false)]
#[tokio::test]
async fn an_address_alone_needs_a_route_that_takes_it(#[case] addresses: bool) {
    let address = [
        ("firstname", "Ada"),
        ("lastname", "Lovelace"),
        ("zip", "10115"),
        ("country", "Germany"),
    ];
    let contact = Contact {
        properties: address.into_iter().chain([(LIFECYCLE_STAGE, STAGE)]).collect(),
        ..without_click(good(7))
    };
    let mut setting = Setting::with_rows([contact], &[7]).await;
    setting.change_event().rules.share = vec![SharedData::Address];
    setting.event.addresses = addresses;
    let sent = setting.prepare().await.unwrap();
    let skipped = (
        Outcome::Skipped,
        reason::NO_SHARED_DATA.to_owned(),
        ADDRESS_ALONE.to_owned(),
    );
    let expected = if addresses {
        (vec![7], vec![])
    } else {
        (vec![], vec![skipped])
    };
    assert_eq!((sent, setting.settled().await), expected);
}

#[rstest::rstest]
#[case::skip_missed(ResumePolicy::SkipMissed, &[7])]
#[case::send_missed(ResumePolicy::CatchUp, &[7, 8])]
#[tokio::test]
async fn what_was_missed_while_suspended_goes_or_is_skipped(#[case] policy: ResumePolicy, #[case] expected: &[u64]) {
    let mut setting = Setting::with_rows([good(7), good(8)], &[7]).await;
    setting.record(&[8], true).await;
    setting.change_event().resume_policy = policy;
    let mut sent = setting.prepare().await.unwrap();
    sent.sort_unstable();
    assert_eq!(sent, expected);
    assert_eq!(setting.settled().await.len(), 2 - expected.len());
}

/// What Google may have stays so while its contact cannot be read.
#[tokio::test]
async fn a_row_that_is_tried_again_keeps_what_is_known_of_it() {
    let setting = Setting::new([]).await;
    let pause = SignedDuration::from_secs(30);
    let unknown = Row {
        outcome: Outcome::Processing,
        reason: reason::OUTCOME_UNKNOWN.to_owned(),
        ..row(1)
    };
    let found = [row(1), unknown].map(|row| {
        let update = setting.event.try_again(&setting.ctx, &row, pause);
        assert!(update.failed_try && update.due == at(NOW + 30));
        (update.outcome, update.reason.into_owned())
    });
    let expected = [
        (Outcome::Pending, reason::UNREADABLE_RECORD),
        (Outcome::Processing, reason::OUTCOME_UNKNOWN),
    ];
    assert_eq!(found, expected.map(|(outcome, reason)| (outcome, reason.to_owned())));
}
