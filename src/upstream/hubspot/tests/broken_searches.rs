//! Searches that fail with one of the contacts that they would show.

use jiff::Timestamp;

use super::*;
use crate::domain::ids::ContactId;
use crate::ports::Cause;
use crate::ports::crm::{ContactPage, ContactSearch, Crm};

/// A portal with these contacts, whose searches fail with some.
struct Portal {
    ids: Vec<u64>,
    breaking: Vec<u64>,
    fails: ResponseTemplate,
}

impl Portal {
    fn answer(&self, request: &Request) -> ResponseTemplate {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let (mut above, mut upto) = (0, u64::MAX);
        for filter in body["filterGroups"][0]["filters"].as_array().unwrap() {
            let value = || filter["value"].as_str().unwrap().parse::<u64>().unwrap();
            match filter["operator"].as_str().unwrap() {
                "GT" => above = value(),
                "LTE" => upto = value(),
                _ => {}
            }
        }
        let limit = usize::try_from(body["limit"].as_u64().unwrap()).unwrap();
        let all: Vec<u64> = self
            .ids
            .iter()
            .copied()
            .filter(|id| *id > above && *id <= upto)
            .collect();
        let rows = &all[..limit.min(all.len())];
        if rows.iter().any(|id| self.breaking.contains(id)) {
            return self.fails.clone();
        }
        let row = |id: &u64| {
            json!({ "id": id.to_string(), "properties": { "email": "a@example.com" },
                    "updatedAt": "2026-11-01T00:00:00.456Z", "archived": false })
        };
        ok(&json!({ "total": all.len(), "results": rows.iter().map(row).collect::<Vec<_>>() }))
    }
}

fn by(properties: &[&str]) -> ContactSearch {
    let since = Timestamp::from_millisecond(1_761_955_200_123).unwrap();
    ContactSearch {
        any_since: properties.iter().map(|name| ((*name).to_owned(), since)).collect(),
        after: ContactId(0),
        properties: vec!["email".to_owned()],
    }
}

async fn bench(portal: Portal, hunt: Duration) -> Bench {
    let bench = Bench::with(|config| {
        config.waits.hunt = hunt;
        config.search.calls = 500;
        config.most_searches = 500;
    })
    .await;
    Mock::given(path(SEARCH))
        .respond_with(move |request: &Request| portal.answer(request))
        .mount(&bench.server)
        .await;
    bench
}

/// All pages of a search, the first error.
async fn pages(client: &HubSpot, search: &ContactSearch) -> Result<Vec<ContactPage>, UpstreamError> {
    let (mut pages, mut search) = (Vec::new(), search.clone());
    loop {
        let page = Crm::search_contacts(client, &search).await?;
        let next = page.next;
        pages.push(page);
        match next {
            Some(next) => search.after = next,
            None => return Ok(pages),
        }
    }
}

const IDS: std::ops::Range<u64> = 100_000_000_001..100_000_000_501;

#[rstest::rstest]
#[case::failed(status(500), Cause::Unavailable)]
#[case::redirected(status(302), Cause::Malformed)]
#[case::login(status(401).set_body_string("<html>"), Cause::CredentialsRejected)]
#[case::blocked(status(403).set_body_string("<html>"), Cause::AccessDenied)]
#[case::garbled(status(200).set_body_string("<html>"), Cause::Malformed)]
#[tokio::test]
async fn all_others_are_found_and_those_are_bare(#[case] fails: ResponseTemplate, #[case] cause: Cause) {
    let breaking = vec![100_000_000_007, 100_000_000_008, 100_000_000_500];
    let portal = Portal {
        ids: IDS.collect(),
        breaking: breaking.clone(),
        fails,
    };
    let bench = bench(portal, Duration::from_secs(30)).await;
    let client = bench.client();
    let search = by(&["hs_v2_date_entered_customer", "hs_v2_date_entered_lead"]);
    for _ in 0..2 {
        assert_eq!(failed(pages(&client, &search).await).cause, cause);
    }
    let all = pages(&client, &search).await.unwrap();
    let contacts = || all.iter().flat_map(|page| &page.contacts);
    assert_eq!(
        contacts().map(|contact| contact.id.0).collect::<Vec<_>>(),
        IDS.collect::<Vec<_>>()
    );
    let bare: Vec<_> = contacts()
        .filter(|contact| contact.flaw.is_some())
        .map(|c| c.id.0)
        .collect();
    assert_eq!(bare, breaking);
    assert_eq!(all.iter().map(|page| page.nameless).sum::<usize>(), 0);
    for page in &all {
        assert!(!page.count.is_short(), "{:?}", page.count);
        let bounded = page.next.is_some_and(|next| breaking.contains(&next.0));
        assert!(
            !bounded || page.count.total.is_none(),
            "it says nothing of what is behind"
        );
    }
    let asked = bench.bodies().await.len();
    pages(&client, &search).await.unwrap();
    let bodies = bench.bodies().await;
    assert_eq!(bodies.len() - asked, all.len(), "one search a page: they are known");
    let filters = bodies[asked]["filterGroups"][1]["filters"].as_array().unwrap();
    let bounds: Vec<_> = filters
        .iter()
        .map(|f| (f["operator"].as_str().unwrap(), &f["value"]))
        .collect();
    assert_eq!(bounds[1..], [("GT", &json!("0")), ("LTE", &json!("100000000006"))]);
}

