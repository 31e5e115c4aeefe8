//! How a search is read to its end, page by page in the order of ids, although single answers may be wrong: a wrong row
//! must not lead the search past contacts that the search itself counts (docs/reference/hubspot.md 3).
//!
//! Each page says how many contacts there are behind its bound. So the next page must count at least the rest, less
//! those that were deleted in between. If it counts fewer, the page before is asked for again, and what two answers
//! agree on is believed.

use super::ids::ContactId;

/// How often in a row a page may lead further than the count of the next one allows.
const MAX_RETURNS: u8 = 3;

/// What a page of a search says of how much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PageCount {
    /// Rows that it shows.
    pub rows: u64,
    /// Rows that were asked for.
    pub limit: u64,
    /// Contacts behind the bound, if it says so.
    pub total: Option<u64>,
    /// It says that there is a next page.
    pub continues: bool,
}

impl PageCount {
    /// True if it shows fewer contacts than it counts although it has room for them: some were deleted this moment, or
    /// the answer is not complete.
    pub fn is_short(&self) -> bool {
        let more = self.continues || self.total.is_some_and(|total| total > self.rows);
        more && self.rows < self.limit
    }

    /// How many the next page must count.
    fn rest(&self) -> u64 {
        // Contacts that are counted but not shown belong to this page all the same.
        let shown = self.rows.max(self.limit);
        self.total.map_or(0, |total| total.saturating_sub(shown))
    }
}

/// What comes after a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PagingStep {
    /// The page behind this bound.
    Page(ContactId),
    /// There is no more.
    End,
    /// The pages contradict each other again and again.
    GiveUp,
}

/// Where a search is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPaging {
    /// The bound of the page that is asked for, and that of the page before.
    bound: ContactId,
    before: ContactId,
    /// How many this page must count.
    owed: u64,
    /// Where the page before led, and the count there, which did not allow it: the page before is asked for again.
    doubted: Option<(ContactId, u64)>,
    /// Two answers led to this bound.
    agreed: bool,
    returns: u8,
}

impl SearchPaging {
    /// A search that begins behind this bound.
    pub const fn starting_at(bound: ContactId) -> Self {
        Self {
            bound,
            before: bound,
            owed: 0,
            doubted: None,
            agreed: false,
            returns: 0,
        }
    }

    /// What to do after a page that leads to `next`.
    pub fn turn(&mut self, count: &PageCount, next: Option<ContactId>) -> PagingStep {
        if let Some((doubted, counted)) = self.doubted.take() {
            self.agreed = next.is_some_and(|next| next >= doubted);
            return match next {
                // The missing contacts were deleted meanwhile, and up to twice as many may be deleted until the next
                // answer.
                Some(_) if self.agreed => self.go_on(
                    doubted,
                    counted.saturating_sub(2_u64.saturating_mul(self.owed.saturating_sub(counted))),
                ),
                Some(next) => self.go_on(next, count.rest()),
                None => PagingStep::End,
            };
        }
        if let Some(total) = count.total.filter(|total| *total < self.owed) {
            if self.returns < MAX_RETURNS {
                self.returns += 1;
                self.doubted = Some((self.bound, total));
                self.bound = self.before;
                return PagingStep::Page(self.before);
            }
            if !self.agreed {
                return PagingStep::GiveUp;
            }
        }
        (self.returns, self.agreed) = (0, false);
        match next {
            Some(next) => self.go_on(next, count.rest()),
            None => PagingStep::End,
        }
    }

    const fn go_on(&mut self, next: ContactId, owed: u64) -> PagingStep {
        self.before = self.bound;
        self.bound = next;
        self.owed = owed;
        PagingStep::Page(next)
    }
}

#[cfg(test)]
#[path = "search_paging_tests.rs"]
mod tests;
