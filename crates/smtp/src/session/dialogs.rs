//! Runs `tests/dialogs/*.txt` against the state machine with a stub world; see the README
//! there. Whole and octet by octet: what a session says never depends on how packets are cut.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use annuaire::{LocalBal, Resolver};
use auth::SenderField;
use auth::sasl::Credentials;
use mssante::{Address, BalId, BalKind, BalState, Domain, Refusal, ReversePath};

use super::{Action, Channel, LogIn, Session, Settings};
use crate::command::encode;
use crate::header::{Author, Collected, HeaderCollector, judge_header};
use crate::{Limits, Role, policy};

const OURS: &str = "ch.mssante.example";

fn address(local: &str) -> Address {
    let domain = if local.starts_with("peer") { format!("{local}.example") } else { OURS.to_owned() };
    Address::parse(&format!("{local}@{domain}")).unwrap()
}

fn variables() -> HashMap<&'static str, String> {
    let mut variables = HashMap::new();
    for name in ["bal", "bal2", "software", "software2", "suspended", "closed", "unknown", "peer", "peer2", "secretary"]
    {
        variables.insert(name, address(name).to_string());
    }
    let bal = address("bal").to_string();
    variables.insert("outside", "a@outside.example".to_owned());
    variables.insert("host", "mail.ch.example".to_owned());
    variables.insert("size", "20000".to_owned());
    variables.insert("oversize", "20001".to_owned());
    variables.insert("plain", encode(format!("\0{bal}\0right").as_bytes()));
    variables.insert("wrong", encode(format!("\0{bal}\0wrong").as_bytes()));
    variables.insert("password", encode(b"right"));
    variables.insert("login", encode(bal.as_bytes()));
    let on_behalf = format!("{}*{}", address("secretary"), address("bal2"));
    variables.insert("on-behalf", encode(format!("\0{on_behalf}\0right").as_bytes()));
    variables
}

/// One dialogue's file.
struct Dialog {
    role: Role,
    starts_in_tls: bool,
    certificate: String,
    may_be_cut: bool,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Client(Vec<u8>),
    Server(String),
    ServerAny(String),
    Tls,
    Closed,
    Cut,
    Stored(usize),
}

impl Dialog {
    fn read(text: &str) -> Self {
        let (header, body) = text.split_once("\n---\n").expect("a header, a line ---, a body");
        let header: HashMap<_, _> = header.lines().filter_map(|line| line.split_once(": ")).collect();
        Self {
            role: if header["role"] == "hop" { Role::Hop } else { Role::Submission },
            starts_in_tls: header["start"] == "tls",
            certificate: header["certificate"].to_owned(),
            may_be_cut: header.get("cut") != Some(&"no"),
            steps: body.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(step).collect(),
        }
    }
}

fn step(line: &str) -> Step {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "C:" => Step::Client([octets(rest), b"\r\n".to_vec()].concat()),
        "C-" => Step::Client(octets(rest)),
        "S:" => Step::Server(expand(rest)),
        "S*" => Step::ServerAny(expand(rest)),
        "TLS" => Step::Tls,
        "CLOSED" => Step::Closed,
        "CUT" => Step::Cut,
        "STORED" => Step::Stored(rest.parse().unwrap()),
        _ => panic!("not a step: {line}"),
    }
}

fn expand(text: &str) -> String {
    variables().iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

fn octets(text: &str) -> Vec<u8> {
    let mut text = expand(text);
    while let Some(star) = text.find('*').filter(|star| *star >= 2 && text.as_bytes()[star - 2] == b'{') {
        let end = star + text[star..].find('}').unwrap();
        let run = text[star - 1..star].repeat(text[star + 1..end].parse().unwrap());
        text.replace_range(star - 2..=end, &run);
    }
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let (octet, used) = match (first, tail.first()) {
            (b'\\', Some(b'r')) => (b'\r', 2),
            (b'\\', Some(b'n')) => (b'\n', 2),
            (b'\\', Some(b'0')) => (0, 2),
            (b'\\', Some(b'x')) => (u8::from_str_radix(std::str::from_utf8(&tail[1..3]).unwrap(), 16).unwrap(), 4),
            (b'\\', _) => (b'\\', 2),
            (other, _) => (*other, 1),
        };
        octets.push(octet);
        rest = &rest[used..];
    }
    octets
}

/// Answers the questions of a session as the real world would.
struct World {
    role: Role,
    certificate: String,
    resolver: Resolver,
    /// The BALs of who logged in.
    identity: Vec<Address>,
    /// Who is shown as the sender of what is sent on behalf of a BAL.
    delegate: Option<Address>,
    message: Option<(HeaderCollector, bool)>,
    stored: usize,
}

