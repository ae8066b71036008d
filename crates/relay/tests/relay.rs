//! The queue runner with a real store, against a peer on loopback over real TLS.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use annuaire::{LocalBal, Resolver};
use message::{MessageFacts, Scanner, Span};
use mssante::{Address, BalKind, BalState, Clock, Domain, Refusal, ReversePath};
use relay::{Dns, DnsRules, Hops, HostFinder, HostNameCheck, Relay, Schedule, Step, Verdict};
use smtp::client::Timeouts;
use store::{Acceptance, BalRecord, DsnNotify, DsnParameters, MessageId, NewBal, RelayRequest, Source, Store};
use testkit::clock::{FixedClock, RealClock, TestRandom};
use testkit::list::WhiteList;
use testkit::pki::{Pki, ServerHolder};
use testkit::postgres::TestDatabase;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use trust::{HopTls, Revocation, ServerTls, SignaturePolicy, TlsFiles, Transport, TrustList, TrustRules, TrustSpace};

const OURS: &str = "ch.mssante.fr";
const PEER: &str = "peer.mssante.fr";
const LETTER: &[u8] =
    b"Return-Path: <a@ch.mssante.fr>\r\nReceived: from poste by mail.ch\r\nFrom: a@ch.mssante.fr\r\n\r\nBonjour\r\n";

fn holder(cn: &str) -> ServerHolder {
    ServerHolder {
        cn: cn.to_owned(),
        organisation: "Organisation".to_owned(),
        structure: "1300000000".to_owned(),
        department: "Gard (30)".to_owned(),
        extra_names: Vec::new(),
    }
}

fn files(folder: &Path, name: &str) -> TlsFiles {
    let path = |file: String| folder.join(file);
    TlsFiles {
        certificate: path(format!("{name}.pem")),
        key: path(format!("{name}.key")),
        anchors: path("ca.pem".to_owned()),
        issuers: path("issuing-ca.pem".to_owned()),
    }
}

fn list(domain: &str, cn: &str, now: time::OffsetDateTime) -> TrustList {
    let xml = WhiteList::new(now).with(domain, &holder(cn).dn()).unsigned_xml();
    TrustList::read(xml.as_bytes(), &SignaturePolicy::Off, now).unwrap()
}

/// What the peer heard in one connection.
#[derive(Debug, Default)]
struct Heard {
    commands: Vec<String>,
    contents: Vec<String>,
}

/// Longer than the lease of an entry that is being worked on, shorter than a wait between attempts.
const LEASE_AT_LEAST: Duration = Duration::from_mins(20);

/// Holds a peer up at the content for `pause@`.
#[derive(Default)]
struct Gate {
    reached: Notify,
    opened: Notify,
}

/// A peer that takes every recipient but `unknown@` (550) and `later@` (451), and falls silent at
/// the content for `hang@`.
async fn serve(listener: TcpListener, tls: ServerTls, heard: mpsc::UnboundedSender<Heard>, gate: Arc<Gate>) {
    while let Ok((stream, _)) = listener.accept().await {
        let mut session = Heard::default();
        talk(stream, &tls, &mut session, &gate).await;
        if heard.send(session).is_err() {
            return;
        }
    }
}

async fn talk(stream: TcpStream, tls: &ServerTls, heard: &mut Heard, gate: &Gate) {
    let mut io = BufReader::new(Transport::from_plain(stream));
    io.write_all(b"220 peer\r\n").await.unwrap();
    loop {
        io.flush().await.unwrap();
        let mut line = String::new();
        if io.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let reply = match line.get(..4).unwrap_or_default() {
            "EHLO" => "250-peer\r\n250-PIPELINING\r\n250 STARTTLS\r\n",
            "STAR" => "220 go\r\n",
            "DATA" => "354 go\r\n",
            "RCPT" if line.contains("unknown@") => "550 5.1.1 unknown\r\n",
            "RCPT" if line.contains("later@") => "451 4.2.1 later\r\n",
            _ => "250 2.0.0 ok\r\n",
        };
        io.write_all(reply.as_bytes()).await.unwrap();
        heard.commands.push(line.trim_end().to_owned());
        if line.starts_with("STARTTLS") {
            io.flush().await.unwrap();
            let Ok(transport) = tls.accept(io.into_inner().into_plain().unwrap()).await else { return };
            io = BufReader::new(transport);
        } else if line.starts_with("DATA") && heard.commands.iter().any(|command| command.contains("hang@")) {
            std::future::pending::<()>().await;
        } else if line.starts_with("DATA") {
            io.flush().await.unwrap();
            let mut content = String::new();
            while !content.ends_with("\r\n.\r\n") {
                io.read_line(&mut content).await.unwrap();
            }
            heard.contents.push(content);
            if heard.commands.iter().rev().any(|command| command.contains("pause@")) {
                gate.reached.notify_one();
                gate.opened.notified().await;
            }
            io.write_all(b"250 2.0.0 accepted as X\r\n").await.unwrap();
        }
    }
}

