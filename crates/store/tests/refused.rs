//! Refusals of hops in the audit trail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::net::IpAddr;

use mssante::Domain;
use store::{HopClient, HopRefusal};
use testkit::postgres::TestDatabase;
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-22 07:00 UTC);

fn refusal(address: &str) -> HopRefusal {
    HopRefusal {
        at: NOW,
        reason: "certificate-untrusted",
        address: address.parse::<IpAddr>().unwrap(),
        client: HopClient::Stranger,
        peer: None,
        sender_domain: None,
        certificate: None,
        count: 1,
    }
}

#[tokio::test]
async fn only_who_showed_a_good_certificate_is_an_operator() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let claimed = HopRefusal { peer: Some("cn=a".to_owned()), ..refusal("192.0.2.1") };
    let verified = HopRefusal { client: HopClient::Verified, ..claimed.clone() };
    store.trace_hop_refusals(&[refusal("192.0.2.2"), claimed, verified]).await.unwrap();
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
    let full = HopRefusal {
        peer: Some("cn=a".to_owned()),
        sender_domain: Domain::parse("a.fr").ok(),
        certificate: Some([0xab; 32]),
        count: 7,
        ..refusal("::ffff:192.0.2.1")
    };
    store.trace_hop_refusals(&[full, refusal("2001:db8::1")]).await.unwrap();
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
async fn names_that_somebody_made_up_harm_no_other_row() {
    let database = TestDatabase::new().await;
    let store = database.store().await;
    let named = |name: String| HopRefusal { peer: Some(name), ..refusal("192.0.2.1") };
    let refusals = [named("cn=a\0b".to_owned()), named("é".repeat(100_000)), refusal("192.0.2.2")];
    store.trace_hop_refusals(&refusals).await.unwrap();
    let peers: Vec<Option<String>> = sqlx::query_scalar("SELECT peer FROM trace ORDER BY id")
        .fetch_all(&mut common::direct(&database).await)
        .await
        .unwrap();
    assert_eq!(peers, [Some("cn=a\u{fffd}b".to_owned()), Some("é".repeat(500)), None]);
}
