//! Moves a ledger from one database to another, of either kind.
//!
//! All of it is one write of the target: a copy that breaks off, or that differs from its source, leaves the target
//! empty.

use sha2::{Digest as _, Sha256};
use sqlx::any::AnyRow;
use sqlx::{Connection, Row as _};

use super::columns::json_rows;
use super::connections::HeldConnection;
use super::database::{Conn, Database, Disk};
use super::error::{damaged_value, own_error};
use super::lock::OpenError;
use super::open::{Opened, Opening};
use super::tables::{ColumnKind, TABLES, Table};
use super::{connect, open};
use crate::ports::ledger::{LedgerError, LedgerId, LedgerResult};

/// Why a ledger was not copied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// Another process holds the lock.
    #[error(
        "{side}: another process works with this ledger: it holds {holder}. Stop it first; where --from and \
         --to are the same database, name another one"
    )]
    InUse { side: &'static str, holder: String },
    #[error(
        "--to: the database holds a ledger already ({rows} rows in table {table}). Nothing was changed: name an empty \
         database or schema"
    )]
    TargetInUse { table: &'static str, rows: i64 },
    #[error("{side}: {error}")]
    Failed { side: &'static str, error: LedgerError },
    /// The two sides differ after all rows were written.
    #[error("the copy differs from its source in table {0}: it was not kept, --to is as it was")]
    Differs(&'static str),
}

/// A copied table, whose counts and sums are the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableCopy {
    pub(crate) table: &'static str,
    pub(crate) rows: u64,
    /// A checksum over all values of all rows, whatever their order.
    pub(crate) digest: String,
}

/// The copied tables, proved equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LedgerCopy {
    pub(crate) id: LedgerId,
    pub(crate) tables: Vec<TableCopy>,
}

/// How far a copy has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CopyProgress {
    /// All rows are written, and are now read once more to compare them.
    pub(crate) comparing: bool,
    pub(crate) table: &'static str,
    pub(crate) rows: u64,
    pub(crate) of: u64,
}

const FROM: &str = "--from";
const TO: &str = "--to";

/// Copies the ledger of the first URL to the database of the second, which must hold none, and compares the two. The
/// source is brought to the schema of this version before, and is not changed otherwise.
///
/// # Errors
/// See [`CopyError`].
pub(crate) async fn copy_ledger(
    from: &str,
    to: &str,
    progress: &mut (dyn FnMut(CopyProgress) + Send),
) -> Result<LedgerCopy, CopyError> {
    let from = open_side(from, FROM, true).await?;
    let to = open_side(to, TO, false).await?;
    let copied = copy_between(&from, &to, progress).await;
    from.close().await;
    to.close().await;
    copied
}

async fn open_side(url: &str, side: &'static str, must_exist: bool) -> Result<Opened, CopyError> {
    let opening = Opening {
        must_exist,
        ..Opening::USUAL
    };
    open::open_database(url, opening).await.map_err(|error| match error {
        OpenError::InUse(holder) => CopyError::InUse { side, holder },
        OpenError::Failed(error) => CopyError::Failed { side, error },
    })
}

/// Names the side on which an error happened.
fn at<E: Into<LedgerError>>(side: &'static str) -> impl Fn(E) -> CopyError {
    move |error| CopyError::Failed {
        side,
        error: error.into(),
    }
}

async fn writer(ledger: &Opened) -> LedgerResult<HeldConnection> {
    ledger.pools.writer.acquire().await
}

async fn copy_between(
    from: &Opened,
    to: &Opened,
    progress: &mut (dyn FnMut(CopyProgress) + Send),
) -> Result<LedgerCopy, CopyError> {
    let mut source = writer(from).await.map_err(at(FROM))?;
    let mut target = writer(to).await.map_err(at(TO))?;
    let begin = to.database.begin_write(Disk::Wait, true);
    let mut write = target.begin_with(begin).await.map_err(at(TO))?;
    to.database.lift_time_limits(&mut write).await.map_err(at(TO))?;
    to.lock.confirm(&mut write).await.map_err(at(TO))?;
    refuse_rows(&mut write).await?;
    let mut read = source.begin_with(from.database.begin_read()).await.map_err(at(FROM))?;
    from.database.lift_time_limits(&mut read).await.map_err(at(FROM))?;
    let id = connect::read_ledger_id(&mut read).await.map_err(at(FROM))?;
    let mut tables = Vec::new();
    for table in &TABLES {
        tables.push(copy_table(&mut read, &mut write, table, progress).await?);
        if table.numbered {
            let last = last_number(from.database, &mut read, table).await.map_err(at(FROM))?;
            set_last_number(to.database, &mut write, table, last)
                .await
                .map_err(at(TO))?;
        }
    }
    read.commit().await.map_err(at(FROM))?;
    for (table, copied) in TABLES.iter().zip(&tables) {
        if digest_of(&mut write, table, progress).await.map_err(at(TO))? != *copied {
            return Err(CopyError::Differs(table.name));
        }
    }
    write.commit().await.map_err(at(TO))?;
    Ok(LedgerCopy { id, tables })
}

/// Fails if the target has rows. If it was only opened before, it has nothing but an identity, which is removed: the
/// source's takes its place.
async fn refuse_rows(conn: &mut Conn) -> Result<(), CopyError> {
    sqlx::query("DELETE FROM meta WHERE name = 'ledger_id'")
        .execute(&mut *conn)
        .await
        .map_err(at(TO))?;
    for table in &TABLES {
        let rows = count(conn, table).await.map_err(at(TO))?;
        if rows > 0 {
            let table = table.name;
            return Err(CopyError::TargetInUse { table, rows });
        }
    }
    Ok(())
}

