use super::*;
use crate::ports::test_support::at;

const STREAM: StreamId = StreamId(1);

/// Streams 1 and 2 are watched since then.
fn watched(second: i64) -> RecentEntries {
    let recent = RecentEntries::default();
    for stream in [STREAM, StreamId(2)] {
        recent.watch(stream, at(second));
    }
    recent
}

fn noted_in(recent: &RecentEntries, second: i64) -> NotedIn {
    FirstReads::default().noted_in(recent, STREAM, at(second), None)
}

fn time(second: i64) -> EntryTime {
    (STREAM, at(second).as_millisecond())
}

fn known(recent: &RecentEntries, second: i64) -> Vec<u64> {
    recent.contacts_at(time(second)).iter().map(|id| id.0).collect()
}

#[test]
fn what_this_process_has_noted_is_remembered_for_minutes() {
    assert_eq!(noted_in(&RecentEntries::default(), 9_000), NotedIn::Ledger);
    let recent = watched(1_000);
    // Of the time before, and of clocks that are apart, the process before may have noted something.
    assert_eq!(noted_in(&recent, 1_120), NotedIn::Ledger);
    assert_eq!(noted_in(&recent, 1_121), NotedIn::Memory);
    recent.record(time(1_120), ContactId(1));
    for id in [2, 3, 2] {
        recent.record(time(1_121), ContactId(id));
    }
    assert_eq!((known(&recent, 1_120), known(&recent, 1_121)), (vec![], vec![2, 3]));
    assert_eq!(
        recent.contacts_at((StreamId(2), at(1_121).as_millisecond())).len(),
        0,
        "of another stream"
    );
    recent.watch(STREAM, at(1_500));
    recent.forget_old(at(1_121 + 599));
    assert_eq!(known(&recent, 1_121), [2, 3]);
    recent.forget_old(at(1_121 + 600));
    assert_eq!(known(&recent, 1_121), [] as [u64; 0]);
    assert_eq!(noted_in(&recent, 1_121), NotedIn::Ledger);
    // A clock that goes back brings nothing back.
    recent.forget_old(at(0));
    assert_eq!(noted_in(&recent, 1_121), NotedIn::Ledger);
}

/// Only for the time in which a stream was watched without a break memory may answer instead of the ledger.
#[test]
fn a_stream_that_gets_rows_from_elsewhere_is_watched_anew() {
    let recent = watched(1_000);
    recent.watch_anew(STREAM, at(2_000));
    assert_eq!(
        [2_120, 2_121].map(|second| noted_in(&recent, second)),
        [NotedIn::Ledger, NotedIn::Memory]
    );
    let other = FirstReads::default().noted_in(&recent, StreamId(2), at(1_121), None);
    assert_eq!(other, NotedIn::Memory, "nothing came to it");
    let never = FirstReads::default().noted_in(&recent, StreamId(3), at(9_000), None);
    assert_eq!(never, NotedIn::Ledger, "it was not watched");
}

#[rstest::rstest]
#[case::before(Some(999), NotedIn::Nothing)]
#[case::meanwhile(Some(1_000), NotedIn::Ledger)]
#[case::nobody_knows_when(None, NotedIn::Ledger)]
fn in_a_backfill_only_those_that_changed_may_be_known(#[case] modified: Option<i64>, #[case] expected: NotedIn) {
    let (recent, mut reads) = (watched(1_000), FirstReads::default());
    let noted_in = |reads: &FirstReads, stream| reads.noted_in(&recent, stream, at(2_000), modified.map(at));
    for second in [1_000, 1_500] {
        reads.begin_pass(&BTreeMap::from([(STREAM, at(second))]));
        assert_eq!(noted_in(&reads, STREAM), expected);
        assert_eq!(
            noted_in(&reads, StreamId(2)),
            NotedIn::Memory,
            "one that is read already"
        );
    }
    reads.begin_pass(&BTreeMap::new());
    assert_eq!(noted_in(&reads, STREAM), NotedIn::Memory, "it is over");
    reads.begin_pass(&BTreeMap::from([(STREAM, at(1_700))]));
    let another = reads.noted_in(&recent, STREAM, at(2_000), Some(at(1_699)));
    assert_eq!(another, NotedIn::Nothing, "another one");
}

/// A process before this one has begun with it.
#[test]
fn of_a_backfill_that_is_gone_on_with_the_ledger_may_know_more() {
    let (recent, mut reads) = (watched(1_000), FirstReads::default());
    reads.begin_pass(&BTreeMap::from([(STREAM, at(400))]));
    assert!(reads.is_backfill(STREAM) && !reads.is_backfill(StreamId(2)));
    for (modified, expected) in [(399, NotedIn::Nothing), (400, NotedIn::Ledger)] {
        assert_eq!(reads.noted_in(&recent, STREAM, at(300), Some(at(modified))), expected);
    }
}

#[test]
fn of_very_many_the_older_half_is_in_the_ledger() {
    let recent = watched(0);
    let first = at(200).as_millisecond();
    let most = i64::try_from(MOST).unwrap_or_default();
    for after in 0..=most {
        recent.record((StreamId(1), first + after), ContactId(1));
    }
    let is_kept = |after: i64| recent.contacts_at((StreamId(1), first + after)).len() == 1;
    assert_eq!([most / 2, most / 2 + 1, most].map(is_kept), [false, true, true]);
    let reads = FirstReads::default();
    let of = |after: i64| {
        let at = Timestamp::from_millisecond(first + after);
        at.map(|at| reads.noted_in(&recent, STREAM, at, None))
    };
    assert_eq!(
        [of(most / 2), of(most / 2 + 1)].map(Result::ok),
        [Some(NotedIn::Ledger), Some(NotedIn::Memory)]
    );
}

#[test]
fn of_very_many_streams_none_is_trusted_that_was_not_watched() {
    let recent = watched(0);
    for stream in 3..=MOST {
        recent.watch(StreamId(i64::try_from(stream).unwrap_or_default()), at(0));
    }
    assert_eq!(noted_in(&recent, 1_000), NotedIn::Memory);
    recent.watch(StreamId(0), at(0));
    assert_eq!(noted_in(&recent, 1_000), NotedIn::Ledger);
}
