//! Those who open a BAL that is not their own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use auth::{Secret, hash_password};
use common::{BAL, Client, PASSWORD, World};
use imap::TlsStart;
use mssante::{Address, BalKind, Clock as _, Login, PersonState};
use store::{BalRecord, Delegate, NewBal, NewDelegation, NewPerson, TraceFilter};
use testkit::clock::{RealClock, TestRandom};
use time::Duration;

const OWN: &str = "secret-de-martin-1";
const LETTER: &str = "From: <a@peer.fr>\r\nSubject: essai\r\n\r\nBonjour\r\n";

/// The world with a team's BAL, and `martin`, who has no BAL.
async fn world() -> (World, BalRecord, Delegate) {
    let world = World::new(TlsStart::Connection).await;
    let new = NewBal::new(Address::parse("accueil@ch.mssante.fr").unwrap(), BalKind::Organisational);
    let team = world.store.create_bal(new).await.unwrap();
    let person = NewPerson { login: login(), name: "S. Martin".into(), identifier: None };
    let person = world.store.create_person(person).await.unwrap();
    let phc = hash_password(&Secret::new(OWN.into()), &TestRandom::seeded(5)).unwrap();
    world.store.set_person_password(&person.login, &phc).await.unwrap();
    (world, team, Delegate::Person(person.id))
}

fn login() -> Login {
    Login::parse("martin").unwrap()
}

fn given(bal: &BalRecord, delegate: Delegate, rights: &str) -> NewDelegation {
    let rights = rights.parse().unwrap();
    NewDelegation { bal: bal.id, delegate, rights, valid_from: None, valid_until: None, reason: "essai".into() }
}

/// The last line of the answer.
async fn last(client: &mut Client, command: &str) -> String {
    client.command(command).await.pop().unwrap()
}

async fn connect(world: &World) -> Client {
    let mut client = world.connect().await;
    client.line().await.unwrap();
    client
}

async fn open(world: &World) -> Client {
    let mut client = connect(world).await;
    let answer = last(&mut client, &format!("a LOGIN martin*accueil@ch.mssante.fr {OWN}")).await;
    assert!(answer.starts_with("a OK"), "{answer}");
    client
}

async fn append(client: &mut Client, folder: &str) -> String {
    client.send(format!("a APPEND {folder} {{{}+}}\r\n{LETTER}\r\n", LETTER.len()).as_bytes()).await;
    loop {
        let line = client.line().await.unwrap();
        if line.starts_with("a ") {
            return line;
        }
    }
}

#[tokio::test]
async fn a_bal_is_named_behind_a_star_or_as_authorisation_identity() {
    use base64::Engine as _;
    let (world, team, delegate) = world().await;
    world.store.delegate(given(&team, delegate, "read")).await.unwrap();
    open(&world).await;
    for (named, wanted) in [
        ("\0martin*accueil@ch.mssante.fr\0", "a OK"),
        ("accueil@ch.mssante.fr\0martin\0", "a OK"),
        ("\0martin\0", "a NO [AUTHENTICATIONFAILED]"),
    ] {
        let response = base64::engine::general_purpose::STANDARD.encode(format!("{named}{OWN}"));
        let answer = last(&mut connect(&world).await, &format!("a AUTHENTICATE PLAIN {response}")).await;
        assert!(answer.starts_with(wanted), "{named:?}: {answer}");
    }
}

#[tokio::test]
async fn every_refusal_sounds_the_same() {
    let (world, team, delegate) = world().await;
    let now = RealClock.now();
    let later = NewDelegation { valid_from: Some(now + Duration::days(1)), ..given(&team, delegate, "read") };
    world.store.delegate(later).await.unwrap();
    let mut answers = Vec::new();
    for (login, password) in [
        ("martin*accueil@ch.mssante.fr", OWN),
        ("martin*accueil@ch.mssante.fr", "wrong-password-1"),
        (&format!("martin*{BAL}"), OWN),
        ("martin*nobody@ch.mssante.fr", OWN),
        ("nobody*accueil@ch.mssante.fr", OWN),
        ("martin", OWN),
        (&format!("{BAL}*accueil@ch.mssante.fr"), PASSWORD),
    ] {
        answers.push(last(&mut connect(&world).await, &format!("a LOGIN {login} {password}")).await);
    }
    assert!(answers.iter().all(|answer| answer == "a NO [AUTHENTICATIONFAILED] Log-in refused"), "{answers:?}");
}

