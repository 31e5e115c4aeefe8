//! A name with what it means and what to do about it.

/// A name that users meet.
#[derive(Debug, Clone, Copy)]
pub struct Explained {
    pub name: &'static str,
    /// Where it stands: kinds, condition types, or the type of a Kubernetes Event.
    pub of: &'static [&'static str],
    /// The doc comment as it stands in the code.
    pub(super) meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

impl Explained {
    /// What it means.
    pub fn meaning(&self) -> &'static str {
        self.meaning.trim()
    }
}

/// Constants with their table: the doc comment is the meaning.
macro_rules! explained {
    ($($(#[doc = $meaning:literal])+ $name:ident = $value:literal in [$($of:expr),+] => $remedy:literal;)+) => {
        $($(#[doc = $meaning])+ pub const $name: &str = $value;)+

        /// All of them, in the order of the documentation.
        pub const ALL: &[$crate::api::reasons::explained::Explained] = &[$($crate::api::reasons::explained::Explained {
            name: $name,
            of: &[$($of),+],
            meaning: concat!($($meaning),+),
            remedy: $remedy,
        }),+];
    };
}
pub(super) use explained;
