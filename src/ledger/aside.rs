//! The contacts that a feed has put aside.

use serde::{Deserialize, Serialize};

use super::columns::{json_rows, to_millis, to_time};
use super::database::Conn;
use super::error::damaged_value;
use super::streams::set_meta;
use crate::domain::ids::{ContactId, ObjectKey};
use crate::domain::shown_state::ShownState;
use crate::ports::ledger::{AsideContact, LedgerResult};

/// A contact in a JSON array: its id, and with what a search showed of it where that is known.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredContact {
    Id(u64),
    Shown(u64, ShownParts),
}

#[derive(Serialize, Deserialize)]
struct ShownParts {
    modified: Option<i64>,
    entered: Vec<(String, i64)>,
    stage: Option<String>,
    behind_since: Option<i64>,
}

fn aside_of(hubspot: &ObjectKey) -> String {
    format!("aside:{hubspot}")
}

pub(crate) async fn put_aside(conn: &mut Conn, hubspot: &ObjectKey) -> LedgerResult<Vec<AsideContact>> {
    let found: Option<String> = sqlx::query_scalar("SELECT value FROM meta WHERE name = $1")
        .bind(aside_of(hubspot))
        .fetch_optional(conn)
        .await?;
    let stored: Vec<StoredContact> = match found {
        Some(text) => serde_json::from_str(&text).map_err(|_| damaged_value("the contacts put aside"))?,
        None => Vec::new(),
    };
    stored.into_iter().map(from_stored).collect()
}

/// A handful at most times, and always read and written whole.
pub(crate) async fn set_put_aside(conn: &mut Conn, hubspot: &ObjectKey, contacts: &[AsideContact]) -> LedgerResult<()> {
    let stored: Vec<StoredContact> = contacts.iter().map(to_stored).collect();
    set_meta(conn, &aside_of(hubspot), &json_rows(&stored)?).await
}

fn to_stored(contact: &AsideContact) -> StoredContact {
    let (id, shown) = (contact.id.0, &contact.shown);
    if *shown == ShownState::default() && contact.behind_since.is_none() {
        return StoredContact::Id(id);
    }
    let entered = shown.entered.iter();
    let parts = ShownParts {
        modified: shown.modified.map(to_millis),
        entered: entered.map(|(stage, at)| (stage.clone(), to_millis(*at))).collect(),
        stage: shown.stage.clone(),
        behind_since: contact.behind_since.map(to_millis),
    };
    StoredContact::Shown(id, parts)
}

fn from_stored(stored: StoredContact) -> LedgerResult<AsideContact> {
    let (id, parts) = match stored {
        StoredContact::Id(id) => (id, None),
        StoredContact::Shown(id, parts) => (id, Some(parts)),
    };
    let mut contact = AsideContact {
        id: ContactId(id),
        shown: ShownState::default(),
        behind_since: None,
    };
    if let Some(parts) = parts {
        let entered = parts.entered.into_iter();
        contact.shown = ShownState {
            modified: parts.modified.map(to_time).transpose()?,
            entered: entered
                .map(|(stage, at)| Ok((stage, to_time(at)?)))
                .collect::<LedgerResult<_>>()?,
            stage: parts.stage,
        };
        contact.behind_since = parts.behind_since.map(to_time).transpose()?;
    }
    Ok(contact)
}
