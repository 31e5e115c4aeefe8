//! `adconversion ledger`: what is done to a ledger while no operator works with it.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};

use super::command_error::CommandError;
use super::exit_codes::FINDING;
use crate::ledger::{CopyError, LedgerCopy, Progress, copy_ledger};

/// So often it is said how far a copy has come.
const SAYS: Duration = Duration::from_secs(2);
/// So much of a digest is printed; all of it is compared.
const DIGITS: usize = 16;

/// `adconversion ledger COMMAND`.
#[derive(Debug, Args)]
pub(super) struct LedgerFlags {
    #[command(subcommand)]
    command: LedgerCommand,
}

#[derive(Debug, Subcommand)]
enum LedgerCommand {
    /// Copy a ledger to another database, and prove that the two are equal. Each URL is one as `run --ledger-url` takes: from
    /// a file to PostgreSQL, back, or between two of a kind. No operator may work with either; the target must hold no
    /// ledger's rows. The ledger keeps its id, so that to the operator and to Google it is the same. A copy that breaks off
    /// leaves the target as it was. Rows and digest of each table are printed. The exit code is 0 when the copy is equal, 1 when
    /// it differs (it is not kept then), 2 when nothing could be copied.
    ///
    /// Example: adconversion ledger copy --from sqlite:///var/lib/adconversion/ledger.db --to postgres://db/adconversion
    #[allow(clippy::doc_markdown)] // the help shows it as it stands
    Copy(CopyFlags),
}

/// Flags of `adconversion ledger copy`.
#[derive(Debug, Args)]
struct CopyFlags {
    /// The ledger to copy. Only its schema is brought to this version, where it is older. Set the environment variable rather
    /// than the flag where the URL holds a password.
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
    let mut said = Instant::now();
    let mut progress = |progress: Progress| {
        let ends = progress.rows == progress.of;
        if ends || said.elapsed() >= SAYS {
            said = Instant::now();
            eprintln!("{}", progress_line(progress));
        }
    };
    match runtime.block_on(copy_ledger(&flags.from, &flags.to, &mut progress)) {
        Ok(copy) => {
            print!("{}", copy_table(&copy));
            Ok(ExitCode::SUCCESS)
        }
        Err(error @ CopyError::Differs(_)) => {
            eprintln!("{error}");
            Ok(ExitCode::from(FINDING))
        }
        Err(error) => Err(error.to_string().into()),
    }
}

fn progress_line(progress: Progress) -> String {
    let Progress {
        comparing,
        table,
        rows,
        of,
    } = progress;
    let what = if comparing { "compared" } else { "copied" };
    format!("{table}: {rows} of {of} {what}")
}

fn copy_table(copy: &LedgerCopy) -> String {
    let mut text = format!("{:<20}{:>12}  DIGEST (both sides)\n", "TABLE", "ROWS");
    for table in &copy.tables {
        let digest = table.digest.get(..DIGITS).unwrap_or(&table.digest);
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{:<20}{:>12}  {digest}", table.table, table.rows);
    }
    let _ = writeln!(text, "\nLedger {} was copied. Both sides are equal.", copy.id.0);
    text
}
