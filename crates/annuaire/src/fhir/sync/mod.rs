//! A synchronisation with the national directory: what to ask next, and what came of it.
//!
//! ```text
//! loop {
//!     match sync.next(now) {
//!         Ask(ask)    => sync.hear(now, answer of GET ask.url, |found| …),
//!         Wait(time)  => sleep,
//!         Done(report) | Failed(fault) => break,
//!     }
//! }
//! ```

mod page;
mod patience;
mod report;
mod stage;

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use mssante::Address;
use time::OffsetDateTime;

use self::page::Page;
use self::patience::Patience;
use self::stage::Stage;
use super::resource::Bundle;
use super::{Base, Carrier, Pace, explained};
use crate::{Entry, Rejection};

pub use self::report::{SyncFault, SyncReport, TurnedAway};

/// Where to ask, how much, how often.
#[derive(Debug, Clone)]
pub struct SyncRules {
    /// The interface.
    pub base: Base,
    /// Resources on a page; the interface gives 50 unless asked.
    pub page_size: u32,
    /// Most calls of one synchronisation: more is endless paging.
    pub max_calls: u64,
    /// Most updated resources of one type that are asked for: with more, asking for everything takes fewer calls.
    pub most_updates: u64,
    /// How often in a row the same call may fail before it is given up.
    pub tries: u32,
    /// The wait after the first failure; doubled with each further one.
    pub first_wait: Duration,
    /// The longest wait, also if the interface asks for more.
    pub longest_wait: Duration,
    /// How much earlier than the last synchronisation an incremental one begins: clocks differ, and updates take a
    /// while until they show.
    pub overlap: Duration,
}

impl SyncRules {
    /// What suits the national interface.
    pub fn new(base: Base) -> Self {
        Self {
            base,
            page_size: 50,
            max_calls: 250_000,
            most_updates: 200_000,
            tries: 6,
            first_wait: Duration::from_secs(2),
            longest_wait: Duration::from_mins(5),
            overlap: Duration::from_mins(30),
        }
    }
}

/// How much is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything that carries a BAL.
    Full,
    /// Everything that was updated since, whether it carries a BAL or not any more.
    Since(OffsetDateTime),
}

impl Scope {
    /// The interface forgets updates after 30 days.
    pub const LONGEST: Duration = Duration::from_hours(29 * 24);

    /// What the next synchronisation is to ask for: incremental if the last one and the last full one are young enough.
    pub fn next(
        now: OffsetDateTime,
        last: Option<OffsetDateTime>,
        last_full: Option<OffsetDateTime>,
        full_every: Duration,
    ) -> Self {
        let young = |time: OffsetDateTime, limit: Duration| time <= now && now - time < limit;
        match (last, last_full) {
            (Some(last), Some(full)) if young(last, Self::LONGEST) && young(full, full_every) => Self::Since(last),
            _ => Self::Full,
        }
    }
}

/// A call to make: a GET with the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The whole URL.
    pub url: String,
}

/// What came of a call.
#[derive(Debug)]
pub enum Heard {
    /// An answer, of whatever status.
    Answer(Answer),
    /// None: no connection, a time-out, more than can be an answer; with words.
    Nothing(String),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// How long the interface asks to be left alone. `[RFC9110 10.2.3]`
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Make this call.
    Ask(Ask),
    /// Wait this long, then ask again what to do.
    Wait(Duration),
    /// It is over, and complete.
    Done(SyncReport),
    /// It is over, and what was found is of no use: what is in force stays.
    Failed(SyncFault),
}

/// What was found, as it comes.
#[derive(Debug)]
pub enum Found {
    /// A BAL.
    Entry(Box<Entry>),
    /// A resource that was updated: forget what it carried before. Comes before its entries.
    Touched(Carrier),
    /// An address on the liste rouge: no entry of it may be shown, whoever carries it, and whether it came before or
    /// comes later. `[MSS1 ANN.UNLISTED]`
    Unlisted {
        /// Which.
        address: Address,
        /// The resource that says so.
        carrier: Option<Carrier>,
    },
    /// A resource, or a BAL of one, that is of no use.
    Rejected(Rejection),
}

