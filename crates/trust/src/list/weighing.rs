//! Whether a list that is well signed may replace the one in force.

use time::{Duration, OffsetDateTime};

use super::{ListChange, TrustList, TrustListError};
use crate::explain::moment;

/// Of the domains that stay, so many hundredths may get other names in one list. Operators take
/// over a thousand of 8,655 domains from each other in a day; half of France was never seen.
const MAX_TURNOVER: u8 = 50;

/// So few domains may always get other names: small lists are those of test spaces.
const SMALL_TURNOVER: usize = 20;

/// What a new list may not do without somebody's acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sanity {
    /// Lose more than so many hundredths of the domains in force.
    pub max_shrink: u8,
    /// How far its date may lie ahead of our clock.
    pub clock_tolerance: Duration,
}

/// What to do with a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weighed {
    /// It is the one in force.
    Same,
    /// It may replace the one in force.
    Take(ListChange),
    /// Only if a person says so.
    Acknowledge {
        /// What would change.
        change: ListChange,
        /// Why it is suspicious.
        why: String,
    },
}

/// Weighs a list against the one in force.
///
/// Suspicious is a list that loses too many domains (those that come do not make up for those
/// that go), one in which more than half of the domains that stay have none of their names left
/// (spelling aside; at least twenty), and one that has the date of the list in force and
/// another content.
pub fn weigh(
    candidate: &TrustList,
    in_force: Option<&TrustList>,
    sanity: &Sanity,
    now: OffsetDateTime,
) -> Result<Weighed, TrustListError> {
    if candidate.generated_at() - now > sanity.clock_tolerance {
        return Err(TrustListError::FromTheFuture(candidate.generated_at()));
    }
    let change = ListChange::between(in_force, candidate);
    let Some(old) = in_force else { return Ok(Weighed::Take(change)) };
    let (candidate_date, date) = (candidate.generated_at(), old.generated_at());
    if candidate_date < date {
        return Err(TrustListError::Older { candidate: candidate_date, in_force: date });
    }
    if candidate_date == date && change.is_empty() {
        return Ok(Weighed::Same);
    }
    let suspicion =
        [same_date(candidate_date, date), shrunk(&change, old, sanity), turned_over(&change, old, candidate)];
    Ok(match suspicion.into_iter().flatten().next() {
        Some(why) => Weighed::Acknowledge { change, why },
        None => Weighed::Take(change),
    })
}

fn same_date(candidate: OffsetDateTime, in_force: OffsetDateTime) -> Option<String> {
    let why = || format!("it has the date of the list in force, {}, and another content", moment(in_force));
    (candidate == in_force).then(why)
}

fn shrunk(change: &ListChange, old: &TrustList, sanity: &Sanity) -> Option<String> {
    let (lost, of) = (change.removed.len(), old.domain_count());
    exceeds(lost, of, sanity.max_shrink)
        .then(|| format!("it lacks {lost} of the {of} domains in force, more than {} %", sanity.max_shrink))
}

fn turned_over(change: &ListChange, old: &TrustList, new: &TrustList) -> Option<String> {
    let nothing_left = |renamed: &&super::Renamed| {
        let before = old.names_of(&renamed.domain);
        !new.names_of(&renamed.domain).iter().any(|name| before.iter().any(|old| old.key() == name.key()))
    };
    let turned = change.renamed.iter().filter(nothing_left).count();
    let stayed = old.domain_count() - change.removed.len();
    (turned > SMALL_TURNOVER && exceeds(turned, stayed, MAX_TURNOVER))
        .then(|| format!("{turned} of the {stayed} domains that stay have none of their names left"))
}

