//! One client's session: frames in, commands carried out in the state that allows them,
//! responses out. `[RFC3501 3]`

mod append;
mod batch;
mod capability;
mod change;
mod fetch;
mod find;
mod folders;
mod login;
mod select;
mod state;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use imap_types::command::CommandBody;
use imap_types::flag::StoreResponse;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use trust::Transport;

use crate::codec::{self, Body, Command, Undecodable, fields};
use crate::framer::{Bounds, Frame};
use crate::reply::{Done, Failure, no_such_folder, store_text};
use crate::service::Service;
use crate::wire::Wire;
use select::Announce;
use state::State;

/// Commands in a row that make no sense before the connection ends.
const MOST_MISTAKES: u32 = 20;
/// The same before log-in, where it is no mail client that talks.
const MOST_MISTAKES_BEFORE_LOGIN: u32 = 3;

/// Wait before a session that only waits asks a store again that did not answer.
const RETRY: Duration = Duration::from_secs(5);

/// How the session ended.
pub(crate) enum Ended {
    /// The connection is closed.
    Closed,
    /// TLS is to begin on this connection.
    StartTls(Transport),
}

/// Why the session ends.
enum End {
    /// We say BYE with this text.
    Bye(&'static str),
    /// The client has logged out; it was told.
    Logout,
    /// STARTTLS was answered with OK.
    StartTls,
    /// The connection is broken, or the client is gone.
    Io,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Io
    }
}

/// A session.
pub(crate) struct Session {
    service: Arc<Service>,
    peer: SocketAddr,
    wire: Wire,
    state: State,
    /// The tag of IDLE while it lasts. `[RFC2177 3]`
    idle: Option<String>,
    mistakes: u32,
    refused_logins: u32,
    started: Instant,
    /// Since when we wait for the client, whatever we told it meanwhile.
    waiting_since: Option<Instant>,
}

impl Session {
    pub(crate) fn new(service: Arc<Service>, transport: Transport, peer: SocketAddr) -> Self {
        let wire = Wire::new(transport, service.limits.idle_timeout);
        Self {
            service,
            peer,
            wire,
            state: State::default(),
            idle: None,
            mistakes: 0,
            refused_logins: 0,
            started: Instant::now(),
            waiting_since: None,
        }
    }

    /// Greets the client. `[RFC3501 7.1.1]`
    pub(crate) fn greet(&mut self) {
        let capabilities = self.capabilities();
        let hostname = &self.service.hostname;
        self.say(&format!("* OK [CAPABILITY {capabilities}] {hostname} pli ready"));
    }

    /// Serves the client to the end.
    pub(crate) async fn run(mut self, stop: &CancellationToken) -> Ended {
        let end = loop {
            if let Err(end) = self.step(stop).await {
                break end;
            }
        };
        match end {
            End::Bye(text) => {
                tracing::debug!(reason = text, "session ended by us");
                self.say(&format!("* BYE {text}"));
            }
            End::StartTls => {
                return match self.wire.into_transport() {
                    Some(transport) => Ended::StartTls(transport),
                    None => Ended::Closed,
                };
            }
            End::Logout | End::Io => {}
        }
        self.wire.close().await;
        Ended::Closed
    }

    /// Deals with the next thing that the client says, or waits for it.
    async fn step(&mut self, stop: &CancellationToken) -> Result<(), End> {
        if let Some(standing) = self.state.standing()
            && !standing.holds(&self.service.authenticator).await
        {
            return Err(End::Bye(
                "This mailbox was closed, or the password, certificate or right that opened it was changed",
            ));
        }
        let bounds = if self.state.is_logged_in() { Bounds::AFTER_LOGIN } else { Bounds::BEFORE_LOGIN };
        match self.wire.next(bounds) {
            Frame::Incomplete => {
                self.wire.flush().await?;
                self.wait(stop).await
            }
            Frame::Continue => {
                self.say("+ Ready");
                Ok(())
            }
            Frame::Command(line) => self.line(&line).await,
            Frame::Message { head, literal } => {
                self.break_idle();
                let started = Instant::now();
                let (tag, result) = Box::pin(self.append(&head, literal)).await;
                self.finish(&tag, "APPEND", started, result, Announce::Changed).await
            }
            Frame::Refused { tag, why } => self.mistake(tag.as_deref(), why),
            Frame::Flood(why) => Err(End::Bye(why)),
        }
    }

