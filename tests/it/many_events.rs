//! The page with ten thousand events, in a browser: its own router over a state that no cluster holds.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use adconversion_operator::admin::{Admin, EventStores, Source, admin_router};
use adconversion_operator::api::AdConversionEvent;
use adconversion_operator::domain::eligibility::EntryWaits;
use adconversion_operator::domain::enhancement::SubmissionWaits;
use adconversion_operator::ledger::SqlLedger;
use adconversion_operator::registry::Registry;
use jiff::SignedDuration;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::clock::Ahead;
use crate::support::contrast::texts_have_contrast;
use crate::support::devtools::Page;

const EVENTS: usize = 10_000;
const ON_A_PAGE: usize = 100;
const SIZE: (u32, u32) = (1_000, 1_100);
const TELEPHONE: (u32, u32) = (390, 844);

/// Of a hundred events one is stalled, one not ready, one suspended, and one was never looked at.
fn event(number: usize) -> AdConversionEvent {
    let condition = |name: &str, status: &str| {
        json!({"type": name, "status": status, "reason": "StageNotFound", "message": "HubSpot has no such stage.",
            "lastTransitionTime": "2026-11-28T00:00:00Z"})
    };
    let conditions = match number % 100 {
        0 => json!([condition("Ready", "False"), condition("Stalled", "True")]),
        1 => json!([condition("Ready", "False")]),
        2 => json!([]),
        _ => json!([condition("Ready", "True")]),
    };
    let namespace = ["a", "a-b", "marketing"][number % 3];
    let manifest = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
        "metadata": {"name": format!("event-{number}"), "namespace": namespace},
        "spec": {"googleAdsAccountRef": {"name": "g"}, "hubSpotAccountRef": {"name": "h"}, "suspend": number % 100 == 3,
                 "trigger": {"lifecycleStage": {"stage": "customer"}}},
        "status": {"conditions": conditions, "trigger": {"type": "LifecycleStage", "stage": "customer", "label": "Customer"}},
    });
    serde_json::from_value(manifest).unwrap()
}

/// The admin listener of an operator that has them all.
async fn serve() -> SocketAddr {
    let mut writer = Writer::<AdConversionEvent>::new(());
    for number in 0..EVENTS {
        writer.apply_watcher_event(&watcher::Event::Apply(event(number)));
    }
    let minute = SignedDuration::from_mins(1);
    let (settle, click_grace, too_recent, window) = (minute, minute, minute, minute);
    let (grace, deadline, pause) = (minute, minute, minute);
    let admin = Admin::default();
    admin.open(Source {
        objects: EventStores::new(vec![writer.as_reader()]),
        registry: Registry::new().0,
        ledger: Arc::new(SqlLedger::open("sqlite::memory:").await.unwrap()),
        clock: Arc::new(Ahead::default()),
        entry_waits: EntryWaits {
            settle,
            click_grace,
            too_recent,
            window,
        },
        submission_waits: SubmissionWaits {
            settle,
            grace,
            deadline,
            pause,
        },
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, admin_router(admin)).await.unwrap() });
    address
}

/// The events of the page that is shown, by namespace and name.
fn names(page: &mut Page) -> Vec<String> {
    let names = page.value_of("[...document.querySelectorAll('tbody th a')].map(one => one.textContent)");
    serde_json::from_value(names).unwrap()
}

/// From page to page by the link at the end, until there is none: the events of all, and how many pages that were.
fn walk(page: &mut Page, url: &str) -> (Vec<String>, usize) {
    page.go(url);
    let (mut all, mut pages) = (Vec::new(), 0);
    loop {
        let shown = names(page);
        pages += 1;
        assert!(shown.len() <= ON_A_PAGE, "page {pages}: {} events", shown.len());
        let first = shown.first().cloned().unwrap_or_default();
        all.extend(shown);
        let follow =
            "(() => { const next = document.querySelector('a[rel=next]'); next?.click(); return Boolean(next); })()";
        if page.value_of(follow) == json!(false) {
            return (all, pages);
        }
        page.wait_until(&format!(
            "document.querySelector('tbody th a')?.textContent != '{first}'"
        ));
    }
}

fn says(page: &mut Page, part: &str) {
    let text = page.value_of("document.querySelector('main').innerText");
    assert!(text.as_str().unwrap().contains(part), "no {part:?} in {text}");
}

fn look(base: &str) {
    let profile = xtask::control_plane::new_directory().unwrap();
    let mut page = Page::open(&format!("{base}/"), &profile, SIZE);
    says(&mut page, "10000 events.");
    texts_have_contrast(&mut page, "ten thousand events");
    assert_eq!(
        page.value_of("Boolean(document.querySelector('a[rel=next]'))"),
        Value::Bool(true)
    );
    let (all, pages) = walk(&mut page, &format!("{base}/?state="));
    assert_eq!((all.len(), pages), (EVENTS, EVENTS / ON_A_PAGE));
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), EVENTS, "each once");
    // From the last page a link leads to the first.
    page.value_of("document.querySelector('nav[aria-label=Pages] a').click()");
    page.wait_until(&format!(
        "document.querySelector('tbody th a')?.textContent == '{}'",
        all[0]
    ));
    for (query, count) in [
        ("state=Stalled", 100),
        ("state=NotReady&namespace=a-b", 67),
        ("state=Suspended", 100),
        ("namespace=nobody", 0),
    ] {
        let (shown, _) = walk(&mut page, &format!("{base}/?{query}"));
        assert_eq!(shown.len(), count, "{query}");
        says(&mut page, &format!("{count} events"));
    }
    page.set_size(TELEPHONE);
    page.go(&format!("{base}/?namespace=a"));
    page.wait_until(&format!("innerWidth == {}", TELEPHONE.0));
    let sideways = page.value_of("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(sideways, 0, "nothing is moved sideways");
    texts_have_contrast(&mut page, "on a telephone");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_events_are_read_page_by_page() {
    let base = format!("http://{}", serve().await);
    tokio::task::spawn_blocking(move || look(&base)).await.unwrap();
}
