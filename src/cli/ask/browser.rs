//! Opens a page in the browser of whoever runs a command.

use std::io;
use std::thread;
use std::time::Duration;

use reqwest::Url;
use tokio::sync::oneshot;

use crate::domain::brief::brief;

/// Longest wait for a program that hands the page over. One that goes on is the browser itself.
const LAUNCH_LIMIT: Duration = Duration::from_secs(3);

/// Variables that show, on Linux, that there is a screen, or a browser elsewhere.
const SCREENS: [&str; 4] = ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME"];

/// True if a browser can appear here.
pub(super) fn has_screen(is_set: impl Fn(&str) -> bool) -> bool {
    !cfg!(target_os = "linux") || SCREENS.iter().any(|name| is_set(name))
}

/// Opens the page. If that is not possible, stderr says so.
pub(super) async fn open_page(page: &Url) {
    if let Err(why) = launch(page.to_string()).await {
        eprintln!(
            "No browser could be opened ({}). Open the address yourself.",
            brief(why)
        );
    }
}

/// In a thread of its own: the port must be led on meanwhile, and nobody waits for it once the command ends.
async fn launch(page: String) -> io::Result<()> {
    let (sender, opened) = oneshot::channel();
    thread::Builder::new().spawn(move || {
        // Whoever has pressed Ctrl-C meanwhile hears nothing more.
        let _ = sender.send(open::that_detached_with_timeout(page, LAUNCH_LIMIT));
    })?;
    opened.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_screen_there_is_no_browser() {
        assert!(has_screen(|name| name == "DISPLAY") && has_screen(|name| name == "BROWSER"));
        assert_eq!(has_screen(|_| false), !cfg!(target_os = "linux"));
    }
}
