//! Messages of the Data Manager API, as far as a Google Ads uploader uses them. Fields that only other products or
//! encrypted uploads use are unknown here.

use crate::google::schema::{Kind, Message, many, one};

static CONSENTS: &[&str] = &["CONSENT_STATUS_UNSPECIFIED", "CONSENT_GRANTED", "CONSENT_DENIED"];

static ACCOUNT_TYPES: &[&str] = &[
    "ACCOUNT_TYPE_UNSPECIFIED",
    "GOOGLE_ADS",
    "DISPLAY_VIDEO_PARTNER",
    "DISPLAY_VIDEO_ADVERTISER",
    "DATA_PARTNER",
    "GOOGLE_ANALYTICS_PROPERTY",
    "GOOGLE_AD_MANAGER_AUDIENCE_LINK",
    "FLOODLIGHT_CONFIG",
    "GOOGLE_AD_MANAGER",
];

static SOURCES: &[&str] = &[
    "EVENT_SOURCE_UNSPECIFIED",
    "WEB",
    "APP",
    "IN_STORE",
    "PHONE",
    "OTHER",
    "MESSAGE",
];

static ACCOUNT: Message = Message {
    fields: &[
        one("accountType", Kind::Enum(ACCOUNT_TYPES)),
        one("accountId", Kind::Text),
    ],
    one_of: &[],
};

static DESTINATION: Message = Message {
    fields: &[
        one("reference", Kind::Text),
        one("operatingAccount", Kind::Message(&ACCOUNT)),
        one("loginAccount", Kind::Message(&ACCOUNT)),
        one("linkedAccount", Kind::Message(&ACCOUNT)),
        one("productDestinationId", Kind::Text),
    ],
    one_of: &[],
};

static CONSENT: Message = Message {
    fields: &[
        one("adUserData", Kind::Enum(CONSENTS)),
        one("adPersonalization", Kind::Enum(CONSENTS)),
    ],
    one_of: &[],
};

static ADDRESS: Message = Message {
    fields: &[
        one("givenName", Kind::Text),
        one("familyName", Kind::Text),
        one("regionCode", Kind::Text),
        one("postalCode", Kind::Text),
    ],
    one_of: &[],
};

static IDENTIFIER: Message = Message {
    fields: &[
        one("emailAddress", Kind::Text),
        one("phoneNumber", Kind::Text),
        one("address", Kind::Message(&ADDRESS)),
    ],
    one_of: &["emailAddress", "phoneNumber", "address"],
};

static USER_DATA: Message = Message {
    fields: &[many("userIdentifiers", Kind::Message(&IDENTIFIER))],
    one_of: &[],
};

static DEVICE: Message = Message {
    fields: &[one("userAgent", Kind::Text), one("ipAddress", Kind::Text)],
    one_of: &[],
};

static AD_IDENTIFIERS: Message = Message {
    fields: &[
        one("gclid", Kind::Text),
        one("gbraid", Kind::Text),
        one("wbraid", Kind::Text),
        one("sessionAttributes", Kind::Text),
        one("landingPageDeviceInfo", Kind::Message(&DEVICE)),
        one("mobileDeviceId", Kind::Text),
        one("dclid", Kind::Text),
        one("impressionId", Kind::Text),
        one("matchId", Kind::Text),
        one("leadId", Kind::Text),
    ],
    one_of: &[],
};

static PROPERTIES: Message = Message {
    fields: &[
        one(
            "customerType",
            Kind::Enum(&["CUSTOMER_TYPE_UNSPECIFIED", "NEW", "RETURNING", "REENGAGED"]),
        ),
        one(
            "customerValueBucket",
            Kind::Enum(&["CUSTOMER_VALUE_BUCKET_UNSPECIFIED", "LOW", "MEDIUM", "HIGH"]),
        ),
    ],
    one_of: &[],
};

static EVENT: Message = Message {
    fields: &[
        many("destinationReferences", Kind::Text),
        one("transactionId", Kind::Text),
        one("eventTimestamp", Kind::Time),
        one("lastUpdatedTimestamp", Kind::Time),
        one("userData", Kind::Message(&USER_DATA)),
        one("consent", Kind::Message(&CONSENT)),
        one("adIdentifiers", Kind::Message(&AD_IDENTIFIERS)),
        one("currency", Kind::Text),
        one("conversionValue", Kind::Double),
        one("eventSource", Kind::Enum(SOURCES)),
        one("eventDeviceInfo", Kind::Message(&DEVICE)),
        one("userProperties", Kind::Message(&PROPERTIES)),
    ],
    one_of: &[],
};

/// `IngestEventsRequest`.
pub static INGEST: Message = Message {
    fields: &[
        many("destinations", Kind::Message(&DESTINATION)),
        many("events", Kind::Message(&EVENT)),
        one("consent", Kind::Message(&CONSENT)),
        one("validateOnly", Kind::Bool),
        one("encoding", Kind::Enum(&["ENCODING_UNSPECIFIED", "HEX", "BASE64"])),
    ],
    one_of: &[],
};
