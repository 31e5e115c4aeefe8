//! Connections to a database, kept between calls.
//!
//! Not the pool of `sqlx` 0.9: that one pings each connection that comes back, and waits for the answer without a
//! limit. A connection that died silently keeps its place until TCP gives up, and since only one connection writes, all
//! writes would wait as long.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use scopeguard::ScopeGuard;
use sqlx::any::AnyConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::database::Conn;
use super::error::own_error;
use crate::ports::ledger::LedgerResult;

/// How long a caller waits for a connection.
const CONNECTION_WAIT: Duration = Duration::from_secs(30);
/// Longest wait for the ping of a connection whose call was broken off.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Longest wait for calls that are under way to end, and for each connection to close.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// Pause before a server that starts is tried again, the first time and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(2));

/// Some connections to one database. They stay open: closing the only one would drop a database in memory.
pub(crate) struct Connections {
    options: AnyConnectOptions,
    /// Statements that a new connection begins with.
    setting: &'static str,
    places: Arc<Semaphore>,
    size: u32,
    idle: Mutex<Vec<Conn>>,
}

/// A connection that is in use, and its place. Dropped, it is kept only once it has answered.
pub(crate) type HeldConnection = ScopeGuard<InUse, fn(InUse)>;

/// See [`HeldConnection`].
pub(crate) struct InUse {
    conn: Conn,
    place: OwnedSemaphorePermit,
    home: Arc<Connections>,
}

impl Connections {
    /// A pool of at most `size` connections. The first one is made at once.
    ///
    /// # Errors
    /// Where that can't be made.
    pub(crate) async fn open(options: AnyConnectOptions, size: u32, setting: &'static str) -> LedgerResult<Arc<Self>> {
        let connections = Arc::new(Self {
            options,
            setting,
            places: Arc::new(Semaphore::new(size as usize)),
            size,
            idle: Mutex::default(),
        });
        let first = connections.connect().await?;
        connections.keep(first);
        Ok(connections)
    }

    /// A connection, held exclusively until it is dropped or given back.
    ///
    /// # Errors
    /// Where none is free, or none can be made, in time.
    pub(crate) async fn acquire(self: &Arc<Self>) -> LedgerResult<HeldConnection> {
        let taken = timeout(CONNECTION_WAIT, async {
            let place = Arc::clone(&self.places).acquire_owned().await;
            let place = place.map_err(|_| own_error("the ledger is closed"))?;
            let idle = self.idle.lock().pop();
            let conn = match idle {
                Some(conn) => conn,
                None => self.connect_patiently().await?,
            };
            let home = Arc::clone(self);
            LedgerResult::Ok(InUse { conn, place, home })
        });
        let taken = taken.await;
        let taken =
            taken.unwrap_or_else(|_| Err(own_error("no connection was free, or none could be made, for too long")))?;
        Ok(scopeguard::guard(taken, InUse::keep_if_alive))
    }

    /// Makes a new connection.
    async fn connect(&self) -> Result<Conn, sqlx::Error> {
        let mut conn = self.options.connect().await?;
        sqlx::raw_sql(self.setting).execute(&mut conn).await?;
        Ok(conn)
    }

    /// Makes a new connection, trying again while the server is starting.
    async fn connect_patiently(&self) -> LedgerResult<Conn> {
        let (begun, mut pause) = (Instant::now(), PAUSES.0);
        loop {
            match self.connect().await {
                Ok(conn) => return Ok(conn),
                Err(error) if is_starting(&error) && begun.elapsed() + pause < CONNECTION_WAIT => sleep(pause).await,
                Err(error) => return Err(error.into()),
            }
            pause = PAUSES.1.min(pause * 2);
        }
    }

    /// Waits for calls that are under way, then closes all connections. Nobody gets one afterwards.
    pub(crate) async fn close(&self) {
        // Calls that are under way end first.
        let all = timeout(CLOSE_LIMIT, self.places.acquire_many(self.size)).await;
        self.places.close();
        drop(all);
        let idle = std::mem::take(&mut *self.idle.lock());
        for conn in idle {
            // Where this fails or takes too long, the server ends it.
            let _ = timeout(CLOSE_LIMIT, conn.close()).await;
        }
    }

    fn keep(&self, conn: Conn) {
        if !self.places.is_closed() {
            self.idle.lock().push(conn);
        }
    }
}

/// True if nobody listens yet, or the server says that it is starting or stopping (57P03), or that it has too many
/// connections (53300), one of which may be ours that is just ending.
fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| matches!(&*code, "57P03" | "53300")),
        _ => false,
    }
}

impl InUse {
    /// Keeps a connection whose call was broken off or failed only if it still answers and is outside of any
    /// transaction. On a full disk SQLite rolls back by itself, so that the rollback that follows fails, and the
    /// connection counts as inside a transaction for ever.
    fn keep_if_alive(mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            // Waits for a rollback that was begun when the transaction was dropped.
            let answer = timeout(ANSWER_LIMIT, self.conn.ping()).await;
            if matches!(answer, Ok(Ok(()))) && !self.conn.is_in_transaction() {
                self.home.keep(self.conn);
            } else {
                // The others were most likely made to the same server.
                self.home.idle.lock().clear();
            }
            drop(self.place);
        });
    }
}

impl Deref for InUse {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for InUse {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

/// How a call with a connection ended.
pub(crate) trait ReturnToPool {
    /// The call succeeded: the connection is used again.
    fn give_back(self);
    /// The call got no answer: the connection is not used again.
    fn give_up(self);
}

impl ReturnToPool for HeldConnection {
    fn give_back(self) {
        let InUse { conn, place, home } = Self::into_inner(self);
        home.keep(conn);
        drop(place);
    }

    fn give_up(self) {
        drop(Self::into_inner(self));
    }
}
