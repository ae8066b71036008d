//! The sending client against peers that follow a script, over loopback and real TLS.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mssante::{Address, Clock, Permanence, Refusal, ReversePath};
use smtp::client::{Client, ClientError, Content, Envelope, Phase, RecipientResult, Timeouts, Unobserved};
use store::{DsnNotify, DsnParameters};
use testkit::clock::RealClock;
use testkit::pki::{Pki, ServerHolder};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use trust::{HopTls, Revocation, ServerTls, TlsFiles, Transport};

/// One step of a scripted peer.
#[derive(Debug, Clone)]
enum Step {
    /// Writes this.
    Say(&'static str),
    /// Reads a line, which must begin with this.
    Hear(&'static str),
    /// The handshake.
    Tls,
    /// Reads lines up to the lone dot and keeps them.
    Content,
    /// Expects that the client goes away, having said no more than this.
    Gone(&'static str),
}

use Step::{Content as HearContent, Gone, Hear, Say, Tls};

fn clock() -> Arc<dyn Clock> {
    Arc::new(RealClock)
}

fn unchecked() -> Arc<Revocation> {
    Revocation::unchecked(clock())
}

fn files(folder: &Path, name: &str, anchors: &str) -> TlsFiles {
    TlsFiles {
        certificate: folder.join(format!("{name}.pem")),
        key: folder.join(format!("{name}.key")),
        anchors: folder.join(anchors),
        issuers: folder.join("issuing-ca.pem"),
    }
}

fn issue(pki: &Pki, folder: &Path, name: &str) {
    let holder = ServerHolder {
        cn: format!("{name}.mssante.fr"),
        organisation: name.to_owned(),
        structure: "1300000000".to_owned(),
        department: "Gard (30)".to_owned(),
        extra_names: Vec::new(),
    };
    pki.server(&holder).unwrap().write(folder, name).unwrap();
}

/// Starts a peer with its script; gives the client's stream, its TLS and what the peer heard.
async fn start(script: Vec<Step>) -> (TcpStream, HopTls, JoinHandle<String>) {
    let folder = tempfile::tempdir().unwrap();
    let pki = Pki::new(RealClock.now()).unwrap();
    pki.write(folder.path()).unwrap();
    issue(&pki, folder.path(), "peer");
    issue(&pki, folder.path(), "ours");
    let server = ServerTls::load_for_operators(files(folder.path(), "peer", "ca.pem"), unchecked(), clock()).unwrap();
    let hop = HopTls::load(files(folder.path(), "ours", "ca.pem"), unchecked(), clock()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    (stream, hop, tokio::spawn(play(accepted, server, script)))
}

async fn play(stream: TcpStream, tls: ServerTls, script: Vec<Step>) -> String {
    let mut io = BufReader::new(Transport::from_plain(stream));
    let mut content = String::new();
    for step in script {
        match step {
            Say(text) => {
                io.write_all(text.replace('\n', "\r\n").as_bytes()).await.unwrap();
                io.flush().await.unwrap();
            }
            Hear(start) => {
                let mut line = String::new();
                io.read_line(&mut line).await.unwrap();
                assert!(line.starts_with(start) && line.ends_with("\r\n"), "{line:?} instead of {start:?}");
            }
            Tls => {
                assert!(io.buffer().is_empty(), "the client speaks before the handshake");
                let stream = io.into_inner().into_plain().unwrap();
                io = BufReader::new(tls.accept(stream).await.unwrap());
            }
            HearContent => {
                while !content.ends_with("\r\n.\r\n") {
                    assert_ne!(io.read_line(&mut content).await.unwrap(), 0, "content without end: {content:?}");
                }
            }
            Gone(most) => {
                let mut rest = Vec::new();
                // A client that gives up may leave without a goodbye of TLS.
                io.read_to_end(&mut rest).await.ok();
                assert!(rest.starts_with(most.as_bytes()), "{}", String::from_utf8_lossy(&rest));
                assert!(!String::from_utf8_lossy(&rest).contains("\r\n.\r\n"), "the content was ended");
            }
        }
    }
    content
}

const OPENING: [Step; 7] = [
    Say("220 peer ESMTP\n"),
    Hear("EHLO ours.mssante.fr"),
    Say("250-peer\n250 STARTTLS\n"),
    Hear("STARTTLS"),
    Say("220 go\n"),
    Tls,
    Hear("EHLO ours.mssante.fr"),
];

fn opened(rest: impl IntoIterator<Item = Step>) -> Vec<Step> {
    OPENING.into_iter().chain(rest).collect()
}

struct Chunks(Vec<&'static [u8]>);

impl Content for Chunks {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        Ok((!self.0.is_empty()).then(|| self.0.remove(0).to_vec()))
    }
}

async fn open(stream: TcpStream, tls: &HopTls) -> Result<Client, ClientError> {
    let patience = Duration::from_secs(20);
    let timeouts = Timeouts { command: patience, data_start: patience, data_block: patience, data_end: patience };
    Client::open(stream, "localhost", "ours.mssante.fr", tls, timeouts, &mut Unobserved).await
}

async fn send(
    client: &mut Client,
    to: &[&str],
    content: &[&'static [u8]],
) -> Result<Vec<RecipientResult>, ClientError> {
    let reverse_path = ReversePath::Address(Address::parse("a@ours.fr").unwrap());
    let dsn = DsnParameters { notify: DsnNotify::Never, original_recipient: Some("rfc822;x@y.fr".to_owned()) };
    let recipients: Vec<_> = to.iter().map(|to| (Address::parse(to).unwrap(), dsn.clone())).collect();
    let envelope = Envelope {
        reverse_path: &reverse_path,
        recipients: &recipients,
        size: content.iter().map(|chunk| chunk.len() as u64).sum(),
        smtputf8: false,
        envelope_id: Some("E1"),
        ret: Some("HDRS"),
    };
    client.send(&envelope, &mut Chunks(content.to_vec())).await
}

#[tokio::test]
async fn a_message_is_handed_over_with_its_dots_and_each_recipient_has_his_answer() {
    let (stream, tls, peer) = start(opened([
        Say("250-peer\n250-PIPELINING\n250-SIZE 1000\n250-DSN\n250 8BITMIME\n"),
        Hear("MAIL FROM:<a@ours.fr> SIZE=17 BODY=8BITMIME RET=HDRS ENVID=E1\r\n"),
        Hear("RCPT TO:<b@peer.fr> NOTIFY=NEVER ORCPT=rfc822;x@y.fr\r\n"),
        Hear("RCPT TO:<c@peer.fr> NOTIFY=NEVER ORCPT=rfc822;x@y.fr\r\n"),
        Say("250 2.1.0 ok\n250 2.1.5 ok\n550 5.1.1 unknown\n"),
        Hear("DATA"),
        Say("354 go\n"),
        HearContent,
        Say("250 2.0.0 accepted as X1\n"),
        Hear("QUIT"),
        Say("221 bye\n"),
    ]))
    .await;
    let mut client = open(stream, &tls).await.unwrap();
    assert!(client.peer().unwrap().name().to_string().contains("peer.mssante.fr"));
    let answers =
        send(&mut client, &["b@peer.fr", "c@peer.fr"], &[b"a: b\r\n\r", b"\n.dot\r\n", b"end"]).await.unwrap();
    client.quit().await;
    assert_eq!(answers[0].as_ref().unwrap().code(), 250);
    assert_eq!(answers[1].as_ref().unwrap_err().status(), "5.1.1");
    assert_eq!(peer.await.unwrap(), "a: b\r\n\r\n..dot\r\nend\r\n.\r\n");
}

#[tokio::test]
async fn without_pipelining_every_command_waits_for_its_answer() {
    let (stream, tls, peer) = start(opened([
        Say("250 peer\n"),
        Hear("MAIL FROM:<a@ours.fr>\r\n"),
        Say("250 ok\n"),
        Hear("RCPT TO:<b@peer.fr>\r\n"),
        Say("250 ok\n"),
        Hear("DATA"),
        Say("354 go\n"),
        HearContent,
        Say("451 4.3.0 disk full\n"),
    ]))
    .await;
    let mut client = open(stream, &tls).await.unwrap();
    let answers = send(&mut client, &["b@peer.fr"], &[b"a: b\r\n"]).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap_err().code(), 451);
    peer.await.unwrap();
}

#[tokio::test]
async fn when_all_recipients_are_refused_no_content_is_sent_and_the_hop_goes_on() {
    let (stream, tls, peer) = start(opened([
        Say("250-peer\n250 PIPELINING\n"),
        Hear("MAIL"),
        Hear("RCPT"),
        Say("250 ok\n550 no\n"),
        Hear("RSET"),
        Say("250 ok\n"),
        Hear("MAIL"),
        Hear("RCPT"),
        Say("451 4.7.0 list too old\n503 no\n"),
        Hear("RSET"),
        Say("250 ok\n"),
    ]))
    .await;
    let mut client = open(stream, &tls).await.unwrap();
    let answers = send(&mut client, &["b@peer.fr"], &[b"a: b\r\n"]).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap_err().code(), 550);
    let error = send(&mut client, &["b@peer.fr"], &[b"a: b\r\n"]).await.unwrap_err();
    assert!(matches!(&error, ClientError::Refused(Phase::Mail, reply) if reply.code() == 451), "{error}");
    assert_eq!(error.permanence(), Permanence::Temporary);
    assert!(client.recover(&error).await, "the refusal was about the message");
    peer.await.unwrap();
}

#[tokio::test]
async fn a_refused_sender_is_the_outcome_even_if_the_peer_goes_away_while_it_answers_the_recipients() {
    let after_mail = [
        "550 5.7.1 not listed\n503 no\n503 no\n421 4.7.0 too many errors\n",
        "550 5.7.1 not listed\n503 no\n",
        "550 5.7.1 not listed\nnonsense\n",
    ];
    for replies in after_mail {
        let rcpts = std::iter::repeat_n(Hear("RCPT"), 4);
        let script = [Say("250-peer\n250 PIPELINING\n"), Hear("MAIL")].into_iter().chain(rcpts).chain([Say(replies)]);
        let (stream, tls, peer) = start(opened(script)).await;
        let mut client = open(stream, &tls).await.unwrap();
        let to = ["b@peer.fr", "c@peer.fr", "d@peer.fr", "e@peer.fr"];
        let error = send(&mut client, &to, &[b"a: b\r\n"]).await.unwrap_err();
        assert!(matches!(&error, ClientError::Refused(Phase::Mail, reply) if reply.code() == 550), "{error}");
        assert_eq!(error.permanence(), Permanence::Permanent);
        assert!(!client.recover(&error).await, "the hop cannot be trusted any more");
        peer.await.unwrap();
    }
}

#[tokio::test]
async fn nothing_is_sent_in_clear() {
    let (stream, tls, peer) =
        start(vec![Say("220 peer ESMTP\n"), Hear("EHLO"), Say("250-peer\n250 PIPELINING\n"), Gone("")]).await;
    assert!(matches!(open(stream, &tls).await, Err(ClientError::NoStartTls)));
    peer.await.unwrap();
}

#[tokio::test]
async fn octets_behind_the_reply_to_starttls_end_the_hop() {
    let (stream, tls, peer) = start(vec![
        Say("220 peer ESMTP\n"),
        Hear("EHLO"),
        Say("250-peer\n250 STARTTLS\n"),
        Hear("STARTTLS"),
        Say("220 go\n250-injected.by.mitm\n250 DSN\n"),
        Gone(""),
    ])
    .await;
    assert!(matches!(open(stream, &tls).await, Err(ClientError::Protocol(_))));
    peer.await.unwrap();
}

#[tokio::test]
async fn eight_bit_content_is_never_pressed_on_a_peer_that_takes_seven() {
    let (stream, tls, peer) = start(opened([
        Say("250 peer\n"),
        Hear("MAIL"),
        Say("250 ok\n"),
        Hear("RCPT"),
        Say("250 ok\n"),
        Hear("DATA"),
        Say("354 go\n"),
        Gone(""),
    ]))
    .await;
    let mut client = open(stream, &tls).await.unwrap();
    let error = send(&mut client, &["b@peer.fr"], &["é\r\n".as_bytes()]).await.unwrap_err();
    assert_eq!(error.permanence(), Permanence::Permanent);
    drop(client);
    peer.await.unwrap();
}

#[tokio::test]
async fn a_message_larger_than_the_peer_takes_is_not_begun() {
    let (stream, tls, peer) = start(opened([Say("250-peer\n250 SIZE 10\n"), Gone("")])).await;
    let mut client = open(stream, &tls).await.unwrap();
    let error = send(&mut client, &["b@peer.fr"], &[b"0123456789\r\n"]).await.unwrap_err();
    assert!(matches!(error, ClientError::PeerLimit(10)), "{error}");
    drop(client);
    peer.await.unwrap();
}

#[tokio::test]
async fn a_peer_of_another_authority_is_a_failure_of_trust_and_temporary() {
    let (stream, _, peer) = start(OPENING.to_vec()).await;
    let folder = tempfile::tempdir().unwrap();
    let other = Pki::new(RealClock.now()).unwrap();
    other.write(folder.path()).unwrap();
    issue(&other, folder.path(), "ours");
    let tls = HopTls::load(files(folder.path(), "ours", "ca.pem"), unchecked(), clock()).unwrap();
    let error = open(stream, &tls).await.err().unwrap();
    assert!(matches!(error, ClientError::Distrusted(Refusal::CertificateUntrusted)), "{error}");
    assert_eq!((error.permanence(), error.status().as_str()), (Permanence::Temporary, "4.7.0"));
    assert!(peer.await.is_err());
}
