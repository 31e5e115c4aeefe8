//! A browser without a window, for what users paste into web pages: Chromium, installed from Debian's packages where it
//! is missing.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use crate::Error;
use crate::process::{self, say};

/// Names the browser to use.
const CHROMIUM: &str = "ADCONVERSION_CHROMIUM";
/// Names under which it may be installed.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// Limit of each of the two steps of its installation.
const INSTALL_LIMIT: Duration = Duration::from_mins(8);
/// Limit of the rendering of one page.
const PAGE_LIMIT: Duration = Duration::from_mins(1);

/// Tests of one process install once.
static INSTALLING: Mutex<()> = Mutex::new(());

fn installed() -> Option<PathBuf> {
    if let Some(path) = env::var_os(CHROMIUM) {
        return Some(PathBuf::from(path));
    }
    let directories: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
    let mut candidates = NAMES
        .iter()
        .flat_map(|name| directories.iter().map(move |directory| directory.join(name)));
    candidates.find(|path| path.is_file())
}

/// Path of Chromium, installed if needed.
///
/// # Errors
/// Where it is missing and the package manager can't bring it: the text says what to do.
pub fn chromium() -> Result<PathBuf, Error> {
    let _one = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(path) = installed() {
        return Ok(path);
    }
    install("chromium").map_err(|error| {
        Error::Setup(format!(
            "Chromium is missing and could not be installed: install the package chromium, or name a browser in {CHROMIUM}\n{error}"
        ))
    })?;
    installed()
        .ok_or_else(|| Error::Setup("the package chromium was installed, but no program chromium is on PATH".into()))
}

/// Installs a package of Debian's.
pub(crate) fn install(package: &str) -> Result<(), Error> {
    say(&format!("installing {package} (once)"));
    let steps: [&[&str]; 2] = [
        &["apt-get", "update", "-qq"],
        &["apt-get", "install", "-y", "-qq", "--no-install-recommends", package],
    ];
    for step in steps {
        process::run(as_root(step), None, INSTALL_LIMIT)?.ok()?;
    }
    Ok(())
}

pub(crate) fn is_root() -> bool {
    process::run(command(&["id", "-u"]), None, Duration::from_secs(10)).is_ok_and(|output| output.stdout.trim() == "0")
}

/// The package manager wants root.
pub(crate) fn as_root(arguments: &[&str]) -> Command {
    let mut whole = if is_root() {
        vec![]
    } else {
        vec!["sudo", "--non-interactive"]
    };
    whole.extend(["env", "DEBIAN_FRONTEND=noninteractive"]);
    whole.extend(arguments);
    command(&whole)
}

pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// The document of a local page after its scripts have run. Nothing is asked of the network. `profile`: a directory of
/// the caller's for the browser's own files.
///
/// # Errors
/// Where there is no browser, or it does not come to an end.
pub fn rendered(page: &Path, profile: &Path) -> Result<String, Error> {
    let mut command = headless(profile)?;
    command
        .args([
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--virtual-time-budget=5000",
            "--dump-dom",
        ])
        .arg(format!("file://{}", page.display()));
    process::run(command, None, PAGE_LIMIT)?.ok()
}

/// The document of a page of this machine.
///
/// # Errors
/// As [`rendered`].
pub fn rendered_page(url: &str, profile: &Path) -> Result<String, Error> {
    let mut command = headless(profile)?;
    command.args(["--dump-dom", url]);
    process::run(command, None, PAGE_LIMIT)?.ok()
}

/// A picture of a page of this machine, as PNG.
///
/// # Errors
/// As [`rendered`].
pub fn picture(url: &str, file: &Path, profile: &Path, dark: bool) -> Result<(), Error> {
    let mut command = headless(profile)?;
    command
        .args(dark.then_some("--blink-settings=preferredColorScheme=0"))
        .args(["--window-size=1200,1400", "--hide-scrollbars"])
        .arg(format!("--screenshot={}", file.display()))
        .arg(url);
    process::run(command, None, PAGE_LIMIT)?.ok().map(drop)
}

fn headless(profile: &Path) -> Result<Command, Error> {
    let mut command = Command::new(chromium()?);
    command
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ])
        .arg(format!("--user-data-dir={}", profile.display()));
    Ok(command)
}
