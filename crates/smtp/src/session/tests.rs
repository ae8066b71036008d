//! What golden dialogs cannot show well: limits by number, failures of the store.

use std::time::Duration;

use mssante::{BalId, Refusal};
use proptest::prelude::*;

use super::{Action, Channel, Destination, LogIn, Refused, Session, Settings};
use crate::path::ForwardPath;
use crate::{Limits, Role};

fn limits() -> Limits {
    Limits {
        message_size: 100,
        recipients: 2,
        transactions: 2,
        settling_timeout: Duration::MAX,
        command_timeout: Duration::MAX,
        data_timeout: Duration::MAX,
        errors: 10,
    }
}

fn session() -> Session {
    let settings = Settings { role: Role::Hop, hostname: "mail.ch.example".to_owned(), limits: limits() };
    let mut session = Session::new(settings, Channel::Tls { certificate: true });
    session.take_output();
    session
}

/// Says yes to everything but what `store` refuses; gives the content and the replies' codes.
fn talk(session: &mut Session, said: &[u8], store: Result<(), Refusal>) -> (Vec<u8>, Vec<String>) {
    session.input().extend_from_slice(said);
    let mut content = Vec::new();
    loop {
        match session.advance() {
            Action::Read(_) | Action::StartTls | Action::Close => break,
            Action::Authenticate(_) => session.log_in_answer(LogIn::Refused),
            Action::JudgeSender(_) => session.sender_answer(Ok(())),
            Action::JudgeRecipient(rcpt) => {
                let ForwardPath::Address(address) = rcpt.path else { panic!("an address") };
                session.recipient_answer(Some(address), Ok(Destination::Local(vec![BalId(1)])));
            }
            Action::BeginMessage => session.begin_answer(store),
            Action::Content(octets) => content.extend_from_slice(&octets),
            Action::Abandon => content.clear(),
            Action::EndMessage => session.end_answer(store.map(|()| "P1".to_owned())),
        }
    }
    let output = String::from_utf8(session.take_output()).unwrap();
    (content, output.lines().map(|line| line[..3].to_owned()).collect())
}

#[test]
fn what_was_pipelined_behind_a_refused_sender_is_no_mistake() {
    let mut session = session();
    let rcpts = "RCPT TO:<c@d.fr>\r\n".repeat(30);
    let said = format!("EHLO a\r\nMAIL FROM:<a@b.fr>\r\n{rcpts}DATA\r\nRSET\r\n");
    session.input().extend_from_slice(said.as_bytes());
    while !matches!(session.advance(), Action::Read(_)) {
        session.sender_answer(Err(Refusal::TrustListUnavailable));
    }
    let output = String::from_utf8(session.take_output()).unwrap();
    assert_eq!(output.matches("503 5.5.1").count(), 31, "{output}");
    assert!(output.ends_with("250 2.0.0 OK\r\n"), "{output}");
}

#[test]
fn commands_that_lead_to_nothing_end_the_session() {
    for command in ["NOOP\r\n", "RSET\r\n", "EHLO a\r\n", "MAIL FROM:<a@b.fr>\r\nRSET\r\n", "HELP\r\n", "VRFY a\r\n"] {
        let (_, codes) = talk(&mut session(), command.repeat(200).as_bytes(), Ok(()));
        assert_eq!(codes.iter().filter(|code| *code == "421").count(), 1, "{command}");
        assert_eq!(codes.last().unwrap(), "421", "{command}");
    }
    let mut session = session();
    let message = format!("{ENVELOPE}DATA\r\na\r\n.\r\n");
    let said = format!("{}{message}{}", "NOOP\r\n".repeat(90), "NOOP\r\n".repeat(90));
    let (_, codes) = talk(&mut session, said.as_bytes(), Ok(()));
    assert!(!codes.contains(&"421".to_owned()), "a message is something");
}

