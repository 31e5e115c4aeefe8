#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use rstest::rstest;

use super::*;

const HUBSPOT: &str = "HubSpot";
const GOOGLE: &str = "Google";
const DAYS: i64 = 3 * 86_400;

fn real(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

/// So many real seconds after the start, with a wall clock that is wrong by so much.
fn host(second: i64, wrong: i64) -> HostTime {
    HostTime {
        wall: real(second + wrong),
        monotonic: SignedDuration::from_secs(1_000 + second),
    }
}

/// A vendor whose clock is wrong by so much answers once a
/// second, from this second on; whether that corrected the time.
fn answers(
    time: &mut SteadyTime,
    vendor: &'static str,
    (from, count): (i64, i64),
    wrong: i64,
    host_wrong: i64,
) -> bool {
    (from..from + count)
        .map(|second| time.hear(vendor, real(second + wrong), host(second, host_wrong)))
        .any(|heard| matches!(heard, DateEffect::Corrected(_)))
}

fn confirmed() -> SteadyTime {
    let mut time = SteadyTime::new(host(0, 0));
    assert!(!answers(&mut time, HUBSPOT, (0, 1), 0, 0));
    time
}

#[rstest]
#[case::ahead(DAYS)]
#[case::behind(-DAYS)]
fn a_stepped_clock_is_not_followed(#[case] step: i64) {
    let mut time = confirmed();
    assert_eq!(time.now(host(10, step)), real(10));
    assert!(!answers(&mut time, HUBSPOT, (10, 50), 0, step));
    assert!(!answers(&mut time, GOOGLE, (60, 50), 0, step));
    assert_eq!(time.now(host(200, step)), real(200));
    assert_eq!(time.now(host(300, 0)), real(300), "put right");
    // Nobody has agreed with the clock before the step: it goes on from there all the same.
    assert_eq!(SteadyTime::new(host(0, 0)).now(host(10, step)), real(10));
}

#[test]
fn small_steps_of_the_host_are_its_own_matter() {
    assert_eq!(confirmed().now(host(10, 40)), real(50));
}

#[test]
fn after_a_machine_was_resumed_the_host_and_one_vendor_are_believed() {
    let mut time = confirmed();
    // The monotonic clock stood still for a day.
    let woken = |second: i64| HostTime {
        wall: real(second + 86_400),
        ..host(second, 0)
    };
    assert_eq!(time.now(woken(10)), real(10), "late rather than early");
    let heard: Vec<_> = (10..13)
        .map(|second| time.hear(HUBSPOT, real(second + 86_400), woken(second)))
        .collect();
    let day = SignedDuration::from_secs(86_400);
    assert_eq!(
        heard,
        [
            DateEffect::Disputed(-day),
            DateEffect::Disputed(-day),
            DateEffect::Corrected(-day)
        ]
    );
    assert_eq!(time.now(woken(20)), real(20 + 86_400));
}

#[test]
fn a_clock_that_is_wrong_from_the_start_is_corrected_once_both_vendors_say_so() {
    let mut time = SteadyTime::new(host(0, DAYS));
    assert_eq!(time.now(host(1, DAYS)), real(1 + DAYS));
    assert!(!answers(&mut time, HUBSPOT, (1, 1), 0, DAYS));
    assert!(!answers(&mut time, GOOGLE, (2, 1), 0, DAYS), "two may be odd");
    assert!(answers(&mut time, GOOGLE, (3, 1), 0, DAYS));
    assert_eq!(time.now(host(5, DAYS)), real(5));
    assert_eq!(time.now(host(9, 0)), real(9), "put right");
}

#[test]
fn until_a_vendor_agrees_with_the_host_the_earlier_time_counts() {
    let mut time = SteadyTime::new(host(0, DAYS));
    assert!(!answers(&mut time, HUBSPOT, (1, 50), 0, DAYS), "one vendor alone");
    assert_eq!(time.now(host(60, DAYS)), real(60));
    // The vendor was wrong: its time is left as soon as another one agrees with the host.
    assert!(!answers(&mut time, GOOGLE, (61, 1), DAYS, DAYS));
    assert_eq!(time.now(host(62, DAYS)), real(62 + DAYS));
    assert!(!answers(&mut time, HUBSPOT, (63, 50), 0, DAYS));
    assert_eq!(time.now(host(120, DAYS)), real(120 + DAYS));
}

#[test]
fn at_the_start_one_vendor_alone_moves_nothing() {
    let mut time = SteadyTime::new(host(0, 0));
    assert!(!answers(&mut time, HUBSPOT, (1, 50), DAYS, 0));
    assert_eq!(time.now(host(51, 0)), real(51));
    assert!(!answers(&mut time, GOOGLE, (52, 1), 0, 0));
    assert!(!answers(&mut time, HUBSPOT, (53, 50), DAYS, 0));
    assert_eq!(time.now(host(110, 0)), real(110));
}

#[test]
fn a_vendor_whose_clock_is_wrong_moves_nothing() {
    let mut time = confirmed();
    assert!(!answers(&mut time, HUBSPOT, (1, 500), DAYS, 0));
    assert_eq!(time.now(host(600, 0)), real(600));
    // A second vendor that is as wrong is not a thing that happens by itself.
    assert!(answers(&mut time, GOOGLE, (601, 1), DAYS, 0));
    let mut time = confirmed();
    for second in 1..100 {
        assert!(
            !answers(&mut time, HUBSPOT, (second, 1), DAYS * second, 0),
            "no two agree"
        );
        assert!(!answers(&mut time, GOOGLE, (second, 1), 0, 0));
    }
    for far in [Timestamp::MAX, Timestamp::MIN] {
        let heard = time.hear(HUBSPOT, far, host(100, 0));
        assert!(!matches!(heard, DateEffect::Corrected(_)));
    }
}

/// Seconds by which the certain time is ahead of the real one; `None`: nothing is certain.
fn certain(time: &SteadyTime, second: i64, host_wrong: i64) -> Option<i64> {
    let known = time.known_time(host(second, host_wrong));
    assert!(known.certain <= known.now);
    let certain = Some(known.certain).filter(|certain| *certain > Timestamp::MIN)?;
    Some(certain.as_second() - real(second).as_second())
}

#[test]
fn nothing_is_certain_until_both_vendors_have_told_the_time_or_an_hour_has_passed() {
    let mut time = SteadyTime::new(host(0, DAYS));
    assert!(!answers(&mut time, GOOGLE, (1, 50), DAYS, DAYS), "a proxy on the node");
    assert_eq!(certain(&time, 60, DAYS), None);
    assert_eq!(certain(&time, 3_599, DAYS), None);
    assert_eq!(certain(&time, 3_600, DAYS), Some(DAYS));
    time.hear(HUBSPOT, real(3_700), host(3_700, DAYS));
    assert_eq!(certain(&time, 3_700, DAYS), Some(0));
    let mut time = SteadyTime::new(host(0, 0));
    assert!(!answers(&mut time, HUBSPOT, (1, 1), 0, 0));
    assert_eq!(
        time.hear(GOOGLE, Timestamp::UNIX_EPOCH, host(2, 0)),
        DateEffect::Nothing
    );
    assert_eq!(certain(&time, 2, 0), None, "before HubSpot began: not a time");
    assert!(!answers(&mut time, GOOGLE, (3, 1), 0, 0));
    assert_eq!(certain(&time, 3, 0), Some(0));
}

#[test]
fn what_one_vendor_disputes_is_not_certain() {
    // A proxy before HubSpot on a node whose clock is ahead; Google is right.
    let mut time = SteadyTime::new(host(0, DAYS));
    assert!(!answers(&mut time, HUBSPOT, (1, 10), DAYS, DAYS));
    assert!(!answers(&mut time, GOOGLE, (11, 1), 0, DAYS));
    for second in [12, 100, 3_000] {
        assert_eq!(time.now(host(second, DAYS)), real(second + DAYS), "{second}");
        assert_eq!(certain(&time, second, DAYS), Some(0), "{second}");
    }
    assert_eq!(certain(&time, 11 + 3_600, DAYS), Some(DAYS), "not heard for an hour");
    // Whoever is late by the time that all go by makes nothing less certain.
    let mut time = confirmed();
    assert!(!answers(&mut time, GOOGLE, (1, 9), DAYS, 0));
    assert_eq!(certain(&time, 10, 0), Some(0));
}

#[test]
fn a_time_that_was_overruled_counts_for_an_hour() {
    let mut time = confirmed();
    assert!(!answers(&mut time, HUBSPOT, (1, 2), DAYS, 0));
    assert!(answers(&mut time, GOOGLE, (3, 1), DAYS, 0), "one proxy before both");
    assert_eq!(time.now(host(4, 0)), real(4 + DAYS));
    assert_eq!(certain(&time, 4, 0), Some(0));
    // They are put right, the time too.
    assert!(answers(&mut time, HUBSPOT, (15, 3), 0, 0));
    assert_eq!((time.now(host(18, 0)), certain(&time, 18, 0)), (real(18), Some(0)));
    // One that stays is believed after an hour.
    assert!(!answers(&mut time, HUBSPOT, (20, 2), DAYS, 0));
    assert!(answers(&mut time, GOOGLE, (22, 1), DAYS, 0));
    assert_eq!(certain(&time, 22 + 3_599, 0), Some(0));
    assert_eq!(certain(&time, 22 + 3_600, 0), Some(DAYS));
}

#[test]
fn the_time_of_a_vendor_is_the_one_that_it_told_last() {
    let mut time = SteadyTime::new(host(0, DAYS));
    assert_eq!(time.vendor_time(GOOGLE, host(1, DAYS)), real(1 + DAYS));
    assert!(!answers(&mut time, GOOGLE, (2, 1), 0, DAYS));
    assert!(!answers(&mut time, HUBSPOT, (2, 1), DAYS, DAYS));
    assert_eq!(time.vendor_time(GOOGLE, host(9, DAYS)), real(9));
    assert_eq!(time.vendor_time(HUBSPOT, host(9, DAYS)), real(9 + DAYS));
    assert_eq!(
        time.vendor_time(GOOGLE, host(9, 5 * DAYS)),
        real(9),
        "the host's steps are nothing to it"
    );
}

/// Dates that vendors may give, by their distance from the real time in seconds.
fn dates() -> impl Strategy<Value = Vec<(bool, i64, i64)>> {
    let wrong = prop_oneof![Just(0), Just(DAYS), Just(-DAYS), -10_000_000_i64..10_000_000];
    prop::collection::vec((any::<bool>(), wrong, 0_i64..60), 1..60)
}

proptest! {
    /// Whatever both vendors say: what a right host said, and both agreed with, is not passed within the hour.
    #[test]
    fn a_host_that_is_right_and_was_confirmed_is_not_passed_within_an_hour(said in dates()) {
        let (mut time, mut second) = (confirmed(), 1);
        time.hear(GOOGLE, real(1), host(1, 0));
        for (google, wrong, pause) in said {
            second += pause;
            if second >= 3_600 {
                break;
            }
            time.hear(if google { GOOGLE } else { HUBSPOT }, real(second + wrong), host(second, 0));
            let known = time.known_time(host(second, 0));
            prop_assert!(known.certain <= known.now && known.certain <= later(real(second), AGREED), "{known:?}");
        }
    }

    /// Whatever the host and one vendor say: the true time that the other has told is not passed within the hour.
    #[test]
    fn the_truth_of_any_witness_of_the_last_hour_is_not_passed(
        said in dates(), host_wrong in prop_oneof![Just(0), Just(DAYS), -10_000_000_i64..10_000_000], truth in 0_usize..60,
    ) {
        let (mut time, mut second, mut told) = (SteadyTime::new(host(0, host_wrong)), 0, None);
        for (number, (_, wrong, pause)) in said.into_iter().enumerate() {
            second += pause;
            if number == truth {
                time.hear(GOOGLE, real(second), host(second, host_wrong));
                told = Some(second);
            }
            time.hear(HUBSPOT, real(second + wrong), host(second, host_wrong));
            let known = time.known_time(host(second, host_wrong));
            prop_assert!(known.certain <= known.now);
            if told.is_some_and(|told| second - told < 3_600) {
                prop_assert!(known.certain <= later(real(second), AGREED), "{known:?}");
            }
        }
    }
}
