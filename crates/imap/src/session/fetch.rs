//! FETCH: from the view what it can, from the summaries what it must, and octets of messages
//! in bounded pieces. `[RFC3501 6.4.5]`, `[RFC3501 7.4.2]`

use std::collections::HashMap;
use std::io;

use imap_types::fetch::MacroOrMessageDataItemNames;
use imap_types::sequence::SequenceSet;
use message::{Span, Summary};
use store::{BodyReader, FlagChange, Flags, MessageId, Store, StoreError};

use super::state::Selected;
use crate::plan::{Item, Part, Plan};
use crate::render::{self, text};
use crate::reply::{Done, Failure};
use crate::section::{self, Located};
use crate::sets::{Ranges, numbers_exist};
use crate::view::{Row, System, View};
use crate::wire::Wire;

/// Messages whose summaries are read at once.
const BATCH: usize = 200;
/// Spans up to this are read together with others; longer ones are streamed.
const SMALL: u64 = 64 * 1024;
/// Octets of small spans that are held at once.
const HELD: u64 = 512 * 1024;
/// Of a header whose fields are chosen, this much is read.
const LONGEST_HEADER: u64 = 1024 * 1024;

/// The numbers of the messages in a set, ascending. UIDs that are not there are passed over,
/// numbers that are not there are the client's mistake. `[RFC3501 6.4.8]`
pub(super) fn numbers(view: &View, set: &SequenceSet, uid: bool) -> Result<Vec<u32>, Failure> {
    if uid {
        return Ok(view.numbers_of_uids(&Ranges::resolve(set, view.last_uid())));
    }
    if !numbers_exist(set, view.exists()) {
        return Err(Failure::Bad("There are no such messages"));
    }
    Ok(view.numbers_in(&Ranges::resolve(set, view.exists())))
}

pub(super) async fn fetch(
    store: &Store,
    selected: &mut Selected,
    wire: &mut Wire,
    set: &SequenceSet,
    items: MacroOrMessageDataItemNames<'static>,
    uid: bool,
) -> Result<Done, Failure> {
    let plan = Plan::new(items, uid).map_err(Failure::Bad)?;
    let numbers = numbers(&selected.view, set, uid)?;
    let mut fetch = Fetch { store, selected, wire, plan: &plan, group: Group::default(), vanished: false };
    for batch in numbers.chunks(BATCH) {
        fetch.batch(batch).await?;
    }
    if fetch.vanished {
        return Err(Failure::No("[EXPUNGEISSUED] Some of the messages are gone".into()));
    }
    Ok(Done::text("FETCH completed"))
}

