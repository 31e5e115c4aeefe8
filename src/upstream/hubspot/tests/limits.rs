use futures::future::join_all;

use super::*;
use crate::ports::Cause;
use crate::ports::crm::Crm;
use crate::upstream::hubspot::CallLimit;
use crate::upstream::hubspot::slots::Slots;

const WINDOW: Duration = Duration::from_millis(100);

/// The most calls that began within less than one window of each other.
fn most(mut times: Vec<Instant>) -> usize {
    times.sort();
    let within = |first: &Instant| {
        times
            .iter()
            .filter(|at| *at >= first && at.duration_since(*first) < WINDOW)
            .count()
    };
    times.iter().map(within).max().unwrap()
}

#[tokio::test]
async fn no_window_sees_more_calls_than_slots_and_turns_are_kept() {
    let slots = Slots::new(CallLimit { calls: 4, per: WINDOW });
    let begun = Mutex::new(Vec::new());
    let start = Instant::now();
    join_all((0..13_u64).map(|n| {
        let (slots, begun) = (&slots, &begun);
        async move {
            let slot = slots.acquire().await.unwrap();
            begun.lock().push((n, Instant::now()));
            // Calls of unequal length.
            tokio::time::sleep(Duration::from_millis(n * 7 % 20)).await;
            drop(slot);
        }
    }))
    .await;
    let begun = begun.into_inner();
    assert_eq!(begun.len(), 13);
    assert!(start.elapsed() >= WINDOW * 3, "13 calls in windows of 4");
    assert_eq!(most(begun.iter().map(|(_, at)| *at).collect()), 4);
    // First come, first served, up to those that wake in the same moment.
    assert!(
        begun
            .iter()
            .enumerate()
            .all(|(turn, (n, _))| turn.abs_diff(usize::try_from(*n).unwrap()) < 4),
        "{begun:?}"
    );
}

#[tokio::test]
async fn a_window_counts_from_the_end_of_a_call() {
    let slots = Slots::new(CallLimit { calls: 1, per: WINDOW });
    let slot = slots.acquire().await.unwrap();
    tokio::time::sleep(WINDOW).await;
    let ended = Instant::now();
    drop(slot);
    let _slot = slots.acquire().await.unwrap();
    assert!(ended.elapsed() >= WINDOW);
}

#[tokio::test]
async fn a_caller_that_gives_up_costs_no_turn() {
    let window = WINDOW * 5;
    let slots = Slots::new(CallLimit { calls: 1, per: window });
    drop(slots.acquire().await);
    let free_again = Instant::now() + window;
    for _ in 0..2 {
        assert!(tokio::time::timeout(window * 2 / 5, slots.acquire()).await.is_err());
    }
    let _slot = slots.acquire().await.unwrap();
    let late = Instant::now().saturating_duration_since(free_again);
    assert!(
        late < window / 2,
        "a cancelled caller took the slot's time with it: {late:?}"
    );
}

#[tokio::test]
async fn searches_keep_their_limit_on_the_wire_and_others_do_not_wait_for_it() {
    let bench = Bench::with(|config| config.search = CallLimit { calls: 4, per: WINDOW }).await;
    let arrivals = bench
        .turns(SEARCH, vec![ok(&json!({ "total": 0, "results": [] }))])
        .await;
    bench.get(DETAILS, ok(&details())).await;
    let client = bench.client();
    let since = jiff::Timestamp::UNIX_EPOCH;
    let search = crate::ports::crm::ContactSearch {
        any_since: vec![("lastmodifieddate".to_owned(), since)],
        after: crate::domain::ids::ContactId(0),
        properties: Vec::new(),
    };
    let searches = join_all((0..12).map(|_| client.search_contacts(&search)));
    let (pages, ()) = futures::join!(searches, async {
        client.read_portal().await.unwrap();
        assert!(arrivals.all().len() < 12, "the portal call waited for all searches");
    });
    assert!(pages.iter().all(Result::is_ok));
    assert_eq!(arrivals.all().len(), 12);
    assert!(most(arrivals.all()) <= 5);
    assert!(!bench.noted.throttled.lock().is_empty());
}