impl World {
    fn new(dialog: &Dialog) -> Self {
        let resolver = Resolver::new([Domain::parse(OURS).unwrap()]);
        let bals = [
            ("bal", BalState::Active),
            ("bal2", BalState::Active),
            ("secretary", BalState::Active),
            ("software", BalState::Active),
            ("software2", BalState::Active),
            ("suspended", BalState::Suspended),
            ("closed", BalState::Closed),
        ];
        for (number, (name, state)) in (1..).zip(bals) {
            resolver.put(
                &address(name),
                LocalBal { id: BalId(number), kind: BalKind::Nominative, state, replies: mssante::Replies::Accept },
            );
        }
        let certificate = dialog.certificate.clone();
        Self {
            role: dialog.role,
            certificate,
            resolver,
            identity: Vec::new(),
            delegate: None,
            message: None,
            stored: 0,
        }
    }

    fn log_in(&mut self, credentials: Credentials) -> LogIn {
        let who = match credentials {
            Credentials::Password { login, password, .. } if password.expose() == "right" => {
                let (delegate, bal) = login.split_once('*').unzip();
                self.delegate = delegate.and_then(|delegate| Address::parse(delegate).ok());
                Address::parse(bal.unwrap_or(&login)).into_iter().collect()
            }
            Credentials::Certificate { .. } if self.certificate == "software" => {
                vec![address("software"), address("software2")]
            }
            _ => Vec::new(),
        };
        if who.is_empty() {
            return LogIn::Refused;
        }
        self.identity = who;
        LogIn::Accepted
    }

    fn judge_sender(&self, sender: &ReversePath) -> Result<(), Refusal> {
        let known = sender.address().is_none_or(|sender| self.identity.contains(sender));
        match (self.role, sender) {
            (Role::Submission, ReversePath::Null) => Err(Refusal::SenderNotAllowed),
            (Role::Submission, _) => known.then_some(()).ok_or(Refusal::SenderNotAllowed),
            (Role::Hop, _) if self.certificate == "none" => Err(Refusal::CertificateMissing),
            (Role::Hop, ReversePath::Null) => Ok(()),
            (Role::Hop, ReversePath::Address(sender)) => match sender.domain().as_str() {
                OURS => Err(Refusal::SenderIsOurs),
                "peer.example" => Ok(()),
                "peer2.example" => Err(Refusal::CertificateNotListed),
                _ => Err(Refusal::SenderDomainNotListed),
            },
        }
    }

    fn judge_header(&self, header: &[u8], sender: &ReversePath) -> Result<(), Refusal> {
        let author = match (self.role, sender.address()) {
            (Role::Submission, Some(address)) => {
                let sender = self.delegate.clone().map_or(SenderField::Bal, SenderField::Delegate);
                Author::Bal { address: address.clone(), sender }
            }
            _ => Author::Anybody,
        };
        judge_header(header, &author).map(drop)
    }

    fn take(&mut self, content: &bytes::Bytes, sender: &ReversePath) -> Result<(), Refusal> {
        let Some((collector, false)) = self.message.as_mut() else { return Ok(()) };
        if let Collected::Whole { header, .. } = collector.push(content)? {
            self.message = Some((HeaderCollector::default(), true));
            self.judge_header(&header, sender)?;
        }
        Ok(())
    }

    fn end(&mut self, sender: &ReversePath) -> Result<String, Refusal> {
        let (mut collector, judged) = self.message.take().expect("a message was begun and not abandoned");
        if !judged {
            self.judge_header(&collector.finish(), sender)?;
        }
        self.stored += 1;
        Ok(format!("P{:X}", self.stored))
    }
}

fn sender(session: &Session) -> ReversePath {
    session.envelope().expect("a message is under way").reverse_path.clone()
}

/// How far the session went before it needs the client.
#[derive(PartialEq, Debug)]
enum Stop {
    Read,
    Handshake,
    Closed,
}

struct Run {
    session: Session,
    world: World,
    said: String,
    stop: Stop,
}

impl Run {
    fn new(dialog: &Dialog) -> Self {
        let limits = Limits {
            message_size: 20_000,
            recipients: 100,
            transactions: 100,
            settling_timeout: Duration::MAX,
            command_timeout: Duration::MAX,
            data_timeout: Duration::MAX,
            errors: 10,
        };
        let settings = Settings { role: dialog.role, hostname: variables()["host"].clone(), limits };
        let certificate = dialog.certificate != "none";
        let channel = if dialog.starts_in_tls { Channel::Tls { certificate } } else { Channel::Clear };
        let session = Session::new(settings, channel);
        let mut run = Self { session, world: World::new(dialog), said: String::new(), stop: Stop::Read };
        run.go_on();
        run
    }

