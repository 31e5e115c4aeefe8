//! Who takes part: three tenants with a portal each, four Google accounts, and a hostile tenant beside them.

use serde_json::{Value, json};

use crate::e2e::Stage;
use crate::e2e::stage::ago;

pub const FORM: &str = "78c2891f-ebdd-44c0-bd94-15c012bbbfbf";
const DAY: i64 = 86_400;

/// An event of a tenant.
pub struct Plan {
    pub name: &'static str,
    /// Lifecycle stage; a form event has none.
    pub stage: Option<&'static str>,
    /// Index of the Google account.
    pub google: usize,
    /// It declares consent.
    pub consent: bool,
    /// The value that each of its conversions has, where it is fixed.
    pub value: Option<f64>,
}

/// A tenant: a namespace with one portal.
pub struct Tenant {
    pub portal: u64,
    pub token: &'static str,
    pub events: &'static [Plan],
}

/// Customer id and refresh token of the Google accounts. The second one uploads through the Google Ads API.
pub const GOOGLE: [(&str, &str); 4] = [
    ("1234567890", "soak-refresh-0"),
    ("2000000001", "soak-refresh-1"),
    ("2000000002", "soak-refresh-2"),
    ("2000000003", "soak-refresh-3"),
];
const CLICK_UPLOADS: usize = 1;

const fn plan(name: &'static str, stage: Option<&'static str>, google: usize, value: Option<f64>) -> Plan {
    Plan {
        name,
        stage,
        google,
        consent: stage.is_none(),
        value,
    }
}

const fn consenting(mut event: Plan) -> Plan {
    event.consent = true;
    event
}

pub const TENANTS: [Tenant; 3] = [
    Tenant {
        portal: 62_515,
        token: "pat-na1-soak-0",
        events: &[
            plan("won", Some("customer"), 0, Some(25.0)),
            plan("qualified", Some("marketingqualifiedlead"), CLICK_UPLOADS, Some(5.0)),
            plan("demo", None, 0, Some(7.0)),
        ],
    },
    Tenant {
        portal: 62_516,
        token: "pat-na1-soak-1",
        events: &[
            consenting(plan("won", Some("customer"), 2, Some(30.0))),
            plan("demo", None, 2, Some(3.0)),
        ],
    },
    Tenant {
        portal: 62_517,
        token: "pat-na1-soak-2",
        events: &[
            plan("won", Some("customer"), 3, None),
            plan("qualified", Some("salesqualifiedlead"), 3, None),
        ],
    },
];

