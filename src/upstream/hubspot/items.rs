//! What of a batch can be read and what cannot, input by input: one record that HubSpot refuses, or gives in a way that
//! cannot be understood, concerns that record alone and no other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::errors::ErrorBody;
use crate::ports::crm::Unreadable;
use crate::ports::pulse;
use crate::ports::{Cause, UpstreamError};

/// Refusals in a row without a single answer after which it is no matter of single records.
const IN_VAIN: usize = 12;
/// Why a row is not understood that is not what HubSpot documents.
pub(crate) const WRONG_TYPE: &str = "a field of it has the wrong type";
/// Why an input is not understood: no row can be attributed to it.
const NOT_TOLD: &str = "HubSpot's answer does not say which record is meant";

/// The inputs of one batch read of which nothing is known yet. An input that stays open at the end was left out, unless
/// something in the answer may have been about it.
pub(crate) struct OpenInputs<I> {
    inputs: BTreeSet<I>,
    /// HubSpot says that these don't exist (any more).
    gone: BTreeSet<I>,
    /// HubSpot says that these have no associations.
    without: BTreeSet<I>,
    /// Something in the answer does not say which input it is about, and why it can't be read.
    untold: Option<String>,
    unreadable: Unreadable<I>,
}

impl<I: Ord + Clone> OpenInputs<I> {
    pub(crate) fn new(inputs: impl IntoIterator<Item = I>) -> Self {
        Self {
            inputs: inputs.into_iter().collect(),
            gone: BTreeSet::new(),
            without: BTreeSet::new(),
            untold: None,
            unreadable: BTreeMap::new(),
        }
    }

    /// The inputs of which nothing is known.
    pub(crate) fn open_inputs(&self) -> impl Iterator<Item = &I> {
        self.inputs.iter()
    }

    pub(crate) fn contains(&self, input: &I) -> bool {
        self.inputs.contains(input)
    }

    /// The answer says something about this one.
    pub(crate) fn mark_answered(&mut self, input: &I) {
        self.inputs.remove(input);
    }

    /// HubSpot says that this one does not exist (any more).
    pub(crate) fn is_gone(&mut self, input: &I) {
        if let Some(input) = self.inputs.take(input) {
            self.gone.insert(input);
        }
    }

    /// Those that HubSpot says don't exist (any more).
    pub(crate) fn gone_inputs(&self) -> impl Iterator<Item = &I> {
        self.gone.iter()
    }

    /// Those that HubSpot says have no associations.
    pub(crate) fn unassociated_inputs(&self) -> impl Iterator<Item = &I> {
        self.without.iter()
    }

    /// This one cannot be read.
    pub(crate) fn mark_failed(&mut self, input: &I, why: &str) {
        if self.inputs.remove(input) {
            self.unreadable.insert(input.clone(), why.to_owned());
        }
    }

    /// True if HubSpot names this one and does not give it.
    pub(crate) fn has_failed(&self, input: &I) -> bool {
        self.unreadable.contains_key(input)
    }

    /// Something in the answer cannot be read, and does not say which input it is about.
    pub(crate) fn mark_untold(&mut self, why: &str) {
        self.untold.get_or_insert_with(|| why.to_owned());
    }

    /// A row is of a record that was not asked for: nothing says which input has led to it.
    pub(crate) fn mark_stray(&mut self) {
        self.mark_untold(NOT_TOLD);
    }

    /// Takes the errors of single inputs. `input` makes one of what an error names.
    pub(crate) fn take_errors(&mut self, errors: &[Value], input: impl Fn(&str) -> Option<I>) {
        for error in errors.iter().map(ErrorBody::from_value) {
            let named: Vec<I> = error.inputs.iter().filter_map(|text| input(text)).collect();
            if error.no_associations {
                let without = named.iter().filter_map(|input| self.inputs.take(input));
                self.without.extend(without);
                continue;
            }
            if error.is_not_found() {
                for input in &named {
                    self.is_gone(input);
                }
                continue;
            }
            let category = error.category.as_deref().unwrap_or("an error without a category");
            let why = format!("HubSpot's answer for it is {category}");
            if named.is_empty() {
                self.mark_untold(&why);
            }
            for input in &named {
                self.mark_failed(input, &why);
            }
        }
    }

