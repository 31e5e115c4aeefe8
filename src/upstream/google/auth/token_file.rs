//! Reads files that hold tokens or keys: on a thread of their own, with limits of time and size.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

/// Size of the largest file that is read.
pub(crate) const MAX_BYTES: u64 = 64 * 1024;
/// Concurrent reads in this process. A read that never ends keeps its place, so that no more than these can hang.
static TURNS: std::sync::LazyLock<Arc<Semaphore>> = std::sync::LazyLock::new(|| Arc::new(Semaphore::new(8)));

/// Why a file was not read. Holds neither content nor error texts of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FileError {
    /// It does not exist or may not be read.
    #[error("can't be read")]
    Unreadable,
    /// A link leads out of the directory.
    #[error("is not below the directory")]
    Outside,
    /// It is a device, a pipe, a socket or a directory.
    #[error("is no regular file")]
    Irregular,
    /// It has more than [`MAX_BYTES`].
    #[error("has more than 64 KiB")]
    TooLarge,
    /// It is not UTF-8.
    #[error("is no text")]
    NoText,
    /// The file system does not answer.
    #[error("could not be read in time")]
    Late,
}

impl FileError {
    /// True if the next try may succeed without anybody acting.
    pub(crate) const fn may_pass(self) -> bool {
        matches!(self, Self::Late)
    }
}

/// Reads the text of a regular file. With `below`, the file must be below that directory after all links are followed.
pub(crate) async fn read_token_file(
    path: PathBuf,
    below: Option<PathBuf>,
    limit: Duration,
) -> Result<String, FileError> {
    let turn = tokio::time::timeout(limit, Arc::clone(&TURNS).acquire_owned()).await;
    let turn = turn.map_err(|_| FileError::Late)?.map_err(|_| FileError::Late)?;
    let (answer, told) = oneshot::channel();
    // A thread of its own: the runtime would wait at its end for a read that never returns.
    let reading = std::thread::Builder::new()
        .name("token file".to_owned())
        .spawn(move || {
            let _turn = turn;
            // The caller may have given up waiting, which does no harm.
            let _ = answer.send(read_now(&path, below.as_deref()));
        });
    reading.map_err(|_| FileError::Late)?;
    match tokio::time::timeout(limit, told).await {
        Ok(Ok(read)) => read,
        _ => Err(FileError::Late),
    }
}

fn read_now(path: &Path, below: Option<&Path>) -> Result<String, FileError> {
    let path = path.canonicalize().map_err(|_| FileError::Unreadable)?;
    if let Some(directory) = below {
        let directory = directory.canonicalize().map_err(|_| FileError::Unreadable)?;
        if !path.starts_with(directory) {
            return Err(FileError::Outside);
        }
    }
    // Before it is opened: opening a pipe waits for its other end, and opening a device may do anything.
    let irregular = |data: &std::fs::Metadata| (!data.is_file()).then_some(FileError::Irregular);
    let data = path.symlink_metadata().map_err(|_| FileError::Unreadable)?;
    irregular(&data).map_or(Ok(()), Err)?;
    let file = File::open(&path).map_err(|_| FileError::Unreadable)?;
    let data = file.metadata().map_err(|_| FileError::Unreadable)?;
    irregular(&data).map_or(Ok(()), Err)?;
    let mut bytes = Vec::new();
    // Files of /proc and the like say that they are empty.
    let taken = file.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    taken.map_err(|_| FileError::Unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(FileError::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| FileError::NoText)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    async fn of(path: &Path, below: &Path) -> Result<String, FileError> {
        read_token_file(path.to_owned(), Some(below.to_owned()), Duration::from_secs(5)).await
    }

    #[tokio::test]
    async fn only_small_regular_files_below_the_directory_are_read() {
        let root = std::env::temp_dir().join(format!("adconversion-{}-token-files", std::process::id()));
        let tokens = root.join("tokens");
        std::fs::create_dir_all(tokens.join("..data")).unwrap();
        std::fs::write(root.join("secret"), "secret").unwrap();
        std::fs::write(tokens.join("..data/token"), "subject").unwrap();
        std::fs::write(tokens.join("large"), "x".repeat(64 * 1024 + 1)).unwrap();
        std::fs::write(tokens.join("full"), "x".repeat(64 * 1024)).unwrap();
        std::fs::write(tokens.join("binary"), [0xff, 0xfe]).unwrap();
        // A link within the directory, as the kubelet makes them, and one that leads out of it.
        symlink("..data/token", tokens.join("token")).unwrap();
        symlink("../secret", tokens.join("out")).unwrap();
        symlink("/dev/zero", tokens.join("zero")).unwrap();
        let pipe = tokens.join("pipe");
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );

        let table: [(&str, Result<&str, FileError>); 9] = [
            ("token", Ok("subject")),
            ("out", Err(FileError::Outside)),
            ("zero", Err(FileError::Outside)),
            ("../secret", Err(FileError::Outside)),
            ("pipe", Err(FileError::Irregular)),
            ("..data", Err(FileError::Irregular)),
            ("large", Err(FileError::TooLarge)),
            ("binary", Err(FileError::NoText)),
            ("absent", Err(FileError::Unreadable)),
        ];
        for (name, expected) in table {
            assert_eq!(
                of(&tokens.join(name), &tokens).await,
                expected.map(str::to_owned),
                "{name}"
            );
        }
        assert!(of(&tokens.join("full"), &tokens).await.is_ok());
        let device = read_token_file(PathBuf::from("/dev/zero"), None, Duration::from_secs(5)).await;
        assert_eq!(device, Err(FileError::Irregular));
        std::fs::remove_dir_all(root).unwrap();
    }
}
