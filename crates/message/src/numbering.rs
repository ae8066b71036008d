//! Part numbers. `[RFC3501 6.4.5]`

use crate::{Content, Part};

impl Part {
    /// The part with this number (`[4, 2]` for `4.2`) in the message whose outermost part is
    /// `self`; no numbers name `self`. The parts of a multipart message are counted from 1; a
    /// message that is not multipart has itself as its only part; a message/rfc822 part
    /// has the parts of its message. `[RFC3501 6.4.5]`
    pub fn at(&self, path: &[u32]) -> Option<&Part> {
        let mut place = Place::Message(self);
        for &number in path {
            place = place.child(number)?;
        }
        Some(place.part())
    }
}

/// A part, and how the parts below it are counted.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    /// The outermost part of a message.
    Message(&'a Part),
    /// A part that has a number.
    Numbered(&'a Part),
}

impl<'a> Place<'a> {
    fn part(self) -> &'a Part {
        match self {
            Self::Message(part) | Self::Numbered(part) => part,
        }
    }

    fn child(self, number: u32) -> Option<Self> {
        match (self, &self.part().content) {
            (_, Content::Multipart(parts)) => {
                let index = usize::try_from(number).ok()?.checked_sub(1)?;
                parts.get(index).map(Place::Numbered)
            }
            (Self::Message(root), _) => (number == 1).then_some(Self::Numbered(root)),
            (Self::Numbered(_), Content::Message { root, .. }) => Self::Message(root).child(number),
            (Self::Numbered(_), Content::Leaf) => None,
        }
    }
}
