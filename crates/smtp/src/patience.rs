//! How long the connection waits for the client. What counts is how long a line or a piece of content takes as a whole:
//! a client that sends an octet now and then does not start the clock anew. `[RFC5321 4.5.3.2]`

use std::time::Duration;

use tokio::time::Instant;

use crate::Limits;
use crate::session::Wait;

/// Content may take this long before its pace counts.
const GRACE: Duration = Duration::from_mins(1);
/// Octets of content a second, on average, once the grace is over.
const PACE: u64 = 1000;

/// The clock of one connection.
#[derive(Debug)]
pub(crate) struct Patience {
    /// What is waited for: a command line, or content, after so many lines.
    stretch: (Wait, u64),
    since: Instant,
    octets: u64,
}

impl Patience {
    pub(crate) fn new(now: Instant) -> Self {
        Self { stretch: (Wait::Command, 0), since: now, octets: 0 }
    }

    /// When waiting ends for who has said `lines` whole lines so far.
    pub(crate) fn deadline(&mut self, wait: Wait, lines: u64, now: Instant, limits: &Limits) -> Instant {
        if self.stretch != (wait, lines) {
            *self = Self { stretch: (wait, lines), since: now, octets: 0 };
        }
        match wait {
            Wait::Command => self.since + limits.command_timeout,
            Wait::Content => {
                let earned = Duration::from_secs(self.octets / PACE);
                (now + limits.data_timeout).min(self.since + GRACE + earned)
            }
        }
    }

    /// So many octets have come.
    pub(crate) fn received(&mut self, octets: usize) {
        self.octets = self.octets.saturating_add(octets as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let five_minutes = Duration::from_mins(5);
        Limits {
            message_size: 100,
            recipients: 2,
            transactions: 2,
            settling_timeout: five_minutes,
            command_timeout: five_minutes,
            data_timeout: five_minutes,
            errors: 10,
        }
    }

    #[test]
    fn a_line_has_one_deadline_however_its_octets_drip_in() {
        let (start, limits) = (Instant::now(), limits());
        let mut patience = Patience::new(start);
        for second in [0, 100, 200, 299] {
            let now = start + Duration::from_secs(second);
            assert_eq!(patience.deadline(Wait::Command, 0, now, &limits), start + Duration::from_mins(5));
            patience.received(1);
        }
        let next = start + Duration::from_secs(299);
        assert_eq!(patience.deadline(Wait::Command, 1, next, &limits), next + Duration::from_mins(5));
    }

    #[test]
    fn content_must_come_at_a_thousand_octets_a_second_after_its_first_minute() {
        let (start, limits) = (Instant::now(), limits());
        let mut patience = Patience::new(start);
        let minute = start + Duration::from_mins(1);
        assert_eq!(patience.deadline(Wait::Content, 3, start, &limits), minute);
        patience.received(999);
        assert_eq!(patience.deadline(Wait::Content, 3, start, &limits), minute);
        patience.received(9001);
        assert_eq!(patience.deadline(Wait::Content, 3, start, &limits), minute + Duration::from_secs(10));
        patience.received(10_000_000);
        let most = start + Duration::from_mins(5);
        assert_eq!(patience.deadline(Wait::Content, 3, start, &limits), most, "silence is never longer than its limit");
    }

    #[test]
    fn content_and_the_command_behind_it_have_clocks_of_their_own() {
        let (start, limits) = (Instant::now(), limits());
        let mut patience = Patience::new(start);
        patience.deadline(Wait::Content, 3, start, &limits);
        let end = start + Duration::from_mins(20);
        assert_eq!(patience.deadline(Wait::Command, 3, end, &limits), end + Duration::from_mins(5));
        assert_eq!(patience.deadline(Wait::Content, 4, end, &limits), end + Duration::from_mins(1));
    }
}
