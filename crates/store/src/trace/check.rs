//! Whether lines and links make the chain that was once entered. Pure: no database.

use std::fmt;

use super::emptied::Emptied;
use super::line::{BEGINNING, Hash, Line};
use super::links::{Head, Link, Signature};
use crate::KeyRing;

/// Findings that are kept; what is damaged all over is known after some.
const KEPT: usize = 100;

/// What is wrong with the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Lines are not there, up to this number.
    Missing(i64),
    /// The line says something else than when it was entered.
    Changed,
    /// The content was taken away, and no removal of its class and age was ever announced.
    Emptied,
    /// The line announces a removal, and pli never announced it: somebody put it into the database.
    FalseRemoval,
    /// A line that was never entered.
    Added,
    /// Lines up to this number do not give the hash that was signed: one of them was changed, with its digest.
    Broken(i64),
    /// The link that ends with this number is not signed by pli: who wrote it lacked the key.
    Forged(i64),
    /// The link that ends with this number is signed under a key that the key ring lacks.
    KeyMissing(String),
    /// The link of lines up to this number is not there.
    Unlinked(i64),
    /// The chain goes on up to this number, and lines and links from here on are not there.
    CutOff(i64),
    /// The row that says where the chain ends is not signed by pli, or contradicts the chain.
    WrongEnd,
    /// The chain was another one when it was last looked at.
    NotAsWitnessed,
}

/// Where something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The first number that is affected.
    pub number: i64,
    /// How.
    pub fault: Fault,
}

impl Finding {
    pub(crate) fn new(number: i64, fault: Fault) -> Self {
        Self { number, fault }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.number;
        match &self.fault {
            Fault::Missing(last) if *last == n => write!(f, "line {n} is missing"),
            Fault::Missing(last) => write!(f, "lines {n} to {last} are missing"),
            Fault::Changed => write!(f, "line {n} was changed after it was entered"),
            Fault::Emptied => write!(f, "the content of line {n} was removed without a removal being announced"),
            Fault::FalseRemoval => write!(f, "line {n} announces a removal that this pli never announced"),
            Fault::Added => write!(f, "line {n} was added after the end of the chain"),
            Fault::Broken(last) => {
                write!(f, "of lines {n} to {last} at least one was changed together with its digest")
            }
            Fault::Forged(last) => {
                write!(f, "lines {n} to {last} are not signed with the key of this pli: they were rewritten")
            }
            Fault::KeyMissing(id) => {
                write!(f, "line {n} and following are signed with the key {id}, which the key ring lacks")
            }
            Fault::Unlinked(last) => write!(f, "the signature over lines {n} to {last} is missing"),
            Fault::CutOff(last) => write!(f, "lines {n} to {last}, the end of the chain, are missing"),
            Fault::WrongEnd => write!(f, "the row that says where the chain ends (line {n}) was changed"),
            Fault::NotAsWitnessed => write!(f, "line {n} is not, or not as it was, when the chain was last witnessed"),
        }
    }
}

/// Findings, the first of them kept and all counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings {
    pub(crate) kept: Vec<Finding>,
    pub(crate) count: u64,
}

impl Findings {
    pub(crate) fn push(&mut self, number: i64, fault: Fault) {
        self.push_alike(number, fault, 1);
    }

    /// So many, of which the first is named.
    pub(crate) fn push_alike(&mut self, number: i64, fault: Fault, count: u64) {
        self.count += count;
        if self.kept.len() < KEPT {
            self.kept.push(Finding::new(number, fault));
        }
    }

    pub(crate) fn sort(&mut self) {
        self.kept.sort_by_key(|finding| finding.number);
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.count += other.count;
        self.kept.extend(other.kept);
        self.sort();
        self.kept.truncate(KEPT);
    }
}

/// Whether links follow each other and are signed. `ring` is none where only the hashes can be checked.
pub(crate) fn check_links(links: &[Link], after: i64, ring: Option<&KeyRing>) -> Findings {
    let mut findings = Findings::default();
    let mut next = after + 1;
    for link in links {
        if link.first != next {
            findings.push(next.min(link.first), Fault::Unlinked(link.first.max(next) - 1));
        }
        match ring.map_or(Signature::Good, |ring| link.check(ring)) {
            Signature::Good => {}
            Signature::Bad => findings.push(link.first, Fault::Forged(link.last)),
            Signature::NoKey => findings.push(link.first, Fault::KeyMissing(link.key_id.clone())),
        }
        next = link.last + 1;
    }
    findings
}

/// Whether the chain ends where it was last said to end.
pub(crate) fn check_end(links: &[Link], head: &Head, ring: &KeyRing) -> Findings {
    let mut findings = Findings::default();
    let (number, hash) = links.last().map_or((0, BEGINNING), |link| (link.last, link.hash));
    match head.check(ring) {
        Signature::Good if head.number > number => findings.push(number + 1, Fault::CutOff(head.number)),
        Signature::Good if (head.number, head.hash) == (number, hash) => {}
        Signature::NoKey => {
            let id = head.signed.as_ref().map(|(id, _)| id.clone()).unwrap_or_default();
            findings.push(head.number, Fault::KeyMissing(id));
        }
        Signature::Good | Signature::Bad => findings.push(head.number.min(number).max(1), Fault::WrongEnd),
    }
    findings
}