#[tokio::test]
async fn rule_deleg_read_opens_read_only_and_changes_nothing() {
    let (world, team, delegate) = world().await;
    world.store.delegate(given(&team, delegate, "read,write")).await.unwrap();
    assert!(append(&mut open(&world).await, "INBOX").await.starts_with("a OK"));
    world.store.delegate(given(&team, delegate, "read")).await.unwrap();
    let mut client = open(&world).await;
    let selected = client.command("a SELECT INBOX").await;
    assert!(selected.last().unwrap().starts_with("a OK [READ-ONLY]"), "{selected:?}");
    assert!(selected.iter().any(|line| line.starts_with("* OK [PERMANENTFLAGS ()]")), "{selected:?}");
    client.command("a FETCH 1 BODY[]").await;
    for command in [
        "STORE 1 +FLAGS (\\Seen)",
        "EXPUNGE",
        "UID EXPUNGE 1",
        "COPY 1 Sent",
        "MOVE 1 Trash",
        "CREATE Autres",
        "DELETE Junk",
        "RENAME Junk Autres",
        "SUBSCRIBE Junk",
        "UNSUBSCRIBE Junk",
    ] {
        let answer = last(&mut client, &format!("a {command}")).await;
        assert!(answer.starts_with("a NO [NOPERM]"), "{command}: {answer}");
    }
    assert!(append(&mut client, "Drafts").await.starts_with("a NO [NOPERM]"));
    let flags = client.command("a FETCH 1 FLAGS").await;
    assert!(!flags[0].contains("Seen"), "{flags:?}");
}

#[tokio::test]
async fn rule_deleg_file_keeps_what_was_sent_in_sent_and_drafts_only() {
    let (world, team, delegate) = world().await;
    world.store.delegate(given(&team, delegate, "read,send-as")).await.unwrap();
    let mut client = open(&world).await;
    for (folder, wanted) in
        [("Sent", "a OK"), ("Drafts", "a OK"), ("INBOX", "a NO [NOPERM]"), ("Archive", "a NO [NOPERM]")]
    {
        let answer = append(&mut client, folder).await;
        assert!(answer.starts_with(wanted), "{folder}: {answer}");
    }
}

/// What the audit trail tells of filing: the right, and what was done with how many messages.
async fn filed(world: &World) -> Vec<(String, String)> {
    let events = Some(vec!["delegation.filed".to_owned()]);
    let lines = world.store.traces(&TraceFilter { events, limit: 10, ..TraceFilter::default() }).await.unwrap();
    let told = |detail: &serde_json::Value| format!("{} {} {}", detail["how"], detail["messages"], detail["into"]);
    assert!(lines.iter().all(|line| line.actor.as_deref() == Some("person:martin") && line.bal.is_some()));
    lines.into_iter().map(|line| (line.delegated.unwrap(), told(&line.detail.unwrap()).replace('"', ""))).collect()
}

fn pair(right: &str, told: &str) -> (String, String) {
    (right.to_owned(), told.to_owned())
}

#[tokio::test]
async fn what_a_delegate_files_is_in_the_audit_trail_and_what_a_holder_files_is_not() {
    let (world, team, delegate) = world().await;
    assert!(append(&mut world.log_in().await, "Sent").await.starts_with("a OK"));
    world.store.delegate(given(&team, delegate, "read,send-as")).await.unwrap();
    assert!(append(&mut open(&world).await, "Sent").await.starts_with("a OK"));
    world.store.delegate(given(&team, delegate, "read,write,send-as")).await.unwrap();
    let mut client = open(&world).await;
    assert!(append(&mut client, "INBOX").await.starts_with("a OK"));
    client.command("a SELECT INBOX").await;
    for command in ["COPY 1 Drafts", "MOVE 1 Trash"] {
        let answer = last(&mut client, &format!("a {command}")).await;
        assert!(answer.starts_with("a OK"), "{command}: {answer}");
    }
    let expected = [
        pair("send-as", "append 1 sent"),
        pair("write", "append 1 null"),
        pair("write", "copy 1 drafts"),
        pair("write", "move 1 trash"),
    ];
    assert_eq!(filed(&world).await, expected);
}

