//! Log-ins on their way to the audit trail. Mail clients log in again and again, and whoever guesses does so faster than
//! anybody reads: those alike within a minute are two lines, the first at once and the others with their number.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mssante::{Address, BalId, Rights};
use serde_json::json;
use store::{Actor, Event, Trace};
use time::OffsetDateTime;

use crate::guesses::network;

/// For so long, log-ins alike are one line.
const ALIKE: time::Duration = time::Duration::MINUTE;
/// Kinds of refused log-ins within that time that one network is worth; then the logins are left out.
const REFUSED_PER_NETWORK: usize = 20;
/// Kinds of refused log-ins within that time, all in all.
const REFUSED: usize = 500;
/// Kinds of log-ins within that time, all in all: every BAL of a large operator.
const KINDS: usize = 50_000;

/// Through which door somebody came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// To read.
    Imap,
    /// To send.
    Submission,
}

impl Door {
    fn word(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Submission => "submission",
        }
    }
}

/// What makes log-ins alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LogIn {
    pub(crate) door: Door,
    pub(crate) mechanism: &'static str,
    /// None: from so many places that they are one.
    pub(crate) from: Option<IpAddr>,
    /// The stable word of a refusal.
    pub(crate) refused: Option<&'static str>,
    pub(crate) actor: Actor,
    pub(crate) bal: Option<BalId>,
    /// What he may do there, if it is not his own.
    pub(crate) rights: Option<Rights>,
    /// What was typed in place of an address that logs in; only if it is an address, since people type passwords into
    /// the wrong field.
    pub(crate) login: Option<String>,
}

impl LogIn {
    /// Of nobody.
    pub(crate) fn refused(
        door: Door,
        mechanism: &'static str,
        from: IpAddr,
        word: &'static str,
        typed: Option<&str>,
    ) -> Self {
        let login = typed.and_then(address).map(|address| address.to_string());
        let from = Some(from.to_canonical());
        Self { door, mechanism, from, refused: Some(word), actor: Actor::Stranger, bal: None, rights: None, login }
    }

    /// Without what the one who comes chose himself.
    fn coarse(self) -> Self {
        Self { from: self.network(), login: None, ..self }
    }

    /// Without the place, too.
    fn coarsest(self) -> Self {
        Self { from: None, login: None, ..self }
    }

    fn network(&self) -> Option<IpAddr> {
        self.from.map(network)
    }

    fn line(self, at: OffsetDateTime, count: u64) -> Trace {
        let event = if self.refused.is_some() { Event::LogInRefused } else { Event::LogInAccepted };
        let trace = Trace::new(at, event).by(self.actor).with(json!({
            "door": self.door.word(),
            "mechanism": self.mechanism,
            "from": self.from,
            "reason": self.refused,
            "login": self.login,
            "count": count,
        }));
        let trace = match self.rights {
            Some(rights) => trace.under(rights.to_string()),
            None => trace,
        };
        match self.bal {
            Some(bal) => trace.of_bal(bal),
            None => trace,
        }
    }
}

/// Who is meant by what was typed, alone or before the BAL that he wants to open.
fn address(typed: &str) -> Option<Address> {
    let who = |(who, _): (&str, &str)| Address::parse(who).ok();
    Address::parse(typed).ok().or_else(|| typed.rsplit_once('*').and_then(who))
}

/// A kind within its minute.
#[derive(Debug)]
struct Minute {
    since: OffsetDateTime,
    /// How many came after the line at `since`, and when the last of them did.
    held: u64,
    last: OffsetDateTime,
}

/// Gathers log-ins until somebody writes them down.
#[derive(Debug, Default)]
pub(crate) struct LogIns(Mutex<Gathering>);

#[derive(Debug, Default)]
struct Gathering {
    accepted: HashMap<LogIn, Minute>,
    /// By themselves, since they are looked through.
    refused: HashMap<LogIn, Minute>,
    ready: Vec<Trace>,
}

impl LogIns {
    /// Somebody came, or was refused.
    pub(crate) fn note(&self, log_in: LogIn, now: OffsetDateTime) {
        self.gathering().note(log_in, now);
    }

    /// The lines that are due; at the end, all there are.
    pub(crate) fn due(&self, now: OffsetDateTime, all: bool) -> Vec<Trace> {
        self.gathering().due(now, all)
    }

