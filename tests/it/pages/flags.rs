//! The page of the flags of `adconversion run`.

use std::fmt::Write;

use adconversion_operator::cli::Cli;
use clap::CommandFactory;

use super::{cell, fresh, head};

const ABOUT: &str = "\
Each flag has an environment variable too: `--click-grace` is `ADCONVERSION_CLICK_GRACE`. In the chart it is \
`config.clickGrace`. These flags have no name under `config`: the chart sets `--listen`, `--ledger-url`, `--leader-elect`, \
`--lease-name` and `--lease-namespace` itself, and its values `watchNamespaces` and `ambientCredentialsNamespaces` set the \
flags of these names. Durations are written like `90s`, `6h` or `1h30m`.

| flag | default | |
|---|---|---|
";

#[test]
fn the_flags_and_their_defaults_are_written() {
    let program = Cli::command();
    let run = program.find_subcommand("run").unwrap();
    let mut page = head(
        "Flags of `adconversion run`",
        "src/cli/flags.rs, src/cli/endpoints.rs and src/cli/leader_flags.rs",
    ) + ABOUT;
    let mut flags = 0;
    for argument in run.get_arguments().filter(|argument| argument.get_id() != "help") {
        let flag = argument.get_long().unwrap();
        let default = argument.get_default_values().first();
        let default = default.map_or_else(String::new, |value| format!("`{}`", value.to_str().unwrap()));
        let help = argument.get_long_help().or(argument.get_help()).unwrap().to_string();
        let help = cell(&help);
        writeln!(
            page,
            "| `--{flag}` | {default} | {help}. |",
            help = help.trim_end_matches('.')
        )
        .unwrap();
        flags += 1;
    }
    assert!(flags > 30, "{flags}");
    fresh("flags.md", &page);
}
