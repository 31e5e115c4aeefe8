//! What a test that fails leaves to read: the logs of all its operators, and the requests that its ledger holds open.

use std::fs;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Connection, Row};
use xtask::process;

use super::Stage;
use super::ledger::block_on;

/// Lines of each log.
const LINES: usize = 150;
/// Each gives one column of text.
const REQUESTS: &str = "SELECT 'request ' || id || ' ' || state || ' of ' || sender || ' begun ' || begun_at || ' accepted '
    || COALESCE(CAST(accepted_at AS TEXT), '-') || ' poll at ' || COALESCE(CAST(poll_at AS TEXT), '-') || ' polls ' || polls
    FROM requests ORDER BY id";
const CONVERSIONS: &str = "SELECT count(*) || ' conversions ' || state || ' ' || reason || ' of request '
    || COALESCE(CAST(request AS TEXT), '-') || ' due ' || COALESCE(CAST(min(due) AS TEXT), '-') || ' changed '
    || max(changed_at) FROM conversions GROUP BY state, reason, request";
const SESSIONS: &str = "SELECT 'session ' || pid || ' ' || COALESCE(state, '-') || ' waits for '
    || COALESCE(wait_event_type || '/' || wait_event, 'nothing') || ' blocked by '
    || CAST(pg_blocking_pids(pid) AS TEXT) || ': ' || left(query, 200)
    FROM pg_stat_activity WHERE application_name = 'adconversion-operator' ORDER BY pid";

impl Stage {
    /// Prints it. Whatever can't be read is said, and never fails: the test has failed already.
    pub(super) fn print_evidence(&self) {
        for name in self.log_names() {
            let text = fs::read_to_string(self.directory.join(&name)).unwrap_or_default();
            eprintln!(
                "{name} of {} (its last {LINES} lines):\n{}",
                self.namespace,
                process::tail(&text, LINES)
            );
        }
        let now = jiff::Timestamp::now();
        eprintln!("ledger of {} at {} ({now}):", self.namespace, now.as_millisecond());
        block_on(self.print_ledger());
    }

    /// Those of the operators; not the sandbox's.
    fn log_names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        let logs = paths.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        let mut names: Vec<_> = logs
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .filter(|name| !name.starts_with("sandbox"))
            .collect();
        names.sort();
        names
    }

    async fn print_ledger(&self) {
        sqlx::any::install_default_drivers();
        let server = self.flags.iter().rev().find(|(flag, _)| flag == "ledger-url");
        let url = match server {
            Some((_, url)) => url.clone(),
            None => format!("sqlite://{}?mode=ro", self.ledger().display()),
        };
        let mut connection = match AnyConnection::connect(&url).await {
            Ok(connection) => connection,
            Err(error) => return eprintln!("it can't be opened: {error}"),
        };
        let sessions = server.map(|_| SESSIONS);
        for statement in [REQUESTS, CONVERSIONS].into_iter().chain(sessions) {
            match sqlx::query(statement).fetch_all(&mut connection).await {
                Ok(rows) => rows.iter().for_each(print_row),
                Err(error) => eprintln!("it can't be read: {error}"),
            }
        }
    }
}

fn print_row(row: &AnyRow) {
    match row.try_get::<String, _>(0) {
        Ok(text) => eprintln!("{text}"),
        Err(error) => eprintln!("a row can't be read: {error}"),
    }
}
