//! SEARCH over the open folder: first the view, then summaries, then octets, each only for the
//! messages that are still undecided. `[RFC3501 6.4.4]`

use imap_types::core::Charset;
use imap_types::search::SearchKey;
use message::{Span, Summary};
use store::Store;

use super::batch::{batches, batches_within};
use super::fetch::read_spans;
use super::state::Selected;
use crate::render::{number, text};
use crate::reply::{Done, Failure};
use crate::search::text::{body_sources, header_fields};
use crate::search::{Frame, Key, Material, Reads, Unsearchable, Words, compile};
use crate::view::{Row, View};
use crate::wire::Wire;

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
    let mut found = Vec::new();
    let mut undecided = Vec::new();
    for (number, row) in view.rows() {
        match key.test(Material { view, number, row, summary: None, words: None }) {
            Some(true) => found.push(number),
            Some(false) => {}
            None => undecided.push(number),
        }
    }
    let sizes: Vec<u64> = undecided.iter().map(|number| view.row(*number).map_or(0, |row| row.size)).collect();
    for batch in batches(&sizes) {
        Search { store, view, key: &key }.batch(&undecided[batch], &mut found).await?;
    }
    found.sort_unstable();
    answer(wire, view, &found, uid).await?;
    Ok(Done::text("SEARCH completed"))
}

struct Search<'a> {
    store: &'a Store,
    view: &'a View,
    key: &'a Key,
}

impl Search<'_> {
    /// Decides on messages that the view alone does not decide on. Those that are gone are not found.
    async fn batch(&self, numbers: &[u32], found: &mut Vec<u32>) -> Result<(), Failure> {
        let rows: Vec<(u32, &Row)> =
            numbers.iter().filter_map(|number| self.view.row(*number).map(|row| (*number, row))).collect();
        let messages: Vec<_> = rows.iter().map(|(_, row)| row.message).collect();
        let summaries = self.store.summaries(&messages).await?;
        let mut undecided = Vec::new();
        for (number, row) in rows {
            let Some(summary) = summaries.get(&row.message) else { continue };
            match self.test(number, row, summary, None) {
                Some(true) => found.push(number),
                Some(false) => {}
                None => undecided.push((number, row, summary)),
            }
        }
        self.read(&undecided, found).await
    }

    /// Decides by the octets of the messages: the headers of all at once, then body by body.
    async fn read(&self, undecided: &[(u32, &Row, &Summary)], found: &mut Vec<u32>) -> Result<(), Failure> {
        let head = |summary: &Summary| Span { len: summary.root.header.len.min(LONGEST_HEADER), ..summary.root.header };
        let lengths: Vec<u64> = undecided.iter().map(|(_, _, summary)| head(summary).len).collect();
        for group in batches_within(&lengths, HEADERS) {
            let group = &undecided[group];
            let wanted: Vec<_> = group.iter().map(|(_, row, summary)| (row.message, head(summary))).collect();
            let headers = read_spans(self.store, &wanted).await?;
            for ((number, row, summary), header) in group.iter().zip(&headers) {
                let mut words = Words { header: header_fields(header), body: None };
                let mut decided = self.test(*number, row, summary, Some(&words));
                if decided.is_none() && self.key.reads() == Reads::Body {
                    words.body = Some(self.body(row, summary).await?);
                    decided = self.test(*number, row, summary, Some(&words));
                }
                if decided == Some(true) {
                    found.push(*number);
                }
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

    fn test(&self, number: u32, row: &Row, summary: &Summary, words: Option<&Words>) -> Option<bool> {
        self.key.test(Material { view: self.view, number, row, summary: Some(summary), words })
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
