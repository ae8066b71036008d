//! When an extraction was made: the twelve digits in its name, by the clock of Paris.

use time::{Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time, Weekday};

/// When a file of this name was made: `…_AAAAMMJJhhmm.txt` by the clock of Paris, here in UTC.
pub fn generated_at_by_name(name: &str) -> Option<OffsetDateTime> {
    let digits = name.rsplit('_').find_map(leading_stamp)?;
    in_utc(digits)
}

/// Twelve digits and no thirteenth.
fn leading_stamp(part: &str) -> Option<&str> {
    let digits = part.bytes().take_while(u8::is_ascii_digit).count();
    (digits == 12).then(|| &part[..12])
}

fn in_utc(digits: &str) -> Option<OffsetDateTime> {
    let number = |from: usize, to: usize| digits[from..to].parse::<u8>().ok();
    let month = Month::try_from(number(4, 6)?).ok()?;
    let date = Date::from_calendar_date(digits[..4].parse().ok()?, month, number(6, 8)?).ok()?;
    let time = Time::from_hms(number(8, 10)?, number(10, 12)?, 0).ok()?;
    paris_to_utc(PrimitiveDateTime::new(date, time))
}

/// Summer time lasts from the last Sunday of March, 01:00 UTC, to the last Sunday of October, 01:00 UTC. The
/// hour that comes twice in October is taken for its first time.
fn paris_to_utc(local: PrimitiveDateTime) -> Option<OffsetDateTime> {
    let in_summer = local.assume_utc().checked_sub(Duration::hours(2))?;
    let begins = turn(local.year(), Month::March)?;
    let ends = turn(local.year(), Month::October)?;
    if (begins..ends).contains(&in_summer) { Some(in_summer) } else { local.assume_utc().checked_sub(Duration::HOUR) }
}

fn turn(year: i32, month: Month) -> Option<OffsetDateTime> {
    let last = Date::from_calendar_date(year, month, month.length(year)).ok()?;
    let back = last.weekday().number_days_from_sunday();
    let sunday = last.checked_sub(Duration::days(i64::from(back)))?;
    debug_assert_eq!(sunday.weekday(), Weekday::Sunday);
    Some(sunday.with_hms(1, 0, 0).ok()?.assume_utc())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn names_give_the_time_of_paris() {
        for (name, utc) in [
            ("Extraction_Correspondance_MSSante_202608250032.txt", datetime!(2026-08-24 22:32 UTC)),
            ("Extraction_Correspondance_MSSante_202601150030.zip", datetime!(2026-01-14 23:30 UTC)),
            ("dir_202001010000/PS_LibreAcces_Personne_activite_202504040839.txt", datetime!(2025-04-04 06:39 UTC)),
            ("x_202608250032", datetime!(2026-08-24 22:32 UTC)),
        ] {
            assert_eq!(generated_at_by_name(name), Some(utc), "{name}");
        }
    }

    #[test]
    fn summer_time_turns_on_the_last_sundays() {
        for (stamp, utc) in [
            ("202603290159", datetime!(2026-03-29 00:59 UTC)),
            ("202603290300", datetime!(2026-03-29 01:00 UTC)),
            ("202610250159", datetime!(2026-10-24 23:59 UTC)),
            ("202610250230", datetime!(2026-10-25 00:30 UTC)),
            ("202610250300", datetime!(2026-10-25 02:00 UTC)),
            ("202703280300", datetime!(2027-03-28 01:00 UTC)),
            ("202810290259", datetime!(2028-10-29 00:59 UTC)),
        ] {
            assert_eq!(in_utc(stamp), Some(utc), "{stamp}");
        }
    }

    #[test]
    fn what_is_no_stamp_is_none() {
        for name in
            ["", "a.txt", "x_2026082500.txt", "x_20260825003212.txt", "x_202613250032.txt", "x_202608252532.txt"]
        {
            assert_eq!(generated_at_by_name(name), None, "{name}");
        }
    }
}
