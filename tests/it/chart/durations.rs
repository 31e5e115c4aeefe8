//! How short durations may be: the program, its help and the chart say the same.

use std::{collections::BTreeMap, time::Duration as StdDuration};

use adconversion_operator::{api::Duration, cli::Cli};
use clap::{CommandFactory, Parser};
use serde_json::json;

use super::{definitions::advice, helm};

/// Flags that may be zero: then there is no such wait, or the failure is shown at once.
const ZERO: [&str; 8] = [
    "click-grace",
    "deletion-timeout",
    "failure-threshold",
    "lease-renew",
    "new-action-hold",
    "overlap",
    "settle-delay",
    "too-recent-wait",
];

/// Each duration of `adconversion run`, and the shortest that its help names.
fn durations() -> BTreeMap<String, Duration> {
    let program = Cli::command();
    let run = program.find_subcommand("run").unwrap();
    let mut found = BTreeMap::new();
    for argument in run.get_arguments() {
        let default = argument.get_default_values().first().and_then(|text| text.to_str());
        if default.is_none_or(|text| text.parse::<Duration>().is_err()) {
            continue;
        }
        let help = argument.get_long_help().or(argument.get_help()).unwrap().to_string();
        let least = help
            .rsplit_once("At least ")
            .map_or("0s", |(_, end)| end.trim_end_matches('.'));
        found.insert(argument.get_long().unwrap().to_owned(), least.parse().unwrap());
    }
    found
}

fn program_refuses(flag: &str, value: Duration) -> Option<String> {
    let flag = format!("--{flag}={value}");
    let refused = Cli::try_parse_from(["adconversion", "run", &flag]).err();
    refused.map(|error| error.to_string())
}

fn chart_refuses(flag: &str, value: &str) -> Option<String> {
    let mut words = flag.split('-');
    let first = words.next().unwrap().to_owned();
    let key = words.fold(first, |key, word| key + &word[..1].to_uppercase() + &word[1..]);
    let output = helm(
        &["template", "adconversion-operator"],
        &json!({"config": {&key: value}}),
    );
    if !output.success() {
        let place = format!("/config/{key}");
        assert!(output.stderr.contains(&place), "{}", output.stderr);
    }
    (!output.success()).then_some(output.stderr)
}

#[test]
fn what_would_never_pause_or_never_succeed_is_refused_by_program_and_chart() {
    let durations = durations();
    assert!(durations.len() > 20, "{durations:?}");
    for (flag, least) in &durations {
        assert_eq!(
            least.as_std().is_zero(),
            ZERO.contains(&flag.as_str()),
            "--{flag}: {least}"
        );
        assert_eq!(program_refuses(flag, *least), None);
        assert_eq!(chart_refuses(flag, &least.to_string()), None);
        let Some(shorter) = least.as_std().checked_sub(StdDuration::from_millis(1)) else {
            continue;
        };
        for short in [Duration::default(), shorter.into()] {
            let refused = program_refuses(flag, short).unwrap_or_else(|| panic!("--{flag}={short} is taken"));
            for part in [
                format!("'{short}'"),
                format!("--{flag} "),
                format!("it must be at least {least}"),
            ] {
                assert!(refused.contains(&part), "{refused}");
            }
            assert!(
                chart_refuses(flag, &short.to_string()).is_some(),
                "the chart takes --{flag}={short}"
            );
        }
    }
}

#[test]
fn the_chart_adds_up_units() {
    for long in ["1h", "1m", "0h0m1s", "0m1s0ms", "001000ms", "1m10ms"] {
        assert_eq!(chart_refuses("call-timeout", long), None);
    }
    for short in ["0h0m0s0ms", "000999ms", "0s10ms", "0h100ms"] {
        assert!(chart_refuses("call-timeout", short).is_some(), "{short}");
    }
}

/// Helm says a pattern only; the chart's README says what that may mean.
#[test]
fn the_readme_says_what_a_pattern_means() {
    let short = chart_refuses("call-timeout", "0s").unwrap();
    let advised = advice(&short);
    assert!(advised.contains("docs/flags.md"), "{advised} for {short}");
    let values = ["template", "adconversion-operator", "--set", "watchNamespaces={}"];
    let empty = helm(&values, &json!({})).stderr;
    let advised = advice(&empty);
    let way_out = "--set-json 'watchNamespaces=[]'";
    assert!(advised.contains(way_out), "{advised} for {empty}");
    let all = helm(
        &[&values[..2], &["--set-json", "watchNamespaces=[]"]].concat(),
        &json!({"watchNamespaces": ["a"]}),
    );
    assert!(
        all.success() && all.stdout.contains("kind: ClusterRoleBinding"),
        "{}",
        all.stderr
    );
}
