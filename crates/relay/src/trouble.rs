//! What went wrong with a hop or a hand-over, in the words of reports, traces and metrics.

use mssante::{Domain, Permanence, Refusal, french_for_status};
use smtp::client::{ClientError, Reply};
use store::Setback;

use crate::HostError;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Enhanced status code.
    pub(crate) status: String,
    /// The stable word for metrics and traces.
    pub(crate) reason: &'static str,
    /// What the peer said or what happened.
    pub(crate) text: String,
    /// The peer's name, if one was reached.
    pub(crate) host: Option<String>,
    /// What a person is told.
    pub(crate) french: &'static str,
    /// How much it says of why a domain cannot be reached.
    weight: Weight,
}

const REFUSED_BY_PEER: &str = "refused-by-peer";

/// Of the troubles with several hosts the weightiest is told: a certificate that was refused explains more than
/// another host that was switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// No host, no connection.
    Unreached,
    /// A peer answered and it did not work.
    Answered,
    /// A peer could not be trusted.
    Distrusted,
}

impl Trouble {
    fn new(weight: Weight, status: &str, reason: &'static str, text: String, host: Option<&str>) -> Self {
        let (status, host) = (status.to_owned(), host.map(str::to_owned));
        let french = french_for_status(&status);
        Self { status, reason, text, host, french, weight }
    }

    /// No host was reached.
    pub(crate) fn unreached(
        status: &str,
        reason: &'static str,
        text: &(impl ToString + ?Sized),
        host: Option<&str>,
    ) -> Self {
        Self::new(Weight::Unreached, status, reason, text.to_string(), host)
    }

    /// It is not known where to call.
    pub(crate) fn of_hosts(error: &HostError, host: Option<&str>) -> Self {
        let (status, reason) = match error {
            HostError::Dns(error) => (error.status(), error.word()),
            HostError::NullMx(..) => ("5.1.10", "dns-null-mx"),
            HostError::Loop(_) => ("4.4.6", "mail-loop"),
            HostError::Unusable(_) => ("4.4.4", "dns-no-host"),
            HostError::NoAddress(_) => ("4.4.4", "dns-no-address"),
        };
        Self::unreached(status, reason, error, host)
    }

    /// We refuse the peer, or to call anybody. What the peer may repair is doubt: its code is that of a temporary failure.
    pub(crate) fn of_refusal(refusal: Refusal, permanence: Permanence, host: Option<&str>) -> Self {
        let row = refusal.row();
        let status = match permanence {
            Permanence::Permanent => row.enhanced,
            Permanence::Temporary => "4.7.0",
        };
        let text = format!("{}: {}", row.word, row.english);
        Self { french: row.french, ..Self::new(Weight::Distrusted, status, row.word, text, host) }
    }

    /// The dialog failed.
    pub(crate) fn of_client(error: &ClientError, host: &str) -> Self {
        let refusal = error.refusal();
        let weight = if refusal.is_some() { Weight::Distrusted } else { Weight::Answered };
        let trouble = Self::new(weight, &error.status(), error.word(), error.to_string(), Some(host));
        let Some(refusal) = refusal else { return trouble };
        let has_word = matches!(error, ClientError::Distrusted(_));
        let text = if has_word { trouble.text } else { format!("{}: {}", refusal.word(), trouble.text) };
        Self { french: refusal.row().french, text, ..trouble }
    }

    /// The peer refused a recipient.
    pub(crate) fn of_reply(reply: &Reply, host: &str) -> Self {
        Self::new(Weight::Answered, &reply.status(), REFUSED_BY_PEER, reply.to_string(), Some(host))
    }

    /// Whether the other operator itself said no.
    pub(crate) fn is_refusal_of_peer(&self) -> bool {
        self.reason == REFUSED_BY_PEER
    }

    /// The more telling of two, the first of equals.
    pub(crate) fn or(self, later: Self) -> Self {
        if later.weight > self.weight { later } else { self }
    }

    /// Whether somebody else who calls there will wait in vain too.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self.reason, "host-silent" | "no-answer" | "connection-lost")
    }

    /// A candidate is out, with this trouble: for metrics and the log. What peers say is not logged: it may repeat
    /// addresses.
    pub(crate) fn tell(&self, domain: &Domain, host: &str) {
        match self.weight {
            Weight::Distrusted => {
                metrics::counter!("pli_relay_hops_refused_total", "reason" => self.reason).increment(1);
                tracing::warn!(%domain, host, reason = self.reason, text = self.text, "hop refused");
            }
            Weight::Unreached | Weight::Answered => {
                metrics::counter!("pli_relay_hops_failed_total", "reason" => self.reason).increment(1);
                tracing::info!(%domain, host, reason = self.reason, "hop not opened");
            }
        }
    }

    /// What is written down.
    pub(crate) fn setback(&self) -> Setback {
        Setback { reply: self.text.clone(), reason: self.reason, host: self.host.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distrusted(host: &str) -> Trouble {
        Trouble::of_client(&ClientError::Distrusted(Refusal::CertificateExpired), host)
    }

    #[test]
    fn the_most_telling_trouble_is_told_and_the_first_of_equals() {
        let silent = Trouble::unreached("4.4.1", "host-silent", "no answer", Some("mx1"));
        let other = Trouble::of_refusal(Refusal::CertificateRevoked, Permanence::Temporary, Some("mx3"));
        assert_eq!(silent.clone().or(distrusted("mx2")).reason, "certificate-expired");
        assert_eq!(distrusted("mx2").or(silent).reason, "certificate-expired");
        assert_eq!(distrusted("mx2").or(other).reason, "certificate-expired");
    }

    #[test]
    fn faults_of_certificates_are_doubt_and_tell_the_sender_which() {
        let trouble = distrusted("mx.peer.fr");
        assert_eq!((trouble.status.as_str(), trouble.host.as_deref()), ("4.7.0", Some("mx.peer.fr")));
        assert_eq!(trouble.french, Refusal::CertificateExpired.row().french);
        let clear = Trouble::of_client(&ClientError::NoStartTls, "mx.peer.fr");
        assert_eq!((clear.reason, clear.french), ("peer-without-tls", Refusal::PeerWithoutTls.row().french));
        assert_eq!(clear.text, "peer-without-tls: the peer does not offer STARTTLS");
    }
}
