//! How imported events are handed over: on standard output, or as files.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::pick::{Imported, ImportedEvent};
use crate::cli::command_error::CommandError;
use crate::cli::layout::Width;
use crate::cli::output::foreign;
use crate::ports::unreached::describe_io;

/// How manifests are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ManifestFormat {
    Table,
    Json,
    Yaml,
}

/// Prints all events.
pub(super) fn print(format: ManifestFormat, imported: &Imported) -> Result<(), CommandError> {
    let text = match format {
        ManifestFormat::Yaml => {
            let documents: Result<Vec<_>, _> = imported.events.iter().map(to_yaml).collect();
            documents?.join("---\n")
        }
        ManifestFormat::Json => {
            let items: Vec<&Value> = imported.events.iter().map(|event| &event.manifest).collect();
            serde_json::to_string_pretty(&json!({"apiVersion": "v1", "kind": "List", "items": items}))? + "\n"
        }
        ManifestFormat::Table => to_table(imported, Width::of_stdout()),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// Writes one file for each event.
///
/// # Errors
/// If the directory can't be written, or one of the files exists already: then none is written.
pub(super) fn write_files(directory: &Path, events: &[ImportedEvent]) -> Result<(), CommandError> {
    fs::create_dir_all(directory).map_err(|error| {
        format!(
            "directory {} can't be created: {}",
            directory.display(),
            describe_io(&error)
        )
    })?;
    let files: Vec<_> = events
        .iter()
        .map(|event| directory.join(format!("{}.yaml", event.name)))
        .collect();
    if let Some(there) = files.iter().find(|file| file.exists()) {
        return Err(format!(
            "{} already exists: remove it, or name another --output-dir",
            there.display()
        )
        .into());
    }
    for (file, event) in files.iter().zip(events) {
        let unwritten = |error: io::Error| format!("{} can't be written: {}", file.display(), describe_io(&error));
        let mut target = fs::File::create_new(file).map_err(unwritten)?;
        target.write_all(to_yaml(event)?.as_bytes()).map_err(unwritten)?;
        println!("{}", file.display());
    }
    Ok(())
}

/// What was left out, and what to think of. `account`: of Google Ads.
pub(super) fn remarks(imported: &Imported, account: &str) -> Vec<String> {
    let left_out = imported.left_out.iter().map(|left| {
        let why = left.why.trim_end_matches('.');
        format!(
            "not imported: conversion action {} ({}): {why}",
            left.action, left.title
        )
    });
    let sum = match (imported.events.len(), imported.left_out.len()) {
        (0, 0) => format!("Nothing to import: GoogleAdsAccount {account} has no conversion action."),
        (0, 1) => "Nothing to import: the only conversion action is not imported for the reason above.".to_owned(),
        (0, all) => format!("Nothing to import: none of the {all} conversion actions is imported, for the reasons above."),
        _ => "Applied, these events change nothing in Google and count what happens from then on. If something else still sends \
              conversions to these actions, like HubSpot's own ad conversion events, switch it off first: both would count."
            .to_owned(),
    };
    left_out.chain([sum]).collect()
}

/// A manifest, with comments for whoever reviews it.
fn to_yaml(event: &ImportedEvent) -> Result<String, CommandError> {
    let manifest = serde_yaml::to_string(&event.manifest)?;
    Ok(format!(
        "# Conversion action {} ({}).\n# {}\n{manifest}",
        event.action, event.title, event.note
    ))
}

fn to_table(imported: &Imported, width: Width) -> String {
    if imported.events.is_empty() {
        return String::new();
    }
    let row = |event: &ImportedEvent| {
        let trigger = &event.manifest["spec"]["trigger"];
        let stage = trigger["lifecycleStage"]["stage"].as_str();
        let form = trigger["formSubmission"]["formId"].as_str();
        let trigger = foreign(stage.or(form).unwrap_or_default());
        vec![event.action.clone(), event.title.clone(), event.name.clone(), trigger]
    };
    let rows: Vec<_> = imported.events.iter().map(row).collect();
    let headings = ["ACTION", "NAME", "EVENT", "TRIGGER"];
    format!("{}\n", width.table(&headings, headings.len(), &rows))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::pick::SkippedAction;
    use super::*;

    fn event(name: &str) -> ImportedEvent {
        ImportedEvent {
            name: name.to_owned(),
            action: "7".to_owned(),
            title: "Won: \"<b>\" #1".to_owned(),
            note: "The stage is as --stage says.".to_owned(),
            manifest: json!({"kind": "AdConversionEvent", "metadata": {"name": name}}),
        }
    }

    #[test]
    fn a_table_fits_where_it_is_read() {
        use crate::cli::layout::tests::{WIDTHS, assert_fits};

        let imported = Imported {
            events: vec![event("became-customer-after-a-long-name"), event("b")],
            left_out: vec![],
        };
        for columns in WIDTHS {
            let table = to_table(&imported, Width::of(columns));
            assert_fits(&table, columns);
            assert!(table.starts_with("ACTION") && table.contains('b'), "{table}");
        }
        assert_eq!(to_table(&imported, Width::PIPE).lines().count(), 3);
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        let left = || SkippedAction {
            action: "7".to_owned(),
            title: "Won".to_owned(),
            why: "its status is REMOVED.".to_owned(),
        };
        let said = |left_out| {
            let events = Vec::new();
            remarks(&Imported { events, left_out }, "marketing/acme").join("\n")
        };
        assert_eq!(
            said(vec![]),
            "Nothing to import: GoogleAdsAccount marketing/acme has no conversion action."
        );
        assert_eq!(
            said(vec![left()]),
            "not imported: conversion action 7 (Won): its status is REMOVED\n\
             Nothing to import: the only conversion action is not imported for the reason above."
        );
        assert!(said(vec![left(), left()]).contains("none of the 2 conversion actions"));
    }

    #[test]
    fn a_file_an_event_and_none_is_overwritten() {
        let directory = std::env::temp_dir().join(format!("imported-{}", std::process::id()));
        write_files(&directory, &[event("a"), event("b")]).unwrap();
        let text = fs::read_to_string(directory.join("a.yaml")).unwrap();
        assert!(
            text.starts_with("# Conversion action 7 (Won: \"<b>\" #1).\n# The stage"),
            "{text}"
        );
        let read: Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(read, event("a").manifest);
        fs::remove_file(directory.join("a.yaml")).unwrap();
        let refused = write_files(&directory, &[event("a"), event("b")])
            .unwrap_err()
            .to_string();
        assert!(refused.contains("b.yaml already exists"), "{refused}");
        assert!(!directory.join("a.yaml").exists(), "none is written");
        fs::remove_dir_all(directory).unwrap();
    }
}
