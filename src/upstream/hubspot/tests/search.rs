use jiff::Timestamp;
use proptest::prelude::*;
use wiremock::matchers::header;

use super::*;
use crate::domain::ids::ContactId;
use crate::ports::Cause;
use crate::ports::crm::{ContactSearch, Crm};
use crate::upstream::hubspot::failed_searches::IdRange;
use crate::upstream::hubspot::search::{search_body, to_page};

fn query(groups: usize) -> ContactSearch {
    let since = Timestamp::from_millisecond(1_761_955_200_123).unwrap();
    ContactSearch {
        any_since: (0..groups)
            .map(|n| (format!("hs_v2_date_entered_{n}"), since))
            .collect(),
        after: ContactId(150),
        properties: vec!["email".to_owned(), "lifecyclestage".to_owned()],
    }
}

/// All ids above that of the search.
fn above(id: u64) -> IdRange {
    IdRange {
        above: ContactId(id),
        upto: None,
    }
}

fn row(id: u64) -> Value {
    json!({ "id": id.to_string(), "properties": { "email": "a@example.com", "lifecyclestage": null, "city": "", "score": 7 },
            "createdAt": "2026-10-01T10:00:00.123Z", "updatedAt": "2026-11-01T00:00:00.456Z", "archived": false, "new": {} })
}

#[tokio::test]
async fn a_page_and_the_exact_body() {
    let bench = Bench::new().await;
    Mock::given(method("POST"))
        .and(path(SEARCH))
        .and(header("authorization", format!("Bearer {TOKEN}").as_str()))
        .respond_with(ok(&json!({ "total": 3, "results": [row(151), row(1_000)] })))
        .mount(&bench.server)
        .await;
    let page = bench.client().search_contacts(&query(2)).await.unwrap();
    assert_eq!(page.next, Some(ContactId(1_000)));
    let first = &page.contacts[0];
    assert_eq!((first.id, first.requested_id), (ContactId(151), ContactId(151)));
    assert_eq!(first.updated_at.unwrap().to_string(), "2026-11-01T00:00:00.456Z");
    assert_eq!(
        first.properties.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        ["email", "score"]
    );
    assert_eq!(first.property("score"), Some("7"));
    let group = |n: u8| {
        json!({ "filters": [
            { "propertyName": format!("hs_v2_date_entered_{n}"), "operator": "GTE", "value": "1761955200123" },
            { "propertyName": "hs_object_id", "operator": "GT", "value": "150" } ] })
    };
    let expected = json!({
        "filterGroups": [group(0), group(1)],
        "sorts": [{ "propertyName": "hs_object_id", "direction": "ASCENDING" }],
        "properties": ["email", "lifecyclestage"], "limit": 200, "after": "0" });
    assert_eq!(bench.bodies().await, [expected]);
    assert_eq!(bench.noted.calls(), [("search", Some(200))]);
}

#[tokio::test]
async fn more_comes_of_the_total_else_of_the_paging() {
    let next = json!({ "next": { "after": "200" } });
    for (answer, more) in [
        (json!({ "total": 1, "results": [row(151)], "paging": next }), false),
        (json!({ "total": "2", "results": [row(151)] }), true),
        (json!({ "results": [row(151)], "paging": next }), true),
        (json!({ "results": [row(151)], "paging": null }), false),
        (json!({ "total": 1, "results": [] }), false),
    ] {
        let bench = Bench::new().await;
        bench.post(SEARCH, ok(&answer)).await;
        let page = bench.client().search_contacts(&query(1)).await.unwrap();
        assert_eq!(page.next, more.then_some(ContactId(151)), "{answer}");
        let rows = answer["results"].as_array().unwrap().len() as u64;
        assert_eq!((page.count.rows, page.count.limit), (rows, 200), "{answer}");
        assert_eq!(page.count.continues, !answer["paging"].is_null(), "{answer}");
    }
}

