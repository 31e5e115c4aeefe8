//! HubSpot's accounts ("portals"), their tokens and settings.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{
    catalogue::{self, Choice, Kind, Origin},
    forms::Forms,
    limits::{Day, Window},
    odd::Oddities,
    record::Source,
    store::{Change, Store},
};
use crate::{options::Options, random::Random};

/// The portal that exists at start.
pub const DEFAULT_PORTAL: u64 = 62515;
/// The access token of the default portal.
pub const DEFAULT_TOKEN: &str = "pat-na1-sandbox";
/// Lifetime of OAuth access tokens in seconds.
pub const ACCESS_TOKEN_SECONDS: i64 = 1800;
/// Scopes a sync needs.
pub const DEFAULT_SCOPES: [&str; 3] = ["crm.objects.contacts.read", "crm.objects.deals.read", "forms"];
/// Contact ids start beyond what fits into 32 bits, as those of real portals do.
const FIRST_CONTACT: u64 = 100_000_000_001;
const FIRST_DEAL: u64 = 30_000_000_001;
/// Calls a day of a Professional account.
const DAILY_LIMIT: u64 = 625_000;

/// The eight stages every portal starts with.
pub const DEFAULT_STAGES: [(&str, &str); 8] = [
    ("subscriber", "Subscriber"),
    ("lead", "Lead"),
    ("marketingqualifiedlead", "Marketing Qualified Lead"),
    ("salesqualifiedlead", "Sales Qualified Lead"),
    ("opportunity", "Opportunity"),
    ("customer", "Customer"),
    ("evangelist", "Evangelist"),
    ("other", "Other"),
];

/// All portals and the credentials that open them.
pub struct HubSpot {
    /// Portals by id.
    pub portals: BTreeMap<u64, Portal>,
    /// Bearer tokens.
    pub tokens: HashMap<String, Token>,
    /// OAuth apps.
    pub apps: Vec<OAuthApp>,
    /// Rate limits are switched off.
    pub unlimited: bool,
    /// For correlation ids and new tokens.
    pub random: Random,
    defaults: Limits,
}

/// How a token came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TokenKind {
    /// Legacy private app.
    PrivateApp,
    /// Service key.
    ServiceKey,
    /// Access token of an OAuth app.
    OAuth,
}

/// A bearer token.
pub struct Token {
    /// The portal it opens.
    pub portal: u64,
    /// How it came to be.
    pub kind: TokenKind,
    /// What it may do.
    pub scopes: Vec<String>,
    /// No longer accepted.
    pub revoked: bool,
    /// End of its life, epoch milliseconds.
    pub expires: Option<i64>,
    /// Client id of its OAuth app.
    pub client_id: Option<String>,
    /// The only contacts that it is shown; `None`: all.
    pub sees: Option<Arc<BTreeSet<u64>>>,
    /// Calls of the last ten seconds.
    pub burst: Window,
}

/// An OAuth app installed in a portal.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OAuthApp {
    /// Client id.
    pub client_id: String,
    /// Client secret.
    pub client_secret: String,
    /// The refresh token.
    pub refresh_token: String,
    /// Scopes granted at installation.
    pub scopes: Vec<String>,
    /// The portal; set by the admin call it arrives in.
    #[serde(skip)]
    pub portal: u64,
    /// Uninstalled: the refresh token is refused.
    #[serde(default)]
    pub revoked: bool,
}

/// Limits of a portal.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Calls per ten seconds and token, searches excluded.
    pub burst: u32,
    /// Searches per second.
    pub search: u32,
    /// Calls per day.
    pub daily: u64,
    /// Index delay in milliseconds.
    pub index_lag: i64,
}

/// A HubSpot account.
pub struct Portal {
    /// Id.
    pub id: u64,
    /// IANA time zone, as text and as rules.
    pub time_zone: (String, TimeZone),
    /// ISO 4217.
    pub currency: String,
    /// Host of the web interface.
    pub ui_domain: String,
    /// `STANDARD`, `DEVELOPER_TEST`, …
    pub account_type: String,
    /// Lifecycle stages in order.
    pub stages: Vec<Choice>,
    /// Whether the tier has `hs_v2_date_entered_*` on contacts.
    pub date_entered: bool,
    /// Limits.
    pub limits: Limits,
    /// Contacts.
    pub contacts: Store,
    /// Deals.
    pub deals: Store,
    /// Forms and their submissions.
    pub forms: Forms,
    /// Records that are given in odd ways.
    pub odd: Oddities,
    /// Searches of the last second.
    pub searches: Window,
    /// Calls of the day.
    pub day: Day,
}

impl HubSpot {
    /// The default portal with its token and an OAuth app.
    pub fn new(options: &Options, _now: i64) -> Self {
        let defaults = Limits {
            burst: options.burst_rate,
            search: options.search_rate,
            daily: DAILY_LIMIT,
            index_lag: i64::try_from(options.index_lag.as_millis()).unwrap_or(i64::MAX / 4),
        };
        let mut hubspot = Self {
            portals: BTreeMap::new(),
            tokens: HashMap::new(),
            apps: Vec::new(),
            unlimited: options.no_rate_limits,
            random: Random::new(options.seed ^ 0x0048_5542),
            defaults,
        };
        hubspot.add_portal(DEFAULT_PORTAL);
        let scopes: Vec<String> = DEFAULT_SCOPES.map(str::to_owned).to_vec();
        hubspot.add_token(
            DEFAULT_TOKEN,
            Token::fixed(DEFAULT_PORTAL, TokenKind::PrivateApp, scopes.clone()),
        );
        hubspot.apps.push(OAuthApp {
            client_id: "sandbox-client".to_owned(),
            client_secret: "sandbox-secret".to_owned(),
            refresh_token: "sandbox-refresh".to_owned(),
            scopes,
            portal: DEFAULT_PORTAL,
            revoked: false,
        });
        hubspot
    }

