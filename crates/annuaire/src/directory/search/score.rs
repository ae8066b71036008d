//! How well a BAL fits a whole query.

use super::super::tables::Row;
use super::super::texts::at;
use super::super::vocabulary::Field;
use super::index::Index;
use super::reach::Reach;
use super::words::Fit;

/// What a word is worth, by where it is found.
fn weight(field: Field) -> u32 {
    match field {
        Field::Family => 10,
        Field::Given => 7,
        Field::Service | Field::Structure | Field::Place => 6,
        Field::Trade => 4,
        Field::Local => 3,
        Field::Domain => 2,
    }
}

/// What a word is worth, by how well it fits.
fn worth(fit: Fit) -> u32 {
    match fit {
        Fit::Whole => 12,
        Fit::NearlyWhole => 9,
        Fit::Beginning => 8,
        Fit::OneMistake => 5,
        Fit::TwoMistakes => 3,
    }
}

/// For two words of the query, one behind the other, that are found in the same field: `saint etienne`.
const TOGETHER: u32 = 36;
/// For each word that might have been missing.
const OPTIONAL: u32 = 6;

/// The words of a query with all that they reach.
#[derive(Debug)]
pub(super) struct Reaches {
    pub(super) required: Vec<Reach>,
    pub(super) optional: Vec<Reach>,
}

/// How well a BAL fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Score {
    pub(super) points: u32,
    /// The worst fit of a word.
    pub(super) fit: Fit,
}

/// How well a word fits a BAL.
#[derive(Debug, Clone, Copy)]
struct Match {
    points: u32,
    fit: Fit,
    field: Field,
}

impl Reaches {
    /// None if a word is not found.
    pub(super) fn score(&self, bal: u32, index: &Index<'_>) -> Option<Score> {
        let row = index.tables.rows.get(at(bal))?;
        let mut score = Score { points: 0, fit: Fit::Whole };
        let mut before = None;
        for reach in &self.required {
            let found = best(reach, bal, row, index)?;
            score.points += found.points;
            score.fit = score.fit.min(found.fit);
            if before == Some(found.field) {
                score.points += TOGETHER;
            }
            before = Some(found.field);
        }
        for reach in &self.optional {
            if best(reach, bal, row, index).is_some() {
                score.points += OPTIONAL;
            }
        }
        Some(score)
    }
}

/// Where a word fits a BAL best.
fn best(reach: &Reach, bal: u32, row: &Row, index: &Index<'_>) -> Option<Match> {
    let mut best: Option<Match> = None;
    let mut offer = |field: Field, value: u32| {
        if let Some(fit) = reach.fit(field, value) {
            let points = weight(field) * worth(fit);
            if best.is_none_or(|known| known.points < points) {
                best = Some(Match { points, fit, field });
            }
        }
    };
    offer(Field::Family, row.family);
    offer(Field::Given, row.given);
    offer(Field::Service, row.service);
    offer(Field::Domain, row.domain);
    offer(Field::Local, bal);
    let own = std::iter::once((row.trade, row.structure));
    let others = index.links.others(bal).iter().map(|other| (other.trade, other.structure));
    for (trade, structure) in own.chain(others) {
        offer(Field::Trade, trade);
        offer(Field::Structure, structure);
        if reach.has(Field::Place)
            && let Some(place) = index.place_of(structure)
        {
            offer(Field::Place, place);
        }
    }
    best
}
