//! What ends a stall.

use super::*;

/// Every kind of stall, whatever the next check meets, whatever is known of the account, also while its deletion waits.
#[test]
fn a_stalled_account_stays_so_until_a_check_proves_otherwise() {
    let users = ["event".to_owned()];
    let stalls = [FaultKind::Credentials, FaultKind::Unreadable, FaultKind::Denied];
    let next = [FaultKind::Limited, FaultKind::Unavailable];
    let all = stalls
        .iter()
        .flat_map(|stall| next.iter().map(move |next| (*stall, *next)));
    for ((stall, next), known, deleting, replaced) in all
        .flat_map(|both| [(true, true), (true, false), (false, true), (false, false)].map(|(k, d)| (both, k, d)))
        .flat_map(|(both, k, d)| [(both, k, d, true), (both, k, d, false)])
    {
        let seen = |previous: &[Condition], health: &AccountHealth, now| {
            let observed = AccountObservation {
                what: "HubSpot portal 62515",
                previous,
                generation: Some(1),
                now: at(now),
                suspended: false,
                deleting,
                users: &users,
                known,
                health,
                threshold: Duration::from_mins(15),
                remark: None,
            };
            (conditions_for(&observed).into_sorted(), whole(&observed))
        };
        let mut health = failed(stall, 0);
        let (_, before) = seen(&was_ready(), &health, 0);
        if replaced {
            health.account_replaced(at(1));
        }
        let mut previous = before.clone();
        for second in [1, 600, 4000] {
            health.check_failed(AccountFault::new(next, "Next", "Something else."), at(second));
            let (used, shown) = seen(&previous, &health, second);
            let case = format!("{stall:?} {next:?} {known} {deleting} {replaced} {second}: {used:#?}");
            assert!(!is_true(&used, "Ready") && !is_true(&shown, "Ready"), "{case}");
            assert_eq!(is_true(&used, "Stalled"), !replaced, "{case}");
            if !replaced {
                let (was, is) = (
                    find_condition(&before, "Stalled").unwrap(),
                    find_condition(&shown, "Stalled").unwrap(),
                );
                assert_eq!(
                    (&was.reason, &was.last_transition_time),
                    (&is.reason, &is.last_transition_time)
                );
                assert_eq!(
                    is.message,
                    "What happened. The last check failed and will be retried: Something else."
                );
                assert!(
                    announcements(&previous, &shown)
                        .iter()
                        .all(|n| n.reason == reason::RATE_LIMITED)
                );
            }
            previous = shown;
        }
        health.check_succeeded();
        assert!(!is_true(&seen(&previous, &health, 5000).0, "Stalled"));
    }
}
