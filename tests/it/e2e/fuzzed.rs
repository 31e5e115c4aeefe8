//! Whatever people ask for, by whichever way: quotes, angle brackets, control characters,
//! marks of direction, paths, a megabyte. They get an answer in its form, nothing of it
//! steers a terminal or a browser, no address comes back, and the operator goes on.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Stage;
use super::counts::ago;
use super::dice::Dice;
use super::questions::raw;

/// Part of every address that is asked about here.
const DOMAIN: &str = "fuzz.example";

const ODD: [&str; 22] = [
    "",
    " ",
    "0",
    "-1",
    "51 OR 1=1",
    "18446744073709551616",
    "999999999999999999999999999999",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'; DROP TABLE rows; --",
    "{\"contact\": \"51\"}",
    "../../v1/events",
    "..%2f..%2fsecrets",
    "a\u{1b}[2J\u{1b}]0;title\u{7}",
    "a\r\nset-cookie: x=y\r\n\r\nb",
    "a\u{202e}b\u{2066}c\u{200b}",
    "\u{feff}\u{0}\u{85}",
    "%00%ff%zz",
    "=cmd|'/c calc'!A1",
    "${jndi:ldap://x}{{7*7}}",
    "Zoë 東京 🚲 \u{10ffff}",
    "a@b@c\n@",
];

/// Texts of one seed beside those.
fn texts() -> Vec<String> {
    let mut dice = Dice::new(17);
    let parts: Vec<char> = "<>\"'&;%\\/?#=@:{}[]\u{0}\u{1b}\u{7f}\u{85}\u{202e}\u{2028}aZ0é🚲\r\n\t "
        .chars()
        .collect();
    let made = (0..40).map(|_| {
        let length = 1 + dice.below(60);
        (0..length).map(|_| *dice.pick(&parts)).collect::<String>()
    });
    let all: Vec<String> = made.collect();
    ODD.map(str::to_owned).into_iter().chain(all).collect()
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        let _ = write!(all, "%{byte:02X}");
        all
    })
}

/// An answer to one request.
struct Answer {
    code: u16,
    head: String,
    body: String,
}

fn send(stage: &Stage, method: &str, path: &str, kind: &str, body: &str) -> Answer {
    let length = body.len();
    let said = raw(
        stage,
        &format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: \
             {length}\r\n\r\n{body}"
        ),
    );
    let (head, body) = said
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer to {method} {path}: {said}"));
    let code = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .expect("a code");
    assert!(!head.to_lowercase().contains("set-cookie"), "{head}");
    Answer {
        code,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// Names of the elements of a page.
fn elements(page: &str) -> BTreeSet<&str> {
    let after = page.split('<').skip(1);
    after
        .map(|text| {
            let text = text.trim_start_matches('/');
            let end = text
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '!')
                .unwrap_or(text.len());
            &text[..end]
        })
        .collect()
}

/// A page has the elements of our pages only, and no character that steers.
fn judge_page(answer: &Answer, known: &BTreeSet<&str>, asked: &str) {
    let Answer { code, head, body } = answer;
    assert!([200, 400, 404, 409, 413, 502].contains(code), "{asked:?}: {head}");
    let strange: Vec<_> = elements(body)
        .into_iter()
        .filter(|name| !known.contains(name))
        .collect();
    assert!(strange.is_empty(), "{asked:?}: {strange:?} in {body}");
    let steers = body.chars().find(|c| c.is_control() && !"\r\n\t".contains(*c));
    assert!(steers.is_none(), "{asked:?}: {steers:?} in {body}");
    assert!(!body.contains(DOMAIN), "{asked:?}: an address in {body}");
}

fn judge_json(answer: &Answer, asked: &str) {
    let Answer { code, head, body } = answer;
    assert!([200, 400, 404, 409, 413, 422, 502].contains(code), "{asked:?}: {head}");
    if head.contains("application/json") {
        serde_json::from_str::<Value>(body).unwrap_or_else(|error| panic!("{asked:?}: {error}: {body}"));
    }
    assert!(!body.contains(DOMAIN), "{asked:?}: an address in {body}");
}

/// An event, a stage and a form whose names are as odd as HubSpot
/// and the API server let them be; a contact that is a conversion.
fn odd_stage() -> (Stage, String) {
    let stage = Stage::start("fuzzed");
    let label = "<b>\"Trial\"</b>\u{202e}&amp; 'x'";
    let portal = json!({"customStages": [{"value": "trial", "label": label}]});
    stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&portal));
    let more = json!({"startTime": ago(86_400 * 5), "eventName": "<script>alert(\"1\")</script> & 'x' \u{202e}"});
    stage.event("asked", "trial", &more);
    let properties = json!({"firstname": "<i>\"Ada\"\u{1b}[2J", "email": format!("ada@{DOMAIN}")});
    let contact = stage.contact(&[("trial", ago(86_400))], Some("click-1"), &properties);
    stage.settled("asked", 1);
    (stage, contact)
}

