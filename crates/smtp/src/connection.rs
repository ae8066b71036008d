//! The connection around a session: socket, TLS, time-outs, and the answers to its questions.

mod judging;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use auth::sasl::Credentials;
use auth::{AuthError, Door, Standing};
use message::{ReceivedFrom, TlsFacts, TraceFields};
use mssante::{BalId, Refusal, ReversePath};
use store::{Acceptance, LocalDelivery, MessageId, RelayRequest, Source, Store, StoreError};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use trust::{CertificateFacts, TlsError, Transport};

use self::judging::Origin;
use crate::header::{Author, judge_header};
use crate::incoming::{Incoming, Judged, Whole, unavailable};
use crate::patience::Patience;
use crate::refused::RefusalFacts;
use crate::session::{Action, Channel, Declined, Destination, Envelope, LogIn, Session, Settings, Wait};
use crate::{Role, Service, TlsStart, policy};

/// Octets that are read at once.
const READ: usize = 32 * 1024;
/// Wait for the end of a handshake.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// Wait for the client to take our last words.
const FAREWELL: Duration = Duration::from_secs(10);

/// Characters of a stranger's subject in the log.
const SUBJECT: usize = 300;

/// Why a connection ended otherwise than by QUIT.
#[derive(Debug, Error)]
pub(crate) enum ConnectionError {
    /// It broke, or the client went away.
    #[error("connection lost: {0}")]
    Io(#[from] std::io::Error),
    /// No TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The client was silent for too long.
    #[error("the client was silent for too long")]
    TimedOut,
}

impl ConnectionError {
    /// The stable word for metrics and logs.
    fn reason(&self) -> &'static str {
        match self {
            Self::Io(_) => "connection-lost",
            Self::Tls(error) => error.reason(),
            Self::TimedOut => "timed-out",
        }
    }
}

/// Runs a connection to its end.
pub(crate) async fn run(
    service: Arc<Service>,
    stream: TcpStream,
    address: SocketAddr,
    stop: CancellationToken,
) -> Result<(), ConnectionError> {
    // Replies are written whole; waiting to fill a segment would only cost time.
    stream.set_nodelay(true)?;
    let settled_by = Instant::now() + service.limits.settling_timeout;
    let transport = match service.tls_start {
        TlsStart::Command => Transport::from_plain(stream),
        TlsStart::Connection => handshake(&service, stream, address, settled_by).await?,
    };
    let session = Session::new(settings(&service), channel(&transport));
    let patience = Patience::new(Instant::now());
    let connection = Connection {
        service,
        address,
        stop,
        session,
        transport,
        settled_by,
        patience,
        standing: None,
        author: Author::Anybody,
        incoming: None,
    };
    connection.run().await
}

fn settings(service: &Service) -> Settings {
    Settings { role: service.role, hostname: service.hostname.clone(), limits: service.limits.clone() }
}

fn channel(transport: &Transport) -> Channel {
    match transport {
        Transport::Plain(_) => Channel::Clear,
        Transport::Tls(_) => Channel::Tls { certificate: transport.offers_certificate() },
    }
}

async fn handshake(
    service: &Service,
    stream: TcpStream,
    address: SocketAddr,
    by: Instant,
) -> Result<Transport, ConnectionError> {
    let deadline = by.min(Instant::now() + HANDSHAKE);
    let outcome = match timeout_at(deadline, service.tls.accept(stream)).await {
        Ok(outcome) => outcome.map_err(ConnectionError::from),
        Err(_) => Err(ConnectionError::TimedOut),
    };
    if let Err(error) = &outcome {
        let reason = error.reason();
        metrics::counter!("pli_smtp_tls_failures_total", "role" => service.role.word(), "reason" => reason)
            .increment(1);
        tracing::info!(reason, %error, "no TLS");
        if matches!(error, ConnectionError::Tls(TlsError::Certificate { .. })) {
            service.trace_refusal(RefusalFacts {
                reason,
                codes: Vec::new(),
                address: address.ip(),
                sender_domain: None,
                transport: None,
                identity: None,
            });
        }
    }
    outcome
}

struct Connection {
    service: Arc<Service>,
    address: SocketAddr,
    stop: CancellationToken,
    session: Session,
    transport: Transport,
    /// Until when a stranger may stay one.
    settled_by: Instant,
    patience: Patience,
    standing: Option<Standing>,
    /// Whose letter the message in progress has to be.
    author: Author,
    incoming: Option<Incoming>,
}

