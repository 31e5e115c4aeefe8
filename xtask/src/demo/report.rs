//! What the status of an event says, and whether it agrees with the other side.

use std::fmt;
use std::iter::Sum;

use serde_json::Value;

use crate::lab::sandbox::Tally;

/// An event's status, as far as the demo looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    /// `namespace/name`.
    pub(super) name: String,
    /// Internal value of the lifecycle stage; absent for a form.
    pub(super) stage: Option<String>,
    /// GUID of the form.
    pub(super) form: Option<String>,
    /// Effective start, RFC 3339.
    pub(super) start: Option<String>,
    /// Id of the conversion action.
    pub(super) action: Option<String>,
    /// Whether the condition Ready is True, and else its message.
    pub(super) ready: Result<(), String>,
    pub(super) counts: Counts,
}

/// The numbers of `status.sync`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) observed: u64,
    pub(super) uploaded: u64,
    pub(super) processing: u64,
    pub(super) pending: u64,
    pub(super) skipped: u64,
    pub(super) rejected: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "observed {} = uploaded {} + processing {} + pending {} + skipped {} + rejected {}",
            self.observed, self.uploaded, self.processing, self.pending, self.skipped, self.rejected
        )
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), |a, b| Self {
            observed: a.observed + b.observed,
            uploaded: a.uploaded + b.uploaded,
            processing: a.processing + b.processing,
            pending: a.pending + b.pending,
            skipped: a.skipped + b.skipped,
            rejected: a.rejected + b.rejected,
        })
    }
}

impl Counts {
    /// The law that holds at every moment.
    fn is_conserved(self) -> bool {
        self.observed == self.uploaded + self.processing + self.pending + self.skipped + self.rejected
    }

    /// Nothing is left to be sent, and nothing to be answered.
    fn is_settled(self) -> bool {
        self.pending == 0 && self.processing == 0
    }
}

impl Report {
    /// Out of an `AdConversionEvent` as kubectl prints it.
    pub(super) fn of(event: &Value) -> Self {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| {
            let value = event.pointer(&format!("/status/sync/{name}"));
            value.and_then(Value::as_u64).unwrap_or_default()
        };
        Self {
            name: format!(
                "{}/{}",
                text("/metadata/namespace").unwrap_or_default(),
                text("/metadata/name").unwrap_or_default()
            ),
            stage: text("/status/trigger/stage"),
            form: text("/status/trigger/formId"),
            start: text("/status/sync/startTime"),
            action: text("/status/conversionAction/id"),
            ready: ready(event),
            counts: Counts {
                observed: number("observed"),
                uploaded: number("uploaded"),
                processing: number("processing"),
                pending: number("pending"),
                skipped: number("skipped"),
                rejected: number("rejected"),
            },
        }
    }

    /// What does not fit about a form event, in words. `submitted` is what the form's list holds, `taken` what Google
    /// took, `waiting` how many submissions lack consent or the tag's report.
    pub(super) fn form_disagreement(&self, submitted: u64, taken: u64, waiting: u64) -> Option<String> {
        let counts = self.counts;
        if let Err(message) = &self.ready {
            return Some(format!("not Ready: {message}"));
        }
        if !counts.is_conserved() {
            return Some("the counts do not add up".to_owned());
        }
        if counts.observed != submitted {
            return Some(format!("observed {} of {submitted} submissions", counts.observed));
        }
        if counts.uploaded != taken {
            return Some(format!("uploaded {}, but Google took {taken}", counts.uploaded));
        }
        let open = counts.pending + counts.processing;
        (open != waiting).then(|| format!("{open} pending, expected are {waiting}"))
    }

