//! The fields with which MSSanté software tells operators and readers what a letter is.
//!
//! They travel unchanged; here they are only read, and leniently: no letter is refused for lack of one of them.

use std::fmt;

use crate::fields::{self, Field};
use crate::{decode_words, printable};

/// More documents than any archive holds; later codes are left out.
const MAX_CODES: usize = 100;
/// Characters of a code that are kept.
const MAX_CODE: usize = 32;
/// Characters of the reference of a piece of software that are kept.
const MAX_NIL: usize = 64;
/// What the subject of a letter with an archive begins with. `[MSS2 ECO.2.1.3]`
const XDM_PREFIX: &str = "XDM/1.0/DDM";
/// The subject that ends all conversations of its sender with a patient. `[MSS2 PATIENT.FIN]`
const FIN_SUBJECT: &str = "[FIN]";

/// What a header says in the fields of MSSanté.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MssHeaders {
    /// X-MSS-CODECDA: the codes of the documents in the archive, as they stand, printable, at most 100.
    /// `[MSS2 ECO.2.4.1]`
    pub codes: Vec<String>,
    /// X-MSS-INS: whether the patient's INS is qualified. `[MSS2 ECO.2.4.2]`
    pub ins: Option<InsFlag>,
    /// X-MSS-NIL: the reference of the software, printable, at most 64 characters. `[MSS2 ECO.2.4.3]`
    pub nil: Option<String>,
    /// X-MSS-MES says FIN: the patient cannot answer this message. `[MSS2 ECO.2.2.8]`
    pub blocks_answer: bool,
    /// The subject is `[FIN]`: the patient can answer none of the sender's messages any more. `[MSS2 PATIENT.FIN]`
    pub ends_conversations: bool,
    /// The subject begins as that of a letter with an archive does. `[MSS2 ECO.2.1.3]`
    pub announces_archive: bool,
}

/// What X-MSS-INS says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsFlag {
    /// `O`: matricule, OID and four traits are there and were verified.
    Qualified,
    /// `N`: they are not.
    NotQualified,
    /// Neither.
    Unknown,
}

impl InsFlag {
    fn read(value: &str) -> Self {
        match value {
            "O" | "o" => Self::Qualified,
            "N" | "n" => Self::NotQualified,
            _ => Self::Unknown,
        }
    }

    /// The letter, or `other`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Qualified => "O",
            Self::NotQualified => "N",
            Self::Unknown => "other",
        }
    }
}

impl fmt::Display for InsFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl MssHeaders {
    /// Reads the header block `bytes`, with or without the empty line at its end. Of fields that stand several times the
    /// first counts, but the codes of all are taken.
    pub fn read(bytes: &[u8]) -> Self {
        let mut headers = Self::default();
        let (mut subject, mut mes) = (false, false);
        for field in fields::fields(bytes) {
            if field.is("X-MSS-CODECDA") {
                headers.take_codes(&field);
            } else if field.is("X-MSS-INS") {
                headers.ins.get_or_insert_with(|| InsFlag::read(&field.value()));
            } else if field.is("X-MSS-NIL") {
                headers.nil.get_or_insert_with(|| printable::printable(&field.value(), MAX_NIL));
            } else if field.is("X-MSS-MES") && !mes {
                mes = true;
                headers.blocks_answer = field.value().eq_ignore_ascii_case("FIN");
            } else if field.is("Subject") && !subject {
                subject = true;
                headers.take_subject(&field);
            }
        }
        headers
    }

    fn take_codes(&mut self, field: &Field<'_>) {
        let value = field.value();
        let codes = value.split([',', ';']).map(str::trim).filter(|code| !code.is_empty());
        let room = MAX_CODES.saturating_sub(self.codes.len());
        self.codes.extend(codes.take(room).map(kept_code));
    }

    fn take_subject(&mut self, field: &Field<'_>) {
        let subject = decode_words(&field.value());
        let subject = subject.trim();
        self.ends_conversations = subject == FIN_SUBJECT;
        self.announces_archive =
            subject.get(..XDM_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(XDM_PREFIX));
    }

    /// Each field that stands there with what it says, in words that metrics can carry.
    pub fn words(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        let present = |there: bool, field, says| there.then_some((field, says));
        [
            present(!self.codes.is_empty(), "x-mss-codecda", "present"),
            self.ins.map(|ins| ("x-mss-ins", ins.word())),
            present(self.nil.is_some(), "x-mss-nil", "present"),
            present(self.blocks_answer, "x-mss-mes", "FIN"),
            present(self.ends_conversations, "subject", "[FIN]"),
            present(self.announces_archive, "subject", "XDM/1.0/DDM"),
        ]
        .into_iter()
        .flatten()
    }
}