/// Where a synchronisation is.
#[derive(Debug)]
enum State {
    /// The first of these calls is next.
    Working(VecDeque<Call>),
    Done,
    Failed(SyncFault),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Call {
    /// A page of what carries BALs.
    Page(String),
    /// Resources that those of the page refer to.
    LookUp(String),
}

impl Call {
    fn url(&self) -> &str {
        match self {
            Self::Page(url) | Self::LookUp(url) => url,
        }
    }
}

/// A synchronisation.
#[derive(Debug)]
pub struct Sync {
    rules: SyncRules,
    scope: Scope,
    pace: Arc<Pace>,
    patience: Patience,
    state: State,
    stage: Stage,
    page: Page,
    /// What the links of the pages of this stage hash to, and the names of its resources.
    seen: HashSet<u64>,
    report: SyncReport,
}

impl Sync {
    /// One that has not begun.
    pub fn new(rules: SyncRules, scope: Scope, pace: Arc<Pace>, now: OffsetDateTime) -> Self {
        let scope = match scope {
            Scope::Full => Scope::Full,
            Scope::Since(last) => Scope::Since(last - rules.overlap),
        };
        let stage = Stage::Practitioners;
        let first = Call::Page(stage.url(&rules, scope));
        Self {
            pace,
            patience: Patience::new(&rules),
            state: State::Working(VecDeque::from([first])),
            stage,
            page: Page::default(),
            seen: HashSet::new(),
            report: SyncReport::new(scope, now),
            rules,
            scope,
        }
    }

    /// How far it is.
    pub fn report(&self) -> &SyncReport {
        &self.report
    }

    /// What to do next. After [`Step::Ask`] comes [`Sync::hear`].
    pub fn next(&mut self, now: OffsetDateTime) -> Step {
        let url = match &self.state {
            State::Done => return Step::Done(self.report.clone()),
            State::Failed(fault) => return Step::Failed(fault.clone()),
            State::Working(calls) => calls.front().map(|call| call.url().to_owned()),
        };
        let Some(url) = url else { return Step::Done(self.report.clone()) };
        if let Some(wait) = self.patience.rest(now) {
            return Step::Wait(wait);
        }
        if let Err(wait) = self.pace.take(now) {
            return Step::Wait(wait);
        }
        if self.report.calls >= self.rules.max_calls {
            return self.give_up(SyncFault::Endless(format!("more than {} calls", self.rules.max_calls)));
        }
        self.report.calls += 1;
        Step::Ask(Ask { url })
    }

    /// What came of the call. `take` hears at once of what was found; it counts only once the whole is done.
    pub fn hear(&mut self, now: OffsetDateTime, heard: Heard, take: &mut dyn FnMut(Found)) {
        let answer = match heard {
            Heard::Answer(answer) => answer,
            Heard::Nothing(why) => return self.try_again(now, None, why),
        };
        match answer.status {
            200 => match Bundle::read(&answer.body) {
                Ok(bundle) => self.read(bundle, take),
                Err(why) => self.try_again(now, None, format!("the answer is {why}")),
            },
            401 | 403 => self.fail(SyncFault::Key { status: answer.status, words: explained(&answer.body) }),
            408 | 425 | 429 | 500..=599 => {
                self.report.refusals += 1;
                let turned_away = TurnedAway { status: answer.status, retry_after: answer.retry_after };
                self.try_again(now, Some(turned_away), said(&answer));
            }
            _ => self.fail(SyncFault::Refused(said(&answer))),
        }
    }

    fn try_again(&mut self, now: OffsetDateTime, turned_away: Option<TurnedAway>, why: String) {
        self.report.retries += 1;
        if self.patience.failed(now, turned_away.and_then(|answer| answer.retry_after)).is_err() {
            self.fail(SyncFault::Unavailable { why, turned_away });
        }
    }

