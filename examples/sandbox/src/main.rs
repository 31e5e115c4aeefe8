//! Runs the sandbox until it is interrupted or told to end.

use std::{io::Write, process::ExitCode};

use adconversion_sandbox::{options::Options, serve};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

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
    // The first process of a container is not ended by SIGTERM unless it listens to it.
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
