//! PostgreSQL's own faults: whatever becomes of the server, of a connection or of a transaction, Google gets every
//! conversion with one value, and the counts add up at every moment. Without a server there is nothing to test.

mod commit_link;
mod refusals;
mod work;

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use xtask::postgres::Postgres;

use self::commit_link::{CommitLink, Fate};
use self::work::work_through;
use crate::e2e::new_schema;

/// The URL of an empty schema at the server of the tests, where one is named.
fn own_schema() -> Option<String> {
    // It waits in a way of its own.
    std::thread::spawn(new_schema).join().expect("a schema")
}

/// A server that a test may break; `None` where the tests run without one.
fn own_server() -> Option<Postgres> {
    own_schema().map(|_| Postgres::start(None).expect("a server of its own"))
}

async fn execute(url: &str, statements: &str) {
    let mut connection = PgConnection::connect(url).await.expect("the server");
    let statements = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()));
    statements.execute(&mut connection).await.expect("the statements");
    connection.close().await.expect("the end of the session");
}

/// A number that shows no order.
fn scatter(number: usize) -> u32 {
    (u32::try_from(number).expect("small") * 31 + 7).wrapping_mul(2_654_435_761) >> 16
}

/// One in seven transactions is cut off, before the COMMIT goes out or before its answer comes back.
#[tokio::test(flavor = "multi_thread")]
async fn connections_may_be_cut_around_any_commit() {
    let Some(url) = own_schema() else { return };
    for phase in 0..2 {
        // In no period: a pass that is cut off begins again, and would be cut off at the same step for ever.
        let link = CommitLink::start(&url, move |number| match scatter(number + 1_000 * phase) % 14 {
            0 => Fate::CutBefore,
            7 => Fate::CutAfter,
            _ => Fate::Passes,
        });
        let url = link.url_of(&own_schema().expect("another schema"));
        let sent = work_through(&url).await;
        println!("phase {phase}: {} transactions, {sent} rows sent", link.commits());
        assert!(link.commits() > 20, "{} transactions", link.commits());
    }
}

/// The server crashes before a transaction is committed, and starts
/// again: in the opening, between any two steps of the work.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_may_crash_in_every_phase() {
    let Some(server) = own_server() else { return };
    let server = Arc::new(server);
    let url = server.url();
    let crashing = Arc::clone(&server);
    let link = CommitLink::start(&url, move |number| {
        // Each phase of the opening, and then ever rarer.
        if matches!(number, 1..=5 | 10 | 20 | 40 | 80) {
            crashing.restart().expect("the server starts again");
        }
        Fate::Passes
    });
    let sent = work_through(&link.url_of(&url)).await;
    println!("{} transactions, {sent} rows sent", link.commits());
    assert!(link.commits() > 20, "{} transactions", link.commits());
}

/// What a write fails with in turn: serialization failures, deadlocks, a full disk, a standby, too little time, an
/// administrator.
const CODES: [&str; 6] = ["40001", "40P01", "53100", "25006", "57014", "57P01"];

/// Some writes fail at a statement, others at their COMMIT.
#[tokio::test(flavor = "multi_thread")]
async fn any_write_may_be_refused() {
    let Some(url) = own_schema() else { return };
    // Its tables.
    work::open(&url).await.close().await;
    let codes = CODES.join(",");
    let refuse = format!(
        "CREATE SEQUENCE faults;
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
         DECLARE number BIGINT := nextval('faults'); codes TEXT[] := string_to_array('{codes}', ',');
         BEGIN
             -- In no period: a pass that fails begins again, and would fail at the same step for ever.
             IF abs(hashint8(number)) % 6 = 0 THEN
                 RAISE EXCEPTION 'as the test wants it' USING ERRCODE = codes[1 + number % array_length(codes, 1)];
             END IF;
             RETURN NULL;
         END $$;"
    );
    let at_once = ["conversions", "requests", "streams"].map(|table| {
        format!(
            "CREATE TRIGGER refuse AFTER INSERT OR UPDATE OR DELETE ON {table}
             FOR EACH STATEMENT EXECUTE FUNCTION refuse();"
        )
    });
    // Asked for each row, so only of the table that is written rarely.
    let late = "CREATE CONSTRAINT TRIGGER refuse_late AFTER INSERT OR UPDATE ON requests DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION refuse();";
    execute(&url, &[&refuse, at_once.concat().as_str(), late].concat()).await;
    let sent = work_through(&url).await;
    let mut connection = PgConnection::connect(&url).await.expect("the server");
    let asked: i64 = sqlx::query_scalar("SELECT last_value FROM faults")
        .fetch_one(&mut connection)
        .await
        .expect("the number of the last one");
    println!("{asked} writes asked, {sent} rows sent");
    assert!(asked > 18, "{asked} writes");
}

/// The whole server takes no writes for a while, as where its provider has locked it.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_become_read_only_for_a_while() {
    let Some(server) = own_server() else { return };
    let url = server.url();
    let (locking, of_locking) = (Arc::new(server), url.clone());
    let locked = Arc::clone(&locking);
    let link = CommitLink::start(&url, move |number| {
        let is = if number == 8 { "on" } else { "off" };
        if matches!(number, 8 | 20) {
            let set = format!("--command=ALTER SYSTEM SET default_transaction_read_only = {is}");
            let mut arguments = vec!["--quiet", "--dbname", &of_locking];
            // Also while it is locked.
            arguments.extend(["--command=SET default_transaction_read_only = off", &set]);
            locked.run_program("psql", &arguments).expect("the setting");
            locked.reload().expect("the server reads it");
        }
        Fate::Passes
    });
    let sent = work_through(&link.url_of(&url)).await;
    println!("{} transactions, {sent} rows sent", link.commits());
    assert!(link.commits() > 20, "it was locked and opened");
}
