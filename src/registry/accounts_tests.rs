use jiff::SignedDuration;

use super::*;
use crate::domain::click_window::WindowPlace;
use crate::registry::test_support::{customer, snapshot};

fn action(days: i64) -> ConversionAction {
    ConversionAction {
        id: ActionId(7),
        resource_name: String::new(),
        name: "a".to_owned(),
        status: "ENABLED".to_owned(),
        kind: "UPLOAD_CLICKS".to_owned(),
        origin: None,
        category: None,
        primary_for_goal: None,
        counting_type: None,
        attribution_model: None,
        click_window_days: Some(days),
        view_window_days: None,
        default_value: None,
        default_currency: None,
        always_use_default_value: None,
        event_snippets: Vec::new(),
    }
}

#[test]
fn by_actions_that_cannot_be_read_again_no_conversion_is_left_out() {
    let at = |hours: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours);
    let twice = snapshot(customer())
        .with_later_actions(vec![action(7)], at(1))
        .with_later_actions(vec![action(7)], at(2));
    let place = |snapshot: &GoogleSnapshot, days: i64| {
        let window = snapshot.click_window(ActionId(7))?;
        Some(window.place_of(at(0), at(24 * days)))
    };
    assert_eq!(place(&twice, 20), Some(WindowPlace::Outside));
    let unread = GoogleSnapshot {
        unread: true,
        ..twice.clone()
    };
    assert_eq!(
        (place(&unread, 6), place(&unread, 20)),
        (Some(WindowPlace::Inside), Some(WindowPlace::Unsure))
    );
    assert!(!unread.same(&twice), "events hear of it");
    let again = unread.with_later_actions(vec![action(7)], at(3));
    assert_eq!(place(&again, 20), Some(WindowPlace::Outside));
}
