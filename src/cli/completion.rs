//! How the program was called: as itself, as a plugin of kubectl, or by kubectl for the words that may come next
//! (<https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/>).

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_complete::engine::complete;

/// Name of the program as a plugin.
const PLUGIN: &str = "kubectl-adconversion";
/// Name of the program that kubectl asks for the words that may come next.
const COMPLETER: &str = "kubectl_complete-adconversion";
/// What people type before a command of the plugin.
const TYPED: &str = "kubectl adconversion";

/// Tells kubectl's shell code that what comes next is no file but for those that are listed
/// (<https://github.com/spf13/cobra/blob/main/site/content/completions/_index.md>).
const NO_FILES: &str = ":4";

/// How the program was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    Itself,
    Plugin,
    Completer,
}

impl Called {
    /// By the first word of the command line.
    pub(super) fn by(program: Option<&OsStr>) -> Self {
        let name = program.and_then(|program| Path::new(program).file_stem());
        match name.and_then(OsStr::to_str) {
            Some(PLUGIN) => Self::Plugin,
            Some(COMPLETER) => Self::Completer,
            _ => Self::Itself,
        }
    }

    /// The command with the words that people type.
    pub(super) fn command(self, command: Command) -> Command {
        match self {
            Self::Itself => command,
            Self::Plugin | Self::Completer => with_examples(command).bin_name(TYPED),
        }
    }

    /// The script for a shell.
    pub(super) fn script(self, shell: Shell, mut command: Command) -> Vec<u8> {
        let name = match self {
            Self::Itself => command.get_name().to_owned(),
            Self::Plugin | Self::Completer => PLUGIN.to_owned(),
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, name, &mut script);
        script
    }
}

/// Examples name the program as it is called.
fn with_examples(command: Command) -> Command {
    let about = command.get_long_about().map(ToString::to_string);
    let command = match about.filter(|about| about.contains("Example: adconversion ")) {
        Some(about) => command.long_about(about.replace("Example: adconversion ", "Example: kubectl adconversion ")),
        None => command,
    };
    command.mut_subcommands(with_examples)
}

/// What may come at the place of the last of these words, as kubectl
/// reads it: a candidate a line, with what it means after a tab.
///
/// # Errors
/// If a directory cannot be read.
pub(super) fn answer_kubectl(command: &mut Command, words: Vec<OsString>) -> io::Result<String> {
    let mut all = vec![OsString::from(PLUGIN)];
    all.extend(words);
    if all.len() == 1 {
        all.push(OsString::new());
    }
    let last = all.len() - 1;
    let directory = std::env::current_dir().ok();
    let found = complete(command, all, last, directory.as_deref())?;
    let mut answer = String::new();
    for candidate in found.iter().filter(|candidate| !candidate.is_hide_set()) {
        // kubectl reads lines.
        let Some(word) = candidate
            .get_value()
            .to_str()
            .filter(|word| !word.contains(['\n', '\t']))
        else {
            continue;
        };
        answer.push_str(word);
        if let Some(help) = candidate.get_help() {
            let help = help.to_string();
            answer.push('\t');
            answer.push_str(help.lines().next().unwrap_or_default());
        }
        answer.push('\n');
    }
    answer.push_str(NO_FILES);
    answer.push('\n');
    Ok(answer)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::{CommandFactory as _, ValueEnum as _};
    use rstest::rstest;

    use super::*;
    use crate::cli::Cli;

    fn answer(words: &[&str]) -> String {
        answer_kubectl(&mut Cli::command(), words.iter().map(OsString::from).collect()).unwrap()
    }

    #[rstest]
    #[case(Some("/usr/bin/adconversion"), Called::Itself)]
    #[case(Some("adconversion.exe"), Called::Itself)]
    #[case(Some("/home/me/.krew/bin/kubectl-adconversion"), Called::Plugin)]
    #[case(Some("kubectl-adconversion.exe"), Called::Plugin)]
    #[case(Some("/usr/local/bin/kubectl_complete-adconversion"), Called::Completer)]
    #[case(Some(""), Called::Itself)]
    #[case(None, Called::Itself)]
    fn the_name_says_how_it_was_called(#[case] program: Option<&str>, #[case] called: Called) {
        assert_eq!(Called::by(program.map(OsStr::new)), called);
    }

    #[test]
    fn usage_and_examples_are_what_people_type() {
        let render = |called: Called, words: &[&str]| {
            let command = called.command(Cli::command());
            let said = command.try_get_matches_from(words).unwrap_err();
            said.to_string()
        };
        let plugin = render(Called::Plugin, &[PLUGIN, "check", "--help"]);
        assert!(plugin.contains("Usage: kubectl adconversion check "), "{plugin}");
        assert!(plugin.contains("Example: kubectl adconversion check -f"), "{plugin}");
        let wrong = render(Called::Plugin, &[PLUGIN, "nothing"]);
        assert!(
            wrong.contains("Usage: kubectl adconversion") && !wrong.contains(PLUGIN),
            "{wrong}"
        );
        let itself = render(Called::Itself, &["adconversion", "check", "--help"]);
        assert!(
            itself.contains("Usage: adconversion check ") && itself.contains("Example: adconversion check -f"),
            "{itself}"
        );
    }

    #[test]
    fn kubectl_is_told_what_may_come_next() {
        let commands = answer(&[""]);
        assert!(
            commands.contains("plan\t") && commands.contains("explain\t"),
            "{commands}"
        );
        assert_eq!(commands, answer(&[]));
        let begun = answer(&["expl"]);
        assert!(begun.starts_with("explain\tExplain the life of one contact"), "{begun}");
        assert_eq!(begun.lines().collect::<Vec<_>>().len(), 2, "{begun}");
        let flags = answer(&["conversions", "won", "--ou"]);
        assert!(flags.starts_with("--out"), "{flags}");
        let values = answer(&["conversions", "won", "--outcome", ""]);
        for outcome in ["Pending", "Rejected"] {
            assert!(values.lines().any(|line| line.starts_with(outcome)), "{values}");
        }
        for words in [vec![""], vec!["nothing", ""], vec!["plan", "-f", ""]] {
            assert!(answer(&words).ends_with(":4\n"), "{words:?}");
        }
    }

    #[test]
    fn every_shell_completes_commands_and_flags() {
        for shell in Shell::value_variants() {
            for (called, name) in [(Called::Itself, "adconversion"), (Called::Plugin, PLUGIN)] {
                let script = String::from_utf8_lossy(&called.script(*shell, Cli::command())).into_owned();
                for word in ["reconcile", "uninstall", "watch-namespaces", name] {
                    assert!(script.contains(word), "{shell}: no {word}");
                }
            }
        }
    }
}
