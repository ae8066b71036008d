//! OCSP answers that are believed, and which responders are left alone for a while. All of it is bounded.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use time::OffsetDateTime;

use super::Standing;
use super::ocsp::{Answer, Status};
use crate::FetchError;
use crate::fetch::schedule;

/// Entries of each memory; the trust space has some hundred operators.
const MOST: usize = 10_000;

/// A responder that failed is left alone for at most this long.
const LONGEST_PAUSE: std::time::Duration = std::time::Duration::from_hours(1);

/// An answer that decided nothing is not asked for again before.
const PAUSE: time::Duration = time::Duration::minutes(5);

/// By which answers that say revoked outlive the others: more than any certificate lasts.
const LAST: time::Duration = time::Duration::days(36_500);

/// SHA-256 of a certificate, which stands for its issuer and serial number.
pub(super) type Fingerprint = [u8; 32];

/// What responders said.
#[derive(Debug, Default)]
pub(super) struct Answers {
    believed: RwLock<HashMap<Fingerprint, Believed>>,
    asking: Mutex<Asking>,
}

#[derive(Debug, Clone)]
struct Believed {
    answer: Answer,
    source: String,
}

impl Believed {
    fn is_revoked(&self) -> bool {
        matches!(self.answer.status, Status::Revoked(_))
    }

    /// That it is revoked does not end with the answer.
    fn counts(&self, now: OffsetDateTime) -> bool {
        self.answer.until >= now || self.is_revoked()
    }

    fn outweighs(&self, answer: &Answer) -> bool {
        let known = self.answer.this_update;
        known > answer.this_update || (known == answer.this_update && self.is_revoked())
    }

    /// Those that say revoked go last.
    fn kept_until(&self) -> OffsetDateTime {
        if self.is_revoked() { self.answer.until.saturating_add(LAST) } else { self.answer.until }
    }
}

#[derive(Debug, Default)]
struct Asking {
    under_way: HashSet<Fingerprint>,
    responders: HashMap<String, Pause>,
    certificates: HashMap<Fingerprint, Pause>,
}

#[derive(Debug, Clone)]
struct Pause {
    until: OffsetDateTime,
    failures: u32,
    why: String,
}

impl Answers {
    /// What is known, if it still counts.
    pub(super) fn standing(&self, certificate: &Fingerprint, now: OffsetDateTime) -> Option<Standing> {
        let believed = self.believed.read().unwrap_or_else(PoisonError::into_inner);
        let Believed { answer, source } = believed.get(certificate).filter(|each| each.counts(now))?;
        let source = source.clone();
        Some(match answer.status {
            Status::Good => Standing::Good { source },
            Status::Revoked(since) => Standing::Revoked { since, source },
        })
    }

    /// Keeps an answer unless a later one is known, even one that has ended: whoever has one from before a
    /// revocation may still show it. Of two that were made at the same time the one that says revoked is right.
    pub(super) fn believe(&self, certificate: Fingerprint, answer: Answer, source: &str, now: OffsetDateTime) {
        let mut believed = self.believed.write().unwrap_or_else(PoisonError::into_inner);
        if believed.get(&certificate).is_some_and(|known| known.outweighs(&answer)) {
            return;
        }
        make_room(&mut believed, now, Believed::kept_until);
        believed.insert(certificate, Believed { answer, source: source.to_owned() });
    }

    /// Forgets everything: other authorities are believed from now on.
    pub(super) fn clear(&self) {
        self.believed.write().unwrap_or_else(PoisonError::into_inner).clear();
        *self.asking() = Asking::default();
    }

    /// Whether to ask now. One asks, the others wait for it: true goes to one caller only, who
    /// has to call [`Answers::done`].
    pub(super) fn begin(&self, certificate: Fingerprint, now: OffsetDateTime) -> bool {
        let mut asking = self.asking();
        let paused = asking.certificates.get(&certificate).is_some_and(|pause| pause.until > now);
        let room = asking.under_way.len() < MOST;
        !paused && room && asking.under_way.insert(certificate)
    }

    /// The question has been answered, or will not be for now.
    pub(super) fn done(&self, certificate: Fingerprint) {
        self.asking().under_way.remove(&certificate);
    }

    /// Whether somebody is asking.
    pub(super) fn is_asking(&self, certificate: &Fingerprint) -> bool {
        self.asking().under_way.contains(certificate)
    }

    /// Whether this responder may be asked.
    pub(super) fn may_ask(&self, responder: &str, now: OffsetDateTime) -> bool {
        self.asking().responders.get(responder).is_none_or(|pause| pause.until <= now)
    }

    pub(super) fn responder_works(&self, responder: &str) {
        self.asking().responders.remove(responder);
    }

    /// The responder is left alone for a while, longer each time.
    pub(super) fn responder_failed(&self, responder: &str, error: &FetchError, now: OffsetDateTime) {
        let mut asking = self.asking();
        let failures = asking.responders.get(responder).map_or(0, |pause| pause.failures).saturating_add(1);
        let until = now + schedule::pause(LONGEST_PAUSE, failures, error);
        make_room(&mut asking.responders, now, |pause| pause.until);
        asking.responders.insert(responder.to_owned(), Pause { until, failures, why: error.to_string() });
    }

    /// The responder answers, but nothing that decides about this certificate.
    pub(super) fn undecided(&self, certificate: Fingerprint, why: String, now: OffsetDateTime) {
        let mut asking = self.asking();
        make_room(&mut asking.certificates, now, |pause| pause.until);
        asking.certificates.insert(certificate, Pause { until: now + PAUSE, failures: 1, why });
    }

