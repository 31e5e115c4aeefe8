#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::domain::ids::ContactId;
use crate::ports::crm::{ContactBatch, Submission};
use crate::registry::test_support::hubspot_account;
use crate::registry::{HubSpotAccount, Readiness};
use crate::sync::contact_cache::ReadPlan;
use crate::sync::contact_cache::tests::read;
use crate::sync::submissions;
use crate::sync::test_support::context;

fn account(number: usize) -> ObjectKey {
    ObjectKey::new("tenant", format!("portal-{number}"))
}

fn has(ctx: &SyncContext, account: &ObjectKey, contact: u64) -> bool {
    let cache = ctx.contact_cache(account);
    cache
        .fresh(
            ContactId(contact),
            &ReadPlan::default(),
            (Timestamp::MIN, Timestamp::MAX),
        )
        .is_some()
}

fn submission(number: u64) -> Submission {
    Submission {
        conversion_id: Some(number.to_string()),
        at: Timestamp::from_second(i64::try_from(number).unwrap()).unwrap(),
        email: None,
        gclid: Some("x".repeat(8000)),
    }
}

/// Fills all that is remembered of an account.
fn fill(ctx: &SyncContext, account: &ObjectKey) {
    let (contacts, clicks) = (ctx.contact_cache(account), ctx.click_cache(account));
    for id in 0..450 {
        contacts.put(read(id, 28_000, Timestamp::now()), &ReadPlan::default());
        clicks.put_click(click(id), &submission(id));
    }
    let missed: Vec<_> = (0..15_000).map(ContactId).collect();
    let absences = ctx.absences_of(account, PortalId(1));
    let pauses = ctx.settings.absence_pauses();
    absences.judge_missing(
        &missed,
        &ContactBatch::default(),
        false,
        &pauses,
        std::time::Instant::now(),
    );
}

fn click(id: u64) -> crate::domain::ids::TransactionId {
    submissions::submission_key(PortalId(1), "form", &submission(id)).transaction
}

#[tokio::test]
async fn what_is_remembered_of_many_accounts_is_bounded_in_all_and_fair_to_each() {
    let (ctx, _) = context().await;
    let small = account(99);
    ctx.contact_cache(&small)
        .put(read(7, 28_000, Timestamp::now()), &ReadPlan::default());
    ctx.click_cache(&small).put_click(click(7), &submission(7));
    let (mut contacts, mut clicks, mut absent) = (0, 0, 0);
    for number in 0..24 {
        fill(&ctx, &account(number));
    }
    for number in 0..24 {
        let account = account(number);
        contacts += (0..450).filter(|id| has(&ctx, &account, *id)).count();
        let known = ctx.click_cache(&account);
        clicks += (0..450).filter(|id| known.gclid_of(click(*id)).is_some()).count();
        let absences = ctx.absences_of(&account, PortalId(1));
        absent += (0..15_000).filter(|id| absences.are_sought(&[ContactId(*id)])).count();
        assert!(
            has(&ctx, &account, 449) && known.gclid_of(click(449)).is_some(),
            "{number}"
        );
    }
    let full = |held: usize, each: usize, most: usize| held * each <= most && held * each > most / 2;
    assert!(full(contacts, 28_000, CONTACTS), "{contacts}");
    assert!(full(clicks, 8000, CLICKS), "{clicks}");
    assert!(full(absent, 96, ABSENCES), "{absent}");
    assert!(has(&ctx, &small, 7) && ctx.click_cache(&small).gclid_of(click(7)).is_some());
}

#[tokio::test]
async fn accounts_that_are_gone_are_forgotten_with_their_loops() {
    let ctx = Arc::new(context().await.0);
    let (gone, stays) = (account(1), account(2));
    for account in [&gone, &stays] {
        fill(&ctx, account);
    }
    ctx.registry.set_hubspot(HubSpotAccount {
        key: stays.clone(),
        readiness: Readiness::Suspended,
        ..hubspot_account()
    });
    let stop = CancellationToken::new();
    let supervisor = tokio::spawn(crate::sync::supervisor::run(ctx.clone(), stop.clone()));
    let limit = tokio::time::Instant::now() + Duration::from_secs(20);
    while has(&ctx, &gone, 449) {
        assert!(tokio::time::Instant::now() < limit, "it is still known");
        tokio::task::yield_now().await;
    }
    let known = |account: &ObjectKey| {
        let absences = ctx.absences_of(account, PortalId(1));
        (
            has(&ctx, account, 449),
            ctx.click_cache(account).gclid_of(click(449)).is_some(),
            absences.are_sought(&[ContactId(0)]),
        )
    };
    assert_eq!(
        (known(&gone), known(&stays)),
        ((false, false, false), (true, true, true))
    );
    stop.cancel();
    supervisor.await.unwrap();
}
