//! Decides for each input of a batch whether it can be read: a record that HubSpot refuses, or gives in a form that
//! can't be understood, must not affect the others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::errors::ErrorBody;
use crate::ports::crm::Unreadable;
use crate::ports::pulse;
use crate::ports::{Cause, UpstreamError};

/// Refusals in a row, without a single answer, after which they are not about single records any more.
const MAX_UNANSWERED: usize = 12;
/// The message about a row that is not as HubSpot documents it.
pub(crate) const WRONG_TYPE: &str = "a field of it has the wrong type";
/// The message about an input to which no row can be attributed.
const NOT_TOLD: &str = "HubSpot's answer does not say which record is meant";

/// The inputs of one batch read that are still open. An input that is open at the end was left out of the answer,
/// unless something in the answer may have been about it.
pub(crate) struct OpenInputs<I> {
    inputs: BTreeSet<I>,
    /// Inputs that don't exist (any more), by HubSpot's word.
    gone: BTreeSet<I>,
    /// Inputs without associations, by HubSpot's word.
    without: BTreeSet<I>,
    /// Why something in the answer can't be read that does not say which input it is about.
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

    /// The inputs that are still open.
    pub(crate) fn open_inputs(&self) -> impl Iterator<Item = &I> {
        self.inputs.iter()
    }

    pub(crate) fn contains(&self, input: &I) -> bool {
        self.inputs.contains(input)
    }

    /// Notes that the answer says something about this input.
    pub(crate) fn mark_answered(&mut self, input: &I) {
        self.inputs.remove(input);
    }

    /// Notes that this input does not exist (any more), by HubSpot's word.
    pub(crate) fn is_gone(&mut self, input: &I) {
        if let Some(input) = self.inputs.take(input) {
            self.gone.insert(input);
        }
    }

    /// The inputs that don't exist (any more), by HubSpot's word.
    pub(crate) fn gone_inputs(&self) -> impl Iterator<Item = &I> {
        self.gone.iter()
    }

    /// The inputs without associations, by HubSpot's word.
    pub(crate) fn unassociated_inputs(&self) -> impl Iterator<Item = &I> {
        self.without.iter()
    }

    /// Notes that this input can't be read.
    pub(crate) fn mark_failed(&mut self, input: &I, why: &str) {
        if self.inputs.remove(input) {
            self.unreadable.insert(input.clone(), why.to_owned());
        }
    }

    /// True if the answer names this input without its record.
    pub(crate) fn has_failed(&self, input: &I) -> bool {
        self.unreadable.contains_key(input)
    }

    /// Notes that something in the answer can't be read and does not say which input it is about.
    pub(crate) fn mark_unattributed(&mut self, why: &str) {
        self.untold.get_or_insert_with(|| why.to_owned());
    }

    /// Notes what is wrong with the whole answer, if anything is: it may be about any input that it leaves out.
    pub(crate) fn mark_flawed(&mut self, flaw: Option<&str>) {
        if let Some(why) = flaw {
            self.mark_unattributed(why);
        }
    }

    /// Notes a row of a record that was not requested: nothing says which input has led to it.
    pub(crate) fn mark_stray(&mut self) {
        self.mark_unattributed(NOT_TOLD);
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
                self.mark_unattributed(&why);
            }
            for input in &named {
                self.mark_failed(input, &why);
            }
        }
    }

    /// The inputs that can't be read.
    pub(crate) fn into_unreadable(mut self) -> Unreadable<I> {
        if let Some(why) = self.untold {
            let open = self.inputs.into_iter().map(|input| (input, why.clone()));
            self.unreadable.extend(open);
        }
        self.unreadable
    }
}

/// A read in parts: if HubSpot refuses a whole batch, or its answer is too large, its halves are asked for, down to the
/// inputs that cause it. It takes at most twice as many calls as there are inputs.
pub(crate) struct PartedRead<I> {
    open: Vec<Vec<I>>,
    refused: Vec<(I, UpstreamError)>,
    /// Inputs of parts that were not cut down.
    left: Vec<(I, UpstreamError)>,
    several: bool,
    /// True if failures that may pass also count as failures of single inputs.
    isolates: bool,
    /// Refusals so far; `None` once a part was answered: then all refusals are about single inputs.
    unanswered: Option<usize>,
}

impl<I: Ord + Clone> PartedRead<I> {
    pub(crate) fn from_inputs(inputs: Vec<I>) -> Self {
        Self {
            several: inputs.len() > 1,
            open: vec![inputs],
            refused: Vec::new(),
            left: Vec::new(),
            isolates: false,
            unanswered: Some(0),
        }
    }

