//! Mistakes that keep an event from working, and how each is to be told.

use serde_json::{Value, json};

use crate::e2e::forms::FORM;

/// A mistake: how it is made, and where and how it is told.
pub(super) struct Mistake {
    pub(super) what: &'static str,
    /// Merged into the event's spec.
    pub(super) spec: Value,
    /// Replaced in the accounts' manifest.
    pub(super) accounts: Option<(&'static str, &'static str)>,
    /// Call of the sandbox's admin port.
    pub(super) admin: Option<(&'static str, &'static str, Value)>,
    pub(super) probe: &'static str,
    pub(super) parts: &'static [&'static str],
}

impl Mistake {
    fn new(what: &'static str, probe: &'static str, parts: &'static [&'static str]) -> Self {
        Self {
            what,
            spec: json!({}),
            accounts: None,
            admin: None,
            probe,
            parts,
        }
    }

    fn spec(mut self, spec: Value) -> Self {
        self.spec = spec;
        self
    }

    const fn accounts(mut self, from: &'static str, to: &'static str) -> Self {
        self.accounts = Some((from, to));
        self
    }

    fn admin(mut self, method: &'static str, path: &'static str, body: Value) -> Self {
        self.admin = Some((method, path, body));
        self
    }
}

/// What people write wrong, or HubSpot does not let the token do.
pub(super) fn mistakes_in_manifests() -> Vec<Mistake> {
    let deals = json!({"value": {"dealAmount": {"default": {"amount": "1", "currency": "EUR"}}}});
    let form = |id: &str| {
        json!({"trigger": {"formSubmission": {"formId": id}}, "shareData": ["Email"],
            "consent": {"property": "ads_consent", "grantedValues": ["true"]}})
    };
    let few = json!({"scopes": {"pat-na1-sandbox": ["crm.objects.contacts.read"]}});
    let portal = "/hubspot/portals/62515";
    vec![
        Mistake::new("wrong HubSpot token", "token", &["Secret hubspot"]).accounts("pat-na1-sandbox", "pat-na1-other"),
        Mistake::new("no token", "credentials", &["accessToken", "Secret hubspot"])
            .accounts("accessToken", "accessTokn"),
        Mistake::new("wrong Google token", "token", &["Secret google-ads"])
            .accounts("sandbox-refresh", "sandbox-other"),
        Mistake::new(
            "unknown stage",
            "stage",
            &["spec.trigger.lifecycleStage.stage", "Kunde"],
        )
        .spec(json!({"trigger": {"lifecycleStage": {"stage": "Kunde \"<b>\""}}})),
        Mistake::new("missing form", "form", &["spec.trigger.formSubmission.formId", FORM])
            .spec(form("Demo <script>\"x\"")),
        Mistake::new(
            "unknown property",
            "properties",
            &["spec.clickIds.gclidProperty", "gclid"],
        )
        .spec(json!({"clickIds": {"gclidProperty": "gclid"}})),
        Mistake::new(
            "scope of deals",
            "scope crm.objects.deals.read",
            &["spec.value.dealAmount", "Secret hubspot"],
        )
        .spec(deals)
        .admin("PATCH", portal, few.clone()),
        Mistake::new(
            "scope of forms",
            "scope forms",
            &["spec.trigger.formSubmission", "Secret hubspot"],
        )
        .spec(form(FORM))
        .admin("PATCH", portal, few),
        Mistake::new(
            "scope of contacts",
            "scope crm.objects.contacts.read",
            &["Add it to the app"],
        )
        .admin("PATCH", portal, json!({"scopes": {"pat-na1-sandbox": ["forms"]}})),
        Mistake::new("another portal", "portal", &["spec.portalId", "62515"]).accounts(
            "spec: {credentialsSecretRef: {name: hubspot}",
            "spec: {portalId: 7, credentialsSecretRef: {name: hubspot}",
        ),
        Mistake::new("currency", "manifest", &["currency"])
            .spec(json!({"value": {"fixed": {"amount": "1", "currency": "EURO"}}})),
        Mistake::new("unknown field", "manifest", &["spec.shareEverything"])
            .spec(json!({"shareEverything": ["Email"]})),
        Mistake::new(
            "no account",
            "HubSpotAccount",
            &["spec.hubSpotAccountRef.name", "\"nobody\""],
        )
        .spec(json!({"hubSpotAccountRef": {"name": "nobody"}})),
    ]
}

/// What stands in the way at Google.
pub(super) fn mistakes_at_google() -> Vec<Mistake> {
    let account = "/google/accounts/1234567890";
    vec![
        Mistake::new("Google Ads API off", "Google Ads API", &["Enable the Google Ads API"]).admin(
            "PATCH",
            "/google/settings",
            json!({"googleAdsDisabled": true}),
        ),
        Mistake::new(
            "Data Manager API off",
            "Data Manager API",
            &["Enable the Data Manager API"],
        )
        .admin("PATCH", "/google/settings", json!({"dataManagerDisabled": true})),
        Mistake::new(
            "terms",
            "customer data terms",
            &["spec.shareData", "Customer data terms"],
        )
        .spec(json!({"shareData": ["Email"]}))
        .admin("PATCH", account, json!({"acceptedCustomerDataTerms": false})),
        Mistake::new("no access", "customer", &["spec.loginCustomerId"]).accounts("123-456-7890", "555-555-5555"),
        Mistake::new(
            "not allowlisted",
            "upload",
            &["spec.uploads.clickConversions", "DataManager"],
        )
        .accounts(
            "spec: {customerId: 123-456-7890,",
            "spec: {uploads: {clickConversions: GoogleAds}, customerId: 123-456-7890,",
        ),
        Mistake::new("name in conflict", "conversion action", &["spec.eventName", "SIGNUP"])
            .spec(json!({"eventName": "Any \"<b>\""})),
        Mistake::new(
            "no such action",
            "conversion action",
            &["spec.conversionAction.existing"],
        )
        .spec(json!({"conversionAction": {"existing": {"id": "99"}}})),
    ]
}
