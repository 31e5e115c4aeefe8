//! Property definitions of an object type.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::record::Key;

/// Type of a property, as HubSpot names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Text.
    String,
    /// Decimal number.
    Number,
    /// Point in time; epoch milliseconds in filters, ISO 8601 in answers.
    DateTime,
    /// Day, as midnight UTC.
    Date,
    /// `"true"` or `"false"`.
    Bool,
    /// One internal value, or several joined with `;`.
    Enumeration,
}

impl Kind {
    /// HubSpot's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::DateTime => "datetime",
            Self::Date => "date",
            Self::Bool => "bool",
            Self::Enumeration => "enumeration",
        }
    }

    fn field_type(self) -> &'static str {
        match self {
            Self::String => "text",
            Self::Number => "number",
            Self::DateTime | Self::Date => "date",
            Self::Bool => "booleancheckbox",
            Self::Enumeration => "select",
        }
    }
}

/// Where the value of a property comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Set by someone.
    Stored,
    /// The record id.
    ObjectId,
    /// Creation time.
    Created,
    /// Time of the last modification.
    Modified,
    /// Ids merged into the record.
    MergedIds,
    /// Last entry into this lifecycle stage.
    Entered(Box<str>),
    /// Number of associated records.
    LinkCount,
    /// Exists, but is never filled on this object type.
    AlwaysEmpty,
    /// Computed from a deal's amount and stage unless it was set.
    Deal(DealField),
}

/// Computed properties of deals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DealField {
    /// Amount times probability.
    Projected,
    /// Probability of the stage.
    Probability,
    /// Won or lost.
    Closed,
    /// Won.
    Won,
    /// Lost.
    Lost,
    /// Amount if won, else 0.
    ClosedAmount,
}

/// One choice of an enumeration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Choice {
    /// Internal value.
    pub value: String,
    /// What people see.
    pub label: String,
}

/// A property definition.
#[derive(Clone, Debug)]
pub struct Property {
    /// Internal name.
    pub name: Box<str>,
    /// Label.
    pub label: String,
    /// Type.
    pub kind: Kind,
    /// Choices of an enumeration.
    pub options: Vec<Choice>,
    /// Source of its values.
    pub origin: Origin,
    /// Defined by the portal, not by HubSpot.
    pub custom: bool,
    /// The portal's tier has it.
    pub available: bool,
}

/// All properties of an object type.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    properties: Vec<Property>,
    by_name: HashMap<Box<str>, Key>,
}

impl Catalogue {
    /// Adds or replaces a definition and returns its key.
    pub fn define(&mut self, property: Property) -> Key {
        if let Some(&key) = self.by_name.get(&property.name) {
            if let Some(old) = self.properties.get_mut(usize::from(key)) {
                *old = property;
            }
            return key;
        }
        let key = Key::try_from(self.properties.len()).unwrap_or(Key::MAX);
        self.by_name.insert(property.name.clone(), key);
        self.properties.push(property);
        key
    }

    /// Adds a property that somebody sets.
    pub fn define_stored(&mut self, name: &str, label: &str, kind: Kind, custom: bool) -> Key {
        self.define(Property {
            name: name.into(),
            label: label.to_owned(),
            kind,
            options: Vec::new(),
            origin: Origin::Stored,
            custom,
            available: true,
        })
    }

    /// Adds a property that HubSpot computes.
    pub fn define_computed(&mut self, name: &str, kind: Kind, origin: Origin) -> Key {
        let label = name.replace('_', " ");
        self.define(Property {
            name: name.into(),
            label,
            kind,
            options: Vec::new(),
            origin,
            custom: false,
            available: true,
        })
    }

    /// The property of that name, if the portal has it.
    pub fn find(&self, name: &str) -> Option<(Key, &Property)> {
        let key = *self.by_name.get(name)?;
        self.get(key).filter(|p| p.available).map(|p| (key, p))
    }

    /// The key of that name, whether or not the portal's tier has the property.
    pub fn key_even_if_hidden(&self, name: &str) -> Option<Key> {
        self.by_name.get(name).copied()
    }

    /// The property of that key.
    pub fn get(&self, key: Key) -> Option<&Property> {
        self.properties.get(usize::from(key))
    }

    /// For changing a definition.
    pub fn find_mut(&mut self, name: &str) -> Option<&mut Property> {
        let key = *self.by_name.get(name)?;
        self.properties.get_mut(usize::from(key))
    }

    /// All properties the portal has, with their keys.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &Property)> {
        (0..).zip(&self.properties).filter(|(_, property)| property.available)
    }

    /// Switches the date-entered properties on or off.
    pub fn set_date_entered(&mut self, available: bool) {
        for property in self
            .properties
            .iter_mut()
            .filter(|p| p.name.starts_with("hs_v2_date_entered_"))
        {
            property.available = available;
        }
    }
}

impl Property {
    /// The definition as the properties endpoint returns it.
    pub fn to_json(&self) -> Value {
        let computed = self.origin != Origin::Stored;
        let options: Vec<Value> = self
            .options
            .iter()
            .enumerate()
            .map(|(place, o)| json!({"label": o.label, "value": o.value, "displayOrder": place, "hidden": false, "description": ""}))
            .collect();
        json!({
            "name": self.name, "label": self.label, "type": self.kind.name(), "fieldType": self.kind.field_type(),
            "description": "", "groupName": if self.custom { "custom" } else { "contactinformation" }, "options": options,
            "displayOrder": -1, "calculated": false, "externalOptions": false, "hasUniqueValue": false, "hidden": false,
            "hubspotDefined": !self.custom, "formField": !computed, "dataSensitivity": "non_sensitive", "archived": false,
            "modificationMetadata": {"archivable": self.custom, "readOnlyDefinition": !self.custom, "readOnlyValue": computed},
        })
    }
}

