//! Failures of commands.

/// Why a command failed, for people.
pub type CommandError = Box<dyn std::error::Error + Send + Sync>;