#[tokio::test]
async fn rows_that_paging_can_not_go_on_from_are_an_error() {
    let descending: Vec<u64> = (151..351).rev().collect();
    for rows in [&[150, 0][..], &[900, 800, 700], &[900, 800, 700, 151, 152], &descending] {
        let rows: Vec<_> = rows.iter().copied().map(row).collect();
        let bench = Bench::new().await;
        bench.post(SEARCH, ok(&json!({ "total": 999, "results": rows }))).await;
        assert_eq!(
            failed(bench.client().search_contacts(&query(1)).await).cause,
            Cause::Malformed
        );
        // On the last page nothing depends on the order.
        let bench = Bench::new().await;
        bench
            .post(SEARCH, ok(&json!({ "total": rows.len(), "results": rows })))
            .await;
        assert_eq!(bench.client().search_contacts(&query(1)).await.unwrap().next, None);
    }
}

/// The bound of the search is 150.
#[rstest::rstest]
#[case::too_great(&[160, 170, 99_999, 180, 190], &[160, 170, 180, 190, 99_999], 1, 190)]
#[case::too_great_and_first(&[99_999, 170, 180], &[170, 180, 99_999], 1, 180)]
#[case::too_small(&[160, 170, 155, 180], &[155, 160, 170, 180], 1, 180)]
#[case::too_small_and_last(&[160, 170, 180, 155], &[155, 160, 170, 180], 1, 180)]
#[case::swapped(&[160, 180, 170, 190], &[160, 170, 180, 190], 1, 190)]
#[case::two(&[1_000, 151], &[151, 1_000], 1, 151)]
#[case::twice(&[160, 160, 170], &[160, 170], 0, 170)]
#[case::none(&[160, 0, 170], &[160, 170], 1, 170)]
#[case::not_asked_for(&[160, 150, 170], &[160, 170], 1, 170)]
#[case::beyond_all(&[160, 170, u64::MAX], &[160, 170], 1, 170)]
#[tokio::test]
async fn a_row_out_of_place_does_not_affect_the_others(
    #[case] rows: &[u64],
    #[case] found: &[u64],
    #[case] nameless: usize,
    #[case] next: u64,
) {
    let rows: Vec<_> = rows.iter().copied().map(row).collect();
    let bench = Bench::new().await;
    bench.post(SEARCH, ok(&json!({ "total": 999, "results": rows }))).await;
    let page = bench.client().search_contacts(&query(1)).await.unwrap();
    let ids: Vec<_> = page.contacts.iter().map(|contact| contact.id.0).collect();
    assert_eq!((ids.as_slice(), page.nameless), (found, nameless));
    assert_eq!(page.next, Some(ContactId(next)));
}

proptest! {
    /// Some rows of a portal's pages are out of place: paging ends, and shows all that a page in order would.
    #[test]
    fn paging_ends_and_passes_nobody_over(
        count in 1_usize..60,
        size in 3_usize..9,
        swaps in proptest::collection::vec((0_usize..20, 0_usize..9), 0..6),
    ) {
        let all: Vec<u64> = (1..=count as u64).map(|n| n * 10).collect();
        let (mut after, mut seen, mut pages) = (0, std::collections::BTreeSet::new(), 0);
        loop {
            let left: Vec<u64> = all.iter().copied().filter(|id| *id > after).collect();
            let mut rows: Vec<u64> = left.iter().copied().take(size).collect();
            // At most one row of a page.
            if let Some((_, at)) = swaps.iter().find(|(page, _)| *page == pages) && rows.len() > 2 {
                let row = rows.remove(at % rows.len());
                rows.insert((at / 2) % rows.len(), row);
            }
            let answer = json!({ "total": left.len(), "results": rows.iter().copied().map(row).collect::<Vec<_>>() });
            let page = to_page(above(after), serde_json::from_str(&answer.to_string()).unwrap()).unwrap();
            seen.extend(page.contacts.iter().map(|contact| contact.id.0));
            pages += 1;
            prop_assert!(pages <= count + 1, "no end");
            match page.next {
                Some(next) => {
                    prop_assert!(next.0 > after);
                    after = next.0;
                }
                None => break,
            }
        }
        prop_assert_eq!(seen.len(), count);
    }
}

