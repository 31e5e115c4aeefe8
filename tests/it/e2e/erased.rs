//! Contacts that are deleted in HubSpot after their conversions were sent: in time nothing in the ledger names them,
//! counts stay, and nothing is ever sent twice.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Column, ConnectOptions, Row, ValueRef};

use super::Stage;
use super::judge::{action, crowd, exactly, occurrences, transactions};
use super::stage::{Counts, ago};

const DAY: i64 = 86_400;
/// Looks every second, and two of them and the retention until an id goes.
const FLAGS: [(&str, &str); 2] = [("deletion-check-interval", "1s"), ("retention", "4s")];

/// Numbers and texts in all tables of the ledger that are ids of a contact, with the column.
pub fn named(stage: &Stage, ids: &BTreeSet<String>) -> Vec<(String, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let options = SqliteConnectOptions::new().filename(stage.ledger()).read_only(true);
        let mut ledger = options.connect().await.expect("the ledger");
        let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'")
            .fetch_all(&mut ledger)
            .await
            .expect("tables");
        assert!(tables.iter().any(|table| table == "conversions"), "{tables:?}");
        let mut found = Vec::new();
        for table in tables {
            let all = sqlx::AssertSqlSafe(format!("SELECT * FROM \"{table}\""));
            for row in sqlx::query(all).fetch_all(&mut ledger).await.expect("rows") {
                for column in row.columns() {
                    let value = row.try_get_raw(column.ordinal()).expect("a value");
                    if value.is_null() {
                        continue;
                    }
                    let number = row.try_get_unchecked::<i64, _>(column.ordinal()).map(|n| n.to_string());
                    let text = row.try_get_unchecked::<String, _>(column.ordinal());
                    let texts = [number.ok(), text.ok()];
                    let names = |id: &&String| texts.iter().flatten().any(|text| text.contains(id.as_str()));
                    let here = format!("{table}.{}", column.name());
                    found.extend(ids.iter().filter(names).map(|id| (id.clone(), here.clone())));
                }
            }
        }
        found
    })
}

fn delete(stage: &Stage, id: &str, how: &str) {
    stage.admin_call("DELETE", &format!("/hubspot/contacts/{id}{how}"), None);
}

/// Waits until the ledger names none of these contacts.
fn erased(stage: &Stage, ids: &BTreeSet<String>) {
    stage.wait_for("the ids to be erased", || {
        let found = named(stage, ids);
        if found.is_empty() { Ok(()) } else { Err(json!(found)) }
    });
}

#[test]
fn ids_of_deleted_contacts_go_and_nothing_is_sent_twice() {
    let mut stage = Stage::empty("erased", &[], &[]);
    for (flag, value) in FLAGS {
        stage.flag(flag, value);
    }
    crowd(&stage, 8);
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    let spec = json!({"startTime": ago(DAY)});
    stage.event("erased", "customer", &spec);
    let event = stage.settled("erased", 8);
    let sent: BTreeSet<String> = transactions(&stage, "customer").into_iter().collect();
    exactly(&stage, &event, &sent);
    let counts = Counts::of(&event);
    let contacts: Vec<String> = occurrences(&stage, "customer").into_iter().map(|(id, _)| id).collect();

    // Two deletions of either kind, one of two merged contacts, and a merge that stays.
    let merge = |one: &String, other: &String| {
        let merged = stage.post("/hubspot/merge", &json!({"ids": [one, other]}));
        merged["id"].as_str().expect("an id").to_owned()
    };
    let gone_as = merge(&contacts[2], &contacts[3]);
    let stays_as = merge(&contacts[4], &contacts[5]);
    let mut gone: BTreeSet<String> = contacts[..4].iter().cloned().collect();
    gone.insert(gone_as.clone());
    let stays: BTreeSet<String> = contacts[4..].iter().cloned().collect();
    let before: BTreeSet<String> = named(&stage, &gone).into_iter().map(|(id, _)| id).collect();
    assert!(contacts[..4].iter().all(|id| before.contains(id)), "{before:?}");
    delete(&stage, &contacts[0], "");
    delete(&stage, &contacts[1], "?gdpr=true");
    delete(&stage, &gone_as, "");
    erased(&stage, &gone);
    let left: BTreeSet<String> = named(&stage, &stays).into_iter().map(|(id, _)| id).collect();
    assert_eq!(
        left, stays,
        "of contacts that are there, also as {stays_as}, no id goes"
    );

    let same = |event: &Value| {
        assert_eq!(Counts::of(event), counts, "{event:#}");
        exactly(&stage, event, &sent);
    };
    same(&stage.settled("erased", 8));
    // One is restored; the operator starts anew, and then all is read again for an event that is made anew.
    stage.admin_call("POST", &format!("/hubspot/contacts/{}/restore", contacts[0]), None);
    stage.admin_call("POST", &format!("/hubspot/contacts/{gone_as}/restore"), None);
    stage.kill_operator();
    stage.start_operator();
    let id = action(&event);
    stage.kubectl(&["delete", "adce", "erased", "--wait=true"]);
    stage.event("erased", "customer", &spec);
    let again: BTreeSet<String> = [contacts[0].clone(), gone_as].into();
    stage.wait_for("the restored contacts to be met", || {
        let found: BTreeSet<String> = named(&stage, &again).into_iter().map(|(id, _)| id).collect();
        if found == again { Ok(()) } else { Err(json!(found)) }
    });
    let event = stage.settled("erased", 8);
    assert_eq!(action(&event), id);
    same(&event);
    assert_eq!(
        named(&stage, &[contacts[1].clone()].into()),
        [],
        "who was deleted for good stays away"
    );
}
