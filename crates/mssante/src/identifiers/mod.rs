//! National identifiers of people, structures and patients, as types that cannot hold nonsense.
//!
//! Where the rule of the key is known, a number with a wrong key is no identifier. Where it is not
//! confirmed by a public text (RPPS, ADELI), the number exists and its key may be doubtful: what
//! follows from that is a setting, see [`KeyPolicy`].

mod ins;
mod key;
mod person;
mod structure;

use std::fmt;

pub use ins::{AssignedIns, Ins, InsOid};
pub use key::{KeyCheck, KeyPolicy, luhn};
pub use person::{Adeli, OtherPerson, PersonId, Rpps};
pub use structure::{Finess, OtherStructure, Siren, Siret, StructureId};
use thiserror::Error;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdentifierError {
    /// Not the number and kind of characters that the identifier has.
    #[error("{0}")]
    Shape(&'static str),
    /// The check digit does not fit.
    #[error("the key of {0} is wrong: a digit is missing or mistyped")]
    Key(String),
}

/// `N` characters of ASCII, kept in place: a million of them cost no allocation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Ascii<const N: usize>([u8; N]);

impl<const N: usize> Ascii<N> {
    /// These octets if there are `N` of them and `fits` says of each, with its place from 0, that it may stand there.
    fn of(text: &str, fits: impl Fn(usize, u8) -> bool) -> Option<Self> {
        let octets: [u8; N] = text.as_bytes().try_into().ok()?;
        octets.iter().enumerate().all(|(place, &b)| b.is_ascii() && fits(place, b)).then_some(Self(octets))
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("ASCII is UTF-8")
    }
}

impl<const N: usize> fmt::Debug for Ascii<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

fn is_digit(_place: usize, b: u8) -> bool {
    b.is_ascii_digit()
}

/// Digits, of which the second may be the A or B of Corsica.
fn is_digit_or_corsica(place: usize, b: u8) -> bool {
    b.is_ascii_digit() || (place == 1 && matches!(b, b'A' | b'B'))
}

/// Reading and writing as text, also for serde.
macro_rules! text_form {
    ($id:ty) => {
        impl TryFrom<String> for $id {
            type Error = IdentifierError;

            fn try_from(text: String) -> Result<Self, IdentifierError> {
                text.parse()
            }
        }

        impl From<$id> for String {
            fn from(id: $id) -> Self {
                id.to_string()
            }
        }
    };
}

/// The text of an identifier that is kept as [`Ascii`].
macro_rules! as_text {
    ($id:ty) => {
        impl $id {
            /// Its characters.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl std::fmt::Display for $id {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
use {as_text, text_form};
