//! How far a word is from another in typing mistakes: a letter too many, too few, wrong, or two exchanged.

/// Number of mistakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Distance {
    One,
    Two,
}

impl Distance {
    /// How many mistakes a word of this many octets may have; words with digits (postcodes) none.
    pub(super) fn allowed(word: &str) -> Option<Self> {
        let letters = !word.bytes().any(|b| b.is_ascii_digit());
        match word.len() {
            4..=7 if letters => Some(Self::One),
            8.. if letters => Some(Self::Two),
            _ => None,
        }
    }

    pub(super) fn edits(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    fn of(edits: usize) -> Option<Self> {
        match edits {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            _ => None,
        }
    }
}

/// The set of octets that a word has, folded to 32 bits.
pub(super) fn letters(word: &str) -> u32 {
    word.bytes().fold(0, |set, b| set | 1 << (b & 31))
}

/// A word to compare others with.
pub(super) struct Pattern {
    /// In which places each octet stands.
    places: [u64; 256],
    letters: u32,
    last: u64,
    length: usize,
}

impl Pattern {
    /// At most 64 octets count.
    pub(super) fn new(word: &str) -> Self {
        let mut places = [0; 256];
        for (place, octet) in word.bytes().take(64).enumerate() {
            places[usize::from(octet)] |= 1 << place;
        }
        let length = word.len().min(64);
        Self { places, letters: letters(word), last: 1_u64.checked_shl(shift(length)).unwrap_or(0), length }
    }

    /// Whether a word of these letters can be near: each mistake brings or takes one letter at most.
    pub(super) fn may_be(&self, letters: u32, distance: Distance) -> bool {
        few(self.letters & !letters, distance) && few(letters & !self.letters, distance)
    }

    /// How far `word` is, if that is 1 to `most`: the bit-parallel algorithm of Myers with Hyyrö's exchange of neighbours
    /// (optimal string alignment).
    pub(super) fn distance(&self, word: &str, most: Distance) -> Option<Distance> {
        let (mut plus, mut minus, mut diagonal, mut before) = (u64::MAX, 0_u64, 0_u64, 0_u64);
        let mut edits = self.length;
        for octet in word.bytes() {
            let here = self.places[usize::from(octet)];
            let exchanged = (!diagonal & here) << 1 & before;
            diagonal = ((here & plus).wrapping_add(plus) ^ plus) | here | minus | exchanged;
            let rises = minus | !(diagonal | plus);
            let falls = diagonal & plus;
            edits = edits + usize::from(rises & self.last != 0) - usize::from(falls & self.last != 0);
            let rises = rises << 1 | 1;
            plus = falls << 1 | !(diagonal | rises);
            minus = rises & diagonal;
            before = here;
        }
        Distance::of(edits).filter(|found| *found <= most)
    }
}

/// Where the last octet of a pattern stands.
fn shift(length: usize) -> u32 {
    u32::try_from(length).ok().and_then(|length| length.checked_sub(1)).unwrap_or(64)
}

/// Whether at most so many bits are set, without counting them: the usual processor has no instruction for it.
fn few(bits: u32, distance: Distance) -> bool {
    let less = bits & bits.wrapping_sub(1);
    match distance {
        Distance::One => less == 0,
        Distance::Two => less & less.wrapping_sub(1) == 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The textbook table.
    fn table(a: &[u8], b: &[u8]) -> usize {
        let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                rows[i][j] = match (i, j) {
                    (0, _) => j,
                    (_, 0) => i,
                    _ => {
                        let same = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                        let mut best = same.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                        if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                            best = best.min(rows[i - 2][j - 2] + 1);
                        }
                        best
                    }
                };
            }
        }
        rows[a.len()][b.len()]
    }

    #[test]
    fn short_words_and_numbers_have_no_mistakes() {
        assert_eq!(Distance::allowed("bal"), None);
        assert_eq!(Distance::allowed("93600"), None);
        assert_eq!(Distance::allowed("perin"), Some(Distance::One));
        assert_eq!(Distance::allowed("cardiologie"), Some(Distance::Two));
    }

    proptest! {
        #[test]
        fn distances_are_those_of_the_table(a in "[a-d]{1,12}", b in "[a-d]{0,12}") {
            let edits = table(a.as_bytes(), b.as_bytes());
            let pattern = Pattern::new(&a);
            prop_assert_eq!(pattern.distance(&b, Distance::Two).map(Distance::edits), (1..=2).contains(&edits).then_some(edits));
            if let Some(near) = Distance::of(edits) {
                prop_assert!(pattern.may_be(letters(&b), near), "the sieve lets near words through");
            }
        }
    }
}