#[tokio::test]
async fn a_search_that_takes_long_to_fail_goes_on_with_the_next() {
    let portal = Portal {
        ids: IDS.collect(),
        breaking: vec![100_000_000_007],
        fails: status(500),
    };
    let bench = bench(portal, Duration::ZERO).await;
    let client = bench.client();
    let (mut failures, mut asked) = (0, 0);
    while pages(&client, &by(&["lastmodifieddate"])).await.is_err() {
        let all = bench.bodies().await.len();
        // The search itself three times, one for nobody, one that is bounded, and where that fails alone three times.
        assert!(all - asked <= 3 + 1 + 3 + 1, "{}", all - asked);
        asked = all;
        failures += 1;
        assert!(failures < 70);
    }
    assert!(failures > 10, "{failures}");
}

#[tokio::test]
async fn a_search_that_fails_for_all_or_is_refused_is_asked_as_before() {
    for (fails, cause) in [
        (status(500), Cause::Unavailable),
        (status(400), Cause::Refused),
        (limit("SECONDLY"), Cause::RateLimited),
    ] {
        let bench = Bench::new().await;
        bench.post(SEARCH, fails).await;
        let client = bench.client();
        for _ in 0..5 {
            let error = failed(client.search_contacts(&by(&["lastmodifieddate"])).await);
            assert_eq!(error.cause, cause);
        }
        let filters = |body: &Value| body["filterGroups"][0]["filters"].as_array().map(Vec::len);
        let bodies = bench.bodies().await;
        let bounded = bodies.iter().filter(|body| filters(body) == Some(3)).count();
        assert_eq!(bounded, if cause == Cause::Unavailable { 3 } else { 0 });
    }
}

#[tokio::test]
async fn a_search_without_room_for_another_filter_fails_as_before() {
    let breaking = 100_000_000_007;
    let portal = Portal {
        ids: IDS.collect(),
        breaking: vec![breaking],
        fails: status(500),
    };
    let bench = bench(portal, Duration::from_secs(30)).await;
    let client = bench.client();
    let mut search = by(&["a", "b", "c", "d", "e"]);
    // The body of the search itself is just short enough.
    search.properties = vec!["p".repeat(2_000)];
    for _ in 0..5 {
        assert_eq!(failed(client.search_contacts(&search).await).cause, Cause::Unavailable);
    }
    search.properties.clear();
    for _ in 0..2 {
        assert_eq!(failed(client.search_contacts(&search).await).cause, Cause::Unavailable);
    }
    let page = client.search_contacts(&search).await.unwrap();
    assert_eq!(page.next, Some(ContactId(breaking)));
}

/// A row that is too large even by itself.
#[tokio::test]
async fn a_contact_that_is_too_large_for_any_page_is_left_out() {
    let portal = Portal {
        ids: IDS.collect(),
        breaking: vec![100_000_000_007],
        // Short, and more in memory than an answer may take.
        fails: status(200).set_body_string(format!("[{}{{}}]", "{},".repeat(44_000))),
    };
    let bench = bench(portal, Duration::from_secs(30)).await;
    let client = bench.client();
    let search = by(&["lastmodifieddate"]);
    for _ in 0..2 {
        assert_eq!(failed(pages(&client, &search).await).cause, Cause::TooLarge);
    }
    let found = pages(&client, &search).await.unwrap();
    let ids = found
        .iter()
        .flat_map(|page| page.contacts.iter().map(|contact| contact.id.0));
    assert_eq!(ids.collect::<Vec<_>>(), IDS.collect::<Vec<_>>());
}
