//! Form submissions that the ledger has without a contact: nobody can tell whose they are, but that there are some.

use std::collections::BTreeMap;

use super::answer::AdminRefusal;
use super::source::Source;
use crate::domain::ids::ContactId;
use crate::ports::ledger::view::{ConversionQuery, MAX_PAGE};
use crate::registry::CountedStream;

/// How many there are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Nameless {
    /// By reason.
    counts: BTreeMap<String, u64>,
    /// There are more.
    more: bool,
}

/// Counts one page of them.
///
/// # Errors
/// If the ledger cannot be read.
pub(super) async fn nameless_submissions(source: &Source, counted: CountedStream) -> Result<Nameless, AdminRefusal> {
    let query = ConversionQuery {
        stream: counted.stream,
        since: counted.start,
        outcome: None,
        contacts: vec![ContactId::UNKNOWN],
        after: None,
        limit: MAX_PAGE,
    };
    let page = source.ledger.list_conversions(&query).await?;
    let mut nameless = Nameless {
        more: page.next.is_some(),
        ..Nameless::default()
    };
    for row in page.conversions {
        *nameless.counts.entry(row.reason).or_default() += 1;
    }
    Ok(nameless)
}

const NONE: &str = "The ledger has no submission without a contact either. Of those that were settled long ago it keeps only the keys.";

/// What they mean for a contact of whom no submission is known.
pub(super) fn describe_nameless(nameless: &Nameless) -> String {
    let total: u64 = nameless.counts.values().sum();
    if total == 0 {
        return NONE.to_owned();
    }
    let least = if nameless.more { "at least " } else { "" };
    let (are, them) = match total {
        1 => ("submission is", "It may be"),
        _ => ("submissions are", "One of them may be"),
    };
    let counts: Vec<_> = nameless
        .counts
        .iter()
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    format!(
        "But {least}{total} {are} kept without a contact ({}), because they were first seen after their deadline, or name nobody. \
         {them} of this contact: `adconversion conversions` lists them with their times.",
        counts.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(counts: &[(&str, u64)], more: bool) -> String {
        let counts = counts.iter().map(|(reason, count)| ((*reason).to_owned(), *count));
        describe_nameless(&Nameless {
            counts: counts.collect(),
            more,
        })
    }

    #[test]
    fn whoever_asks_learns_how_many_may_be_of_the_contact() {
        let many = describe(&[("ContactDeleted", 2), ("DeadlineMissed", 44)], false);
        assert!(
            many.starts_with(
                "But 46 submissions are kept without a contact (ContactDeleted 2, DeadlineMissed 44), because"
            ) && many.contains("One of them may be of this contact"),
            "{many}"
        );
        let one = describe(&[("DeadlineMissed", 1)], false);
        assert!(
            one.starts_with("But 1 submission is kept") && one.contains("It may be of this contact"),
            "{one}"
        );
        assert!(describe(&[("DeadlineMissed", 1_000)], true).starts_with("But at least 1000 "));
        assert_eq!(describe(&[], false), NONE);
    }
}