/// A store with one BAL, hosts of a peer, and the relay between them.
struct Bench {
    _database: TestDatabase,
    _folder: tempfile::TempDir,
    store: Store,
    clock: Arc<FixedClock>,
    bal: BalRecord,
    relay: Arc<Relay>,
    heard: mpsc::UnboundedReceiver<Heard>,
    gate: Arc<Gate>,
}

/// What a bench is made of.
struct Plan {
    /// CNs of the hosts' certificates, in the order of preference; they listen on 127.0.0.2, 127.0.0.3, ...
    hosts: &'static [&'static str],
    /// The CN that the white list names for the peer.
    listed: &'static str,
    /// Further lines of the zone, beside the hosts.
    zone: &'static str,
    host_name_check: HostNameCheck,
}

impl Default for Plan {
    fn default() -> Self {
        Self { hosts: &["mx.peer.fr"], listed: "mx.peer.fr", zone: "", host_name_check: HostNameCheck::Off }
    }
}

impl Bench {
    /// `listed` is the CN that the white list names for the peer, whose own is `mx.peer.fr`.
    async fn new(listed: &'static str) -> Self {
        Self::of(Plan { listed, ..Plan::default() }).await
    }

    async fn of(plan: Plan) -> Self {
        let clock = Arc::new(FixedClock::at(RealClock.now()));
        let database = TestDatabase::new().await;
        let store = database.store_at(clock.clone()).await;
        let bal = store.create_bal(new_bal()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::new(clock.now()).unwrap();
        pki.write(folder.path()).unwrap();
        for name in plan.hosts.iter().chain(&["mx.ch.fr"]) {
            pki.server(&holder(name)).unwrap().write(folder.path(), name).unwrap();
        }
        let unchecked = || Revocation::unchecked(clock.clone());
        let ((said, heard), gate) = (mpsc::unbounded_channel(), Arc::default());
        let (mut zone, mut port) = (plan.zone.to_owned(), 0);
        for (number, name) in plan.hosts.iter().enumerate() {
            let address = format!("127.0.0.{}", number + 2);
            let listener = TcpListener::bind((address.as_str(), port)).await.unwrap();
            port = listener.local_addr().unwrap().port();
            writeln!(zone, "{PEER} MX {number} mx{number}.hosts.fr\nmx{number}.hosts.fr A {address}").unwrap();
            let server = ServerTls::load_for_operators(files(folder.path(), name), unchecked(), clock.clone());
            tokio::spawn(serve(listener, server.unwrap(), said.clone(), Arc::clone(&gate)));
        }
        let zone_file = folder.path().join("zone");
        std::fs::write(&zone_file, zone).unwrap();
        let trust = TrustSpace::new(TrustRules::default(), unchecked(), clock.clone());
        trust.install(list(PEER, plan.listed, clock.now()), clock.now());
        let random = Arc::new(TestRandom::seeded(1));
        let hostname = "mail.ch.mssante.fr".to_owned();
        let hosts = HostFinder {
            routes: [].into(),
            port,
            dns: Dns::open(&DnsRules { zone_file: Some(zone_file), ..DnsRules::default() }).unwrap(),
            hostname: hostname.clone(),
            random: random.clone(),
        };
        let hops = Hops {
            hostname,
            tls: Arc::new(HopTls::load(files(folder.path(), "mx.ch.fr"), unchecked(), clock.clone()).unwrap()),
            trust,
            hosts,
            host_name_check: plan.host_name_check,
            timeouts: Timeouts::default(),
            clock: clock.clone(),
        };
        let relay = Arc::new(Relay {
            hops,
            store: store.clone(),
            resolver: Arc::new(resolver(&bal)),
            schedule: Schedule { waits: vec![Duration::from_hours(1)], expiry: Duration::from_hours(48) },
            connections: 2,
            clock: clock.clone(),
            random,
        });
        Self { _database: database, _folder: folder, store, clock, bal, relay, heard, gate }
    }

    async fn accept(&self, recipients: &[&str], notify: &DsnNotify) -> MessageId {
        self.accept_from(&self.bal.address.to_string(), recipients, notify).await
    }

    async fn accept_from(&self, sender: &str, recipients: &[&str], notify: &DsnNotify) -> MessageId {
        self.accept_for(sender, PEER, recipients, notify).await
    }

    async fn accept_for(&self, sender: &str, domain: &str, recipients: &[&str], notify: &DsnNotify) -> MessageId {
        let mut intake = self.store.begin_intake().await.unwrap();
        intake.write(LETTER).await.unwrap();
        let mut scanner = Scanner::new();
        scanner.push(LETTER);
        let message = intake.finish(scanner.finish()).await.unwrap();
        let id = message.id();
        let relays = recipients.iter().map(|name| RelayRequest {
            recipient: Address::parse(&format!("{name}@{domain}")).unwrap(),
            dsn: DsnParameters { notify: notify.clone(), original_recipient: None },
        });
        let acceptance = Acceptance {
            message,
            facts: MessageFacts::default(),
            reverse_path: ReversePath::Address(Address::parse(sender).unwrap()),
            smtputf8: false,
            envelope_id: None,
            ret: None,
            source: Source::Submission { bal: self.bal.id, address: "127.0.0.1".to_owned(), right: None },
            deliveries: Vec::new(),
            relays: relays.collect(),
            to_patients: None,
        };
        self.store.accept(acceptance).await.unwrap();
        id
    }

    /// Runs the relay until the peer has seen the end of one connection, then to its end.
    async fn one_hop(&mut self) -> Heard {
        let stop = CancellationToken::new();
        let running = tokio::spawn(Arc::clone(&self.relay).run(stop.clone()));
        let heard = self.heard.recv().await.unwrap();
        stop.cancel();
        running.await.unwrap();
        heard
    }

    /// Runs the relay until nothing is due any more, then to its end; gives the connections that the peer saw.
    async fn until_settled(&mut self) -> Vec<Heard> {
        let stop = CancellationToken::new();
        let running = tokio::spawn(Arc::clone(&self.relay).run(stop.clone()));
        until(async || self.store.next_due().await.unwrap().is_none_or(|due| due > self.clock.now() + LEASE_AT_LEAST))
            .await;
        stop.cancel();
        running.await.unwrap();
        // The peer tells of a connection when it has seen its end, which may be after the relay has.
        let mut heard = Vec::new();
        while let Ok(Some(one)) = tokio::time::timeout(Duration::from_millis(300), self.heard.recv()).await {
            heard.push(one);
        }
        heard
    }

    async fn pending(&self) -> u64 {
        self.store.queue_status().await.unwrap().pending
    }

    /// The messages in the sender's INBOX.
    async fn reports(&self) -> Vec<String> {
        let opened = self.store.open_folder(self.bal.id, "INBOX", false).await.unwrap();
        let mut reports = Vec::new();
        for entry in &opened.entries {
            let span = (entry.message, Span { start: 0, len: u64::MAX });
            let octets = self.store.read_spans(&[span]).await.unwrap().remove(0);
            reports.push(String::from_utf8(octets).unwrap());
        }
        reports
    }
}

/// Waits until a condition holds that another task brings about.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("it comes about");
}