#[tokio::test]
async fn answers_without_rows_are_not_taken_for_empty() {
    for answer in [json!({}), json!({ "results": null })] {
        let bench = Bench::new().await;
        bench.post(SEARCH, ok(&answer)).await;
        assert_eq!(
            failed(bench.client().search_contacts(&query(1)).await).cause,
            Cause::Malformed,
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_leaves_the_page() {
    let odd = |change: &dyn Fn(&mut Value)| {
        let mut odd = row(200);
        change(&mut odd);
        odd
    };
    let named = |r: &mut Value| r["properties"]["hs_object_id"] = json!("200");
    for (record, ids, nameless) in [
        (odd(&|r| r["id"] = Value::Null), vec![151, 1_000], 1),
        (odd(&|r| r["id"] = json!("not-a-number")), vec![151, 1_000], 1),
        (json!([]), vec![151, 1_000], 1),
        (
            odd(&|r| {
                named(r);
                r["id"] = json!("not-a-number");
            }),
            vec![151, 200, 1_000],
            0,
        ),
        (odd(&|r| r["updatedAt"] = json!("yesterday")), vec![151, 200, 1_000], 0),
        (odd(&|r| r["archived"] = json!("perhaps")), vec![151, 200, 1_000], 0),
    ] {
        let bench = Bench::new().await;
        let answer = json!({ "total": 4, "results": [row(151), record, row(1_000)] });
        bench.post(SEARCH, ok(&answer)).await;
        let page = bench.client().search_contacts(&query(1)).await.unwrap();
        let found: Vec<_> = page.contacts.iter().map(|contact| contact.id.0).collect();
        assert_eq!((found, page.nameless), (ids, nameless), "{answer}");
        assert_eq!(page.next, Some(ContactId(1_000)), "{answer}");
    }
    let bench = Bench::new().await;
    let mut nobody = row(1);
    nobody["id"] = Value::Null;
    bench
        .post(SEARCH, ok(&json!({ "total": 9, "results": [nobody] })))
        .await;
    assert_eq!(
        failed(bench.client().search_contacts(&query(1)).await).cause,
        Cause::Malformed,
        "nothing to go on from"
    );
}

#[test]
fn searches_that_hubspot_would_refuse_are_not_sent() {
    assert!(search_body(&query(5), above(0), 200).is_ok());
    for groups in [0, 6] {
        assert_eq!(
            failed(search_body(&query(groups), above(0), 200)).code.as_deref(),
            Some("SEARCH_GROUPS")
        );
    }
    let mut long = query(5);
    long.properties = vec!["p".repeat(100); 25];
    let error = failed(search_body(&long, above(0), 200));
    assert_eq!(
        (error.cause, error.code.as_deref()),
        (Cause::Refused, Some("SEARCH_BODY_TOO_LONG"))
    );
}

proptest! {
    #[test]
    fn no_body_reaches_the_limit(names in proptest::collection::vec("[a-z0-9_]{1,100}", 0..60), groups in 1..6_usize) {
        let search = ContactSearch { properties: names, ..query(groups) };
        if let Ok(body) = search_body(&search, IdRange::of_one(ContactId(u64::MAX)), 200) {
            prop_assert!(body.chars().count() < 3_000);
        }
    }
}

/// The clock that a feed's cursor may follow is the answer's own, where it tells one.
#[tokio::test]
async fn an_answer_states_when_it_was_made() {
    const GUID: &str = "78c2891f-ebdd-44c0-bd94-15c012bbbfbf";
    for (date, told) in [
        ("Fri, 20 Nov 2026 12:00:00 GMT", Some("2026-11-20T12:00:00Z")),
        ("Thu, 30 Dec 9999 00:00:00 GMT", Some("9999-12-30T00:00:00Z")),
        ("2026-11-20T12:00:00Z", None),
        ("1e400", None),
    ] {
        let bench = Bench::new().await;
        let dated = |body: &Value| ok(body).insert_header("date", date);
        bench
            .post(SEARCH, dated(&json!({ "total": 1, "results": [row(151)] })))
            .await;
        let submissions = format!("/form-integrations/v1/submissions/forms/{GUID}");
        bench.get(&submissions, dated(&json!({ "results": [] }))).await;
        let told = told.map(|time| time.parse::<Timestamp>().unwrap());
        let client = bench.client();
        assert_eq!(
            client.search_contacts(&query(1)).await.unwrap().answered,
            told,
            "{date}"
        );
        assert_eq!(
            client.list_submissions(GUID, None).await.unwrap().answered,
            told,
            "{date}"
        );
    }
}
