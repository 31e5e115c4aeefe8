//! Places where a ledger is kept, what is in them, and a ledger with something of everything.

use std::collections::BTreeMap;

use super::batches::status;
use super::*;
use crate::domain::coverage::Watermark;
use crate::domain::shown_state::ShownState;
use crate::ledger::copy_ledger;
use crate::ports::ledger::{AsideContact, BatchResult, LookResult, Looker, OrphanNote};

/// Outlives the ledger that is opened there.
pub(super) struct Home {
    pub(super) url: String,
    _scratch: Option<Scratch>,
}

impl Home {
    pub(super) fn file() -> Self {
        let scratch = Scratch::new();
        Self {
            url: scratch.url(),
            _scratch: Some(scratch),
        }
    }

    /// At the server, where one is named.
    pub(super) async fn schema() -> Option<Self> {
        let server = std::env::var(SERVER).ok()?;
        Some(Self {
            url: schema(&server).await,
            _scratch: None,
        })
    }

    /// At the server, else a file.
    pub(super) async fn usual() -> Self {
        Self::schema().await.unwrap_or_else(Self::file)
    }

    /// In the other database, where there is a server.
    pub(super) async fn other(&self) -> Self {
        if self.is_file() {
            Self::usual().await
        } else {
            Self::file()
        }
    }

    /// Its ledger, which is closed, copied to the other database.
    pub(super) async fn moved(&self) -> Self {
        let other = self.other().await;
        copy_ledger(&self.url, &other.url, &mut |_| ()).await.unwrap();
        assert_eq!(other.rows().await, self.rows().await);
        other
    }

