//! What `adconversion check` found, and how it is printed.

use comfy_table::{Cell, Color};
use serde::Serialize;

use crate::api::reasons::reason;
use crate::cli::offline::{NotDone, Obstacle};
use crate::cli::output::{plain_rows, printable};
use crate::controller::ad_conversion_event::preview::Stall;
use crate::domain::ids::ObjectKey;

/// What one probe found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Verdict {
    /// As it must be.
    Fine,
    /// Something that keeps it from working.
    Finding,
    /// Nothing to judge: not needed, or something before it failed.
    Skipped,
    /// It could not be found out.
    NotDone,
}

impl Verdict {
    const fn mark(self) -> &'static str {
        match self {
            Self::Fine => "✓",
            Self::Finding => "✗",
            Self::Skipped | Self::NotDone => "–",
        }
    }

    const fn color(self) -> Option<Color> {
        match self {
            Self::Fine => Some(Color::Green),
            Self::Finding => Some(Color::Red),
            Self::NotDone => Some(Color::Yellow),
            Self::Skipped => None,
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Probe {
    /// What was looked at.
    #[serde(rename = "probe")]
    pub(super) name: String,
    pub(super) verdict: Verdict,
    /// CamelCase, as the conditions of the operator have it; of a finding only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// What was found, and of a finding what to do.
    pub(super) message: String,
}

impl Probe {
    fn new(probe: &str, verdict: Verdict, reason: Option<&str>, message: &str) -> Self {
        Self {
            name: probe.to_owned(),
            verdict,
            reason: reason.map(str::to_owned),
            message: printable(message),
        }
    }

    pub(super) fn fine(probe: &str, message: impl AsRef<str>) -> Self {
        Self::new(probe, Verdict::Fine, None, message.as_ref())
    }

    pub(super) fn skipped(probe: &str, message: impl AsRef<str>) -> Self {
        Self::new(probe, Verdict::Skipped, None, message.as_ref())
    }

    pub(super) fn finding(probe: &str, reason: &str, message: impl AsRef<str>) -> Self {
        Self::new(probe, Verdict::Finding, Some(reason), message.as_ref())
    }

    pub(super) fn not_done(probe: &str, why: &NotDone) -> Self {
        Self::new(probe, Verdict::NotDone, None, &why.0)
    }

    /// What keeps an account from being read.
    pub(super) fn obstacle(probe: &str, obstacle: &Obstacle) -> Self {
        match obstacle {
            Obstacle::Fault(fault, _) => Self::finding(probe, &fault.reason, &fault.message),
            Obstacle::NotDone(why) => Self::not_done(probe, why),
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
pub(super) struct Checked {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    /// The file that it stands in, or `cluster`.
    pub(super) source: String,
    pub(super) probes: Vec<Probe>,
}

impl Checked {
    pub(super) fn new(kind: &str, key: &ObjectKey, file: Option<&str>, probes: Vec<Probe>) -> Self {
        Self {
            kind: printable(kind),
            namespace: printable(&key.namespace),
            name: printable(&key.name),
            source: printable(file.unwrap_or("cluster")),
            probes,
        }
    }

    /// A manifest that the API server would refuse.
    pub(super) fn refused(file: &str, object: &str, message: &str) -> Self {
        let (kind, name) = object.split_once(' ').unwrap_or((object, ""));
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        let probe = Probe::finding("manifest", reason::INVALID_SPEC, message);
        Self::new(kind, &ObjectKey::new(namespace, name), Some(file), vec![probe])
    }
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// The worst: a finding before what could not be found out.
    pub(super) verdict: Verdict,
    pub(super) objects: Vec<Checked>,
    /// What the cluster was asked beside that, and did not tell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) unanswered: Vec<String>,
}

impl Report {
    /// `unanswered`: all that the cluster was asked and did not tell. What a probe says is not repeated.
    pub(super) fn new(objects: Vec<Checked>, mut unanswered: Vec<String>) -> Self {
        for why in &mut unanswered {
            *why = printable(why);
        }
        unanswered.retain(|why| {
            let mut probes = objects.iter().flat_map(|object| &object.probes);
            !probes.any(|probe| probe.verdict == Verdict::NotDone && probe.message.contains(why))
        });
        let has = |verdict| {
            objects
                .iter()
                .flat_map(|object| &object.probes)
                .any(|probe| probe.verdict == verdict)
        };
        let verdict = if has(Verdict::Finding) {
            Verdict::Finding
        } else if has(Verdict::NotDone) || !unanswered.is_empty() {
            Verdict::NotDone
        } else {
            Verdict::Fine
        };
        Self {
            verdict,
            objects,
            unanswered,
        }
    }

    /// 0 if all is fine, 1 for a finding, 2 if something could not be found out.
    pub(super) const fn exit_code(&self) -> u8 {
        match self.verdict {
            Verdict::Fine | Verdict::Skipped => 0,
            Verdict::Finding => 1,
            Verdict::NotDone => 2,
        }
    }

    fn count(&self, verdict: Verdict) -> usize {
        let probes = self.objects.iter().flat_map(|object| &object.probes);
        probes.filter(|probe| probe.verdict == verdict).count()
    }

    /// For people. `colored`: they look at it on a terminal.
    pub(super) fn to_text(&self, colored: bool) -> String {
        let mut parts: Vec<String> = self.objects.iter().map(|object| object_text(object, colored)).collect();
        if !self.unanswered.is_empty() {
            let lines = self.unanswered.iter().map(|why| format!("–  {why}\n"));
            parts.push(format!("The cluster\n{}", lines.collect::<String>()));
        }
        let findings = self.count(Verdict::Finding);
        let not_done = self.count(Verdict::NotDone) + self.unanswered.len();
        let of = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        let mut sum = vec![format!("{} fine", self.count(Verdict::Fine))];
        if findings > 0 {
            sum.push(of(findings, "finding", "findings"));
        }
        if not_done > 0 {
            sum.push(format!("{not_done} could not be found out"));
        }
        parts.push(sum.join(", ") + "\n");
        parts.join("\n")
    }
}

fn object_text(object: &Checked, colored: bool) -> String {
    let rows = object.probes.iter().map(|probe| {
        let mark = Cell::new(probe.verdict.mark());
        let mark = match probe.verdict.color().filter(|_| colored) {
            Some(color) => mark.fg(color),
            None => mark,
        };
        vec![mark, Cell::new(&probe.name), Cell::new(&probe.message)]
    });
    let title = if object.kind.is_empty() {
        object.source.clone()
    } else {
        format!(
            "{} {}/{} ({})",
            object.kind, object.namespace, object.name, object.source
        )
    };
    format!("{title}\n{}\n", plain_rows(rows))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn report(probes: Vec<Probe>) -> Report {
        let key = ObjectKey::new("marketing", "won");
        Report::new(
            vec![Checked::new("AdConversionEvent", &key, Some("won.yaml"), probes)],
            vec![],
        )
    }

    #[rstest]
    #[case::nothing(&[], 0)]
    #[case::fine(&[Verdict::Fine, Verdict::Skipped], 0)]
    #[case::finding(&[Verdict::Fine, Verdict::Finding, Verdict::NotDone], 1)]
    #[case::not_done(&[Verdict::NotDone, Verdict::Fine], 2)]
    fn the_worst_decides(#[case] verdicts: &[Verdict], #[case] code: u8) {
        let probes = verdicts
            .iter()
            .map(|verdict| Probe::new("x", *verdict, None, "y"))
            .collect();
        assert_eq!(report(probes).exit_code(), code);
    }

    #[test]
    fn people_read_a_line_a_probe() {
        let found = report(vec![
            Probe::fine("stage", "customer (\"Customer\")"),
            Probe::finding("form", "FormNotFound", "HubSpot has no form \u{1b}[2J<b>\"x\"</b>."),
            Probe::skipped("account goal", "Not known yet."),
        ]);
        assert_eq!(
            found.to_text(false),
            "AdConversionEvent marketing/won (won.yaml)\n\
             ✓  stage         customer (\"Customer\")\n\
             ✗  form          HubSpot has no form \u{fffd}[2J<b>\"x\"</b>.\n\
             –  account goal  Not known yet.\n\n\
             1 fine, 1 finding\n"
        );
    }

    #[test]
    fn what_the_cluster_does_not_tell_is_no_pass() {
        let key = ObjectKey::new("marketing", "won");
        let probes = vec![Probe::not_done(
            "manifest",
            &NotDone("In x. You may not get it.".to_owned()),
        )];
        let checked = || vec![Checked::new("AdConversionEvent", &key, None, probes.clone())];
        let said = Report::new(checked(), vec!["You may not get it.".to_owned()]);
        assert!(said.unanswered.is_empty(), "a probe says it already");
        let fine = vec![Checked::new(
            "AdConversionEvent",
            &key,
            None,
            vec![Probe::fine("stage", "customer")],
        )];
        let said = Report::new(fine, vec!["You may not list it.".to_owned()]);
        assert_eq!(said.exit_code(), 2);
        assert!(
            said.to_text(false)
                .ends_with("The cluster\n–  You may not list it.\n\n1 fine, 1 could not be found out\n")
        );
    }

    #[test]
    fn programs_read_this_shape() {
        let found = report(vec![Probe::finding("stage", "StageNotFound", "There is none.")]);
        let expected = json!({"verdict": "Finding", "objects": [{
            "kind": "AdConversionEvent", "namespace": "marketing", "name": "won", "source": "won.yaml",
            "probes": [{"probe": "stage", "verdict": "Finding", "reason": "StageNotFound", "message": "There is none."}],
        }]});
        assert_eq!(serde_json::to_value(found).ok(), Some(expected));
    }
}
