//! The figures of `docs/limits.md` are those of the code: each row of its tables says
//! what it says because of the constants, flags and schema limits that are named here. A
//! row with a figure that nothing here accounts for fails too.

use std::fs;

use super::figures::Source::{Code, Event, Flag, Given, Same, Sum};
use super::figures::{Source, figures, of};
use super::root;

/// The tables of which each row is accounted for.
const HELD: [&str; 4] = [
    "The largest one thing may be:",
    "## In a manifest",
    "## In a status",
    "## Times",
];

/// Rows by how they begin.
const ROWS: [(&str, &[Source]); 44] = [
    (
        "a ledger's volume that runs full",
        &[
            Code("domain/ledger_room.rs", "const LEAST: u64 = "),
            Code("domain/ledger_room.rs", "const MOST: u64 = "),
        ],
    ),
    (
        "memory for large answers",
        &[
            Sum(&[
                Code("upstream/http/memory.rs", "pub static KEPT:…= "),
                Code("upstream/http/memory.rs", "pub static TEXT:…= "),
                Code("upstream/http/memory.rs", "pub static PARSED:…= "),
            ]),
            Code("upstream/http/memory.rs", "pub const FREE: usize = "),
        ],
    ),
    (
        "a contact, as HubSpot answers",
        &[Code("upstream/hubspot/contacts.rs", "const MAX_SIZE: usize = ")],
    ),
    (
        "contacts that can't be read",
        &[Code("sync/feed/aside.rs", "const MOST: usize = ")],
    ),
    (
        "ids that were merged",
        &[Code("domain/lineage.rs", "const MAX_LINEAGE: usize = ")],
    ),
    (
        "forms of a portal",
        &[Code("upstream/hubspot/forms.rs", "const MAX_FORMS: usize = ")],
    ),
    (
        "lifecycle stages of a portal",
        &[Code("upstream/hubspot/account.rs", "const MAX_STAGES: usize = ")],
    ),
    (
        "submissions of one form in a pass",
        &[
            Code("sync/forms/partial_read.rs", "const SHARE: usize = "),
            Code("upstream/hubspot/forms.rs", "const SUBMISSIONS: usize = "),
            Code("sync/forms/partial_read.rs", "const SHARE_TIME: Duration = "),
        ],
    ),
    (
        "a click id",
        &[Code("domain/conversion.rs", "const MAX_CLICK_ID: usize = ")],
    ),
    // `LESS_THAN` in domain/value.rs, which a property there holds to twelve digits.
    ("an amount of a deal", &[Given("12")]),
    (
        "an account's list of conversion actions",
        &[
            Code("upstream/google/ads/mod.rs", "const MAX_PAGES: usize = "),
            // Google's own page.
            Given("10,000"),
            Code("upstream/http/body.rs", "pub const RECORDS: Self…memory: "),
        ],
    ),
    (
        "a value in a Secret",
        &[
            Code("upstream/secret_value.rs", "const LONGEST: usize = "),
            Code("upstream/secret_value.rs", "const LONGEST_FILE: usize = "),
        ],
    ),
    (
        "finalizers of an object",
        &[Code("controller/shared/lean.rs", "const FINALIZERS: usize = ")],
    ),
    (
        "`eventName`",
        &[
            Given("1"),
            Event("spec.eventName", "maxLength"),
            Event("spec.eventName", "maxLength"),
        ],
    ),
    (
        "`trigger.lifecycleStage.stage`",
        &[Given("1"), Event("spec.trigger.lifecycleStage.stage", "maxLength")],
    ),
    (
        "`trigger.formSubmission.formId`",
        &[Given("1"), Event("spec.trigger.formSubmission.formId", "maxLength")],
    ),
    (
        "names of contact properties",
        &[
            Given("1"),
            Same(&[
                Event("spec.consent.property", "maxLength"),
                Event("spec.clickIds.gclidProperty", "maxLength"),
                Event("spec.clickIds.gbraidProperty", "maxLength"),
                Event("spec.clickIds.wbraidProperty", "maxLength"),
            ]),
        ],
    ),
    (
        "`consent.grantedValues`",
        &[
            Event("spec.consent.grantedValues", "minItems"),
            Event("spec.consent.grantedValues", "maxItems"),
            Event("spec.consent.grantedValues.items", "maxLength"),
        ],
    ),
    (
        "amounts",
        &[
            Given("0"),
            Code("api/rules.rs", "[0-9]{1,"),
            Code("api/rules.rs", "[0-9]{1,…[0-9]{1,"),
        ],
    ),
    ("currencies", &[Given("4217")]),
    (
        "`clickThroughLookbackWindowDays`",
        &[
            Event("spec.conversionAction.create.clickThroughLookbackWindowDays", "minimum"),
            Event("spec.conversionAction.create.clickThroughLookbackWindowDays", "maximum"),
        ],
    ),
    (
        "`viewThroughLookbackWindowDays`",
        &[
            Event("spec.conversionAction.create.viewThroughLookbackWindowDays", "minimum"),
            Event("spec.conversionAction.create.viewThroughLookbackWindowDays", "maximum"),
        ],
    ),
    (
        "`conversionAction.existing`",
        &[
            Event("spec.conversionAction.existing.id", "maxLength"),
            Event("spec.conversionAction.existing.name", "maxLength"),
        ],
    ),
    (
        "`startTime`",
        &[
            Code("api/rules.rs", "self > timestamp('"),
            Code("api/rules.rs", "self < timestamp('"),
            REACH,
        ],
    ),
    (
        "`interval` of a `HubSpotAccount`",
        &[
            Code("api/hubspot.rs", "const MAX_INTERVAL: Duration = "),
            Flag("run", "min-interval"),
        ],
    ),
    ("`customerId`", &[]),
    (
        "reasons (`status.sync.reasons`)",
        &[Code("domain/counts.rs", "const MAX_CLASSES: usize = ")],
    ),
    (
        "`status.sync.lastErrors`",
        &[Same(&[
            Code("api/event_status.rs", "const MAX_LAST_ERRORS: usize = "),
            Event("status.sync.lastErrors", "maxItems"),
        ])],
    ),
    (
        "a message of a condition",
        &[Same(&[
            Code("domain/conditions.rs", "const MAX_MESSAGE: usize = "),
            Code("domain/counts.rs", "const MAX_MESSAGE: usize = "),
            Code("controller/shared/recorder.rs", "const MAX_NOTE: usize = "),
        ])],
    ),
    (
        "text of HubSpot's or Google's",
        &[
            Code("upstream/http/limits.rs", "const CODE_LIMIT: usize = "),
            Code("upstream/http/limits.rs", "const ID_LIMIT: usize = "),
            Same(&[
                Code("upstream/http/limits.rs", "const NAME_LIMIT: usize = "),
                Code("domain/brief.rs", "const LONGEST_ECHO: usize = "),
            ]),
        ],
    ),
    (
        "`orphanedConversionActions`",
        &[Code("api/google.rs", "const MAX_ORPHANED_ACTIONS: usize = ")],
    ),
    (
        "users named in a deletion",
        &[Code("domain/account_state.rs", "const NAMED_USERS: usize = ")],
    ),
    (
        "from the click to the conversion",
        &[Code("ports/ledger/mod.rs", "const LONGEST_WINDOW: SignedDuration = ")],
    ),
    ("how far back an event reaches", &[REACH]),
    ("how far back a lost ledger is rebuilt", &[REACH]),
    ("a click before it may be sent", &[Flag("run", "too-recent-wait")]),
    ("a created conversion action", &[Flag("run", "new-action-hold")]),
    (
        "a form submission",
        &[Flag("run", "enhancement-deadline"), Given("24 hours")],
    ),
    ("how long settled conversions", &[Flag("run", "retention")]),
    (
        "how long ids of deleted contacts",
        &[Flag("run", "retention"), Flag("run", "deletion-check-interval")],
    ),
    (
        "a call",
        &[
            Code("upstream/hubspot/config.rs", "timeout: Duration…timeout: "),
            Code("upstream/google/config.rs", "token: Duration…token: "),
            Same(&[
                Code("upstream/google/config.rs", "read: Duration…read: "),
                Code("upstream/google/config.rs", "mutate: Duration…mutate: "),
            ]),
            Code("upstream/google/config.rs", "ingest: Duration…ingest: "),
        ],
    ),
    (
        "a wait that a service asks for",
        &[Code("upstream/http/wait.rs", "const LONGEST: SignedDuration = ")],
    ),
    ("a pause between two tries", &[Flag("run", "backoff-max")]),
    (
        "conversions in a request",
        &[
            Same(&[
                Code("upstream/google/data_manager/mod.rs", "const MAX_ROWS: usize = "),
                Code("upstream/google/ads/uploads/mod.rs", "const MAX_ROWS: usize = "),
            ]),
            Code(
                "upstream/google/data_manager/mod.rs",
                "const MAX_DESTINATIONS: usize = ",
            ),
        ],
    ),
];

