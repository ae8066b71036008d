//! Extractions of the national directory as they are published, for an invented France of any size.
//!
//! Everything follows from a seed. Names, professions, places and the tail of small domains are distributed as in
//! the published files; people, structures and numbers are invented, with keys that are right. Codes and labels of
//! professions and specialities are the national ones as far as they could be recalled.

mod activities;
mod dice;
mod people;
mod places;
mod row;
mod words;

use std::collections::{HashMap, HashSet};
use std::io::{self, Seek, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use self::dice::Dice;
use self::people::Person;
use self::places::{Domain, Domains, Site};
pub use self::row::{CORRESPONDENCE_COLUMNS, Row};
use self::words::Words;

/// A directory that can be written as an extraction.
#[derive(Debug, Clone)]
pub struct France {
    seed: u64,
    bals: u64,
    domains: usize,
    removed: HashSet<u64>,
    changed: HashMap<u64, u32>,
    duplicates: u32,
    irregular: u32,
    planted: Vec<Row>,
}

/// What changes from one day to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delta {
    /// New addresses.
    pub added: u64,
    /// Addresses whose entries say something else.
    pub changed: u64,
    /// Addresses that are gone.
    pub removed: u64,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Lines without the header.
    pub lines: u64,
    /// Lines that nobody can use.
    pub irregular: u64,
    /// Lines whose address stands on a line before.
    pub duplicates: u64,
}

/// The share of a kind of lines is given in millionths of the BALs.
const MILLION: u64 = 1_000_000;

impl France {
    /// This many BALs, each with an address of its own; 169 in 500,000 of them stand on two lines.
    pub fn new(seed: u64, bals: u64) -> Self {
        let domains = usize::try_from((bals / 60).clamp(12, 5000)).expect("at most 5000");
        Self {
            seed,
            bals,
            domains,
            removed: HashSet::new(),
            changed: HashMap::new(),
            duplicates: 338,
            irregular: 0,
            planted: Vec::new(),
        }
    }

    /// With lines that nobody can use, in millionths of the BALs.
    #[must_use]
    pub fn irregular(mut self, per_million: u32) -> Self {
        self.irregular = per_million;
        self
    }

    /// With second lines of the same address, in millionths of the BALs.
    #[must_use]
    pub fn duplicates(mut self, per_million: u32) -> Self {
        self.duplicates = per_million;
        self
    }

    /// With a line of one's own, before all others.
    #[must_use]
    pub fn plant(mut self, row: Row) -> Self {
        self.planted.push(row);
        self
    }

    /// The file of the next day: the same but for as many addresses as `delta` says (planted ones stay).
    #[must_use]
    pub fn next_day(&self, delta: Delta) -> Self {
        const STEP: u64 = 2_147_483_647;
        let mut next = self.clone();
        let start = (self.removed.len() + self.changed.len()) as u64;
        let mut free = (start..).map(|n| n.wrapping_mul(STEP) % self.bals.max(1));
        for _ in 0..delta.removed.min(self.len()) {
            let gone = free.by_ref().find(|n| !next.removed.contains(n)).expect("some are left");
            next.removed.insert(gone);
        }
        let mut touched = HashSet::new();
        for _ in 0..delta.changed.min(next.len()) {
            let other = free.by_ref().find(|n| !next.removed.contains(n) && touched.insert(*n)).expect("some are left");
            *next.changed.entry(other).or_default() += 1;
        }
        next.bals += delta.added;
        next
    }

