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
    AnyConnectOptions::from_str(url)
        // The error's text may hold the password.
        .map_err(|_| own_error("not a URL of a database: give postgres://user:password@host/database"))
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
