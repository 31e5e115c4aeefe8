//! Counts what is read of HubSpot, ends a read that grows too large, and shows how far it is.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::reads::{self, CredentialsId, QuestionReader, ReadLog};
use crate::cli::progress::Progress;
use crate::domain::ids::{ContactId, DealId, PortalId};
use crate::domain::search_paging::PageCount;
use crate::domain::withheld::WithheldProperties;
use crate::ports::crm::{
    AddressBatch, ContactBatch, ContactPage, ContactRead, ContactSearch, Crm, DealBatch, DealLinks, Form, Portal,
    Quota, Stage, SubmissionPage, TokenInfo,
};
use crate::ports::{CrmConnector, SecretData, SecretInvalid, UpstreamError};

/// The service, as a plan names it.
pub(super) const HUBSPOT: &str = "HubSpot";

#[derive(Default)]
struct MeterState {
    contacts: HashSet<ContactId>,
    submissions: HashSet<String>,
    /// Contacts that the search under way has not shown yet, by its own count. `None`: it does not say.
    hidden: Option<u64>,
    /// Contacts read with their histories, or once more.
    read: usize,
    cut: bool,
}

impl MeterState {
    /// How many contacts there are to find, by what the searches have said so far: at least those found, at most `limit`.
    fn expected(&self, limit: usize) -> Option<usize> {
        let hidden = usize::try_from(self.hidden?).unwrap_or(usize::MAX);
        Some(
            self.contacts
                .len()
                .saturating_add(hidden)
                .min(limit.max(self.contacts.len())),
        )
    }
}

/// How much was read. Cheap to clone.
#[derive(Clone)]
pub(super) struct Meter {
    limit: usize,
    state: Arc<Mutex<MeterState>>,
    progress: Option<Arc<Progress>>,
}

impl Meter {
    /// Most contacts, and most submissions, that are read.
    pub(super) fn new(limit: usize, progress: Option<Arc<Progress>>) -> Self {
        Self {
            limit,
            state: Arc::default(),
            progress,
        }
    }

    /// True if there was more than the limit allows.
    pub(super) fn was_cut(&self) -> bool {
        self.state.lock().cut
    }

    /// Leaves of a page what there is room for; a page that is cut is the last one.
    fn take_contacts(&self, page: &mut ContactPage) {
        let mut state = self.state.lock();
        state.hidden = page.count.total.map(|total| total.saturating_sub(page.count.rows));
        let all = page.contacts.len();
        page.contacts.retain(|contact| {
            let known = state.contacts.contains(&contact.id);
            known || (state.contacts.len() < self.limit && state.contacts.insert(contact.id))
        });
        if page.contacts.len() < all {
            page.next = None;
            page.count = PageCount::default();
            state.cut = true;
        }
        self.say(&state);
    }

    fn say(&self, state: &MeterState) {
        let Some(progress) = &self.progress else { return };
        let (found, read) = (state.contacts.len(), state.read);
        let expected = state.expected(self.limit);
        let found_of = expected.map_or(format!("{found} contacts"), |all| format!("{found} of {all} contacts"));
        let mut text = format!("HubSpot: {found_of} found, {read} read");
        if !state.submissions.is_empty() {
            text = format!("{text}, {} form submissions", state.submissions.len());
        }
        match expected {
            Some(all) => progress.say_how_far(text, found as u64, all as u64),
            None => progress.say(text),
        }
    }

    fn add_read(&self, contacts: usize) {
        let mut state = self.state.lock();
        state.read += contacts;
        self.say(&state);
    }

    fn take_submissions(&self, page: &mut SubmissionPage) {
        let mut state = self.state.lock();
        let all = page.submissions.len();
        page.submissions.retain(|submission| {
            let id = submission.conversion_id.clone();
            let id = id.unwrap_or_else(|| submission.at.to_string());
            let known = state.submissions.contains(&id);
            known || (state.submissions.len() < self.limit && state.submissions.insert(id))
        });
        if page.submissions.len() < all {
            page.next = None;
            state.cut = true;
        }
        self.say(&state);
    }
}

/// Makes metered clients, which note what could not be read.
pub(super) struct MeteredConnector {
    inner: Arc<dyn CrmConnector>,
    meter: Meter,
    log: ReadLog,
}

impl MeteredConnector {
    pub(super) fn new(inner: Arc<dyn CrmConnector>, meter: Meter, log: ReadLog) -> Self {
        Self { inner, meter, log }
    }
}

#[async_trait]
impl CrmConnector for MeteredConnector {
    async fn connect(&self, secret: &SecretData) -> Result<Arc<dyn Crm>, SecretInvalid> {
        let inner = self.inner.connect(secret).await?;
        let meter = self.meter.clone();
        let reader = self.log.reader(HUBSPOT, CredentialsId::new(Some(secret)));
        Ok(Arc::new(Metered { inner, meter, reader }))
    }
}

/// Each of these for itself.
fn each(ids: impl IntoIterator<Item = impl ToString>) -> impl Iterator<Item = (String, String)> {
    ids.into_iter().map(|id| (String::new(), id.to_string()))
}

struct Metered {
    inner: Arc<dyn Crm>,
    meter: Meter,
    reader: QuestionReader,
}

#[async_trait]
impl Crm for Metered {
    fn daily_quota(&self) -> Option<Quota> {
        self.inner.daily_quota()
    }

    fn may_use(&self, portal: PortalId) {
        self.inner.may_use(portal);
    }

    async fn drop_token(&self) {
        self.inner.drop_token().await;
    }

    fn withheld_properties(&self) -> WithheldProperties {
        self.inner.withheld_properties()
    }

    async fn retry_withheld(&self) {
        self.inner.retry_withheld().await;
    }

