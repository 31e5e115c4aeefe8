//! What submissions said about their pages and whether they name anybody, and for how long nobody has had their
//! addresses. Lives in memory only: the ledger holds no click ids.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use super::bounded::{Bounded, Shrink};
use crate::domain::ids::{OccurrenceKey, PortalId, TransactionId};
use crate::domain::time::to_signed;
use crate::ports::UpstreamError;
use crate::ports::crm::{Crm, Submission};
use crate::ports::pulse;

/// Pages of one read: an end for a list that never ends.
const MAX_PAGES: usize = 4000;

/// The ledger's key of a submission.
pub fn submission_key(portal: PortalId, form: &str, submission: &Submission) -> OccurrenceKey {
    match &submission.conversion_id {
        Some(id) => OccurrenceKey::for_submission(portal, form, id),
        None => OccurrenceKey::for_nameless_submission(portal, form, submission.at.as_millisecond()),
    }
}

/// Beyond this the older half is forgotten: it is read again should a row still need it.
const MAX_SIZE: usize = 4 << 20;
/// What a submission takes beside its click id.
const ENTRY: usize = 128;

/// What each submission read in this life of the process said.
#[derive(Clone, Default)]
pub struct Clicks(Arc<Bounded<KnownSubmissions>>);

/// What is remembered of submissions.
#[derive(Default)]
pub(crate) struct KnownSubmissions {
    of: HashMap<TransactionId, Remembered>,
    /// Bytes of all.
    size: usize,
}

/// What is remembered of one submission.
struct Remembered {
    at: Timestamp,
    gclid: Option<String>,
    /// An answer has shown an e-mail address.
    named: bool,
    /// How many answers have shown none.
    nameless: u8,
    /// The first and the last look in a row that found that nobody has its address.
    nobodys: Option<(Instant, Instant)>,
}

impl Clicks {
    pub(crate) const fn new(known: Arc<Bounded<KnownSubmissions>>) -> Self {
        Self(known)
    }

    /// At this time HubSpot was asked whose a remembered submission is, and nobody had its address.
    pub fn record_nobodys(&self, key: TransactionId, asked: Instant) {
        self.0.change(|known| {
            if let Some(seen) = known.of.get_mut(&key) {
                let (first, last) = seen.nobodys.unwrap_or((asked, asked));
                seen.nobodys = Some((first.min(asked), last.max(asked)));
            }
        });
    }

    /// Somebody has its address: what looks before said is not believed any more.
    pub fn record_somebodys(&self, key: TransactionId) {
        self.0.change(|known| {
            if let Some(seen) = known.of.get_mut(&key) {
                seen.nobodys = None;
            }
        });
    }

    /// How far the first and the last of the looks are apart that all found that nobody has a submission's address;
    /// `None` if there was none in this life of the process.
    pub fn nobodys_for(&self, key: TransactionId) -> Option<SignedDuration> {
        let (first, last) = self.0.look(|known| known.of.get(&key)?.nobodys)?;
        Some(to_signed(last.duration_since(first)))
    }

    /// Whether a submission has an e-mail address. That it has none takes two
    /// answers; `None` if there were not as many in this life of the process.
    pub fn names_somebody(&self, key: TransactionId) -> Option<bool> {
        let named = |seen: &Remembered| (seen.named || seen.nameless > 1).then_some(seen.named);
        self.0.look(|known| known.of.get(&key).and_then(named))
    }

    /// Remembers what a submission says about its page, and whether it names anybody.
    pub fn put_click(&self, key: TransactionId, submission: &Submission) {
        self.0.change(|known| known.put(key, submission));
    }

    /// The gclid of a submission; the outer `None`: not read in this life of the process.
    pub fn gclid_of(&self, key: TransactionId) -> Option<Option<String>> {
        self.0.look(|known| known.of.get(&key).map(|seen| seen.gclid.clone()))
    }

    /// The gclid of each of these submissions, made at or after `since`. Those that are not known are read from the
    /// form; what HubSpot no longer shows stays unknown.
    pub async fn read_clicks(
        &self,
        crm: &dyn Crm,
        portal: PortalId,
        form: &str,
        mut wanted: BTreeSet<TransactionId>,
        since: Timestamp,
    ) -> Result<HashMap<TransactionId, Option<String>>, UpstreamError> {
        let mut after: Option<String> = None;
        let mut found = HashMap::new();
        wanted.retain(|key| match self.gclid_of(*key) {
            Some(gclid) => {
                found.insert(*key, gclid);
                false
            }
            None => true,
        });
        for _ in 0..MAX_PAGES {
            if wanted.is_empty() {
                break;
            }
            pulse::beat();
            let page = crm.list_submissions(form, after.as_deref()).await?;
            for submission in &page.submissions {
                let key = submission_key(portal, form, submission).transaction;
                self.put_click(key, submission);
                if wanted.remove(&key) {
                    found.insert(key, submission.gclid.clone());
                }
            }
            let none = page.submissions.is_empty() && page.unreadable.is_empty();
            let over = none || page.submissions.last().is_some_and(|last| last.at < since);
            if over || page.next.is_none() {
                break;
            }
            after = page.next;
        }
        Ok(found)
    }
}

