//! A selected folder as one session has shown it to its client: which message has which
//! number, and what the client has been told. Rebuilt at will, never the truth.

use std::collections::{BTreeSet, HashMap};

use store::{Changes, Entry, FlagChange, Flags, MessageId, Modseq, Opened, Uid};

use crate::sets::Ranges;

/// A message in the view. Small: a folder of 100,000 has as many in each session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its UID.
    pub(crate) uid: Uid,
    /// Which message.
    pub(crate) message: MessageId,
    /// The change that it was last touched by, as far as we know.
    pub(crate) modseq: Modseq,
    /// INTERNALDATE in seconds since 1970 UTC.
    pub(crate) received: i64,
    /// RFC822.SIZE.
    pub(crate) size: u64,
    /// System flags.
    pub(crate) system: System,
    /// Keywords, as a number of the view's table.
    pub(crate) keywords: KeywordSet,
}

/// System flags as bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct System(u8);

impl System {
    pub(crate) const ANSWERED: Self = Self(1);
    pub(crate) const FLAGGED: Self = Self(2);
    pub(crate) const DELETED: Self = Self(4);
    pub(crate) const SEEN: Self = Self(8);
    pub(crate) const DRAFT: Self = Self(16);

    /// All of them with their names, in the order in which they are shown.
    pub(crate) const NAMES: [(Self, &'static str); 5] = [
        (Self::ANSWERED, "\\Answered"),
        (Self::FLAGGED, "\\Flagged"),
        (Self::DELETED, "\\Deleted"),
        (Self::SEEN, "\\Seen"),
        (Self::DRAFT, "\\Draft"),
    ];

    /// Whether all flags of `other` are set.
    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn of(flags: &Flags) -> Self {
        let bit = |set: bool, flag: Self| if set { flag.0 } else { 0 };
        Self(
            bit(flags.answered, Self::ANSWERED)
                | bit(flags.flagged, Self::FLAGGED)
                | bit(flags.deleted, Self::DELETED)
                | bit(flags.seen, Self::SEEN)
                | bit(flags.draft, Self::DRAFT),
        )
    }
}

/// The number of a set of keywords in a view.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct KeywordSet(u32);

/// Each distinct set of keywords once; number 0 is the empty one.
#[derive(Debug)]
struct KeywordSets {
    sets: Vec<Vec<String>>,
    numbers: HashMap<Vec<String>, u32>,
    /// All keywords that the client has been told of.
    known: Vec<String>,
}

impl KeywordSets {
    fn new() -> Self {
        Self { sets: vec![Vec::new()], numbers: HashMap::from([(Vec::new(), 0)]), known: Vec::new() }
    }

    fn number(&mut self, flags: &Flags) -> KeywordSet {
        if flags.keywords.is_empty() {
            return KeywordSet(0);
        }
        let set: BTreeSet<String> = flags.keywords.iter().map(|keyword| self.spelling(keyword)).collect();
        let set: Vec<String> = set.into_iter().collect();
        if let Some(number) = self.numbers.get(&set) {
            return KeywordSet(*number);
        }
        let number = u32::try_from(self.sets.len()).unwrap_or(0);
        self.sets.push(set.clone());
        self.numbers.insert(set, number);
        KeywordSet(number)
    }

    /// The first spelling that was seen in this folder: case makes no difference. `[RFC3501 2.3.2]`
    fn spelling(&mut self, keyword: &str) -> String {
        if let Some(known) = self.known.iter().find(|known| known.eq_ignore_ascii_case(keyword)) {
            return known.clone();
        }
        self.known.push(keyword.to_owned());
        keyword.to_owned()
    }
}

/// What the client has to be told. `[RFC3501 5.2]`
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// There are keywords that it has not heard of: tell all flags again.
    pub(crate) keywords: bool,
    /// Numbers of messages that are gone, highest first, so that each is right when it is read.
    pub(crate) expunged: Vec<u32>,
    /// Numbers (after the expunges) of messages whose flags changed.
    pub(crate) flags: Vec<u32>,
    /// The new count of messages, if there are new ones.
    pub(crate) exists: Option<u32>,
}

/// The view.
#[derive(Debug)]
pub(crate) struct View {
    rows: Vec<Row>,
    keywords: KeywordSets,
    /// Gone in the store but not told yet, ascending. `[RFC3501 7.4.1]`
    gone: Vec<Uid>,
    recent_from: Uid,
    modseq: Modseq,
}

