//! Loading into a real server.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use jiff::civil::date;
use test_servers::{Brand, MariaDb, SqlServer};

use super::*;

fn practice() -> Config {
    Config { seed: 77, patients: 250, as_of: date(2026, 3, 17), years: 3 }
}

/// A value as the server prints it.
fn printed(value: &Value) -> Option<String> {
    let mut sql = String::new();
    match value {
        Value::Null => return None,
        Value::Text(text) => return Some(text.to_string()),
        value => literal(&mut sql, value),
    }
    Some(sql.trim_matches('\'').to_owned())
}

/// The rows of a table as text, in key order.
async fn stored(conn: &mut Conn, table: &Table) -> Vec<Vec<Option<String>>> {
    let columns: Vec<String> = table.columns.iter().map(|c| format!("`{c}`")).collect();
    let sql = format!("SELECT {} FROM `{}` ORDER BY 1", columns.join(","), table.name);
    let rows: Vec<mysql_async::Row> = conn.query(sql).await.unwrap();
    rows.into_iter().map(|row| row.unwrap().into_iter().map(mysql_async::from_value).collect()).collect()
}

#[tokio::test]
async fn every_generated_row_stands_in_the_server_as_it_was_made() {
    for brand in [Brand::MariaDb, Brand::MySql57, Brand::MySql80].into_iter().filter(|brand| brand.is_installed()) {
        every_row_stands_in(&SqlServer::start_brand(brand, &[]).await).await;
    }
}

async fn every_row_stands_in(server: &SqlServer) {
    server.create_database("od").await;
    let mut told = 0;
    let summary =
        load(&server.root_url("od"), None, &practice(), &Options::default(), |p| told = p.rows).await.unwrap();
    assert_eq!(told, summary.total());
    let mut conn = server.root("od").await;
    conn.query_drop("SET time_zone = '+00:00'").await.unwrap();
    let tables = crate::sample::generator::tests::Tables::of(&practice());
    for (name, (table, mut rows)) in tables.0 {
        assert_eq!(summary.rows.get(name).copied().unwrap_or(0), rows.len() as u64, "{name}");
        rows.sort_by(|a, b| match (&a[0], &b[0]) {
            (Value::Int(a), Value::Int(b)) => a.cmp(b),
            (Value::Text(a), Value::Text(b)) => a.to_lowercase().cmp(&b.to_lowercase()),
            _ => panic!("{name}: a key of another kind"),
        });
        let made: Vec<Vec<Option<String>>> = rows.iter().map(|r| r.iter().map(printed).collect()).collect();
        let found = stored(&mut conn, table).await;
        assert_eq!(found.len(), made.len(), "{name}");
        for (found, made) in found.iter().zip(&made) {
            for (place, (found, made)) in found.iter().zip(made).enumerate() {
                assert!(found == made, "{name}.{} differs", table.columns[place]);
            }
        }
    }
    let indexes: Option<u64> = conn
        .query_first("SELECT count(DISTINCT index_name) FROM information_schema.statistics WHERE table_schema='od' AND table_name='procedurelog'")
        .await
        .unwrap();
    assert!(indexes.unwrap() > 15, "secondary indexes are built");
    // Again: refused, unless told to replace.
    let refusal = load(&server.root_url("od"), None, &practice(), &Options::default(), |_| ()).await.unwrap_err();
    assert_eq!(refusal.reason, ErrorReason::InvalidField);
    let options = Options { replace: true, only_tables: vec!["patient".into()], ..Options::default() };
    let summary = load(&server.root_url("od"), None, &practice(), &options, |_| ()).await.unwrap();
    assert_eq!(summary.rows.into_iter().collect::<Vec<_>>(), [("patient", 250)]);
}

#[tokio::test]
async fn exactly_so_many_procedures_are_loaded() {
    let server = MariaDb::start().await;
    server.create_database("od").await;
    // More than one practice of a thousand patients gives.
    let options = Options { procedures: Some(60_000), few_indexes: true, ..Options::default() };
    let config = Config { patients: 1_000, ..practice() };
    let summary = load(&server.root_url("od"), None, &config, &options, |_| ()).await.unwrap();
    assert_eq!(summary.rows.into_iter().collect::<Vec<_>>(), [("procedurelog", 60_000)]);
    let mut conn = server.root("od").await;
    let counted: Option<u64> = conn.query_first("SELECT count(*) FROM procedurelog").await.unwrap();
    assert_eq!(counted, Some(60_000));
}

#[tokio::test]
async fn a_practices_own_database_is_never_touched() {
    let server = MariaDb::start().await;
    server.create_database("real").await;
    let mut conn = server.root("real").await;
    conn.query_drop("CREATE TABLE preference (PrefName varchar(255) PRIMARY KEY)").await.unwrap();
    conn.query_drop("INSERT INTO preference VALUES ('DataBaseVersion')").await.unwrap();
    for replace in [false, true] {
        let options = Options { replace, ..Options::default() };
        let refusal = load(&server.root_url("real"), None, &practice(), &options, |_| ()).await.unwrap_err();
        assert_eq!(refusal.reason, ErrorReason::InvalidField);
        assert_eq!(refusal.field.unwrap().0, "to");
    }
    // A database of ours to which someone added a table is not only ours.
    conn.query_drop(format!("CREATE TABLE {MARKER} (Finished tinyint)")).await.unwrap();
    conn.query_drop("CREATE TABLE ours (id int)").await.unwrap();
    let options = Options { replace: true, ..Options::default() };
    assert!(load(&server.root_url("real"), None, &practice(), &options, |_| ()).await.is_err());
    let left: Vec<String> = conn.query("SELECT PrefName FROM preference").await.unwrap();
    assert_eq!(left, ["DataBaseVersion"]);
    // What goes wrong is said in words that hold no password.
    let wrong = server.root_url("nowhere");
    let refusal = load(&wrong, None, &practice(), &Options::default(), |_| ()).await.unwrap_err();
    assert_eq!(refusal.reason, ErrorReason::InvalidField);
    let refusal = load(&server.root_url("real"), Some("wrong-word"), &practice(), &options, |_| ()).await.unwrap_err();
    assert_eq!(refusal.reason, ErrorReason::PmsAccessDenied);
    assert!(!refusal.message.contains("wrong-word"));
    let refusal = load("mysql://root@127.0.0.1:1/x", None, &practice(), &options, |_| ()).await.unwrap_err();
    assert_eq!(refusal.reason, ErrorReason::PmsUnreachable);
    let refusal = load("nonsense", None, &practice(), &options, |_| ()).await.unwrap_err();
    assert_eq!(refusal.field.unwrap().0, "to");
    let none = Config { patients: 0, ..practice() };
    assert_eq!(load("nonsense", None, &none, &options, |_| ()).await.unwrap_err().field.unwrap().0, "patients");
}
