//! The receiving session as a state machine without I/O: octets in, actions out.
//!
//! The shell appends what it reads to [`Session::input`], asks [`Session::advance`] what to do,
//! does it, and answers those actions that are questions. All order, all limits and all reply
//! texts are here; what needs the resolver, the trust list or the store is asked of the shell.

mod commands;
mod content;
#[cfg(test)]
mod dialogs;
mod envelope;
#[cfg(test)]
mod tests;

use auth::sasl::{Credentials, Exchange};
use bytes::{Bytes, BytesMut};
use mssante::{Address, Domain, Permanence, Refusal};
use store::DsnParameters;

pub use crate::reply::Declined;
pub use envelope::{Destination, Envelope, Recipient};

use crate::command::{MailCommand, RcptCommand};
use crate::data::DotReader;
use crate::line::Framer;
use crate::reply::{self, Reply};
use crate::{Limits, Role};
use content::{Chunk, Receiving};

/// What a session needs to know of its listener.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whom it talks to.
    pub role: Role,
    /// Our name.
    pub hostname: String,
    /// Bounds.
    pub limits: Limits,
}

/// What protects the octets of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Nothing yet.
    Clear,
    /// TLS.
    Tls {
        /// Whether the client showed a certificate that was verified.
        certificate: bool,
    },
}

/// Which time-out applies while the session waits. `[RFC5321 4.5.3.2]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// For a command.
    Command,
    /// For content.
    Content,
}

/// What the shell does next.
#[derive(Debug)]
pub enum Action {
    /// Write [`Session::take_output`], then read into [`Session::input`].
    Read(Wait),
    /// Write [`Session::take_output`], do the handshake, call [`Session::tls_started`].
    StartTls,
    /// A question: answer with [`Session::log_in_answer`].
    Authenticate(Credentials),
    /// A question: answer with [`Session::sender_answer`].
    JudgeSender(MailCommand),
    /// A question: answer with [`Session::recipient_answer`].
    JudgeRecipient(RcptCommand),
    /// A question: get ready to take content in; answer with [`Session::begin_answer`].
    BeginMessage,
    /// The next octets of the message, dots removed. [`Session::refuse_content`] may follow.
    Content(Bytes),
    /// The message that was begun will not be accepted: forget it.
    Abandon,
    /// A question: accept [`Session::envelope`]; answer with [`Session::end_answer`].
    EndMessage,
    /// Write [`Session::take_output`] and close the connection.
    Close,
}

/// The answer to [`Action::Authenticate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogIn {
    /// Who he says he is.
    Accepted,
    /// Wrong, unknown or not allowed: nobody is told which.
    Refused,
    /// Nobody can tell at the moment.
    Unavailable,
}

/// Where the dialogue stands.
#[derive(Debug)]
enum Phase {
    /// The next line is a command.
    Command,
    /// The next line belongs to an AUTH exchange.
    Sasl(Exchange),
    /// Octets are DATA.
    Data(DotReader),
    /// Octets are a BDAT chunk.
    Chunk(Chunk),
    /// The shell does the handshake.
    Handshake,
    /// The shell owes the answer to a question.
    Asked(Question),
    /// There will be no more.
    Closed,
}

/// What the shell was asked, with what is needed once it answers.
#[derive(Debug)]
enum Question {
    LogIn,
    Sender(MailCommand),
    Recipient(DsnParameters),
    Begin(Start),
    End,
}

/// A refusal that the client was told, for the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// What exactly, if the reply says so.
    pub codes: Vec<&'static str>,
    /// The domain of the envelope sender, if there is one by then.
    pub sender_domain: Option<Domain>,
}

/// How content will come.
#[derive(Debug)]
enum Start {
    Data,
    Chunk { size: u64, last: bool },
}

/// How the client greeted us.
#[derive(Debug, Clone)]
struct Greeting {
    name: String,
    extended: bool,
}

/// A receiving session.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    channel: Channel,
    phase: Phase,
    // octets
    input: BytesMut,
    output: Vec<u8>,
    framer: Framer,
    refused: Vec<Refused>,
    // the client
    greeting: Option<Greeting>,
    logged_in: bool,
    // the message
    envelope: Option<Envelope>,
    receiving: Option<Receiving>,
    /// The last MAIL was refused: what the client has pipelined behind it is no mistake of its own. `[RFC2920 3.1]`
    sender_refused: bool,
    // what is counted
    lines: u64,
    errors: usize,
    fruitless: usize,
    failed_log_ins: usize,
    senders: usize,
    messages: usize,
}

/// Log-ins that may fail in one session.
const LOG_INS: usize = 3;

/// Commands that lead to nothing, beyond those of one message to as many recipients as are allowed. A log-in, a
/// recipient and a message are something.
const FRUITLESS: usize = 100;

