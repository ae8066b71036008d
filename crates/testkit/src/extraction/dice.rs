//! Numbers that depend on a seed, a thing and a purpose only, so that every line can be made without those before it.

/// A sequence of numbers (`SplitMix64`).
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64, purpose: u64, thing: u64) -> Self {
        let mut dice = Self(seed ^ purpose.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        dice.0 = dice.roll() ^ thing;
        dice.roll();
        dice
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit.max(1)
    }

    /// The same as a place in a slice.
    pub(super) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("less than a length")
    }

    pub(super) fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.place(of.len())]
    }
}

/// Things of which some come more often.
#[derive(Debug)]
pub(super) struct Weighted {
    sums: Vec<u64>,
}

impl Weighted {
    pub(super) fn new(weights: impl Iterator<Item = u64>) -> Self {
        let sums = weights
            .scan(0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        Self { sums }
    }

    pub(super) fn pick(&self, dice: &mut Dice) -> usize {
        let at = dice.below(self.sums.last().copied().unwrap_or(1));
        self.sums.partition_point(|&sum| sum <= at)
    }
}

/// Appends the digit that makes the Luhn sum of `digits` right; the letters of Corsica count as 1 and 2.
pub(super) fn add_luhn_key(digits: &mut String) {
    let mut sum = 0;
    for (place, b) in digits.bytes().rev().enumerate() {
        let value = match b {
            b'A' => 1,
            b'B' => 2,
            _ => u32::from(b - b'0'),
        };
        sum += if place % 2 == 1 { value } else { value * 2 / 10 + value * 2 % 10 };
    }
    digits.push(char::from_digit((10 - sum % 10) % 10, 10).expect("less than 10"));
}
