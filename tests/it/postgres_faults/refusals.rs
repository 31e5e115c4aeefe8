//! Databases that a ledger can't be kept in: what the operator says, and that it works once the way out was taken.

use std::fs;
use std::path::Path;

use adconversion_operator::ledger::{OpenError, SqlLedger};
use adconversion_operator::ports::ledger::Ledger;
use xtask::postgres::{Postgres, pooler};

use super::{execute, own_server};
use crate::support::wait::until_blocking;

/// Why it can't be opened. No message holds a password.
async fn refusal(url: &str) -> String {
    match SqlLedger::open(url).await {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains("hunter2"), "{text}");
            text
        }
    }
}

async fn opens(url: &str) {
    SqlLedger::open(url).await.expect("a ledger").close().await;
}

/// Puts rules before those that let everybody in.
fn refuse_by(server: &Postgres, rules: &str) {
    let path = Path::new(&server.data()).join("pg_hba.conf");
    let usual = fs::read_to_string(&path).expect("the rules");
    fs::write(&path, format!("{rules}\n{usual}")).expect("the rules");
    server.reload().expect("the server reads them");
}

#[tokio::test]
async fn a_wrong_password_is_named_without_it() {
    let Some(server) = own_server() else { return };
    for statement in [
        "CREATE ROLE checked LOGIN PASSWORD 'right'",
        "CREATE DATABASE ledger OWNER checked",
    ] {
        execute(&server.url(), statement).await;
    }
    refuse_by(&server, "host all checked all scram-sha-256");
    let url = |password: &str| format!("postgres://checked{password}@127.0.0.1:{}/ledger", server.port());
    for wrong in [":hunter2", ""] {
        let said = refusal(&url(wrong)).await;
        assert!(said.contains("password"), "{said}");
    }
    opens(&url(":right")).await;
}

/// Names are kept as they are, whatever their letters.
#[tokio::test]
async fn a_database_that_can_not_keep_every_name_is_refused() {
    let Some(server) = own_server() else { return };
    let create = "CREATE DATABASE ledger LOCALE 'C' TEMPLATE template0 ENCODING";
    execute(&server.url(), &format!("{create} 'LATIN1'")).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/ledger", server.port());
    let said = refusal(&url).await;
    assert!(
        said.contains("encoding LATIN1") && said.contains("ENCODING 'UTF8'"),
        "{said}"
    );
    execute(&server.url(), "DROP DATABASE ledger").await;
    execute(&server.url(), &format!("{create} 'UTF8'")).await;
    opens(&url).await;
}

/// A key, and a certificate for a host called `localhost` that is its own authority.
fn make_certificate(server: &Postgres, name: &str) -> String {
    let data = server.data();
    let (config, certificate) = (format!("{data}/{name}.cnf"), format!("{data}/{name}.crt"));
    let text = "[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\n[dn]\nCN=localhost\n[ext]\n\
                subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n";
    fs::write(&config, text).expect("a configuration");
    let key = format!("{data}/{name}.key");
    let arguments = ["req", "-new", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "2"];
    let files = ["-config", &config, "-keyout", &key, "-out", &certificate];
    server
        .run_program("openssl", &[arguments.as_slice(), &files].concat())
        .expect("a certificate");
    certificate
}

#[tokio::test]
async fn a_server_that_wants_tls_gets_it_and_is_checked() {
    let Some(server) = own_server() else { return };
    let (right, wrong) = (make_certificate(&server, "server"), make_certificate(&server, "other"));
    execute(&server.url(), "ALTER SYSTEM SET ssl = on").await;
    refuse_by(&server, "hostnossl all all all reject");
    let url = |host: &str, options: &str| format!("postgres://postgres@{host}:{}/postgres?{options}", server.port());
    let full = |file: &str| format!("sslmode=verify-full&sslrootcert={file}");
    for (url, part) in [
        (url("localhost", "sslmode=disable"), "no encryption"),
        (url("localhost", &full(&wrong)), "no TLS with the database"),
        (url("127.0.0.1", &full(&right)), "no TLS with the database"),
        (url("localhost", &full("/nowhere.crt")), "sslrootcert"),
    ] {
        let said = refusal(&url).await;
        assert!(said.contains(part), "{url}: {said}");
    }
    opens(&url("localhost", &full(&right))).await;
}

#[tokio::test]
async fn a_standby_is_refused_and_takes_over_when_it_is_promoted() {
    let Some(primary) = own_server() else { return };
    let ledger = SqlLedger::open(&primary.url()).await.expect("a ledger");
    let id = ledger.ledger_id().await.expect("an id");
    let standby = primary.start_standby(None).expect("a standby");
    let said = refusal(&standby.url()).await;
    assert!(said.contains("read-only") && said.contains("primary"), "{said}");
    primary.crash().expect("the end of the primary");
    standby.promote().expect("a primary");
    // The lock was the session's, of the server that is gone.
    let taken = SqlLedger::open(&standby.url()).await.expect("the ledger");
    assert_eq!(taken.ledger_id().await.expect("an id"), id);
    taken.close().await;
    assert!(ledger.ledger_id().await.is_err(), "its server is gone");
}

/// `PgBouncer` before the server of the tests, in one mode; the URL of a schema by way of it.
fn start_pooler(host: &Postgres, mode: &str) -> String {
    let program = pooler().expect("PgBouncer");
    let port = xtask::ports::free(1).expect("a port")[0];
    let server = format!("host=127.0.0.1 port={}", host.port());
    let config = format!("{}/pooler-{mode}.ini", host.data());
    let text = format!(
        "[databases]\npostgres = {server} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\nauth_type = any\npool_mode = {mode}\nignore_startup_parameters = extra_float_digits,options\n"
    );
    fs::write(&config, text).expect("a configuration");
    host.start_beside(&format!("pooler-{mode}"), &program, &[config])
        .expect("a pooler");
    let listens = || std::net::TcpStream::connect(("127.0.0.1", port));
    until_blocking("the pooler", std::time::Duration::from_secs(10), listens);
    format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable")
}

#[tokio::test]
async fn a_pooler_that_shares_sessions_is_refused_and_one_that_does_not_is_not() {
    let Some(server) = own_server() else { return };
    for mode in ["transaction", "statement"] {
        let said = refusal(&start_pooler(&server, mode)).await;
        assert!(
            said.contains("pooler") && said.contains("--ledger-url"),
            "{mode}: {said}"
        );
    }
    let url = start_pooler(&server, "session");
    let ledger = SqlLedger::open(&url).await.expect("a ledger");
    let Err(OpenError::InUse(_)) = SqlLedger::open(&server.url()).await else {
        panic!("the lock does not hold behind the pooler");
    };
    ledger.close().await;
}
