//! Roots of contact lineages: the id that stands for all contacts that were merged into one.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use sqlx::SqliteConnection;

use super::error::failed;
use super::observe::INSERTED;
use crate::domain::ids::{ContactId, PortalId};
use crate::ledger::bulk_lookup::Lookup;
use crate::ports::ledger::{LedgerResult, Roots};

/// As in [`super::observe`].
static INSERT: LazyLock<String> = LazyLock::new(|| {
    let rows = vec!["(?, ?, ?)"; INSERTED].join(", ");
    format!("INSERT INTO roots (portal, contact, root) SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL")
});

/// Contacts of a portal and their roots.
const BY_CONTACT: Lookup = Lookup {
    between: "SELECT contact, root FROM roots WHERE portal = ?1 AND contact BETWEEN ?2 AND ?3 LIMIT ?4",
    each: "SELECT r.contact, r.root FROM json_each(?2) j CROSS JOIN roots r ON r.portal = ?1 AND r.contact = j.value",
};

/// See [`crate::ports::ledger::Ledger::roots`].
pub(crate) async fn roots(
    conn: &mut SqliteConnection,
    portal: PortalId,
    lineages: &[Vec<ContactId>],
) -> LedgerResult<Vec<Roots>> {
    let mut known = stored(conn, portal, lineages).await?;
    let mut fresh = Vec::new();
    let mut roots = Vec::with_capacity(lineages.len());
    for lineage in lineages {
        let of_lineage: BTreeSet<ContactId> = lineage.iter().filter_map(|id| known.get(id)).copied().collect();
        let root = of_lineage.first().or(lineage.iter().min()).copied();
        let root = root.ok_or_else(|| failed("a lineage without a contact"))?;
        for id in lineage {
            known.entry(*id).or_insert_with(|| {
                fresh.push((id.0.cast_signed(), root.0.cast_signed()));
                root
            });
        }
        let others = of_lineage.into_iter().filter(|id| *id != root).collect();
        roots.push(Roots { root, others });
    }
    for chunk in fresh.chunks(INSERTED) {
        let mut insert = sqlx::query(INSERT.as_str());
        for (contact, root) in chunk {
            insert = insert.bind(portal.0.cast_signed()).bind(contact).bind(root);
        }
        insert.execute(&mut *conn).await?;
    }
    Ok(roots)
}

async fn stored(
    conn: &mut SqliteConnection,
    portal: PortalId,
    lineages: &[Vec<ContactId>],
) -> LedgerResult<HashMap<ContactId, ContactId>> {
    let ids: Vec<i64> = lineages.iter().flatten().map(|id| id.0.cast_signed()).collect();
    let found: Vec<(i64, i64)> = BY_CONTACT.find(conn, portal.0.cast_signed(), &ids).await?;
    let contact = |id: i64| ContactId(id.cast_unsigned());
    Ok(found
        .into_iter()
        .map(|(id, root)| (contact(id), contact(root)))
        .collect())
}
