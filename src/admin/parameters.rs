//! Parameters of an address, in our own words: those of the parser name its types, and may repeat what was sent.

use super::answer::AdminRefusal;

/// How many an answer is to hold at most.
///
/// # Errors
/// If it is no number from 1 to `most`.
pub(super) fn read_limit(text: Option<&str>, most: usize) -> Result<usize, AdminRefusal> {
    let Some(text) = text else { return Ok(most) };
    let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
    limit.ok_or_else(|| AdminRefusal::Malformed(format!("limit must be a number from 1 to {most}")))
}

/// The address has a parameter that is none of these.
pub(super) fn refuse_parameters(known: &str) -> AdminRefusal {
    AdminRefusal::Malformed(format!(
        "A parameter of the address is unknown, given twice or no text. Those that can be given are {known}."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(None, Ok(500))]
    #[case(Some("1"), Ok(1))]
    #[case(Some("500"), Ok(500))]
    #[case(Some("501"), Err(()))]
    #[case(Some("0"), Err(()))]
    #[case(Some("-1"), Err(()))]
    #[case(Some("abc"), Err(()))]
    #[case(Some(""), Err(()))]
    fn a_limit_is_a_number_within_bounds(#[case] text: Option<&str>, #[case] limit: Result<usize, ()>) {
        let read = read_limit(text, 500);
        if let Err(refused) = &read {
            assert_eq!(refused.message(), "limit must be a number from 1 to 500");
        }
        assert_eq!(read.map_err(drop), limit);
    }
}