/// Checks the lines of some links that follow each other, one line after the other.
pub(crate) struct Lines<'a> {
    links: std::slice::Iter<'a, Link>,
    link: Option<&'a Link>,
    /// First line of the present link.
    first: i64,
    /// The number that has to come now.
    next: i64,
    hash: Hash,
    /// Of the present link it is known already that it cannot hold.
    doubted: bool,
    findings: Findings,
    emptied: Emptied,
}

impl<'a> Lines<'a> {
    /// Lines follow `after`, where the chain had this hash.
    pub(crate) fn new(links: &'a [Link], after: i64, hash: Hash) -> Self {
        let mut links = links.iter();
        let link = links.next();
        let (first, next) = (after + 1, after + 1);
        Self {
            links,
            link,
            first,
            next,
            hash,
            doubted: false,
            findings: Findings::default(),
            emptied: Emptied::default(),
        }
    }

    /// The next line, in the order of numbers; the hash of the chain after it.
    pub(crate) fn line(&mut self, line: &Line) -> Hash {
        let number = line.head.number;
        if number > self.next {
            self.missing(number - 1);
        }
        let Some(link) = self.link else {
            self.findings.push(number, Fault::Added);
            return self.hash;
        };
        if !line.holds() {
            self.findings.push(number, Fault::Changed);
            self.doubted = true;
        }
        if line.content.is_none() {
            self.emptied.add(&line.head);
        }
        self.hash = line.chained(&self.hash);
        self.next = number + 1;
        let hash = self.hash;
        if number == link.last {
            self.close(link);
        }
        hash
    }

    /// No more lines: what was found, and the lines that have no content any more, which are still to be judged.
    pub(crate) fn finish(mut self) -> (Findings, Emptied) {
        if let Some(link) = self.link {
            self.missing(self.links.as_slice().last().unwrap_or(link).last);
        }
        (self.findings, self.emptied)
    }

    /// Lines up to `last` are not there.
    fn missing(&mut self, last: i64) {
        self.findings.push(self.next, Fault::Missing(last));
        while let Some(link) = self.link.filter(|link| link.last <= last) {
            self.doubted = true;
            self.close(link);
        }
        self.doubted = true;
        self.next = last + 1;
    }

    fn close(&mut self, link: &'a Link) {
        if self.hash != link.hash && !self.doubted {
            self.findings.push(self.first, Fault::Broken(link.last));
        }
        // What follows is judged by itself.
        (self.hash, self.doubted, self.first) = (link.hash, false, link.last + 1);
        self.link = self.links.next();
    }
}

#[cfg(test)]
#[allow(clippy::cast_possible_wrap, reason = "chains of a few lines")]
mod tests {
    use proptest::prelude::*;
    use time::OffsetDateTime;

    use super::super::emptied::Announced;
    use super::super::event::EventClass;
    use super::super::line::tests::{contents, head};
    use super::*;

    fn ring(digits: &str) -> KeyRing {
        KeyRing::parse(&format!("key {digits} {}\nactive {digits}\n", digits.repeat(32))).unwrap()
    }

    #[derive(Debug)]
    struct Chain {
        lines: Vec<Line>,
        links: Vec<Link>,
        head: Head,
    }

    /// Lines in links of `size`.
    fn chain(contents: Vec<super::super::line::Content>, size: usize, ring: &KeyRing) -> Chain {
        let lines: Vec<_> = (1..).zip(contents).map(|(n, content)| Line::new(self::head(n), content)).collect();
        let (links, hash) = relinked(&lines, size, ring);
        let head = Head::sign(lines.len() as i64, hash, ring);
        Chain { lines, links, head }
    }

    fn relinked(lines: &[Line], size: usize, ring: &KeyRing) -> (Vec<Link>, Hash) {
        let mut hash = BEGINNING;
        let links = lines.chunks(size).map(|lines| {
            hash = lines.iter().fold(hash, |hash, line| line.chained(&hash));
            let (first, last) = (lines[0].head.number, lines[lines.len() - 1].head.number);
            Link::sign(first, last, OffsetDateTime::UNIX_EPOCH, hash, ring)
        });
        let links = links.collect();
        (links, hash)
    }

    impl Chain {
        fn verify(&self, announced: &Announced) -> Vec<Finding> {
            let ring = ring("ab");
            let mut all = check_links(&self.links, 0, Some(&ring));
            all.extend(check_end(&self.links, &self.head, &ring));
            let mut lines = Lines::new(&self.links, 0, BEGINNING);
            for line in &self.lines {
                lines.line(line);
            }
            let (found, emptied) = lines.finish();
            all.extend(found);
            all.extend(emptied.judge(announced));
            all.kept
        }