fn new_bal() -> NewBal {
    NewBal::new(Address::parse(&format!("a@{OURS}")).unwrap(), BalKind::Organisational)
}

fn resolver(bal: &BalRecord) -> Resolver {
    let resolver = Resolver::new([Domain::parse(OURS).unwrap()]);
    resolver.put(&bal.address, LocalBal { id: bal.id, kind: bal.kind, state: BalState::Active, replies: bal.replies });
    resolver
}

fn count(heard: &Heard, verb: &str) -> usize {
    heard.commands.iter().filter(|command| command.starts_with(verb)).count()
}

#[tokio::test]
async fn each_recipient_ends_in_one_way_and_the_sender_hears_of_the_lost_one() {
    let mut bench = Bench::new("mx.peer.fr").await;
    bench.accept(&["b", "unknown", "later"], &DsnNotify::Unsaid).await;
    let heard = bench.one_hop().await;
    assert_eq!((count(&heard, "MAIL"), count(&heard, "RCPT")), (1, 3));
    // Only final delivery adds a Return-Path. [RFC5321 4.4]
    assert_eq!(heard.contents, ["Received: from poste by mail.ch\r\nFrom: a@ch.mssante.fr\r\n\r\nBonjour\r\n.\r\n"]);
    assert_eq!(bench.pending().await, 1, "later@ waits");
    let reports = bench.reports().await;
    assert_eq!(reports.len(), 1);
    assert!(reports[0].contains("unknown@peer.mssante.fr") && reports[0].contains("5.1.1"), "{}", reports[0]);
    assert!(!reports[0].contains("later@") && !reports[0].contains("b@peer"), "{}", reports[0]);
}

