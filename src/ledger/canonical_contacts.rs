//! Canonical contacts: the id that stands for all contacts that were merged into one.

use std::collections::{BTreeSet, HashMap};

use super::database::Conn;
use super::error::own_error;
use crate::domain::ids::{ContactId, PortalId};
use crate::domain::lineage::CanonicalById;
use crate::ledger::columns::{CHUNK, json_list, json_rows, to_contact};
use crate::ports::ledger::{Canonical, LedgerResult};

/// See [`crate::ports::ledger::Ledger::canonical_contacts`].
pub(crate) async fn canonical_contacts(
    conn: &mut Conn,
    portal: PortalId,
    lineages: &[Vec<ContactId>],
) -> LedgerResult<Vec<Canonical>> {
    let mut known = stored_contacts(conn, portal, lineages).await?;
    let mut fresh = Vec::new();
    let mut all = Vec::with_capacity(lineages.len());
    for lineage in lineages {
        let of_lineage: BTreeSet<ContactId> = lineage.iter().filter_map(|id| known.get(id)).copied().collect();
        let canonical = of_lineage.first().or(lineage.iter().min()).copied();
        let canonical = canonical.ok_or_else(|| own_error("a lineage without a contact"))?;
        for id in lineage {
            known.entry(*id).or_insert_with(|| {
                fresh.push((id.0.cast_signed(), canonical.0.cast_signed()));
                canonical
            });
        }
        let others = of_lineage.into_iter().filter(|id| *id != canonical).collect();
        all.push(Canonical {
            contact: canonical,
            others,
        });
    }
    for chunk in fresh.chunks(CHUNK) {
        sqlx::query(
            "INSERT INTO canonical_contacts (portal, contact, canonical)
             SELECT $1, CAST(value->>0 AS BIGINT), CAST(value->>1 AS BIGINT) FROM json_each($2)",
        )
        .bind(portal.0.cast_signed())
        .bind(json_rows(chunk)?)
        .execute(&mut *conn)
        .await?;
    }
    Ok(all)
}

/// See [`crate::ports::ledger::Ledger::known_lineages`].
pub(crate) async fn known_lineages(
    conn: &mut Conn,
    portal: PortalId,
    ids: &[ContactId],
) -> LedgerResult<CanonicalById> {
    let own = stored_contacts(conn, portal, &[ids.to_vec()]).await?;
    let all: BTreeSet<ContactId> = own.values().copied().collect();
    let others: Vec<(i64, i64)> = sqlx::query_as(
        "WITH j AS MATERIALIZED (SELECT CAST(value->>0 AS BIGINT) AS canonical FROM json_each($2))
         SELECT c.contact, c.canonical FROM j CROSS JOIN canonical_contacts c
         WHERE c.portal = $1 AND c.canonical = j.canonical AND c.contact <> c.canonical",
    )
    .bind(portal.0.cast_signed())
    .bind(json_list(all.iter().map(|id| id.0.cast_signed()))?)
    .fetch_all(conn)
    .await?;
    let others = others
        .into_iter()
        .map(|(id, canonical)| (to_contact(id), to_contact(canonical)));
    Ok(all
        .into_iter()
        .map(|canonical| (canonical, canonical))
        .chain(others)
        .chain(own)
        .collect())
}

async fn stored_contacts(
    conn: &mut Conn,
    portal: PortalId,
    lineages: &[Vec<ContactId>],
) -> LedgerResult<HashMap<ContactId, ContactId>> {
    let ids = lineages.iter().flatten().map(|id| id.0.cast_signed());
    let found: Vec<(i64, i64)> = sqlx::query_as(
        "WITH j AS MATERIALIZED (SELECT CAST(value->>0 AS BIGINT) AS contact FROM json_each($2))
         SELECT c.contact, c.canonical FROM j CROSS JOIN canonical_contacts c
         WHERE c.portal = $1 AND c.contact = j.contact",
    )
    .bind(portal.0.cast_signed())
    .bind(json_list(ids)?)
    .fetch_all(conn)
    .await?;
    Ok(found
        .into_iter()
        .map(|(id, canonical)| (to_contact(id), to_contact(canonical)))
        .collect())
}
