//! Logs: text for people, JSON for programs. Nothing here or anywhere may log a token or personal data.

use std::io::IsTerminal;
use std::str::FromStr;

use tokio::task::JoinError;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use super::colors;

/// What is logged of the libraries. The Kubernetes client logs each failed call, which the caller logs too.
const LIBRARIES: &str = "warn,kube_client::client::builder=off";

/// Names of levels.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// One readable line for each event.
    Text,
    /// One JSON object for each event.
    Json,
}

impl LogFormat {
    /// Text for a terminal, JSON for programs that collect logs.
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

/// What is logged: our own words from a level on and warnings of the libraries, or directives as `tracing` knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevel {
    directives: String,
}

/// Neither a level nor directives.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a log level: use off, error, warn, info, debug or trace, or directives like warn,adconversion_operator=debug"
)]
pub struct BadLogLevel(String);

impl FromStr for LogLevel {
    type Err = BadLogLevel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let directives = match text {
            "off" | "error" | "warn" => text.to_owned(),
            "info" | "debug" | "trace" => format!("{LIBRARIES},adconversion_operator={text}"),
            directives => {
                // A bare word would be the name of a module, with all of it: a level with a typo must not end up there.
                let known = |part: &str| part.contains('=') || LEVELS.contains(&part.trim());
                if !directives.split(',').all(known) || EnvFilter::builder().parse(directives).is_err() {
                    return Err(BadLogLevel(text.to_owned()));
                }
                directives.to_owned()
            }
        };
        Ok(Self { directives })
    }
}

/// The logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The directives are malformed.
    #[error("--log-level: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Somebody else has set them up already.
    #[error("logs are set up already: {0}")]
    Taken(#[from] Box<dyn std::error::Error + Send + Sync>),
}

/// Starts logging to standard output.
///
/// # Errors
/// Where logging was started before.
pub fn init(format: LogFormat, level: &LogLevel) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder().parse(&level.directives)?;
    let start = tracing_subscriber::registry()
        .with(filter)
        .with(FilterFn::new(may_be_said));
    let started = match format {
        LogFormat::Text => start.with(fmt::layer().with_ansi(colors::are_wanted())).try_init(),
        LogFormat::Json => start
            .with(fmt::layer().json().flatten_event(true).with_current_span(false))
            .try_init(),
    };
    started.map_err(|error| TelemetryError::Taken(error.into()))
}

/// Whatever the directives say: libraries quote whole messages at trace. At every level the one that reads phone
/// numbers quotes those, and the Kubernetes client quotes an answer that it can't read, which may be a Secret; its
/// errors come back to the caller, which logs them.
fn may_be_said(line: &Metadata<'_>) -> bool {
    let of = |name: &str| line.target().split("::").next() == Some(name);
    let quotes = of("rlibphonenumber") || line.target() == "kube_client::client";
    !quotes && (*line.level() != Level::TRACE || of("adconversion_operator"))
}

/// How a task ended that should not have, without the text of its panic: that may hold anything.
pub fn how_it_ended(error: &JoinError) -> &'static str {
    if error.is_panic() { "panicked" } else { "was dropped" }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// What is logged of these lines.
    #[derive(Clone, Default)]
    struct Written(std::sync::Arc<parking_lot::Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_directive_has_libraries_quote_what_they_read() {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::registry()
            .with(EnvFilter::new("trace,rlibphonenumber=trace,kube_client::client=trace"))
            .with(FilterFn::new(may_be_said))
            .with(fmt::layer().with_writer(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(target: "rlibphonenumber::phonenumberutil", "+49 160 1");
            tracing::trace!(target: "hyper::proto", "+49 160 2");
            tracing::debug!(target: "hyper::proto", "+49 160 3");
            tracing::trace!("+49 160 4");
            tracing::warn!(target: "kube_client::client", "+49 160 5");
            tracing::warn!(target: "kube_client::config", "+49 160 6");
        });
        let text = String::from_utf8(written.0.lock().clone()).unwrap();
        let said = |n: u8| text.contains(&format!("+49 160 {n}"));
        let found = [1, 2, 3, 4, 5, 6].map(said);
        assert_eq!(found, [false, false, true, true, false, true], "{text}");
    }

    #[tokio::test]
    async fn how_a_task_ended_says_nothing_of_its_panic() {
        let task = tokio::spawn(async { panic!("{}", String::from("ada@example.com")) });
        let error: JoinError = task.await.unwrap_err();
        assert_eq!(how_it_ended(&error), "panicked");
    }

    #[test]
    fn formats_are_read_by_name() {
        assert_eq!("text".parse::<LogFormat>().unwrap(), LogFormat::Text);
        assert_eq!("json".parse::<LogFormat>().unwrap(), LogFormat::Json);
        assert!("JSON".parse::<LogFormat>().is_err());
    }

    #[rstest]
    #[case("off", "off")]
    #[case("warn", "warn")]
    #[case("info", "warn,kube_client::client::builder=off,adconversion_operator=info")]
    #[case("trace", "warn,kube_client::client::builder=off,adconversion_operator=trace")]
    #[case("warn,adconversion_operator::sync=debug", "warn,adconversion_operator::sync=debug")]
    #[case("info,hyper=off", "info,hyper=off")]
    fn levels_are_of_our_own_words(#[case] text: &str, #[case] directives: &str) {
        assert_eq!(text.parse::<LogLevel>().unwrap().directives, directives);
    }

    #[rstest]
    #[case("")]
    #[case("inof")]
    #[case("INFO!")]
    #[case("adconversion_operator")]
    #[case("adconversion_operator=loud")]
    fn what_is_no_level_is_refused(#[case] text: &str) {
        assert_eq!(text.parse::<LogLevel>(), Err(BadLogLevel(text.to_owned())));
    }
}