#[test]
fn what_a_stranger_is_refused_counts_as_a_mistake() {
    let clear = Settings { role: Role::Hop, hostname: "mail.ch.example".to_owned(), limits: limits() };
    let (_, codes) = talk(&mut Session::new(clear, Channel::Clear), "VRFY a\r\n".repeat(20).as_bytes(), Ok(()));
    assert_eq!(codes[1..].join(" "), format!("{}421", "530 ".repeat(10)));
    let early = Settings { role: Role::Submission, hostname: "mail.ch.example".to_owned(), limits: limits() };
    let mut session = Session::new(early, Channel::Tls { certificate: false });
    let (_, codes) =
        talk(&mut session, format!("EHLO a\r\n{}", "MAIL FROM:<a@b.fr>\r\n".repeat(20)).as_bytes(), Ok(()));
    assert_eq!(codes[codes.len() - 11..].join(" "), format!("{}421", "530 ".repeat(10)));
}

#[test]
fn a_peer_that_was_let_in_makes_no_mistake_by_being_refused() {
    let mut session = session();
    session.input().extend_from_slice(format!("{ENVELOPE}{}", "RCPT TO:<x@d.fr>\r\n".repeat(50)).as_bytes());
    loop {
        match session.advance() {
            Action::JudgeSender(_) => session.sender_answer(Ok(())),
            Action::JudgeRecipient(_) => session.recipient_answer(None, Err(Refusal::RelayDenied)),
            Action::Read(_) => break,
            other => panic!("{other:?}"),
        }
    }
}

const ENVELOPE: &str = "EHLO a\r\nMAIL FROM:<a@b.fr>\r\nRCPT TO:<c@d.fr>\r\n";

fn codes(said: &str, store: Result<(), Refusal>) -> String {
    let (_, codes) = talk(&mut session(), said.as_bytes(), store);
    codes[codes.iter().filter(|code| *code == "250").count().min(9)..].join(" ")
}

#[test]
fn content_comes_out_as_it_was_without_the_stuffed_dots() {
    let said = format!("{ENVELOPE}DATA\r\na: b\r\n\r\n..\r\nc\r\n.\r\nQUIT\r\n");
    let (content, codes) = talk(&mut session(), said.as_bytes(), Ok(()));
    assert_eq!(content, b"a: b\r\n\r\n.\r\nc\r\n");
    assert_eq!(codes.last().unwrap(), "221");
}

#[test]
fn more_recipients_than_allowed_are_put_off() {
    let said = format!("{ENVELOPE}RCPT TO:<e@d.fr>\r\nRCPT TO:<f@d.fr>\r\n");
    assert!(codes(&said, Ok(())).ends_with("452"));
}

#[test]
fn a_recipient_named_twice_gets_one_copy() {
    let mut session = session();
    talk(&mut session, format!("{ENVELOPE}RCPT TO:<C@D.fr>\r\nRCPT TO:<e@d.fr>\r\n").as_bytes(), Ok(()));
    assert_eq!(session.envelope().unwrap().recipients.len(), 2);
}

#[test]
fn after_the_announced_number_of_messages_the_session_ends() {
    let message = "MAIL FROM:<a@b.fr>\r\nRCPT TO:<c@d.fr>\r\nDATA\r\na\r\n.\r\n";
    let said = format!("EHLO a\r\n{message}{message}{message}");
    let (_, codes) = talk(&mut session(), said.as_bytes(), Ok(()));
    assert_eq!(codes.last().unwrap(), "421");
}

#[test]
fn a_store_that_does_not_answer_is_a_temporary_refusal() {
    let sick = Err(Refusal::StoreUnavailable);
    for content in ["DATA\r\n", "BDAT 3 LAST\r\na\r\n", "BDAT 3\r\na\r\nBDAT 0 LAST\r\n"] {
        let (_, codes) = talk(&mut session(), format!("{ENVELOPE}{content}NOOP\r\n").as_bytes(), sick);
        assert!(codes.contains(&"451".to_owned()), "{codes:?}");
        assert_eq!(codes.last().unwrap(), "250");
    }
}

