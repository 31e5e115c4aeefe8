//! One page for each kind: its fields, its rules, examples.

use std::fmt::Write;
use std::fs;

use adconversion_operator::api;
use serde_json::Value;

use super::{cell, fresh, head, root};

/// Fields of one part of a kind, and its rules.
#[derive(Default)]
struct Part {
    fields: String,
    rules: String,
}

fn kind_of(schema: &Value) -> String {
    if let Some(values) = schema["enum"].as_array() {
        let names: Vec<_> = values.iter().map(|v| format!("`{}`", v.as_str().unwrap())).collect();
        return names.join(", ");
    }
    match (schema["type"].as_str().unwrap(), schema["format"].as_str()) {
        ("array", _) => format!("list of {}", kind_of(&schema["items"])),
        ("string", Some("date-time")) => "time".to_owned(),
        (kind, _) => kind.to_owned(),
    }
}

fn rules(path: &str, schema: &Value, part: &mut Part) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let field = format!("{path}{}", rule["fieldPath"].as_str().unwrap_or_default());
        let field = field.trim_start_matches('.');
        let message = cell(rule["message"].as_str().unwrap());
        let line = format!("- `{field}`: {message}\n");
        // A type that several fields have brings its rules to each of them.
        if !part.rules.contains(&line) {
            part.rules += &line;
        }
    }
}

fn walk(path: &str, schema: &Value, part: &mut Part) {
    rules(path, schema, part);
    let required = |name: &str| {
        schema["required"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == name))
    };
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let default = match &field["default"] {
            Value::Null if required(name) => "required".to_owned(),
            Value::Null => String::new(),
            default => format!("`{}`", default.to_string().trim_matches('"')),
        };
        let description = cell(field["description"].as_str().unwrap());
        writeln!(
            part.fields,
            "| `{path}` | {} | {default} | {description} |",
            kind_of(field)
        )
        .unwrap();
        walk(&path, field, part);
    }
    if schema["items"].is_object() {
        walk(&format!("{path}[]"), &schema["items"], part);
    }
}

/// Examples that declare this kind, as they are in `examples/`.
fn examples(kind: &str) -> String {
    let mut files: Vec<_> = fs::read_dir(root().join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    let mut out = String::new();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        for document in text
            .split("---\n")
            .filter(|d| d.contains(&format!("\nkind: {kind}\n")) || d.starts_with(&format!("kind: {kind}\n")))
        {
            write!(
                out,
                "[examples/{name}](../examples/{name}):\n\n```yaml\n{}\n```\n\n",
                document.trim()
            )
            .unwrap();
        }
    }
    out
}

fn page(crd: &Value) -> (String, String) {
    let names = &crd["spec"]["names"];
    let (kind, plural) = (names["kind"].as_str().unwrap(), names["plural"].as_str().unwrap());
    let version = &crd["spec"]["versions"][0];
    let schema = &version["schema"]["openAPIV3Schema"];
    let mut page = head(kind, &format!("crds/adconversion.dev_{plural}.yaml and examples/"));
    writeln!(
        page,
        "{}\n\n`kubectl get {}` shows it, `kubectl explain {}` these fields. What its conditions say is in\n\
         [conditions-and-reasons.md](conditions-and-reasons.md).\n",
        cell(schema["description"].as_str().unwrap()),
        names["shortNames"][0].as_str().unwrap(),
        names["singular"].as_str().unwrap(),
    )
    .unwrap();
    write!(page, "## Examples\n\n{}", examples(kind)).unwrap();
    let mut spec = Part::default();
    rules("", schema, &mut spec);
    walk("spec", &schema["properties"]["spec"], &mut spec);
    let mut status = Part::default();
    walk("status", &schema["properties"]["status"], &mut status);
    let table = "| field | type | default | |\n|---|---|---|---|\n";
    write!(page, "## Spec\n\n{table}{}\n", spec.fields).unwrap();
    write!(
        page,
        "## Rules\n\nThe API server refuses a manifest that breaks one of these, with this message:\n\n{}\n",
        spec.rules
    )
    .unwrap();
    write!(page, "## Status\n\n{table}{}", status.fields).unwrap();
    (format!("{}.md", names["singular"].as_str().unwrap()), page)
}

#[test]
fn the_pages_of_the_kinds_are_fresh() {
    for crd in api::crds() {
        let (name, page) = page(&serde_json::to_value(&crd).unwrap());
        for part in ["```yaml", "| `spec.", "- `spec", "| `status."] {
            assert!(page.contains(part), "{name} has no {part}");
        }
        fresh(&name, &page);
    }
}