#[test]
fn any_question_gets_an_answer_that_steers_nothing() {
    let (stage, contact) = odd_stage();
    let event = format!("/events/{}/asked", stage.namespace);
    let form = "application/x-www-form-urlencoded";
    let pages = [
        send(&stage, "GET", "/", form, "").body,
        send(&stage, "GET", &event, form, "").body,
        send(
            &stage,
            "POST",
            &format!("{event}/explain"),
            form,
            &format!("contact={contact}"),
        )
        .body,
        send(&stage, "GET", "/events/x/y", form, "").body,
        send(&stage, "GET", &format!("{event}/conversions"), form, "").body,
    ];
    let mut known: BTreeSet<&str> = pages.iter().flat_map(|page| elements(page)).collect();
    for text in ["script", "b", "i", "img"] {
        assert!(!known.contains(text), "<{text}> in {pages:#?}");
    }
    known.insert("");
    for text in texts() {
        let escaped = percent(&text);
        for (method, path, body) in [
            ("POST", format!("{event}/explain"), format!("contact={escaped}")),
            (
                "POST",
                format!("{event}/explain"),
                format!("contact={escaped}%40{DOMAIN}"),
            ),
            ("GET", format!("/events/{escaped}/{escaped}"), String::new()),
            ("GET", format!("/?namespace={escaped}&after={escaped}"), String::new()),
            ("GET", format!("/?state={escaped}"), String::new()),
            ("GET", format!("/?{escaped}={escaped}"), String::new()),
            ("GET", format!("{event}/conversions?outcome={escaped}"), String::new()),
            ("GET", format!("{event}/conversions?reason={escaped}"), String::new()),
            ("GET", format!("{event}/conversions?after={escaped}"), String::new()),
            ("GET", format!("{event}/conversions?{escaped}={escaped}"), String::new()),
        ] {
            judge_page(&send(&stage, method, &path, form, &body), &known, &text);
        }
        let api = format!("/v1/events/{}/asked", stage.namespace);
        for question in [
            json!({"contact": text}),
            json!({"email": text}),
            json!({"email": format!("{text}@{DOMAIN}")}),
        ] {
            let answer = send(
                &stage,
                "POST",
                &format!("{api}/explain"),
                "application/json",
                &question.to_string(),
            );
            judge_json(&answer, &text);
        }
        judge_json(
            &send(&stage, "GET", &format!("/v1/events?state={escaped}"), form, ""),
            &text,
        );
        for query in ["reason", "outcome", "since", "contact", "after", "limit", "else"] {
            judge_json(
                &send(&stage, "GET", &format!("{api}/conversions?{query}={escaped}"), form, ""),
                &text,
            );
        }
    }
    large_ones(&stage, &event);
    assert_eq!(send(&stage, "GET", &event, form, "").code, 200, "it goes on");
    let log = stage.log();
    assert!(!log.contains("panicked") && !log.contains(DOMAIN), "{log}");
}

/// A megabyte of everything: it is refused, or cut.
fn large_ones(stage: &Stage, event: &str) {
    let large = "<\"'&".repeat(1 << 18);
    let form = "application/x-www-form-urlencoded";
    for (path, kind, body) in [
        (format!("{event}/explain"), form, format!("contact={large}")),
        (
            format!("/v1{event}/explain"),
            "application/json",
            json!({"contact": large}).to_string(),
        ),
        (
            format!("/v1{event}/explain"),
            "application/json",
            json!({"email": large}).to_string(),
        ),
        (format!("/v1{event}/explain"), "application/json", "[".repeat(1 << 20)),
    ] {
        let said = send(stage, "POST", &path, kind, &body);
        assert!((400..500).contains(&said.code), "{path}: {}", said.head);
        assert!(said.body.len() < 10_000, "{} bytes", said.body.len());
    }
}

#[test]
fn no_answer_of_a_command_steers_a_terminal() {
    let (stage, contact) = odd_stage();
    let url = format!("http://{}", stage.admin_address());
    let run = |arguments: &[&str]| {
        let place = ["--namespace", &stage.namespace, "--operator-url", &url];
        let done = stage.command(&[arguments, &place].concat());
        let said = format!("{}{}", done.stdout, done.stderr);
        let code = done.status.code();
        assert!(matches!(code, Some(0..=2)), "{arguments:?}: {code:?} {said}");
        let steers = said
            .chars()
            .find(|c| (c.is_control() && *c != '\n') || "\u{202e}\u{2066}\u{200b}".contains(*c));
        assert!(steers.is_none(), "{arguments:?}: {steers:?} in {said}");
        assert!(
            said.len() < 20_000 && !said.contains("panicked"),
            "{arguments:?}: {} bytes {said}",
            said.len()
        );
        (code, said)
    };
    let (code, said) = run(&["explain", "asked", "--contact", &contact]);
    assert!(code == Some(0) && said.contains("Uploaded"), "{said}");
    let large = "x<\"'\u{1b}".repeat(20_000);
    let argument = |text: &&str| !text.contains('\0');
    for text in ODD.into_iter().filter(argument).chain([large.as_str()]) {
        let email = format!("{text}@{DOMAIN}");
        run(&["explain", "asked", &format!("--contact={text}")]);
        run(&["explain", "asked", &format!("--contact={email}")]);
        run(&["conversions", "asked", &format!("--reason={text}")]);
    }
    for output in ["table", "csv", "json"] {
        run(&["conversions", "asked", "-o", output]);
    }
    assert!(!stage.log().contains(DOMAIN), "{}", stage.log());
}