    fn gathering(&self) -> MutexGuard<'_, Gathering> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathering {
    fn note(&mut self, log_in: LogIn, now: OffsetDateTime) {
        let log_in = if log_in.refused.is_some() { self.within_bounds(log_in) } else { log_in };
        let minutes = if log_in.refused.is_some() { &mut self.refused } else { &mut self.accepted };
        if let Some(minute) = minutes.get_mut(&log_in) {
            minute.held += 1;
            minute.last = now;
        } else if minutes.len() < KINDS {
            minutes.insert(log_in.clone(), Minute { since: now, held: 0, last: now });
            self.ready.push(log_in.line(now, 1));
        } else {
            untraced("kinds", 1);
        }
    }

    fn within_bounds(&self, log_in: LogIn) -> LogIn {
        if self.refused.contains_key(&log_in) {
            return log_in;
        }
        if self.refused.len() >= REFUSED {
            return log_in.coarsest();
        }
        let own = log_in.network();
        let alike = self.refused.keys().filter(|known| known.network() == own).count();
        if alike < REFUSED_PER_NETWORK { log_in } else { log_in.coarse() }
    }

    fn due(&mut self, now: OffsetDateTime, all: bool) -> Vec<Trace> {
        let over = |minute: &Minute| all || now - minute.since >= ALIKE || now < minute.since;
        let ended = self.accepted.extract_if(|_, minute| over(minute));
        let ended = ended.chain(self.refused.extract_if(|_, minute| over(minute)));
        let late =
            ended.filter(|(_, minute)| minute.held > 0).map(|(kind, minute)| kind.line(minute.last, minute.held));
        self.ready.extend(late);
        std::mem::take(&mut self.ready)
    }
}

/// Log-ins that are not in the audit trail.
pub(crate) fn untraced(why: &'static str, count: u64) {
    metrics::counter!("pli_log_ins_untraced_total", "why" => why).increment(count);
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 07:00 UTC);

    fn accepted(address: &str) -> LogIn {
        LogIn {
            door: Door::Imap,
            mechanism: "password",
            from: "192.0.2.1".parse().ok(),
            refused: None,
            actor: Actor::Bal(address.to_owned()),
            bal: Some(BalId(1)),
            rights: None,
            login: None,
        }
    }

    fn refused(from: &str, typed: &str) -> LogIn {
        LogIn::refused(Door::Submission, "password", from.parse().unwrap(), "wrong-password", Some(typed))
    }

    #[test]
    fn log_ins_alike_within_a_minute_are_two_lines() {
        let log_ins = LogIns::default();
        for second in 0..50 {
            log_ins.note(accepted("a@b.fr"), NOW + Duration::seconds(second));
        }
        assert_eq!(log_ins.due(NOW + Duration::seconds(50), false), [accepted("a@b.fr").line(NOW, 1)]);
        assert_eq!(log_ins.due(NOW + Duration::seconds(59), false), []);
        let late = accepted("a@b.fr").line(NOW + Duration::seconds(49), 49);
        assert_eq!(log_ins.due(NOW + Duration::seconds(60), false), [late]);
        assert_eq!(log_ins.due(NOW + Duration::hours(1), true), []);
    }

    #[test]
    fn at_the_end_nothing_is_held_back() {
        let log_ins = LogIns::default();
        log_ins.note(accepted("a@b.fr"), NOW);
        log_ins.note(accepted("a@b.fr"), NOW);
        log_ins.note(accepted("c@b.fr"), NOW);
        assert_eq!(log_ins.due(NOW, true).len(), 3);
    }

    #[test]
    fn a_password_typed_as_a_login_is_not_written_down() {
        assert_eq!(refused("192.0.2.1", "correct horse battery").login, None);
        for typed in ["a@b.fr", "a@b.fr*team@b.fr", "a@b.fr*"] {
            assert_eq!(refused("192.0.2.1", typed).login.as_deref(), Some("a@b.fr"), "{typed}");
        }
    }

    #[test]
    fn who_makes_up_logins_gets_few_lines() {
        let log_ins = LogIns::default();
        for number in 0..10_000 {
            log_ins.note(refused("2001:db8::1", &format!("a{number}@b.fr")), NOW);
        }
        for number in 0..10_000 {
            log_ins.note(refused(&format!("10.0.{}.{}", number / 250, number % 250), &format!("a{number}@b.fr")), NOW);
        }
        let lines = log_ins.due(NOW + Duration::MINUTE, false);
        assert!(lines.len() < 2 * (REFUSED + 2), "{} lines", lines.len());
    }
}