impl Connection {
    /// Does what the session says until it ends. A connection that breaks drops the message
    /// that was coming in, and nothing of it is kept.
    async fn run(mut self) -> Result<(), ConnectionError> {
        loop {
            let action = self.session.advance();
            self.trace_refusals();
            match action {
                Action::Read(wait) => self.read(wait).await?,
                Action::StartTls => self = self.start_tls().await?,
                Action::Authenticate(credentials) => self.authenticate(credentials).await?,
                Action::JudgeSender(mail) => {
                    let answer = self.judge_sender(&mail.reverse_path).await;
                    let answer = answer.and_then(|origin| self.count_message(&origin.source).map(|()| origin));
                    self.session.sender_answer(answer.map(|origin| self.author = origin.author));
                }
                Action::JudgeRecipient(rcpt) => self.judge_recipient(rcpt).await,
                Action::BeginMessage => self.begin_message().await,
                Action::Content(content) => self.take_content(content).await,
                Action::Abandon => self.incoming = None,
                Action::EndMessage => {
                    let answer = self.end_message().await;
                    self.session.end_answer(answer.map(|id| id.to_string()));
                }
                Action::Close => return self.close().await,
            }
        }
    }

    /// What the client was refused goes into the audit trail, with who it is. A log-in has a line of its own there.
    fn trace_refusals(&mut self) {
        let refused = self.session.take_refused().into_iter();
        for refused in refused.filter(|refused| refused.refusal != Refusal::AuthenticationFailed) {
            self.service.trace_refusal(RefusalFacts {
                reason: refused.refusal.word(),
                codes: refused.codes,
                address: self.address.ip(),
                sender_domain: refused.sender_domain,
                transport: Some(&self.transport),
                identity: self.standing.as_ref().map(Standing::identity),
            });
        }
    }

    async fn read(&mut self, wait: Wait) -> Result<(), ConnectionError> {
        let idle = wait == Wait::Command && !self.session.in_transaction();
        self.write().await?;
        let deadline = self.deadline(wait);
        let input = self.session.input();
        input.reserve(READ);
        let read = tokio::select! {
            biased;
            () = self.stop.cancelled(), if idle => None,
            read = timeout_at(deadline, self.transport.read_buf(input)) => Some(read),
        };
        match read {
            None => self.session.shut_down(),
            Some(Err(_)) => self.session.time_out(),
            Some(Ok(Ok(0))) => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            Some(Ok(octets)) => self.patience.received(octets?),
        }
        Ok(())
    }

    fn deadline(&mut self, wait: Wait) -> Instant {
        let deadline = self.patience.deadline(wait, self.session.lines(), Instant::now(), &self.service.limits);
        if self.session.is_settled() { deadline } else { deadline.min(self.settled_by) }
    }

    async fn write(&mut self) -> Result<(), ConnectionError> {
        let output = self.session.take_output();
        if output.is_empty() {
            return Ok(());
        }
        let write = async {
            self.transport.write_all(&output).await?;
            self.transport.flush().await
        };
        timeout(self.service.limits.command_timeout, write).await.map_err(|_| ConnectionError::TimedOut)??;
        Ok(())
    }

    /// Says the last words, which the client may not want to hear.
    async fn close(mut self) -> Result<(), ConnectionError> {
        self.incoming = None;
        let farewell = async {
            self.write().await?;
            self.transport.shutdown().await.map_err(ConnectionError::from)
        };
        timeout(FAREWELL, farewell).await.map_err(|_| ConnectionError::TimedOut)?
    }

    async fn start_tls(mut self) -> Result<Self, ConnectionError> {
        self.write().await?;
        let broken = || std::io::Error::other("STARTTLS inside TLS");
        let stream = self.transport.into_plain().ok_or_else(broken)?;
        self.transport = handshake(&self.service, stream, self.address, self.settled_by).await?;
        self.session.tls_started(self.transport.offers_certificate());
        if self.service.role == Role::Hop {
            tell_judgement(&self.transport);
        }
        Ok(self)
    }