    /// Waits for octets, in IDLE also for changes of the folder.
    async fn wait(&mut self, stop: &CancellationToken) -> Result<(), End> {
        let limits = &self.service.limits;
        let until = if self.state.is_logged_in() {
            *self.waiting_since.get_or_insert_with(Instant::now) + limits.idle_timeout
        } else {
            self.started + limits.login_timeout
        };
        let changed = self.state.changed(self.idle.is_some(), RETRY);
        let questioned = self.state.standing().map(|standing| standing.questioned(RETRY));
        tokio::select! {
            read = self.wire.read() => {
                self.waiting_since = None;
                if read? == 0 { Err(End::Io) } else { Ok(()) }
            }
            () = changed => Box::pin(self.announce(Announce::All)).await,
            // the next step looks
            Some(()) = maybe(questioned) => Ok(()),
            () = sleep_until(until) => Err(End::Bye("Idle for too long")),
            () = stop.cancelled() => Err(End::Bye("Server is going down")),
        }
    }

    /// A whole command, or the end of IDLE.
    async fn line(&mut self, line: &[u8]) -> Result<(), End> {
        if line.eq_ignore_ascii_case(b"DONE\r\n")
            && let Some(tag) = self.idle.take()
        {
            self.say(&format!("{tag} OK IDLE completed"));
            return Ok(());
        }
        self.break_idle();
        match codec::decode(line) {
            Ok(command) => self.command(command).await,
            Err(undecodable) => self.undecodable(&undecodable),
        }
    }

    /// Some clients go on without DONE: what they send is carried out all the same.
    fn break_idle(&mut self) {
        if let Some(tag) = self.idle.take() {
            self.say(&format!("{tag} BAD IDLE ends with DONE"));
        }
    }

    async fn command(&mut self, command: Command) -> Result<(), End> {
        let (started, name) = (Instant::now(), command.body.name());
        match &command.body {
            Body::Base(body) if matches!(**body, CommandBody::Logout) => {
                self.say("* BYE Good bye");
                self.say(&format!("{} OK LOGOUT completed", command.tag));
                return Err(End::Logout);
            }
            Body::Base(body) if matches!(**body, CommandBody::StartTLS) => return self.start_tls(&command.tag).await,
            Body::Base(body) if matches!(**body, CommandBody::Idle) => return self.start_idle(command.tag).await,
            _ => {}
        }
        let announce = announcement(&command.body);
        // boxed, so that a session that waits keeps no room for the largest command
        let result = Box::pin(self.execute(command.body)).await;
        self.finish(&command.tag, name, started, result, announce).await
    }

    /// Carries a command out.
    async fn execute(&mut self, body: Body) -> Result<Done, Failure> {
        let body = match body {
            Body::List(list) => {
                let account = self.state.account()?;
                return folders::list(&self.service.store, account, &mut self.wire, &list).await;
            }
            Body::Base(body) => *body,
        };
        match body {
            CommandBody::Capability => {
                let capabilities = self.capabilities();
                self.say(&format!("* CAPABILITY {capabilities}"));
                Ok(Done::text("CAPABILITY completed"))
            }
            // always with an untagged answer: some clients wait for it [RFC2971]
            CommandBody::Id { .. } => {
                self.say(&format!("* ID (\"name\" \"pli\" \"version\" \"{}\")", env!("CARGO_PKG_VERSION")));
                Ok(Done::text("ID completed"))
            }
            CommandBody::Noop => Ok(Done::text("NOOP completed")),
            CommandBody::Login { username, password } => self.login(&username, &password).await,
            CommandBody::Authenticate { mechanism, initial_response } => {
                self.authenticate(mechanism.as_ref(), initial_response).await
            }
            body => self.execute_on_account(body).await,
        }
    }

