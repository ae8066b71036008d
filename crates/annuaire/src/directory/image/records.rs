//! Rows as numbers of four octets.

use super::super::tables::{Double, PersonCode, Practice, Row};

/// A row of an image.
pub(super) trait Record<const N: usize>: Copy {
    /// Its numbers, in the order of the image.
    fn to_numbers(self) -> [u32; N];
    /// The row again.
    fn from_numbers(numbers: [u32; N]) -> Self;
}

impl<const N: usize> Record<N> for [u32; N] {
    fn to_numbers(self) -> [u32; N] {
        self
    }

    fn from_numbers(numbers: [u32; N]) -> Self {
        numbers
    }
}

impl Record<1> for u32 {
    fn to_numbers(self) -> [u32; 1] {
        [self]
    }

    fn from_numbers([number]: [u32; 1]) -> Self {
        number
    }
}

impl Record<10> for Row {
    fn to_numbers(self) -> [u32; 10] {
        let [high, low] = halves(self.person);
        let Self { domain, flags, family, given, trade, structure, service, carrier, .. } = self;
        [domain, flags, high, low, family, given, trade, structure, service, carrier]
    }

    fn from_numbers([domain, flags, high, low, family, given, trade, structure, service, carrier]: [u32; 10]) -> Self {
        Self { domain, flags, person: whole(high, low), family, given, trade, structure, service, carrier }
    }
}

impl Record<10> for Double {
    fn to_numbers(self) -> [u32; 10] {
        let [high, low] = halves(self.person);
        let Self { row, flags, family, given, trade, structure, service, carrier, .. } = self;
        [row, flags, high, low, family, given, trade, structure, service, carrier]
    }

    fn from_numbers([row, flags, high, low, family, given, trade, structure, service, carrier]: [u32; 10]) -> Self {
        Self { row, flags, person: whole(high, low), family, given, trade, structure, service, carrier }
    }
}

impl Record<4> for Practice {
    fn to_numbers(self) -> [u32; 4] {
        let [high, low] = halves(self.person);
        [high, low, self.trade, self.structure]
    }

    fn from_numbers([high, low, trade, structure]: [u32; 4]) -> Self {
        Self { person: whole(high, low), trade, structure }
    }
}

fn halves(PersonCode(code): PersonCode) -> [u32; 2] {
    let half = |value: u64| u32::try_from(value & u64::from(u32::MAX)).unwrap_or_default();
    [half(code >> 32), half(code)]
}

fn whole(high: u32, low: u32) -> PersonCode {
    PersonCode(u64::from(high) << 32 | u64::from(low))
}