#[tokio::test]
async fn messages_that_wait_together_share_a_hop() {
    let mut bench = Bench::new("mx.peer.fr").await;
    bench.accept(&["b"], &DsnNotify::Unsaid).await;
    bench.accept(&["unknown"], &DsnNotify::Never).await;
    bench.accept(&["c"], &DsnNotify::Unsaid).await;
    let heard = bench.one_hop().await;
    assert_eq!((count(&heard, "STARTTLS"), count(&heard, "MAIL"), count(&heard, "DATA")), (1, 3, 2));
    assert_eq!(bench.pending().await, 0);
    assert!(bench.reports().await.is_empty(), "the sender of the lost one wanted no report");
}

#[tokio::test]
async fn a_peer_with_another_name_than_the_listed_one_sees_no_envelope() {
    let mut bench = Bench::new("mx.another.fr").await;
    bench.accept(&["b"], &DsnNotify::Unsaid).await;
    let heard = bench.one_hop().await;
    assert_eq!(count(&heard, "MAIL"), 0, "{heard:?}");
    assert_eq!(bench.pending().await, 1, "doubt is temporary");
    assert!(bench.reports().await.is_empty());
    let due = bench.store.next_due().await.unwrap().unwrap();
    let wait = due - bench.clock.now();
    assert!(time::Duration::minutes(53) < wait && wait < time::Duration::minutes(67), "{wait}");
}

#[tokio::test]
async fn what_cannot_be_handed_over_in_time_is_reported() {
    let mut bench = Bench::new("mx.another.fr").await;
    bench.accept(&["b"], &DsnNotify::Unsaid).await;
    bench.clock.advance(time::Duration::hours(49));
    bench.relay.hops.trust.confirm(bench.clock.now());
    bench.one_hop().await;
    assert_eq!(bench.pending().await, 0);
    let reports = bench.reports().await;
    assert!(reports[0].contains("b@peer.mssante.fr") && reports[0].contains("4.7.0"), "{}", reports[0]);
    assert!(reports[0].contains("certificate-not-listed"), "the reason word: {}", reports[0]);
}

#[tokio::test]
async fn what_the_peer_has_is_written_down_before_the_next_message_goes() {
    let bench = Bench::new("mx.peer.fr").await;
    bench.accept(&["b"], &DsnNotify::Unsaid).await;
    let second = bench.accept(&["hang"], &DsnNotify::Unsaid).await;
    let running = tokio::spawn(Arc::clone(&bench.relay).run(CancellationToken::new()));
    until(async || bench.pending().await == 1).await;
    running.abort();
    bench.clock.advance(time::Duration::minutes(5));
    let again = bench.store.claim(10, Duration::from_mins(1)).await.unwrap();
    assert_eq!(again.iter().map(|entry| entry.message).collect::<Vec<_>>(), [second]);
}

#[tokio::test]
async fn a_failure_that_nobody_can_be_told_of_is_held_and_not_dropped() {
    let mut bench = Bench::new("mx.peer.fr").await;
    bench.accept_from("nobody@ch.mssante.fr", &["unknown"], &DsnNotify::Unsaid).await;
    bench.one_hop().await;
    assert_eq!(bench.pending().await, 1);
    bench.clock.advance(time::Duration::hours(1));
    assert!(bench.store.claim(10, Duration::from_mins(1)).await.unwrap().is_empty(), "held, not waiting");
}

