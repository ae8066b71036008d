//! What a word of a query reaches: values of fields, and through them BALs.

use std::ops::ControlFlow;

use super::super::texts::at;
use super::super::vocabulary::{Field, Occurrence};
use super::index::Index;
use super::words::{Fit, Mistakes, Word};

/// Values that a word may reach; words that reach more (beginnings of two letters) reach the best of them.
const MOST_VALUES: usize = 400_000;

/// What a word reaches.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// By field, how well each value fits: 0, or one more than the number of the fit. Empty if no value does.
    fits: [Vec<u8>; 8],
    /// The values, the best fits first.
    values: Vec<Occurrence>,
    /// About how many BALs these are.
    bals: usize,
}

impl Reach {
    /// Of a word that must be found.
    pub(super) fn of(word: &Word, mistakes: Mistakes, index: &Index<'_>) -> Self {
        let mut reach = Self::default();
        word.each(index.vocabulary, mistakes, &mut |occurrence, fit| reach.take(occurrence, fit, index));
        reach
    }

    /// Of a word that may be missing.
    pub(super) fn of_whole(word: &Word, index: &Index<'_>) -> Self {
        let mut reach = Self::default();
        word.each_whole(index.vocabulary, &mut |occurrence, fit| reach.take(occurrence, fit, index));
        reach
    }

    fn take(&mut self, occurrence: Occurrence, fit: Fit, index: &Index<'_>) {
        let Some(field) = occurrence.field().filter(|_| self.values.len() < MOST_VALUES) else { return };
        let fits = &mut self.fits[field as usize];
        if fits.is_empty() {
            *fits = vec![0; index.tables.values_of(field)];
        }
        match fits.get_mut(at(occurrence.value())) {
            Some(known @ 0) => *known = fit as u8 + 1,
            _ => return,
        }
        self.bals += index.bals_of(field, occurrence.value());
        self.values.push(occurrence);
    }

    pub(super) fn fit(&self, field: Field, value: u32) -> Option<Fit> {
        let found = *self.fits[field as usize].get(at(value))?;
        Fit::ALL.get(usize::from(found).checked_sub(1)?).copied()
    }

    pub(super) fn has(&self, field: Field) -> bool {
        !self.fits[field as usize].is_empty()
    }

    pub(super) fn bals(&self) -> usize {
        self.bals
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Visits the BALs, some perhaps more than once.
    pub(super) fn each_bal(&self, index: &Index<'_>, visit: &mut dyn FnMut(u32) -> ControlFlow<()>) {
        for occurrence in &self.values {
            if let Some(field) = occurrence.field()
                && index.each_bal_of(field, occurrence.value(), visit).is_break()
            {
                return;
            }
        }
    }
}
