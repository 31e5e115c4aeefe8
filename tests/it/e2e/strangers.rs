//! Accounts beside `acme` whose answers a test meddles with: each has
//! a portal or a Google Ads account, and credentials, of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::Stage;
use super::judge::{exactly, occurrences_in, settled_within};
use super::meddler::Asked;
use super::stage::{Counts, ago};

/// The user that the sandbox's credentials are.
const USER: &str = "user@sandbox.test";
/// Contacts of each portal.
pub const CONTACTS: u32 = 3;

/// A portal or a Google Ads account.
#[derive(Clone, Copy)]
pub struct Stranger {
    number: u64,
    google: bool,
}

impl Stranger {
    /// A portal with contacts that became customers.
    pub fn portal(stage: &Stage, number: u64) -> Self {
        let stranger = Self { number, google: false };
        let token = json!({"accessToken": stranger.secret(), "kind": "privateApp",
            "scopes": ["crm.objects.contacts.read", "crm.objects.deals.read", "forms"]});
        let id = stranger.portal_id();
        stage.post("/hubspot/portals", &json!({"portalId": id, "tokens": [token]}));
        let contacts: Vec<Value> = (0..CONTACTS)
            .map(|i| super::judge::became(i, &format!("{}-{i}", stranger.name())))
            .collect();
        stage.post(&format!("/hubspot/contacts?portalId={id}"), &json!(contacts));
        stranger
    }

    /// A Google Ads account, with a client and a refresh token of its own.
    pub fn google(stage: &Stage, number: u64) -> Self {
        let stranger = Self { number, google: true };
        let (client, secret) = (format!("client-{number}"), stranger.secret());
        stage.post(
            "/google/accounts",
            &json!({"customerId": stranger.customer(), "access": [{"identity": USER}]}),
        );
        stage.post(
            "/google/credentials/clients",
            &json!({"clientId": client, "clientSecret": "secret"}),
        );
        let token = json!({"refreshToken": secret, "clientId": client, "identity": USER});
        stage.post("/google/credentials/refresh-tokens", &token);
        stranger
    }

    /// Name of its account, Secret and event.
    pub fn name(&self) -> String {
        format!("{}-{}", if self.google { "google" } else { "portal" }, self.number)
    }

    /// Its account, as kubectl names it.
    pub fn object(&self) -> String {
        format!("{}/{}", if self.google { "gaa" } else { "hsa" }, self.name())
    }

    const fn portal_id(&self) -> u64 {
        700_000 + self.number
    }

    fn customer(&self) -> String {
        (2_000_000_000 + self.number).to_string()
    }

    fn secret(&self) -> String {
        format!("stranger-{}-secret", self.number)
    }

    /// True for a call of this account.
    pub fn calls(self) -> impl Fn(&Asked) -> bool + Send + Sync + 'static {
        let (secret, customer) = (self.secret(), format!("/customers/{}/", self.customer()));
        move |asked| asked.says(&secret) || (self.google && asked.path.contains(&customer))
    }

    /// Secret and account.
    pub fn manifests(&self) -> [Value; 2] {
        let name = self.name();
        let keys = if self.google {
            json!({"clientId": format!("client-{}", self.number), "clientSecret": "secret", "refreshToken": self.secret()})
        } else {
            json!({"accessToken": self.secret()})
        };
        let spec = if self.google {
            json!({"customerId": self.customer(), "credentialsSecretRef": {"name": name}})
        } else {
            json!({"interval": "500ms", "credentialsSecretRef": {"name": name}})
        };
        let kind = if self.google {
            "GoogleAdsAccount"
        } else {
            "HubSpotAccount"
        };
        [
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": keys}),
            json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}),
        ]
    }

    /// Applies an event of its name that brings customers of the portal to Google; `more` is merged into its spec.
    pub fn event(&self, stage: &Stage, more: &Value) {
        let account = json!({"name": self.name()});
        let mut spec = json!({"startTime": ago(86_400 * 30)});
        let field = if self.google {
            "googleAdsAccountRef"
        } else {
            "hubSpotAccountRef"
        };
        spec[field] = account;
        for (field, value) in more.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        stage.event(&self.name(), "customer", &spec);
    }

    /// All conversions of the event arrive, each once, and nothing else.
    pub fn all_arrive(&self, stage: &Stage) {
        let portal = if self.google {
            super::judge::PORTAL
        } else {
            self.portal_id()
        };
        all_arrive(stage, &self.name(), portal);
    }
}

/// All customers of a portal arrive through an event, each once, and nothing else; the counts add up all the while.
pub fn all_arrive(stage: &Stage, name: &str, portal: u64) {
    let all: BTreeSet<String> = occurrences_in(portal, stage, "customer")
        .into_iter()
        .map(|(_, id)| id)
        .collect();
    assert!(!all.is_empty());
    let event = settled_within(stage, name, all.len(), Duration::from_secs(90));
    assert_eq!(Counts::of(&event).uploaded, all.len() as u64, "{event:#}");
    exactly(stage, &event, &all);
}

/// A list of manifests, for kubectl.
pub fn list(items: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}