    /// Commands that need a log-in. `[RFC3501 6.3]`
    async fn execute_on_account(&mut self, body: CommandBody<'static>) -> Result<Done, Failure> {
        let store = &self.service.store;
        let wire = &mut self.wire;
        let account = self.state.account()?;
        match body {
            CommandBody::Select { mailbox, parameters } => self.select(&mailbox, parameters.is_empty(), true).await,
            CommandBody::Examine { mailbox, parameters } => self.select(&mailbox, parameters.is_empty(), false).await,
            CommandBody::Create { mailbox } => folders::create(store, account, &mailbox).await,
            CommandBody::Delete { mailbox } => {
                let done = folders::delete(store, account, &mailbox).await?;
                self.state.forget(&fields::folder_name(&mailbox).ok_or_else(no_such_folder)?);
                Ok(done)
            }
            CommandBody::Rename { from, to } => folders::rename(store, account, &from, &to).await,
            CommandBody::Subscribe { mailbox } => folders::subscribe(store, account, &mailbox, true).await,
            CommandBody::Unsubscribe { mailbox } => folders::subscribe(store, account, &mailbox, false).await,
            CommandBody::Lsub { reference, mailbox_wildcard } => {
                folders::lsub(store, account, wire, &reference, &mailbox_wildcard).await
            }
            CommandBody::Status { mailbox, item_names } => {
                folders::status(store, account, wire, &mailbox, &item_names).await
            }
            // [RFC2342]
            CommandBody::Namespace => {
                self.say("* NAMESPACE ((\"\" \"/\")) NIL NIL");
                Ok(Done::text("NAMESPACE completed"))
            }
            CommandBody::Enable { .. } => {
                // nothing that we offer has to be enabled [RFC5161]
                self.say("* ENABLED");
                Ok(Done::text("ENABLE completed"))
            }
            body => self.execute_on_folder(body).await,
        }
    }

    /// Commands that need a selected folder. `[RFC3501 6.4]`
    async fn execute_on_folder(&mut self, body: CommandBody<'static>) -> Result<Done, Failure> {
        let store = &self.service.store;
        let wire = &mut self.wire;
        let (account, selected) = self.state.selected()?;
        match body {
            CommandBody::Check => Ok(Done::text("CHECK completed")),
            CommandBody::Close => {
                // a folder that was opened by EXAMINE, or by somebody who may not write, stays as it is
                if selected.is_writable() {
                    account.acting(store).expunge(selected.folder(), None).await?;
                }
                self.state.deselect();
                Ok(Done::text("CLOSE completed"))
            }
            // [RFC3691 2]
            CommandBody::Unselect => {
                self.state.deselect();
                Ok(Done::text("UNSELECT completed"))
            }
            CommandBody::Expunge => change::expunge(store, account, selected, None).await,
            CommandBody::ExpungeUid { sequence_set } => {
                change::expunge(store, account, selected, Some(&sequence_set)).await
            }
            CommandBody::Search { charset, criteria, uid } => {
                let now = self.service.clock.now().unix_timestamp();
                find::search(store, selected, wire, charset.as_ref(), criteria.as_ref(), uid, now).await
            }
            CommandBody::Fetch { sequence_set, macro_or_item_names, uid, modifiers } if modifiers.is_empty() => {
                fetch::fetch(store, selected, wire, &sequence_set, macro_or_item_names, uid).await
            }
            CommandBody::Store { sequence_set, kind, response, flags, uid, modifiers } if modifiers.is_empty() => {
                let silent = response == StoreResponse::Silent;
                let wanted = change::FlagRequest { kind, flags: fields::flags(&flags).map_err(limit)?, silent, uid };
                change::store_flags(store, account, selected, wire, &sequence_set, wanted).await
            }
            CommandBody::Copy { sequence_set, mailbox, uid } => {
                change::copy(store, &self.service.rooms, account, selected, &sequence_set, &mailbox, uid).await
            }
            CommandBody::Move { sequence_set, mailbox, uid } => {
                change::move_messages(store, account, selected, wire, &sequence_set, &mailbox, uid).await
            }
            _ => Err(Failure::Bad("This is not offered")),
        }
    }

