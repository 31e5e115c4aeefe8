//! A ledger in PostgreSQL: its connections, and the check that no pooler stands before the server.

use std::str::FromStr;

use sqlx::any::AnyConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::connect::{Pools, READERS};
use super::connections::{Connections, ReturnToPool};
use super::database::Conn;
use super::error::own_error;
use super::lock::OpenError;
use super::session_lock::{SESSION, SessionLock, backend};
use crate::ports::ledger::LedgerResult;

/// What may stand behind the `?` of a URL. The library passes over anything else, and logs its value: a slip in `sslmode` would
/// switch verification off, and one in `password` show it.
const PARAMETERS: [&str; 17] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

/// The oldest version of the server whose SQL the ledger uses.
const OLDEST: i64 = 14;

/// Opens the database of this URL and takes its lock for the holder of this Lease (empty: there is none). `take_over`:
/// also from the session of the Lease's holder before, if that still has it.
pub(crate) async fn open(url: &str, lease: &str, take_over: bool) -> Result<(Pools, SessionLock), OpenError> {
    let options = connect_options(url)?;
    let writer = Connections::open(options.clone(), 1, SESSION).await?;
    let readers = Connections::open(options, READERS, SESSION).await?;
    let pools = Pools { writer, readers };
    refuse_pooler(&pools).await?;
    let mut conn = pools.writer.acquire().await?;
    refuse_unusable(&mut conn).await?;
    if take_over {
        SessionLock::end_holder(&mut conn, lease).await?;
    }
    let lock = SessionLock::take(&mut conn, lease).await?;
    conn.give_back();
    Ok((pools, lock))
}

/// Connects once, without taking the lock.
pub(crate) async fn check_reachable(url: &str) -> LedgerResult<()> {
    let mut conn = connect_options(url)?.connect().await?;
    refuse_unusable(&mut conn).await?;
    // The server has answered: how the connection ends does not matter.
    let _ = conn.close().await;
    Ok(())
}

fn connect_options(url: &str) -> LedgerResult<AnyConnectOptions> {
    // An error's text may hold the password.
    let unreadable = || own_error("not a URL of a database: give postgres://user:password@host/database");
    let parsed = reqwest::Url::parse(url).map_err(|_| unreadable())?;
    refuse_unknown_parameters(&parsed)?;
    AnyConnectOptions::from_str(url).map_err(|_| unreadable())
}

/// Names the parameter as far as it is a name: what stands there may also be the rest of a password.
fn refuse_unknown_parameters(url: &reqwest::Url) -> LedgerResult<()> {
    let is_known = |key: &str| PARAMETERS.contains(&key) || key.starts_with("options[") && key.ends_with(']');
    let unknown = url.query_pairs().map(|(key, _)| key).find(|key| !is_known(key));
    let Some(key) = unknown else { return Ok(()) };
    let is_name = key.len() <= 32 && key.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'-'));
    let named = if is_name {
        format!("the parameter {key:?}")
    } else {
        "a parameter".to_owned()
    };
    Err(own_error(format!(
        "{named} of the URL is not known: correct it or leave it out. Known are sslmode, sslrootcert, sslcert, sslkey, host, \
         hostaddr, port, dbname, user, password, application_name and options"
    )))
}

async fn refuse_unusable(conn: &mut Conn) -> LedgerResult<()> {
    refuse_old(conn).await?;
    refuse_encoding(conn).await
}

async fn refuse_old(conn: &mut Conn) -> LedgerResult<()> {
    let version: i64 = sqlx::query_scalar("SELECT CAST(current_setting('server_version_num') AS BIGINT)")
        .fetch_one(conn)
        .await?;
    if version / 10_000 < OLDEST {
        return Err(own_error(format!(
            "PostgreSQL {} is too old: use version {OLDEST} or newer",
            version / 10_000
        )));
    }
    Ok(())
}

/// Names of stages and actions, and the notes of deletions, may hold any character.
async fn refuse_encoding(conn: &mut Conn) -> LedgerResult<()> {
    let encoding: String = sqlx::query_scalar("SELECT current_setting('server_encoding')")
        .fetch_one(conn)
        .await?;
    if encoding != "UTF8" {
        return Err(own_error(format!(
            "the database has the encoding {encoding}, which can't keep every name: create it with ENCODING 'UTF8' TEMPLATE template0"
        )));
    }
    Ok(())
}

/// Refuses a pooler between us and the server. Two sessions that are open at one time have two processes at the server,
/// unless a pooler shares one between them. A lock of a session would then belong to the pooler's next client.
async fn refuse_pooler(pools: &Pools) -> LedgerResult<()> {
    let mut writer = pools.writer.acquire().await?;
    for _ in 0..3 {
        let of_writer = backend(&mut writer).await?;
        let mut reader = pools.readers.acquire().await?;
        // A pooler's shared session is free again between transactions, and goes to whoever begins one next.
        let mut transaction = reader.begin().await?;
        let of_reader = backend(&mut transaction).await?;
        transaction.rollback().await?;
        if of_reader == of_writer {
            return Err(own_error(
                "a connection pooler that shares sessions between transactions stands before the database, and no lock \
                 holds there: give --ledger-url the address of PostgreSQL itself, or of a pooler in session mode",
            ));
        }
        reader.give_back();
    }
    writer.give_back();
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case::none("", None)]
    #[case::known(
        "?sslmode=verify-full&sslrootcert=/ca.crt&options=-csearch_path%3Dx&options[statement_timeout]=5s",
        None
    )]
    #[case::a_slip("?sslmod=verify-full", Some("the parameter \"sslmod\" of the URL is not known"))]
    #[case::of_libpq("?sslpassword=geheim", Some("the parameter \"sslpassword\" of the URL is not known"))]
    #[case::no_name("?GEHEIM1", Some("a parameter of the URL is not known"))]
    fn parameters_that_are_not_known_are_refused_without_their_values(#[case] more: &str, #[case] says: Option<&str>) {
        sqlx::any::install_default_drivers();
        let refused = connect_options(&format!("postgres://ada:secret@localhost/ledger{more}")).err();
        let message = refused.map(|error| error.message);
        match says {
            None => assert_eq!(message, None),
            Some(says) => {
                let message = message.unwrap();
                assert!(
                    message.starts_with(says) && message.contains("Known are sslmode"),
                    "{message}"
                );
                assert!(
                    !message.to_lowercase().contains("geheim") && !message.contains("secret"),
                    "{message}"
                );
            }
        }
    }

    #[tokio::test]
    async fn who_does_not_speak_as_postgresql_does_is_told_apart() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        sqlx::any::install_default_drivers();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serves = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 64]).await.unwrap();
            stream.write_all(&[0]).await.unwrap();
        });
        let error = check_reachable(&format!("postgres://ada@{address}/ledger"))
            .await
            .unwrap_err();
        assert!(
            error.message.contains("a load balancer without a healthy primary"),
            "{error}"
        );
        assert!(!error.message.contains("sqlx"), "{error}");
        serves.await.unwrap();
    }
}
