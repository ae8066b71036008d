//! A summary as octets: a version, then the parts in the order of the message, each followed
//! by what it holds. Written part by part so that reading needs no recursion without bound.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::scanner::MAX_DEPTH;
use crate::{Content, Envelope, Part, Span, Summary};

/// Changes with the shape of the types below and of [`Part`] and [`Envelope`].
const VERSION: u8 = 2;
/// Without `says_all`, otherwise the same.
const VERSION_1: u8 = 1;

/// Why octets are not a summary. Either way they were not written by this release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SummaryError {
    /// Another release wrote them, or nobody did.
    #[error("summary version {0:?} is not known to this release")]
    Version(Option<u8>),
    /// They do not hold what the version says.
    #[error("the stored summary is damaged")]
    Damaged,
}

/// What comes before the parts.
#[derive(Debug, Serialize, Deserialize)]
struct Opening {
    size: u64,
    sent_at: Option<i64>,
    envelope: Envelope,
}

/// What comes behind a part, before the parts in it.
#[derive(Debug, Serialize, Deserialize)]
enum Inside {
    Leaf,
    /// So many parts follow.
    Multipart(u32),
    /// One part follows: the message.
    Message(Box<Envelope>),
}

impl Summary {
    /// The summary as octets that [`Summary::from_bytes`] reads back.
    pub fn to_bytes(&self) -> Vec<u8> {
        let opening = Opening { size: self.size, sent_at: self.sent_at, envelope: self.envelope.clone() };
        let mut bytes = write(write(vec![VERSION], &opening), &self.says_all);
        let mut pending = vec![&self.root];
        while let Some(part) = pending.pop() {
            bytes = write(bytes, part);
            let inside = match &part.content {
                Content::Leaf => Inside::Leaf,
                Content::Multipart(parts) => {
                    pending.extend(parts.iter().rev());
                    Inside::Multipart(u32::try_from(parts.len()).unwrap_or(u32::MAX))
                }
                Content::Message { envelope, root } => {
                    pending.push(root);
                    Inside::Message(envelope.clone())
                }
            };
            bytes = write(bytes, &inside);
        }
        bytes
    }

    /// Reads what [`Summary::to_bytes`] wrote. What it returns keeps the promises of
    /// [`Part`], and its spans lie within the message.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SummaryError> {
        let Some((&version @ (VERSION | VERSION_1), mut rest)) = bytes.split_first() else {
            return Err(SummaryError::Version(bytes.first().copied()));
        };
        let Opening { size, sent_at, envelope } = read(&mut rest)?;
        let says_all = version == VERSION && read(&mut rest)?;
        let root = read_part(&mut rest, size, MAX_DEPTH)?;
        if !rest.is_empty() {
            return Err(SummaryError::Damaged);
        }
        Ok(Self { size, root, envelope, sent_at, says_all })
    }
}

fn write(bytes: Vec<u8>, value: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(value, bytes).expect("strings, numbers and lists always have an encoding")
}

fn read<T: DeserializeOwned>(rest: &mut &[u8]) -> Result<T, SummaryError> {
    let (value, behind) = postcard::take_from_bytes(rest).map_err(|_| SummaryError::Damaged)?;
    *rest = behind;
    Ok(value)
}

/// Reads a part and what is in it; recursion ends with `depth`.
fn read_part(rest: &mut &[u8], size: u64, depth: usize) -> Result<Part, SummaryError> {
    let mut part: Part = read(rest)?;
    let deeper = depth.checked_sub(1).ok_or(SummaryError::Damaged)?;
    part.content = match read(rest)? {
        Inside::Leaf => Content::Leaf,
        Inside::Multipart(0) => return Err(SummaryError::Damaged),
        Inside::Multipart(count) => {
            // no capacity from a number that may be a lie
            let mut parts = Vec::new();
            for _ in 0..count {
                parts.push(read_part(rest, size, deeper)?);
            }
            Content::Multipart(parts)
        }
        Inside::Message(envelope) => Content::Message { envelope, root: Box::new(read_part(rest, size, deeper)?) },
    };
    let within = |span: Span| span.start.checked_add(span.len).is_some_and(|end| end <= size);
    let sound = within(part.header) && within(part.body) && content_fits_type(&part);
    sound.then_some(part).ok_or(SummaryError::Damaged)
}

fn content_fits_type(part: &Part) -> bool {
    match part.content {
        Content::Leaf => part.media_type != "multipart" && !part.is_message(),
        Content::Multipart(_) => part.media_type == "multipart",
        Content::Message { .. } => part.is_message(),
    }
}
