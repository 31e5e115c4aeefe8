#![allow(clippy::unwrap_used)]

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
        .any(|heard| heard != DateEffect::Nothing)
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
        [DateEffect::Nothing, DateEffect::Nothing, DateEffect::Corrected(-day)]
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
        assert_eq!(time.hear(HUBSPOT, far, host(100, 0)), DateEffect::Nothing);
    }
}
