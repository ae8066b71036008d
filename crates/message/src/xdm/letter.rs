//! The letter against its archive: what its header, its subject and its recipients say of it.

use std::collections::BTreeSet;

use super::cda::CdaHead;
use super::metadata::{PatientId, PatientIdKind, Traits};
use super::{XdmVerdict, XdmVerdicts};
use crate::mss::kept_code;
use crate::{InsFlag, MssHeaders, Summary};

/// The letter that an archive came with.
#[derive(Debug, Clone, Copy)]
pub struct XdmLetter<'a> {
    /// What its header says.
    pub headers: &'a MssHeaders,
    /// The local parts of those recipients that are patients.
    pub patients: &'a [String],
}

/// What an archive holds, as far as letters are held against it.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) patients: Vec<PatientId>,
    pub(super) traits: Traits,
    pub(super) documents: Vec<CdaHead>,
    /// Something could not be read, so that what is not here may yet be there.
    pub(super) unread: bool,
}

impl Contents {
    fn has_ins(&self) -> bool {
        self.patients.iter().any(|patient| matches!(patient.kind, PatientIdKind::Ins(_)))
    }
}

impl XdmLetter<'_> {
    pub(super) fn judge(&self, contents: &Contents, verdicts: &mut XdmVerdicts) {
        if !self.headers.announces_archive {
            verdicts.add(XdmVerdict::SubjectWithoutPrefix);
        }
        self.judge_recipients(contents, verdicts);
        if contents.unread {
            return;
        }
        if contents.documents.is_empty() {
            judge_fields_without_document(self.headers, verdicts);
        } else {
            self.judge_codes(contents, verdicts);
            self.judge_flag(contents, verdicts);
        }
    }

    /// Nobody gets what is somebody else's. `[MSS2 ECO.2.2.6]`
    fn judge_recipients(&self, contents: &Contents, verdicts: &mut XdmVerdicts) {
        let is_his = |recipient: &String| {
            contents.patients.is_empty()
                || contents.patients.iter().any(|patient| patient.number.eq_ignore_ascii_case(recipient))
        };
        if !self.patients.iter().all(is_his) {
            verdicts.add(XdmVerdict::RecipientMismatch);
        }
    }

    /// Order and repetition do not matter. `[MSS2 ECO.2.4.1]`
    fn judge_codes(&self, contents: &Contents, verdicts: &mut XdmVerdicts) {
        let named: BTreeSet<&str> = self.headers.codes.iter().map(String::as_str).collect();
        let held: Vec<String> =
            contents.documents.iter().filter_map(|cda| cda.code.as_deref()).map(kept_code).collect();
        let held: BTreeSet<&str> = held.iter().map(String::as_str).collect();
        if named.is_empty() {
            verdicts.add(XdmVerdict::CodesMissing);
        } else if named != held {
            verdicts.add(XdmVerdict::CodesMismatch);
        }
    }

    /// `[MSS2 ECO.2.4.2]`
    fn judge_flag(&self, contents: &Contents, verdicts: &mut XdmVerdicts) {
        match self.headers.ins {
            None => verdicts.add(XdmVerdict::InsFlagMissing),
            Some(InsFlag::Unknown) => verdicts.add(XdmVerdict::InsFlagUnknown),
            Some(InsFlag::Qualified) if !contents.has_ins() => verdicts.add(XdmVerdict::InsFlagMismatch),
            Some(InsFlag::Qualified) if !contents.traits.are_complete() => {
                verdicts.add(XdmVerdict::InsTraitsMissing);
            }
            Some(InsFlag::Qualified | InsFlag::NotQualified) => {}
        }
    }
}

/// Judges a letter that has no archive. Reports tell of other letters, whose subjects they repeat: they announce none.
pub fn judge_without_archive(headers: &MssHeaders, summary: &Summary) -> XdmVerdicts {
    let mut verdicts = XdmVerdicts::default();
    let is_report = summary.root.media_type == "multipart" && summary.root.subtype == "report";
    if !is_report {
        if headers.announces_archive {
            verdicts.add(XdmVerdict::ArchiveMissing);
        }
        judge_fields_without_document(headers, &mut verdicts);
    }
    verdicts
}

/// Both fields must be absent where no archive holds a CDA. `[MSS2 ECO.2.4.1]` `[MSS2 ECO.2.4.2]`
fn judge_fields_without_document(headers: &MssHeaders, verdicts: &mut XdmVerdicts) {
    if !headers.codes.is_empty() {
        verdicts.add(XdmVerdict::CodesWithoutDocument);
    }
    if headers.ins.is_some() {
        verdicts.add(XdmVerdict::InsFlagWithoutDocument);
    }
}
