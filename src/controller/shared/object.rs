//! What the shell needs to know of each of our kinds.

use crate::api::{AdConversionEvent, Condition, GoogleAdsAccount, HubSpotAccount};
use crate::controller::Object;
use crate::domain::ids::ObjectKey;
use crate::registry::Wake;

macro_rules! status_accessors {
    () => {
        fn conditions(&self) -> &[Condition] {
            self.status.as_ref().map_or(&[], |s| &s.conditions)
        }

        fn last_handled(&self) -> Option<&str> {
            self.status.as_ref()?.last_handled_reconcile_at.as_deref()
        }
    };
}

impl Object for AdConversionEvent {
    const KIND: &'static str = "AdConversionEvent";

    fn wake(key: ObjectKey) -> Wake {
        Wake::Event(key, true)
    }

    fn neighbours(&self) -> Vec<Wake> {
        let namespace = self.key().namespace;
        let hubspot = ObjectKey::new(namespace.as_str(), self.spec.hub_spot_account_ref.name.as_str());
        let mut wakes = vec![Wake::HubSpot(hubspot)];
        if let Some(google) = &self.spec.google_ads_account_ref {
            wakes.push(Wake::Google(ObjectKey::new(namespace, google.name.as_str())));
        }
        wakes
    }

    status_accessors!();
}

impl Object for GoogleAdsAccount {
    const KIND: &'static str = "GoogleAdsAccount";

    fn wake(key: ObjectKey) -> Wake {
        Wake::Google(key)
    }

    fn neighbours(&self) -> Vec<Wake> {
        Vec::new()
    }

    status_accessors!();
}

impl Object for HubSpotAccount {
    const KIND: &'static str = "HubSpotAccount";

    fn wake(key: ObjectKey) -> Wake {
        Wake::HubSpot(key)
    }

    fn neighbours(&self) -> Vec<Wake> {
        Vec::new()
    }

    status_accessors!();
}
