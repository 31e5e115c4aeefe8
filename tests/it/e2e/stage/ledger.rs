//! Where the operator's ledger is: a file beside its log, or a schema of its own at a server.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use xtask::process;

use super::{LIMIT, Stage};

/// Names a PostgreSQL server whose user may create schemas: the operators' ledgers are there then.
const SERVER: &str = "ADCONVERSION_TEST_POSTGRES";
/// What leads to a schema, behind a server's URL.
const SCHEMA: &str = "?options=-csearch_path%3D";

/// The URL of a new schema, where a server is named.
pub fn new_schema() -> Option<String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = std::env::var(SERVER).ok()?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("stage_{}_{number}", std::process::id());
    execute(&server, &format!("CREATE SCHEMA {name}"));
    Some(format!("{server}{SCHEMA}{name}"))
}

pub(super) fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work);
}

/// Runs statements at a server.
pub fn execute(server: &str, statements: &str) {
    block_on(async {
        let mut connection = PgConnection::connect(server).await.expect("the server");
        let statements = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()));
        statements.execute(&mut connection).await.expect("the statements");
        connection.close().await.expect("the end of the session");
    });
}

/// The number that a query gives at a server.
pub fn query_number(server: &str, query: &str) -> i64 {
    let mut number = 0;
    block_on(async {
        let mut connection = PgConnection::connect(server).await.expect("the server");
        let query = sqlx::query_scalar(AssertSqlSafe(query.to_owned()));
        number = query.fetch_one(&mut connection).await.expect("a number");
        connection.close().await.expect("the end of the session");
    });
    number
}

/// A program of PostgreSQL's at a server; its output.
fn client(program: &str, server: &str, arguments: &[&str], input: Option<&str>) -> String {
    let mut command = Command::new(program);
    command.arg("--dbname").arg(server).args(arguments);
    let output = process::run(command, input, LIMIT).and_then(process::Output::ok);
    output.unwrap_or_else(|error| panic!("{error}"))
}

/// A back-up, as docs/ledger.md describes it.
pub enum BackUp {
    File(PathBuf),
    Dump(String),
}

impl Stage {
    /// The server and the schema of the ledger.
    fn schema(&self) -> Option<(&str, &str)> {
        let (_, url) = self.flags.iter().rev().find(|(flag, _)| flag == "ledger-url")?;
        url.split_once(SCHEMA)
    }

    /// Host and port of the server that the ledger is at, if it is not a file.
    pub fn ledger_server(&self) -> Option<String> {
        let server: reqwest::Url = self.schema()?.0.parse().expect("a URL");
        let host = server.host_str().expect("a host");
        Some(format!("{host}:{}", server.port().unwrap_or(5432)))
    }

    /// The URL of the ledger at the server, which is reached at this address.
    pub fn ledger_url_at(&self, address: &str) -> String {
        let (server, name) = self.schema().expect("a ledger at a server");
        let server: reqwest::Url = server.parse().expect("a URL");
        let (user, database) = (server.username(), server.path());
        format!("postgres://{user}@{address}{database}{SCHEMA}{name}")
    }

    /// What `/readyz` of an operator that waits names as another's.
    pub fn ledger_lock(&self) -> String {
        match self.schema() {
            Some((_, name)) => format!("schema \"{name}\""),
            None => self.ledger().with_file_name("ledger.db.lock").display().to_string(),
        }
    }

    /// Whether somebody has made the ledger.
    pub fn has_ledger(&self) -> bool {
        let Some((server, name)) = self.schema() else {
            return self.ledger().exists();
        };
        let tables = format!("SELECT count(*) FROM pg_tables WHERE schemaname = '{name}'");
        query_number(server, &tables) > 0
    }

    /// The server ends the session of the operator that has the ledger.
    pub fn end_ledger_sessions(&self) {
        let (server, name) = self.schema().expect("a ledger at a server");
        let end = format!(
            "SELECT count(CASE WHEN pg_terminate_backend(pid, 5000) THEN 1 END) FROM pg_locks
             WHERE locktype = 'advisory' AND granted
               AND CAST(objid AS BIGINT) = (SELECT CAST(oid AS BIGINT) FROM pg_namespace WHERE nspname = '{name}')"
        );
        assert_eq!(query_number(server, &end), 1, "one session has the lock");
    }

    /// Backs the ledger up while the operator works with it.
    pub fn back_up_ledger(&self) -> BackUp {
        if let Some((server, name)) = self.schema() {
            return BackUp::Dump(client("pg_dump", server, &["--schema", name], None));
        }
        let file = self.ledger().with_file_name("backup.db");
        block_on(async {
            let options = SqliteConnectOptions::new().filename(self.ledger());
            let mut connection = options.connect().await.expect("the ledger");
            let vacuum = AssertSqlSafe(format!("VACUUM INTO '{}'", file.display()));
            sqlx::raw_sql(vacuum).execute(&mut connection).await.expect("a back-up");
            connection.close().await.expect("the end of the session");
        });
        BackUp::File(file)
    }

    /// Puts a back-up in the place of the ledger of an operator that is stopped.
    pub fn restore_ledger(&self, back_up: &BackUp) {
        self.lose_ledger();
        match (back_up, self.schema()) {
            (BackUp::Dump(dump), Some((server, name))) => {
                execute(server, &format!("DROP SCHEMA {name}"));
                client("psql", server, &["--quiet", "--set=ON_ERROR_STOP=1"], Some(dump));
            }
            (BackUp::File(file), None) => {
                fs::copy(file, self.ledger()).expect("the back-up");
            }
            _ => panic!("a back-up of another database"),
        }
    }

    /// Loses the ledger of an operator that is stopped.
    pub fn lose_ledger(&self) {
        if let Some((server, name)) = self.schema() {
            execute(server, &format!("DROP SCHEMA {name} CASCADE; CREATE SCHEMA {name}"));
            return;
        }
        for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
            let path = self.ledger().with_file_name(file);
            if path.exists() {
                fs::remove_file(path).expect("the ledger can be removed");
            }
        }
    }
}
