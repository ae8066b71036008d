//! FETCH: from the view what it can, from the summaries what it must, and octets of messages
//! in bounded pieces. `[RFC3501 6.4.5]`, `[RFC3501 7.4.2]`

use std::collections::HashMap;
use std::io;

use imap_types::fetch::MacroOrMessageDataItemNames;
use imap_types::sequence::SequenceSet;
use message::{Span, Summary};
use store::{BodyReader, FlagChange, Flags, MessageId, Store, StoreError};

use super::batch::batches;
use super::state::Selected;
use crate::plan::{Item, Part, Plan};
use crate::render::{self, text};
use crate::reply::{Done, Failure};
use crate::section::{self, Located};
use crate::sets::{Ranges, numbers_exist};
use crate::view::{Row, System, View};
use crate::wire::Wire;

/// Spans up to this are read together with others; longer ones are streamed.
const SMALL: u64 = 64 * 1024;
/// Octets of spans that are held at once, of one message or of several.
const HELD: u64 = 512 * 1024;
/// Of a header whose fields are chosen, this much is read.
const LONGEST_HEADER: u64 = HELD;

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
    let sizes: Vec<u64> = numbers.iter().map(|number| fetch.weight(*number)).collect();
    for batch in batches(&sizes) {
        fetch.batch(&numbers[batch]).await?;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// There is no such part.
    Missing,
    /// Read with the group: its place in `Group::wanted`.
    Small(usize),
    /// Fields of a header read with the group, then cut.
    Fields(usize),
    /// Fields of a header that is read when its turn comes: the group holds enough.
    LateFields(Span),
    /// Streamed when its turn comes.
    Large(Span),
}

