//! Whether the trail in the database is what was entered.

use std::ops::Range;
use std::sync::Arc;

use mssante::hex;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::task::JoinSet;

use super::check::{self, Fault, Finding, Findings, Lines};
use super::emptied::Emptied;
use super::line::BEGINNING;
use super::links::Link;
use super::rows;
use crate::{Store, StoreError};

/// Lines that one query brings: enough to be worth it, few enough to end long before the statement's time is over.
const PART: i64 = 100_000;
/// Parts that are read at the same time, each over a connection of its own.
const READERS: usize = 2;

/// A number and the hash of the chain after that line, noted down outside of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witness {
    /// Which line.
    pub number: i64,
    /// Of the chain after it.
    pub hash: [u8; 32],
}

impl std::fmt::Display for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.number, hex(&self.hash))
    }
}

impl std::str::FromStr for Witness {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let why = || format!("`{text}` is not a number and 64 hexadecimal digits with a colon between");
        let (number, digits) = text.trim().split_once(':').ok_or_else(why)?;
        let number = number.parse().map_err(|_| why())?;
        let hash = super::unhex(digits).and_then(|octets| octets.try_into().ok()).ok_or_else(why)?;
        Ok(Self { number, hash })
    }
}

/// What a verification found.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// Lines that were looked at.
    pub lines: u64,
    /// Of these, lines whose content is gone by retention.
    pub removed: u64,
    /// Links.
    pub links: u64,
    /// When the last line was entered.
    #[serde(with = "time::serde::rfc3339::option")]
    pub entered_at: Option<OffsetDateTime>,
    /// Where the chain ends; to be noted down outside of the database.
    #[serde(skip)]
    pub end: Witness,
    /// How many things are wrong.
    pub faults: u64,
    /// The first of them, by number.
    #[serde(skip)]
    pub findings: Vec<Finding>,
}

impl Store {
    /// Where the chain ends now; to be noted down outside of the database.
    pub async fn trace_end(&self) -> Result<Witness, StoreError> {
        let end = rows::end(&mut *self.pool().acquire().await?).await?;
        Ok(Witness { number: end.number, hash: end.hash })
    }

    /// Verifies the whole chain: that no line is missing, changed or added, that every link and the end are signed,
    /// that contents are gone only as announced. `witnesses` are ends of the chain that were noted down before.
    ///
    /// What still waits in the inbox is not part of the chain.
    pub async fn verify_traces(&self, witnesses: &[Witness]) -> Result<Verification, StoreError> {
        let mut transaction = self.pool().begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *transaction).await?;
        let head = rows::end(&mut transaction).await?;
        let links = Arc::new(rows::links(&mut transaction, 0, i64::MAX).await?);
        let beyond: Option<i64> =
            sqlx::query_scalar("SELECT min(number) FROM trace_line WHERE number > $1 OR number < 1")
                .bind(head.number.max(links.last().map_or(0, |link| link.last)))
                .fetch_one(&mut *transaction)
                .await?;
        transaction.commit().await?;

        let mut findings = check::check_links(&links, 0, Some(self.keyring()));
        findings.extend(check::check_end(&links, &head, self.keyring()));
        if let Some(number) = beyond {
            findings.push(number, Fault::Added);
        }
        let (lines, emptied, witnessed, found) = self.verify_lines(&links, witnesses).await?;
        findings.extend(found);
        findings.extend(self.judge_emptied(&emptied).await?);
        for witness in witnesses.iter().filter(|witness| !witnessed.contains(witness) && witness.number > 0) {
            findings.push(witness.number, Fault::NotAsWitnessed);
        }
        findings.kept.sort_by_key(|finding| finding.number);
        Ok(Verification {
            lines,
            removed: emptied.lines(),
            links: links.len() as u64,
            entered_at: links.last().map(|link| link.at),
            end: Witness { number: head.number, hash: head.hash },
            faults: findings.count,
            findings: findings.kept,
        })
    }

    /// Whether contents may be gone. Announcements are read after the lines: what retention removed while these were
    /// read, it had announced by then.
    async fn judge_emptied(&self, emptied: &Emptied) -> Result<Findings, StoreError> {
        let mut connection = self.pool().acquire().await?;
        let (announced, mut findings) = rows::announced(&mut connection, self.keyring()).await?;
        findings.extend(emptied.judge(&announced));
        Ok(findings)
    }

    /// How many lines, those without content, the witnesses that were met, and what is wrong.
    async fn verify_lines(
        &self,
        links: &Arc<Vec<Link>>,
        witnesses: &[Witness],
    ) -> Result<(u64, Emptied, Vec<Witness>, Findings), StoreError> {
        let mut parts = parts(links).into_iter();
        let (mut lines, mut emptied, mut met, mut findings) = (0, Emptied::default(), Vec::new(), Findings::default());
        let mut readers = JoinSet::new();
        loop {
            while readers.len() < READERS
                && let Some(part) = parts.next()
            {
                let (store, links, witnesses) = (self.clone(), Arc::clone(links), witnesses.to_vec());
                readers.spawn(async move { store.verify_part(&links, part, &witnesses).await });
            }
            let Some(done) = readers.join_next().await else { return Ok((lines, emptied, met, findings)) };
            let part = done.map_err(|error| StoreError::Unavailable(error.to_string()))??;
            lines += part.lines;
            emptied.merge(part.emptied);
            met.extend(part.met);
            findings.extend(part.findings);
        }
    }

    /// The lines of some links.
    async fn verify_part(&self, links: &[Link], part: Range<usize>, witnesses: &[Witness]) -> Result<Part, StoreError> {
        let before = part.start.checked_sub(1).and_then(|place| links.get(place));
        let (after, hash) = before.map_or((0, BEGINNING), |link| (link.last, link.hash));
        let links = &links[part];
        let to = links.last().map_or(after, |link| link.last);
        let mut checked = Lines::new(links, after, hash);
        let mut met = Vec::new();
        let mut connection = self.pool().acquire().await?;
        let lines = rows::lines(&mut connection, after + 1, to, |line| {
            let number = line.head.number;
            let hash = checked.line(line);
            met.extend(witnesses.iter().filter(|witness| witness.number == number && witness.hash == hash));
        })
        .await?;
        let (findings, emptied) = checked.finish();
        Ok(Part { lines, emptied, met, findings })
    }
}

/// What was found in one part.
struct Part {
    lines: u64,
    emptied: Emptied,
    met: Vec<Witness>,
    findings: Findings,
}

/// Links in groups of about [`PART`] lines.
fn parts(links: &[Link]) -> Vec<Range<usize>> {
    let (mut parts, mut start, mut from) = (Vec::new(), 0, 0);
    for (place, link) in links.iter().enumerate() {
        if link.last - from >= PART || place + 1 == links.len() {
            parts.push(start..place + 1);
            (start, from) = (place + 1, link.last);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_is_read_back_as_it_was_written() {
        let witness = Witness { number: 12, hash: [0xa7; 32] };
        assert_eq!(witness.to_string().parse(), Ok(witness));
        for text in ["", "12", "12:ab", "x:00"] {
            assert!(text.parse::<Witness>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_link_is_in_one_part() {
        let link = |last| Link {
            first: last - 39_999,
            last,
            at: OffsetDateTime::UNIX_EPOCH,
            hash: BEGINNING,
            key_id: String::new(),
            mac: Vec::new(),
        };
        let links: Vec<_> = (1..=7).map(|n| link(n * 40_000)).collect();
        assert_eq!(parts(&links), [0..3, 3..6, 6..7]);
        assert_eq!(parts(&[]), []);
    }
}
