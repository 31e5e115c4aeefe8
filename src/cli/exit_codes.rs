//! Exit codes of commands. 0: it was done, and all is as it should be.

/// Something is not as it should be: the command says what.
pub(super) const FINDING: u8 = 1;
/// It could not be done, or not be found out.
pub(super) const NOT_DONE: u8 = 2;