impl View {
    /// The view of a folder that was just opened.
    pub(crate) fn new(opened: &Opened) -> Self {
        let mut keywords = KeywordSets::new();
        let rows = opened.entries.iter().map(|entry| row(entry, &mut keywords)).collect();
        let modseq = opened.folder.highest_modseq;
        Self { rows, keywords, gone: Vec::new(), recent_from: opened.recent_from, modseq }
    }

    /// Messages, those included whose end was not told yet.
    pub(crate) fn exists(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }

    /// Messages that are `\Recent` here.
    pub(crate) fn recent(&self) -> u32 {
        let old = self.rows.partition_point(|row| row.uid < self.recent_from);
        u32::try_from(self.rows.len() - old).unwrap_or(u32::MAX)
    }

    /// Whether this message is `\Recent` here.
    pub(crate) fn is_recent(&self, row: &Row) -> bool {
        row.uid >= self.recent_from
    }

    /// The number of the first message without `\Seen`.
    pub(crate) fn first_unseen(&self) -> Option<u32> {
        self.rows.iter().position(|row| !row.system.has(System::SEEN)).map(number)
    }

    /// The change up to which the view is current.
    pub(crate) fn modseq(&self) -> Modseq {
        self.modseq
    }

    /// The message with this number.
    pub(crate) fn row(&self, number: u32) -> Option<&Row> {
        self.rows.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// All messages with their numbers.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (u32, &Row)> {
        (1..).zip(&self.rows)
    }

    /// The keywords of a message.
    pub(crate) fn keywords(&self, row: &Row) -> &[String] {
        self.keywords.sets.get(row.keywords.0 as usize).map_or(&[], Vec::as_slice)
    }

    /// All keywords that were seen in this folder.
    pub(crate) fn known_keywords(&self) -> &[String] {
        &self.keywords.known
    }

    /// The highest UID; 0 in an empty folder.
    pub(crate) fn last_uid(&self) -> Uid {
        self.rows.last().map_or(0, |row| row.uid)
    }

    /// Numbers of the messages in a set of UIDs, ascending; UIDs that are not there are passed over.
    pub(crate) fn numbers_of_uids(&self, uids: &Ranges) -> Vec<u32> {
        let mut numbers = Vec::new();
        for (first, last) in uids.iter() {
            let from = self.rows.partition_point(|row| row.uid < first);
            let to = self.rows.partition_point(|row| row.uid <= last);
            numbers.extend((from..to).map(number));
        }
        numbers
    }

    /// Numbers of the messages in a set of numbers, ascending, cut to those that are there.
    pub(crate) fn numbers_in(&self, set: &Ranges) -> Vec<u32> {
        set.iter().flat_map(|(first, last)| first.max(1)..=last.min(self.exists())).collect()
    }

    /// Takes what STORE returned in; the numbers of messages whose flags changed. The view is
    /// not current by that: another session may have made a change before ours.
    pub(crate) fn absorb(&mut self, entries: &[Entry]) -> Vec<u32> {
        entries.iter().filter_map(|entry| self.update(entry)).collect()
    }

    /// Whether `entry` is what `change` makes of the message as the client knows it.
    pub(crate) fn expects(&self, entry: &Entry, change: &FlagChange) -> bool {
        let Some(row) = self.position(entry.uid).map(|at| &self.rows[at]) else { return false };
        let system = match change {
            FlagChange::Replace(flags) => System::of(flags),
            FlagChange::Add(flags) => System(row.system.0 | System::of(flags).0),
            FlagChange::Remove(flags) => System(row.system.0 & !System::of(flags).0),
        };
        let named = |flags: &Flags, word: &String| flags.keywords.iter().any(|k| k.eq_ignore_ascii_case(word));
        let kept = |word: &&String| match change {
            FlagChange::Replace(_) => false,
            FlagChange::Add(_) => true,
            FlagChange::Remove(flags) => !named(flags, word),
        };
        let mut keywords: Vec<String> =
            self.keywords(row).iter().filter(kept).map(|k| k.to_ascii_lowercase()).collect();
        if let FlagChange::Replace(flags) | FlagChange::Add(flags) = change {
            keywords.extend(flags.keywords.iter().map(|k| k.to_ascii_lowercase()));
        }
        let is: BTreeSet<String> = entry.flags.keywords.iter().map(|k| k.to_ascii_lowercase()).collect();
        system == System::of(&entry.flags) && keywords.into_iter().collect::<BTreeSet<_>>() == is
    }

