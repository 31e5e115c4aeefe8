//! `adconversion ledger copy`: what it prints, and how it ends. That the copy is one is tested beside the ledger.

use std::path::{Path, PathBuf};
use std::time::Duration;

use xtask::process::{self, Output};

/// A directory, gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("adconversion-copy-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn url(&self, name: &str) -> String {
        format!("sqlite://{}", self.0.join(name).display())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Standard output and error, where it ended with this code.
fn copy(from: &str, to: &str, code: i32) -> (String, String) {
    let mut command = process::tied(Path::new(env!("CARGO_BIN_EXE_adconversion")));
    // As in a pod, where the URL has a password.
    command
        .args(["ledger", "copy", "--from", from])
        .env("ADCONVERSION_COPY_TO", to);
    let Output {
        status, stdout, stderr, ..
    } = process::run(command, None, Duration::from_mins(1)).unwrap();
    assert_eq!(status.code(), Some(code), "{stdout}\n{stderr}");
    (stdout, stderr)
}

#[test]
fn a_copy_says_what_was_copied_and_what_is_in_the_way() {
    let scratch = Scratch::new();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ledger/tests/versions/1.db");
    std::fs::copy(kept, scratch.0.join("old.db")).unwrap();
    let (old, new) = (scratch.url("old.db"), scratch.url("new.db"));
    let (stdout, stderr) = copy(&old, &new, 0);
    for part in ["conversions", "19", "0123456789abcdef0123456789abcdef", "equal"] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    assert_eq!(stderr, "", "nobody looks at a progress line in a pipe");
    let (stdout, stderr) = copy(&old, &new, 2);
    assert!(
        stdout.is_empty() && stderr.contains("holds a ledger already"),
        "{stdout} {stderr}"
    );
    let (_, stderr) = copy(&scratch.url("missing.db"), &scratch.url("other.db"), 2);
    assert!(
        stderr.contains("--from") && stderr.contains("holds no ledger"),
        "{stderr}"
    );
    let (_, stderr) = copy(&old, "postgres://user:secret@127.0.0.1:1/ledger", 2);
    assert!(stderr.contains("--to") && !stderr.contains("secret"), "{stderr}");
}