fn exceeds(part: usize, whole: usize, hundredths: u8) -> bool {
    part.saturating_mul(100) > whole.saturating_mul(hundredths.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;
    use crate::list::tests::{domain, list_of};

    const NOW: OffsetDateTime = datetime!(2026-11-03 08:00 UTC);
    const SANITY: Sanity = Sanity { max_shrink: 20, clock_tolerance: Duration::minutes(10) };

    /// A list of so many domains, all with the same name.
    fn list(count: usize, dn: &str) -> TrustList {
        let domains: Vec<_> = (0..count).map(|place| format!("d{place}.fr")).collect();
        list_of(&domains.iter().map(|domain| (domain.as_str(), dn)).collect::<Vec<_>>())
    }

    fn at(list: &TrustList, generated_at: OffsetDateTime) -> TrustList {
        TrustList { generated_at, ..list.clone() }
    }

    fn weigh_at_now(candidate: &TrustList, in_force: &TrustList) -> Weighed {
        weigh(&at(candidate, NOW), Some(&at(in_force, NOW - Duration::days(1))), &SANITY, NOW).unwrap()
    }

    fn suspicion(candidate: &TrustList, in_force: &TrustList) -> String {
        match weigh_at_now(candidate, in_force) {
            Weighed::Acknowledge { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_list_is_taken() {
        let taken = weigh(&at(&list(2, "CN=1"), NOW), None, &SANITY, NOW);
        assert!(matches!(taken, Ok(Weighed::Take(change)) if change.added == [domain("d0.fr"), domain("d1.fr")]));
    }

    #[test]
    fn a_list_of_the_same_date_and_content_is_the_same() {
        let list = at(&list(2, "CN=1"), NOW);
        assert_eq!(weigh(&list, Some(&list), &SANITY, NOW), Ok(Weighed::Same));
    }

    #[test]
    fn a_newer_list_without_a_change_is_taken() {
        let list = list(2, "CN=1");
        assert_eq!(weigh_at_now(&list, &list), Weighed::Take(ListChange::default()));
    }

    #[test]
    fn other_content_under_the_same_date_waits_for_a_person() {
        let weighed = weigh(&at(&list(3, "CN=1"), NOW), Some(&at(&list(2, "CN=1"), NOW)), &SANITY, NOW);
        assert!(matches!(weighed, Ok(Weighed::Acknowledge { why, .. }) if why.contains("date of the list in force")));
    }

    #[test]
    fn an_older_list_is_refused() {
        let older = at(&list(3, "CN=1"), NOW - Duration::seconds(1));
        let refused = TrustListError::Older { candidate: NOW - Duration::seconds(1), in_force: NOW };
        assert!(refused.to_string().ends_with(&moment(NOW)), "times are written in one form: {refused}");
        assert_eq!(weigh(&older, Some(&at(&list(3, "CN=1"), NOW)), &SANITY, NOW), Err(refused));
    }

    #[test]
    fn a_list_from_beyond_the_tolerance_is_refused_even_if_it_is_in_force() {
        let edge = at(&list(1, "CN=1"), NOW + SANITY.clock_tolerance);
        assert!(weigh(&edge, None, &SANITY, NOW).is_ok());
        let beyond = at(&edge, NOW + SANITY.clock_tolerance + Duration::seconds(1));
        let refused = Err(TrustListError::FromTheFuture(beyond.generated_at()));
        assert_eq!(weigh(&beyond, None, &SANITY, NOW), refused);
        assert_eq!(weigh(&beyond, Some(&beyond), &SANITY, NOW), refused);
    }

    #[test]
    fn a_list_that_lost_too_many_domains_waits_for_a_person() {
        assert!(matches!(weigh_at_now(&list(80, "CN=1"), &list(100, "CN=1")), Weighed::Take(_)));
        assert!(suspicion(&list(79, "CN=1"), &list(100, "CN=1")).contains("lacks 21 of the 100"));
    }

    #[test]
    fn domains_that_come_do_not_make_up_for_those_that_go() {
        let others: Vec<_> = (0..100).map(|place| format!("other{place}.fr")).collect();
        let others = list_of(&others.iter().map(|domain| (domain.as_str(), "CN=1")).collect::<Vec<_>>());
        assert!(suspicion(&others, &list(100, "CN=1")).contains("lacks 100 of the 100"));
    }

    /// 1,027 of about 8,655 domains went from one operator to another on a single day.
    #[test]
    fn the_migrations_of_a_day_are_taken_and_a_new_name_for_most_waits() {
        let old = list(100, "CN=1");
        let migrated = |count| {
            let entry = |place: usize| (format!("d{place}.fr"), if place < count { "CN=2" } else { "CN=1" });
            let entries: Vec<_> = (0..100).map(entry).collect();
            list_of(&entries.iter().map(|(domain, dn)| (domain.as_str(), *dn)).collect::<Vec<_>>())
        };
        assert!(matches!(weigh_at_now(&migrated(12), &old), Weighed::Take(_)));
        assert!(matches!(weigh_at_now(&migrated(50), &old), Weighed::Take(_)));
        assert!(suspicion(&migrated(51), &old).contains("51 of the 100"));
    }

    #[test]
    fn another_spelling_and_the_small_lists_of_test_spaces_are_not_suspicious() {
        assert!(matches!(weigh_at_now(&list(100, "CN=HOST,ST=x"), &list(100, "CN=host")), Weighed::Take(_)));
        assert!(matches!(weigh_at_now(&list(20, "CN=2"), &list(20, "CN=1")), Weighed::Take(_)));
    }

    fn any_list() -> impl Strategy<Value = TrustList> {
        let entries = prop::collection::vec(("[a-d]\\.fr", "CN=[abA]"), 0..8);
        (entries, any::<i32>()).prop_map(|(entries, seconds)| {
            let entries: Vec<_> = entries.iter().map(|(domain, dn)| (domain.as_str(), dn.as_str())).collect();
            at(&list_of(&entries), OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds.into()))
        })
    }

    proptest! {
        #[test]
        fn whatever_is_weighed_what_changes_leads_from_the_old_to_the_new(
            old in any_list(), new in any_list(), max_shrink: u8, tolerance: i64
        ) {
            let sanity = Sanity { max_shrink, clock_tolerance: Duration::seconds(tolerance) };
            match weigh(&new, Some(&old), &sanity, OffsetDateTime::UNIX_EPOCH) {
                Ok(Weighed::Take(change) | Weighed::Acknowledge { change, .. }) => {
                    prop_assert!(new.generated_at() >= old.generated_at());
                    prop_assert_eq!(old.domain_count() + change.added.len() - change.removed.len(), new.domain_count());
                    prop_assert_eq!(change.is_empty(), ListChange::between(Some(&new), &old).is_empty());
                }
                Ok(Weighed::Same) => prop_assert!(ListChange::between(Some(&old), &new).is_empty()),
                Err(TrustListError::Older { .. }) => prop_assert!(new.generated_at() < old.generated_at()),
                Err(error) => prop_assert_eq!(error, TrustListError::FromTheFuture(new.generated_at())),
            }
        }
    }
}
