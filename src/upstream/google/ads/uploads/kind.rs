//! The two kinds of uploads of the Google Ads API.

/// A kind of upload.
#[derive(Clone, Copy)]
pub(crate) enum UploadKind {
    /// Conversions by click id, for projects that may still use it (docs/reference/google.md 4.1 and 4.2).
    Clicks,
    /// Adjustments of type `ENHANCEMENT` (docs/reference/google.md 4.4).
    Enhancements,
}