    /// Adds an empty portal, or returns the one that is there.
    pub fn add_portal(&mut self, id: u64) -> &mut Portal {
        let limits = self.defaults;
        self.portals.entry(id).or_insert_with(|| Portal::new(id, limits))
    }

    /// Adds or replaces a token.
    pub fn add_token(&mut self, secret: &str, token: Token) {
        self.tokens.insert(secret.to_owned(), token);
    }

    /// The portal of that id, or the default one.
    ///
    /// # Errors
    /// When there is none.
    pub fn portal_mut(&mut self, id: Option<u64>) -> Result<&mut Portal, String> {
        let id = id.unwrap_or(DEFAULT_PORTAL);
        self.portals.get_mut(&id).ok_or_else(|| format!("no portal {id}"))
    }
}

impl Token {
    /// A token that does not expire.
    pub fn fixed(portal: u64, kind: TokenKind, scopes: Vec<String>) -> Self {
        Self {
            portal,
            kind,
            scopes,
            revoked: false,
            expires: None,
            client_id: None,
            sees: None,
            burst: Window::new(10_000),
        }
    }
}

impl Portal {
    fn new(id: u64, limits: Limits) -> Self {
        let zone = TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::UTC);
        let mut portal = Self {
            id,
            time_zone: ("Europe/Berlin".to_owned(), zone),
            currency: "EUR".to_owned(),
            ui_domain: "app.hubspot.com".to_owned(),
            account_type: "STANDARD".to_owned(),
            stages: Vec::new(),
            date_entered: true,
            limits,
            contacts: Store::new(catalogue::contacts(), FIRST_CONTACT),
            deals: Store::new(catalogue::deals(), FIRST_DEAL),
            forms: Forms::default(),
            odd: Oddities::default(),
            searches: Window::new(1_000),
            day: Day::default(),
        };
        for (value, label) in DEFAULT_STAGES {
            portal.add_stage(value, label);
        }
        portal
            .contacts
            .catalogue
            .define_stored("ads_consent", "Ads consent", Kind::Bool, true);
        for name in ["gbraid", "wbraid"] {
            portal.contacts.catalogue.define_stored(name, name, Kind::String, true);
        }
        portal
    }

    /// Adds a stage, or renames the one with that value.
    pub fn add_stage(&mut self, value: &str, label: &str) {
        let choice = Choice {
            value: value.to_owned(),
            label: label.to_owned(),
        };
        match self.stages.iter_mut().find(|stage| stage.value == value) {
            Some(stage) => *stage = choice,
            None => self.stages.push(choice),
        }
        let origin = || Origin::Entered(value.into());
        let catalogue = &mut self.contacts.catalogue;
        catalogue.define_computed(&format!("hs_v2_date_entered_{value}"), Kind::DateTime, origin());
        if DEFAULT_STAGES.iter().any(|(known, _)| *known == value) {
            catalogue.define_computed(&format!("hs_lifecyclestage_{value}_date"), Kind::DateTime, origin());
        }
        if let Some(property) = catalogue.find_mut("lifecyclestage") {
            property.options.clone_from(&self.stages);
        }
        catalogue.set_date_entered(self.date_entered);
    }

    /// Removes a stage from the choices (records keep their value).
    pub fn remove_stage(&mut self, value: &str) {
        self.stages.retain(|stage| stage.value != value);
        if let Some(property) = self.contacts.catalogue.find_mut("lifecyclestage") {
            property.options.clone_from(&self.stages);
        }
    }

    /// Switches the date-entered properties on or off.
    pub fn set_date_entered(&mut self, on: bool) {
        self.date_entered = on;
        self.contacts.catalogue.set_date_entered(on);
    }

    /// Sets properties of a contact at `at`, as learned of at `now`, and bumps `lastmodifieddate` to `now`.
    ///
    /// # Errors
    /// Unknown contact, computed property, unfit value.
    pub fn change_contact(
        &mut self,
        id: u64,
        properties: &BTreeMap<String, String>,
        at: i64,
        now: i64,
        source: &Source,
    ) -> Result<(), String> {
        for (name, value) in properties {
            let change = Change {
                value: value.clone(),
                at,
                recorded: now,
                source: source.clone(),
            };
            self.contacts.set(id, name, change)?;
        }
        self.touch_contact(id, now, now)
    }

    /// Bumps `lastmodifieddate`.
    ///
    /// # Errors
    /// Unknown contact.
    pub fn touch_contact(&mut self, id: u64, shown: i64, recorded: i64) -> Result<(), String> {
        let lag = self.limits.index_lag;
        let record = self
            .contacts
            .records
            .get_mut(&id)
            .ok_or_else(|| format!("no contact {id}"))?;
        record.touch(shown, recorded, recorded.saturating_sub(lag + record.extra_lag));
        Ok(())
    }

    /// Associates a deal with contacts, which counts as a change of these contacts.
    ///
    /// # Errors
    /// Unknown deal or contact.
    pub fn associate(&mut self, deal: u64, contacts: &[u64], recorded: i64) -> Result<(), String> {
        for id in contacts {
            let id = self
                .contacts
                .resolve(*id)
                .map(|contact| contact.id)
                .ok_or_else(|| format!("no contact {id}"))?;
            self.deals
                .records
                .get_mut(&deal)
                .ok_or_else(|| format!("no deal {deal}"))?
                .link(id);
            if let Some(contact) = self.contacts.records.get_mut(&id) {
                contact.link(deal);
            }
            self.touch_contact(id, recorded, recorded)?;
        }
        Ok(())
    }
}
