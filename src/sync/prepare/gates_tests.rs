use super::*;
use crate::domain::ids::ObjectKey;
use crate::registry::test_support::google_account;
use crate::registry::{GoogleAccount, Notice};
use crate::sync::test_support::unused_clients;

/// What closes a gate.
type Closes = fn(&mut Event, &mut HubSpotAccount, &mut GoogleAccount);

const fn closing(closes: Closes) -> Closes {
    closes
}

fn hold(event: &mut Event, until: i64) {
    event.action.as_mut().unwrap().hold_until = Some(at(until));
}

#[rstest::rstest]
#[case::none(closing(|_, _, _| {}), true)]
#[case::suspended(closing(|event, _, _| event.suspended = true), false)]
#[case::no_action(closing(|event, _, _| event.action = None), false)]
#[case::action_too_new(closing(|event, _, _| hold(event, NOW + 1)), false)]
#[case::action_no_longer_too_new(closing(|event, _, _| hold(event, NOW)), true)]
#[case::window_not_known(closing(|event, _, _| event.action.as_mut().unwrap().click_window = None), false)]
#[case::portal_suspended(closing(|_, hubspot, _| hubspot.readiness = Readiness::Suspended), false)]
#[case::portal_not_read(closing(|_, hubspot, _| hubspot.portal = None), false)]
#[case::portal_without_a_client(closing(|_, hubspot, _| hubspot.crm = None), false)]
#[case::no_such_portal(closing(|event, _, _| event.hubspot = ObjectKey::new("tenant", "another")), false)]
#[case::google_without_clients(closing(|_, _, google| google.clients = None), false)]
#[case::no_such_google_account(closing(|event, _, _| event.google = ObjectKey::new("tenant", "another")), false)]
#[tokio::test]
async fn an_event_sends_while_no_gate_is_closed(#[case] closes: Closes, #[case] expected: bool) {
    let setting = Setting::new([]).await;
    let (mut event, mut hubspot, mut google) = (event("event"), hubspot_account(), google_account(None));
    (hubspot.key, google.key) = (event.hubspot.clone(), event.google.clone());
    hubspot.crm = Some(setting.portal.clone());
    google.clients = Some(unused_clients());
    closes(&mut event, &mut hubspot, &mut google);
    let registry = &setting.ctx.registry;
    registry.set_hubspot(hubspot);
    registry.set_google(google);
    registry.set_event(event.clone());
    let event = Arc::new(event);
    assert!(eligible_event(&setting.ctx, event.clone()).is_none(), "no stream yet");
    registry.update_report(&event.key, |report| {
        report.stream = Some(setting.event.stream);
        Notice::Quiet
    });
    assert_eq!(eligible_event(&setting.ctx, event).is_some(), expected);
}