        fn faults(&self) -> Vec<(i64, Fault)> {
            self.verify(&Announced::default()).into_iter().map(|finding| (finding.number, finding.fault)).collect()
        }
    }

    prop_compose! {
        fn chains()(contents in prop::collection::vec(contents(), 4..40), size in 1_usize..12) -> Chain {
            chain(contents, size, &ring("ab"))
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn an_untouched_chain_holds(chain in chains()) {
            prop_assert_eq!(chain.faults(), []);
        }

        #[test]
        fn a_changed_line_is_named(mut chain in chains(), place in any::<prop::sample::Index>()) {
            let place = place.index(chain.lines.len());
            chain.lines[place].content.as_mut().unwrap().actor.push('x');
            prop_assert_eq!(chain.faults(), [(place as i64 + 1, Fault::Changed)]);
        }

        #[test]
        fn a_line_changed_with_its_digest_is_found(mut chain in chains(), place in any::<prop::sample::Index>()) {
            let place = place.index(chain.lines.len());
            let line = chain.lines[place].clone();
            let mut content = line.content.unwrap();
            content.actor.push('x');
            chain.lines[place] = Line::new(line.head, content);
            let faults = chain.faults();
            let number = place as i64 + 1;
            prop_assert!(matches!(faults[..], [(first, Fault::Broken(last))] if first <= number && number <= last));
        }

        #[test]
        fn a_deleted_line_is_named(mut chain in chains(), place in any::<prop::sample::Index>()) {
            let place = place.index(chain.lines.len());
            chain.lines.remove(place);
            let number = place as i64 + 1;
            prop_assert_eq!(chain.faults(), [(number, Fault::Missing(number))]);
        }

        #[test]
        fn two_swapped_lines_are_named(mut chain in chains(), one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
            let (one, other) = (one.index(chain.lines.len()), other.index(chain.lines.len()));
            prop_assume!(one != other);
            chain.lines.swap(one, other);
            let (a, b) = (one as i64 + 1, other as i64 + 1);
            (chain.lines[one].head.number, chain.lines[other].head.number) = (a, b);
            prop_assert_eq!(chain.faults(), [(a.min(b), Fault::Changed), (a.max(b), Fault::Changed)]);
        }

        #[test]
        fn a_cut_off_tail_is_found(mut chain in chains(), kept in any::<prop::sample::Index>()) {
            let whole = chain.links.len();
            let kept = kept.index(whole);
            chain.links.truncate(kept);
            let end = chain.links.last().map_or(0, |link| link.last);
            let last = chain.lines.len() as i64;
            chain.lines.truncate(usize::try_from(end).unwrap());
            prop_assert_eq!(chain.faults(), [(end + 1, Fault::CutOff(last))]);
        }

        #[test]
        fn a_chain_rewritten_without_the_key_is_found(mut chain in chains(), size in 1_usize..12) {
            let line = chain.lines[1].clone();
            let mut content = line.content.unwrap();
            content.actor.push('x');
            chain.lines[1] = Line::new(line.head, content);
            let (mut links, hash) = relinked(&chain.lines, size, &ring("cd"));
            for link in &mut links {
                link.key_id = "ab".into();
            }
            chain.links = links;
            chain.head = Head { hash, ..chain.head };
            let faults = chain.faults();
            prop_assert!(matches!(faults[0], (1, Fault::Forged(_))), "{:?}", faults);
        }

        #[test]
        fn a_removed_link_is_found(mut chain in chains(), place in any::<prop::sample::Index>()) {
            let place = place.index(chain.links.len());
            let link = chain.links.remove(place);
            prop_assert_eq!(chain.faults()[0].0, link.first);
        }
    }

    #[test]
    fn removed_content_needs_an_announcement() {
        let ring = ring("ab");
        let content = super::super::line::Content {
            salt: [1; 16],
            actor: "pli".into(),
            delegated: None,
            message: None,
            bal: None,
            peer: None,
            detail: None,
        };
        let mut chain = chain(vec![content; 3], 2, &ring);
        chain.lines[1].content = None;
        assert_eq!(chain.faults(), [(2, Fault::Emptied)]);
        let mut announced = Announced::default();
        announced.announce(EventClass::Trust, head(3).at);
        assert_eq!(chain.verify(&announced).len(), 1, "another class");
        announced.announce(EventClass::Provisioning, head(2).at);
        assert_eq!(chain.verify(&announced).len(), 1, "not old enough");
        announced.announce(EventClass::Provisioning, head(3).at);
        assert_eq!(chain.verify(&announced), []);
    }

    #[test]
    fn lines_after_the_end_are_found() {
        let ring = ring("ab");
        let content = |n: u8| super::super::line::Content {
            salt: [n; 16],
            actor: "pli".into(),
            delegated: None,
            message: None,
            bal: None,
            peer: None,
            detail: None,
        };
        let mut chain = chain(vec![content(1), content(2)], 2, &ring);
        chain.lines.push(Line::new(head(3), content(3)));
        assert_eq!(chain.faults(), [(3, Fault::Added)]);
    }
}
