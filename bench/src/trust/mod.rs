//! The trust space alone, without a server: what its list and its checks of certificates cost.

mod corpus;
mod cpu;
mod handshake;
mod list;
mod pair;
mod resumption;

use anyhow::Result;

use crate::figure::Figure;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Micro {
    ListRead,
    Lookup,
    Handshake,
    Resumption,
}

impl Micro {
    const ALL: [Self; 4] = [Self::ListRead, Self::Lookup, Self::Handshake, Self::Resumption];

    /// Shown, and selected by.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ListRead => "trust-list-read",
            Self::Lookup => "trust-lookup",
            Self::Handshake => "hop-handshake",
            Self::Resumption => "hop-resumption",
        }
    }

    /// Measures, in this thread.
    pub(crate) fn run(self) -> Result<Vec<Figure>> {
        match self {
            Self::ListRead => list::read(self.name()),
            Self::Lookup => list::look_up(self.name()),
            Self::Handshake => handshake::measure(self.name()),
            Self::Resumption => resumption::measure(self.name()),
        }
    }
}

/// The cases whose names contain one of `words`, all of them for the word `trust` or without any.
pub(crate) fn select(words: &[String]) -> Vec<Micro> {
    let wanted = |micro: &Micro| {
        words.is_empty() || words.iter().any(|word| word == "trust" || micro.name().contains(word.as_str()))
    };
    Micro::ALL.into_iter().filter(wanted).collect()
}
