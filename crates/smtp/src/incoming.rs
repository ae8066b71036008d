//! A message between BEGIN and its acceptance: sealed and scanned at the same time, octet by
//! octet, so that its size never matters to memory.

use bytes::Bytes;
use message::{Authors, HeaderBlock, MessageFacts, MssHeaders, ReplyTo, Scanner, Summary, Thread, identifiers};
use mssante::{Refusal, Right};
use store::{Intake, MessageId, SealedMessage, Store, StoreError};
use tokio::time::Instant;

use crate::header::{Collected, HeaderCollector};

/// What the judge of a header block says.
pub(crate) struct Judged {
    /// The fields that go on top.
    pub(crate) trace: Vec<u8>,
    /// Under which right a delegate sends this.
    pub(crate) right: Right,
    /// The Message-ID among those fields.
    pub(crate) message_id: Option<String>,
}

/// What the rules that are asked at the end need of the header block, whatever its size.
#[derive(Default)]
pub(crate) struct Said {
    /// Where replies go.
    pub(crate) reply_to: ReplyTo,
    /// Who has written.
    pub(crate) authors: Authors,
    /// Which letter this is, and what it answers.
    pub(crate) thread: Thread,
}

impl Said {
    fn read(header: &[u8]) -> Self {
        Self { reply_to: HeaderBlock::reply_to(header), authors: Authors::read(header), thread: Thread::read(header) }
    }
}

/// A message that is all in and sealed.
pub(crate) struct Whole {
    pub(crate) message: SealedMessage,
    pub(crate) facts: MessageFacts,
    pub(crate) right: Right,
}

/// A message that is coming in. Dropped, it leaves nothing behind.
///
/// Memory of one session: the header (256 KiB at most, and only until it is judged), two chunks
/// of the intake, one read buffer; about 600 KiB at the worst, so that no budget shared by all
/// sessions is needed on top of the limit of connections.
pub(crate) struct Incoming {
    intake: Intake,
    scanner: Scanner,
    header: Option<HeaderCollector>,
    facts: MessageFacts,
    right: Right,
    said: Said,
    begun: Instant,
}

impl Incoming {
    pub(crate) async fn begin(store: &Store) -> Result<Self, Refusal> {
        let intake = store.begin_intake().await.map_err(|error| unavailable(&error))?;
        let begun = Instant::now();
        let facts = MessageFacts::default();
        Ok(Self {
            intake,
            scanner: Scanner::new(),
            header: Some(HeaderCollector::default()),
            facts,
            right: Right::SendAs,
            said: Said::default(),
            begun,
        })
    }

    /// When its first octet was awaited.
    pub(crate) fn begun(&self) -> Instant {
        self.begun
    }

    /// Takes the next octets. Once the header is whole, `judge` sees it and gives the trace
    /// fields that go on top.
    pub(crate) async fn take(
        &mut self,
        content: Bytes,
        judge: impl FnOnce(&[u8], MessageId) -> Result<Judged, Refusal>,
    ) -> Result<(), Refusal> {
        let Some(collector) = self.header.as_mut() else { return self.write(&content).await };
        let Collected::Whole { header, rest } = collector.push(&content)? else { return Ok(()) };
        self.header = None;
        self.take_header(&header, judge).await?;
        self.write(&rest).await
    }

    async fn take_header(
        &mut self,
        header: &[u8],
        judge: impl FnOnce(&[u8], MessageId) -> Result<Judged, Refusal>,
    ) -> Result<(), Refusal> {
        self.facts.headers = MssHeaders::read(header);
        self.said = Said::read(header);
        let Judged { trace, right, message_id } = judge(header, self.intake.id())?;
        self.said.thread.message_ids.extend(message_id.iter().flat_map(|id| identifiers(id)));
        self.right = right;
        self.write(&trace).await?;
        self.write(header).await
    }

    /// All octets are in.
    pub(crate) async fn complete(
        mut self,
        judge: impl FnOnce(&[u8], MessageId) -> Result<Judged, Refusal>,
    ) -> Result<Complete, Refusal> {
        if let Some(mut collector) = self.header.take() {
            let header = collector.finish();
            self.take_header(&header, judge).await?;
        }
        let Self { intake, scanner, facts, right, said, .. } = self;
        Ok(Complete { intake, summary: scanner.finish(), facts, right, said })
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), Refusal> {
        self.scanner.push(octets);
        self.intake.write(octets).await.map_err(|error| unavailable(&error))
    }
}

/// A message that is in as a whole, and can still be read.
pub(crate) struct Complete {
    pub(crate) intake: Intake,
    pub(crate) summary: Summary,
    pub(crate) facts: MessageFacts,
    right: Right,
    pub(crate) said: Said,
}

impl Complete {
    /// Seals what is not sealed yet; only the store can read the message then.
    pub(crate) async fn seal(self) -> Result<Whole, Refusal> {
        let message = self.intake.finish(self.summary).await.map_err(|error| unavailable(&error))?;
        Ok(Whole { message, facts: self.facts, right: self.right })
    }
}

/// Whatever is wrong with the store, the client is told to come again. `[RFC5321 4.2.5]`
pub(crate) fn unavailable(error: &StoreError) -> Refusal {
    tracing::error!(%error, "the store does not take a message");
    Refusal::StoreUnavailable
}