async fn count(conn: &mut Conn, table: &Table) -> LedgerResult<i64> {
    let count = sqlx::AssertSqlSafe(table.count());
    Ok(sqlx::query_scalar(count).fetch_one(conn).await?)
}

async fn copy_table(
    read: &mut Conn,
    write: &mut Conn,
    table: &'static Table,
    progress: &mut (dyn FnMut(CopyProgress) + Send),
) -> Result<TableCopy, CopyError> {
    let of = count(read, table).await.map_err(at(FROM))?;
    let mut reader = Reader::new(table);
    let mut digest = TableDigest::default();
    while let Some(rows) = reader.next(read).await.map_err(at(FROM))? {
        digest.add(&rows).map_err(at(FROM))?;
        let rows = json_rows(&rows).map_err(at(FROM))?;
        let insert = sqlx::query(sqlx::AssertSqlSafe(table.insert())).bind(rows);
        insert.execute(&mut *write).await.map_err(at(TO))?;
        progress(digest.progress(table, of, false));
    }
    Ok(digest.finish(table))
}

async fn digest_of(
    conn: &mut Conn,
    table: &'static Table,
    progress: &mut (dyn FnMut(CopyProgress) + Send),
) -> LedgerResult<TableCopy> {
    let of = count(conn, table).await?;
    let mut reader = Reader::new(table);
    let mut digest = TableDigest::default();
    while let Some(rows) = reader.next(conn).await? {
        digest.add(&rows)?;
        progress(digest.progress(table, of, true));
    }
    Ok(digest.finish(table))
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
enum Value {
    Number(i64),
    Text(String),
    Absent(()),
}

/// Reads a table a batch at a time, in the order of its key as this database has it.
struct Reader {
    table: &'static Table,
    part: usize,
    after: Vec<Value>,
}

impl Reader {
    fn new(table: &'static Table) -> Self {
        Self {
            table,
            part: 0,
            after: Vec::new(),
        }
    }

    async fn next(&mut self, conn: &mut Conn) -> LedgerResult<Option<Vec<Vec<Value>>>> {
        while let Some(part) = self.table.parts.get(self.part) {
            let statement = self.table.select(part, !self.after.is_empty());
            let mut query = sqlx::query(sqlx::AssertSqlSafe(statement));
            for value in self.after.drain(..) {
                query = match value {
                    Value::Number(number) => query.bind(number),
                    Value::Text(text) => query.bind(text),
                    Value::Absent(()) => return Err(damaged_value("a key without a value")),
                };
            }
            let found = query.fetch_all(&mut *conn).await?;
            let rows: LedgerResult<Vec<_>> = found.iter().map(|row| values(self.table, row)).collect();
            let rows = rows?;
            if let Some(last) = rows.last() {
                self.after.extend(last.iter().take(self.table.key).cloned());
                return Ok(Some(rows));
            }
            self.part += 1;
        }
        Ok(None)
    }
}

fn values(table: &Table, row: &AnyRow) -> LedgerResult<Vec<Value>> {
    let value = |(index, (_, kind)): (usize, &(&str, ColumnKind))| {
        Ok(match kind {
            ColumnKind::Number => row.try_get::<Option<i64>, _>(index)?.map(Value::Number),
            ColumnKind::Text => row.try_get::<Option<String>, _>(index)?.map(Value::Text),
        }
        .unwrap_or(Value::Absent(())))
    };
    table.columns.iter().enumerate().map(value).collect()
}

/// The sum of the SHA-256 of all rows, as the two databases order texts differently.
#[derive(Default)]
struct TableDigest {
    rows: u64,
    sum: [u64; 4],
}

impl TableDigest {
    fn add(&mut self, rows: &[Vec<Value>]) -> LedgerResult<()> {
        for row in rows {
            let text =
                serde_json::to_vec(row).map_err(|e| own_error(format!("a row can't be written as JSON: {e}")))?;
            let mut carry = false;
            for (limb, bytes) in self.sum.iter_mut().zip(Sha256::digest(&text).chunks_exact(8)) {
                let bytes = bytes.try_into().map_err(|_| own_error("a digest of an odd length"))?;
                let (sum, first) = limb.overflowing_add(u64::from_le_bytes(bytes));
                let (sum, second) = sum.overflowing_add(u64::from(carry));
                (*limb, carry) = (sum, first || second);
            }
            self.rows += 1;
        }
        Ok(())
    }

    fn progress(&self, table: &Table, of: i64, comparing: bool) -> CopyProgress {
        CopyProgress {
            comparing,
            table: table.name,
            rows: self.rows,
            of: of.try_into().unwrap_or_default(),
        }
    }

    fn finish(self, table: &Table) -> TableCopy {
        let limbs: Vec<_> = self.sum.iter().map(|limb| format!("{limb:016x}")).collect();
        TableCopy {
            table: table.name,
            rows: self.rows,
            digest: limbs.concat(),
        }
    }
}

/// The highest number that was ever given to a row of this table, also if that row is gone.
async fn last_number(database: Database, conn: &mut Conn, table: &Table) -> LedgerResult<i64> {
    let found = sqlx::query_scalar(sqlx::AssertSqlSafe(database.last_number(table.name)));
    Ok(found.fetch_optional(conn).await?.unwrap_or_default())
}

async fn set_last_number(database: Database, conn: &mut Conn, table: &Table, last: i64) -> LedgerResult<()> {
    if last == 0 {
        return Ok(());
    }
    for statement in database.set_last_number(table.name, last) {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *conn).await?;
    }
    Ok(())
}
