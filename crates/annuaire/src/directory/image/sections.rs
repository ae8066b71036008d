//! Sections of an image: length, octets, sum.

use std::io::{Read, Write};

use crc32fast::Hasher;

use super::super::texts::Texts;
use super::ImageError;
use super::records::Record;

/// Octets that are written and read at once; a length that lies costs no more memory than this.
const PIECE: usize = 256 * 1024;

/// An image that is being written.
pub(super) struct Writing<'a> {
    to: &'a mut dyn Write,
}

impl<'a> Writing<'a> {
    pub(super) fn begin(to: &'a mut dyn Write, magic: [u8; 8], format: u32) -> Result<Self, ImageError> {
        to.write_all(&magic)?;
        to.write_all(&format.to_le_bytes())?;
        Ok(Self { to })
    }

    pub(super) fn texts(&mut self, texts: &Texts) -> Result<(), ImageError> {
        let (octets, ends) = texts.parts();
        let mut section = self.section(octets.len())?;
        section.put(octets.as_bytes())?;
        section.end()?;
        self.records(ends)
    }

    pub(super) fn records<const N: usize, R: Record<N>>(&mut self, records: &[R]) -> Result<(), ImageError> {
        let mut section = self.section(records.len() * N * 4)?;
        let mut piece = Vec::with_capacity(PIECE);
        for some in records.chunks((PIECE / (N * 4)).max(1)) {
            piece.clear();
            piece.extend(some.iter().flat_map(|record| record.to_numbers()).flat_map(u32::to_le_bytes));
            section.put(&piece)?;
        }
        section.end()
    }

    fn section(&mut self, length: usize) -> Result<Section<'_>, ImageError> {
        self.to.write_all(&(length as u64).to_le_bytes())?;
        Ok(Section { to: self.to, sum: Hasher::new() })
    }
}

struct Section<'a> {
    to: &'a mut dyn Write,
    sum: Hasher,
}

impl Section<'_> {
    fn put(&mut self, octets: &[u8]) -> Result<(), ImageError> {
        self.sum.update(octets);
        Ok(self.to.write_all(octets)?)
    }

    fn end(self) -> Result<(), ImageError> {
        Ok(self.to.write_all(&self.sum.finalize().to_le_bytes())?)
    }
}

/// An image that is being read.
pub(super) struct Reading<'a> {
    from: &'a mut dyn Read,
}

impl<'a> Reading<'a> {
    pub(super) fn begin(from: &'a mut dyn Read, magic: [u8; 8], known: u32) -> Result<Self, ImageError> {
        let mut reading = Self { from };
        if reading.octets::<8>()? != magic {
            return Err(ImageError::Damaged("it does not begin as one"));
        }
        let found = u32::from_le_bytes(reading.octets()?);
        if found == known { Ok(reading) } else { Err(ImageError::Format { found, known }) }
    }

    pub(super) fn texts(&mut self) -> Result<Texts, ImageError> {
        let mut octets = Vec::new();
        self.section(|piece| octets.extend_from_slice(piece))?;
        octets.shrink_to_fit();
        let octets = String::from_utf8(octets).map_err(|_| ImageError::Damaged("a text is not UTF-8"))?;
        Texts::from_parts(octets, self.records()?).ok_or(ImageError::Damaged("texts end where they cannot"))
    }

    pub(super) fn records<const N: usize, R: Record<N>>(&mut self) -> Result<Vec<R>, ImageError> {
        let mut records = Vec::new();
        let mut numbers = [0; N];
        let mut filled = 0;
        self.section(|piece| {
            for octets in piece.as_chunks::<4>().0 {
                numbers[filled] = u32::from_le_bytes(*octets);
                filled += 1;
                if filled == N {
                    records.push(R::from_numbers(numbers));
                    filled = 0;
                }
            }
        })?;
        records.shrink_to_fit();
        if filled == 0 { Ok(records) } else { Err(ImageError::Damaged("a row is not whole")) }
    }

    /// Reads a section piece by piece; all pieces but the last are of [`PIECE`] octets. What was taken counts only if the
    /// sum turns out right.
    fn section(&mut self, mut take: impl FnMut(&[u8])) -> Result<(), ImageError> {
        let mut left = u64::from_le_bytes(self.octets()?);
        let mut sum = Hasher::new();
        let mut piece = vec![0; PIECE];
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            self.fill(&mut piece[..length])?;
            sum.update(&piece[..length]);
            take(&piece[..length]);
            left -= length as u64;
        }
        if u32::from_le_bytes(self.octets()?) == sum.finalize() {
            return Ok(());
        }
        Err(ImageError::Damaged("a sum is wrong"))
    }

    fn octets<const N: usize>(&mut self) -> Result<[u8; N], ImageError> {
        let mut octets = [0; N];
        self.fill(&mut octets)?;
        Ok(octets)
    }

    fn fill(&mut self, octets: &mut [u8]) -> Result<(), ImageError> {
        self.from.read_exact(octets).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => ImageError::Damaged("it ends too early"),
            _ => ImageError::Io(error),
        })
    }
}