    pub(super) fn is_file(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    /// The columns of each table, sorted, as the database itself lists them.
    pub(super) async fn columns(&self) -> BTreeMap<String, Vec<String>> {
        let columns = if self.is_file() {
            "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
        } else {
            "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) FROM information_schema.columns
             WHERE table_schema = current_schema()"
        };
        let mut connection = self.connection().await;
        let columns: Vec<(String, String)> = sqlx::query_as(columns).fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (table, column) in columns {
            if !matches!(&*table, "_sqlx_migrations" | "sqlite_sequence") {
                tables.entry(table).or_default().push(column);
            }
        }
        for columns in tables.values_mut() {
            columns.sort_unstable();
        }
        tables
    }

    async fn connection(&self) -> sqlx::AnyConnection {
        sqlx::any::install_default_drivers();
        sqlx::AnyConnection::connect(&self.url).await.unwrap()
    }

    /// All rows of all tables: a second reading of what the program knows of its tables.
    pub(super) async fn rows(&self) -> Rows {
        let tables = self.columns().await;
        let mut connection = self.connection().await;
        let mut rows = Rows::new();
        for (table, columns) in tables {
            let named = |c: &String| format!("'{c}=' || coalesce(CAST({c} AS TEXT), '(none)')");
            let line: Vec<_> = columns.iter().map(named).collect();
            let select = sqlx::AssertSqlSafe(format!("SELECT {} FROM {table}", line.join(" || ' ' || ")));
            let mut lines: Vec<String> = sqlx::query_scalar(select).fetch_all(&mut connection).await.unwrap();
            // Of the database, not of the ledger.
            let own = ["name=epoch ", "name=lease ", "name=starts ", "name=writes "];
            lines.retain(|line| table != "meta" || !own.iter().any(|name| line.contains(name)));
            lines.sort_unstable();
            rows.insert(table, lines);
        }
        connection.close().await.unwrap();
        rows
    }
}

/// By table, in an order of their own.
pub(super) type Rows = BTreeMap<String, Vec<String>>;

/// A ledger with rows in every table, of every state, with and without each value that may be absent.
pub(super) async fn fill(ledger: &SqlLedger) {
    let of_event = ledger.stream_for(&request(None)).await.unwrap();
    ledger.record_occurrences(of_event, &[1, 2].map(pending)).await.unwrap();
    // Moves to its action, and is bound to it; another event has none yet.
    let track = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let other = StreamRequest {
        event_uid: "uid-2".into(),
        trigger: "form:1-2".into(),
        ..request(None)
    };
    let of_other = ledger.stream_for(&other).await.unwrap();
    let form = NewRow {
        submission: Some("6f-1:ä".into()),
        contact: ContactId::UNKNOWN,
        while_suspended: true,
        ..pending(30)
    };
    ledger.record_occurrences(of_other, &[form]).await.unwrap();
    ledger
        .record_occurrences(track, &(3..=20).map(pending).collect::<Vec<_>>())
        .await
        .unwrap();
    let rows: Vec<_> = due(ledger, track, 2).await.iter().map(|row| row.id).collect();
    send(ledger, &rows).await;
    // Settled for long, and archived.
    let skipped = [10, 11].map(|n| update(rows[n], Outcome::Skipped, reason::NO_CONSENT));
    ledger.apply_updates(&skipped, at(3)).await.unwrap();
    assert_eq!(ledger.archive_rows(at(4), 100).await.unwrap(), 2);
    note(ledger, track).await;
}

/// Requests of every kind.
async fn send(ledger: &SqlLedger, rows: &[RowId]) {
    let begin = async |rows: &[(BatchRow, usize)]| {
        let actions = [action(7), action(8)];
        ledger.begin_batch(&sender(), &actions, rows, at(5)).await.unwrap()
    };
    begin(&[worth(rows[0], "250.5"), plain(rows[1])]).await;
    let accepted = begin(&[worth(rows[2], "0.001"), plain(rows[3])]).await;
    let answer = BatchResult::Accepted {
        request_id: "request \"1\"".into(),
        poll_at: at(40),
    };
    ledger.finish_batch(accepted, &answer, at(6)).await.unwrap();
    let answered = begin(&[worth(rows[4], "1"), plain(rows[5]), plain(rows[6])]).await;
    let rejected = RowUpdate {
        detail: "INVALID_GCLID".into(),
        ..update(rows[5], Outcome::Rejected, "InvalidGclid")
    };
    let updates = vec![update(rows[4], Outcome::Uploaded, "Processed"), rejected];
    let answer = BatchResult::Answered {
        updates,
        request_id: Some("row-by-row".to_owned()),
    };
    ledger.finish_batch(answered, &answer, at(7)).await.unwrap();
    let ended = begin(&[plain(rows[8])]).await;
    let answer = BatchResult::Accepted {
        request_id: "request 2".into(),
        poll_at: at(40),
    };
    ledger.finish_batch(ended, &answer, at(7)).await.unwrap();
    let updates = vec![update(rows[8], Outcome::Uploaded, "Processed")];
    ledger
        .record_status(&status(ended, updates, None), at(8))
        .await
        .unwrap();
    let unknown = begin(&[worth(rows[7], "3.14")]).await;
    let answer = BatchResult::Unknown {
        updates: vec![update(rows[7], Outcome::Processing, reason::OUTCOME_UNKNOWN)],
    };
    ledger.finish_batch(unknown, &answer, at(8)).await.unwrap();
}

/// Everything that is no conversion.
async fn note(ledger: &SqlLedger, track: StreamId) {
    let ids = |ids: &[u64]| ids.iter().map(|id| ContactId(*id)).collect::<Vec<_>>();
    let portal = PortalId(62515);
    ledger
        .canonical_contacts(portal, &[ids(&[12, 3, 4]), ids(&[u64::MAX / 2, 5])])
        .await
        .unwrap();
    let account = ObjectKey::new("ads", "main");
    let looker = Looker {
        portal,
        account: account.clone(),
    };
    ledger.begin_look_round(&looker, at(9)).await.unwrap();
    let look = LookResult {
        seen: ids(&[3]),
        missing: ids(&[4]),
        after: Some(ContactId(4)),
        at: at(9),
    };
    ledger.record_look(&looker, &ids(&[3, 4]), &look).await.unwrap();
    for (id, created_at) in [(9, None), (10, Some(at(1)))] {
        let orphan = OrphanNote {
            action: action(id),
            name: "HubSpot - \u{201e}Kunde\u{201c} 'x' \\ \u{1f600}".into(),
            kind: "UPLOAD_CLICKS".into(),
            former_event: "ads/gone".into(),
            created_at,
            at: at(9),
        };
        ledger.note_orphan(&orphan).await.unwrap();
    }
    let mark = Watermark {
        covered_from: at(-9),
        cursor: at(3),
    };
    ledger.set_feed_marks(&[(track, mark)]).await.unwrap();
    ledger.set_last_full_scans(&account, &[track], at(4)).await.unwrap();
    let aside = ids(&[7, 8]).into_iter().map(|id| AsideContact {
        id,
        shown: ShownState::default(),
        behind_since: Some(at(5)),
    });
    ledger
        .set_put_aside(&account, &aside.collect::<Vec<_>>())
        .await
        .unwrap();
}