    fn go_on(&mut self) {
        self.stop = loop {
            let Self { session, world, .. } = self;
            match session.advance() {
                Action::Read(_) => break Stop::Read,
                Action::StartTls => break Stop::Handshake,
                Action::Close => break Stop::Closed,
                Action::Authenticate(credentials) => session.log_in_answer(world.log_in(credentials)),
                Action::JudgeSender(mail) => session.sender_answer(world.judge_sender(&mail.reverse_path)),
                Action::JudgeRecipient(rcpt) => {
                    let address = policy::recipient_address(rcpt.path, &world.resolver);
                    let listed = |domain: &Domain| Ok(domain.as_str().starts_with("peer"));
                    let route = address.as_ref().map(|address| world.resolver.route(address, listed));
                    let answer = route.map_or(Err(Refusal::UnknownRecipient), |route| {
                        policy::destination(route, world.role, &ReversePath::Null)
                    });
                    session.recipient_answer(address, answer);
                }
                Action::BeginMessage => {
                    world.message = Some((HeaderCollector::default(), false));
                    session.begin_answer(Ok(()));
                }
                Action::Content(content) => {
                    assert!(!content.is_empty());
                    if let Err(refusal) = world.take(&content, &sender(session)) {
                        session.refuse_content(refusal);
                    }
                }
                Action::Abandon => world.message = None,
                Action::EndMessage => session.end_answer(world.end(&sender(session))),
            }
        };
        self.said.push_str(std::str::from_utf8(&self.session.take_output()).expect("replies are text"));
    }

    fn client(&mut self, octets: &[u8]) {
        if self.stop == Stop::Read {
            self.session.input().extend_from_slice(octets);
            self.go_on();
        }
    }

    fn line(&mut self) -> Option<String> {
        let end = self.said.find("\r\n")?;
        let line = self.said[..end].to_owned();
        self.said.drain(..end + 2);
        Some(line)
    }
}

fn matches(line: &str, pattern: &str) -> bool {
    pattern.strip_suffix('*').map_or(line == pattern, |start| line.starts_with(start))
}

fn run(name: &str, dialog: &Dialog, cut: usize) {
    let mut run = Run::new(dialog);
    let mut steps = dialog.steps.iter().peekable();
    while let Some(step) = steps.next() {
        match step {
            Step::Client(octets) => {
                let mut all = octets.clone();
                while let Some(Step::Client(more)) = steps.next_if(|next| matches!(next, Step::Client(_))) {
                    all.extend_from_slice(more);
                }
                all.chunks(cut).for_each(|octets| run.client(octets));
            }
            Step::Server(pattern) => {
                let line = run.line().unwrap_or_else(|| panic!("{name}: silence instead of {pattern}"));
                assert!(matches(&line, pattern), "{name}: {line:?} instead of {pattern:?}");
            }
            Step::ServerAny(start) => {
                while run.said.starts_with(start) {
                    run.line();
                }
            }
            Step::Tls => {
                assert_eq!(run.stop, Stop::Handshake, "{name}");
                run.session.tls_started(dialog.certificate != "none");
                run.go_on();
            }
            Step::Closed => assert_eq!(run.stop, Stop::Closed, "{name}"),
            Step::Cut => assert_eq!(run.stop, Stop::Read, "{name}"),
            Step::Stored(count) => assert_eq!(run.world.stored, *count, "{name}"),
        }
        assert!(
            !matches!(steps.peek(), Some(Step::Client(_) | Step::Closed)) || run.said.is_empty(),
            "{name}: {}",
            run.said
        );
    }
    assert_eq!(run.said, "", "{name}: said more than expected");
}

#[test]
fn every_golden_dialog_holds_whole_and_octet_by_octet() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/dialogs");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let dialog = Dialog::read(&std::fs::read_to_string(&path).unwrap());
        let name = path.file_stem().unwrap().to_string_lossy();
        run(&name, &dialog, usize::MAX);
        if dialog.may_be_cut {
            run(&format!("{name}, octet by octet"), &dialog, 1);
            run(&format!("{name}, cut in sevens"), &dialog, 7);
        }
        count += 1;
    }
    assert!(count >= 30, "the dialogs were found");
}
