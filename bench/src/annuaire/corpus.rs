//! An extraction of 1,200,000 BALs of an invented France, as large as the Ségur goals would make it, in a file.

use std::fs::File;
use std::io::BufReader;

use annuaire::{Directory, DirectoryBuilder, Extraction, Item, ReadingLimits};
use anyhow::{Result, ensure};
use mssante::Address;
use tempfile::NamedTempFile;
use testkit::extraction::France;

/// Lines of the extraction, about.
pub(super) const BALS: u64 = 1_200_000;
pub(super) const SEED: u64 = 4;
const NAME: &str = "Extraction_Correspondance_MSSante_202608250032.txt";

/// The extraction, packed as it is published.
pub(super) struct Corpus {
    file: NamedTempFile,
}

impl Corpus {
    pub(super) fn new() -> Result<Self> {
        let file = NamedTempFile::new()?;
        France::new(SEED, BALS).irregular(100).write_zip(file.reopen()?, NAME)?;
        Ok(Self { file })
    }

    /// Reads the file into a builder.
    pub(super) fn collect(&self) -> Result<DirectoryBuilder> {
        let mut builder = DirectoryBuilder::new();
        let file = BufReader::new(File::open(self.file.path())?);
        let extraction = Extraction::open(file, NAME, ReadingLimits::default())?;
        let summary = extraction.read(
            &mut |item| {
                if let Item::Entry(entry) = item {
                    builder.put(entry);
                }
            },
            &mut |_| {},
        )?;
        ensure!(summary.taken >= BALS, "the extraction is not read whole: {summary:?}");
        Ok(builder)
    }

    /// From the file to a directory in use.
    pub(super) fn import(&self) -> Result<Directory> {
        let directory = self.collect()?.finish();
        ensure!(directory.len() as u64 >= BALS - BALS / 100, "{} BALs only", directory.len());
        Ok(directory)
    }
}

/// Numbers by chance, the same in every run.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        usize::try_from(high).unwrap_or(0) % bound
    }

    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// Every twelfth address, from all over the directory.
pub(super) fn known_addresses(directory: &Directory) -> Vec<Address> {
    directory.entries().step_by(12).map(|entry| entry.address).collect()
}

/// As many that it does not have, most of them in domains that it has.
pub(super) fn unknown_addresses(known: &[Address]) -> Result<Vec<Address>> {
    let unknown = |address: &Address| {
        let local = address.local().as_str();
        let start = &local[..local.floor_char_boundary(40)];
        Address::from_parts(&format!("{start}.nobody"), address.domain())
    };
    Ok(known.iter().map(unknown).collect::<Result<_, _>>()?)
}

#[expect(clippy::cast_precision_loss, reason = "memory of a process")]
pub(super) fn megabytes(octets: u64) -> f64 {
    octets as f64 / 1e6
}
