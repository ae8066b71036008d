//! Whether a directory may replace the one in force: pure arithmetic on their reports.

use annuaire::ExtractionKind;
use time::{Duration, OffsetDateTime};

use super::{Part, Reason, Report};
use crate::cli::moment;

/// What may replace a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Weighed {
    /// This one.
    Take,
    /// Not this one, unless somebody vouches for it.
    Acknowledge(String),
}

/// A source whose clock is ahead by more is wrong, and what it gave would keep all others out as older.
const AHEAD: Duration = Duration::days(1);

/// By its date: what cannot be taken whatever is in it.
pub(super) fn refuse_by_date(
    generated_at: Option<OffsetDateTime>,
    before: Option<&Part>,
    now: OffsetDateTime,
) -> Result<(), (Reason, String)> {
    let Some(date) = generated_at else { return Ok(()) };
    if date > now + AHEAD {
        return Err((Reason::Future, format!("it was generated on {}, which is to come", moment(date))));
    }
    match before.and_then(|part| part.generated_at) {
        Some(in_force) if date < in_force => Err((
            Reason::Older,
            format!("it was generated on {}, the one in force on {}", moment(date), moment(in_force)),
        )),
        _ => Ok(()),
    }
}

/// By its size, and by its date if it has none. The first one is taken as it is. `max_shrink` is in percent.
/// `[MSS1 ANN.SHRINK]`
pub(super) fn weigh(new: &Report, before: Option<&Report>, kind: ExtractionKind, max_shrink: u8) -> Weighed {
    let Some(before) = before else { return Weighed::Take };
    if let Some(in_force) = undated_over_dated(new, before, kind) {
        let in_force = moment(in_force);
        let why = format!("its name does not say when it was generated, the one in force is of {in_force}");
        return Weighed::Acknowledge(why);
    }
    let (what, now, then) = match kind {
        // As many strangers in the place of those that went make up for nothing.
        ExtractionKind::Correspondence => {
            let kept = before.len().saturating_sub(new.removed);
            ("entries of those before", kept.min(new.len()), before.len())
        }
        ExtractionKind::Activities => ("activities", new.counts.activities, before.counts.activities),
    };
    // In this order: a percentage of less than a hundred entries is not nothing.
    if now.saturating_mul(100) >= then.saturating_mul(100 - u64::from(max_shrink.min(100))) {
        return Weighed::Take;
    }
    Weighed::Acknowledge(format!("it has {now} {what}, the one in force {then}"))
}

/// The date of the file in force, where nobody can say whether the new one is older.
fn undated_over_dated(new: &Report, before: &Report, kind: ExtractionKind) -> Option<OffsetDateTime> {
    let date = |report: &Report| {
        let part = match kind {
            ExtractionKind::Correspondence => report.entries.as_ref(),
            ExtractionKind::Activities => report.activities.as_ref(),
        };
        part.and_then(|part| part.generated_at)
    };
    date(before).filter(|_| date(new).is_none())
}

#[cfg(test)]
mod tests {
    use annuaire::DirectoryCounts;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 08:00 UTC);

    fn part(generated_at: Option<OffsetDateTime>) -> Part {
        Part { source: "a".into(), generated_at, named_at: None, sha256: String::new() }
    }

    fn report(nominative: u64, activities: u64) -> Report {
        Report { counts: DirectoryCounts { nominative, activities, ..Default::default() }, ..Report::default() }
    }

    #[test]
    fn one_that_is_older_or_of_the_future_is_refused() {
        let in_force = part(Some(NOW - Duration::DAY));
        let judged = |at| refuse_by_date(Some(at), Some(&in_force), NOW).map_err(|(reason, _)| reason);
        assert_eq!(judged(NOW), Ok(()));
        assert_eq!(judged(NOW - Duration::DAY), Ok(()), "the same once more");
        assert_eq!(judged(NOW - Duration::days(2)), Err(Reason::Older));
        assert_eq!(judged(NOW + Duration::DAY), Ok(()), "clocks differ");
        assert_eq!(judged(NOW + Duration::days(2)), Err(Reason::Future));
        assert_eq!(refuse_by_date(None, Some(&in_force), NOW), Ok(()), "it does not say");
        assert_eq!(refuse_by_date(Some(NOW), Some(&part(None)), NOW), Ok(()));
    }

    #[test]
    fn one_that_lost_more_than_a_tenth_waits_and_the_first_one_never_does() {
        let kind = ExtractionKind::Correspondence;
        assert_eq!(weigh(&report(1, 0), None, kind, 10), Weighed::Take);
        let judged = |len| weigh(&report(len, 0), Some(&report(1000, 0)), kind, 10);
        assert_eq!(judged(900), Weighed::Take);
        assert!(
            matches!(judged(899), Weighed::Acknowledge(why) if why.contains("899 entries") && why.contains("1000"))
        );
        assert!(matches!(weigh(&report(1, 0), Some(&report(2, 0)), kind, 10), Weighed::Acknowledge(_)));
        assert_eq!(weigh(&report(0, 0), Some(&report(2, 0)), kind, 100), Weighed::Take);
    }

    #[test]
    fn activities_are_weighed_against_activities() {
        let kind = ExtractionKind::Activities;
        assert_eq!(weigh(&report(10, 5), Some(&report(10, 0)), kind, 10), Weighed::Take);
        assert!(matches!(weigh(&report(10, 4), Some(&report(10, 5)), kind, 10), Weighed::Acknowledge(_)));
    }
}
