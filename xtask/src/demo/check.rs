//! The demo as a step of the test command: it is run as people run it, and what it prints is judged.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::shown::{block, first_missing};
use crate::Error;
use crate::process;
use crate::suite;
use crate::supervisor::XTASK_BIN;

/// How the block of the page begins that shows what the demo prints.
const FIRST: &str = "== starting a control plane";
/// How the block of the README begins that shows its events.
const EVENTS: &str = "$ kubectl get adce --namespace marketing";

/// Runs the demo, and judges that it ends well, says at its end how to ask about a contact and how to open the page,
/// and prints what documents show of it.
pub(crate) fn check(root: &Path, limit: Duration) -> Result<(), Error> {
    let programs = suite::programs_of_tests(root)?;
    let program = programs.iter().find(|(variable, _)| *variable == XTASK_BIN);
    let (_, program) = program.ok_or_else(|| Error::Setup("xtask is not built".to_owned()))?;
    let mut command = Command::new(program);
    command.arg("demo").current_dir(root).env_remove("KUBECONFIG");
    let output = process::run(command, None, limit)?;
    let printed = format!("{}{}", output.stderr, output.stdout);
    let judged = output.ok().and_then(|answers| judge(root, &answers, &printed));
    judged.map_err(|error| Error::Failed(format!("{error}\nIt printed:\n{}", process::tail(&printed, 60))))
}

fn judge(root: &Path, answers: &str, printed: &str) -> Result<(), Error> {
    says_how_to_go_on(answers)?;
    let read = |name: &str| {
        let path = root.join(name);
        fs::read_to_string(&path).map_err(|source| Error::path("read", &path, source))
    };
    let page = read("docs/try-it.md")?;
    let readme = read("README.md")?;
    let no_block = |name: &str, begins: &str| Error::Failed(format!("{name} has no block that begins with {begins:?}"));
    let shown = block(&page, FIRST).ok_or_else(|| no_block("docs/try-it.md", FIRST))?;
    shows("docs/try-it.md", shown, printed)?;
    let shown = block(&readme, EVENTS).ok_or_else(|| no_block("README.md", EVENTS))?;
    // The demo looks at all namespaces.
    let words = |line: &str| {
        line.split_once(char::is_whitespace)
            .map_or("", |(_, rest)| rest)
            .to_owned()
    };
    let of_one: Vec<_> = answers.lines().map(words).collect();
    shows("README.md", shown, &of_one.join("\n"))
}

fn shows(name: &str, shown: &str, printed: &str) -> Result<(), Error> {
    match first_missing(shown, printed) {
        None => Ok(()),
        Some(line) => Err(Error::Failed(format!(
            "{name} shows what the demo does not print (any more): {line:?}"
        ))),
    }
}

/// The last answer is that of `explain`, and after it stands how to open the page.
fn says_how_to_go_on(answers: &str) -> Result<(), Error> {
    let (_, end) = answers
        .split_once("\nWhy is contact ")
        .ok_or_else(|| Error::Failed("the demo does not ask about a contact at its end".to_owned()))?;
    let last = end.trim_end().lines().last().unwrap_or_default();
    for (part, text) in [
        ("$ adconversion explain became-customer --contact ", end),
        ("\n  click id ", end),
        ("cargo xtask demo --keep", last),
        ("adconversion dashboard", last),
    ] {
        if !text.contains(part) {
            return Err(Error::Failed(format!("the demo's end does not have {part:?}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: &str = "\
marketing/became-customer: observed 22

Why is contact 51 not in Google Ads?
$ adconversion explain became-customer --contact 51
Contact 51 under event marketing/became-customer

2026-11-27T22:52:51.937Z  Rejected, InvalidGclid
  click id        Found.

`cargo xtask demo --keep` leaves all of it running and says where its page is; on a cluster: adconversion dashboard
";

    #[test]
    fn the_end_explains_a_contact_and_says_how_to_open_the_page() {
        assert!(says_how_to_go_on(END).is_ok());
        for part in ["Why is contact", "explain", "  click id", "--keep", "dashboard"] {
            assert!(says_how_to_go_on(&END.replace(part, "")).is_err(), "{part}");
        }
        assert!(says_how_to_go_on(&format!("{END}More.\n")).is_err());
    }
}