#[tokio::test]
async fn a_delegation_that_ends_while_a_message_comes_in_takes_its_leave_away() {
    let (world, team, delegate) = world().await;
    world.store.delegate(given(&team, delegate, "read,send-as")).await.unwrap();
    let mut client = open(&world).await;
    let (first, rest) = LETTER.split_at(10);
    client.send(format!("a APPEND Sent {{{}}}\r\n", LETTER.len()).as_bytes()).await;
    assert_eq!(client.line().await.unwrap(), "+ Ready");
    client.send(first.as_bytes()).await;
    world.store.end_delegation(team.id, delegate, "retour").await.unwrap();
    client.send(format!("{rest}\r\n").as_bytes()).await;
    let answer = client.line().await.unwrap();
    assert!(!answer.starts_with("a OK"), "{answer}");
    let sent = world.store.folders(team.id).await.unwrap().into_iter().find(|folder| folder.name == "Sent").unwrap();
    assert_eq!(world.store.folder_status(sent.id).await.unwrap().messages, 0);
}

#[tokio::test]
async fn who_may_only_send_does_not_read() {
    let (world, team, delegate) = world().await;
    world.store.delegate(given(&team, delegate, "send-as")).await.unwrap();
    let answer = last(&mut connect(&world).await, &format!("a LOGIN martin*accueil@ch.mssante.fr {OWN}")).await;
    assert_eq!(answer, "a NO [AUTHENTICATIONFAILED] Log-in refused");
}

async fn expect_bye(client: &mut Client) {
    let line = client.line().await.unwrap();
    assert!(line.starts_with("* BYE This mailbox was closed"), "{line}");
    client.expect_end().await.unwrap();
}

#[tokio::test]
async fn rule_deleg_end_ends_open_sessions() {
    let (world, team, delegate) = world().await;
    let store = &world.store;
    let again = || async {
        store.delegate(given(&team, delegate, "read")).await.unwrap();
        let mut client = open(&world).await;
        client.command("a SELECT INBOX").await;
        client
    };
    let mut client = again().await;
    store.end_delegation(team.id, delegate, "retour").await.unwrap();
    expect_bye(&mut client).await;
    let mut client = again().await;
    store.delegate(given(&team, delegate, "read,write")).await.unwrap();
    expect_bye(&mut client).await;
    let mut client = again().await;
    store.set_person_state(&login(), PersonState::Suspended, "essai").await.unwrap();
    expect_bye(&mut client).await;
    store.set_person_state(&login(), PersonState::Active, "essai").await.unwrap();
    let mut client = again().await;
    store.set_bal_state(team.id, mssante::BalState::Suspended, "essai").await.unwrap();
    expect_bye(&mut client).await;
}

#[tokio::test]
async fn the_last_moment_of_a_delegation_ends_its_sessions() {
    let (world, team, delegate) = world().await;
    let until = Some(RealClock.now() + Duration::seconds(5));
    world.store.delegate(NewDelegation { valid_until: until, ..given(&team, delegate, "read") }).await.unwrap();
    let mut client = open(&world).await;
    expect_bye(&mut client).await;
    let answer = last(&mut connect(&world).await, &format!("a LOGIN martin*accueil@ch.mssante.fr {OWN}")).await;
    assert!(answer.starts_with("a NO"), "{answer}");
}

#[tokio::test]
async fn a_change_elsewhere_leaves_a_delegates_session_alone() {
    let (world, team, delegate) = world().await;
    world.store.delegate(given(&team, delegate, "read")).await.unwrap();
    let mut client = open(&world).await;
    world.store.set_bal_state(world.bal, mssante::BalState::Suspended, "essai").await.unwrap();
    assert!(last(&mut client, "a NOOP").await.starts_with("a OK"));
}
