//! What the README and the page of commands show of `adconversion
//! check`, `plan`, `explain` and `conversions` is what they print.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Stage;
use super::counts::ago;
use super::questions::ask;
use crate::support::documents::{page_shows, readme_shows};

/// The day on which the README was asked, and what its ids are.
const TODAY: &str = "2026-11-27T00:00:00Z";
const TRANSACTION: &str = "hs-5b0c2f7a91d84e63b7f0a5c19e2d48c6730fb1a4";
const REQUEST: &str = "53f223a532e346e7af025ff8dea61751";
const CONTACTS: [&str; 3] = ["100000000051", "100000000052", "100000000053"];
const DEAL: &str = "30000000017";

/// So many days ago, to the second.
fn days_ago(days: i64) -> String {
    format!("{:.0}", Timestamp::now() - SignedDuration::from_hours(24 * days))
}

fn first_id(made: &Value) -> String {
    made["ids"][0]
        .as_str()
        .unwrap_or_else(|| panic!("no id in {made}"))
        .to_owned()
}

/// A contact that became a customer so many days ago, and clicked an ad a week and two hours before, if at all.
fn customer(stage: &Stage, days: i64, clicked: bool, consent: &str) -> String {
    let mut history = json!({
        "lifecyclestage": [{"value": "customer", "timestamp": days_ago(days), "sourceType": "CRM_UI"}],
    });
    if clicked {
        let at = ago(86_400 * (days + 7) + 7_200);
        history["hs_google_click_id"] =
            json!([{"value": format!("click-{days}"), "timestamp": at, "sourceType": "FORM"}]);
    }
    let contact = json!([{"createdAt": ago(86_400 * 20), "properties": {"ads_consent": consent}, "history": history}]);
    first_id(&stage.post("/hubspot/contacts", &contact))
}

/// The header of a table above its first row, in which a name is as long as it is shown by now.
fn align_header(text: &str) -> String {
    let second_column = |line: &str| {
        let gap = line.find("  ")?;
        Some(line.len() - line[gap..].trim_start().len())
    };
    let (header, rows) = text.split_once('\n').unwrap_or((text, ""));
    let place = rows.lines().next().and_then(second_column);
    match (header.split_once("  "), place) {
        (Some((first @ "EVENT", others)), Some(place)) => format!("{first:place$}{}\n{rows}", others.trim_start()),
        _ => text.to_owned(),
    }
}