#[tokio::test]
async fn a_bad_host_does_not_doom_the_better_one_behind_it() {
    let mut bench = Bench::of(Plan { hosts: &["mx.stranger.fr", "mx.peer.fr"], ..Plan::default() }).await;
    bench.accept(&["b"], &DsnNotify::Unsaid).await;
    let heard = bench.until_settled().await;
    assert_eq!(bench.pending().await, 0);
    assert_eq!(heard.iter().map(|session| count(session, "MAIL")).collect::<Vec<_>>(), [0, 1], "{heard:?}");
}

/// The certificate is told although the host that was tried last was just not there.
#[tokio::test]
async fn of_several_troubles_the_most_telling_one_is_reported() {
    let zone = "peer.mssante.fr MX 9 mx9.hosts.fr\nmx9.hosts.fr A 127.0.0.9\n";
    let mut bench = Bench::of(Plan { hosts: &["mx.stranger.fr"], zone, ..Plan::default() }).await;
    bench.accept(&["b"], &DsnNotify::Unsaid).await;
    bench.clock.advance(time::Duration::hours(49));
    bench.relay.hops.trust.confirm(bench.clock.now());
    bench.until_settled().await;
    let reports = bench.reports().await;
    assert!(reports[0].contains("certificate-not-listed"), "{}", reports[0]);
}

#[tokio::test]
async fn the_name_of_the_host_counts_only_where_the_setting_asks_for_it() {
    for (host_name_check, transactions) in [(HostNameCheck::Off, 1), (HostNameCheck::Required, 0)] {
        let mut bench = Bench::of(Plan { host_name_check, ..Plan::default() }).await;
        bench.accept(&["b"], &DsnNotify::Unsaid).await;
        let heard = bench.until_settled().await;
        assert_eq!(count(&heard[0], "MAIL"), transactions, "{host_name_check:?}");
        let probe = bench.relay.hops.probe(&Domain::parse(PEER).unwrap()).await;
        let expected = if transactions == 1 { Ok(()) } else { Err("host-name-mismatch") };
        assert_eq!(probe.outcome, expected);
    }
}

#[tokio::test]
async fn an_open_hop_is_judged_anew_for_each_message() {
    let mut bench = Bench::new("mx.peer.fr").await;
    bench.accept(&["pause"], &DsnNotify::Unsaid).await;
    bench.accept(&["b"], &DsnNotify::Unsaid).await;
    let (gate, clock) = (Arc::clone(&bench.gate), Arc::clone(&bench.clock));
    let trust = bench.relay.hops.trust.clone();
    let change = async {
        gate.reached.notified().await;
        trust.install(list(PEER, "mx.another.fr", clock.now()), clock.now());
        gate.opened.notify_one();
    };
    let (heard, ()) = tokio::join!(bench.until_settled(), change);
    let (first, others) = heard.split_first().unwrap();
    assert_eq!((count(first, "MAIL"), first.contents.len()), (1, 1), "the first message was on its way");
    assert!(others.iter().all(|session| count(session, "MAIL") == 0), "{others:?}");
    assert_eq!(bench.pending().await, 1, "the second one waits");
}

#[tokio::test]
async fn a_domain_that_left_the_list_is_final_and_the_sender_is_told_so_in_french() {
    let mut bench = Bench::new("mx.peer.fr").await;
    bench.accept_for("a@ch.mssante.fr", "gone.mssante.fr", &["b"], &DsnNotify::Unsaid).await;
    let heard = bench.until_settled().await;
    assert!(heard.is_empty(), "nobody is called: {heard:?}");
    assert_eq!(bench.pending().await, 0);
    let report = bench.reports().await.remove(0);
    assert!(report.contains("5.7.1") && report.contains("domain-not-listed"), "{report}");
    // The French part is quoted-printable or base64 as the message crate sees fit; its first words are ASCII.
    assert!(report.contains(&Refusal::DomainNotListed.row().french[..24]), "{report}");
}

