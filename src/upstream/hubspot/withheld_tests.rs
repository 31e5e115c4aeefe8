use super::*;

const LONGEST: SignedDuration = SignedDuration::from_mins(5);

fn names(all: &[&str]) -> PropertyNames {
    let all: Vec<String> = all.iter().map(|name| (*name).to_owned()).collect();
    PropertyNames::of(&all, &[])
}

/// Hunts where reads with any of these fail; what it comes to, and how many probes that took.
fn hunt(all: &[&str], fails: impl Fn(&[&str]) -> bool) -> (PropertyHuntProgress, usize) {
    let mut hunt = PropertyHunt::new(names(all));
    for probes in 1.. {
        let probe = hunt.probe();
        let asked: Vec<&str> = probe.all().map(String::as_str).collect();
        match hunt.advance(fails(&asked)) {
            PropertyHuntProgress::Narrowed => assert!(probes < 100),
            end => return (end, probes),
        }
    }
    unreachable!("a hunt ends")
}

#[rstest::rstest]
#[case::one_of_many(&["a", "b", "c", "d", "e"], &["d"], Some("d"))]
#[case::the_first(&["a", "b", "c"], &["a"], Some("a"))]
#[case::the_last(&["a", "b", "c"], &["c"], Some("c"))]
#[case::alone(&["a"], &["a"], Some("a"))]
#[case::the_first_of_two(&["a", "b", "c", "d"], &["d", "b"], Some("b"))]
fn the_property_is_found(#[case] all: &[&str], #[case] bad: &[&str], #[case] found: Option<&str>) {
    let (end, probes) = hunt(all, |asked| asked.iter().any(|name| bad.contains(name)));
    assert_eq!(end, PropertyHuntProgress::Found(names(&[found.unwrap()])));
    assert!(probes <= 7, "{probes}");
}

#[test]
fn a_long_list_takes_few_probes() {
    let all: Vec<String> = (0..64).map(|n| format!("p{n:02}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    for bad in ["p00", "p31", "p63"] {
        let (end, probes) = hunt(&all, |asked| asked.contains(&bad));
        assert_eq!(end, PropertyHuntProgress::Found(names(&[bad])));
        assert!(probes <= 10, "{probes}");
    }
}

#[test]
fn failures_that_are_not_about_a_property_are_recognized() {
    let all = ["a", "b", "c"];
    assert_eq!(
        hunt(&all, |_| false),
        (PropertyHuntProgress::Over(Blame::Records), 1),
        "another one is answered"
    );
    assert_eq!(
        hunt(&all, |_| true),
        (PropertyHuntProgress::Over(Blame::Unknown), 2),
        "nobody is"
    );
    assert_eq!(hunt(&[], |_| true), (PropertyHuntProgress::Over(Blame::Unknown), 1));
    let together = |asked: &[&str]| asked.len() > 1;
    assert_eq!(
        hunt(&all, together).0,
        PropertyHuntProgress::Over(Blame::Unknown),
        "no single one"
    );
    let calls = std::cell::Cell::new(0);
    let passes = |_: &[&str]| calls.replace(calls.get() + 1) == 0;
    assert_eq!(
        hunt(&all, passes).0,
        PropertyHuntProgress::Over(Blame::Unknown),
        "it has passed"
    );
}

#[test]
fn what_everything_rests_on_is_never_left_out() {
    let all = [
        "lifecyclestage",
        "hs_merged_object_ids",
        "lastmodifieddate",
        "hs_v2_date_entered_lead",
        "email",
    ];
    assert_eq!(names(&all), names(&["email"]));
    let click = PropertyNames::of(&["click".to_owned(), "email".to_owned()], &["click".to_owned()]);
    assert_eq!(click.with_history().collect::<Vec<_>>(), ["click"]);
    assert_eq!(click.all().count(), 2);
}

#[test]
fn it_is_asked_for_again_with_growing_pauses_until_it_is_given() {
    let (mut memory, mut now) = (WithheldMemory::default(), Instant::now());
    let all = ["a".to_owned(), "b".to_owned()];
    assert!(memory.among(all.iter()).is_none() && memory.shown(now).is_empty());
    assert!(memory.withhold(&names(&["b"]), "403", now));
    let left_out = memory.among(all.iter()).unwrap();
    assert_eq!(left_out.iter().collect::<Vec<_>>(), ["b"]);
    assert!(
        memory.among(all[..1].iter()).is_none(),
        "the others are asked for as before"
    );
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let again = memory.shown(now)["b"].again;
        assert!(memory.due(now).is_empty());
        now += Duration::try_from(again).unwrap();
        assert_eq!(memory.due(now), [names(&["b"])]);
        memory.asked_again("b", Some("500".to_owned()), LONGEST, now);
        pauses.push(again.as_secs());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    assert_eq!(memory.shown(now)["b"].why, "500");
    let version = memory.version();
    memory.asked_again("b", None, LONGEST, now);
    assert!(memory.among(all.iter()).is_none() && memory.version() != version);
}

#[test]
fn there_is_an_end_to_it() {
    let (mut memory, now) = (WithheldMemory::default(), Instant::now());
    for n in 0..MOST {
        assert!(memory.withhold(&names(&[&format!("p{n}")]), "", now));
    }
    assert!(!memory.withhold(&names(&["one_more"]), "", now));
}

#[test]
fn a_verdict_counts_for_a_while() {
    let (mut memory, now) = (WithheldMemory::default(), Instant::now());
    assert_eq!(memory.verdict(now), None);
    memory.note_verdict(Blame::Unknown, now);
    assert_eq!(memory.verdict(now), Some(Blame::Unknown));
    let later = now + Duration::from_secs(1);
    assert_eq!(memory.verdict(later), None);
    memory.note_verdict(Blame::Records, later);
    assert_eq!(memory.verdict(later + Duration::from_secs(1)), Some(Blame::Records));
    assert_eq!(memory.verdict(later + Duration::from_secs(2)), None);
    memory.note_verdict(Blame::Property, later);
    assert_eq!(memory.verdict(later), None, "the next read is without it");
}

#[rstest::rstest]
#[case::a_scope(Cause::MissingScope, Some(403), true)]
#[case::refused(Cause::Refused, Some(400), true)]
#[case::denied(Cause::AccessDenied, Some(403), true)]
#[case::broken(Cause::Unavailable, Some(500), true)]
#[case::no_answer(Cause::Unavailable, None, true)]
#[case::garbled(Cause::Malformed, Some(200), true)]
#[case::not_sent(Cause::Refused, None, false)]
#[case::slow_down(Cause::RateLimited, Some(429), false)]
#[case::the_day_is_over(Cause::QuotaExhausted, Some(429), false)]
#[case::too_large(Cause::TooLarge, Some(200), false)]
#[case::a_router_page(Cause::UnsupportedVersion, Some(404), true)]
fn failures_that_a_property_may_be_the_reason_of(
    #[case] cause: Cause,
    #[case] status: Option<u16>,
    #[case] expected: bool,
) {
    let error = UpstreamError {
        status,
        ..UpstreamError::new("HubSpot", cause, "")
    };
    assert_eq!(may_concern_property(&error), expected);
}
