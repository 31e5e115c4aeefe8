//! The page for people without kubectl, in a real browser.

use xtask::browser::{picture, rendered_page};

use super::super::Stage;
use super::{raw, some};

#[test]
fn the_page_shows_what_the_status_says() {
    let stage = Stage::start("page");
    let [sent, ..] = some(&stage);
    stage.settled("asked", 4);
    let base = format!("http://{}", stage.admin_address());
    let path = format!("/events/{}/asked", stage.namespace);
    let directory = xtask::control_plane::new_directory().expect("a directory");
    for (name, url, parts) in [
        ("list", base.clone(), vec!["asked", "Ready", "Customer"]),
        (
            "event",
            format!("{base}{path}"),
            vec!["OutsideClickWindow", "By day", "Conditions", "As declared"],
        ),
    ] {
        let seen = rendered_page(&url, &directory.join(name)).expect("a page");
        for part in parts {
            assert!(seen.contains(part), "{name}: no {part:?} in {seen}");
        }
        for dark in [false, true] {
            let file = pictures().join(format!("{name}{}.png", if dark { "-dark" } else { "" }));
            let profile = directory.join(format!("{name}-{dark}"));
            picture(&url, &file, &profile, dark).expect("a picture");
            assert!(
                std::fs::metadata(&file).expect("the picture").len() > 10_000,
                "{} is empty",
                file.display()
            );
        }
    }
    let body = format!("contact={sent}");
    let asked_by = |origin: &str| {
        let host = base.trim_start_matches("http://");
        raw(
            &stage,
            &format!(
                "POST {path}/explain HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\nconnection: close\r\ncontent-type: \
                 application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ),
        )
    };
    let told = asked_by(&base);
    assert!(
        told.starts_with("HTTP/1.1 200") && told.contains("inside the click window"),
        "{told}"
    );
    assert!(asked_by("http://evil.example").starts_with("HTTP/1.1 403"));
    let escaped = rendered_page(
        &format!("{base}/?namespace=%3Cscript%3Ealert(1)%3C/script%3E"),
        &directory.join("escaped"),
    )
    .expect("a page");
    assert!(!escaped.contains("<script>"), "{escaped}");
}

/// Where the pictures of a run are kept.
pub fn pictures() -> std::path::PathBuf {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pictures");
    std::fs::create_dir_all(&directory).expect("a directory");
    directory
}