/// A code as it is kept.
pub(crate) fn kept_code(code: &str) -> String {
    printable::printable(code, MAX_CODE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(header: &str) -> MssHeaders {
        MssHeaders::read(header.as_bytes())
    }

    #[test]
    fn codes_are_separated_by_commas_and_may_stand_in_several_fields() {
        let headers = read("X-MSS-CODECDA: 34112-3, 11490-0 ,,\r\n 18842-5\r\nx-mss-codecda: 57133-1;60591-5\r\n");
        assert_eq!(headers.codes, ["34112-3", "11490-0", "18842-5", "57133-1", "60591-5"]);
    }

    #[test]
    fn the_flag_of_the_ins_is_o_or_n_or_something_that_nobody_knows() {
        for (value, flag) in [
            ("O", InsFlag::Qualified),
            (" o ", InsFlag::Qualified),
            ("N", InsFlag::NotQualified),
            ("", InsFlag::Unknown),
            ("OUI", InsFlag::Unknown),
        ] {
            assert_eq!(read(&format!("X-MSS-INS: {value}\r\n")).ins, Some(flag), "{value}");
        }
        assert_eq!(read("Subject: x\r\n").ins, None);
        assert_eq!(read("X-MSS-INS: N\r\nX-MSS-INS: O\r\n").ins, Some(InsFlag::NotQualified));
    }

    #[test]
    fn only_a_subject_of_exactly_fin_ends_all_conversations() {
        for subject in ["[FIN]", " [FIN] ", "=?utf-8?Q?[FIN]?=", "=?UTF-8?B?W0ZJTl0=?=", "\r\n [FIN]"] {
            assert!(read(&format!("Subject: {subject}\r\n")).ends_conversations, "{subject}");
        }
        for subject in ["FIN", "[fin]", "Re: [FIN]", "[FIN].", "[ FIN ]", ""] {
            assert!(!read(&format!("Subject: {subject}\r\n")).ends_conversations, "{subject}");
        }
        assert!(
            !read("Subject: x\r\nSubject: [FIN]\r\n").ends_conversations,
            "a second subject is not shown to anybody"
        );
    }

    #[test]
    fn the_field_that_blocks_the_answer_ends_no_conversation() {
        let headers = read("Subject: Vos analyses\r\nX-MSS-MES: fin\r\n");
        assert!(headers.blocks_answer && !headers.ends_conversations);
        assert!(!read("X-MSS-MES: DEBUT\r\n").blocks_answer);
    }

    #[test]
    fn a_subject_announces_an_archive_by_its_beginning() {
        assert!(read("Subject: XDM/1.0/DDM+Lettre\r\n").announces_archive);
        assert!(read("Subject: =?utf-8?Q?XDM/1.0/DDM+Lettre_=C3=A9?=\r\n").announces_archive);
        assert!(!read("Subject: Re: XDM/1.0/DDM+Lettre\r\n").announces_archive);
        assert!(!read("Subject: XDM\r\n").announces_archive);
    }

    #[test]
    fn what_is_kept_is_bounded_and_printable() {
        let headers = read(&format!(
            "X-MSS-NIL: {}\u{e9}\r\nX-MSS-CODECDA: {}{}\r\n",
            "n".repeat(63),
            "1\u{1}2,".repeat(200),
            "9".repeat(90)
        ));
        assert_eq!(headers.nil.unwrap(), format!("{}?", "n".repeat(63)));
        assert_eq!(headers.codes.len(), MAX_CODES);
        assert!(headers.codes.iter().all(|code| code == "1?2"));
    }

    #[test]
    fn the_words_for_metrics_name_what_is_there() {
        let headers = read("Subject: [FIN]\r\nX-MSS-INS: x\r\nX-MSS-NIL: A\r\nX-MSS-MES: FIN\r\n");
        let words: Vec<_> = headers.words().collect();
        let expected = [("x-mss-ins", "other"), ("x-mss-nil", "present"), ("x-mss-mes", "FIN"), ("subject", "[FIN]")];
        assert_eq!(words, expected);
    }

    proptest! {
        #[test]
        fn no_octets_make_the_reader_fail(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            for name in ["X-MSS-CODECDA", "X-MSS-INS", "X-MSS-NIL", "X-MSS-MES", "Subject"] {
                let header = [format!("{name}: ").as_bytes(), &octets].concat();
                let headers = MssHeaders::read(&header);
                prop_assert!(headers.codes.len() <= MAX_CODES);
                prop_assert!(headers.nil.is_none_or(|nil| nil.len() <= MAX_NIL && nil.is_ascii()));
            }
        }
    }
}
