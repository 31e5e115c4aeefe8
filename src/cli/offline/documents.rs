//! What stands in files: the documents of YAML and JSON, one by one.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use serde::Deserialize as _;
use serde_json::Value;

use crate::cli::command_error::CommandError;
use crate::cli::read_words::explain_read;

/// How the files of manifests end, in a directory.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// One object, and where it stands. No `Debug`: it may be a Secret.
pub(super) struct Document {
    pub(super) place: Place,
    pub(super) object: Value,
}

/// Where an object stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Place {
    /// The file, as people named it.
    pub(in crate::cli) file: String,
    /// Number of the document in it, from 1; empty ones count.
    pub(in crate::cli) document: usize,
    /// The way into lists, like `.items[2]`; empty outside of them.
    pub(in crate::cli) item: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, document {}", self.file, self.document)?;
        if self.item.is_empty() {
            return Ok(());
        }
        write!(f, ", {}", self.item.trim_start_matches('.'))
    }
}

/// Reads files, directories and (`-`) standard input. Objects of a list come one by one; empty documents are left out.
///
/// # Errors
/// If one cannot be read, or is no YAML. Nothing that stands in it is quoted: it may be a Secret.
pub(super) fn read_documents(paths: &[PathBuf]) -> Result<Vec<Document>, CommandError> {
    let mut documents = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| format!("standard input can't be read: {}", explain_read(&error)))?;
            split_text("standard input", &text, &mut documents)?;
            continue;
        }
        for file in files_of(path)? {
            let name = file.display().to_string();
            let text =
                fs::read_to_string(&file).map_err(|error| format!("{name} can't be read: {}", explain_read(&error)))?;
            split_text(&name, &text, &mut documents)?;
        }
    }
    Ok(documents)
}

/// The file, or the manifests right in the directory, by name.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, CommandError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |error: io::Error| format!("directory {} can't be read: {}", path.display(), explain_read(&error));
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let is_manifest = file
            .extension()
            .is_some_and(|end| ENDINGS.iter().any(|known| end == *known));
        if is_manifest && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn split_text(file: &str, text: &str, into: &mut Vec<Document>) -> Result<(), CommandError> {
    // Editors of Windows put a byte order mark before the text; kubectl takes it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        let place = Place {
            file: file.to_owned(),
            document: number + 1,
            item: String::new(),
        };
        let value = Value::deserialize(document).map_err(|error| {
            let at = error.location();
            let at = at.map(|at| format!(", line {}, column {}", at.line(), at.column()));
            format!("{place}{} is not valid YAML or JSON", at.unwrap_or_default())
        })?;
        push_objects(place, value, into);
    }
    Ok(())
}

fn push_objects(place: Place, value: Value, into: &mut Vec<Document>) {
    let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match value {
        Value::Null => {}
        Value::Object(mut list) if is_list && list.get("items").is_some_and(Value::is_array) => {
            if let Some(Value::Array(items)) = list.remove("items") {
                for (number, item) in items.into_iter().enumerate() {
                    let item_place = Place {
                        item: format!("{}.items[{number}]", place.item),
                        ..place.clone()
                    };
                    push_objects(item_place, item, into);
                }
            }
        }
        object => into.push(Document { place, object }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Vec<String>, String> {
        let mut found = Vec::new();
        split_text("events.yaml", text, &mut found).map_err(|error| error.to_string())?;
        let name = |document: &Document| document.object["metadata"]["name"].as_str().unwrap_or("?").to_owned();
        Ok(found.iter().map(name).collect())
    }

    #[test]
    fn documents_and_lists_come_one_by_one() {
        let text = "---\nkind: A\nmetadata: {name: a}\n---\n# nothing\n---\nkind: List\nitems:\n- kind: B\n  metadata: {name: b}\n- kind: BList\n  items: [{kind: B, metadata: {name: c}}]\n";
        assert_eq!(names(text).unwrap(), ["a", "b", "c"]);
        assert_eq!(
            names("{\"kind\": \"A\", \"metadata\": {\"name\": \"j\"}}").unwrap(),
            ["j"]
        );
        assert_eq!(
            names("\u{feff}kind: A\nmetadata: {name: marked}\n").unwrap(),
            ["marked"]
        );
        assert!(names("").unwrap().is_empty());
    }

    #[test]
    fn each_object_says_where_it_stands() {
        let text =
            "kind: A\n---\n# nothing\n---\nkind: List\nitems:\n- {kind: B}\n- {kind: BList, items: [{kind: C}]}\n";
        let mut found = Vec::new();
        split_text("events.yaml", text, &mut found).unwrap_or_else(|error| panic!("{error}"));
        let places: Vec<_> = found.iter().map(|document| document.place.to_string()).collect();
        assert_eq!(
            places,
            [
                "events.yaml, document 1",
                "events.yaml, document 3, items[0]",
                "events.yaml, document 3, items[1].items[0]"
            ]
        );
    }

    #[test]
    fn what_is_no_yaml_is_not_quoted() {
        let said = names("kind: Secret\nstringData:\n  accessToken: \"pat-sesame\n").unwrap_err();
        assert!(
            said.starts_with("events.yaml, document 1, line") && said.contains("not valid YAML"),
            "{said}"
        );
        assert!(!said.contains("sesame"), "{said}");
    }

    #[test]
    fn a_directory_gives_its_manifests_by_name() {
        let directory = std::env::temp_dir().join(format!("documents-{}", std::process::id()));
        fs::create_dir_all(directory.join("below.yaml")).unwrap();
        for name in ["b.yml", "a.yaml", "c.json", "d.txt"] {
            fs::write(directory.join(name), format!("{{kind: A, metadata: {{name: {name}}}}}")).unwrap();
        }
        let found = read_documents(std::slice::from_ref(&directory)).unwrap_or_else(|error| panic!("{error}"));
        let names: Vec<_> = found
            .iter()
            .map(|d| d.object["metadata"]["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["a.yaml", "b.yml", "c.json"]);
        let missing = read_documents(&[directory.join("none.yaml")]).map(|_| ()).unwrap_err();
        assert!(missing.to_string().contains("none.yaml can't be read"), "{missing}");
        fs::remove_dir_all(directory).unwrap();
    }
}