/// A text without what differs from run to run: each time keeps its day, counted from today, and loses its hour.
fn stable(text: &str, names: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (actual, shown) in names {
        text = text.replace(actual, shown);
    }
    let text = align_header(&text);
    let lines = text.lines().map(|line| {
        let hour = if line.contains("last change") || line.contains("was known on") {
            "09:31:10"
        } else {
            "09:30:00"
        };
        let words = line.split(' ').map(|word| {
            let bare = word.trim_end_matches([':', '.', ',', ';']);
            if let Ok(day) = bare.parse::<Date>() {
                let today: Timestamp = TODAY.parse().expect("a time");
                let since = Timestamp::now().to_zoned(TimeZone::UTC).date() - day;
                let shown = today.to_zoned(TimeZone::UTC).date() - since;
                return word.replace(bare, &shown.to_string());
            }
            if let Ok(at) = bare.parse::<Timestamp>() {
                let days = (Timestamp::now().duration_since(at).as_hours() + 1) / 24;
                let today: Timestamp = TODAY.parse().expect("a time");
                let day = (today - SignedDuration::from_hours(24 * days)).to_string();
                return word.replace(bare, &format!("{}T{hour}Z", &day[..10]));
            }
            if bare.len() == TRANSACTION.len() && bare.starts_with("hs-") {
                return word.replace(bare, TRANSACTION);
            }
            if bare.len() == REQUEST.len() && bare.chars().all(|c| c.is_ascii_hexdigit()) {
                return word.replace(bare, REQUEST);
            }
            word.to_owned()
        });
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_readme_shows_what_explain_and_conversions_print() {
    let stage = Stage::start("answers");
    let sent = customer(&stage, 2, true, "true");
    let bare = customer(&stage, 3, false, "true");
    let refused = customer(&stage, 5, true, "false");
    let deal = json!([{"createdAt": ago(86_400 * 6), "contactIds": [sent],
        "properties": {"amount": "1200.50", "dealstage": "closedwon"}}]);
    let deal = first_id(&stage.post("/hubspot/deals", &deal));
    let more = json!({
        "startTime": ago(86_400 * 20),
        "value": {"dealAmount": {"default": {"amount": "100.00", "currency": "EUR"}}},
        "consent": {"property": "ads_consent", "grantedValues": ["true"]},
    });
    stage.event("became-customer", "customer", &more);
    stage.settled("became-customer", 3);
    let ids = [
        (sent.as_str(), CONTACTS[0]),
        (&bare, CONTACTS[1]),
        (&refused, CONTACTS[2]),
        (&deal, DEAL),
    ];
    for (actual, shown) in ids {
        assert_eq!(actual.len(), shown.len(), "columns keep their width: {actual}");
    }
    let names = [&[(stage.namespace.as_str(), "marketing")], &ids[..]].concat();
    let told = ask(&stage, &["explain", "became-customer", "--contact", &sent], 0);
    let command = format!("adconversion explain became-customer --contact {}", CONTACTS[0]);
    readme_shows(&command, &stable(&told, &names));
    let listed = ask(&stage, &["conversions", "became-customer", "--outcome", "Skipped"], 0);
    readme_shows(
        "adconversion conversions became-customer --outcome Skipped",
        &stable(&listed, &names),
    );
}

/// What a command prints that asks HubSpot and Google itself, and ends with this code.
fn try_out(stage: &Stage, arguments: &[&str], code: i32) -> String {
    let endpoints = stage.endpoints();
    let endpoints: Vec<&str> = endpoints.iter().map(String::as_str).collect();
    let done = stage.command(&[arguments, &endpoints].concat());
    assert_eq!(done.status.code(), Some(code), "{}{}", done.stdout, done.stderr);
    done.stdout
}

/// A manifest of an event for a lifecycle stage.
fn manifest(name: &str, action: &str, lifecycle_stage: &str) -> String {
    json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent", "metadata": {"name": name}, "spec": {
        "googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"},
        "eventName": action, "trigger": {"lifecycleStage": {"stage": lifecycle_stage}},
        "startTime": days_ago(20), "value": {"fixed": {"amount": "40.00", "currency": "EUR"}}}})
    .to_string()
}

#[test]
fn the_documents_show_what_check_and_plan_print() {
    let stage = Stage::empty("commands", &[], &[]);
    for (days, clicked) in [(2, true), (3, false), (5, true), (8, false), (9, false)] {
        customer(&stage, days, clicked, "true");
    }
    let accounts = stage.file("accounts.yaml", include_str!("accounts.yaml"));
    let good = stage.file(
        "became-customer.yaml",
        &manifest("became-customer", "HubSpot - Customer", "customer"),
    );
    let odd = stage.file(
        "became-partner.yaml",
        &manifest("became-partner", "HubSpot - Partner", "Partner"),
    );
    let names = [
        (stage.namespace.as_str(), "marketing"),
        (&accounts, "accounts.yaml"),
        (&good, "became-customer.yaml"),
        (&odd, "became-partner.yaml"),
    ];
    let shows = |page: &str, command: &str, files: &[&str], more: &[&str], code: i32| {
        let files: Vec<&str> = files.iter().flat_map(|file| ["-f", *file]).collect();
        let arguments = [&[command][..], &files, &["--namespace", &stage.namespace], more].concat();
        let printed = stable(&try_out(&stage, &arguments, code), &names);
        let asked = stable(&format!("adconversion {}", arguments.join(" ")), &names);
        page_shows(page, &asked, &printed);
    };
    shows("docs/commands.md", "check", &[&accounts, &good, &odd], &[], 1);
    shows("docs/commands.md", "plan", &[&accounts, &good], &[], 0);
    // The short forms fit where the other questions are.
    shows("README.md", "check", &[&accounts, &good, &odd], &["--short"], 1);
    shows("README.md", "plan", &[&accounts, &good], &["--short"], 0);
}
