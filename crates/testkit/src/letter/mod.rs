//! A discharge letter as hospital software sends it: `IHE_XDM.ZIP` with a CDA inside, and a PDF;
//! and a plain reply. The patient does not exist.

mod flaws;
mod pdf;
mod xdm;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

pub use flaws::{Flaw, flawed_archive};
pub use xdm::{archive, large_archive};

/// LOINC code of the "lettre de liaison à la sortie".
pub const DISCHARGE_LETTER: &str = "11490-0";

/// A patient with an INS whose key is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    /// Family name at birth, in capitals.
    pub family: String,
    /// First name.
    pub given: String,
    /// `YYYY-MM-DD`.
    pub born: String,
    /// 13 characters and the key.
    pub ins: String,
}

impl Patient {
    /// Somebody who does not exist: no commune has the number in this INS.
    pub fn fictitious() -> Self {
        Self {
            family: "TESTARD".to_owned(),
            given: "Camille".to_owned(),
            born: "1956-03-12".to_owned(),
            ins: with_key("2560375999999"),
        }
    }
}

/// A NIR with its key: 97 minus the remainder of the number divided by 97. `[MSS1 INS.KEY]`
fn with_key(nir: &str) -> String {
    let number: u64 = nir.parse().unwrap_or_default();
    format!("{nir}{:02}", 97 - number % 97)
}

/// What every message says of itself.
#[derive(Debug, Clone)]
pub struct Heading {
    /// The sender's address.
    pub from: String,
    /// The recipients' addresses.
    pub to: Vec<String>,
    /// `<…>`; unique.
    pub message_id: String,
    /// When it is sent.
    pub date: OffsetDateTime,
}

impl Heading {
    /// The fields that all messages have, and the reference of the software. `[MSS2 ECO.2.4.3]`
    fn fields(&self, subject: &str) -> String {
        let date = self.date.format(&Rfc2822).unwrap_or_default();
        format!(
            "From: <{}>\r\nTo: {}\r\nDate: {date}\r\nMessage-ID: {}\r\nSubject: {subject}\r\n\
             MIME-Version: 1.0\r\nX-MSS-NIL: PLI-DEMO\r\n",
            self.from,
            self.to.iter().map(|address| format!("<{address}>")).collect::<Vec<_>>().join(",\r\n "),
            self.message_id,
        )
    }
}

/// A discharge letter of about 300 kB; answers go to `reply_to`. `[MSS2 ECO.2.1.1]` `[MSS2 ECO.2.1.3]`
pub fn discharge(heading: &Heading, reply_to: &str, patient: &Patient) -> Vec<u8> {
    discharge_with(heading, reply_to, patient, &xdm::archive(patient, heading.date))
}

/// The same with another archive.
pub fn discharge_with(heading: &Heading, reply_to: &str, patient: &Patient, archive: &[u8]) -> Vec<u8> {
    const BOUNDARY: &str = "=_lettre-de-liaison";
    let Patient { family, given, born, .. } = patient;
    let mut text = heading.fields(&format!("XDM/1.0/DDM+Lettre de liaison {family} {given} {born}"));
    let _ = write!(
        text,
        "Reply-To: <{reply_to}>\r\nX-MSS-CODECDA: {DISCHARGE_LETTER}\r\nX-MSS-INS: O\r\n\
         Content-Type: multipart/mixed; boundary=\"{BOUNDARY}\"\r\n\r\n\
         --{BOUNDARY}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         Bonjour,\r\n\r\nVeuillez trouver ci-joint la lettre de liaison à la sortie de votre patient.\r\n\
         .\r\n.. Cette ligne et la précédente commencent par des points : ils doivent arriver tels quels.\r\n"
    );
    let day = heading.date.date();
    let pdf_name = format!("{day}_LettreDeLiaison_{family}_{given}_DOS0042.pdf").replace(' ', "");
    let pdf = pdf::document(patient);
    let parts = [("application/zip", "IHE_XDM.ZIP".to_owned(), archive), ("application/pdf", pdf_name, &pdf)];
    for (media, name, content) in parts {
        let _ = write!(
            text,
            "--{BOUNDARY}\r\nContent-Type: {media}; name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n"
        );
        push_base64(&mut text, content);
    }
    let _ = write!(text, "--{BOUNDARY}--\r\n");
    text.into_bytes()
}

/// A pharmacist's answer in plain text. `[MSS2 ECO.2.2.1]` `[MSS2 ECO.2.2.4]`
pub fn reply(heading: &Heading, in_reply_to: &str) -> Vec<u8> {
    let mut text = heading.fields("Re: Lettre de liaison");
    let _ = write!(
        text,
        "In-Reply-To: {in_reply_to}\r\nReferences: {in_reply_to}\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         Bonjour,\r\n\r\nBien reçu, le traitement est préparé. Une interaction est à vérifier avec le cardiologue.\r\n\
         \r\nBien confraternellement\r\n"
    );
    text.into_bytes()
}

/// Lines of 76 characters. `[RFC2045 6.8]`
fn push_base64(text: &mut String, content: &[u8]) {
    for line in content.chunks(57) {
        BASE64.encode_string(line, text);
        text.push_str("\r\n");
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn heading() -> Heading {
        Heading {
            from: "dpi@ch.mssante.fr".into(),
            to: vec!["a@b.fr".into(), "c@b.fr".into()],
            message_id: "<1@ch.mssante.fr>".into(),
            date: datetime!(2026-11-03 08:00 UTC),
        }
    }

    #[test]
    fn the_ins_of_the_patient_has_its_key() {
        assert_eq!(Patient::fictitious().ins, "256037599999903");
    }

    #[test]
    fn the_letter_has_the_size_and_the_line_endings_of_a_real_one() {
        let letter = discharge(&heading(), "cardio@ch.mssante.fr", &Patient::fictitious());
        assert!((280_000..330_000).contains(&letter.len()), "{} octets", letter.len());
        assert!(letter.ends_with(b"\r\n"));
        let mut previous = 0;
        for &octet in &letter {
            assert_eq!(octet == b'\n', previous == b'\r', "bare CR or LF");
            previous = octet;
        }
        assert!(letter.split(|octet| *octet == b'\n').all(|line| line.len() <= 200));
    }

    #[test]
    fn a_reply_names_what_it_answers() {
        let text = String::from_utf8(reply(&heading(), "<1@x>")).unwrap();
        assert!(text.contains("\r\nIn-Reply-To: <1@x>\r\n") && text.contains("\r\nTo: <a@b.fr>,\r\n <c@b.fr>\r\n"));
    }
}
