//! `adconversion ledger`: what is done to a ledger while no operator works with it.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::command_error::CommandError;
use super::exit_codes::FINDING;
use super::layout::Width;
use super::progress::Progress;
use crate::ledger::{CopyError, CopyProgress, LedgerCopy, copy_ledger};

/// Characters of a digest that are printed; the whole is compared.
const DIGITS: usize = 16;

/// `adconversion ledger COMMAND`.
#[derive(Debug, Args)]
pub(super) struct LedgerFlags {
    #[command(subcommand)]
    command: LedgerCommand,
}

#[derive(Debug, Subcommand)]
enum LedgerCommand {
    /// Copy a ledger to another database, and verify that the two are equal. Each URL is written as for `run
    /// --ledger-url`: from a file to PostgreSQL, back, or between two of a kind. No operator may work with either, and
    /// the target must have no rows of a ledger. The ledger keeps its id, so for the operator and Google it is still
    /// the same. A copy that is interrupted leaves no row in the target, and can be begun again. Rows and digest of each table are printed. The
    /// exit code is 0 if the copy is equal, 1 if it differs (then it is not kept), 2 if nothing could be copied.
    ///
    /// Example: adconversion ledger copy --from
    /// sqlite:///var/lib/adconversion/ledger.db --to postgres://db/adconversion
    #[allow(clippy::doc_markdown)] // the help shows it as it stands
    Copy(CopyFlags),
}

/// Flags of `adconversion ledger copy`.
#[derive(Debug, Args)]
struct CopyFlags {
    /// The ledger to copy. Nothing of it changes, except that an older schema is upgraded to this version. If the URL
    /// holds a password, set the environment variable instead of the flag.
    #[arg(long, env = "ADCONVERSION_COPY_FROM", hide_env_values = true, value_name = "URL")]
    from: String,
    /// Where to: a file that does not exist yet, whose directory does, or an empty schema of PostgreSQL.
    #[arg(long, env = "ADCONVERSION_COPY_TO", hide_env_values = true, value_name = "URL")]
    to: String,
}

/// Carries out the command.
pub(super) fn run(flags: &LedgerFlags) -> Result<ExitCode, CommandError> {
    let LedgerCommand::Copy(flags) = &flags.command;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(copy(flags)) {
        Ok(copy) => {
            print!("{}", copy_text(&copy, Width::of_stdout()));
            Ok(ExitCode::SUCCESS)
        }
        Err(error @ CopyError::Differs(_)) => {
            eprintln!("{error}");
            Ok(ExitCode::from(FINDING))
        }
        Err(error) => Err(error.to_string().into()),
    }
}

async fn copy(flags: &CopyFlags) -> Result<LedgerCopy, CopyError> {
    let progress = Progress::begin("Opening both ledgers");
    let mut say = |copied: CopyProgress| progress.say(progress_line(copied));
    copy_ledger(&flags.from, &flags.to, &mut say).await
}

fn progress_line(copied: CopyProgress) -> String {
    let CopyProgress {
        comparing,
        table,
        rows,
        of,
    } = copied;
    let what = if comparing { "compared" } else { "copied" };
    format!("{table}: {rows} of {of} {what}")
}

fn copy_text(copy: &LedgerCopy, width: Width) -> String {
    let rows = copy.tables.iter().map(|table| {
        let digest = table.digest.get(..DIGITS).unwrap_or(&table.digest);
        vec![table.table.to_owned(), table.rows.to_string(), digest.to_owned()]
    });
    let table = width.table(&["TABLE", "ROWS", "DIGEST (both sides)"], 2, &rows.collect::<Vec<_>>());
    format!("{table}\n\nLedger {} was copied. Both sides are equal.\n", copy.id.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::layout::tests::{WIDTHS, assert_fits};
    use crate::ledger::TableCopy;
    use crate::ports::ledger::LedgerId;

    #[test]
    fn what_was_copied_is_a_table_that_fits() {
        let table = |table, rows| TableCopy {
            table,
            rows,
            digest: "0123456789abcdef0123".to_owned(),
        };
        let copy = LedgerCopy {
            id: LedgerId("0123456789abcdef0123456789abcdef".to_owned()),
            tables: vec![table("conversions", 100_000), table("canonical_contacts", 7)],
        };
        let expected = "\
TABLE               ROWS    DIGEST (both sides)
conversions         100000  0123456789abcdef
canonical_contacts  7       0123456789abcdef

Ledger 0123456789abcdef0123456789abcdef was copied. Both sides are equal.
";
        assert_eq!(copy_text(&copy, Width::PIPE), expected);
        for columns in WIDTHS {
            let text = copy_text(&copy, Width::of(columns));
            let (table, _) = text.split_once("\n\n").unwrap_or_default();
            assert_fits(table, columns);
        }
    }
}