#[tokio::test]
async fn no_call_of_the_portal_goes_out_inside_a_retry_after() {
    let bench = Bench::new().await;
    let busy = limit("TEN_SECONDLY_ROLLING").insert_header("retry-after", "1");
    let refused = bench
        .turns(
            "/crm/properties/2026-09/contacts",
            vec![busy, ok(&json!({ "results": [] }))],
        )
        .await;
    let others = bench.turns(DETAILS, vec![ok(&details())]).await;
    let client = bench.client();
    let other = async {
        while refused.all().is_empty() || bench.noted.calls().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // The answer is in by now; other calls of this client must wait for the second to pass.
        client.read_portal().await
    };
    let (first, second) = tokio::time::timeout(Duration::from_secs(10), async {
        futures::join!(client.property_names(), other)
    })
    .await
    .unwrap();
    first.unwrap();
    second.unwrap();
    let shut = refused.all()[0];
    for at in [refused.all()[1], others.all()[0]] {
        assert!(
            at.duration_since(shut) >= Duration::from_secs(1),
            "{:?}",
            at.duration_since(shut)
        );
    }
}

#[tokio::test]
async fn what_one_call_is_refused_with_holds_back_no_other() {
    for (code, category, cause) in [
        (401, Some("INVALID_AUTHENTICATION"), Cause::CredentialsRejected),
        (403, Some("FORBIDDEN"), Cause::AccessDenied),
        (403, Some("MISSING_SCOPES"), Cause::MissingScope),
        (404, Some("OBJECT_NOT_FOUND"), Cause::NotFound),
        (400, Some("VALIDATION_ERROR"), Cause::Refused),
        (403, None, Cause::AccessDenied),
        (404, None, Cause::UnsupportedVersion),
        (429, None, Cause::RateLimited),
        (503, None, Cause::Unavailable),
    ] {
        let bench = Bench::new().await;
        let body = category.map_or_else(|| json!({}), |category| json!({ "category": category }));
        let refusal = status(code).insert_header("retry-after", "1e9").set_body_json(body);
        let calls = bench.turns("/crm/properties/2026-09/contacts", vec![refusal]).await;
        let client = bench.client();
        for call in 1..=2 {
            assert_eq!(failed(client.property_names().await).cause, cause);
            assert_eq!(calls.all().len(), call, "{code} {category:?}");
        }
    }
}

#[tokio::test]
async fn long_waits_are_handed_to_the_caller_and_hold_all_tokens_of_the_portal() {
    let bench = Bench::new().await;
    let moving = status(477).insert_header("retry-after", "3600");
    let calls = bench.turns("/crm/properties/2026-09/contacts", vec![moving]).await;
    let details = bench.turns(DETAILS, vec![ok(&details())]).await;
    let other = bench
        .connector
        .client_for(&secret(&[("accessToken", "another-token")]))
        .unwrap();
    let client = bench.client();
    for client in [&client, &other] {
        let portal = client.read_portal().await.unwrap();
        client.may_use(portal.id);
    }
    let error = failed(client.property_names().await);
    assert_eq!((error.cause, error.status), (Cause::Unavailable, Some(477)));
    assert_eq!(error.retry_after.unwrap().as_secs(), 3_600);
    for held in [
        client.property_names().await.map(|_| ()),
        other.read_portal().await.map(|_| ()),
    ] {
        let held = failed(held);
        assert_eq!((held.cause, held.status), (Cause::Unavailable, None));
        assert!(held.retry_after.unwrap().as_secs() > 3_500);
    }
    assert_eq!((calls.all().len(), details.all().len()), (1, 2));
}