#[test]
fn a_message_that_grows_too_large_is_read_to_its_end_and_refused() {
    let body = "x\r\n".repeat(200);
    for content in [format!("DATA\r\n{body}.\r\n"), format!("BDAT 600 LAST\r\n{body}"), format!("BDAT 600\r\n{body}")] {
        let (kept, codes) = talk(&mut session(), format!("{ENVELOPE}{content}NOOP\r\n").as_bytes(), Ok(()));
        assert_eq!(codes[codes.len() - 2..], ["552", "250"]);
        assert!(kept.is_empty());
    }
}

#[test]
fn nobody_makes_us_read_for_ever() {
    let mut session = session();
    talk(&mut session, format!("{ENVELOPE}DATA\r\n").as_bytes(), Ok(()));
    let body = "x\r\n".repeat(1 << 19);
    let (kept, codes) = talk(&mut session, body.as_bytes(), Ok(()));
    assert_eq!((codes.as_slice(), kept.len()), (["421".to_owned()].as_slice(), 0));
}

#[test]
fn the_last_words_name_their_reason() {
    for (end, code) in [(Session::shut_down as fn(&mut Session), "421 4.3.2"), (Session::time_out, "421 4.4.2")] {
        let mut session = session();
        end(&mut session);
        assert!(matches!(session.advance(), Action::Close));
        assert!(session.take_output().starts_with(code.as_bytes()));
    }
}

proptest! {
    /// Whatever comes, in whatever pieces: no panic, and the same answers.
    #[test]
    fn answers_do_not_depend_on_how_the_octets_are_cut(
        said in "(MAIL FROM:<a@b.fr>\r\n|RCPT TO:<c@d.fr>\r\n|DATA\r\n|BDAT 3\r\n|BDAT 4 LAST\r\n|\r\n.\r\n|\\.|\r|\n|x|RSET\r\n|EHLO a\r\n|AUTH PLAIN\r\n){0,20}",
        cut in 1_usize..9,
    ) {
        let said = format!("{ENVELOPE}{said}");
        let (_, at_once) = talk(&mut session(), said.as_bytes(), Ok(()));
        let mut cut_session = session();
        let mut in_pieces = Vec::new();
        for piece in said.as_bytes().chunks(cut) {
            in_pieces.extend(talk(&mut cut_session, piece, Ok(())).1);
            if matches!(in_pieces.last().map(String::as_str), Some("421" | "501")) && matches!(cut_session.phase, super::Phase::Closed) {
                break;
            }
        }
        prop_assert_eq!(in_pieces, at_once);
    }
}

#[test]
fn every_refusal_is_handed_over_with_the_senders_domain() {
    let settings = Settings { role: Role::Hop, hostname: "mail.ch.example".to_owned(), limits: limits() };
    let mut session = Session::new(settings, Channel::Clear);
    talk(&mut session, b"EHLO a\r\nMAIL FROM:<a@b.fr>\r\n", Ok(()));
    let told = |session: &mut Session| -> Vec<(Refusal, Option<String>)> {
        let domain = |refused: &Refused| refused.sender_domain.as_ref().map(ToString::to_string);
        session.take_refused().iter().map(|refused| (refused.refusal, domain(refused))).collect()
    };
    let of = |refusal, domain: &str| vec![(refusal, Some(domain.to_owned()))];
    assert_eq!(told(&mut session), of(Refusal::TlsRequired, "b.fr"));
    session.tls_started(true);
    session.input().extend_from_slice(b"EHLO a\r\nMAIL FROM:<a@c.fr>\r\n");
    while !matches!(session.advance(), Action::Read(_)) {
        session.sender_answer(Err(Refusal::CertificateNotListed));
    }
    assert_eq!(told(&mut session), of(Refusal::CertificateNotListed, "c.fr"));
    assert!(told(&mut session).is_empty(), "each is told once");
    // What is refused later is refused to the sender, whoever the recipient is.
    talk(&mut session, format!("{ENVELOPE}DATA\r\na\nb\r\n.\r\n").as_bytes(), Ok(()));
    assert_eq!(told(&mut session), of(Refusal::BareLineEnding, "b.fr"));
}
