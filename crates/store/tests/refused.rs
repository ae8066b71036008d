//! Refusals in the audit trail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::net::IpAddr;

use mssante::Domain;
use store::{Actor, MailRefusal, Refusee};
use testkit::postgres::TestDatabase;
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-22 07:00 UTC);

fn refusal(address: &str) -> MailRefusal {
    MailRefusal {
        at: NOW,
        reason: "certificate-untrusted",
        address: address.parse::<IpAddr>().unwrap(),
        codes: Vec::new(),
        refusee: Refusee::Stranger(None),
        sender_domain: None,
        certificate: None,
        count: 1,
    }
}

#[tokio::test]
async fn only_who_showed_a_good_certificate_is_an_operator() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let name = || "cn=a".to_owned();
    let of = |refusee| MailRefusal { refusee, ..refusal("192.0.2.1") };
    let refusals = [refusal("192.0.2.2"), of(Refusee::Stranger(Some(name()))), of(Refusee::Operator(name()))];
    store.trace_refusals(&refusals).await.unwrap();
    let actors: Vec<String> = sqlx::query_scalar("SELECT actor FROM trace ORDER BY id")
        .fetch_all(&mut common::direct(&database).await)
        .await
        .unwrap();
    assert_eq!(actors, ["stranger", "stranger", "operator"]);
}

#[tokio::test]
async fn refusals_of_a_hop_are_rows_of_the_audit_trail() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let full = MailRefusal {
        refusee: Refusee::Stranger(Some("cn=a".to_owned())),
        sender_domain: Domain::parse("a.fr").ok(),
        certificate: Some([0xab; 32]),
        count: 7,
        ..refusal("::ffff:192.0.2.1")
    };
    store.trace_refusals(&[full, refusal("2001:db8::1")]).await.unwrap();
    let rows: Vec<(OffsetDateTime, Option<String>, serde_json::Value)> =
        sqlx::query_as("SELECT at, peer, detail FROM trace WHERE event = 'hop.refused' ORDER BY id")
            .fetch_all(&mut common::direct(&database).await)
            .await
            .unwrap();
    let details = [
        serde_json::json!({ "reason": "certificate-untrusted", "address": "192.0.2.1", "sender_domain": "a.fr",
                            "certificate": "ab".repeat(32), "count": 7 }),
        serde_json::json!({ "reason": "certificate-untrusted", "address": "2001:db8::1", "sender_domain": null,
                            "certificate": null, "count": 1 }),
    ];
    let [full, bare] = details;
    assert_eq!(rows, [(NOW, Some("cn=a".to_owned()), full), (NOW, None, bare)]);
}

#[tokio::test]
async fn who_may_not_send_is_named_with_the_codes_of_his_archive() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let refused = MailRefusal {
        reason: "xdm-invalid",
        codes: vec!["hash-mismatch", "patient-missing"],
        refusee: Refusee::Sender(Actor::Person("durand".to_owned()), None),
        ..refusal("192.0.2.1")
    };
    store.trace_refusals(&[refused]).await.unwrap();
    let row: (String, String, serde_json::Value) = sqlx::query_as("SELECT event, actor, detail->'codes' FROM trace")
        .fetch_one(&mut common::direct(&database).await)
        .await
        .unwrap();
    let codes = serde_json::json!(["hash-mismatch", "patient-missing"]);
    assert_eq!(row, ("submission.refused".to_owned(), "person:durand".to_owned(), codes));
}

#[tokio::test]
async fn names_that_somebody_made_up_harm_no_other_row() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let named = |name: String| MailRefusal { refusee: Refusee::Stranger(Some(name)), ..refusal("192.0.2.1") };
    let refusals = [named("cn=a\0b".to_owned()), named("é".repeat(100_000)), refusal("192.0.2.2")];
    store.trace_refusals(&refusals).await.unwrap();
    let peers: Vec<Option<String>> = sqlx::query_scalar("SELECT peer FROM trace ORDER BY id")
        .fetch_all(&mut common::direct(&database).await)
        .await
        .unwrap();
    assert_eq!(peers, [Some("cn=a\u{fffd}b".to_owned()), Some("é".repeat(500)), None]);
}