    /// Takes what the store says of the time since [`View::modseq`] in. Messages that are gone
    /// stay in the view until [`View::news`] may tell of them.
    pub(crate) fn apply(&mut self, changes: &Changes) -> Pending {
        let known = self.keywords.known.len();
        let before = self.exists();
        let mut touched = Vec::new();
        for entry in &changes.changed {
            if entry.uid > self.last_uid() {
                let row = row(entry, &mut self.keywords);
                self.rows.push(row);
            } else if let Some(number) = self.update(entry) {
                touched.push(self.rows[index(number)].uid);
            }
        }
        let here = changes.expunged.iter().filter(|uid| self.position(**uid).is_some());
        self.gone.extend(here.copied().collect::<Vec<_>>());
        self.gone.sort_unstable();
        self.gone.dedup();
        self.modseq = self.modseq.max(changes.highest_modseq);
        Pending { keywords: self.keywords.known.len() > known, touched, grew: self.exists() > before }
    }

    /// What to tell the client; messages that are gone only if `expunge` says that it is allowed now.
    pub(crate) fn news(&mut self, pending: &Pending, expunge: bool) -> News {
        let expunged = if expunge { self.remove_gone() } else { Vec::new() };
        let flags = pending.touched.iter().filter_map(|uid| self.position(*uid)).map(number).collect();
        News { keywords: pending.keywords, expunged, flags, exists: pending.grew.then(|| self.exists()) }
    }

    /// Whether this message is known to be gone.
    pub(crate) fn is_gone(&self, uid: Uid) -> bool {
        self.gone.binary_search(&uid).is_ok()
    }

    /// Removes what is gone; its numbers, highest first.
    fn remove_gone(&mut self) -> Vec<u32> {
        if self.gone.is_empty() {
            return Vec::new();
        }
        let gone = std::mem::take(&mut self.gone);
        let mut numbers: Vec<u32> = gone.iter().filter_map(|uid| self.position(*uid)).map(number).collect();
        self.rows.retain(|row| gone.binary_search(&row.uid).is_err());
        numbers.reverse();
        numbers
    }

    /// Takes a newer state of a known message in; its number if its flags changed.
    fn update(&mut self, entry: &Entry) -> Option<u32> {
        let at = self.position(entry.uid)?;
        if self.rows[at].modseq >= entry.modseq {
            return None;
        }
        let new = row(entry, &mut self.keywords);
        let old = std::mem::replace(&mut self.rows[at], new);
        (old.system != new.system || old.keywords != new.keywords).then(|| number(at))
    }

    fn position(&self, uid: Uid) -> Option<usize> {
        self.rows.binary_search_by_key(&uid, |row| row.uid).ok()
    }
}

/// What [`View::apply`] found, by UID, until it is told.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    keywords: bool,
    touched: Vec<Uid>,
    grew: bool,
}

fn row(entry: &Entry, keywords: &mut KeywordSets) -> Row {
    Row {
        uid: entry.uid,
        message: entry.message,
        modseq: entry.modseq,
        received: entry.internal_date.unix_timestamp(),
        size: entry.size,
        system: System::of(&entry.flags),
        keywords: keywords.number(&entry.flags),
    }
}

/// A message's number from its place.
fn number(at: usize) -> u32 {
    u32::try_from(at + 1).unwrap_or(u32::MAX)
}