    /// What cannot be read.
    pub(crate) fn into_unreadable(mut self) -> Unreadable<I> {
        if let Some(why) = self.untold {
            let open = self.inputs.into_iter().map(|input| (input, why.clone()));
            self.unreadable.extend(open);
        }
        self.unreadable
    }
}

/// A read in parts: if HubSpot refuses a whole batch, or answers with more than is read, its halves are asked for, down
/// to the inputs that it is about. Twice as many calls as inputs are the most it takes.
pub(crate) struct Parts<I> {
    open: Vec<Vec<I>>,
    refused: Vec<(I, UpstreamError)>,
    /// Inputs of parts that were not cut down.
    left: Vec<(I, UpstreamError)>,
    several: bool,
    /// Failures that may pass are taken for those of single inputs too.
    isolates: bool,
    /// Refusals so far; `None` once a part was answered: then those are about single inputs.
    in_vain: Option<usize>,
}

impl<I: Ord + Clone> Parts<I> {
    pub(crate) fn from_inputs(inputs: Vec<I>) -> Self {
        Self {
            several: inputs.len() > 1,
            open: vec![inputs],
            refused: Vec::new(),
            left: Vec::new(),
            isolates: false,
            in_vain: Some(0),
        }
    }

    /// As [`Self::from_inputs`], where the inputs of `alone` are each asked for alone, after the others. `isolates`: so much
    /// has failed that single inputs may be the reason.
    pub(crate) fn isolating(inputs: Vec<I>, alone: Vec<I>, isolates: bool) -> Self {
        let known = inputs.is_empty() && !alone.is_empty();
        // Of one alone nothing tells whether it is the reason.
        let isolates = isolates && inputs.len() > 1;
        let mut parts = Self::from_inputs(inputs);
        let batch = std::mem::take(&mut parts.open);
        parts.several |= !alone.is_empty();
        parts.isolates = isolates || !alone.is_empty();
        parts.open = alone.into_iter().map(|input| vec![input]).collect();
        parts.open.extend(batch.into_iter().filter(|batch| !batch.is_empty()));
        if known {
            // They have failed before while others were answered.
            parts.in_vain = None;
        }
        parts
    }

    /// The part that has just failed did so for single inputs; `proved`: others have been answered since.
    pub(crate) fn isolate(&mut self, proved: bool) {
        self.isolates = true;
        self.in_vain = self.in_vain.filter(|_| !proved);
    }

    /// True where failures that may pass are taken for those of single inputs.
    pub(crate) fn isolates(&self) -> bool {
        self.isolates
    }

    /// The next part to ask for.
    pub(crate) fn next_part(&mut self) -> Option<Vec<I>> {
        pulse::beat();
        self.open.pop().filter(|part| !part.is_empty())
    }

    /// A part was answered.
    pub(crate) fn part_answered(&mut self) {
        self.in_vain = None;
    }

    /// As [`Self::leave`], of this part and all that are still to be asked for.
    pub(crate) fn leave_all(&mut self, part: &[I], error: &UpstreamError) {
        self.leave(part, error);
        for open in std::mem::take(&mut self.open) {
            self.leave(&open, error);
        }
    }

    /// A part was refused, and is not cut down: too much is of late, while others were answered. Its inputs cannot be read now.
    pub(crate) fn leave(&mut self, part: &[I], error: &UpstreamError) {
        self.in_vain = None;
        self.left
            .extend(part.iter().map(|input| (input.clone(), error.clone())));
    }

