//! The `jobId` of a request, which Google repeats in its answer (docs/reference/google.md 4.2). It tells the answer to
//! another request, which proves nothing however alike the rows are. Pure except for the random number.

use std::hash::{BuildHasher, RandomState};

use serde::Serialize;
use serde_json::Value;

use crate::upstream::google::wire::parse_integer;

/// End of the numbers that a caller may choose; those beyond are Google's own.
const END: u32 = 1 << 31;
/// All our numbers are multiples of this prime, those from before a restart too. A multiple that is not this request's
/// number is thus another request's; any other number says nothing.
const MARK: u32 = 4_093;

/// The number of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct JobId(u32);

impl JobId {
    /// A random one out of half a million.
    pub(crate) fn roll() -> Self {
        Self::of(RandomState::new().hash_one(()))
    }

    fn of(number: u64) -> Self {
        let all = END / MARK;
        let number = u32::try_from(number % u64::from(all)).unwrap_or_default();
        Self((number + 1) * MARK)
    }

    /// False for the answer to another request of an operator's.
    pub(crate) fn may_be_answered_by(self, answer: &Value) -> bool {
        let said = parse_integer(&answer["jobId"]).and_then(|said| u32::try_from(said).ok());
        let other = said.filter(|said| *said != self.0);
        other.is_none_or(|said| said == 0 || said >= END || said % MARK != 0)
    }
}

#[cfg(test)]
impl JobId {
    /// A fixed number, for tests that compare whole bodies.
    pub(crate) const FIRST: Self = Self(MARK);
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[test]
    fn all_are_numbers_that_a_caller_may_choose() {
        for number in [0, 1, 524_671, 524_672, u64::MAX] {
            let JobId(id) = JobId::of(number);
            assert!((1..END).contains(&id) && id % MARK == 0, "{number}: {id}");
        }
        assert_eq!(JobId::of(0), JobId::FIRST);
        assert_ne!(JobId::of(7), JobId::of(8));
    }

    #[rstest]
    #[case::ours(json!("8186"), true)]
    #[case::as_a_number(json!(8186), true)]
    #[case::of_another_request(json!("4093"), false)]
    #[case::of_another_as_a_number(json!(4093), false)]
    #[case::made_by_google(json!("2147483649"), true)]
    #[case::made_by_google_and_a_multiple(json!("2147486589"), true)]
    #[case::of_nobody(json!("12345"), true)]
    #[case::zero(json!("0"), true)]
    #[case::no_number(json!("x"), true)]
    #[case::none(Value::Null, true)]
    fn the_answer_to_another_request_is_recognized(#[case] said: Value, #[case] may_be: bool) {
        let answer = json!({"results": [], "jobId": said});
        assert_eq!(JobId(8186).may_be_answered_by(&answer), may_be);
    }
}