impl Session {
    /// A session that greets the client. `[RFC5321 4.3.1]`
    pub fn new(settings: Settings, channel: Channel) -> Self {
        let greeting = Reply::bare(220, format!("{} ESMTP ready", settings.hostname));
        let mut session = Self {
            settings,
            channel,
            phase: Phase::Command,
            input: BytesMut::new(),
            output: Vec::new(),
            framer: Framer::default(),
            refused: Vec::new(),
            greeting: None,
            logged_in: false,
            envelope: None,
            receiving: None,
            sender_refused: false,
            lines: 0,
            errors: 0,
            fruitless: 0,
            failed_log_ins: 0,
            senders: 0,
            messages: 0,
        };
        session.reply(&greeting);
        session
    }

    /// Where the shell appends what it reads.
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Replies that wait to be written. They pile up while complete commands are buffered, so
    /// that pipelined commands are answered together. `[RFC2920 3.2]`
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// What was refused since the last call.
    pub fn take_refused(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.refused)
    }

    /// The message in progress.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }

    /// The name that the client gave in EHLO or HELO.
    pub fn client_name(&self) -> &str {
        self.greeting.as_ref().map_or("", |greeting| &greeting.name)
    }

    /// The protocol for the Received field. `[RFC3848]`, `[RFC6531 4.3]`
    pub fn protocol(&self) -> &'static str {
        let utf8 = self.envelope.as_ref().is_some_and(|envelope| envelope.parameters.smtputf8);
        let extended = self.greeting.as_ref().is_some_and(|greeting| greeting.extended);
        match (extended, self.logged_in, utf8) {
            (false, ..) => "SMTP",
            (true, false, false) => "ESMTPS",
            (true, true, false) => "ESMTPSA",
            (true, false, true) => "UTF8SMTPS",
            (true, true, true) => "UTF8SMTPSA",
        }
    }

    /// Whether a message is under way; if not, the session may be ended at once.
    pub fn in_transaction(&self) -> bool {
        self.envelope.is_some()
    }

    /// How many lines of commands and log-ins have come.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Whether the client is more than a stranger: TLS is up, on submission somebody has logged in.
    pub fn is_settled(&self) -> bool {
        match self.settings.role {
            Role::Hop => self.channel != Channel::Clear,
            Role::Submission => self.logged_in,
        }
    }

    /// How many log-ins have failed.
    pub fn failed_log_ins(&self) -> usize {
        self.failed_log_ins
    }

    /// What to do next.
    ///
    /// # Panics
    /// If the last action was a question and the shell has not answered it.
    pub fn advance(&mut self) -> Action {
        loop {
            let action = match self.phase {
                Phase::Command | Phase::Sasl(_) => self.next_line(),
                Phase::Data(_) => self.next_data(),
                Phase::Chunk(_) => self.next_chunk(),
                Phase::Handshake => Some(Action::StartTls),
                Phase::Closed => Some(Action::Close),
                Phase::Asked(_) => unreachable!("the shell answers a question before it goes on"),
            };
            if let Some(action) = action {
                return action;
            }
        }
    }

    /// The handshake is done; all that was said in clear is forgotten. `[RFC3207 4.2]`
    pub fn tls_started(&mut self, certificate: bool) {
        self.channel = Channel::Tls { certificate };
        self.phase = Phase::Command;
        self.greeting = None;
        self.forget_message();
    }

    /// Answers [`Action::Authenticate`].
    pub fn log_in_answer(&mut self, answer: LogIn) {
        let Phase::Asked(Question::LogIn) = self.answered() else { return };
        match answer {
            LogIn::Accepted => {
                self.logged_in = true;
                self.fruitless = 0;
                self.reply(&reply::LOGGED_IN);
            }
            LogIn::Refused => {
                self.failed_log_ins += 1;
                self.refuse(Refusal::AuthenticationFailed, None);
                if self.failed_log_ins >= LOG_INS && !matches!(self.phase, Phase::Closed) {
                    self.close_with(&reply::TOO_MANY_ERRORS);
                }
            }
            LogIn::Unavailable => self.reply(&reply::AUTH_UNAVAILABLE),
        }
    }

    /// Answers [`Action::JudgeSender`].
    pub fn sender_answer(&mut self, answer: Result<(), Refusal>) {
        let Phase::Asked(Question::Sender(mail)) = self.answered() else { return };
        match answer {
            Ok(()) => {
                self.envelope = Some(Envelope::new(mail));
                self.senders += 1;
                self.reply(&reply::SENDER_OK);
            }
            Err(refusal) => {
                self.refuse(refusal, mail.reverse_path.address());
                self.sender_refused = true;
            }
        }
    }

    /// Answers [`Action::JudgeRecipient`] with the address (the postmaster's, if none was
    /// named) and where it goes.
    pub fn recipient_answer(&mut self, address: Option<Address>, answer: Result<Destination, Refusal>) {
        let Phase::Asked(Question::Recipient(dsn)) = self.answered() else { return };
        match (answer, address, self.envelope.as_mut()) {
            (Ok(destination), Some(address), Some(envelope)) => {
                envelope.add(Recipient { address, dsn, destination });
                self.fruitless = self.fruitless.saturating_sub(1);
                self.reply(&reply::RECIPIENT_OK);
            }
            (Err(refusal), address, _) => self.refuse(refusal, address.as_ref()),
            (Ok(_), address, _) => self.refuse(Refusal::UnknownRecipient, address.as_ref()),
        }
    }

    /// Answers [`Action::EndMessage`] with the queue identifier.
    pub fn end_answer(&mut self, answer: Result<String, impl Into<Declined>>) {
        let Phase::Asked(Question::End) = self.answered() else { return };
        match answer {
            Ok(id) => {
                self.messages += 1;
                self.fruitless = 0;
                self.reply(&Reply::with_text(250, "2.0.0", format!("accepted as {id}")));
            }
            Err(declined) => self.decline(declined.into(), None),
        }
        self.forget_message();
    }

    /// The server stops: says so and closes. `[RFC5321 3.8]`
    pub fn shut_down(&mut self) {
        self.close_with(&reply::SHUTTING_DOWN);
    }

    /// The client was silent for too long. `[RFC5321 4.5.3.2]`
    pub fn time_out(&mut self) {
        self.close_with(&reply::TIMED_OUT);
    }

    fn answered(&mut self) -> Phase {
        let asked = std::mem::replace(&mut self.phase, Phase::Command);
        debug_assert!(matches!(asked, Phase::Asked(_)), "nothing was asked");
        asked
    }

    fn ask(&mut self, question: Question, action: Action) -> Action {
        self.phase = Phase::Asked(question);
        action
    }

    fn reply(&mut self, reply: &Reply) {
        reply.write_to(&mut self.output);
    }

    /// Replies to a mistake of the client; many of them end the session.
    fn mistake(&mut self, reply: &Reply) {
        self.reply(reply);
        self.count_mistake(reply.is_permanent_failure());
    }

    fn count_mistake(&mut self, counts: bool) {
        self.errors += usize::from(counts);
        if self.errors >= self.settings.limits.errors {
            self.close_with(&reply::TOO_MANY_ERRORS);
        }
    }

    /// Notes a line; says whether there were too many that led to nothing.
    fn is_one_line_too_many(&mut self) -> bool {
        self.lines += 1;
        self.fruitless += 1;
        self.fruitless > FRUITLESS + self.settings.limits.recipients
    }

    /// Whether a refusal counts as a mistake: while nobody has logged in, on a hop while no sender was taken. Whoever
    /// writes to somebody who is gone makes none, nor does who has pipelined commands behind a MAIL.
    fn is_mistake(&self, refusal: Refusal) -> bool {
        let stranger = match self.settings.role {
            Role::Hop => self.senders == 0,
            Role::Submission => !self.logged_in,
        };
        let final_word = refusal.permanence() == Permanence::Permanent;
        stranger && final_word && !self.sender_refused && refusal != Refusal::UnknownRecipient
    }

    /// Refuses for a reason of ours, and tells log, metrics and the shell. `about` is the sender while there is no
    /// envelope, then a recipient.
    fn refuse(&mut self, refusal: Refusal, about: Option<&Address>) {
        self.decline(refusal.into(), about);
    }

    fn decline(&mut self, declined: Declined, about: Option<&Address>) {
        let refusal = declined.refusal;
        let role = self.settings.role.word();
        let address = about.map(Address::masked);
        metrics::counter!("pli_smtp_refusals_total", "role" => role, "reason" => refusal.word()).increment(1);
        tracing::info!(reason = refusal.word(), address, "refused");
        let sender = self.envelope.as_ref().map_or(about, |envelope| envelope.reverse_path.address());
        let sender_domain = sender.map(|sender| sender.domain().clone());
        self.refused.push(Refused { refusal, codes: declined.codes.clone(), sender_domain });
        self.reply(&declined.into());
        self.count_mistake(self.is_mistake(refusal));
    }

    fn close_with(&mut self, reply: &Reply) {
        self.reply(reply);
        self.phase = Phase::Closed;
    }

    /// Forgets the message in progress; says whether the shell had begun to take it in.
    fn forget_message(&mut self) -> Option<Action> {
        self.envelope = None;
        self.sender_refused = false;
        self.receiving.take().map(|_| Action::Abandon)
    }
}
