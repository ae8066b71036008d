//! Lines whose content is gone, and which of them may be without. Pure: no database.

use std::collections::BTreeMap;

use time::{Date, OffsetDateTime};

use super::check::{Fault, Findings};
use super::event::{Event, EventClass};
use super::line::Head;

/// Which contents may be gone: for each class, those before a time, as pli itself announced in the trail.
#[derive(Debug, Clone, Default)]
pub(crate) struct Announced(BTreeMap<EventClass, OffsetDateTime>);

impl Announced {
    pub(crate) fn announce(&mut self, class: EventClass, before: OffsetDateTime) {
        let known = self.0.entry(class).or_insert(before);
        *known = before.max(*known);
    }

    /// The time before which contents of a class may be gone.
    pub(crate) fn before(&self, class: EventClass) -> Option<OffsetDateTime> {
        self.0.get(&class).copied()
    }

    fn covers(&self, class: EventClass, at: OffsetDateTime) -> bool {
        self.before(class).is_some_and(|before| at < before)
    }
}

/// Lines without content. They are gathered while lines are read and judged afterwards: retention may go on meanwhile,
/// and announces before it removes, so that announcements that are read last know of all that may be gone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Emptied(BTreeMap<(Option<EventClass>, Date), Group>);

/// Those of one class and day, which go together.
#[derive(Debug, Clone, Copy)]
struct Group {
    first: i64,
    latest: OffsetDateTime,
    lines: u64,
}

impl Emptied {
    pub(crate) fn add(&mut self, head: &Head) {
        let at = head.at.to_offset(time::UtcOffset::UTC);
        self.merge_one((removable(&head.event), at.date()), Group { first: head.number, latest: at, lines: 1 });
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (key, group) in other.0 {
            self.merge_one(key, group);
        }
    }

    fn merge_one(&mut self, key: (Option<EventClass>, Date), group: Group) {
        let known = self.0.entry(key).or_insert(Group { lines: 0, ..group });
        known.first = known.first.min(group.first);
        known.latest = known.latest.max(group.latest);
        known.lines += group.lines;
    }

    /// How many there are.
    pub(crate) fn lines(&self) -> u64 {
        self.0.values().map(|group| group.lines).sum()
    }

    /// Those that should not be without: each counts, and of a class and day the first is named.
    pub(crate) fn judge(&self, announced: &Announced) -> Findings {
        let mut findings = Findings::default();
        for ((class, _), group) in &self.0 {
            if !class.is_some_and(|class| announced.covers(class, group.latest)) {
                findings.push_alike(group.first, Fault::Emptied, group.lines);
            }
        }
        findings.sort();
        findings
    }
}

/// The class by which the content of such a line goes. Announcements stay, or nobody could tell any more what may be
/// gone; nothing is known of words that are none of ours.
fn removable(event: &str) -> Option<EventClass> {
    event.parse::<Event>().ok().filter(|event| *event != Event::AuditRemoval).map(Event::class)
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    const DAY: OffsetDateTime = datetime!(2026-11-22 00:00 UTC);

    fn emptied(lines: &[(i64, OffsetDateTime, &str)]) -> Emptied {
        let mut emptied = Emptied::default();
        for (number, at, event) in lines {
            emptied.add(&Head { number: *number, at: *at, event: (*event).to_owned() });
        }
        emptied
    }

    fn faults(emptied: &Emptied, announced: &Announced) -> (u64, Vec<i64>) {
        let findings = emptied.judge(announced);
        assert!(findings.kept.iter().all(|finding| finding.fault == Fault::Emptied));
        (findings.count, findings.kept.iter().map(|finding| finding.number).collect())
    }

    #[test]
    fn of_a_class_and_day_all_lines_count_and_the_first_is_named() {
        let mut emptied = emptied(&[
            (7, DAY, "bal.created"),
            (3, DAY + Duration::HOUR, "bal.edited"),
            (5, DAY + Duration::DAY, "bal.edited"),
            (4, DAY, "hop.refused"),
        ]);
        assert_eq!(faults(&emptied, &Announced::default()), (4, vec![3, 4, 5]));
        emptied.merge(emptied.clone());
        assert_eq!((emptied.lines(), faults(&emptied, &Announced::default())), (8, (8, vec![3, 4, 5])));
        let mut announced = Announced::default();
        announced.announce(EventClass::Provisioning, DAY + Duration::DAY);
        announced.announce(EventClass::Provisioning, DAY);
        assert_eq!(faults(&emptied, &announced), (4, vec![4, 5]), "the later announcement holds");
    }

    #[test]
    fn announcements_and_unknown_words_never_go() {
        let emptied = emptied(&[(1, DAY, "audit.removal"), (2, DAY, "bal.exploded"), (3, DAY, "audit.exported")]);
        let mut announced = Announced::default();
        for class in EventClass::ALL {
            announced.announce(class, DAY + Duration::days(1000));
        }
        assert_eq!(faults(&emptied, &announced), (2, vec![1]));
    }
}
