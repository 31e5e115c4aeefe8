//! People ask what became of conversions: `adconversion conversions` and `explain`, and the admin API behind them.

pub mod page;
mod submissions;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::Stage;
use super::counts::{Counts, ago, reason};

const DAY: i64 = 86_400;

/// A command that asks, which ended with this code; what it printed.
pub fn ask(stage: &Stage, arguments: &[&str], code: i32) -> String {
    let url = format!("http://{}", stage.admin_address());
    let more = ["--namespace", &stage.namespace, "--operator-url", &url];
    let done = stage.command(&[arguments, &more].concat());
    let said = done.stdout + &done.stderr;
    assert_eq!(done.status.code(), Some(code), "{arguments:?}: {said}");
    said
}

/// One raw request: the whole answer.
pub fn raw(stage: &Stage, request: &str) -> String {
    let mut stream = TcpStream::connect(stage.admin_address()).expect("the admin API");
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("a limit");
    // A body that is too large may be refused before it is written.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn lines(stage: &Stage, name: &str, filters: &[&str]) -> Vec<Value> {
    let arguments = [&["conversions", name, "--output", "json"], filters].concat();
    let said = ask(stage, &arguments, 0);
    said.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// Six conversions: two with a click, one of them too old; one without; one without consent; two suspended.
fn some(stage: &Stage) -> [String; 4] {
    let more = json!({
        "startTime": ago(DAY * 20),
        "value": {"fixed": {"amount": "12.50", "currency": "EUR"}},
        "consent": {"property": "ads_consent", "grantedValues": ["true"]},
        "conversionAction": {"create": {"clickThroughLookbackWindowDays": 8}},
    });
    stage.event("asked", "customer", &more);
    let granted = json!({"ads_consent": "true", "email": "ada@example.com"});
    let contact = |days: i64, click: Option<&str>, properties: &Value| {
        stage.contact(&[("customer", ago(DAY * days))], click, properties)
    };
    [
        contact(2, Some("click-sent"), &granted),
        contact(0, Some("click-old"), &granted),
        contact(2, None, &granted),
        contact(2, Some("click-refused"), &json!({"ads_consent": "false"})),
    ]
}

#[test]
fn the_conversions_behind_every_count_are_listed() {
    let stage = Stage::start("conversions-listed");
    let [sent, old, bare, refused] = some(&stage);
    let event = stage.settled("asked", 4);
    assert_eq!(Counts::of(&event).uploaded, 1, "{event:#}");
    let all = lines(&stage, "asked", &[]);
    assert_eq!(all.len(), 4, "{all:#?}");
    // As they are read for programs, by time for people.
    let id = |row: &Value| row["contactId"].as_str().and_then(|id| id.parse::<u64>().ok());
    assert!(all.is_sorted_by_key(id), "{all:#?}");
    let table = ask(&stage, &["conversions", "asked"], 0);
    let times = table.lines().skip(1).take(4).map(|line| line.split(' ').next());
    assert!(times.is_sorted(), "{table}");
    for (filter, contact) in [
        (["--reason", "NoConsent"], &refused),
        (["--reason", "NoClickId"], &bare),
        (["--reason", "OutsideClickWindow"], &old),
        (["--outcome", "Uploaded"], &sent),
    ] {
        let found = lines(&stage, "asked", &filter);
        assert_eq!(found.len(), 1, "{filter:?}: {all:#?}");
        assert_eq!(found[0]["contactId"], **contact, "{filter:?}");
    }
    assert_eq!(lines(&stage, "asked", &["--since", "1d"]).len(), 1);
    // Two of them reached the stage days ago: that they were skipped is news of today.
    let skipped = ["--outcome", "Skipped", "--changed-since"];
    assert_eq!(lines(&stage, "asked", &[&skipped[..], &["1d"]].concat()).len(), 3);
    assert!(lines(&stage, "asked", &[&skipped[..], &["2999-01-01"]].concat()).is_empty());
    let said = ask(&stage, &["conversions", "asked", "-O", "Skipped", "--since", "1d"], 0);
    assert!(
        said.contains("2 more got this outcome since then") && said.contains("--changed-since in place of --since"),
        "{said}"
    );
    let request = lines(&stage, "asked", &["--outcome", "Uploaded"])[0]["requestId"].clone();
    assert!(request.as_str().is_some_and(|id| !id.is_empty()), "{request}");
    assert_eq!(lines(&stage, "asked", &["--contact", &sent])[0]["value"], "12.5");
    // A suspension is the reason that the status shows, whatever the rows say.
    stage.patch("adce/asked", &json!({"spec": {"suspend": true}}));
    stage.condition("adce/asked", "Ready", "True", "Suspended");
    stage.contact(
        &[("customer", ago(1))],
        Some("meanwhile"),
        &json!({"ads_consent": "true"}),
    );
    stage.wait("adce/asked", "a conversion that waits", |event| {
        reason(event, "Pending", "Suspended") == 1
    });
    assert_eq!(lines(&stage, "asked", &["--reason", "Suspended"]).len(), 1);
    let table = ask(&stage, &["conversions", "asked", "--outcome", "Pending"], 0);
    assert!(table.starts_with("TIME") && table.contains("Suspended"), "{table}");
    let csv = ask(&stage, &["conversions", "asked", "-o", "csv"], 0);
    assert_eq!(csv.lines().count(), 6, "{csv}");
    assert!(csv.starts_with("time,contactId,outcome,reason,"), "{csv}");
    let yaml: Value = serde_yaml::from_str(&ask(&stage, &["conversions", "asked", "-o", "yaml"], 0)).expect("YAML");
    assert_eq!(yaml, json!(lines(&stage, "asked", &[])));
    let said = ask(&stage, &["conversions", "asked", "--reason", "NoClickIds"], 2);
    assert!(
        said.contains("NoClickId") && said.contains("OutsideClickWindow"),
        "{said}"
    );
    let said = ask(&stage, &["conversions", "nobody"], 2);
    assert!(
        said.contains(&format!("no event nobody in namespace {}", stage.namespace)),
        "{said}"
    );
}

#[test]
fn the_life_of_a_contact_is_explained_without_its_data() {
    let stage = Stage::start("explained");
    let [sent, old, bare, refused] = some(&stage);
    stage.settled("asked", 4);
    let story = |contact: &str| ask(&stage, &["explain", "asked", "--contact", contact], 0);
    for (contact, parts) in [
        (
            &sent,
            vec![
                "Uploaded, with value 12.5 EUR",
                "Sent with value 12.5 EUR; Google's id of the request: ",
                "Google has it. That was known on ",
                "inside the click window of 8 days",
                "Granted: ads_consent",
            ],
        ),
        (
            &old,
            vec!["Skipped, OutsideClickWindow", "outside the click window of 8 days"],
        ),
        (
            &bare,
            vec!["Skipped, NoClickId", "None: hs_google_click_id held no click id"],
        ),
        (
            &refused,
            vec!["Skipped, NoConsent", "Not granted: ads_consent holds none"],
        ),
    ] {
        let told = story(contact);
        for part in parts {
            assert!(told.contains(part), "no {part:?} in {told}");
        }
        for secret in ["click-", "ada@example.com"] {
            assert!(!told.contains(secret), "{secret} in {told}");
        }
    }
    // Who is asked for by an address is found, and the address stands nowhere.
    let one = stage.contact(
        &[("lead", ago(DAY))],
        None,
        &json!({"email": "grace@example.com", "ads_consent": "true"}),
    );
    let told = ask(&stage, &["explain", "asked", "--contact", "Grace@Example.com"], 1);
    assert!(
        told.contains(&one) && told.contains("does not show that it ever reached the stage"),
        "{told}"
    );
    // HubSpot takes only the first one for an address.
    for nobody in ["nobody@example.com", "nobody@example", "no body@example.com"] {
        let told = ask(&stage, &["explain", "asked", "--contact", nobody], 1);
        assert!(
            told.contains("no contact with this address") && !told.contains(nobody),
            "{told}"
        );
    }
    assert!(!stage.log().contains("example.com"), "an address in the log");
    let gone = ask(&stage, &["explain", "asked", "--contact", "999999999"], 1);
    assert!(gone.contains("HubSpot"), "{gone}");
    ask(&stage, &["explain", "asked", "--contact", "ada"], 2);
}

#[test]
fn the_deal_that_a_value_comes_from_is_named() {
    let stage = Stage::start("explained-deal");
    let more = json!({
        "startTime": ago(DAY * 20),
        "value": {"dealAmount": {"default": {"amount": "5.00", "currency": "EUR"}}},
    });
    let contact = stage.contact(&[("customer", ago(DAY * 2))], Some("click"), &json!({}));
    let deal = |amount: &str, days: i64| {
        let deal = json!([{"createdAt": ago(DAY * days), "contactIds": [contact],
            "properties": {"amount": amount, "dealstage": "closedwon", "dealname": "secret-name"}}]);
        let made = stage.post("/hubspot/deals", &deal);
        made["ids"][0].as_str().expect("an id").to_owned()
    };
    let first = deal("70", 5);
    stage.event("asked", "customer", &more);
    stage.settled("asked", 1);
    let story = || ask(&stage, &["explain", "asked", "--contact", &contact], 0);
    let told = story();
    let says = format!("70 EUR: the weighted amount of deal {first}, the most recent one.");
    assert!(told.contains(&says), "no {says:?} in {told}");
    let second = deal("90", 1);
    let told = story();
    let says = format!(
        "70 EUR is kept since it was first sent. By today's deals it would be 90 EUR: the weighted amount of deal {second}"
    );
    assert!(told.contains(&says), "no {says:?} in {told}");
    assert!(!told.contains("secret-name"), "{told}");
}

#[test]
fn a_replica_that_stands_by_says_so() {
    let stage = Stage::start("questions-standby");
    some(&stage);
    stage.settled("asked", 4);
    let second = stage.start_second();
    let port = stage.wait_for("the second's admin API", || {
        let found = second.admin_address();
        found.ok_or(Value::Null)
    });
    let url = format!("http://{port}");
    let arguments = [
        "conversions",
        "asked",
        "--namespace",
        &stage.namespace,
        "--operator-url",
        &url,
    ];
    let done = stage.command(&arguments);
    assert_eq!(done.status.code(), Some(2), "{}", done.stdout);
    assert!(done.stderr.contains("(StandsBy)"), "{}", done.stderr);
    second.stop();
}

#[test]
fn what_nobody_may_ask_is_refused() {
    let stage = Stage::start("questions-refused");
    some(&stage);
    stage.settled("asked", 4);
    let get = |path: &str, host: &str| {
        raw(
            &stage,
            &format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"),
        )
    };
    let listed = get("/v1/events", "localhost:8081");
    assert!(
        listed.starts_with("HTTP/1.1 200") && listed.contains("\"asked\""),
        "{listed}"
    );
    assert!(
        listed.contains("content-security-policy: default-src 'none'"),
        "{listed}"
    );
    assert!(get("/v1/events", "evil.example").starts_with("HTTP/1.1 403"));
    assert!(get("/v1/nothing", "localhost").starts_with("HTTP/1.1 404"));
    let path = format!("/v1/events/{}/asked", stage.namespace);
    let whole = get(&path, "127.0.0.1");
    assert!(whole.contains("\"days\"") && whole.contains("\"spec\""), "{whole}");
    for odd in [
        "outcome=Odd",
        "since=yesterday",
        "changedSince=yesterday",
        "contact=x",
        "after=x",
        "limit=-1",
        "limit=0",
        "else=1",
        "outcome=%00%ff",
    ] {
        let said = get(&format!("{path}/conversions?{odd}"), "localhost");
        assert!(
            said.starts_with("HTTP/1.1 400") && said.contains("BadRequest") && !said.contains("deserialize"),
            "{odd}: {said}"
        );
    }
    for odd in [
        "/v1/events/%2e%2e/x",
        "/v1/events/a/%3Cscript%3E",
        "/v1/events/a/b%0d%0ax:%20y",
    ] {
        assert!(get(odd, "localhost").starts_with("HTTP/1.1 404"), "{odd}");
    }
    let post = |body: &str| {
        let length = body.len();
        raw(
            &stage,
            &format!(
                "POST {path}/explain HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: \
                 application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            ),
        )
    };
    for odd in [
        "",
        "[]",
        "{}",
        "{\"contact\": 5}",
        "{\"email\": \"a@b\", \"contact\": \"1\"}",
        "{\"contact\": \"<b>\"}",
    ] {
        let said = post(odd);
        assert!(
            said.starts_with("HTTP/1.1 400") && !said.contains("a@b"),
            "{odd}: {said}"
        );
    }
    let large = post(&format!("{{\"contact\": \"{}\"}}", "1".repeat(1 << 20)));
    assert!(!large.starts_with("HTTP/1.1 200"), "{large}");
    assert!(get("/v1/events", "localhost").starts_with("HTTP/1.1 200"), "it goes on");
    assert!(get(&path, "localhost").starts_with("HTTP/1.1 200"));
    assert!(
        raw(
            &stage,
            &format!("DELETE {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        )
        .starts_with("HTTP/1.1 405")
    );
}
