//! Messages that are too big or too many for one buffer, log-in by certificate, and the end of a session.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use auth::{Secret, hash_password};
use common::{Client, World};
use imap::TlsStart;
use mssante::BalState;
use testkit::clock::TestRandom;

/// A message of about `size` octets of which no two lines are equal.
fn letter(size: usize) -> Vec<u8> {
    let mut letter = b"Subject: large\r\nContent-Type: text/plain\r\n\r\n".to_vec();
    let mut n = 0_u64;
    while letter.len() < size {
        n += 1;
        let line = format!("{n:08} {:064x}\r\n", n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        letter.extend_from_slice(line.as_bytes());
    }
    letter
}

async fn append(client: &mut Client, folder: &str, letter: &[u8]) {
    client.send(format!("a APPEND {folder} {{{}+}}\r\n", letter.len()).as_bytes()).await;
    client.send(letter).await;
    let answer = client.command("").await;
    assert!(answer.last().unwrap().starts_with("a OK [APPENDUID "), "{answer:?}");
}

/// The literal of the next line, which ends with its head.
async fn literal(client: &mut Client) -> Vec<u8> {
    let line = client.line().await.unwrap();
    let length = line.rsplit('{').next().unwrap().trim_end_matches('}').parse().unwrap();
    client.octets(length).await
}

#[tokio::test]
async fn a_large_message_comes_back_octet_by_octet() {
    let world = World::new(TlsStart::Connection).await;
    let mut client = world.log_in().await;
    let letter = letter(6 * 1024 * 1024);
    append(&mut client, "INBOX", &letter).await;
    client.command("a SELECT INBOX").await;

    client.send(b"a FETCH 1 BODY.PEEK[]\r\n").await;
    assert!(literal(&mut client).await == letter, "the message has changed");
    assert_eq!(client.line().await.unwrap(), ")");
    assert!(client.line().await.unwrap().starts_with("a OK"));

    client.send(b"a FETCH 1 BODY.PEEK[]<3000000.300000>\r\n").await;
    assert!(literal(&mut client).await == letter[3_000_000..3_300_000], "the part is another");
    assert_eq!(client.line().await.unwrap(), ")");
}

#[tokio::test]
async fn sections_that_are_more_than_is_held_come_in_order_and_whole() {
    let world = World::new(TlsStart::Connection).await;
    let mut client = world.log_in().await;
    let filler = "X-Filler: 0123456789012345678901234567890123456789012345678901234567890\r\n".repeat(9_000);
    let message = format!("To: a@b.fr\r\n{filler}Subject: large\r\n\r\nbody\r\n");
    append(&mut client, "INBOX", message.as_bytes()).await;
    client.command("a SELECT INBOX").await;
    let parts: Vec<String> = (0..20_usize).map(|n| format!("BODY.PEEK[]<{}.60000>", n * 100)).collect();
    let items = format!("{} BODY.PEEK[HEADER.FIELDS (To)] BODY.PEEK[HEADER.FIELDS (To)]<4.4>", parts.join(" "));
    client.send(format!("a FETCH 1 ({items})\r\n").as_bytes()).await;
    for n in 0..20 {
        assert!(literal(&mut client).await == message.as_bytes()[n * 100..n * 100 + 60_000], "section {n} is another");
    }
    assert_eq!(literal(&mut client).await, b"To: a@b.fr\r\n\r\n");
    assert_eq!(literal(&mut client).await, b"a@b.");
    assert_eq!(client.line().await.unwrap(), ")");
    assert!(client.line().await.unwrap().starts_with("a OK"));
}

#[tokio::test]
async fn hundreds_of_messages_are_answered_in_order() {
    let world = World::new(TlsStart::Connection).await;
    let mut client = world.log_in().await;
    for n in 1..=250 {
        append(&mut client, "Archive", format!("Subject: {n}\r\n\r\nbody {n}\r\n").as_bytes()).await;
    }
    client.command("a SELECT Archive").await;
    let envelopes = client.command("a FETCH 1:* ENVELOPE").await;
    assert_eq!(envelopes.len(), 251);
    for (n, line) in (1..).zip(&envelopes[..250]) {
        assert!(line.starts_with(&format!("* {n} FETCH (ENVELOPE (NIL \"{n}\" ")), "{line}");
    }
    let bodies = client.command("a UID FETCH 1:* BODY.PEEK[TEXT]").await;
    assert_eq!(bodies.iter().filter(|line| line.starts_with("body ")).count(), 250);
    assert_eq!(client.command("a SEARCH BODY \"body 77\"").await[0], "* SEARCH 77");
}

#[tokio::test]
async fn an_applicative_bal_logs_in_by_its_certificate() {
    let world = World::new(TlsStart::Connection).await;
    let mut software = world.connect_software().await;
    let greeting = software.line().await.unwrap();
    assert!(greeting.contains(" AUTH=EXTERNAL]"), "{greeting}");
    let answer = software.command("a AUTHENTICATE EXTERNAL =").await;
    assert!(answer.last().unwrap().starts_with("a OK"), "{answer:?}");
    let mut person = world.connect().await;
    person.line().await.unwrap();
    let answer = person.command("a AUTHENTICATE EXTERNAL =").await;
    assert_eq!(answer.last().unwrap(), "a NO [AUTHENTICATIONFAILED] Log-in refused");
}

#[tokio::test]
async fn sessions_are_told_when_the_server_stops() {
    let world = World::new(TlsStart::Connection).await;
    let mut client = world.log_in().await;
    world.stop();
    assert_eq!(client.line().await.unwrap(), "* BYE Server is going down");
    client.expect_end().await.unwrap();
}

/// The line that ends a session.
async fn bye(client: &mut Client) {
    assert!(client.line().await.unwrap().starts_with("* BYE This mailbox was closed"));
    client.expect_end().await.unwrap();
}

#[tokio::test]
async fn suspending_a_bal_ends_its_sessions() {
    let world = World::new(TlsStart::Connection).await;
    let mut waiting = world.log_in().await;
    waiting.send(b"a IDLE\r\n").await;
    assert_eq!(waiting.line().await.unwrap(), "+ idling");
    let mut software = world.connect_software().await;
    software.line().await.unwrap();
    software.command("a AUTHENTICATE EXTERNAL =").await;

    world.store.set_bal_state(world.bal, BalState::Suspended, "holiday").await.unwrap();
    bye(&mut waiting).await;
    let answer = software.command("a NOOP").await;
    assert_eq!(answer, ["a OK NOOP completed"]);
}

#[tokio::test]
async fn another_password_ends_the_sessions_of_the_old_one() {
    let world = World::new(TlsStart::Connection).await;
    let mut client = world.log_in().await;
    let phc = hash_password(&Secret::new("another-horse-10".into()), &TestRandom::seeded(9)).unwrap();
    world.store.set_password_hash(world.bal, &phc).await.unwrap();
    client.send(b"a NOOP\r\n").await;
    bye(&mut client).await;
}
