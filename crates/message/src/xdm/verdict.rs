//! What can be wrong with an `IHE_XDM.ZIP`, in one table: the stable code, how bad it is, what people are told, and
//! where the rule comes from.

use std::collections::BTreeSet;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The archive cannot be filed, is dangerous, or speaks of somebody else. The administrator may have it refused.
    Error,
    /// Against the rules, but harmless to who reads it: never a reason to refuse.
    Warning,
}

macro_rules! verdicts {
    ($($(#[$doc:meta])* $variant:ident => $code:literal, $severity:ident, $english:literal, $french:literal, $source:literal;)*) => {
        /// Something wrong with an archive or with what the header says of it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum XdmVerdict {
            $($(#[$doc])* $variant,)*
        }

        const TABLE: &[VerdictRow] = &[$(VerdictRow {
            verdict: XdmVerdict::$variant, code: $code, severity: Severity::$severity, english: $english,
            french: $french, source: $source,
        }),*];
    };
}

/// One line of the table of verdicts.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct VerdictRow {
    /// The verdict itself.
    #[serde(skip)]
    pub verdict: XdmVerdict,
    /// The stable code for replies, traces and metrics.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// For developers of the sending software.
    pub english: &'static str,
    /// For administrators and users.
    pub french: &'static str,
    /// Where the rule comes from.
    pub source: &'static str,
}

verdicts! {
    /// The attachment is no ZIP archive, or its encoding or its directory is broken.
    ArchiveUnreadable => "archive-unreadable", Error,
        "the attachment IHE_XDM.ZIP cannot be read as a ZIP archive",
        "La pièce jointe IHE_XDM.ZIP n'est pas une archive ZIP lisible.",
        "[MSS2 ECO.2.1.1]";
    /// An entry is encrypted.
    EntryEncrypted => "entry-encrypted", Error,
        "an entry of the archive is encrypted",
        "Un fichier de l'archive est protégé par un mot de passe.",
        "[MSS2 XDM.ARCHIVE]";
    /// An entry is compressed in a way that readers need not know.
    CompressionUnknown => "compression-unknown", Error,
        "an entry of the archive is neither stored nor deflated",
        "Un fichier de l'archive est compressé d'une manière que les logiciels ne savent pas lire.",
        "[MSS2 XDM.ARCHIVE]";
    /// An entry does not inflate, or not to what its checksum says.
    EntryDamaged => "entry-damaged", Error,
        "an entry of the archive is damaged: it does not inflate to its announced size and checksum",
        "Un fichier de l'archive est endommagé.",
        "[MSS2 XDM.ARCHIVE]";
    /// Made to fill memories and disks.
    ArchiveBomb => "archive-bomb", Error,
        "the archive inflates to far more than a letter holds",
        "L'archive, une fois décompressée, est démesurée.",
        "[MSS2 XDM.ARCHIVE]";
    /// More entries than any submission has.
    TooManyEntries => "too-many-entries", Error,
        "the archive has more than 1000 entries",
        "L'archive contient plus de 1000 fichiers.",
        "[MSS2 XDM.ARCHIVE]";
    /// An entry or a URI leads out of its folder.
    UnsafePath => "unsafe-path", Error,
        "a name in the archive or a URI in its metadata leads out of the archive, or is a link",
        "Un nom de fichier de l'archive pointe hors de l'archive.",
        "[MSS2 XDM.ARCHIVE]";
    /// Readers would disagree on which of the two to take.
    DuplicateEntry => "duplicate-entry", Error,
        "two entries of the archive have the same name",
        "Deux fichiers de l'archive portent le même nom.",
        "[MSS2 XDM.ARCHIVE]";
    /// More than one archive in one message.
    SeveralArchives => "several-archives", Error,
        "the message has more than one attachment IHE_XDM.ZIP; only the first was looked into",
        "Le message comporte plusieurs archives IHE_XDM.ZIP ; seule la première a été examinée.",
        "[MSS2 ECO.2.1.1]";
    /// No METADATA.XML.
    MetadataMissing => "metadata-missing", Error,
        "the archive has no IHE_XDM/SUBSETnn/METADATA.XML",
        "L'archive ne contient pas le fichier METADATA.XML.",
        "[MSS2 XDM.LAYOUT]";
    /// METADATA.XML is not well-formed.
    MetadataMalformed => "metadata-malformed", Error,
        "METADATA.XML is not well-formed XML in UTF-8",
        "Le fichier METADATA.XML n'est pas un XML bien formé.",
        "[MSS2 XDM.METADATA]";
    /// METADATA.XML declares a document type.
    MetadataDoctype => "metadata-doctype", Error,
        "METADATA.XML has a document type declaration or entities of its own",
        "Le fichier METADATA.XML déclare un type de document (DTD), ce qui est dangereux.",
        "[MSS2 XDM.METADATA]";
    /// METADATA.XML is larger or deeper than any submission's.
    MetadataTooComplex => "metadata-too-complex", Error,
        "METADATA.XML is too large, too deep, or describes too many documents",
        "Le fichier METADATA.XML est démesuré.",
        "[MSS2 XDM.METADATA]";
    /// The metadata describe no document.
    NoDocument => "no-document", Error,
        "METADATA.XML describes no document",
        "Le fichier METADATA.XML ne décrit aucun document.",
        "[MSS2 XDM.METADATA]";
    /// A described document has no URI.
    UriMissing => "uri-missing", Error,
        "METADATA.XML describes a document without a URI",
        "Un document décrit dans METADATA.XML n'a pas d'URI.",
        "[MSS2 XDM.METADATA]";
    /// A URI names no entry.
    DocumentMissing => "document-missing", Error,
        "a URI in METADATA.XML names no entry of the archive",
        "Un document décrit dans METADATA.XML est absent de l'archive.",
        "[MSS2 XDM.METADATA]";
    /// The SHA-1 differs.
    HashMismatch => "hash-mismatch", Error,
        "the hash (SHA-1) in METADATA.XML is not that of the document",
        "L'empreinte (SHA-1) indiquée dans METADATA.XML n'est pas celle du document.",
        "[MSS2 XDM.METADATA]";
    /// The size differs.
    SizeMismatch => "size-mismatch", Error,
        "the size in METADATA.XML is not that of the document",
        "La taille indiquée dans METADATA.XML n'est pas celle du document.",
        "[MSS2 XDM.METADATA]";
    /// No patient.
    PatientMissing => "patient-missing", Error,
        "METADATA.XML has no patientId",
        "Le fichier METADATA.XML ne désigne aucun patient.",
        "[MSS2 ECO.2.1.2]";
    /// More than one patient.
    SeveralPatients => "several-patients", Error,
        "METADATA.XML has different patientIds; a message concerns one patient",
        "Le fichier METADATA.XML désigne plusieurs patients ; un message n'en concerne qu'un.",
        "[MSS2 ECO.2.1.1]";
    /// Under the OID of the INS, but no INS.
    InsInvalid => "ins-invalid", Error,
        "the patientId has the OID of the INS, but no matricule with a valid key",
        "Le matricule INS du patient n'est pas valable (clé de contrôle).",
        "[MSS1 INS.KEY]";
    /// A CDA cannot be read.
    CdaMalformed => "cda-malformed", Error,
        "the head of a CDA document is not well-formed XML, or has a document type declaration",
        "Un document CDA de l'archive n'est pas un XML bien formé.",
        "[MSS2 ECO.2.1.1]";
    /// A document speaks of another INS than the metadata.
    CdaPatientMismatch => "cda-patient-mismatch", Error,
        "a CDA document is of another INS than the patientId in METADATA.XML",
        "Un document CDA de l'archive concerne un autre patient que METADATA.XML.",
        "[MSS2 ECO.2.1.1]";
    /// The letter goes to a patient, the archive is somebody else's.
    RecipientMismatch => "recipient-mismatch", Error,
        "the letter goes to a patient whose INS is not the patientId in METADATA.XML",
        "Le patient destinataire n'est pas celui que désigne METADATA.XML.",
        "[MSS2 ECO.2.2.6]";
    /// The header names other codes.
    CodesMismatch => "codecda-mismatch", Error,
        "X-MSS-CODECDA does not name the codes of the CDA documents in the archive",
        "L'en-tête X-MSS-CODECDA ne correspond pas aux documents CDA de l'archive.",
        "[MSS2 ECO.2.4.1]";
    /// The header says that the INS is qualified, and there is none.
    InsFlagMismatch => "ins-flag-mismatch", Error,
        "X-MSS-INS is O, but METADATA.XML has no valid INS",
        "L'en-tête X-MSS-INS annonce une INS qualifiée, mais METADATA.XML n'en contient pas de valable.",
        "[MSS2 ECO.2.4.2]";
    /// No INDEX.HTM.
    IndexMissing => "index-missing", Warning,
        "the archive has no INDEX.HTM at its root",
        "L'archive ne contient pas le fichier INDEX.HTM.",
        "[MSS2 XDM.LAYOUT]";
    /// No README.TXT.
    ReadmeMissing => "readme-missing", Warning,
        "the archive has no README.TXT at its root",
        "L'archive ne contient pas le fichier README.TXT.",
        "[MSS2 XDM.LAYOUT]";
    /// Folders are separated as on Windows.
    BackslashPath => "backslash-path", Warning,
        "names in the archive have backslashes between folders",
        "Les noms de fichiers de l'archive comportent des barres obliques inverses.",
        "[MSS2 XDM.ARCHIVE]";
    /// A document without a hash.
    HashMissing => "hash-missing", Warning,
        "METADATA.XML has no hash for a document",
        "Le fichier METADATA.XML ne donne pas l'empreinte d'un document.",
        "[MSS2 XDM.METADATA]";
    /// A document without a size.
    SizeMissing => "size-missing", Warning,
        "METADATA.XML has no size for a document",
        "Le fichier METADATA.XML ne donne pas la taille d'un document.",
        "[MSS2 XDM.METADATA]";
    /// The patient is known by another number.
    InsAbsent => "ins-absent", Warning,
        "the patientId is not under an OID of the INS",
        "Le patient est désigné par un autre identifiant que son INS.",
        "[MSS2 ECO.2.1.2]";
    /// The header says that the INS is qualified, and a trait is missing.
    InsTraitsMissing => "ins-traits-missing", Warning,
        "X-MSS-INS is O, but sourcePatientInfo lacks the name, the first name, the birth date or the sex",
        "L'en-tête X-MSS-INS annonce une INS qualifiée, mais METADATA.XML ne donne pas les quatre traits d'identité.",
        "[MSS2 ECO.2.4.2]";
    /// The archive holds a CDA and the header does not name its code.
    CodesMissing => "codecda-missing", Warning,
        "the archive holds CDA documents, but there is no X-MSS-CODECDA",
        "L'en-tête X-MSS-CODECDA manque, alors que l'archive contient des documents CDA.",
        "[MSS2 ECO.2.4.1]";
    /// The header names codes and nothing holds a CDA.
    CodesWithoutDocument => "codecda-without-cda", Warning,
        "there is X-MSS-CODECDA, but no CDA document in an archive",
        "L'en-tête X-MSS-CODECDA est présent, mais aucune archive ne contient de document CDA.",
        "[MSS2 ECO.2.4.1]";
    /// The archive holds a CDA and the header does not say whether the INS is qualified.
    InsFlagMissing => "ins-flag-missing", Warning,
        "the archive holds CDA documents, but there is no X-MSS-INS",
        "L'en-tête X-MSS-INS manque, alors que l'archive contient des documents CDA.",
        "[MSS2 ECO.2.4.2]";
    /// The header says neither.
    InsFlagUnknown => "ins-flag-unknown", Warning,
        "X-MSS-INS is neither O nor N",
        "L'en-tête X-MSS-INS ne vaut ni O ni N.",
        "[MSS2 ECO.2.4.2]";
    /// The header speaks of an INS and nothing holds a CDA.
    InsFlagWithoutDocument => "ins-flag-without-cda", Warning,
        "there is X-MSS-INS, but no CDA document in an archive",
        "L'en-tête X-MSS-INS est présent, mais aucune archive ne contient de document CDA.",
        "[MSS2 ECO.2.4.2]";
    /// The subject announces an archive that is not there.
    ArchiveMissing => "archive-missing", Warning,
        "the subject begins with XDM/1.0/DDM, but there is no attachment IHE_XDM.ZIP",
        "L'objet annonce une archive IHE_XDM.ZIP, mais le message n'en comporte pas.",
        "[MSS2 ECO.2.1.3]";
    /// The subject does not announce the archive.
    SubjectWithoutPrefix => "subject-without-prefix", Warning,
        "there is an attachment IHE_XDM.ZIP, but the subject does not begin with XDM/1.0/DDM",
        "Le message comporte une archive IHE_XDM.ZIP, mais son objet ne commence pas par XDM/1.0/DDM.",
        "[MSS2 ECO.2.1.3]";
    /// pli had no time to look.
    NotLookedInto => "not-looked-into", Warning,
        "the archive was not looked into, because too many others were at the same time",
        "L'archive n'a pas été examinée, faute de temps.",
        "[MSS2 ECO.2.1.1]";
}

impl XdmVerdict {
    /// The line of the table for this verdict.
    pub fn row(self) -> &'static VerdictRow {
        TABLE.iter().find(|row| row.verdict == self).expect("the macro writes a row for every variant")
    }

    /// The stable code for replies, traces and metrics.
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// How bad it is.
    pub fn severity(self) -> Severity {
        self.row().severity
    }

    /// The verdict with this code.
    pub fn of_code(code: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.code == code).map(|row| row.verdict)
    }
}