    async fn authenticate(&mut self, credentials: Credentials) -> Result<(), ConnectionError> {
        let peer = self.transport.judged();
        let answer =
            match self.service.authenticator.check(credentials, peer, self.address.ip(), Door::Submission).await {
                Ok(standing) => {
                    self.standing = Some(standing);
                    LogIn::Accepted
                }
                Err(AuthError::Refused { word }) => {
                    tracing::info!(reason = word, "log-in refused");
                    tokio::time::sleep(self.log_in_delay()).await;
                    LogIn::Refused
                }
                Err(AuthError::Unavailable(error)) => {
                    tracing::warn!(%error, "log-ins are not possible");
                    LogIn::Unavailable
                }
            };
        self.session.log_in_answer(answer);
        Ok(())
    }

    /// One second, growing with every failure, plus up to half a second by chance.
    fn log_in_delay(&self) -> Duration {
        let mut chance = [0_u8; 2];
        self.service.random.fill(&mut chance);
        let failures = u64::try_from(self.session.failed_log_ins()).unwrap_or(0);
        Duration::from_millis(1000 + 500 * failures + u64::from(u16::from_le_bytes(chance)) % 500)
    }

    async fn begin_message(&mut self) {
        let answer = Incoming::begin(&self.service.store).await.map(|incoming| self.incoming = Some(incoming));
        self.session.begin_answer(answer);
    }

    async fn take_content(&mut self, content: bytes::Bytes) {
        let Some(mut incoming) = self.incoming.take() else { return };
        match incoming.take(content, |header, id| self.trace_fields(header, id)).await {
            Ok(()) => self.incoming = Some(incoming),
            Err(refusal) => self.session.refuse_content(refusal),
        }
    }

    /// Judges the header and gives what goes on top of it.
    fn trace_fields(&self, header: &[u8], id: MessageId) -> Result<Judged, Refusal> {
        let Service { hostname, clock, .. } = &*self.service;
        let envelope = self.session.envelope();
        let reverse_path = envelope.map_or(ReversePath::Null, |envelope| envelope.reverse_path.clone());
        let additions = judge_header(header, &self.author)?;
        let message_id = additions.message_id.then(|| self.new_message_id(id));
        let utf8 = envelope.is_some_and(|envelope| envelope.parameters.smtputf8);
        if additions.sender.as_ref().is_some_and(|sender| sender.needs_smtputf8() && !utf8) {
            return Err(Refusal::Utf8Needed);
        }
        let fields = TraceFields {
            reverse_path,
            from: ReceivedFrom {
                helo: self.session.client_name().to_owned(),
                peer: self.address.ip().to_string(),
                protocol: self.session.protocol(),
                tls: self.tls_facts(),
            },
            by: hostname.clone(),
            id: id.to_string(),
            at: clock.now(),
            message_id: message_id.clone(),
            add_date: additions.date,
            sender: additions.sender,
        };
        Ok(Judged { trace: fields.render(), right: additions.right, message_id })
    }

    /// Another operator's name is told to the reader of the message; who among our own has submitted it is not.
    fn tls_facts(&self) -> Option<TlsFacts> {
        let (version, suite) = self.transport.version_and_suite()?;
        let client = match self.service.role {
            Role::Hop => self.transport.peer().and_then(|peer| peer.name().common_name()).map(str::to_owned),
            Role::Submission => None,
        };
        Some(TlsFacts { version: version.to_owned(), suite: suite.to_owned(), client })
    }

    fn new_message_id(&self, id: MessageId) -> String {
        let mut chance = [0_u8; 8];
        self.service.random.fill(&mut chance);
        format!("<{id}.{:016x}@{}>", u64::from_be_bytes(chance), self.service.hostname)
    }

    /// The store, for whoever has logged in.
    fn store(&self) -> Store {
        let store = &self.service.store;
        let actor = self.standing.as_ref().map(|standing| standing.identity().principal().actor());
        actor.map_or_else(|| store.clone(), |actor| store.acting_as(actor))
    }

