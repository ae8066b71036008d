//! The eight cases that the ANS keeps in its production list to audit operators, rebuilt with the private PKI.
//! Each is a domain of the list and a host that shows, or does not show, the certificate listed for it.

use mssante::Refusal;

use crate::pki::{Flaw, Issued, Particulars, Pki, PkiError, ServerHolder};

/// What is wrong with the host of an audit domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditCase {
    /// Nothing.
    Valid,
    /// Its certificate has expired.
    Expired,
    /// Its certificate is revoked.
    Revoked,
    /// Its certificate comes from another authority, of the same names.
    NonIgc,
    /// Its certificate is good and not the one listed.
    NoMatch,
    /// Its certificate carries the listed CN and another holder.
    CnDiffDn,
    /// It knows no TLS.
    WithoutTls,
    /// Nothing: the domain with which operators try things out.
    OperatorTests,
}

impl AuditCase {
    /// All eight.
    pub const ALL: [Self; 8] = [
        Self::Valid,
        Self::Expired,
        Self::Revoked,
        Self::NonIgc,
        Self::NoMatch,
        Self::CnDiffDn,
        Self::WithoutTls,
        Self::OperatorTests,
    ];

    /// The serial number under which the certificate of [`Self::Revoked`] is issued.
    pub const REVOKED_SERIAL: [u8; 4] = [0x0b, 0xad, 0x00, 0x01];

    /// The listed domain.
    pub fn domain(self) -> &'static str {
        match self {
            Self::Valid => "cert-valide-audit.espacedeconfiance.mssante.fr",
            Self::Expired => "cert-expire-audit.espacedeconfiance.mssante.fr",
            Self::Revoked => "cert-revoque-audit.espacedeconfiance.mssante.fr",
            Self::NonIgc => "cert-non-igc-audit.espacedeconfiance.mssante.fr",
            Self::NoMatch => "cert-no-match-audit.espacedeconfiance.mssante.fr",
            Self::CnDiffDn => "cert-cn-diff-dn-audit.espacedeconfiance.mssante.fr",
            Self::WithoutTls => "sans-tls-audit.espacedeconfiance.mssante.fr",
            Self::OperatorTests => "tests-operateur.espacedeconfiance.mssante.fr",
        }
    }

    /// The name that the list gives for the domain.
    pub fn listed_dn(self) -> String {
        match self {
            Self::CnDiffDn => ServerHolder { structure: ANS.to_owned(), ..self.listed() }.dn(),
            _ => self.listed().dn(),
        }
    }

    /// Why an operator refuses the host; nothing if he must accept it.
    pub fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Valid | Self::OperatorTests => None,
            Self::Expired => Some(Refusal::CertificateExpired),
            Self::Revoked => Some(Refusal::CertificateRevoked),
            Self::NonIgc => Some(Refusal::CertificateUntrusted),
            Self::NoMatch | Self::CnDiffDn => Some(Refusal::CertificateNotListed),
            Self::WithoutTls => Some(Refusal::TlsRequired),
        }
    }

    /// What the host shows; nothing for the one without TLS. Its certificate says that its issuer's revocation list is
    /// at the URLs of `particulars`, on which [`Self::REVOKED_SERIAL`] must be; serials of others are by chance.
    pub fn issue(self, pki: &Pki, particulars: &Particulars) -> Result<Option<Issued>, PkiError> {
        let serial = if self == Self::Revoked { Self::REVOKED_SERIAL.to_vec() } else { Vec::new() };
        let particulars = Particulars { serial, ..particulars.clone() };
        match self {
            Self::WithoutTls => Ok(None),
            Self::Expired => pki.flawed_server(&self.shown(), Flaw::Expired).map(Some),
            Self::NonIgc => Pki::new(pki.now())?.server_with(&self.shown(), &particulars).map(Some),
            _ => pki.server_with(&self.shown(), &particulars).map(Some),
        }
    }

    /// The holder that the list names.
    fn listed(self) -> ServerHolder {
        ServerHolder {
            cn: self.domain().to_owned(),
            organisation: "GIP - TEST9962".to_owned(),
            structure: "300000000099622".to_owned(),
            department: "Paris (75)".to_owned(),
            extra_names: Vec::new(),
        }
    }

    /// The holder that the certificate names.
    fn shown(self) -> ServerHolder {
        let cn = match self {
            Self::NoMatch => "bus.mssante.fr",
            _ => self.domain(),
        };
        ServerHolder { cn: cn.to_owned(), ..self.listed() }
    }
}

/// The SIRET of the ANS as an OU.
const ANS: &str = "318751275100020";
