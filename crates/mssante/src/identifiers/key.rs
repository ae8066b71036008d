//! Check digits, and what follows from a doubtful one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{IdentifierError, PersonId, StructureId};
use crate::UnknownWord;

/// Whether the digits of `text` satisfy the Luhn formula; the letters A and B of
/// Corsica count as 1 and 2.
pub fn luhn(text: &str) -> bool {
    let mut sum = 0;
    for (place, b) in text.bytes().rev().enumerate() {
        let value = match b {
            b'A' => 1,
            b'B' => 2,
            b'0'..=b'9' => u32::from(b - b'0'),
            _ => return false,
        };
        sum += if place % 2 == 0 { value } else { value * 2 / 10 + value * 2 % 10 };
    }
    !text.is_empty() && sum % 10 == 0
}

/// What the key of an identifier says whose rule is not confirmed by a public text. `[MSS1 ID.KEYS]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyCheck {
    /// It fits the formula.
    Fits,
    /// It does not: mistyped, or the formula is not the right one.
    Doubtful,
    /// It has no key that we know of.
    None,
}

/// What follows from a doubtful key. `[MSS1 ID.KEYS]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyPolicy {
    /// The identifier is taken, whoever wrote it is told.
    #[default]
    Warn,
    /// It is refused.
    Refuse,
}

impl KeyPolicy {
    /// Applies the policy to a person's identifier; with `Warn`, what comes back says whether to warn.
    pub fn judge(self, person: &PersonId) -> Result<KeyCheck, IdentifierError> {
        self.follow(person.key_check(), person)
    }

    /// The same for a structure's.
    pub fn judge_structure(self, structure: &StructureId) -> Result<KeyCheck, IdentifierError> {
        self.follow(structure.key_check(), structure)
    }

    fn follow(self, check: KeyCheck, id: &impl fmt::Display) -> Result<KeyCheck, IdentifierError> {
        match (self, check) {
            (Self::Refuse, KeyCheck::Doubtful) => Err(IdentifierError::Key(id.to_string())),
            (_, check) => Ok(check),
        }
    }

    /// The word of the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Refuse => "refuse",
        }
    }
}

impl fmt::Display for KeyPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for KeyPolicy {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        [Self::Warn, Self::Refuse]
            .into_iter()
            .find(|policy| policy.word() == word)
            .ok_or_else(|| UnknownWord { word: word.to_owned(), expected: "warn, refuse" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubtful_key_is_a_warning_or_a_refusal_as_the_policy_says() {
        let good: PersonId = "810001234565".parse().unwrap();
        let doubtful: PersonId = "810001234567".parse().unwrap();
        let keyless: PersonId = "ANS20231015103417".parse().unwrap();
        assert_eq!(KeyPolicy::Warn.judge(&doubtful), Ok(KeyCheck::Doubtful));
        assert_eq!(KeyPolicy::Refuse.judge(&doubtful), Err(IdentifierError::Key("810001234567".into())));
        assert_eq!(KeyPolicy::Refuse.judge(&good), Ok(KeyCheck::Fits));
        assert_eq!(KeyPolicy::Refuse.judge(&keyless), Ok(KeyCheck::None));
        let corsican: StructureId = "12A0000010".parse().unwrap();
        assert_eq!(KeyPolicy::Warn.judge_structure(&corsican), Ok(KeyCheck::Doubtful));
        assert_eq!(KeyPolicy::Refuse.judge_structure(&corsican), Err(IdentifierError::Key("12A0000010".into())));
    }

    #[test]
    fn policies_read_back_from_their_words() {
        for policy in [KeyPolicy::Warn, KeyPolicy::Refuse] {
            assert_eq!(policy.to_string().parse::<KeyPolicy>(), Ok(policy));
        }
        assert!("Warn".parse::<KeyPolicy>().is_err());
    }

    #[test]
    fn only_digits_and_the_letters_of_corsica_have_a_luhn_sum() {
        assert!(luhn("0") && luhn("79927398713") && luhn("0B0078671"));
        assert!(!luhn("") && !luhn("79927398710") && !luhn("0C0078671") && !luhn("é"));
    }
}
