//! Whether the chain goes on from where it was seen last.

use super::check::{self, Fault, Finding, Findings, Lines};
use super::line::Line;
use super::links::{Head, Link, Signature};
use super::rows;
use super::verify::Witness;
use crate::{KeyRing, Store, StoreError};

/// Lines that one look follows at most: what a busy platform enters in some seconds, and read in less than one.
const STEP: i64 = 100_000;

/// What became of a chain since it was seen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// It goes on to here; there may be more.
    To(Witness),
    /// It is another chain, or set back: what is wrong first.
    Lost(Finding),
}

impl Store {
    /// Follows the chain from an end that was `seen` outside of the database, line by line, to a later one: whatever
    /// somebody puts into the database, the later end is on the same chain. Contents are not looked at. Who has seen
    /// no end yet has to believe the present one, if it is signed.
    ///
    /// To look only for the end that was seen would not do: whoever puts an old state back can put the link with that
    /// end back, too, for as long as somebody looks.
    pub async fn follow_traces(&self, seen: Option<Witness>) -> Result<Followed, StoreError> {
        let mut transaction = self.pool().begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *transaction).await?;
        let end = rows::end(&mut transaction).await?;
        let seen = seen.unwrap_or(Witness { number: end.number, hash: end.hash });
        let next = seen.number.saturating_add(1);
        let links = rows::links(&mut transaction, next, seen.number.saturating_add(STEP)).await?;
        let last = links.last().map_or(seen.number, |link| link.last);
        let mut lines = Lines::new(&links, seen.number, seen.hash);
        let follow = |line: &Line| {
            lines.line(line);
        };
        rows::heads(&mut transaction, next, last, follow).await?;
        let mut findings = judge(seen, &end, &links, self.keyring());
        findings.extend(lines.finish().0);
        let here = links.last().map_or(seen, |link| Witness { number: link.last, hash: link.hash });
        Ok(findings.kept.into_iter().next().map_or(Followed::To(here), Followed::Lost))
    }
}

/// Whether end and links fit what was seen.
fn judge(seen: Witness, end: &Head, links: &[Link], ring: &KeyRing) -> Findings {
    let mut findings = check::check_links(links, seen.number, Some(ring));
    match end.check(ring) {
        Signature::Good => {}
        Signature::Bad => findings.push(end.number, Fault::WrongEnd),
        Signature::NoKey => {
            let id = end.signed.as_ref().map(|(id, _)| id.clone()).unwrap_or_default();
            findings.push(end.number, Fault::KeyMissing(id));
        }
    }
    let (number, hash) = links.last().map_or((seen.number, seen.hash), |link| (link.last, link.hash));
    if end.number < seen.number {
        findings.push(end.number + 1, Fault::CutOff(seen.number));
    } else if end.number < number || (end.number == number && end.hash != hash) {
        findings.push(end.number, Fault::NotAsWitnessed);
    } else if end.number > seen.number && links.is_empty() {
        findings.push(seen.number + 1, Fault::Unlinked(end.number));
    }
    findings
}