const REACH: Source = Code("domain/declared.rs", "const MAX_REACH: SignedDuration = ");

/// Figures in sentences.
const SENTENCES: [(&str, &str, Source); 3] = [
    ("`adconversion plan` reads ", " contacts", Flag("plan", "limit")),
    (
        "in ten seconds, ",
        " searches a second",
        Code("upstream/hubspot/config.rs", "search: CallLimit {…calls: "),
    ),
    (
        " searches a second (",
        " where that",
        Code("upstream/hubspot/config.rs", "most_searches: u32…most_searches: "),
    ),
];

fn page() -> String {
    fs::read_to_string(root().join("docs/limits.md")).unwrap()
}

/// The rows of the tables of a page: label, and the other cells.
fn rows(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = lines.filter_map(|line| line.split_once(" | "));
    cells
        .map(|(label, cells)| (label.to_owned(), cells.to_owned()))
        .collect()
}

/// What is wrong with a page.
fn mistakes(page: &str) -> Vec<String> {
    let mut mistakes = Vec::new();
    let all = rows(page);
    for (label, sources) in ROWS {
        let of_label: Vec<_> = all.iter().filter(|(row, _)| row.starts_with(label)).collect();
        let [(_, cells)] = of_label[..] else {
            mistakes.push(format!("{} rows begin with {label:?}", of_label.len()));
            continue;
        };
        let (mut said, mut meant) = (
            figures(cells),
            sources.iter().map(|source| of(*source)).collect::<Vec<_>>(),
        );
        said.sort_unstable();
        meant.sort_unstable();
        if said != meant {
            mistakes.push(format!("{label:?} says {said:?}, and the code {meant:?}"));
        }
    }
    for heading in HELD {
        let (_, table) = page.split_once(heading).unwrap();
        let table: Vec<&str> = table.lines().skip_while(|line| !line.starts_with('|')).collect();
        let table: Vec<&str> = table.into_iter().take_while(|line| line.starts_with('|')).collect();
        for (label, _) in rows(&table.join("\n"))
            .iter()
            .filter(|(label, _)| label != "thing" && label != "field")
        {
            if !ROWS.iter().any(|(known, _)| label.starts_with(known)) {
                mistakes.push(format!("nothing accounts for {label:?}"));
            }
        }
    }
    let words: Vec<&str> = page.split_whitespace().collect();
    let words = words.join(" ");
    for (before, after, source) in SENTENCES {
        let said = words.split_once(before).and_then(|(_, rest)| rest.split_once(after));
        let said = said.map(|(said, _)| figures(said));
        if said != Some(vec![of(source)]) {
            mistakes.push(format!(
                "\"{before}…{after}\" says {said:?}, and the code {:?}",
                of(source)
            ));
        }
    }
    mistakes
}

#[test]
fn the_figures_are_those_of_the_code() {
    let mistakes = mistakes(&page());
    assert!(mistakes.is_empty(), "docs/limits.md: {mistakes:#?}");
}

#[test]
fn another_figure_and_a_row_of_no_source_are_mistakes() {
    let page = page();
    for (right, wrong, what) in [
        (
            "| forms of a portal | 10,000 |",
            "| forms of a portal | 20,000 |",
            "forms of a portal",
        ),
        ("23 h 45 min", "23 h 40 min", "a form submission"),
        ("32 KiB | it waits", "64 KiB | it waits", "a contact"),
        (
            "| finalizers of",
            "| tails of a dog | 2 | none |\n| finalizers of",
            "tails of a dog",
        ),
        ("reads 50,000", "reads 60,000", "adconversion plan"),
    ] {
        assert!(page.contains(right), "{right}");
        let found = mistakes(&page.replace(right, wrong));
        assert!(found.len() == 1 && found[0].contains(what), "{what}: {found:?}");
    }
}