    async fn read_portal(&self) -> Result<Portal, UpstreamError> {
        self.reader.ask("the portal", "", self.inner.read_portal()).await
    }

    async fn token_info(&self) -> Result<TokenInfo, UpstreamError> {
        self.reader.ask("the token", "", self.inner.token_info()).await
    }

    async fn read_stages(&self) -> Result<Vec<Stage>, UpstreamError> {
        self.reader.ask("lifecycle stages", "", self.inner.read_stages()).await
    }

    async fn property_names(&self) -> Result<Vec<String>, UpstreamError> {
        let call = self.inner.property_names();
        self.reader.ask("contact properties", "", call).await
    }

    async fn search_contacts(&self, search: &ContactSearch) -> Result<ContactPage, UpstreamError> {
        let properties: Vec<_> = search.any_since.iter().map(|(name, _)| name.as_str()).collect();
        let list = properties.join(",");
        let page = [(list.clone(), search.after.to_string())];
        let call = self.inner.search_contacts(search);
        let mut page = self.reader.ask_all(reads::SEARCH, page, call).await?;
        if page.next.is_none() {
            self.reader.list_ended(reads::SEARCH, &list);
        }
        self.meter.take_contacts(&mut page);
        Ok(page)
    }

    async fn read_contacts(&self, read: &ContactRead) -> Result<ContactBatch, UpstreamError> {
        let call = self.inner.read_contacts(read);
        let batch = self.reader.ask_all("contacts", each(&read.ids), call).await?;
        self.meter.add_read(read.ids.len());
        Ok(batch)
    }

    async fn deals_of(&self, contacts: &[ContactId]) -> Result<DealLinks, UpstreamError> {
        let call = self.inner.deals_of(contacts);
        self.reader.ask_all("deals of contacts", each(contacts), call).await
    }

    async fn read_deals(&self, ids: &[DealId]) -> Result<DealBatch, UpstreamError> {
        let call = self.inner.read_deals(ids);
        self.reader.ask_all(reads::DEALS, each(ids), call).await
    }

    async fn list_forms(&self) -> Result<Vec<Form>, UpstreamError> {
        self.reader.ask(reads::FORMS, "", self.inner.list_forms()).await
    }

    async fn list_submissions(&self, form: &str, after: Option<&str>) -> Result<SubmissionPage, UpstreamError> {
        let what = "form submissions";
        let page = [(form.to_owned(), after.unwrap_or_default().to_owned())];
        let call = self.inner.list_submissions(form, after);
        let mut page = self.reader.ask_all(what, page, call).await?;
        if page.next.is_none() {
            self.reader.list_ended(what, form);
        }
        self.meter.take_submissions(&mut page);
        Ok(page)
    }

    async fn read_by_email(&self, emails: &[String], properties: &[String]) -> Result<AddressBatch, UpstreamError> {
        let call = self.inner.read_by_email(emails, properties);
        self.reader.ask_all("contacts by e-mail", each(emails), call).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::contact::{Contact, Properties};
    use crate::ports::crm::Submission;

    fn contact(id: ContactId) -> Contact {
        Contact {
            requested_id: id,
            id,
            updated_at: None,
            as_of: None,
            properties: Properties::default(),
            history: vec![],
            flaw: None,
        }
    }

    fn page(ids: std::ops::Range<u64>) -> ContactPage {
        ContactPage {
            contacts: ids.clone().map(|id| contact(ContactId(id))).collect(),
            nameless: 0,
            next: Some(ContactId(ids.end)),
            count: PageCount {
                rows: ids.end - ids.start,
                limit: 200,
                total: Some(1_000),
                continues: true,
            },
            answered: None,
        }
    }

    #[test]
    fn a_read_ends_at_the_limit_and_known_contacts_take_no_room() {
        let meter = Meter::new(5, None);
        for _ in 0..2 {
            let mut first = page(1..4);
            meter.take_contacts(&mut first);
            assert_eq!((first.contacts.len(), first.next), (3, Some(ContactId(4))));
        }
        assert!(!meter.was_cut());
        let mut last = page(4..8);
        meter.take_contacts(&mut last);
        assert_eq!((last.contacts.len(), last.next), (2, None));
        assert!(!last.count.is_short(), "what was cut off is not looked for again");
        assert!(meter.was_cut());
    }

    #[test]
    fn how_many_there_are_is_what_was_found_and_what_the_search_still_hides() {
        let meter = Meter::new(600, None);
        let expected = || meter.state.lock().expected(600);
        assert_eq!(expected(), None);
        let mut first = page(1..201);
        first.count.total = Some(500);
        meter.take_contacts(&mut first);
        assert_eq!(expected(), Some(500));
        let mut grown = page(201..401);
        grown.count.total = Some(1_000);
        meter.take_contacts(&mut grown);
        assert_eq!(expected(), Some(600), "more than the limit are not read");
        let mut silent = page(401..402);
        silent.count.total = None;
        meter.take_contacts(&mut silent);
        assert_eq!(expected(), None, "a search that does not count");
    }

    #[test]
    fn submissions_have_a_limit_of_their_own() {
        let meter = Meter::new(2, None);
        let submission = |n: i64| Submission {
            conversion_id: (n != 2).then(|| n.to_string()),
            at: Timestamp::from_second(n).unwrap(),
            email: None,
            gclid: None,
        };
        let mut page = SubmissionPage {
            submissions: (1..4).map(submission).collect(),
            unreadable: vec![],
            next: Some("more".into()),
            size: 1,
            answered: None,
        };
        meter.take_submissions(&mut page);
        assert_eq!((page.submissions.len(), page.next), (2, None));
        assert!(meter.was_cut());
    }
}