    /// Why asking has not helped.
    pub(super) fn why(&self, certificate: &Fingerprint, responders: &[String]) -> Option<String> {
        let asking = self.asking();
        let of_responder = || responders.iter().find_map(|url| asking.responders.get(url));
        asking.certificates.get(certificate).or_else(of_responder).map(|pause| pause.why.clone())
    }

    fn asking(&self) -> MutexGuard<'_, Asking> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room for one more: what is over goes first, then what ends first.
fn make_room<K: Hash + Eq + Clone, V>(
    map: &mut HashMap<K, V>,
    now: OffsetDateTime,
    end: impl Fn(&V) -> OffsetDateTime,
) {
    if map.len() < MOST {
        return;
    }
    map.retain(|_, value| end(value) > now);
    if map.len() >= MOST
        && let Some(key) = map.iter().min_by_key(|(_, value)| end(value)).map(|(key, _)| key.clone())
    {
        map.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-03 08:00 UTC);

    fn answer(status: Status, minutes: i64) -> Answer {
        let this_update = NOW + Duration::minutes(minutes);
        Answer { status, this_update, until: this_update + Duration::hours(1) }
    }

    fn number(number: u32) -> Fingerprint {
        let mut fingerprint = [0; 32];
        fingerprint[..4].copy_from_slice(&number.to_be_bytes());
        fingerprint
    }

    #[test]
    fn an_earlier_answer_does_not_replace_a_later_one() {
        let answers = Answers::default();
        let revoked = Status::Revoked(NOW);
        answers.believe(number(1), answer(revoked, 0), "stapled", NOW);
        answers.believe(number(1), answer(Status::Good, -10), "stapled", NOW);
        let standing = answers.standing(&number(1), NOW);
        assert_eq!(standing, Some(Standing::Revoked { since: NOW, source: "stapled".into() }));
        answers.believe(number(1), answer(Status::Good, 1), "stapled", NOW);
        assert!(matches!(answers.standing(&number(1), NOW), Some(Standing::Good { .. })));
    }

    #[test]
    fn answers_count_until_they_end() {
        let answers = Answers::default();
        answers.believe(number(1), answer(Status::Good, 0), "stapled", NOW);
        assert!(answers.standing(&number(1), NOW + Duration::minutes(60)).is_some());
        assert!(answers.standing(&number(1), NOW + Duration::minutes(61)).is_none());
    }

    #[test]
    fn an_answer_that_has_ended_still_keeps_older_ones_out() {
        let (answers, later) = (Answers::default(), NOW + Duration::hours(2));
        let older =
            Answer { status: Status::Good, this_update: NOW - Duration::minutes(10), until: NOW + Duration::DAY };
        let revoked = Standing::Revoked { since: NOW, source: "stapled".into() };
        answers.believe(number(1), answer(Status::Revoked(NOW), 0), "stapled", NOW);
        answers.believe(number(1), older, "stapled", later);
        assert_eq!(answers.standing(&number(1), later), Some(revoked.clone()));
        answers.believe(number(1), Answer { this_update: NOW, ..older }, "stapled", later);
        assert_eq!(answers.standing(&number(1), later), Some(revoked), "made at the same time");
    }

    #[test]
    fn answers_that_say_revoked_go_last() {
        let answers = Answers::default();
        answers.believe(number(0), answer(Status::Revoked(NOW), -1000), "stapled", NOW);
        for each in 1..u32::try_from(MOST).unwrap() + 10 {
            answers.believe(number(each), answer(Status::Good, i64::from(each) % 7), "stapled", NOW);
        }
        assert!(matches!(answers.standing(&number(0), NOW), Some(Standing::Revoked { .. })));
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let answers = Answers::default();
        for each in 0..u32::try_from(MOST).unwrap() + 10 {
            answers.believe(number(each), answer(Status::Good, i64::from(each) % 7), "stapled", NOW);
        }
        assert_eq!(answers.believed.read().unwrap().len(), MOST);
        let newest = number(u32::try_from(MOST).unwrap() + 9);
        assert!(answers.standing(&newest, NOW).is_some());
    }

    #[test]
    fn one_asks_and_the_others_wait() {
        let answers = Answers::default();
        assert!(answers.begin(number(1), NOW));
        assert!(!answers.begin(number(1), NOW) && answers.is_asking(&number(1)));
        assert!(answers.begin(number(2), NOW));
        answers.done(number(1));
        assert!(!answers.is_asking(&number(1)) && answers.begin(number(1), NOW));
    }

    #[test]
    fn a_responder_that_fails_is_left_alone_longer_each_time() {
        let (answers, url) = (Answers::default(), "http://ocsp.example/");
        let error = FetchError::Connection { url: url.to_owned(), why: "refused".to_owned() };
        assert!(answers.may_ask(url, NOW));
        for (minutes_off, minutes_on) in [(0, 1), (1, 2), (3, 4)] {
            answers.responder_failed(url, &error, NOW);
            assert!(!answers.may_ask(url, NOW + Duration::minutes(minutes_off)), "{minutes_off}");
            assert!(answers.may_ask(url, NOW + Duration::minutes(minutes_on)), "{minutes_on}");
        }
        answers.responder_works(url);
        assert!(answers.may_ask(url, NOW));
    }
}