#[tokio::test]
async fn a_domain_that_a_stale_list_lacks_waits_and_one_that_it_has_is_served() {
    let mut bench = Bench::new("mx.peer.fr").await;
    let stale = bench.clock.now() - time::Duration::days(2);
    bench.relay.hops.trust.confirm(stale);
    bench.accept_for("a@ch.mssante.fr", "new.mssante.fr", &["b"], &DsnNotify::Unsaid).await;
    assert!(bench.until_settled().await.is_empty(), "nobody is called");
    assert_eq!((bench.pending().await, bench.reports().await.len()), (1, 0));
    let probe = bench.relay.hops.probe(&Domain::parse("new.mssante.fr").unwrap()).await;
    assert_eq!(probe.outcome, Err("trust-list-stale"));
    bench.accept(&["b"], &DsnNotify::Unsaid).await;
    assert_eq!(bench.until_settled().await.len(), 1);
    assert_eq!(bench.pending().await, 1, "the first one");
}

#[tokio::test]
async fn while_the_list_is_too_old_nobody_is_called_and_mail_waits() {
    let mut bench = Bench::new("mx.peer.fr").await;
    let now = bench.clock.now();
    bench.relay.hops.trust.confirm(now - time::Duration::days(8));
    bench.accept(&["b"], &DsnNotify::Unsaid).await;
    assert!(bench.until_settled().await.is_empty());
    assert_eq!(bench.pending().await, 1);
    let probe = bench.relay.hops.probe(&Domain::parse(PEER).unwrap()).await;
    assert_eq!(probe.outcome, Err("trust-list-expired"));
}

#[tokio::test]
async fn only_a_null_mx_is_final_among_the_answers_of_dns() {
    for (zone, pending, reason) in [
        ("peer.mssante.fr MX 0 .\n", 0, "dns-null-mx"),
        ("", 1, "dns-no-name"),
        ("peer.mssante.fr TXT x\n", 1, "dns-no-address"),
        ("peer.mssante.fr MX 10 mail.ch.mssante.fr\n", 1, "mail-loop"),
        ("peer.mssante.fr MX 10 192.0.2.1\n", 1, "dns-no-host"),
        ("peer.mssante.fr MX 10 mx.nowhere.fr\n", 1, "dns-no-name"),
    ] {
        let mut bench = Bench::of(Plan { hosts: &[], zone, ..Plan::default() }).await;
        bench.accept(&["b"], &DsnNotify::Unsaid).await;
        bench.until_settled().await;
        assert_eq!(bench.pending().await, pending, "{zone}");
        assert_eq!(bench.reports().await.len() as u64, 1 - pending, "{zone}");
        let probe = bench.relay.hops.probe(&Domain::parse(PEER).unwrap()).await;
        assert_eq!(probe.outcome, Err(reason), "{zone}");
    }
}

#[tokio::test]
async fn a_probe_tries_every_candidate_and_sends_nothing() {
    let mut bench = Bench::of(Plan { hosts: &["mx.peer.fr", "mx.stranger.fr"], ..Plan::default() }).await;
    let probe = bench.relay.hops.probe(&Domain::parse(PEER).unwrap()).await;
    assert_eq!(probe.outcome, Ok(()), "the first candidate would do");
    let at = |host: &str| -> Vec<_> {
        let steps = probe.steps.iter().filter(|step| step.host.as_deref() == Some(host));
        steps.map(|step| (step.what, step.verdict)).collect()
    };
    let opening = ["address", "connect", "greeting", "ehlo", "starttls", "tls", "shown", "ehlo", "certificate"];
    let good =
        |more: &[&'static str]| -> Vec<_> { opening.iter().chain(more).map(|what| (*what, Verdict::Good)).collect() };
    assert_eq!(at("mx0.hosts.fr"), good(&["dn", "host-name", "usable"]));
    let mut refused = good(&[]);
    refused.push(("hop", Verdict::Bad("certificate-not-listed")));
    assert_eq!(at("mx1.hosts.fr"), refused);
    let text = |what| probe.steps.iter().find(|step: &&Step| step.what == what).unwrap().text.clone();
    assert!(text("mx").contains("mx0.hosts.fr") && text("mx").contains("zone file"), "{}", text("mx"));
    assert!(text("shown").contains("CN=mx.peer.fr"), "{}", text("shown"));
    assert!(text("tls").contains("TLSv1.3"), "{}", text("tls"));
    for _ in 0..2 {
        let heard = bench.heard.recv().await.unwrap();
        assert_eq!(heard.commands.iter().map(|line| &line[..4]).collect::<Vec<_>>(), ["EHLO", "STAR", "EHLO", "QUIT"]);
    }
}
