//! Looking up many numbers at once: rows noted together lie together, so that one look at all between the first and the
//! last number costs a third of a look at each.

use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, SqliteConnection};

use crate::ledger::columns::{CHUNK, count, json};
use crate::ports::ledger::LedgerResult;

/// Two ways to ask for the same; what both find is a number and what belongs to it.
pub(crate) struct Lookup {
    /// `?1`: whose; `?2` to `?3`: from the first number to the last; `?4`: at most so many.
    pub(crate) between: &'static str,
    /// `?1`: whose; `?2`: an array of numbers.
    pub(crate) each: &'static str,
}

impl Lookup {
    /// What is there for these numbers, and maybe for others between them.
    pub(crate) async fn find<T>(
        &self,
        conn: &mut SqliteConnection,
        owner: i64,
        numbers: &[i64],
    ) -> LedgerResult<Vec<(i64, T)>>
    where
        (i64, T): for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let most = 2 * numbers.len();
        let mut found: Vec<(i64, T)> = sqlx::query_as(self.between)
            .bind(owner)
            .bind(numbers.iter().min())
            .bind(numbers.iter().max())
            .bind(count(most + 1)?)
            .fetch_all(&mut *conn)
            .await?;
        if found.len() <= most {
            return Ok(found);
        }
        found.clear();
        for chunk in numbers.chunks(CHUNK) {
            let of_chunk = sqlx::query_as(self.each).bind(owner).bind(json(chunk)?);
            found.extend(of_chunk.fetch_all(&mut *conn).await?);
        }
        Ok(found)
    }
}

/// The first and the last of these numbers where at most as many others lie between.
pub(crate) fn close_together(numbers: &[i64]) -> Option<(i64, i64)> {
    let (first, last) = (*numbers.iter().min()?, *numbers.iter().max()?);
    let span = usize::try_from(last.checked_sub(first)?).ok()?;
    (span < 2 * numbers.len()).then_some((first, last))
}
