//! SEARCH over the open folder: first the view, then summaries, then octets, each only for the
//! messages that are still undecided. `[RFC3501 6.4.4]`

use std::time::Duration;

use imap_types::core::Charset;
use imap_types::search::SearchKey;
use message::{Span, Summary};
use store::Store;
use tokio::time::timeout;

use super::batch::{batches, batches_within};
use super::fetch::read_spans;
use super::state::Selected;
use crate::render::{number, text};
use crate::reply::{Done, Failure};
use crate::search::text::{body_sources, header_fields};
use crate::search::{Frame, Head, Key, Material, Reads, Unsearchable, Words, compile};
use crate::view::{Row, View};
use crate::wire::Wire;

/// No search lasts longer.
const LONGEST_SEARCH: Duration = Duration::from_mins(1);
/// Rows of the view that are looked at before others have their turn.
const ROWS: u32 = 500;
/// Of a header this much is searched.
const LONGEST_HEADER: u64 = 256 * 1024;
/// Octets of headers that are read at once.
const HEADERS: u64 = 512 * 1024;
/// Of the text parts of a message this much is searched.
const LONGEST_TEXT: u64 = 2 * 1024 * 1024;

pub(super) async fn search(
    store: &Store,
    selected: &mut Selected,
    wire: &mut Wire,
    charset: Option<&Charset<'_>>,
    keys: &[SearchKey<'_>],
    uid: bool,
    now: i64,
) -> Result<Done, Failure> {
    let view = &selected.view;
    let frame = Frame { exists: view.exists(), last_uid: view.last_uid(), now };
    let key = compile(charset, keys, frame).map_err(unsearchable)?;
    let found = within(LONGEST_SEARCH, Search { store, view, key: &key }.run()).await?;
    answer(wire, view, &found, uid).await?;
    Ok(Done::text("SEARCH completed"))
}

/// What `work` finds, if it does not take too long. It has to let others have their turn.
async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let too_long = |_| Failure::No("[LIMIT] This search takes too long; look for less at a time".into());
    timeout(limit, work).await.map_err(too_long)?
}

/// Lets others have their turn after some rows.
#[derive(Default)]
struct Pace(u32);

impl Pace {
    async fn row(&mut self) {
        self.0 += 1;
        if self.0.is_multiple_of(ROWS) {
            tokio::task::yield_now().await;
        }
    }
}

struct Search<'a> {
    store: &'a Store,
    view: &'a View,
    key: &'a Key,
}

impl Search<'_> {
    /// The numbers of the messages that are found, ascending.
    async fn run(&self) -> Result<Vec<u32>, Failure> {
        let (mut found, mut undecided, mut pace) = (Vec::new(), Vec::new(), Pace::default());
        for (number, row) in self.view.rows() {
            pace.row().await;
            match self.key.test(Material { view: self.view, number, row, head: None, words: None }) {
                Some(true) => found.push(number),
                Some(false) => {}
                None => undecided.push(number),
            }
        }
        let size = |number: &u32| self.view.row(*number).map_or(0, |row| row.size);
        let sizes: Vec<u64> = undecided.iter().map(size).collect();
        for batch in batches(&sizes) {
            self.batch(&undecided[batch], &mut found).await?;
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Decides on messages that the view alone does not decide on. Those that are gone are not found.
    async fn batch(&self, numbers: &[u32], found: &mut Vec<u32>) -> Result<(), Failure> {
        let rows: Vec<(u32, &Row)> =
            numbers.iter().filter_map(|number| self.view.row(*number).map(|row| (*number, row))).collect();
        let messages: Vec<_> = rows.iter().map(|(_, row)| row.message).collect();
        let summaries = self.store.summaries(&messages).await?;
        let mut undecided = Vec::new();
        for (number, row) in rows {
            let Some(summary) = summaries.get(&row.message) else { continue };
            let head = Head::new(summary);
            match self.test(number, row, &head, None) {
                Some(true) => found.push(number),
                Some(false) => {}
                None => undecided.push((number, row, head)),
            }
            tokio::task::yield_now().await;
        }
        self.read(&undecided, found).await
    }

    /// Decides by the octets of the messages: the headers of all at once, then body by body.
    async fn read(&self, undecided: &[(u32, &Row, Head<'_>)], found: &mut Vec<u32>) -> Result<(), Failure> {
        let span = |head: &Head<'_>| {
            let header = head.summary().root.header;
            Span { len: header.len.min(LONGEST_HEADER), ..header }
        };
        let lengths: Vec<u64> = undecided.iter().map(|(_, _, head)| span(head).len).collect();
        for group in batches_within(&lengths, HEADERS) {
            let group = &undecided[group];
            let wanted: Vec<_> = group.iter().map(|(_, row, head)| (row.message, span(head))).collect();
            let headers = read_spans(self.store, &wanted).await?;
            for ((number, row, head), header) in group.iter().zip(&headers) {
                let mut words = Words::of_header(header_fields(header));
                let mut decided = self.test(*number, row, head, Some(&words));
                if decided.is_none() && self.key.reads() == Reads::Body {
                    words.body = Some(self.body(row, head.summary()).await?);
                    decided = self.test(*number, row, head, Some(&words));
                }
                if decided == Some(true) {
                    found.push(*number);
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// The words of a body, text part by text part.
    async fn body(&self, row: &Row, summary: &Summary) -> Result<Vec<String>, Failure> {
        let mut left = LONGEST_TEXT;
        let mut texts = Vec::new();
        for source in body_sources(summary) {
            let span = Span { len: source.span().len.min(left), ..source.span() };
            left -= span.len;
            for octets in read_spans(self.store, &[(row.message, span)]).await? {
                texts.push(source.read(&octets));
            }
        }
        Ok(texts)
    }

    fn test(&self, number: u32, row: &Row, head: &Head<'_>, words: Option<&Words>) -> Option<bool> {
        self.key.test(Material { view: self.view, number, row, head: Some(head), words })
    }
}

/// `[RFC3501 7.2.5]`
async fn answer(wire: &mut Wire, view: &View, found: &[u32], uid: bool) -> Result<(), Failure> {
    text(&mut wire.out, "* SEARCH");
    for found in found {
        let n = if uid { view.row(*found).map_or(0, |row| row.uid) } else { *found };
        wire.out.push(b' ');
        number(&mut wire.out, u64::from(n));
        wire.flush_if_full().await?;
    }
    text(&mut wire.out, "\r\n");
    Ok(())
}

fn unsearchable(why: Unsearchable) -> Failure {
    match why {
        Unsearchable::Charset => Failure::No("[BADCHARSET (US-ASCII UTF-8 ISO-8859-1)] Unknown charset".into()),
        Unsearchable::Numbers => Failure::Bad("There are no such messages"),
        Unsearchable::Key => Failure::Bad("This search key is not offered"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_search_without_end_is_ended() {
        let endless = async {
            let mut pace = Pace::default();
            loop {
                pace.row().await;
            }
        };
        let result: Result<(), Failure> = within(Duration::ZERO, endless).await;
        assert!(matches!(result, Err(Failure::No(text)) if text.starts_with("[LIMIT]")));
    }
}
