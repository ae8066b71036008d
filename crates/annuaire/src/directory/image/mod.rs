//! The image of a directory: its tables and its vocabulary, one section behind the other, so that nodes read what one
//! of them has built.
//!
//! Eight octets that say what it is and four for the format, then sections: length in octets (8), octets, CRC-32 (4).
//! Numbers are little-endian, of four octets. What follows from the tables is not in it.

mod check;
mod records;
mod sections;

use std::io::{Read, Write};

use mssante::Domain;
use thiserror::Error;

use self::sections::{Reading, Writing};
use super::Directory;
use super::tables::Tables;
use super::texts::Texts;
use super::vocabulary::Vocabulary;

const MAGIC: [u8; 8] = *b"pli-dir\n";

/// Why an image is of no use.
#[derive(Debug, Error)]
pub enum ImageError {
    /// It cannot be read or written.
    #[error("the image of the directory cannot be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// Another version of pli wrote it.
    #[error("the image of the directory has format {found}, this pli reads {known}; import the directory again")]
    Format {
        /// What it has.
        found: u32,
        /// What we read.
        known: u32,
    },
    /// It is damaged.
    #[error("the image of the directory is damaged ({0}); import the directory again")]
    Damaged(&'static str),
}

impl Directory {
    /// The format of images that this pli writes.
    pub const FORMAT: u32 = 5;

    /// Writes the image, which any node reads without building it again. It is not packed: about 100 octets for each BAL.
    pub fn write_image(&self, to: &mut dyn Write) -> Result<(), ImageError> {
        let mut to = Writing::begin(to, MAGIC, Self::FORMAT)?;
        let Tables { texts, families, givens, services, locals, .. } = &self.tables;
        let (words, starts, occurrences) = self.vocabulary.parts();
        for texts in [texts, families, givens, services, locals, words] {
            to.texts(texts)?;
        }
        let mut domains = Texts::default();
        for domain in &self.tables.domains {
            domains.push(domain.as_str());
        }
        to.texts(&domains)?;
        to.records(&self.tables.trades)?;
        to.records(&self.tables.places)?;
        to.records(&self.tables.structures)?;
        to.records(&self.tables.rows)?;
        to.records(&self.tables.doubles)?;
        to.records(&self.tables.practices)?;
        to.texts(&self.tables.hidden)?;
        to.records(&self.tables.hidden_lines)?;
        to.records(starts)?;
        to.records(occurrences)
    }

    /// Reads an image and looks at it before it is believed: sums, lengths, and every number that points somewhere.
    pub fn read_image(from: &mut dyn Read) -> Result<Self, ImageError> {
        let mut from = Reading::begin(from, MAGIC, Self::FORMAT)?;
        let [texts, families, givens, services, locals, words] =
            [from.texts()?, from.texts()?, from.texts()?, from.texts()?, from.texts()?, from.texts()?];
        let domains = read_domains(&from.texts()?)?;
        let tables = Tables {
            texts,
            families,
            givens,
            services,
            locals,
            domains,
            trades: from.records()?,
            places: from.records()?,
            structures: from.records()?,
            rows: from.records()?,
            doubles: from.records()?,
            practices: from.records()?,
            hidden: from.texts()?,
            hidden_lines: from.records()?,
        };
        let vocabulary = Vocabulary::from_parts(words, from.records()?, from.records()?);
        let vocabulary = vocabulary.ok_or(ImageError::Damaged("its words do not fit together"))?;
        check::check(&tables, &vocabulary)?;
        Ok(Self::of(tables, vocabulary))
    }
}

fn read_domains(texts: &Texts) -> Result<Vec<Domain>, ImageError> {
    texts.iter().map(|text| Domain::parse(text).map_err(|_| ImageError::Damaged("a domain is none"))).collect()
}
