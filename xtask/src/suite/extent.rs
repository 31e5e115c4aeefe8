//! How much of the tests runs: a sample every day, the whole before a release.

use std::env;
use std::process::Command;

/// How many tests run at a time. Most of them wait for something outside, so more than the machine has cores.
const THREADS: (&str, &str) = ("RUST_TEST_THREADS", "12");
/// How many cases a property is tried with that does not say so itself.
const CASES: &str = "PROPTEST_CASES";

/// How much of the tests runs. What the environment says goes before either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What can be waited for before each merge.
    Sample,
    /// All there is: about two hours.
    Whole,
}

/// Cases that the sample does without. Each differs from one that stays in nothing but the answer that somebody between
/// the operator and a service gives.
const NOT_SAMPLED: [&str; 9] = [
    "poison_searches::contacts_that_a_filter_keeps_from_searches_hold_up_nobody::case_2_login",
    "poison_searches::contacts_that_a_filter_keeps_from_searches_hold_up_nobody::case_3_blocked",
    "poison_searches::contacts_that_a_filter_keeps_from_searches_hold_up_nobody::case_5_no_scope",
    "poison_searches::contacts_that_a_filter_keeps_from_searches_hold_up_nobody::case_6_forbidden",
    "poison_searches::contacts_that_a_filter_keeps_from_searches_hold_up_nobody::case_8_a_gateway",
    "poison_forms::one_submission_that_every_request_fails_with_holds_up_no_other::case_2_filtered",
    "poison_forms::one_submission_that_every_request_fails_with_holds_up_no_other::case_3_slowed_down",
    "poison_forms::one_submission_that_every_request_fails_with_holds_up_no_other::case_4_empty",
    "poison_forms::one_submission_that_every_request_fails_with_holds_up_no_other::case_5_denied",
];

impl Extent {
    /// Variables that a program of tests gets.
    const fn variables(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Sample => &[THREADS, (CASES, "64")],
            Self::Whole => &[
                THREADS,
                (CASES, "1024"),
                ("ADCONVERSION_FAULTS", "all"),
                ("ADCONVERSION_ODDITIES", "all"),
                ("ADCONVERSION_REBORN", "20"),
            ],
        }
    }

    /// Times as long as the sample may take.
    pub const fn factor(self) -> u32 {
        match self {
            Self::Sample => 1,
            Self::Whole => 4,
        }
    }

    /// Has a program of tests run so much.
    pub(crate) fn set(self, command: &mut Command) {
        for (variable, usual) in self.variables() {
            if env::var_os(variable).is_none() {
                command.env(variable, usual);
            }
        }
    }

    /// What a program of tests that runs all its tests leaves out, as its arguments.
    pub(crate) fn left_out(self) -> Vec<&'static str> {
        match self {
            Self::Sample => NOT_SAMPLED.iter().flat_map(|name| ["--skip", name]).collect(),
            Self::Whole => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn set(extent: Extent) -> BTreeMap<String, String> {
        let mut command = Command::new("tests");
        extent.set(&mut command);
        let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
        let set = command.get_envs();
        set.filter_map(|(name, value)| Some((text(name), text(value?))))
            .collect()
    }

    #[test]
    fn the_whole_is_more_of_everything_and_leaves_nothing_out() {
        let (sample, whole) = (set(Extent::Sample), set(Extent::Whole));
        assert!(!sample.contains_key("ADCONVERSION_FAULTS"));
        if env::var_os("ADCONVERSION_FAULTS").is_none() {
            assert_eq!(whole["ADCONVERSION_FAULTS"], "all");
        }
        assert_eq!(Extent::Whole.left_out(), Vec::<&str>::new());
        assert_eq!(Extent::Sample.left_out().len(), NOT_SAMPLED.len() * 2);
    }
}
