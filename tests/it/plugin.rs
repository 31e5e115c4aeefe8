//! The program as a plugin of kubectl: what it calls itself, and the words that kubectl completes with its help.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use xtask::process::{self, Output};
use xtask::tools;

/// A directory with the program under the names of the plugin.
struct Installed(PathBuf);

impl Installed {
    fn new() -> Self {
        let directory = std::env::temp_dir().join(format!("plugin-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        for name in ["kubectl-adconversion", "kubectl_complete-adconversion"] {
            symlink(env!("CARGO_BIN_EXE_adconversion"), directory.join(name)).unwrap();
        }
        Self(directory)
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        command
            .env("PATH", format!("{}:{path}", self.0.display()))
            .args(arguments);
        process::run(command, None, Duration::from_mins(1)).unwrap()
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn kubectl_runs_it_and_completes_its_words() {
    let installed = Installed::new();
    let kubectl = tools::kubectl().unwrap();
    let help = installed.run(&kubectl, &["adconversion", "check", "--help"]);
    assert!(help.success(), "{}", help.stderr);
    assert!(
        help.stdout.contains("Usage: kubectl adconversion check "),
        "{}",
        help.stdout
    );
    let wrong = installed.run(&kubectl, &["adconversion", "plan", "--nothing"]);
    assert!(
        wrong.stderr.contains("Usage: kubectl adconversion plan"),
        "{}",
        wrong.stderr
    );
    // As the completion of a shell asks kubectl.
    for (words, expected) in [
        (vec!["adconversion", "expl"], "explain\t"),
        (vec!["adconversion", "conversions", "won", "--outcome", ""], "Rejected"),
        (vec!["adconversion", "check", "--names"], "--namespace"),
    ] {
        let said = installed.run(&kubectl, &[&["__complete"], &words[..]].concat());
        assert!(said.success(), "{}", said.stderr);
        let found = said.stdout.lines().any(|line| line.starts_with(expected));
        assert!(found, "{words:?}: no {expected:?} in {}", said.stdout);
    }
}