/// All verdicts with their codes and texts, errors first.
pub fn verdict_table() -> &'static [VerdictRow] {
    TABLE
}

/// What was found wrong, each thing once, in the order of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct XdmVerdicts(BTreeSet<XdmVerdict>);

impl XdmVerdicts {
    /// Notes one more.
    pub fn add(&mut self, verdict: XdmVerdict) {
        self.0.insert(verdict);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, errors first.
    pub fn iter(&self) -> impl Iterator<Item = XdmVerdict> + '_ {
        self.0.iter().copied()
    }

    /// Their codes, errors first.
    pub fn codes(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.iter().map(XdmVerdict::code)
    }

    /// Those that an administrator may have letters refused for.
    pub fn errors(&self) -> impl Iterator<Item = XdmVerdict> + '_ {
        self.iter().filter(|verdict| verdict.severity() == Severity::Error)
    }
}

impl FromIterator<XdmVerdict> for XdmVerdicts {
    fn from_iter<I: IntoIterator<Item = XdmVerdict>>(verdicts: I) -> Self {
        Self(verdicts.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_verdict_has_its_own_code_that_fits_into_a_reply_and_leads_back() {
        let codes: HashSet<_> = verdict_table().iter().map(|row| row.code).collect();
        assert_eq!(codes.len(), verdict_table().len());
        for row in verdict_table() {
            assert!(row.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", row.code);
            assert!(row.english.is_ascii() && row.french.ends_with('.'), "{}", row.code);
            assert_eq!(XdmVerdict::of_code(row.code), Some(row.verdict));
        }
        assert_eq!(XdmVerdict::of_code("none-such"), None);
    }

    #[test]
    fn errors_come_first() {
        assert!(verdict_table().is_sorted_by_key(|row| row.severity));
        let verdicts: XdmVerdicts = [XdmVerdict::ReadmeMissing, XdmVerdict::HashMismatch].into_iter().collect();
        assert_eq!(verdicts.codes().collect::<Vec<_>>(), ["hash-mismatch", "readme-missing"]);
        assert_eq!(verdicts.errors().collect::<Vec<_>>(), [XdmVerdict::HashMismatch]);
    }
}
