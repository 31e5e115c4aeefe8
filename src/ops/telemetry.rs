//! Logs: text for people, JSON for programs. Nothing here or anywhere may log a token or personal data.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;

/// What is logged where `RUST_LOG` says nothing: our own words, warnings of the libraries.
const FILTER: &str = "warn,adconversion_operator=info,adconversion=info";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// One readable line for each event.
    Text,
    /// One JSON object for each event.
    Json,
}

impl LogFormat {
    /// Text where a person looks on, JSON where a program collects.
    pub fn detect() -> Self {
        if std::io::stdout().is_terminal() {
            Self::Text
        } else {
            Self::Json
        }
    }
}

/// A name that is no log format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a log format: use text or json")]
pub struct BadLogFormat(String);

impl FromStr for LogFormat {
    type Err = BadLogFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(BadLogFormat(other.to_owned())),
        }
    }
}

/// The logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `RUST_LOG` cannot be read.
    #[error("RUST_LOG: {0}")]
    Filter(#[from] tracing_subscriber::filter::FromEnvError),
    /// Somebody else has set them up already.
    #[error("logs are set up already: {0}")]
    Taken(#[from] Box<dyn std::error::Error + Send + Sync>),
}

/// Starts logging to standard output. `RUST_LOG` overrides what is logged.
///
/// # Errors
/// Where `RUST_LOG` is malformed, or logging was started before.
pub fn init(format: LogFormat) -> Result<(), TelemetryError> {
    let filter = if std::env::var_os("RUST_LOG").is_some_and(|v| !v.is_empty()) {
        EnvFilter::try_from_default_env()?
    } else {
        EnvFilter::new(FILTER)
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    match format {
        LogFormat::Text => builder.with_ansi(std::io::stdout().is_terminal()).try_init()?,
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init()?,
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_by_name() {
        assert_eq!("text".parse::<LogFormat>().unwrap(), LogFormat::Text);
        assert_eq!("json".parse::<LogFormat>().unwrap(), LogFormat::Json);
        assert!("JSON".parse::<LogFormat>().is_err());
    }

    #[test]
    fn the_default_filter_is_one() {
        assert!(EnvFilter::builder().parse(FILTER).is_ok());
    }
}