    /// What does not fit, in words; nothing when everything does. `expected` is
    /// what the contacts' histories hold, `tally` what Google counts.
    pub(super) fn disagreement(&self, expected: u64, tally: Tally) -> Option<String> {
        let counts = self.counts;
        if let Err(message) = &self.ready {
            return Some(format!("not Ready: {message}"));
        }
        if !counts.is_conserved() {
            return Some("the counts do not add up".to_owned());
        }
        if counts.observed != expected {
            return Some(format!("observed {} of {expected} stage changes", counts.observed));
        }
        if !counts.is_settled() {
            return Some(format!("{} pending, {} processing", counts.pending, counts.processing));
        }
        if counts.uploaded != tally.conversions {
            return Some(format!(
                "uploaded {}, but Google counts {}",
                counts.uploaded, tally.conversions
            ));
        }
        if tally.adjusted != 0 {
            return Some(format!("{} uploads changed a value at Google", tally.adjusted));
        }
        None
    }
}

fn ready(event: &Value) -> Result<(), String> {
    let generation = event.pointer("/metadata/generation").and_then(Value::as_i64);
    let observed = event.pointer("/status/observedGeneration").and_then(Value::as_i64);
    if generation != observed {
        return Err("the manifest was not looked at yet".to_owned());
    }
    let conditions = event.pointer("/status/conditions").and_then(Value::as_array);
    let condition = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition.get("type").and_then(Value::as_str) == Some("Ready"));
    let text = |name: &str| {
        let value = condition.and_then(|condition| condition.get(name));
        value.and_then(Value::as_str).unwrap_or("unknown").to_owned()
    };
    if text("status") == "True" {
        return Ok(());
    }
    Err(format!("{}: {}", text("reason"), text("message")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(uploaded: u64, pending: u64) -> Report {
        Report::of(&json!({
            "metadata": {"namespace": "marketing", "name": "e", "generation": 2},
            "status": {
                "observedGeneration": 2,
                "conditions": [{"type": "Ready", "status": "True"}],
                "trigger": {"type": "LifecycleStage", "stage": "customer"},
                "conversionAction": {"id": "7"},
                "sync": {"observed": 10, "uploaded": uploaded, "pending": pending, "skipped": 1, "startTime": "t"},
            },
        }))
    }

    fn tally(conversions: u64) -> Tally {
        Tally {
            conversions,
            ..Tally::default()
        }
    }

    #[test]
    fn agreement_needs_every_number() {
        assert_eq!(event(9, 0).disagreement(10, tally(9)), None);
        let differs = |report: Report, expected, tally| report.disagreement(expected, tally).unwrap();
        assert!(differs(event(9, 0), 11, tally(9)).contains("observed 10 of 11"));
        assert!(differs(event(9, 0), 10, tally(8)).contains("Google counts 8"));
        assert!(differs(event(8, 1), 10, tally(8)).contains("1 pending"));
        assert!(differs(event(8, 0), 10, tally(8)).contains("add up"));
        let adjusted = Tally {
            adjusted: 1,
            ..tally(9)
        };
        assert!(differs(event(9, 0), 10, adjusted).contains("changed a value"));
    }

    #[test]
    fn a_form_may_have_submissions_that_wait() {
        assert_eq!(event(7, 2).form_disagreement(10, 7, 2), None);
        let differs =
            |report: Report, submitted, taken, waiting| report.form_disagreement(submitted, taken, waiting).unwrap();
        assert!(differs(event(7, 2), 11, 7, 2).contains("observed 10 of 11"));
        assert!(differs(event(7, 2), 10, 8, 2).contains("Google took 8"));
        assert!(differs(event(7, 2), 10, 7, 1).contains("2 pending"));
    }

    #[test]
    fn ready_must_be_about_this_manifest() {
        let old = json!({
            "metadata": {"generation": 3},
            "status": {"observedGeneration": 2, "conditions": [{"type": "Ready", "status": "True"}]},
        });
        assert!(Report::of(&old).ready.is_err());
        let failing = json!({
            "metadata": {"generation": 3},
            "status": {"observedGeneration": 3, "conditions": [
                {"type": "Ready", "status": "False", "reason": "NameConflict", "message": "taken"},
            ]},
        });
        assert_eq!(Report::of(&failing).ready, Err("NameConflict: taken".to_owned()));
    }
}