impl KnownSubmissions {
    fn put(&mut self, key: TransactionId, submission: &Submission) {
        if self.size >= MAX_SIZE {
            self.forget_older_half();
        }
        let before = self.of.get(&key);
        let named = submission.email.is_some();
        let seen = Remembered {
            at: submission.at,
            gclid: submission.gclid.clone(),
            named: named || before.is_some_and(|seen| seen.named),
            nameless: before.map_or(0, |seen| seen.nameless).saturating_add(u8::from(!named)),
            nobodys: before.and_then(|seen| seen.nobodys),
        };
        self.size += gclid_size(seen.gclid.as_ref());
        if let Some(old) = self.of.insert(key, seen) {
            self.size -= gclid_size(old.gclid.as_ref());
        }
    }
}

impl KnownSubmissions {
    fn forget_older_half(&mut self) {
        let mut times: Vec<_> = self.of.values().map(|seen| seen.at).collect();
        if times.is_empty() {
            return;
        }
        let half = times.len() / 2;
        let (_, middle, _) = times.select_nth_unstable(half);
        let middle = *middle;
        self.of.retain(|_, seen| seen.at > middle);
        self.size = self.of.values().map(|seen| gclid_size(seen.gclid.as_ref())).sum();
    }
}

impl Shrink for KnownSubmissions {
    fn size(&self) -> usize {
        self.size
    }

    fn shrink(&mut self, to: usize) {
        while self.size > to {
            self.forget_older_half();
        }
        self.of.shrink_to(2 * self.of.len());
    }
}

fn gclid_size(gclid: Option<&String>) -> usize {
    ENTRY + gclid.map_or(0, String::len)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn looks_that_find_nobody_count_until_one_finds_somebody() {
        let (clicks, begun) = (Clicks::default(), Instant::now());
        let t = |second| begun + Duration::from_secs(second);
        let submission = Submission {
            conversion_id: Some("c-1".to_owned()),
            at: Timestamp::UNIX_EPOCH,
            email: None,
            gclid: None,
        };
        let key = submission_key(PortalId(1), "form", &submission).transaction;
        clicks.record_nobodys(key, t(5));
        assert_eq!(clicks.nobodys_for(key), None, "it was not read");
        assert_eq!(clicks.names_somebody(key), None);
        clicks.put_click(key, &submission);
        assert_eq!(clicks.nobodys_for(key), None);
        for (asked, apart) in [(10, 0), (30, 20), (20, 20), (40, 30)] {
            clicks.record_nobodys(key, t(asked));
            clicks.put_click(key, &submission);
            assert_eq!(clicks.nobodys_for(key), Some(SignedDuration::from_secs(apart)));
        }
        clicks.record_somebodys(key);
        assert_eq!(clicks.nobodys_for(key), None);
        clicks.record_nobodys(key, t(90));
        assert_eq!(
            clicks.nobodys_for(key),
            Some(SignedDuration::ZERO),
            "one look is not two"
        );
    }

    #[test]
    fn that_nobody_is_named_takes_two_answers_and_that_somebody_is_one() {
        let of = |shown: &[Option<&str>]| {
            let clicks = Clicks::default();
            let submission = |email: Option<&str>| Submission {
                conversion_id: Some("c-1".to_owned()),
                at: Timestamp::UNIX_EPOCH,
                email: email.map(str::to_owned),
                gclid: None,
            };
            let key = submission_key(PortalId(1), "form", &submission(None)).transaction;
            for email in shown {
                clicks.put_click(key, &submission(*email));
            }
            clicks.names_somebody(key)
        };
        let somebody = Some("ada@example.com");
        assert_eq!(of(&[None]), None);
        assert_eq!(of(&[None, None]), Some(false));
        assert_eq!(of(&[somebody]), Some(true));
        assert_eq!(of(&[None, None, somebody]), Some(true));
        assert_eq!(of(&[somebody, None, None]), Some(true));
    }

    #[test]
    fn click_ids_stay_within_their_memory_and_the_newest_stay_known() {
        let (clicks, mut all) = (Clicks::default(), Vec::new());
        for n in 0..20_000_i64 {
            let submission = Submission {
                conversion_id: Some(n.to_string()),
                at: Timestamp::from_second(n).unwrap(),
                email: None,
                gclid: Some("x".repeat(512)),
            };
            let key = submission_key(PortalId(1), "form", &submission).transaction;
            clicks.put_click(key, &submission);
            clicks.put_click(key, &submission);
            all.push(key);
            if n % 1000 != 999 {
                continue;
            }
            clicks.0.look(|known| {
                let size: usize = known.of.values().map(|seen| gclid_size(seen.gclid.as_ref())).sum();
                assert!(size == known.size && size < MAX_SIZE + 2 * (ENTRY + 512), "{n}: {size}");
            });
        }
        let fit = MAX_SIZE / (ENTRY + 512) / 2 - 2;
        assert!(all[all.len() - fit..].iter().all(|key| clicks.gclid_of(*key).is_some()));
        assert_eq!(clicks.gclid_of(all[0]), None);
    }
}
