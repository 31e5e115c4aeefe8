//! Why a file can't be read, in words.

use std::io;

use crate::ports::unreached::describe_io;

/// Why a text can't be read out of a file, and what to do where that is not plain.
pub(in crate::cli) fn explain_read(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "you may not read it".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::InvalidData => {
            "it is not UTF-8 text. Save it as UTF-8 (Windows PowerShell writes UTF-16 with >)".to_owned()
        }
        _ => describe_io(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_machine_speaks() {
        let directory = std::env::temp_dir().join(format!("read-words-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let odd = directory.join("utf16.yaml");
        std::fs::write(&odd, b"\xff\xfek\0i\0n\0d\0").unwrap();
        for (path, words) in [
            (odd, "it is not UTF-8 text. Save it as UTF-8"),
            (directory.join("none.yaml"), "there is no such file"),
            (directory.clone(), "it is a directory"),
        ] {
            let said = explain_read(&std::fs::read_to_string(path).unwrap_err());
            assert!(said.starts_with(words), "{said}");
        }
        assert_eq!(explain_read(&io::Error::from_raw_os_error(5)), "input/output error");
        std::fs::remove_dir_all(directory).unwrap();
    }
}