const CONTACT_STRINGS: &str = "email firstname lastname phone mobilephone hs_calculated_phone_number address city state zip country \
    hs_country_region_code company jobtitle website hs_additional_emails hs_google_click_id \
    hs_facebook_click_id hs_linkedin_click_id hs_bing_click_id hs_tiktok_click_id \
    hs_analytics_source_data_1 hs_analytics_source_data_2 hs_analytics_first_url hs_analytics_last_url \
    hs_latest_source_data_1 hs_latest_source_data_2 first_conversion_event_name \
    recent_conversion_event_name hs_calculated_merged_vids hs_all_contact_vids \
    hs_calculated_form_submissions hubspot_owner_id hs_lead_status message";
const CONTACT_TIMES: &str = "hs_analytics_first_timestamp hs_analytics_first_visit_timestamp hs_analytics_last_timestamp \
    hs_analytics_last_visit_timestamp hs_latest_source_timestamp first_conversion_date \
    recent_conversion_date recent_deal_close_date closedate";
const CONTACT_NUMBERS: &str =
    "num_conversion_events recent_deal_amount total_revenue hubspotscore hs_num_associated_open_deals";
const CONTACT_BOOLS: &str = "hs_data_privacy_ads_consent hs_email_optout hs_facebook_ad_clicked hs_linkedin_ad_clicked";
const SOURCES: [&str; 9] = [
    "ORGANIC_SEARCH",
    "PAID_SEARCH",
    "EMAIL_MARKETING",
    "SOCIAL_MEDIA",
    "REFERRALS",
    "OTHER_CAMPAIGNS",
    "DIRECT_TRAFFIC",
    "OFFLINE",
    "PAID_SOCIAL",
];
/// Values of `hs_legal_basis`; the first two have an en dash.
const LEGAL_BASES: [&str; 6] = [
    "Legitimate interest \u{2013} prospect/lead",
    "Legitimate interest \u{2013} existing customer",
    "Legitimate interest - other",
    "Performance of a contract",
    "Freely given consent from contact",
    "Not applicable",
];

/// HubSpot's own contact properties (those a sync can meet); the lifecycle stages are added by the portal.
pub fn contacts() -> Catalogue {
    let mut catalogue = Catalogue::default();
    let mut stored = |names: &str, kind| {
        for name in names.split_whitespace() {
            catalogue.define_stored(name, &name.replace('_', " "), kind, false);
        }
    };
    stored(CONTACT_STRINGS, Kind::String);
    stored(CONTACT_TIMES, Kind::DateTime);
    stored(CONTACT_NUMBERS, Kind::Number);
    stored(CONTACT_BOOLS, Kind::Bool);
    stored(
        "lifecyclestage hs_analytics_source hs_latest_source hs_legal_basis",
        Kind::Enumeration,
    );
    for (name, values) in [
        ("hs_analytics_source", &SOURCES[..]),
        ("hs_latest_source", &SOURCES[..]),
        ("hs_legal_basis", &LEGAL_BASES[..]),
    ] {
        if let Some(property) = catalogue.find_mut(name) {
            property.options = values
                .iter()
                .map(|v| Choice {
                    value: (*v).to_owned(),
                    label: (*v).to_owned(),
                })
                .collect();
        }
    }
    catalogue.define_computed("hs_object_id", Kind::Number, Origin::ObjectId);
    catalogue.define_computed("createdate", Kind::DateTime, Origin::Created);
    catalogue.define_computed("lastmodifieddate", Kind::DateTime, Origin::Modified);
    catalogue.define_computed("hs_lastmodifieddate", Kind::DateTime, Origin::AlwaysEmpty);
    catalogue.define_computed("hs_merged_object_ids", Kind::Enumeration, Origin::MergedIds);
    catalogue.define_computed("num_associated_deals", Kind::Number, Origin::LinkCount);
    catalogue
}

/// HubSpot's own deal properties.
pub fn deals() -> Catalogue {
    let mut catalogue = Catalogue::default();
    for name in ["dealname", "deal_currency_code", "hubspot_owner_id", "description"] {
        catalogue.define_stored(name, name, Kind::String, false);
    }
    for name in [
        "amount",
        "amount_in_home_currency",
        "hs_exchange_rate",
        "hs_projected_amount_in_home_currency",
    ] {
        catalogue.define_stored(name, name, Kind::Number, false);
    }
    for name in ["dealstage", "pipeline"] {
        catalogue.define_stored(name, name, Kind::Enumeration, false);
    }
    catalogue.define_stored("closedate", "Close date", Kind::DateTime, false);
    catalogue.define_computed("hs_object_id", Kind::Number, Origin::ObjectId);
    catalogue.define_computed("createdate", Kind::DateTime, Origin::Created);
    catalogue.define_computed("hs_lastmodifieddate", Kind::DateTime, Origin::Modified);
    let fields = [
        ("hs_projected_amount", Kind::Number, DealField::Projected),
        ("hs_deal_stage_probability", Kind::Number, DealField::Probability),
        ("hs_is_closed", Kind::Bool, DealField::Closed),
        ("hs_is_closed_won", Kind::Bool, DealField::Won),
        ("hs_is_closed_lost", Kind::Bool, DealField::Lost),
        ("hs_closed_amount", Kind::Number, DealField::ClosedAmount),
    ];
    for (name, kind, field) in fields {
        catalogue.define_computed(name, kind, Origin::Deal(field));
    }
    catalogue
}