    fn read(&mut self, bundle: Bundle, take: &mut dyn FnMut(Found)) {
        self.patience.succeeded();
        let State::Working(calls) = &mut self.state else { return };
        match calls.pop_front() {
            Some(Call::Page(_)) => self.read_page(bundle, take),
            Some(Call::LookUp(_)) => self.read_look_up(bundle),
            None => return,
        }
        self.go_on(take);
    }

    /// A page of carriers: what is complete is told at once, the rest once its look-ups are through.
    fn read_page(&mut self, bundle: Bundle, take: &mut dyn FnMut(Found)) {
        self.report.pages += 1;
        if let Err(fault) = self.check_paging(&bundle) {
            return self.fail(fault);
        }
        let next = bundle.next().map(|url| Call::Page(url.to_owned()));
        self.page = Page::read(self.stage, bundle, &mut self.report, take);
        let look_ups = self.page.look_ups(&self.rules.base).into_iter().map(Call::LookUp);
        if let State::Working(calls) = &mut self.state {
            calls.extend(look_ups.chain(next));
        }
    }

    /// What was looked up may come on several pages, too. What is missing after the last of them is found by its role.
    fn read_look_up(&mut self, bundle: Bundle) {
        let next = bundle.next().map(str::to_owned);
        self.page.learn(bundle);
        let Some(next) = next else { return };
        match self.check_link(&next) {
            Ok(()) => {
                if let State::Working(calls) = &mut self.state {
                    calls.push_front(Call::LookUp(next));
                }
            }
            Err(fault) => self.fail(fault),
        }
    }

    /// Endless paging ends: the same link twice, links that lead elsewhere, more results than were announced,
    /// results that come again, pages without results that go on.
    fn check_paging(&mut self, bundle: &Bundle) -> Result<(), SyncFault> {
        let results = bundle.entry.iter().filter(|entry| !entry.is_included());
        let again = results.filter(|entry| !self.seen.insert(hash(&entry.name()))).count() as u64;
        self.report.count_announced(self.stage, bundle, again)?;
        self.report.check_updates(self.stage, self.rules.most_updates)?;
        bundle.next().map_or(Ok(()), |next| self.check_link(next))
    }

    fn check_link(&mut self, next: &str) -> Result<(), SyncFault> {
        if !self.rules.base.holds(next) {
            return Err(SyncFault::Elsewhere(next.chars().take(200).collect()));
        }
        if !self.seen.insert(hash(next)) {
            return Err(SyncFault::Endless("the link to the next page was seen before".to_owned()));
        }
        Ok(())
    }

    /// With no look-up left, what waited for them is told; with no page left, the next stage begins.
    fn go_on(&mut self, take: &mut dyn FnMut(Found)) {
        let State::Working(calls) = &mut self.state else { return };
        if !matches!(calls.front(), Some(Call::LookUp(_))) {
            self.page.tell(&mut self.report, self.scope, take);
        }
        if calls.is_empty() {
            if let Err(fault) = self.report.check_complete(self.stage) {
                return self.fail(fault);
            }
            match self.stage.next() {
                Some(stage) => {
                    self.stage = stage;
                    self.seen.clear();
                    calls.push_back(Call::Page(stage.url(&self.rules, self.scope)));
                }
                None => self.state = State::Done,
            }
        }
    }

    fn give_up(&mut self, fault: SyncFault) -> Step {
        self.fail(fault.clone());
        Step::Failed(fault)
    }

    fn fail(&mut self, fault: SyncFault) {
        self.state = State::Failed(fault);
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// What an answer that is no page says, in one line.
fn said(answer: &Answer) -> String {
    match explained(&answer.body) {
        Some(words) => format!("status {}: {words}", answer.status),
        None => format!("status {}", answer.status),
    }
}

#[cfg(test)]
mod tests;
