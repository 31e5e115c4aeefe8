#![allow(clippy::unwrap_used)]

use super::*;
use crate::domain::batch::{RowResult, row_by_row_results};

/// Google with one action and one goal. It must not be asked to change anything.
struct Reads;

fn owner() -> CustomerId {
    "1234567890".parse().unwrap()
}

fn goal() -> Goal {
    Goal {
        category: "CONVERTED_LEAD".into(),
        origin: "WEBSITE".into(),
        biddable: false,
    }
}

fn named(name: &str) -> ActionFields {
    ActionFields {
        name: Some(name.into()),
        kind: Some("UPLOAD_CLICKS".into()),
        ..ActionFields::default()
    }
}

#[async_trait]
impl GoogleAds for Reads {
    async fn drop_token(&self) {}

    async fn read_customer(&self, _: &CustomerId) -> Result<Customer, UpstreamError> {
        Err(UpstreamError::new("Google Ads", Cause::Unavailable, "not asked"))
    }

    async fn read_actions(&self, owner: &CustomerId) -> Result<Vec<ConversionAction>, UpstreamError> {
        Ok(vec![ConversionAction::created(owner, ActionId(7), &named("Old"))])
    }

    async fn actions_named(&self, owner: &CustomerId, name: &str) -> Result<Vec<ConversionAction>, UpstreamError> {
        let mut all = self.read_actions(owner).await?;
        all.retain(|action| action.is_named(name));
        Ok(all)
    }

    async fn read_goals(&self, _: &CustomerId) -> Result<Vec<Goal>, UpstreamError> {
        Ok(vec![goal()])
    }

    async fn read_attribution(&self, _: &CustomerId) -> Result<Vec<Attribution>, UpstreamError> {
        Ok(vec![])
    }

    async fn create_action(&self, _: &CustomerId, _: &ActionFields) -> Result<ActionId, UpstreamError> {
        panic!("created")
    }

    async fn update_action(&self, _: &CustomerId, _: ActionId, _: &ActionFields) -> Result<(), UpstreamError> {
        panic!("updated")
    }

    async fn remove_action(&self, _: &CustomerId, _: ActionId) -> Result<(), UpstreamError> {
        panic!("removed")
    }

    async fn set_goal_biddable(&self, _: &CustomerId, _: &Goal, _: bool) -> Result<(), UpstreamError> {
        panic!("made biddable")
    }
}

fn reading() -> (ReadingAds, Notebook) {
    let notebook = Notebook::default();
    let ads = ReadingAds {
        inner: Arc::new(Reads),
        notebook: notebook.clone(),
        reader: ReadLog::default().reader(GOOGLE, CredentialsId::new(None)),
    };
    (ads, notebook)
}

#[tokio::test]
async fn an_action_that_would_be_created_counts_for_its_goal() {
    let (ads, _) = reading();
    let fields = ActionFields {
        category: Some("CONVERTED_LEAD".into()),
        ..named("New")
    };
    ads.create_action(&owner(), &fields).await.unwrap();
    let created = ads.actions_named(&owner(), "New").await.unwrap();
    assert_eq!(created[0].goal_in(&[goal()]), Some(&goal()));
}

#[tokio::test]
async fn what_would_be_written_is_read_back_and_never_written() {
    let (ads, notebook) = reading();
    let id = ads.create_action(&owner(), &named("New")).await.unwrap();
    ads.update_action(&owner(), ActionId(7), &named("Renamed"))
        .await
        .unwrap();
    ads.set_goal_biddable(&owner(), &goal(), true).await.unwrap();
    let names: Vec<_> = ads
        .read_actions(&owner())
        .await
        .unwrap()
        .into_iter()
        .map(|a| a.name)
        .collect();
    assert_eq!(names, ["Renamed", "New"]);
    assert_eq!(ads.actions_named(&owner(), "New").await.unwrap()[0].id, id);
    assert!(
        ads.actions_named(&owner(), "Old").await.unwrap().is_empty(),
        "it is called otherwise by then"
    );
    assert!(ads.read_goals(&owner()).await.unwrap()[0].biddable);
    let other: CustomerId = "9999999999".parse().unwrap();
    assert_eq!(
        ads.read_actions(&other).await.unwrap()[0].name,
        "Old",
        "of another account"
    );
    assert!(ads.remove_action(&owner(), ActionId(7)).await.is_err());
    let changes = notebook.changes();
    let [
        (_, Change::Create { .. }),
        (_, Change::Update { before, .. }),
        (_, Change::Goal(goal)),
    ] = &changes[..]
    else {
        panic!("{changes:?}")
    };
    assert!(before.name == "Old" && goal.biddable);
}

const INFO: RouteInfo = RouteInfo {
    name: "route",
    network: "Google",
    service: "Data Manager API",
    rows: 10,
    destinations: 1,
    one_account: true,
    addresses: true,
};

/// The Data Manager API, which answers like this when it is asked about a request, and must be sent none.
struct Answers(Option<Cause>);

#[async_trait]
impl ConversionSink for Answers {
    fn route_info(&self) -> RouteInfo {
        INFO
    }

    async fn ingest(&self, _: &UploadRequest) -> Result<String, IngestError> {
        panic!("sent")
    }

    async fn validate(&self, _: &UploadRequest) -> Result<(), IngestError> {
        panic!("sent")
    }

    async fn request_status(&self, _: &str) -> Result<Vec<DestinationStatus>, UpstreamError> {
        let failed = |cause| Err(UpstreamError::new("Data Manager API", cause, "no"));
        self.0.map_or(Ok(Vec::new()), failed)
    }
}

fn nothing() -> UploadRequest {
    UploadRequest {
        destinations: vec![],
        rows: vec![],
    }
}

#[rstest::rstest]
#[case::answers(None, true)]
#[case::knows_no_such_request(Some(Cause::NotFound), true)]
#[case::refuses_the_request(Some(Cause::Refused), true)]
#[case::switched_off(Some(Cause::ServiceDisabled), false)]
#[case::scope_missing(Some(Cause::MissingScope), false)]
#[case::outage(Some(Cause::Unavailable), false)]
#[tokio::test]
async fn requests_are_taken_if_the_api_can_be_used(#[case] cause: Option<Cause>, #[case] taken: bool) {
    let (log, by) = (ReadLog::default(), CredentialsId::new(None));
    let sink = NoSink {
        inner: Arc::new(Answers(cause)),
        notebook: Notebook::default(),
        reader: log.reader(GOOGLE, by),
        open: OnceCell::new(),
    };
    let answers = (sink.ingest(&nothing()).await, sink.ingest(&nothing()).await);
    match answers {
        (Ok(first), Ok(second)) => {
            assert!(taken);
            assert_ne!(first, second, "no two requests are the same");
        }
        (first, second) => assert!(!taken && first.is_err() && second.is_err(), "{first:?}"),
    }
    assert_eq!(log.unread(GOOGLE, by).is_empty(), taken);
}

#[tokio::test]
async fn routes_that_answer_row_by_row_take_every_row() {
    let route = NoRowUploads { info: INFO };
    let results = row_by_row_results(&[Evidence::Taken], &route.upload_rows(&nothing()).await.unwrap().errors);
    assert_eq!(results[&0], RowResult::Uploaded);
}