    /// How many addresses it has, planted ones not counted.
    pub fn len(&self) -> u64 {
        self.bals - self.removed.len() as u64
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes `Extraction_Correspondance_MSSante` as text. Millions of lines are quick in release builds only.
    pub fn write_text(&self, to: impl Write) -> io::Result<Written> {
        Writer::new(self, to).run()
    }

    /// The same as a ZIP with one entry of this name (`Extraction_Correspondance_MSSante_AAAAMMJJhhmm.txt`).
    pub fn write_zip(&self, to: impl Write + Seek, name: &str) -> io::Result<Written> {
        let mut archive = ZipWriter::new(to);
        archive.start_file(name, packing())?;
        let written = self.write_text(&mut archive)?;
        archive.finish()?.flush()?;
        Ok(written)
    }

    /// Writes `PS_LibreAcces_Personne_activite` as text: one or two activities of each professional, and of some
    /// who have no BAL.
    pub fn write_activities(&self, to: impl Write) -> io::Result<Written> {
        activities::write(self, to)
    }

    /// Writes the ZIP `PS_LibreAcces` with its three texts; `stamp` is `AAAAMMJJhhmm`.
    pub fn write_activities_zip(&self, to: impl Write + Seek, stamp: &str) -> io::Result<Written> {
        let mut archive = ZipWriter::new(to);
        for (name, header) in activities::OTHER_TEXTS {
            archive.start_file(format!("{name}_{stamp}.txt"), packing())?;
            writeln!(archive, "{header}")?;
        }
        archive.start_file(format!("PS_LibreAcces_Personne_activite_{stamp}.txt"), packing())?;
        let written = self.write_activities(&mut archive)?;
        archive.finish()?.flush()?;
        Ok(written)
    }

    /// Whether this BAL is a professional's.
    fn is_nominative(&self, number: u64) -> bool {
        Dice::new(self.seed, 5, number).percent(83)
    }

    /// Whose it is: some professionals have several.
    fn owner(&self, number: u64) -> u64 {
        let shares = |n: u64| n > 0 && self.is_nominative(n - 1) && Dice::new(self.seed, 6, n).percent(12);
        (0..=number).rev().find(|&n| !shares(n)).unwrap_or(0)
    }
}

fn packing() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_level(Some(1))
}

/// Writes line by line into one buffer.
struct Writer<'a, W: Write> {
    france: &'a France,
    words: Words,
    to: io::BufWriter<W>,
    line: String,
    /// How often a local part was used in a domain.
    used: HashMap<String, u32>,
    written: Written,
}

impl<'a, W: Write> Writer<'a, W> {
    fn new(france: &'a France, to: W) -> Self {
        let to = io::BufWriter::with_capacity(1 << 18, to);
        Self { france, words: Words::new(), to, line: String::new(), used: HashMap::new(), written: Written::default() }
    }

    fn run(mut self) -> io::Result<Written> {
        let domains = Domains::new(self.france.seed, self.france.domains, &self.words);
        writeln!(self.to, "{}", CORRESPONDENCE_COLUMNS.join("|"))?;
        for row in &self.france.planted {
            writeln!(self.to, "{row}")?;
            self.written.lines += 1;
        }
        for number in 0..self.france.bals {
            self.bal(number, &domains)?;
        }
        self.to.flush()?;
        Ok(self.written)
    }

    fn bal(&mut self, number: u64, domains: &Domains) -> io::Result<()> {
        let mut dice = Dice::new(self.france.seed, 7, number);
        let row = if self.france.is_nominative(number) {
            self.nominative(number, domains, &mut dice)
        } else {
            self.organisational(number, domains, &mut dice)
        };
        if self.france.removed.contains(&number) {
            return Ok(());
        }
        if dice.below(MILLION) < self.france.irregular.into() {
            self.irregular(&row, &mut dice)?;
        }
        self.put(&row)?;
        if dice.below(MILLION) < self.france.duplicates.into() {
            self.written.duplicates += 1;
            self.put(&row.with("Service de rattachement", "SECOND LIEU D'EXERCICE"))?;
        }
        Ok(())
    }

    fn put(&mut self, row: &Row) -> io::Result<()> {
        use std::fmt::Write as _;
        self.line.clear();
        writeln!(self.line, "{row}").expect("writing into a text does not fail");
        self.written.lines += 1;
        self.to.write_all(self.line.as_bytes())
    }

    fn nominative(&mut self, number: u64, domains: &Domains, dice: &mut Dice) -> Row {
        let owner = self.france.owner(number);
        let words = &self.words;
        let home = domains.any(&mut Dice::new(self.france.seed, 8, owner));
        let domain = if owner == number { home } else { domains.structure(dice) };
        let at = profession(home.1, words, self.france.seed, owner);
        let person = Person::of(self.france.seed, owner, &words.professions[at], words);
        let site = self.site(owner, domain, &person, dice);
        let mut row = Row::new().kind("PER").person(&person);
        if let Some(site) = &site {
            row = row.site(site);
        }
        let local = person.local_part(dice);
        self.finished(number, row, &local, domain.1, dice)
    }

