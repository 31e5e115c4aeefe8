//! A report for people.

use std::collections::HashMap;

use comfy_table::Cell;

use super::report::{CheckedObject, GATES, MANIFEST, Probe, ProbeVerdict, Report};
use crate::cli::layout::{Hung, Width};
use crate::domain::brief::{counted, first_names};

/// From so many objects with the same findings on, they are printed as one. In the short form two are enough.
const GATHERED_FROM: usize = 10;

/// How people see a report.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReportStyle {
    pub(super) width: Width,
    /// They look at it on a terminal.
    pub(super) colored: bool,
    /// Only what is not fine.
    pub(super) short: bool,
}

impl Report {
    /// For people.
    pub(super) fn to_text(&self, style: ReportStyle) -> String {
        let from = if style.short { 2 } else { GATHERED_FROM };
        let objects = gather(&self.objects, from)
            .into_iter()
            .map(|alike| objects_text(&alike, style));
        let mut parts: Vec<String> = if style.short {
            vec![objects.collect()]
        } else {
            objects.collect()
        };
        if !self.unanswered.is_empty() {
            let row = |why: &String| Hung {
                lead: vec![Cell::new(ProbeVerdict::NotDone.mark())],
                text: why.clone(),
            };
            let rows = self.unanswered.iter().map(row).collect();
            parts.push(format!("The cluster\n{}\n", style.width.hang(0, rows)));
        }
        let findings = self.count(ProbeVerdict::Finding);
        let not_done = self.count(ProbeVerdict::NotDone) + self.unanswered.len();
        let mut sum = vec![format!("{} fine", self.count(ProbeVerdict::Fine))];
        if findings > 0 {
            sum.push(counted(findings as u64, "finding"));
        }
        if not_done > 0 {
            sum.push(format!("{not_done} could not be determined"));
        }
        parts.push(sum.join(", ") + "\n");
        parts.join("\n")
    }
}

const fn is_open(probe: &Probe) -> bool {
    matches!(probe.verdict, ProbeVerdict::Finding | ProbeVerdict::NotDone)
}

/// The objects in their order, those with the same findings as one if there are so many.
fn gather(objects: &[CheckedObject], from: usize) -> Vec<Vec<&CheckedObject>> {
    let alike = |object: &CheckedObject| {
        let open: Vec<_> = object.probes.iter().filter(|probe| is_open(probe)).cloned().collect();
        let named = !object.kind.is_empty();
        (named && !open.is_empty()).then(|| ([object.kind.clone(), object.namespace.clone()], open))
    };
    let mut counts: HashMap<_, usize> = HashMap::new();
    for found in objects.iter().filter_map(alike) {
        *counts.entry(found).or_default() += 1;
    }
    counts.retain(|_, count| *count >= from);
    let mut places: HashMap<_, usize> = HashMap::new();
    let mut gathered: Vec<Vec<&CheckedObject>> = Vec::new();
    for object in objects {
        let many = alike(object).filter(|found| counts.contains_key(found));
        let place = many.map(|found| *places.entry(found).or_insert(gathered.len()));
        match place.and_then(|place| gathered.get_mut(place)) {
            Some(group) => group.push(object),
            None => gathered.push(vec![object]),
        }
    }
    gathered
}

/// What is said of objects with the same findings, which is mostly one.
fn objects_text(alike: &[&CheckedObject], style: ReportStyle) -> String {
    let Some((first, others)) = alike.split_first() else {
        return String::new();
    };
    let title = if first.kind.is_empty() {
        first.source.clone()
    } else {
        let names: Vec<&str> = alike.iter().map(|object| object.name.as_str()).collect();
        let mut sources: Vec<&str> = alike.iter().map(|object| object.source.as_str()).collect();
        sources.dedup();
        let (kind, namespace) = (&first.kind, &first.namespace);
        format!("{kind} {namespace}/{} ({})", first_names(&names), first_names(&sources))
    };
    let shown = first.probes.iter().filter(|probe| !style.short || is_open(probe));
    let rows: Vec<Hung> = shown.map(|probe| probe_row(probe, others, style.colored)).collect();
    if style.short && rows.is_empty() {
        return style.width.paragraph(&short_line(&first.probes, &title)) + "\n";
    }
    let (title, rows) = (style.width.paragraph(&title), style.width.hang(0, rows));
    // In the long form a blank line comes after each object, in the short one every object is a line.
    format!("{title}\n{rows}\n")
}

/// The line of an object of which nothing is open: that it is fine, or that it was not judged.
fn short_line(probes: &[Probe], title: &str) -> String {
    let mark = ProbeVerdict::Skipped.mark();
    let mut skipped = probes.iter().filter(|probe| probe.verdict == ProbeVerdict::Skipped);
    if let Some(gate) = skipped.clone().find(|probe| GATES.contains(&probe.name.as_str())) {
        return format!("{mark}  {title}: not judged. {}: {}", gate.name, gate.message);
    }
    if skipped.any(|probe| probe.name == MANIFEST) {
        return format!("{mark}  {title}: fine as far as it was judged, which no API server has done");
    }
    format!("{}  {title}", ProbeVerdict::Fine.mark())
}

/// The line of a probe, or that the others have another one.
fn probe_row(probe: &Probe, others: &[&CheckedObject], colored: bool) -> Hung {
    let (verdict, text) = if others.iter().all(|other| other.probes.contains(probe)) {
        (probe.verdict, probe.message.as_str())
    } else {
        (
            ProbeVerdict::Skipped,
            "Not the same for all of these: -o json has each.",
        )
    };
    let mark = Cell::new(verdict.mark());
    let mark = match verdict.color().filter(|_| colored) {
        Some(color) => mark.fg(color),
        None => mark,
    };
    Hung {
        lead: vec![mark, Cell::new(&probe.name)],
        text: text.to_owned(),
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