    /// Accepts the message: when this returns, it is on disk. `[RFC5321 6.1]`
    async fn end_message(&mut self) -> Result<MessageId, Declined> {
        let role = self.service.role.word();
        let incoming = self.incoming.take().ok_or(Refusal::StoreUnavailable)?;
        let reverse_path = self.session.envelope().ok_or(Refusal::StoreUnavailable)?.reverse_path.clone();
        let Origin { source, author } = self.judge_sender(&reverse_path).await?;
        if author != self.author {
            // the delegation was replaced while the message came in
            return Err(Refusal::SenderNotAllowed.into());
        }
        let begun = incoming.begun();
        let mut complete = incoming.complete(|header, id| self.trace_fields(header, id)).await?;
        let envelope = self.session.envelope().ok_or(Refusal::StoreUnavailable)?;
        if self.is_software() {
            let Service { resolver, store, sending, .. } = &*self.service;
            policy::judge_replies_of_software(&complete.said.reply_to, sending.reply_to, resolver, store).await?;
        }
        let size = complete.summary.size;
        policy::judge_room(&self.service.rooms, &envelope.recipients, size).await?;
        self.service.xdm.judge(&mut complete, &self.patients(envelope), role).await?;
        let to_patients = self.heed_patients(&source, envelope, &mut complete).await?;
        let whole = complete.seal().await?;
        let id = whole.message.id();
        let recipients = envelope.recipients.len();
        let words = whole.facts.headers.words();
        let acceptance = Acceptance { to_patients, ..acceptance(whole, envelope, source) };
        let bals: Vec<BalId> = acceptance.deliveries.iter().map(|delivery| delivery.bal).collect();
        self.land(acceptance, &bals).await?;
        self.service.rooms.taken(&bals, size);
        metrics::counter!("pli_smtp_accepted_total", "role" => role).increment(1);
        count(words, role);
        metrics::histogram!("pli_smtp_accept_seconds", "role" => role).record(begun.elapsed().as_secs_f64());
        tracing::info!(message = %id, recipients, "accepted");
        Ok(id)
    }

    /// Writes a message down. Whoever names its recipients again is answered by what they are then.
    async fn land(&self, acceptance: Acceptance, bals: &[BalId]) -> Result<(), Refusal> {
        match self.store().accept(acceptance).await {
            Err(StoreError::TakesNoMail) => {
                policy::learn_all(bals, &self.service.resolver, &self.service.store).await?;
                Err(Refusal::RecipientChanged)
            }
            done => done.map_err(|error| unavailable(&error)),
        }
    }

    /// The matricules of those recipients that are patients.
    fn patients(&self, envelope: &Envelope) -> Vec<String> {
        let addresses = envelope.recipients.iter().map(|recipient| &recipient.address);
        let patients = addresses.filter(|address| self.service.resolver.is_of_patients(address.domain()));
        patients.map(|address| address.local().to_string()).collect()
    }
}

/// Tells the log whose certificate was judged how: the peer learns it by the reply to MAIL.
fn tell_judgement(transport: &Transport) {
    let facts = transport.shown().and_then(|shown| CertificateFacts::of_certificate(shown).ok());
    let subject: Option<String> = facts.map(|facts| facts.name.to_string().chars().take(SUBJECT).collect());
    match transport.judged() {
        Ok(_) => tracing::debug!(subject, "the peer's certificate is good"),
        Err(refusal) => {
            let fault = transport.fault().map(|fault| fault.to_string());
            tracing::info!(subject, reason = refusal.word(), fault, "the peer's certificate is not good");
        }
    }
}

/// Counts what the header says in the fields of MSSanté. `[MSS2 ECO.2.4.1]`
fn count(said: impl Iterator<Item = (&'static str, &'static str)>, role: &'static str) {
    for (field, says) in said {
        let labels = [("role", role), ("field", field), ("says", says)];
        metrics::counter!("pli_mss_fields_total", &labels).increment(1);
    }
}

/// One message to all its recipients, local and remote: accepted together or not at all.
fn acceptance(whole: Whole, envelope: &Envelope, source: Source) -> Acceptance {
    let mut deliveries = Vec::new();
    let mut relays = Vec::new();
    for recipient in &envelope.recipients {
        match &recipient.destination {
            Destination::Local(bals) => {
                let copy = |bal: &BalId| LocalDelivery { bal: *bal, recipient: recipient.address.clone() };
                deliveries.extend(bals.iter().map(copy));
            }
            Destination::Peer => {
                relays.push(RelayRequest { recipient: recipient.address.clone(), dsn: recipient.dsn.clone() });
            }
        }
    }
    let parameters = &envelope.parameters;
    let source = match source {
        Source::Submission { bal, address, right } => {
            Source::Submission { bal, address, right: right.map(|_| whole.right) }
        }
        other => other,
    };
    Acceptance {
        message: whole.message,
        facts: whole.facts,
        reverse_path: envelope.reverse_path.clone(),
        smtputf8: parameters.smtputf8,
        envelope_id: parameters.envelope_id.clone(),
        ret: parameters.ret.clone(),
        source,
        deliveries,
        relays,
        to_patients: None,
    }
}
