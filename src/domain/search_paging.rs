//! How a search is read to its end, page by page in the order of ids, where single answers may be wrong: no row of one answer
//! leads past contacts that the search itself counts (docs/reference/hubspot.md 3).
//!
//! The count of a page is that of all contacts behind its bound. So a page behind it counts the rest at least, less those that
//! were deleted in between. Where it counts fewer, the page before is asked for once more: what two answers agree on is so.

use super::ids::ContactId;

/// So often in a row a page may lead further than the count of the next one allows.
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
    /// True if there are more contacts than it shows although it has room for them: contacts that were deleted this moment, or an
    /// answer that is not whole.
    pub fn is_short(&self) -> bool {
        let more = self.continues || self.total.is_some_and(|total| total > self.rows);
        more && self.rows < self.limit
    }

    /// How many the next page must count.
    fn rest(&self) -> u64 {
        // Contacts that are counted and not shown were in the page all the same.
        let shown = self.rows.max(self.limit);
        self.total.map_or(0, |total| total.saturating_sub(shown))
    }
}

/// What comes after a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
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
    /// The bound of the page that is asked for, and that of the one before.
    bound: ContactId,
    before: ContactId,
    /// How many this page must count.
    owed: u64,
    /// Where the page before led, and the count there, which did not allow it: that page is asked for once more.
    doubted: Option<(ContactId, u64)>,
    /// Two answers led to this bound.
    agreed: bool,
    returns: u8,
}

impl SearchPaging {
    /// At this bound.
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

    /// After a page that leads to `next`.
    pub fn turn(&mut self, count: &PageCount, next: Option<ContactId>) -> Turn {
        if let Some((doubted, counted)) = self.doubted.take() {
            self.agreed = next.is_some_and(|next| next >= doubted);
            return match next {
                // What the count lacks was deleted meanwhile, and as many may be until the next answer, or twice as many.
                Some(_) if self.agreed => self.go_on(
                    doubted,
                    counted.saturating_sub(2_u64.saturating_mul(self.owed.saturating_sub(counted))),
                ),
                Some(next) => self.go_on(next, count.rest()),
                None => Turn::End,
            };
        }
        if let Some(total) = count.total.filter(|total| *total < self.owed) {
            if self.returns < MAX_RETURNS {
                self.returns += 1;
                self.doubted = Some((self.bound, total));
                self.bound = self.before;
                return Turn::Page(self.before);
            }
            if !self.agreed {
                return Turn::GiveUp;
            }
        }
        (self.returns, self.agreed) = (0, false);
        match next {
            Some(next) => self.go_on(next, count.rest()),
            None => Turn::End,
        }
    }

    const fn go_on(&mut self, next: ContactId, owed: u64) -> Turn {
        self.before = self.bound;
        self.bound = next;
        self.owed = owed;
        Turn::Page(next)
    }
}

#[cfg(test)]
#[path = "search_paging_tests.rs"]
mod tests;