    /// A part was refused. The error, where it is not about single inputs.
    pub(crate) fn part_refused(&mut self, part: &[I], error: UpstreamError) -> Result<(), UpstreamError> {
        let is_large = error.cause == Cause::TooLarge;
        // Without a status it was not even sent, but for a failure that may pass.
        let is_about_inputs = if may_pass(&error) {
            self.isolates
        } else {
            is_of_inputs(&error) && error.status.is_some()
        };
        if !is_about_inputs {
            return Err(error);
        }
        // An answer that is too large is one all the same: it is the records of the part that make it so.
        if let Some(in_vain) = self.in_vain.as_mut().filter(|_| !is_large) {
            *in_vain += 1;
            if *in_vain >= IN_VAIN {
                return Err(error);
            }
        }
        match part {
            [one] => self.refused.push((one.clone(), error)),
            several => {
                let (left, right) = several.split_at(several.len() / 2);
                self.open.push(right.to_vec());
                self.open.push(left.to_vec());
            }
        }
        Ok(())
    }

    /// The inputs that were refused. Where all of several were, it was not about them.
    pub(crate) fn into_unreadable(mut self) -> Result<Unreadable<I>, UpstreamError> {
        let refused = |(_, error): &(I, UpstreamError)| error.cause != Cause::TooLarge;
        if self.several
            && self.in_vain.is_some()
            && let Some(at) = self.refused.iter().rposition(refused)
        {
            return Err(self.refused.swap_remove(at).1);
        }
        Ok(self.refused.into_iter().chain(self.left).map(why).collect())
    }

    /// The inputs whose reads failed each by itself, in a way that may pass.
    pub(crate) fn failed_alone(&self) -> Vec<I> {
        let failed = self.refused.iter().filter(|(_, error)| may_pass(error));
        failed.map(|(input, _)| input.clone()).collect()
    }

    /// The inputs of which there is no answer that can be read, each by itself: it is too large, or the read fails.
    pub(crate) fn without_answer(&self) -> Unreadable<I> {
        let without = self
            .refused
            .iter()
            .filter(|(_, error)| error.cause == Cause::TooLarge || may_pass(error));
        without.chain(&self.left).cloned().map(why).collect()
    }

    /// The inputs that were refused each by itself, without those that HubSpot found malformed while it answered for
    /// others. The error, where the reads of all failed in a way that may pass.
    pub(crate) fn close_without_malformed(mut self) -> Result<Unreadable<I>, UpstreamError> {
        let proved = self.in_vain.is_none();
        let passing = self.refused.iter().position(|(_, error)| may_pass(error));
        if let Some(at) = passing.filter(|_| !proved) {
            return Err(self.refused.swap_remove(at).1);
        }
        let malformed = |error: &UpstreamError| proved && error.cause == Cause::Refused;
        let refused = self.refused.into_iter().filter(|(_, error)| !malformed(error));
        let others = refused.chain(self.left);
        Ok(others.map(why).collect())
    }
}

/// True for what is a matter of inputs at once: an answer that is too large, a refusal, and one that is no JSON, which
/// it may be for the bytes of one record.
fn is_of_inputs(error: &UpstreamError) -> bool {
    match error.cause {
        Cause::TooLarge | Cause::AccessDenied | Cause::Refused | Cause::NotFound => true,
        Cause::Malformed => matches!(error.status, Some(200 | 207)),
        _ => false,
    }
}

/// True for a failure that is no matter of single inputs as long as it does not come again and again: HubSpot's own, of the way
/// there, or of a filter in between.
pub(super) fn may_pass(error: &UpstreamError) -> bool {
    error.may_be_of_a_part() && !is_of_inputs(error)
}

/// Why an input can't be read that was asked for by itself.
fn why<I>((input, error): (I, UpstreamError)) -> (I, String) {
    let way_out = if error.cause == Cause::TooLarge {
        "; shorten its values in HubSpot"
    } else {
        ""
    };
    (input, format!("{}{way_out}", error.message))
}