#[tokio::test]
async fn who_may_not_use_the_portal_holds_nobody_up() {
    let bench = Bench::new().await;
    let moving = status(477).insert_header("retry-after", "3600");
    bench.turns("/crm/properties/2026-09/contacts", vec![moving]).await;
    bench.get(DETAILS, ok(&details())).await;
    let stranger = bench
        .connector
        .client_for(&secret(&[("accessToken", "another-token")]))
        .unwrap();
    let owner = bench.client();
    let portal = owner.read_portal().await.unwrap().id;
    owner.may_use(portal);
    stranger.read_portal().await.unwrap();
    failed(stranger.property_names().await);
    failed(stranger.read_portal().await);
    owner.read_portal().await.unwrap();
    // The wait goes along with whoever is let in: it is one of that portal's tokens that was asked to wait.
    stranger.may_use(portal);
    failed(owner.read_portal().await);
}

#[tokio::test]
async fn the_number_of_slots_follows_what_is_allowed() {
    let slots = Slots::new(CallLimit { calls: 3, per: WINDOW });
    let held = join_all((0..3).map(|_| slots.acquire())).await;
    slots.resize_window(1);
    slots.resize_window(2);
    drop(held);
    let start = Instant::now();
    let begun = Mutex::new(Vec::new());
    let call = || async {
        drop(slots.acquire().await);
        begun.lock().push(Instant::now());
    };
    join_all((0..4).map(|_| call())).await;
    assert!(start.elapsed() >= WINDOW * 2, "two windows of two, after one");
    assert_eq!(most(std::mem::take(&mut begun.lock())), 2);
    slots.resize_window(5);
    join_all((0..3).map(|_| call())).await;
    assert!(
        begun.lock().iter().all(|at| at.duration_since(start) < WINDOW * 4),
        "three came free at once"
    );
    assert_eq!(slots.calls(), 5);
}

#[tokio::test]
async fn many_calls_are_spread_over_the_window() {
    let slots = Slots::new(CallLimit {
        calls: 20,
        per: WINDOW * 10,
    });
    let start = Instant::now();
    let last = join_all((0..15).map(|_| async { drop(slots.acquire().await) }))
        .await
        .len();
    assert_eq!(last, 15);
    // Ten at once, five more one after the other, one in the twentieth part of a second.
    assert!(start.elapsed() >= WINDOW * 2, "{:?}", start.elapsed());
    assert!(start.elapsed() < WINDOW * 8, "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_limit_that_hubspot_states_is_kept() {
    let told = |answer: ResponseTemplate, calls: &str| {
        let interval = "x-hubspot-ratelimit-interval-milliseconds";
        answer
            .insert_header("x-hubspot-ratelimit-max", calls)
            .insert_header(interval, "10000")
    };
    let bench = Bench::new().await;
    bench
        .turns(
            DETAILS,
            vec![
                told(ok(&details()), "190"),
                told(limit("TEN_SECONDLY_ROLLING"), "190"),
                ok(&details()),
            ],
        )
        .await;
    let associations = "/crm/associations/2026-09/contacts/deals/batch/read";
    bench
        .post(associations, told(ok(&json!({ "results": [] })), "200"))
        .await;
    let client = bench.client();
    let pace = || client.transport.paces();
    assert_eq!(pace(), (4, 95), "as few as the smallest tier takes, until told");
    client.read_portal().await.unwrap();
    assert_eq!(pace(), (4, 180));
    client.deals_of(&[crate::domain::ids::ContactId(1)]).await.unwrap();
    assert_eq!(pace(), (4, 180), "associations have a limit of their own");
    client.read_portal().await.unwrap();
    assert_eq!(pace(), (4, 135), "after a refusal");
}

#[tokio::test]
async fn a_refused_search_slows_searches_down() {
    let bench = Bench::new().await;
    let nobody = ok(&json!({ "total": 0, "results": [] }));
    bench.turns(SEARCH, vec![limit("SECONDLY"), nobody]).await;
    let client = bench.client();
    client
        .search_contacts(&crate::ports::crm::ContactSearch::anybody())
        .await
        .unwrap();
    assert_eq!(client.transport.paces(), (3, 95));
}