/// A message's place from its number.
fn index(number: u32) -> usize {
    number as usize - 1
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use store::{Folder, FolderId};
    use time::OffsetDateTime;

    pub(crate) fn entry(uid: Uid, modseq: Modseq) -> Entry {
        Entry {
            uid,
            message: MessageId(i64::from(uid) * 10),
            flags: Flags::default(),
            modseq,
            internal_date: OffsetDateTime::UNIX_EPOCH,
            size: u64::from(uid) * 100,
        }
    }

    pub(crate) fn seen(mut entry: Entry) -> Entry {
        entry.flags.seen = true;
        entry
    }

    pub(crate) fn view(entries: Vec<Entry>) -> View {
        let folder = Folder {
            id: FolderId(1),
            name: "INBOX".into(),
            special_use: None,
            subscribed: true,
            uid_validity: 1,
            uid_next: 100,
            highest_modseq: 10,
        };
        View::new(&Opened { folder, entries, recent_from: 7 })
    }

    fn changes(changed: Vec<Entry>, expunged: Vec<Uid>) -> Changes {
        Changes { changed, expunged, highest_modseq: 20, uid_next: 100, gone: false }
    }

    #[test]
    fn expunges_wait_until_they_may_be_told_and_numbers_stay_until_then() {
        let mut view = view(vec![entry(2, 1), entry(4, 1), entry(7, 1), entry(9, 1)]);
        let pending = view.apply(&changes(vec![], vec![2, 7, 99]));
        assert_eq!(view.news(&pending, false), News::default());
        assert_eq!((view.exists(), view.row(3).map(|row| row.uid)), (4, Some(7)));
        assert!(view.is_gone(7) && !view.is_gone(9));
        let news = view.news(&Pending::default(), true);
        assert_eq!(news.expunged, [3, 1]);
        assert_eq!((view.exists(), view.row(1).map(|row| row.uid)), (2, Some(4)));
    }

    #[test]
    fn new_messages_and_changed_flags_are_told_with_numbers_after_the_expunges() {
        let mut view = view(vec![entry(2, 1), entry(4, 1)]);
        let pending = view.apply(&changes(vec![seen(entry(4, 12)), entry(8, 13)], vec![2]));
        let news = view.news(&pending, true);
        assert_eq!(news, News { keywords: false, expunged: vec![1], flags: vec![1], exists: Some(2) });
        assert_eq!((view.recent(), view.modseq()), (1, 20));
    }

    #[test]
    fn our_own_store_is_not_told_again() {
        let mut view = view(vec![entry(2, 1)]);
        assert_eq!(view.absorb(&[seen(entry(2, 15))]), [1]);
        let pending = view.apply(&changes(vec![seen(entry(2, 15))], vec![]));
        assert_eq!(view.news(&pending, true), News::default());
    }

    #[test]
    fn a_silent_store_is_a_surprise_only_if_another_session_had_a_part_in_it() {
        let view = view(vec![entry(2, 1)]);
        let add = |flags: &Flags| FlagChange::Add(flags.clone());
        let ours = Flags { seen: true, keywords: ["$A".to_owned()].into(), ..Flags::default() };
        let mut outcome = seen(entry(2, 5));
        outcome.flags.keywords.insert("$a".into());
        assert!(view.expects(&outcome, &add(&ours)));
        outcome.flags.flagged = true;
        assert!(!view.expects(&outcome, &add(&ours)));
        assert!(view.expects(&seen(entry(2, 5)), &FlagChange::Replace(Flags { seen: true, ..Flags::default() })));
        assert!(view.expects(&entry(2, 5), &FlagChange::Remove(ours)));
    }

    #[test]
    fn a_message_that_came_and_went_between_two_looks_is_never_told() {
        let mut view = view(vec![entry(2, 1)]);
        let pending = view.apply(&changes(vec![], vec![50]));
        assert_eq!(view.news(&pending, true), News::default());
    }

    #[test]
    fn a_new_keyword_makes_the_flags_told_again() {
        let mut view = view(vec![entry(2, 1)]);
        let mut changed = entry(2, 11);
        changed.flags.keywords.insert("$Forwarded".into());
        let pending = view.apply(&changes(vec![changed], vec![]));
        assert!(view.news(&pending, true).keywords);
        assert_eq!(view.keywords(view.row(1).unwrap()), ["$Forwarded"]);
        assert_eq!(view.known_keywords(), ["$Forwarded"]);
    }

    #[test]
    fn a_keyword_has_one_spelling_in_a_folder() {
        let with = |uid, word: &str| {
            let mut entry = entry(uid, 1);
            entry.flags.keywords.insert(word.into());
            entry
        };
        let view = view(vec![with(2, "Labo"), with(4, "labo")]);
        assert_eq!(view.keywords(view.row(2).unwrap()), ["Labo"]);
        assert_eq!(view.known_keywords(), ["Labo"]);
    }

    #[test]
    fn sets_of_uids_become_numbers() {
        let view = view(vec![entry(2, 1), entry(4, 1), entry(7, 1)]);
        let uids = |text: &str| view.numbers_of_uids(&Ranges::resolve(&text.parse().unwrap(), view.last_uid()));
        assert_eq!(uids("3:7"), [2, 3]);
        assert_eq!(uids("500:*"), [3]);
        assert_eq!(uids("1,3,5"), [] as [u32; 0]);
        assert_eq!(view.numbers_in(&Ranges::resolve(&"2:*".parse().unwrap(), 3)), [2, 3]);
    }
}