impl Fetch<'_> {
    /// Octets that bound what is held of a message while its batch is answered.
    fn weight(&self, number: u32) -> u64 {
        let size = |row: &Row| if self.plan.needs_summary() { row.size } else { 0 };
        self.selected.view.row(number).map_or(0, size)
    }

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
            let located = self.locate(summary.as_ref(), row);
            if self.group.octets + small_octets(&located) > HELD {
                self.answer_group().await?;
            }
            let pieces = self.group.place(row.message, &located);
            self.group.messages.push(Answer { number, row, summary, newly_seen, pieces });
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

    /// Where the sections are in a message, cut to what is asked for and may be held.
    fn locate(&self, summary: Option<&Summary>, row: Row) -> Vec<Located> {
        let sections = self.plan.sections().map(|part| {
            let located = match summary {
                Some(summary) => section::locate(summary, part.section.as_ref()),
                None => Located::Span(Span { start: 0, len: row.size }),
            };
            match located {
                Located::Missing => Located::Missing,
                Located::Fields(header) => Located::Fields(Span { len: header.len.min(LONGEST_HEADER), ..header }),
                Located::Span(span) => Located::Span(section::cut(span, part.partial)),
            }
        });
        sections.collect()
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

    /// One FETCH response. The first stream is opened before its first octet, so that a message
    /// that is gone leaves no half of a response behind.
    async fn answer(&mut self, answer: &Answer, read: &[Vec<u8>]) -> Result<(), Failure> {
        let mut opened = None;
        if let Some(span) = answer.first_unread() {
            opened = self.open(answer.row.message, span).await?;
            if opened.is_none() {
                self.vanished = true;
                return Ok(());
            }
        }
        let mut pieces = answer.pieces.iter();
        text(&mut self.wire.out, &format!("* {} FETCH (", answer.number));
        for (i, item) in self.plan.items().iter().enumerate() {
            if i > 0 {
                text(&mut self.wire.out, " ");
            }
            match item {
                Item::Section(part) => {
                    let piece = *pieces.next().unwrap_or(&Piece::Missing);
                    self.section(part, piece, answer.row.message, read, &mut opened).await?;
                }
                item => self.small_item(item, answer),
            }
            self.wire.flush_if_full().await?;
        }
        if answer.newly_seen && !self.plan.items().contains(&Item::Flags) {
            text(&mut self.wire.out, " ");
            self.small_item(&Item::Flags, answer);
        }
        text(&mut self.wire.out, ")\r\n");
        Ok(self.wire.flush_if_full().await?)
    }

    /// Begins to read a span; none if the message is gone.
    async fn open(&self, message: MessageId, span: Span) -> Result<Option<BodyReader>, StoreError> {
        match self.store.read_body(message, span).await {
            Ok(reader) if reader.remaining() == span.len => Ok(Some(reader)),
            Ok(_) | Err(StoreError::NoSuchMessage(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The reader that was opened first, or a new one. In the midst of a response nothing can be
    /// taken back any more: if the store fails now the connection is lost.
    async fn take_or_open(
        &self,
        opened: &mut Option<BodyReader>,
        message: MessageId,
        span: Span,
    ) -> Result<BodyReader, io::Error> {
        if let Some(reader) = opened.take() {
            return Ok(reader);
        }
        match self.open(message, span).await {
            Ok(Some(reader)) => Ok(reader),
            Ok(None) => Err(io::Error::other("a message went away in the midst of a response")),
            Err(error) => {
                tracing::error!(%error, "a stored message cannot be read to its end");
                Err(io::Error::other(error))
            }
        }
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
        piece: Piece,
        message: MessageId,
        read: &[Vec<u8>],
        opened: &mut Option<BodyReader>,
    ) -> Result<(), Failure> {
        self.wire.out.extend_from_slice(&part.label);
        self.wire.out.push(b' ');
        match piece {
            Piece::Missing => text(&mut self.wire.out, "NIL"),
            Piece::Small(at) => render::literal(&mut self.wire.out, &read[at]),
            Piece::Fields(at) => render::literal(&mut self.wire.out, &part.chosen_fields(&read[at])),
            Piece::LateFields(span) => {
                let mut reader = self.take_or_open(opened, message, span).await?;
                let mut header = Vec::new();
                while let Some(piece) = next_piece(&mut reader).await? {
                    header.extend_from_slice(&piece);
                }
                render::literal(&mut self.wire.out, &part.chosen_fields(&header));
            }
            Piece::Large(span) => {
                let reader = self.take_or_open(opened, message, span).await?;
                render::literal_head(&mut self.wire.out, span.len);
                self.stream(reader).await?;
            }
        }
        Ok(())
    }

    /// The announced octets have to come.
    async fn stream(&mut self, mut reader: BodyReader) -> Result<(), Failure> {
        while let Some(piece) = next_piece(&mut reader).await? {
            self.wire.out.extend_from_slice(&piece);
            self.wire.flush_if_full().await?;
        }
        Ok(())
    }
}

/// The next octets of a span; none at its end. If the store fails now the connection is lost.
async fn next_piece(reader: &mut BodyReader) -> Result<Option<Vec<u8>>, io::Error> {
    if reader.remaining() == 0 {
        return Ok(None);
    }
    let piece = reader.next().await.map_err(|error| {
        tracing::error!(%error, "a stored message cannot be read to its end");
        io::Error::other(error)
    })?;
    piece.map(Some).ok_or_else(|| io::Error::other("a stored message ends too early"))
}

/// Octets of the sections that could be read with a group, each span counted once.
fn small_octets(located: &[Located]) -> u64 {
    let mut spans: Vec<Span> = Vec::new();
    for located in located {
        match located {
            Located::Fields(span) | Located::Span(span) if !spans.contains(span) && is_small(located) => {
                spans.push(*span);
            }
            _ => {}
        }
    }
    spans.iter().map(|span| span.len).sum()
}

/// Whether it is held rather than streamed.
fn is_small(located: &Located) -> bool {
    match located {
        Located::Missing => false,
        Located::Fields(_) => true,
        Located::Span(span) => span.len <= SMALL,
    }
}

impl Group {
    /// Where the sections of a message come from. Each span is read once, and the group never
    /// holds more than [`HELD`].
    fn place(&mut self, message: MessageId, located: &[Located]) -> Vec<Piece> {
        let place = |located: &Located| match *located {
            Located::Missing => Piece::Missing,
            Located::Fields(span) => self.want(message, span).map_or(Piece::LateFields(span), Piece::Fields),
            Located::Span(span) if span.len <= SMALL => {
                self.want(message, span).map_or(Piece::Large(span), Piece::Small)
            }
            Located::Span(span) => Piece::Large(span),
        };
        located.iter().map(place).collect()
    }

    /// The place of a span among those that are read; none if there is no room.
    fn want(&mut self, message: MessageId, span: Span) -> Option<usize> {
        // those of one message lie together at the end
        let of_message = self.wanted.iter().enumerate().rev().take_while(|(_, (wanted, _))| *wanted == message);
        if let Some((at, _)) = of_message.into_iter().find(|(_, (_, wanted))| *wanted == span) {
            return Some(at);
        }
        if self.octets + span.len > HELD {
            return None;
        }
        self.octets += span.len;
        self.wanted.push((message, span));
        Some(self.wanted.len() - 1)
    }
}

impl Answer {
    /// The first span that is read when its turn comes.
    fn first_unread(&self) -> Option<Span> {
        self.pieces.iter().find_map(|piece| match piece {
            Piece::Large(span) | Piece::LateFields(span) => Some(*span),
            Piece::Missing | Piece::Small(_) | Piece::Fields(_) => None,
        })
    }

    /// Whether all that was to be read with the group is there.
    fn is_complete(&self, wanted: &[(MessageId, Span)], read: &[Vec<u8>]) -> bool {
        self.pieces.iter().all(|piece| match piece {
            Piece::Small(at) | Piece::Fields(at) => {
                read.get(*at).is_some_and(|octets| octets.len() as u64 == wanted[*at].1.len)
            }
            Piece::Missing | Piece::LateFields(_) | Piece::Large(_) => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: MessageId = MessageId(7);

    #[test]
    fn a_span_that_is_asked_for_often_is_read_once() {
        let header = Located::Fields(Span { start: 0, len: LONGEST_HEADER });
        let mut group = Group::default();
        assert_eq!(group.place(MESSAGE, &[header; 64]), [Piece::Fields(0); 64]);
        assert_eq!((group.wanted.len(), group.octets), (1, LONGEST_HEADER));
    }

    #[test]
    fn a_message_with_many_sections_never_holds_more_than_the_bound() {
        let sections: Vec<Located> = (0..64).map(|n| Located::Span(Span { start: n * SMALL, len: SMALL })).collect();
        let headers: Vec<Located> = (0..8).map(|n| Located::Fields(Span { start: n, len: LONGEST_HEADER })).collect();
        let mut group = Group::default();
        let pieces = group.place(MESSAGE, &[sections, headers].concat());
        assert_eq!(group.octets, HELD);
        assert_eq!(pieces[7], Piece::Small(7));
        assert_eq!(pieces[8], Piece::Large(Span { start: 8 * SMALL, len: SMALL }));
        assert_eq!(pieces[65], Piece::LateFields(Span { start: 1, len: LONGEST_HEADER }));
    }

    #[test]
    fn equal_spans_of_two_messages_are_two() {
        let span = [Located::Span(Span { start: 0, len: 9 })];
        let mut group = Group::default();
        assert_eq!(group.place(MESSAGE, &span), [Piece::Small(0)]);
        assert_eq!(group.place(MessageId(8), &span), [Piece::Small(1)]);
        assert_eq!(small_octets(&[span[0], span[0]]), 9);
    }
}