/// Makes the portals, their forms and the Google accounts known.
pub fn prepare(stage: &Stage) {
    let scopes = ["crm.objects.contacts.read", "crm.objects.deals.read", "forms"];
    for tenant in &TENANTS {
        let token = json!({"accessToken": tenant.token, "kind": "privateApp", "scopes": scopes});
        let portal = json!({"portalId": tenant.portal, "timeZone": "Europe/Berlin", "companyCurrency": "EUR", "tokens": [token]});
        stage.post("/hubspot/portals", &portal);
        let form = json!([{"id": FORM, "name": "Demo"}]);
        stage.post(&format!("/hubspot/forms?portalId={}", tenant.portal), &form);
    }
    for (index, (customer, refresh)) in GOOGLE.iter().enumerate() {
        let grant = json!({"refreshToken": refresh, "clientId": "sandbox-client", "identity": "user@sandbox.test"});
        stage.post("/google/credentials/refresh-tokens", &grant);
        if index > 0 {
            let account = json!({"customerId": customer, "access": [{"identity": "user@sandbox.test"}],
                "clickUploadsAllowed": index == CLICK_UPLOADS});
            stage.post("/google/accounts", &account);
        }
    }
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn secret(name: &str, keys: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": keys})
}

fn google_keys(client: &str, refresh: &str) -> Value {
    json!({"clientId": client, "clientSecret": "sandbox-secret", "refreshToken": refresh})
}

fn list(items: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

/// Accounts and Secrets of a tenant.
pub fn accounts(tenant: &Tenant) -> String {
    let hubspot = json!({"credentialsSecretRef": {"name": "hubspot"}, "interval": "500ms", "defaultRegion": "DE"});
    let mut items = vec![
        secret("hubspot", &json!({"accessToken": tenant.token})),
        object("HubSpotAccount", "acme", &hubspot),
    ];
    for (index, (customer, refresh)) in GOOGLE.iter().enumerate() {
        if tenant.events.iter().all(|event| event.google != index) {
            continue;
        }
        let name = format!("google-{index}");
        let mut spec = json!({"customerId": customer, "credentialsSecretRef": {"name": name}});
        if index == CLICK_UPLOADS {
            spec["uploads"] = json!({"clickConversions": "GoogleAds"});
        }
        items.push(secret(&name, &google_keys("sandbox-client", refresh)));
        items.push(object("GoogleAdsAccount", &name, &spec));
    }
    list(&items)
}

/// The manifest of an event, the same each time it is created.
pub fn event(event: &Plan, start: &str) -> Value {
    let trigger = match event.stage {
        Some(stage) => json!({"lifecycleStage": {"stage": stage}}),
        None => json!({"formSubmission": {"formId": FORM}}),
    };
    let value = match event.value {
        Some(amount) => json!({"fixed": {"amount": format!("{amount}"), "currency": "EUR"}}),
        None => json!({"dealAmount": {"default": {"amount": "10", "currency": "EUR"}}}),
    };
    let mut spec = json!({
        "googleAdsAccountRef": {"name": format!("google-{}", event.google)}, "hubSpotAccountRef": {"name": "acme"},
        "trigger": trigger, "value": value, "startTime": start,
    });
    if event.consent {
        spec["consent"] = json!({"property": "ads_consent", "grantedValues": ["true"]});
    }
    if event.stage.is_none() {
        spec["shareData"] = json!(["Email"]);
    }
    object("AdConversionEvent", event.name, &spec)
}

/// What the hostile tenant declares: services that never answer,
/// services that answer nonsense, a squat on another's action.
pub fn hostile(stage: &Stage) -> String {
    let nonsense = json!({"access_token": 7, "expires_in": 1e300, "hub_id": "\u{0}"});
    let status = json!({"status": 200, "body": nonsense});
    for (service, client, action) in [
        ("token", "hostile-silent", json!({"hangBefore": true})),
        ("hubspot", "hostile-silent", json!({"hangBefore": true})),
        ("token", "hostile-nonsense", status.clone()),
        ("hubspot", "hostile-nonsense", status),
    ] {
        let fault = json!({"id": format!("{client}-{service}"), "service": service, "bodyContains": client, "count": 0,
            "action": action});
        stage.post("/faults", &fault);
    }
    let rows = json!({"results": [{"conversionAction": {"id": -1e300, "name": ["x"]}, "customer": "\u{feff}"}], "nextPageToken": 9});
    let fault = json!({"id": "hostile-rows", "service": "googleAds", "path": "customers/2000000009", "count": 0,
        "action": {"status": 200, "body": rows}});
    stage.post("/faults", &fault);
    let mut items = Vec::new();
    for (name, client, refresh, customer) in [
        ("silent", "hostile-silent", "made-up", "2000000008"),
        ("nonsense", "hostile-nonsense", "made-up", "2000000007"),
        ("rows", "sandbox-client", "soak-refresh-0", "2000000009"),
        ("squat", "sandbox-client", "made-up", GOOGLE[0].0),
    ] {
        let hubspot = if client == "sandbox-client" {
            "hostile-nonsense"
        } else {
            client
        };
        let secrets = [format!("{name}-google"), format!("{name}-hubspot")];
        let google = json!({"customerId": customer, "credentialsSecretRef": {"name": secrets[0]}});
        let portal = json!({"credentialsSecretRef": {"name": secrets[1]}, "interval": "500ms"});
        let event = json!({"googleAdsAccountRef": {"name": name}, "hubSpotAccountRef": {"name": name}, "eventName": "won",
            "trigger": {"lifecycleStage": {"stage": "customer"}}, "startTime": ago(DAY)});
        items.extend([
            secret(&secrets[0], &google_keys(client, refresh)),
            secret(&secrets[1], &google_keys(hubspot, refresh)),
            object("GoogleAdsAccount", name, &google),
            object("HubSpotAccount", name, &portal),
            object("AdConversionEvent", name, &event),
        ]);
    }
    list(&items)
}