    /// Tells the client what else has changed, and how its command ended.
    async fn finish(
        &mut self,
        tag: &str,
        name: &'static str,
        started: Instant,
        result: Result<Done, Failure>,
        announce: Announce,
    ) -> Result<(), End> {
        if !matches!(result, Err(Failure::Bye(_) | Failure::Io(_))) {
            self.announce(announce).await?;
        }
        metrics::counter!("pli_imap_commands_total", "command" => name).increment(1);
        metrics::histogram!("pli_imap_command_seconds", "command" => name).record(started.elapsed().as_secs_f64());
        match result {
            Ok(Done(text)) => {
                self.mistakes = 0;
                self.say(&format!("{tag} OK {text}"));
            }
            Err(Failure::No(text)) => self.say(&format!("{tag} NO {text}")),
            Err(Failure::Bad(text)) => return self.mistake(Some(tag), text),
            Err(Failure::Store(error)) => {
                tracing::warn!(command = name, %error, "the store did not carry a command out");
                self.say(&format!("{tag} NO {}", store_text(&error)));
            }
            Err(Failure::Bye(text)) => return Err(End::Bye(text)),
            Err(Failure::Io(error)) => {
                tracing::debug!(command = name, %error, "connection lost");
                return Err(End::Io);
            }
        }
        Ok(())
    }

    async fn start_idle(&mut self, tag: String) -> Result<(), End> {
        if let Err(failure) = self.state.account().map(|_| ()) {
            return self.finish(&tag, "IDLE", Instant::now(), Err(failure), Announce::Nothing).await;
        }
        metrics::counter!("pli_imap_commands_total", "command" => "IDLE").increment(1);
        self.say("+ idling");
        self.idle = Some(tag);
        self.announce(Announce::All).await
    }

    /// `[RFC3501 6.2.1]`
    async fn start_tls(&mut self, tag: &str) -> Result<(), End> {
        if self.state.is_logged_in() || self.wire.transport().tls_description().is_some() {
            return self.mistake(Some(tag), "TLS is active already");
        }
        if self.wire.has_input() {
            // what follows in clear could have been put there by anyone
            return Err(End::Io);
        }
        self.say(&format!("{tag} OK Begin TLS now"));
        self.wire.flush().await?;
        Err(End::StartTls)
    }

    fn undecodable(&mut self, line: &Undecodable) -> Result<(), End> {
        if line.http {
            return Err(End::Bye("This is an IMAP server"));
        }
        let why = if line.known_verb { "The arguments of this command make no sense" } else { "Unknown command" };
        self.mistake(line.tag.as_deref(), why)
    }

    /// BAD, and the end of the connection if it goes on like this.
    fn mistake(&mut self, tag: Option<&str>, why: &'static str) -> Result<(), End> {
        self.mistakes += 1;
        self.say(&format!("{} BAD {why}", tag.unwrap_or("*")));
        let most = if self.state.is_logged_in() { MOST_MISTAKES } else { MOST_MISTAKES_BEFORE_LOGIN };
        if self.mistakes < most { Ok(()) } else { Err(End::Bye("Too many mistakes")) }
    }

    /// A line to the client.
    fn say(&mut self, line: &str) {
        self.wire.out.extend_from_slice(line.as_bytes());
        self.wire.out.extend_from_slice(b"\r\n");
    }
}

/// What `work` gives, if there is any.
async fn maybe<T>(work: Option<impl Future<Output = T>>) -> Option<T> {
    match work {
        Some(work) => Some(work.await),
        None => None,
    }
}

/// What the client may be told at the end of a command. Message numbers must not move under a
/// client that works with them. `[RFC3501 7.4.1]`, `[RFC3501 5.5]`
fn announcement(body: &Body) -> Announce {
    let Body::Base(body) = body else { return Announce::Changed };
    match **body {
        CommandBody::Fetch { uid: false, .. }
        | CommandBody::Store { uid: false, .. }
        | CommandBody::Search { uid: false, .. } => Announce::ChangedWithoutExpunge,
        CommandBody::Noop
        | CommandBody::Check
        | CommandBody::Expunge
        | CommandBody::ExpungeUid { .. }
        | CommandBody::Move { .. } => Announce::All,
        CommandBody::Select { .. } | CommandBody::Examine { .. } => Announce::Nothing,
        _ => Announce::Changed,
    }
}

fn limit(why: &'static str) -> Failure {
    Failure::No(format!("[LIMIT] {why}").into())
}
