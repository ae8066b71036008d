//! What the look inside archives costs, and what letters without one cost because of it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use message::{
    AttachmentDecoder, MssHeaders, Scanner, Summary, XdmLetter, judge_without_archive, look_inside, xdm_archives,
};
use testkit::letter::{self, Heading, Patient};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::cpu::median;
use crate::figure::{Figure, most};
use crate::micro::Micro;

/// The cases of this part.
pub(crate) const CASES: [Micro; 2] = [
    Micro { part: "xdm", name: "xdm-look", run: look },
    Micro { part: "xdm", name: "xdm-letter-without", run: without },
];

const DATE: OffsetDateTime = datetime!(2026-11-03 08:00 UTC);
const ROUNDS: usize = 200;
/// Octets of a large archive: with base64, the largest letter.
const LARGE: usize = 18 << 20;

/// From the octets of the attachment to the verdicts, in one thread.
fn look(case: &'static str) -> Result<Vec<Figure>> {
    let patient = Patient::fictitious();
    let letter = discharge(&patient);
    let (headers, summary) = read(&letter);
    let [part] = xdm_archives(&summary)[..] else { anyhow::bail!("one archive") };
    let body = &letter[usize::try_from(part.body.start)?..usize::try_from(part.body.end())?];
    let decoded = || {
        let mut decoder = AttachmentDecoder::new(part);
        decoder.push(body);
        decoder.finish().unwrap_or_default()
    };
    let archive = decoded();
    let large = letter::large_archive(&patient, DATE, LARGE);
    let judged = |archive: &[u8]| look_inside(archive, &XdmLetter { headers: &headers, patients: &[] });
    ensure!(judged(&archive).is_empty() && judged(&large).is_empty(), "an archive that is right");
    let typical = format!("an archive of {} octets", archive.len());
    Ok(vec![
        Figure::new(case, format!("{typical}: decoded"), micros(ROUNDS, decoded), "µs", None),
        Figure::new(case, format!("{typical}: judged"), micros(ROUNDS, || judged(&archive)), "µs", most(1_000.0)),
        Figure::new(case, "an archive of 18 MiB: judged", micros(11, || judged(&large)) / 1e3, "ms", most(200.0)),
    ])
}

/// What acceptance does for every letter: fields read, attachments searched for.
fn without(case: &'static str) -> Result<Vec<Figure>> {
    let heading = heading();
    let letter = letter::reply(&heading, "<1@x>");
    let (headers, summary) = read(&letter);
    ensure!(judge_without_archive(&headers, &summary).is_empty(), "a letter that is right");
    let header = &letter[..usize::try_from(summary.root.header.len)?];
    let judged = || {
        let headers = MssHeaders::read(black_box(header));
        (xdm_archives(&summary).len(), judge_without_archive(&headers, &summary))
    };
    Ok(vec![Figure::new(case, "a letter without archive", micros(ROUNDS * 100, judged), "µs", most(20.0))])
}

fn heading() -> Heading {
    Heading {
        from: "dpi@ch.mssante.fr".to_owned(),
        to: vec!["a@b.mssante.fr".to_owned()],
        message_id: "<1@ch.mssante.fr>".to_owned(),
        date: DATE,
    }
}

fn discharge(patient: &Patient) -> Vec<u8> {
    letter::discharge(&heading(), "c@ch.mssante.fr", patient)
}

fn read(letter: &[u8]) -> (MssHeaders, Summary) {
    let mut scanner = Scanner::new();
    scanner.push(letter);
    let summary = scanner.finish();
    let end = usize::try_from(summary.root.header.len).unwrap_or_default();
    (MssHeaders::read(&letter[..end]), summary)
}

/// The median of `rounds`.
fn micros<T>(rounds: usize, once: impl Fn() -> T) -> f64 {
    let round = |_| {
        let begun = Instant::now();
        black_box(once());
        begun.elapsed()
    };
    let times: Vec<Duration> = (0..rounds).map(round).collect();
    median(times).as_secs_f64() * 1e6
}
