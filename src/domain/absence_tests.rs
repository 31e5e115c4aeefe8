use proptest::prelude::*;

use super::*;

const PAUSES: Pauses = Pauses {
    named: SignedDuration::from_mins(1),
    silent: SignedDuration::from_hours(1),
    longest: SignedDuration::from_mins(5),
};
const ALONE: MissingAnswer = left_out(false);
const AMONG: MissingAnswer = left_out(true);
const NAMED: MissingAnswer = MissingAnswer { named: true, ..AMONG };
const NAMED_ALONE: MissingAnswer = MissingAnswer { named: true, ..ALONE };

const fn left_out(others: bool) -> MissingAnswer {
    MissingAnswer { named: false, others }
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

#[test]
fn table() {
    let again = |m| AbsenceVerdict::Again(minutes(m));
    let gone = AbsenceVerdict::Deleted;
    for (look, missing, named, verdict) in [
        // The first look never decides.
        (NAMED, None, None, again(1)),
        (AMONG, None, None, again(1)),
        (ALONE, None, None, again(1)),
        // Named at both: the short pause.
        (NAMED, Some(1), Some(1), gone),
        (NAMED, Some(30), Some(1), gone),
        (NAMED, Some(30), Some(0), again(1)),
        (NAMED, Some(30), None, again(1)),
        // Left out before, for long, and named now.
        (NAMED, Some(60), None, gone),
        // Left out among others: the long pause, whatever was named before.
        (AMONG, Some(59), Some(59), again(1)),
        (AMONG, Some(60), None, gone),
        // An answer that shows nobody never decides.
        (ALONE, Some(60), Some(60), again(5)),
        (ALONE, Some(6000), None, again(5)),
        (NAMED_ALONE, Some(1), Some(1), again(1)),
        (NAMED_ALONE, Some(6000), Some(6000), again(5)),
        (NAMED_ALONE, None, None, again(1)),
        // Whenever the time has doubled, and at the end of the pause.
        (AMONG, Some(1), None, again(1)),
        (AMONG, Some(8), None, again(8)),
        (ALONE, Some(32), None, again(28)),
    ] {
        let since = missing.map(|missing| MissingSince {
            missing: minutes(missing),
            named: named.map(minutes),
        });
        assert_eq!(
            judge_look(look, since, &PAUSES),
            verdict,
            "{look:?} {missing:?} {named:?}"
        );
    }
}

#[test]
fn a_contact_that_stays_away_costs_few_looks() {
    for (look, most) in [(NAMED, 2), (AMONG, 8)] {
        let (mut at, mut looks) = (SignedDuration::ZERO, 1);
        let mut verdict = judge_look(look, None, &PAUSES);
        while let AbsenceVerdict::Again(wait) = verdict {
            at += wait;
            looks += 1;
            let named = look.named.then_some(at);
            verdict = judge_look(look, Some(MissingSince { missing: at, named }), &PAUSES);
        }
        assert!(looks <= most, "{look:?}: {looks}");
        let pause = if look.named { PAUSES.named } else { PAUSES.silent };
        assert_eq!(at, pause, "not a moment after the pause");
    }
}

fn looks() -> impl Strategy<Value = Vec<(MissingAnswer, i64)>> {
    let look = (any::<bool>(), any::<bool>()).prop_map(|(named, others)| MissingAnswer { named, others });
    proptest::collection::vec((look, 0_i64..5_000), 1..20)
}

fn pauses() -> impl Strategy<Value = Pauses> {
    let seconds = || (0_i64..5_000).prop_map(SignedDuration::from_secs);
    (seconds(), seconds(), seconds()).prop_map(|(named, silent, longest)| Pauses { named, silent, longest })
}

proptest! {
    /// Whatever comes in whatever order: nobody counts as deleted without two looks that agree, so far apart.
    #[test]
    fn two_looks_that_agree_and_a_pause_between_them(all in looks(), pauses in pauses()) {
        let (mut now, mut seen) = (SignedDuration::ZERO, Vec::<(MissingAnswer, SignedDuration)>::new());
        for (look, after) in all {
            now += SignedDuration::from_secs(after);
            let first = |named: bool| {
                let mut of = seen.iter().filter(|(look, _)| !named || look.named);
                of.next().map(|(_, at)| now - *at)
            };
            let since = first(false).map(|missing| MissingSince { missing, named: first(true) });
            match judge_look(look, since, &pauses) {
                AbsenceVerdict::Deleted => {
                    prop_assert!(look.others);
                    let named = look.named && first(true) >= Some(pauses.named);
                    prop_assert!(named || first(false) >= Some(pauses.silent));
                    prop_assert!(!seen.is_empty());
                }
                AbsenceVerdict::Again(wait) => {
                    prop_assert!(wait.is_positive());
                    prop_assert!(wait <= pauses.silent.max(pauses.longest).max(pauses.named).max(SHORTEST));
                }
            }
            seen.push((look, now));
        }
    }

    /// Who stays away is deleted in the end, and not long after the pause.
    #[test]
    fn who_stays_away_is_deleted_in_the_end(pauses in pauses(), named: bool) {
        let look = if named { NAMED } else { AMONG };
        let (mut at, mut verdict, mut looks) = (SignedDuration::ZERO, judge_look(look, None, &pauses), 1);
        while let AbsenceVerdict::Again(wait) = verdict {
            at += wait;
            looks += 1;
            prop_assert!(looks < 20);
            let since = MissingSince { missing: at, named: named.then_some(at) };
            verdict = judge_look(look, Some(since), &pauses);
        }
        let pause = if named { pauses.named.min(pauses.silent) } else { pauses.silent };
        prop_assert!(at >= pause && at <= pause.max(SHORTEST));
    }
}