    /// As [`Self::from_inputs`], and asks for each input of `alone` by itself, after the others. `isolates`: so many
    /// reads have failed that single inputs may be the reason.
    pub(crate) fn isolating(inputs: Vec<I>, alone: Vec<I>, isolates: bool) -> Self {
        let known = inputs.is_empty() && !alone.is_empty();
        // If there is only one input, nothing tells whether it is the reason.
        let isolates = isolates && inputs.len() > 1;
        let mut parts = Self::from_inputs(inputs);
        let batch = std::mem::take(&mut parts.open);
        parts.several |= !alone.is_empty();
        parts.isolates = isolates || !alone.is_empty();
        parts.open = alone.into_iter().map(|input| vec![input]).collect();
        parts.open.extend(batch.into_iter().filter(|batch| !batch.is_empty()));
        if known {
            // They have failed before while others were answered.
            parts.unanswered = None;
        }
        parts
    }

    /// From now on, failures that may pass also count as failures of single inputs.
    pub(crate) fn isolate(&mut self) {
        self.isolates = true;
    }

    /// True if failures that may pass also count as failures of single inputs.
    pub(crate) fn isolates(&self) -> bool {
        self.isolates
    }

    /// The next part to ask for.
    pub(crate) fn next_part(&mut self) -> Option<Vec<I>> {
        pulse::beat();
        self.open.pop().filter(|part| !part.is_empty())
    }

    /// Notes that a part was answered.
    pub(crate) fn part_answered(&mut self) {
        self.unanswered = None;
    }

    /// As [`Self::leave`], for this part and all that are still to be asked for.
    pub(crate) fn leave_all(&mut self, part: &[I], error: &UpstreamError) {
        self.leave(part, error);
        for open in std::mem::take(&mut self.open) {
            self.leave(&open, error);
        }
    }

    /// Leaves a failed part without cutting it down, because too many have failed of late while others were answered.
    /// Its inputs can't be read now.
    pub(crate) fn leave(&mut self, part: &[I], error: &UpstreamError) {
        self.unanswered = None;
        self.left
            .extend(part.iter().map(|input| (input.clone(), error.clone())));
    }

    /// Notes that a part was refused. Returns the error if it is not about single inputs.
    pub(crate) fn part_refused(&mut self, part: &[I], error: UpstreamError) -> Result<(), UpstreamError> {
        let is_large = error.cause == Cause::TooLarge;
        // Except for failures that may pass, an error without a status is about a call that was not even sent.
        let is_about_inputs = if may_pass(&error) {
            self.isolates
        } else {
            concerns_inputs(&error) && error.status.is_some()
        };
        if !is_about_inputs {
            return Err(error);
        }
        // An answer that is too large is still an answer: the records of the part make it so large.
        if let Some(unanswered) = self.unanswered.as_mut().filter(|_| !is_large) {
            *unanswered += 1;
            if *unanswered >= MAX_UNANSWERED {
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

    /// The inputs that were refused. The error, if there were several and all were refused: then it is not about them.
    pub(crate) fn into_unreadable(mut self) -> Result<Unreadable<I>, UpstreamError> {
        let refused = |(_, error): &(I, UpstreamError)| error.cause != Cause::TooLarge;
        if self.several
            && self.unanswered.is_some()
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

    /// True if a part was answered.
    pub(crate) fn has_answers(&self) -> bool {
        self.unanswered.is_none()
    }

    /// The inputs that were refused each by itself, without those that HubSpot finds malformed where its word for that
    /// `counts`. The error, if the reads of all failed in a way that may pass.
    pub(crate) fn close_without_malformed(mut self, counts: bool) -> Result<Unreadable<I>, UpstreamError> {
        let passing = self.refused.iter().position(|(_, error)| may_pass(error));
        if let Some(at) = passing.filter(|_| !self.has_answers()) {
            return Err(self.refused.swap_remove(at).1);
        }
        let refused = self.refused.into_iter();
        let refused = refused.filter(|(_, error)| !(counts && is_malformed(error)));
        let others = refused.chain(self.left);
        Ok(others.map(why).collect())
    }
}

/// True for errors that count as about inputs at once: an answer that is too large, a refusal, and an answer that is
/// not JSON, perhaps because of the bytes of one record.
fn concerns_inputs(error: &UpstreamError) -> bool {
    match error.cause {
        Cause::TooLarge | Cause::AccessDenied | Cause::Refused | Cause::NotFound => true,
        Cause::Malformed => matches!(error.status, Some(200 | 207)),
        _ => false,
    }
}

/// True if HubSpot itself finds the request malformed. A filter in between refuses in words of its own.
fn is_malformed(error: &UpstreamError) -> bool {
    error.cause == Cause::Refused && error.code.as_deref() == Some("VALIDATION_ERROR")
}

/// True for a failure that is not about single inputs unless it comes again and again: of HubSpot, of the connection,
/// or of a filter in between.
pub(super) fn may_pass(error: &UpstreamError) -> bool {
    error.may_concern_a_part() && !concerns_inputs(error)
}

/// The message about an input that can't be read even by itself.
fn why<I>((input, error): (I, UpstreamError)) -> (I, String) {
    let way_out = if error.cause == Cause::TooLarge {
        "; shorten its values in HubSpot"
    } else {
        ""
    };
    (input, format!("{}{way_out}", error.message))
}