/// The octets of spans, in order; of messages that are not stored any more, none.
pub(super) async fn read_spans(store: &Store, wanted: &[(MessageId, Span)]) -> Result<Vec<Vec<u8>>, StoreError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    match store.read_spans(wanted).await {
        Err(StoreError::NoSuchMessage(_)) => {}
        result => return result,
    }
    let mut read = Vec::with_capacity(wanted.len());
    for one in wanted {
        match store.read_spans(&[*one]).await {
            Ok(mut octets) => read.push(octets.pop().unwrap_or_default()),
            Err(StoreError::NoSuchMessage(_)) => read.push(Vec::new()),
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// A FETCH in progress.
struct Fetch<'a> {
    store: &'a Store,
    selected: &'a mut Selected,
    wire: &'a mut Wire,
    plan: &'a Plan,
    group: Group,
    /// Whether something that was asked for is gone.
    vanished: bool,
}

/// Messages that are answered together, so that their small spans are read together.
#[derive(Default)]
struct Group {
    messages: Vec<Answer>,
    wanted: Vec<(MessageId, Span)>,
    octets: u64,
}

/// A message that is to be answered.
struct Answer {
    number: u32,
    row: Row,
    summary: Option<Summary>,
    /// `\Seen` was just set: tell the flags.
    newly_seen: bool,
    /// One for each section of the plan.
    pieces: Vec<Piece>,
}

/// Where a section's octets come from.
enum Piece {
    /// There is no such part.
    Missing,
    /// Read with the group: its place in `Group::wanted`.
    Small(usize),
    /// Fields of a header read with the group, then cut.
    Fields(usize),
    /// Streamed.
    Large(Span),
}

impl Fetch<'_> {
    async fn batch(&mut self, numbers: &[u32]) -> Result<(), Failure> {
        let newly_seen = self.mark_seen(numbers).await?;
        let mut rows = Vec::with_capacity(numbers.len());
        for number in numbers {
            match self.selected.view.row(*number) {
                Some(row) => rows.push((*number, *row)),
                None => self.vanished = true,
            }
        }
        let mut summaries = self.summaries(&rows).await?;
        for (number, row) in rows {
            let summary = summaries.remove(&row.message);
            if self.plan.needs_summary() && summary.is_none() {
                self.vanished = true;
                continue;
            }
            let newly_seen = newly_seen.binary_search(&number).is_ok();
            self.add(Answer { number, row, summary, newly_seen, pieces: Vec::new() });
            if self.group.octets >= HELD || self.plan.sections().next().is_none() {
                self.answer_group().await?;
            }
        }
        self.answer_group().await
    }

    /// Sets `\Seen` where the command does; the numbers of messages that did not have it.
    async fn mark_seen(&mut self, numbers: &[u32]) -> Result<Vec<u32>, Failure> {
        if !self.plan.sets_seen() || !self.selected.is_writable() {
            return Ok(Vec::new());
        }
        let view = &self.selected.view;
        let unseen = numbers.iter().filter_map(|number| view.row(*number));
        let unseen = unseen.filter(|row| !row.system.has(System::SEEN) && !view.is_gone(row.uid));
        let uids: Vec<u32> = unseen.map(|row| row.uid).collect();
        if uids.is_empty() {
            return Ok(Vec::new());
        }
        let seen = FlagChange::Add(Flags { seen: true, ..Flags::default() });
        let entries = self.store.change_flags(self.selected.folder(), &uids, &seen).await?;
        Ok(self.selected.view.absorb(&entries))
    }

    async fn summaries(&self, rows: &[(u32, Row)]) -> Result<HashMap<MessageId, Summary>, Failure> {
        if !self.plan.needs_summary() {
            return Ok(HashMap::new());
        }
        let messages: Vec<MessageId> = rows.iter().map(|(_, row)| row.message).collect();
        Ok(self.store.summaries(&messages).await?)
    }

    /// Puts a message into the group and finds out where its octets are.
    fn add(&mut self, mut answer: Answer) {
        let group = &mut self.group;
        for part in self.plan.sections() {
            let located = match &answer.summary {
                Some(summary) => section::locate(summary, part.section.as_ref()),
                None => Located::Span(Span { start: 0, len: answer.row.size }),
            };
            let piece = match located {
                Located::Missing => Piece::Missing,
                Located::Fields(header) => {
                    let header = Span { len: header.len.min(LONGEST_HEADER), ..header };
                    Piece::Fields(group.want(answer.row.message, header))
                }
                Located::Span(span) => match section::cut(span, part.partial) {
                    span if span.len <= SMALL => Piece::Small(group.want(answer.row.message, span)),
                    span => Piece::Large(span),
                },
            };
            answer.pieces.push(piece);
        }
        group.messages.push(answer);
    }

    async fn answer_group(&mut self) -> Result<(), Failure> {
        let group = std::mem::take(&mut self.group);
        let read = read_spans(self.store, &group.wanted).await?;
        for answer in &group.messages {
            if answer.is_complete(&group.wanted, &read) {
                self.answer(answer, &read).await?;
            } else {
                self.vanished = true;
            }
        }
        Ok(())
    }

    /// One FETCH response. Streams are opened before its first octet, so that a message that is
    /// gone leaves no half of a response behind.
    async fn answer(&mut self, answer: &Answer, read: &[Vec<u8>]) -> Result<(), Failure> {
        let mut streams = Vec::new();
        for piece in &answer.pieces {
            if let Piece::Large(span) = piece {
                match self.store.read_body(answer.row.message, *span).await {
                    Ok(reader) if reader.remaining() == span.len => streams.push(reader),
                    Ok(_) | Err(StoreError::NoSuchMessage(_)) => {
                        self.vanished = true;
                        return Ok(());
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let (mut streams, mut pieces) = (streams.into_iter(), answer.pieces.iter());
        text(&mut self.wire.out, &format!("* {} FETCH (", answer.number));
        for (i, item) in self.plan.items().iter().enumerate() {
            if i > 0 {
                text(&mut self.wire.out, " ");
            }
            match item {
                Item::Section(part) => {
                    let piece = pieces.next().unwrap_or(&Piece::Missing);
                    self.section(part, piece, read, &mut streams).await?;
                }
                item => self.small_item(item, answer),
            }
        }
        if answer.newly_seen && !self.plan.items().contains(&Item::Flags) {
            text(&mut self.wire.out, " ");
            self.small_item(&Item::Flags, answer);
        }
        text(&mut self.wire.out, ")\r\n");
        Ok(self.wire.flush_if_full().await?)
    }

    /// An item that is made of the view and the summary.
    fn small_item(&mut self, item: &Item, answer: &Answer) {
        let out = &mut self.wire.out;
        let view = &self.selected.view;
        let row = view.row(answer.number).unwrap_or(&answer.row);
        match (item, &answer.summary) {
            (Item::Flags, _) => {
                text(out, "FLAGS ");
                render::flags(out, view, row);
            }
            (Item::Uid, _) => text(out, &format!("UID {}", row.uid)),
            (Item::InternalDate, _) => {
                text(out, "INTERNALDATE ");
                render::date_time(out, row.received);
            }
            (Item::Size, _) => text(out, &format!("RFC822.SIZE {}", row.size)),
            (Item::Envelope, Some(summary)) => {
                text(out, "ENVELOPE ");
                render::envelope(out, &summary.envelope);
            }
            (Item::Structure { extended }, Some(summary)) => {
                text(out, if *extended { "BODYSTRUCTURE " } else { "BODY " });
                render::structure(out, &summary.root, *extended);
            }
            (Item::Envelope | Item::Structure { .. } | Item::Section(_), _) => {}
        }
    }

    async fn section(
        &mut self,
        part: &Part,
        piece: &Piece,
        read: &[Vec<u8>],
        streams: &mut impl Iterator<Item = BodyReader>,
    ) -> Result<(), Failure> {
        let out = &mut self.wire.out;
        out.extend_from_slice(&part.label);
        out.push(b' ');
        match piece {
            Piece::Missing => text(out, "NIL"),
            Piece::Small(at) => render::literal(out, &read[*at]),
            Piece::Fields(at) => render::literal(out, &part.chosen_fields(&read[*at])),
            Piece::Large(span) => {
                render::literal_head(out, span.len);
                if let Some(reader) = streams.next() {
                    self.stream(reader).await?;
                }
            }
        }
        Ok(())
    }

    /// The announced octets have to come: if the store fails now the connection is lost.
    async fn stream(&mut self, mut reader: BodyReader) -> Result<(), Failure> {
        while reader.remaining() > 0 {
            let piece = reader.next().await.map_err(|error| {
                tracing::error!(%error, "a stored message cannot be read to its end");
                io::Error::other(error)
            })?;
            let piece = piece.ok_or_else(|| io::Error::other("a stored message ends too early"))?;
            self.wire.out.extend_from_slice(&piece);
            self.wire.flush_if_full().await?;
        }
        Ok(())
    }
}

impl Group {
    fn want(&mut self, message: MessageId, span: Span) -> usize {
        self.octets += span.len;
        self.wanted.push((message, span));
        self.wanted.len() - 1
    }
}

impl Answer {
    /// Whether all that was to be read with the group is there.
    fn is_complete(&self, wanted: &[(MessageId, Span)], read: &[Vec<u8>]) -> bool {
        self.pieces.iter().all(|piece| match piece {
            Piece::Small(at) | Piece::Fields(at) => {
                read.get(*at).is_some_and(|octets| octets.len() as u64 == wanted[*at].1.len)
            }
            Piece::Missing | Piece::Large(_) => true,
        })
    }
}
