//! Moments in header fields. `[RFC5322 3.3]`

use mail_parser::DateTime;
use time::OffsetDateTime;

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Fri, 21 Nov 2025 10:00:00 +0100`.
pub(crate) fn written(at: OffsetDateTime) -> String {
    let (hours, minutes, _) = at.offset().as_hms();
    let sign = if at.offset().is_negative() { '-' } else { '+' };
    format!(
        "{}, {} {} {:04} {:02}:{:02}:{:02} {sign}{:02}{:02}",
        WEEKDAYS[usize::from(at.weekday().number_days_from_monday())],
        at.day(),
        MONTHS[usize::from(u8::from(at.month())) - 1],
        at.year(),
        at.hour(),
        at.minute(),
        at.second(),
        hours.unsigned_abs(),
        minutes.unsigned_abs(),
    )
}

/// Seconds since 1970 UTC of a Date field's value.
pub(crate) fn read(value: &str) -> Option<i64> {
    // The field's own parser is the one entry of mail-parser that cannot nest.
    let moment = DateTime::parse_rfc822(value)?;
    moment.is_valid().then(|| moment.to_timestamp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::UtcOffset;

    use super::*;

    #[test]
    fn dates_are_written_as_rfc_5322_wants_them() {
        let at = OffsetDateTime::from_unix_timestamp(1_763_719_205).unwrap();
        assert_eq!(written(at), "Fri, 21 Nov 2025 10:00:05 +0000");
        assert_eq!(written(at.to_offset(UtcOffset::from_hms(-3, -30, 0).unwrap())), "Fri, 21 Nov 2025 06:30:05 -0330");
    }

    #[test]
    fn obsolete_and_broken_dates() {
        assert_eq!(read("Fri, 21 Nov 2025 11:00:05 +0100 (CET)"), Some(1_763_719_205));
        assert_eq!(read("21 Nov 2025 10:00:05 GMT"), Some(1_763_719_205));
        assert_eq!(read("yesterday"), None);
        assert_eq!(read(""), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(seconds in 0_i64..4_102_444_800, offset in -12_i8..=14) {
            let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
            let there = at.to_offset(UtcOffset::from_hms(offset, 0, 0).unwrap());
            prop_assert_eq!(read(&written(there)), Some(seconds));
        }

        #[test]
        fn no_text_makes_the_reader_fail(text in "(?s).{0,60}", digits in "[0-9 :,+-]{0,60}") {
            let _ = read(&text);
            let _ = read(&digits);
        }
    }
}
