//! Every flag of every command is on a page that people read.

use std::fs;

use adconversion_operator::cli::Cli;
use clap::{Command, CommandFactory};

use super::links::pages;

/// Whether a text has this word: no letter, digit or hyphen follows it.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let next = text[at + word.len()..].chars().next();
        !next.is_some_and(|c| c.is_alphanumeric() || c == '-')
    })
}

/// Commands with a flag each that is on no page.
fn missing(command: &Command, name: &str, pages: &str, missed: &mut Vec<String>, flags: &mut usize) {
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        let Some(flag) = argument.get_long().filter(|flag| *flag != "help" && *flag != "version") else {
            continue;
        };
        *flags += 1;
        if !has_word(pages, &format!("--{flag}")) {
            missed.push(format!("{name} --{flag}"));
        }
    }
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        missing(sub, &format!("{name} {}", sub.get_name()), pages, missed, flags);
    }
}

#[test]
fn every_flag_of_every_command_is_on_a_page() {
    let texts: Vec<String> = pages().iter().map(|page| fs::read_to_string(page).unwrap()).collect();
    let (mut missed, mut flags) = (Vec::new(), 0);
    missing(
        &Cli::command(),
        "adconversion",
        &texts.join("\n"),
        &mut missed,
        &mut flags,
    );
    assert!(flags > 80, "{flags}");
    assert!(missed.is_empty(), "on no page: {missed:#?}");
}

#[test]
fn a_flag_that_only_begins_another_is_missed() {
    assert!(has_word("`--port 8081`", "--port") && has_word("--port", "--port"));
    assert!(!has_word("--portal-id, --port-forward", "--port"));
}