    /// Where a professional works; a third of those on their own do not say.
    fn site(&self, owner: u64, domain: (usize, &Domain), person: &Person<'_>, dice: &mut Dice) -> Option<Site<'_>> {
        let seed = self.france.seed;
        match domain.1.profession {
            Some(_) if dice.percent(33) => None,
            Some(_) => Some(Site::practice(seed, owner, &person.family, &self.words)),
            None => Some(Site::of_domain(seed, domain, dice, &self.words)),
        }
    }

    fn organisational(&mut self, number: u64, domains: &Domains, dice: &mut Dice) -> Row {
        let domain = domains.structure(dice);
        let site = Site::of_domain(self.france.seed, domain, dice, &self.words);
        let (service, local) = dice.pick(SERVICES);
        let row = Row::new().kind("ORG").site(&site).with("Service de rattachement", service);
        self.finished(number, row, local, domain.1, dice)
    }

    /// With its address and what changes from day to day.
    fn finished(&mut self, number: u64, row: Row, local: &str, domain: &Domain, dice: &mut Dice) -> Row {
        let mut address = format!("{local}@{}", domain.name);
        let times = self.used.entry(address.clone()).or_default();
        *times += 1;
        if *times > 1 {
            address = format!("{local}{times}@{}", domain.name);
        }
        let version = self.france.changed.get(&number).copied().unwrap_or(0);
        let accepted = dice.percent(70) ^ (version % 2 == 1);
        let row = if version > 0 {
            row.with("L3COMPLEMENTDISTRIBUTION structure BAL", &format!("BAT {version}"))
        } else {
            row
        };
        row.with("Adresse BAL", &address).with("Dématérialisation", if accepted { "O" } else { "N" })
    }

    /// A line that nobody can use, made of a good one.
    fn irregular(&mut self, row: &Row, dice: &mut Dice) -> io::Result<()> {
        self.written.irregular += 1;
        self.written.lines += 1;
        let line = row.to_string();
        let broken = match dice.below(5) {
            0 => line[..line.rfind("||").unwrap_or(0)].replacen('|', "", 2).into_bytes(),
            1 => row.clone().with("Adresse BAL", "prénom nom@sans domaine").to_string().into_bytes(),
            2 => row.clone().with("Type de BAL", "XXX").to_string().into_bytes(),
            3 => row.clone().with("Type Identifiant PP", "8").with("Identifiant PP", "123").to_string().into_bytes(),
            _ => [line.as_bytes(), b" \xC9tude"].concat(),
        };
        self.to.write_all(&broken)?;
        self.to.write_all(b"\n")
    }
}

/// That of the national domain, or any.
fn profession(home: &Domain, words: &Words, seed: u64, owner: u64) -> usize {
    home.profession.unwrap_or_else(|| words.profession_shares.pick(&mut Dice::new(seed, 9, owner)))
}

const SERVICES: &[(&str, &str)] = &[
    ("Secrétariat", "secretariat"),
    ("Cardiologie", "secretariat.cardiologie"),
    ("Urgences", "urgences"),
    ("Biologie médicale", "laboratoire"),
    ("Imagerie médicale", "imagerie"),
    ("Maternité", "maternite"),
    ("Pédiatrie", "pediatrie"),
    ("Gériatrie", "geriatrie"),
    ("Pharmacie à usage intérieur", "pharmacie"),
    ("Oncologie", "oncologie"),
    ("Néphrologie", "nephrologie"),
    ("Chirurgie viscérale", "chirurgie.viscerale"),
    ("Soins de suite et de réadaptation", "ssr"),
    ("Admissions", "admissions"),
    ("Archives médicales", "archives"),
    ("Psychiatrie adulte", "psychiatrie"),
    ("Hôpital de jour", "hdj"),
    ("Direction des soins", "direction.soins"),
];
