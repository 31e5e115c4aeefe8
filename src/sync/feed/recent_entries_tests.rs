use super::*;
use crate::ports::test_support::at;

const STREAM: StreamId = StreamId(1);

fn time(second: i64) -> EntryTime {
    (STREAM, at(second).as_millisecond())
}

fn known(recent: &RecentEntries, second: i64) -> Vec<u64> {
    recent.contacts_at(time(second)).map(|id| id.0).collect()
}

#[test]
fn what_this_process_has_noted_is_remembered_for_minutes() {
    let mut recent = RecentEntries::default();
    assert_eq!(recent.noted_in(STREAM, at(9_000), None), NotedIn::Ledger);
    recent.begin_pass(&BTreeMap::new(), at(1_000));
    // Of the time before, and of clocks that are apart, the process before may have noted something.
    assert_eq!(recent.noted_in(STREAM, at(1_120), None), NotedIn::Ledger);
    assert_eq!(recent.noted_in(STREAM, at(1_121), None), NotedIn::Memory);
    recent.record(time(1_120), ContactId(1));
    for id in [2, 3, 2] {
        recent.record(time(1_121), ContactId(id));
    }
    assert_eq!((known(&recent, 1_120), known(&recent, 1_121)), (vec![], vec![2, 3]));
    assert_eq!(recent.contacts_at((StreamId(2), at(1_121).as_millisecond())).count(), 0);
    recent.begin_pass(&BTreeMap::new(), at(1_121 + 599));
    assert_eq!(known(&recent, 1_121), [2, 3]);
    recent.begin_pass(&BTreeMap::new(), at(1_121 + 600));
    assert_eq!(known(&recent, 1_121), [] as [u64; 0]);
    assert_eq!(recent.noted_in(STREAM, at(1_121), None), NotedIn::Ledger);
    // A clock that goes back brings nothing back.
    recent.begin_pass(&BTreeMap::new(), at(0));
    assert_eq!(recent.noted_in(STREAM, at(1_121), None), NotedIn::Ledger);
}

#[rstest::rstest]
#[case::before(Some(999), NotedIn::Nothing)]
#[case::meanwhile(Some(1_000), NotedIn::Ledger)]
#[case::nobody_knows_when(None, NotedIn::Ledger)]
fn in_a_backfill_only_those_that_changed_may_be_known(#[case] modified: Option<i64>, #[case] expected: NotedIn) {
    let mut recent = RecentEntries::default();
    for second in [1_000, 1_500] {
        recent.begin_pass(&BTreeMap::from([(STREAM, at(second))]), at(second));
        assert_eq!(recent.noted_in(STREAM, at(2_000), modified.map(at)), expected);
        let other = recent.noted_in(StreamId(2), at(2_000), modified.map(at));
        assert_eq!(other, NotedIn::Memory, "one that is read already");
    }
    recent.begin_pass(&BTreeMap::new(), at(1_600));
    assert_eq!(
        recent.noted_in(STREAM, at(2_000), modified.map(at)),
        NotedIn::Memory,
        "it is over"
    );
    recent.begin_pass(&BTreeMap::from([(STREAM, at(1_700))]), at(1_700));
    assert_eq!(
        recent.noted_in(STREAM, at(2_000), Some(at(1_699))),
        NotedIn::Nothing,
        "another one"
    );
}

/// A process before this one has begun with it.
#[test]
fn of_a_backfill_that_is_gone_on_with_the_ledger_may_know_more() {
    let mut recent = RecentEntries::default();
    recent.begin_pass(&BTreeMap::from([(STREAM, at(400))]), at(1_000));
    assert!(recent.is_backfill(STREAM) && !recent.is_backfill(StreamId(2)));
    for (modified, expected) in [(399, NotedIn::Nothing), (400, NotedIn::Ledger)] {
        assert_eq!(recent.noted_in(STREAM, at(300), Some(at(modified))), expected);
    }
}

#[test]
fn of_very_many_the_older_half_is_in_the_ledger() {
    let mut recent = RecentEntries::default();
    recent.begin_pass(&BTreeMap::new(), at(0));
    let first = at(200).as_millisecond();
    let most = i64::try_from(MOST).unwrap_or_default();
    for after in 0..=most {
        recent.record((StreamId(1), first + after), ContactId(1));
    }
    let is_kept = |after: i64| recent.contacts_at((StreamId(1), first + after)).count() == 1;
    assert_eq!([most / 2, most / 2 + 1, most].map(is_kept), [false, true, true]);
    let of = |after: i64| Timestamp::from_millisecond(first + after).map(|at| recent.noted_in(STREAM, at, None));
    assert_eq!(
        [of(most / 2), of(most / 2 + 1)].map(Result::ok),
        [Some(NotedIn::Ledger), Some(NotedIn::Memory)]
    );
}
