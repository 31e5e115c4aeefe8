//! Runs the sandbox until it is interrupted.

use std::{io::Write, process::ExitCode};

use adconversion_sandbox::{options::Options, serve};
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("adconversion-sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> std::io::Result<()> {
    let running = serve::start(options).await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", running.announcement())?;
    out.flush()?;
    tokio::signal::ctrl_c().await
}
