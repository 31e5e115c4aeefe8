//! What `adconversion check` found.

use std::collections::BTreeSet;

use comfy_table::Color;
use serde::Serialize;

use crate::api::reasons::reason;
use crate::cli::exit_codes::{FINDING, NOT_DONE};
use crate::cli::offline::{NotDone, Obstacle};
use crate::cli::output::{foreign, printable};
use crate::controller::ad_conversion_event::preview::Stall;
use crate::domain::ids::ObjectKey;

/// What one probe found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub(super) enum ProbeVerdict {
    /// As it must be.
    Fine,
    /// Something that keeps it from working.
    Finding,
    /// Nothing to judge: not needed, or something before it failed.
    Skipped,
    /// It could not be determined.
    NotDone,
}

impl ProbeVerdict {
    pub(super) const fn mark(self) -> &'static str {
        match self {
            Self::Fine => "✓",
            Self::Finding => "✗",
            Self::Skipped => "–",
            Self::NotDone => "?",
        }
    }

    pub(super) const fn color(self) -> Option<Color> {
        match self {
            Self::Fine => Some(Color::Green),
            Self::Finding => Some(Color::Red),
            Self::NotDone => Some(Color::Yellow),
            Self::Skipped => None,
        }
    }
}

/// Whether the API server takes an object; skipped where none judged it.
pub(super) const MANIFEST: &str = "manifest";

/// What of an event must have been looked at before it can be called fine:
/// without its accounts, and its stage or form, little of it is judged.
pub(super) const GATES: [&str; 4] = ["HubSpotAccount", "GoogleAdsAccount", "stage", "form"];

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Probe {
    /// What was looked at.
    #[serde(rename = "probe")]
    pub(super) name: String,
    pub(super) verdict: ProbeVerdict,
    /// CamelCase, as the conditions of the operator have it; of a finding only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// What was found, and of a finding what to do.
    pub(super) message: String,
}

impl Probe {
    fn new(probe: &str, verdict: ProbeVerdict, reason: Option<&str>, message: &str) -> Self {
        Self {
            name: probe.to_owned(),
            verdict,
            reason: reason.map(str::to_owned),
            message: printable(message),
        }
    }

    pub(super) fn fine(probe: &str, message: impl AsRef<str>) -> Self {
        Self::new(probe, ProbeVerdict::Fine, None, message.as_ref())
    }

    pub(super) fn skipped(probe: &str, message: impl AsRef<str>) -> Self {
        Self::new(probe, ProbeVerdict::Skipped, None, message.as_ref())
    }

    pub(super) fn finding(probe: &str, reason: &str, message: impl AsRef<str>) -> Self {
        Self::new(probe, ProbeVerdict::Finding, Some(reason), message.as_ref())
    }

    pub(super) fn not_done(probe: &str, why: &NotDone) -> Self {
        Self::new(probe, ProbeVerdict::NotDone, None, &why.0)
    }

    /// What keeps an account from being read.
    pub(super) fn obstacle(probe: &str, obstacle: &Obstacle) -> Self {
        match obstacle {
            Obstacle::Fault(fault, _) => Self::finding(probe, &fault.reason, &fault.message),
            Obstacle::NotDone(why) | Obstacle::Outage(why, _) => Self::not_done(probe, why),
        }
    }

    /// A finding if the event would stall, else fine.
    pub(super) fn unless(probe: &str, stall: Option<Stall>, fine: impl FnOnce() -> String) -> Self {
        match stall {
            Some((reason, message)) => Self::finding(probe, reason, message),
            None => Self::fine(probe, fine()),
        }
    }
}

/// An object, and what was found about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CheckedObject {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    /// The file that it stands in, or `cluster`.
    pub(super) source: String,
    pub(super) probes: Vec<Probe>,
}

impl CheckedObject {
    pub(super) fn new(kind: &str, key: &ObjectKey, file: Option<&str>, probes: Vec<Probe>) -> Self {
        Self {
            kind: foreign(kind),
            namespace: foreign(&key.namespace),
            name: foreign(&key.name),
            source: printable(file.unwrap_or("cluster")),
            probes,
        }
    }

    /// A manifest that the API server would refuse.
    pub(super) fn refused(file: &str, object: &str, message: &str) -> Self {
        let (kind, name) = object.split_once(' ').unwrap_or((object, ""));
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        let probe = Probe::finding(MANIFEST, reason::INVALID_SPEC, message);
        Self::new(kind, &ObjectKey::new(namespace, name), Some(file), vec![probe])
    }
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// The worst: a finding before what could not be determined.
    pub(super) verdict: ProbeVerdict,
    pub(super) objects: Vec<CheckedObject>,
    /// Further questions that the cluster did not answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) unanswered: Vec<String>,
}

impl Report {
    /// `unanswered`: all that the cluster was asked and did not answer. What a probe says is not repeated.
    pub(super) fn new(objects: Vec<CheckedObject>, mut unanswered: Vec<String>) -> Self {
        for why in &mut unanswered {
            *why = printable(why);
        }
        let probes = objects.iter().flat_map(|object| &object.probes);
        let not_done = probes.filter(|probe| probe.verdict == ProbeVerdict::NotDone);
        let reported: BTreeSet<&str> = not_done.map(|probe| probe.message.as_str()).collect();
        unanswered.retain(|why| !reported.iter().any(|message| message.contains(why)));
        let has = |verdict| {
            objects
                .iter()
                .flat_map(|object| &object.probes)
                .any(|probe| probe.verdict == verdict)
        };
        let verdict = if has(ProbeVerdict::Finding) {
            ProbeVerdict::Finding
        } else if has(ProbeVerdict::NotDone) || !unanswered.is_empty() {
            ProbeVerdict::NotDone
        } else {
            ProbeVerdict::Fine
        };
        Self {
            verdict,
            objects,
            unanswered,
        }
    }

    /// 0 if all is fine, 1 for a finding, 2 if something could not be determined.
    pub(super) const fn exit_code(&self) -> u8 {
        match self.verdict {
            ProbeVerdict::Fine | ProbeVerdict::Skipped => 0,
            ProbeVerdict::Finding => FINDING,
            ProbeVerdict::NotDone => NOT_DONE,
        }
    }

    pub(super) fn count(&self, verdict: ProbeVerdict) -> usize {
        let probes = self.objects.iter().flat_map(|object| &object.probes);
        probes.filter(|probe| probe.verdict == verdict).count()
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
