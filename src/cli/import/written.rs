//! How imported events are handed over: on standard output, or as files.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::pick::{Imported, ImportedEvent};
use crate::cli::command_error::CommandError;
use crate::cli::output::plain_table;

/// How manifests are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    Table,
    Json,
    Yaml,
}

/// Prints all events.
pub(super) fn print(form: Form, imported: &Imported) -> Result<(), CommandError> {
    let text = match form {
        Form::Yaml => {
            let documents: Result<Vec<_>, _> = imported.events.iter().map(to_yaml).collect();
            documents?.join("---\n")
        }
        Form::Json => {
            let items: Vec<&Value> = imported.events.iter().map(|event| &event.manifest).collect();
            serde_json::to_string_pretty(&json!({"apiVersion": "v1", "kind": "List", "items": items}))? + "\n"
        }
        Form::Table => to_table(imported),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// Writes one file for each event.
///
/// # Errors
/// If the directory can't be written, or one of the files is there already: then none is written.
pub(super) fn write_files(directory: &Path, events: &[ImportedEvent]) -> Result<(), CommandError> {
    fs::create_dir_all(directory).map_err(|error| format!("{} can't be made: {error}", directory.display()))?;
    let files: Vec<_> = events
        .iter()
        .map(|event| directory.join(format!("{}.yaml", event.name)))
        .collect();
    if let Some(there) = files.iter().find(|file| file.exists()) {
        return Err(format!(
            "{} is there already: remove it, or name another --output-dir",
            there.display()
        )
        .into());
    }
    for (file, event) in files.iter().zip(events) {
        let unwritten = |error: io::Error| format!("{} can't be written: {error}", file.display());
        let mut target = fs::File::create_new(file).map_err(unwritten)?;
        target.write_all(to_yaml(event)?.as_bytes()).map_err(unwritten)?;
        println!("{}", file.display());
    }
    Ok(())
}

/// Says on stderr what was left out, and what to think of.
pub(super) fn say_left_out(imported: &Imported) {
    for left in &imported.left_out {
        eprintln!(
            "not imported: conversion action {} ({}): {}",
            left.action,
            left.title,
            left.why.trim_end_matches('.')
        );
    }
    if !imported.events.is_empty() {
        eprintln!(
            "Applied, these events change nothing in Google and count what happens from then on. If something else still sends \
             conversions to these actions, like HubSpot's own ad conversion events, switch it off first: both would count."
        );
    }
}

/// A manifest, with comments for whoever reviews it.
fn to_yaml(event: &ImportedEvent) -> Result<String, CommandError> {
    let manifest = serde_yaml::to_string(&event.manifest)?;
    Ok(format!(
        "# Conversion action {} ({}).\n# {}\n{manifest}",
        event.action, event.title, event.note
    ))
}

fn to_table(imported: &Imported) -> String {
    let mut table = plain_table(&["ACTION", "NAME", "EVENT", "TRIGGER"]);
    for event in &imported.events {
        let trigger = &event.manifest["spec"]["trigger"];
        let stage = trigger["lifecycleStage"]["stage"].as_str();
        let form = trigger["formSubmission"]["formId"].as_str();
        let trigger = crate::cli::output::printable(stage.or(form).unwrap_or_default());
        table.add_row([event.action.clone(), event.title.clone(), event.name.clone(), trigger]);
    }
    format!("{}\n", table.trim_fmt())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
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
        assert!(refused.contains("b.yaml is there already"), "{refused}");
        assert!(!directory.join("a.yaml").exists(), "none is written");
        fs::remove_dir_all(directory).unwrap();
    }
}
