//! A conversion action and how the API shows it.

use jiff::Timestamp;
use serde_json::{Value, json};

/// A conversion action.
#[derive(Clone)]
pub struct Action {
    /// Number; Data Manager's `productDestinationId`.
    pub id: u64,
    /// Account that owns it.
    pub owner: String,
    /// Name, unique in the account.
    pub name: String,
    /// `ConversionActionStatus`.
    pub status: String,
    /// `ConversionActionType`.
    pub kind: String,
    /// `ConversionOrigin`.
    pub origin: String,
    /// `ConversionActionCategory`.
    pub category: String,
    /// `primaryForGoal`.
    pub primary: bool,
    /// `ConversionActionCountingType`.
    pub counting: String,
    /// Click window in days.
    pub click_days: i64,
    /// View window in days.
    pub view_days: i64,
    /// `valueSettings.defaultValue`.
    pub default_value: f64,
    /// `valueSettings.defaultCurrencyCode`.
    pub default_currency: String,
    /// `valueSettings.alwaysUseDefaultValue`.
    pub always_default: bool,
    /// `AttributionModel`.
    pub attribution: String,
    /// Seconds a call must last, for call types.
    pub phone_seconds: Option<i64>,
    /// When it was created.
    pub created: Timestamp,
    /// Tag label, for web types.
    pub label: String,
    /// Defined by Google itself: no owner, not editable.
    pub system: bool,
}

/// Tracking code: `AW-<tracking id>/<label>` is what a page sends to.
fn snippet(tracking: u64, label: &str, kind: &str, format: &str) -> Value {
    let site = format!(
        "<!-- Google tag (gtag.js) -->\n<script async src=\"https://www.googletagmanager.com/gtag/js?id=AW-{tracking}\"></script>\n\
         <script>\n  window.dataLayer = window.dataLayer || [];\n  function gtag(){{dataLayer.push(arguments);}}\n  \
         gtag('js', new Date());\n\n  gtag('config', 'AW-{tracking}');\n</script>\n"
    );
    let event = if format == "AMP" {
        format!(
            "\"triggers\": {{\"C_{label}\": {{\"vars\": {{\"event_name\": \"conversion\", \"send_to\": [\"AW-{tracking}/{label}\"]}}}}}}"
        )
    } else {
        format!(
            "<script>\n  gtag('event', 'conversion', {{\n      'send_to': 'AW-{tracking}/{label}',\n      'value': 1.0,\n      'currency': 'EUR',\n      'transaction_id': ''\n  }});\n</script>\n"
        )
    };
    json!({"type": kind, "pageFormat": format, "globalSiteTag": site, "eventSnippet": event})
}

impl Action {
    /// Resource name.
    pub fn resource_name(&self) -> String {
        format!("customers/{}/conversionActions/{}", self.owner, self.id)
    }

    /// Whether it takes uploads.
    pub fn takes_uploads(&self) -> bool {
        (self.kind == "UPLOAD_CLICKS" || self.kind == "WEBPAGE") && self.attribution != "EXTERNAL"
    }

    /// The fields a client may write, as the API shows them.
    pub fn mutable_resource(&self) -> Value {
        let mut value = json!({
            "resourceName": self.resource_name(),
            "name": self.name,
            "status": self.status,
            "type": self.kind,
            "category": self.category,
            "primaryForGoal": self.primary,
            "countingType": self.counting,
            "clickThroughLookbackWindowDays": self.click_days.to_string(),
            "viewThroughLookbackWindowDays": self.view_days.to_string(),
            "valueSettings": {
                "defaultValue": self.default_value,
                "defaultCurrencyCode": self.default_currency,
                "alwaysUseDefaultValue": self.always_default,
            },
            "attributionModelSettings": {"attributionModel": self.attribution},
        });
        if let Some(seconds) = self.phone_seconds {
            value["phoneCallDurationSeconds"] = json!(seconds.to_string());
        }
        value
    }

    /// The whole resource; `tracking` is the owner's number behind `AW-`, `counted` whether its goal is biddable.
    pub fn resource(&self, tracking: u64, counted: bool) -> Value {
        let mut value = self.mutable_resource();
        value["id"] = json!(self.id.to_string());
        value["origin"] = json!(self.origin);
        value["includeInConversionsMetric"] = json!(self.primary && counted);
        if !self.system {
            value["ownerCustomer"] = json!(format!("customers/{}", self.owner));
        }
        if self.kind == "WEBPAGE" {
            value["tagSnippets"] = json!([
                snippet(tracking, &self.label, "WEBPAGE", "HTML"),
                snippet(tracking, &self.label, "WEBPAGE", "AMP"),
                snippet(tracking, &self.label, "WEBPAGE_ONCLICK", "HTML"),
            ]);
        }
        value
    }
}

/// The origin Google gives to an action of a type.
pub fn origin_of(kind: &str) -> &'static str {
    match kind {
        "AD_CALL" | "CLICK_TO_CALL" => "CALL_FROM_ADS",
        "GOOGLE_HOSTED" | "LEAD_FORM_SUBMIT" => "GOOGLE_HOSTED",
        "STORE_VISITS" | "STORE_SALES" | "STORE_SALES_DIRECT_UPLOAD" => "STORE",
        "LOCAL_SERVICES_ADS" => "LOCAL_SERVICES_ADS",
        other if other.contains("ANDROID") || other.contains("IOS") || other.starts_with("GOOGLE_PLAY") => "APP",
        _ => "WEBSITE",
    }
}
