//! What a word of a query is worth, by where it is found and how well it fits.

use super::super::vocabulary::Field;
use super::words::Fit;

/// What a word is worth, by where it is found.
const fn weight(field: Field) -> u8 {
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
const fn worth(fit: Fit) -> u8 {
    match fit {
        Fit::Whole => 12,
        Fit::NearlyWhole => 9,
        Fit::Beginning => 8,
        Fit::OneMistake => 5,
        Fit::TwoMistakes => 3,
    }
}

/// For two words of the query, one behind the other, that are found in the same field.
pub(super) const TOGETHER: u32 = 36;
/// For two words of the query, one behind the other, that stand so in a value: `saint etienne`. In the name of a town or a
/// structure, which is worth less than that of a person, this is more than any two words in two fields, but for the two
/// names of a person.
pub(super) const PHRASE: u32 = 56;
/// For each word that might have been missing.
pub(super) const OPTIONAL: u32 = 6;

/// How a word is found in a BAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) field: Field,
    pub(super) fit: Fit,
}

impl Match {
    fn points(self) -> u8 {
        weight(self.field) * worth(self.fit)
    }
}

/// All matches from the worst to the best, so that each is told by one octet and the greater octet is the better match;
/// 0 is none. Mistyped words come before all others, whatever they are worth.
#[derive(Debug)]
pub(super) struct Grades {
    matches: Vec<Match>,
    /// What each grade is worth.
    points: [u8; 256],
    /// The field of each grade.
    fields: [u8; 256],
    /// Grades up to this one are of mistyped words.
    mistyped: u8,
    of_match: [[u8; Fit::ALL.len()]; Field::ALL.len()],
}

impl Grades {
    pub(super) fn new() -> Self {
        let all = |field: Field| Fit::ALL.into_iter().map(move |fit| Match { field, fit });
        let mut matches: Vec<Match> = Field::ALL.into_iter().flat_map(all).collect();
        matches.sort_by_key(|one| (!one.fit.is_mistyped(), one.points()));
        let mut of_match = [[0; Fit::ALL.len()]; Field::ALL.len()];
        for (one, grade) in matches.iter().zip(1..) {
            of_match[one.field as usize][one.fit as usize] = grade;
        }
        let mistyped = matches.iter().zip(1..).filter(|(one, _)| one.fit.is_mistyped()).map(|(_, grade)| grade).max();
        let (mut points, mut fields) = ([0; 256], [u8::MAX; 256]);
        for (one, grade) in matches.iter().zip(1..) {
            (points[grade], fields[grade]) = (one.points(), one.field as u8);
        }
        Self { matches, points, fields, mistyped: mistyped.unwrap_or(0), of_match }
    }

    pub(super) fn grade(&self, field: Field, fit: Fit) -> u8 {
        self.of_match[field as usize][fit as usize]
    }

    /// What a grade is worth.
    pub(super) fn points(&self, grade: u8) -> u32 {
        u32::from(self.points[usize::from(grade)])
    }

    /// Whether two words were found in the same field.
    pub(super) fn are_together(&self, a: u8, b: u8) -> bool {
        a != 0 && self.fields[usize::from(a)] == self.fields[usize::from(b)]
    }

    pub(super) fn is_mistyped(&self, grade: u8) -> bool {
        grade <= self.mistyped
    }

    /// The match of a grade that is not 0.
    pub(super) fn of(&self, grade: u8) -> Option<Match> {
        self.matches.get(usize::from(grade).checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_town_together_are_worth_more_than_the_same_words_here_and_there() {
        let grades = Grades::new();
        let points = |field| grades.points(grades.grade(field, Fit::Whole));
        let together = points(Field::Place) * 2 + PHRASE;
        for first in Field::ALL {
            for second in Field::ALL.into_iter().filter(|second| *second != first) {
                let is_a_name = [first, second].iter().all(|field| matches!(field, Field::Family | Field::Given));
                assert_eq!(points(first) + points(second) > together, is_a_name, "{first:?} {second:?}");
            }
        }
    }

    #[test]
    fn better_matches_have_greater_grades() {
        let grades = Grades::new();
        let grade = |field, fit| grades.grade(field, fit);
        assert!(grade(Field::Family, Fit::Whole) > grade(Field::Given, Fit::Whole));
        assert!(grade(Field::Family, Fit::Whole) > grade(Field::Family, Fit::Beginning));
        assert!(grade(Field::Domain, Fit::Beginning) > grade(Field::Family, Fit::OneMistake));
        for field in Field::ALL {
            for fit in Fit::ALL {
                assert_eq!(grades.of(grade(field, fit)), Some(Match { field, fit }));
            }
        }
        assert_eq!(grades.of(0), None);
    }
}
