//! Every refusal that pli gives for a reason of its own, in one table: reply code, enhanced
//! code, the stable reason word for traces and metrics, and what a person is told.

use serde::{Deserialize, Serialize};

/// Whether trying again later can help. `[RFC5321 4.2.1]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permanence {
    /// 4yz: the same command may succeed later.
    Temporary,
    /// 5yz: it will not.
    Permanent,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $variant:ident => $word:literal, $code:literal, $enhanced:literal, $english:literal, $french:literal;)*) => {
        /// A reason for not taking, sending or showing something.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Refusal {
            $($(#[$doc])* $variant,)*
        }

        const TABLE: &[RefusalRow] = &[$(RefusalRow {
            refusal: Refusal::$variant, word: $word, code: $code, enhanced: $enhanced, english: $english, french: $french,
        }),*];
    };
}

/// One line of the table of refusals.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RefusalRow {
    /// The refusal itself.
    #[serde(skip)]
    pub refusal: Refusal,
    /// The stable word for traces and metrics.
    pub word: &'static str,
    /// The SMTP reply code.
    pub code: u16,
    /// The enhanced status code. `[RFC3463 3]`
    pub enhanced: &'static str,
    /// The text of the SMTP reply.
    pub english: &'static str,
    /// The sentence shown to a person.
    pub french: &'static str,
}

refusals! {
    /// A local domain, but no such BAL.
    UnknownRecipient => "unknown-recipient", 550, "5.1.1",
        "no such BAL here; check the address in the annuaire",
        "Cette adresse n'existe pas. Vérifiez-la dans l'annuaire.";
    /// The BAL exists but is suspended; its state may change.
    RecipientSuspended => "recipient-suspended", 450, "4.2.1",
        "this BAL is suspended; try again later",
        "Cette boîte aux lettres est suspendue pour le moment.";
    /// The BAL was closed.
    RecipientClosed => "recipient-closed", 550, "5.2.1",
        "this BAL is closed",
        "Cette boîte aux lettres est fermée.";
    /// The BAL has no room for the message at the moment. `[RFC3463 3]`
    QuotaExceeded => "quota-exceeded", 452, "4.2.2",
        "this BAL is full; try again later",
        "Cette boîte aux lettres est pleine pour le moment.";
    /// A box that only sends. `[MSS1 APP.NOREPLY]`
    NoReplies => "no-replies", 550, "5.7.1",
        "this BAL only sends and takes no replies; write to the address given in its message",
        "Cette boîte aux lettres n'accepte pas de réponse : elle sert à l'envoi seulement. Écrivez à l'adresse indiquée dans le message reçu.";
    /// More messages in this minute than the sender's class may send. `[MSS1 APP.RATE]`
    RateExceeded => "rate-exceeded", 451, "4.7.1",
        "too many messages in this minute; try again later",
        "Trop de messages ont été envoyés en une minute ; réessayez un peu plus tard.";
    /// Replies to a piece of software would go where nobody of ours reads them. `[MSS1 APP.REPLYTO]`
    ReplyToNotOurs => "reply-to-not-ours", 550, "5.7.1",
        "Reply-To must name a BAL of this operator that takes replies",
        "L'adresse de réponse (Reply-To) doit être une boîte aux lettres de cet opérateur qui accepte les réponses.";
    /// A BAL that was named as recipient was closed or suspended while the message came.
    RecipientChanged => "recipient-changed", 450, "4.2.1",
        "a recipient takes no mail any more since it was named; try again",
        "Une boîte aux lettres destinataire a été fermée ou suspendue pendant l'envoi. Réessayez.";
    /// The recipient's domain is not on the white list.
    DomainNotListed => "domain-not-listed", 550, "5.7.1",
        "the recipient's domain is outside the MSSante trust space",
        "Le domaine du destinataire n'appartient pas à l'espace de confiance MSSanté.";
    /// The address of a patient whose number is not that of anybody. `[MSS1 PATIENT.ADDRESS]`
    PatientAddressInvalid => "patient-address-invalid", 550, "5.1.3",
        "the part before the @ is not an INS with its key",
        "L'adresse du patient n'est pas valable : elle doit commencer par son matricule INS (15 caractères).";
    /// A patient writes to a BAL that has never written to him. `[MSS1 PATIENT.CONVERSATION]`
    NoConversation => "no-conversation", 550, "5.7.1",
        "a patient may only answer: this BAL has not written to this patient",
        "Un patient ne peut que répondre : ce professionnel ne lui a pas écrit.";
    /// A patient answers after the professional has ended the conversation. `[MSS2 PATIENT.FIN]`
    ConversationClosed => "conversation-closed", 550, "5.7.1",
        "the professional has ended this conversation",
        "Le professionnel a mis fin à cet échange.";
    /// A patient answers a letter that takes no answer. `[MSS2 ECO.2.2.8]`
    AnswerBlocked => "answer-blocked", 550, "5.7.1",
        "this message takes no answer (X-MSS-MES: FIN)",
        "Ce message n'admet pas de réponse.";
    /// A letter in the name of a patient that is not his alone. `[MSS1 HOP.AUTHOR]`
    PatientAuthorMismatch => "patient-author-mismatch", 550, "5.7.1",
        "a letter of a patient must have this patient as its only author and as envelope sender",
        "Un message de patient ne doit avoir que ce patient comme auteur et comme expéditeur.";
    /// Somebody of the patients' domain who is no patient writes to a BAL that any patient may write to. `[MSS1 PATIENT.ADDRESS]`
    PatientSenderInvalid => "patient-sender-invalid", 550, "5.1.7",
        "the sender is no patient: the part before the @ is not an INS with its key",
        "L'expéditeur n'est pas un patient : son adresse ne commence pas par un matricule INS.";
    /// Another operator hands over a letter in the name of one of our BALs. `[MSS1 HOP.AUTHOR]`
    AuthorIsOurs => "author-is-ours", 550, "5.7.1",
        "the From field names a BAL of this operator, which does not send from elsewhere",
        "Le champ « De » nomme une boîte de cet opérateur, qui n'envoie pas depuis un autre opérateur.";
    /// Another operator's domain, but the directory has no such BAL, and the administrator wants it to.
    NotInAnnuaire => "not-in-annuaire", 550, "5.1.1",
        "the annuaire has no such BAL; check the address there",
        "L'annuaire ne connaît pas cette adresse. Vérifiez-la.";
    /// The sender's domain is not on the white list.
    SenderDomainNotListed => "sender-domain-not-listed", 550, "5.7.1",
        "the sender's domain is outside the MSSante trust space",
        "Le domaine de l'expéditeur n'appartient pas à l'espace de confiance MSSanté.";
    /// The peer's certificate is not the one listed for the domain it writes for.
    CertificateNotListed => "certificate-not-listed", 550, "5.7.1",
        "the certificate presented is not listed for this domain",
        "Le certificat présenté n'est pas celui que la liste blanche associe à ce domaine.";
    /// No certificate where one is obligatory.
    CertificateMissing => "certificate-missing", 550, "5.7.1",
        "a client certificate of the MSSante trust space is required",
        "Un certificat de l'espace de confiance MSSanté est obligatoire.";
    /// The certificate does not come from an authority that we accept, or cannot be read.
    CertificateUntrusted => "certificate-untrusted", 550, "5.7.1",
        "the certificate presented is not issued by an accepted authority of IGC-Sante",
        "Le certificat présenté n'est pas émis par une autorité acceptée de l'IGC-Santé.";
    /// The certificate has ended.
    CertificateExpired => "certificate-expired", 550, "5.7.1",
        "the certificate presented is outside its period of validity",
        "Le certificat présenté n'est pas en cours de validité.";
    /// The certificate has not begun, by our clock, which may be wrong.
    CertificateNotYetValid => "certificate-not-yet-valid", 451, "4.7.0",
        "the certificate presented is not valid yet; try again later",
        "Le certificat présenté n'est pas encore valable ; réessayez plus tard.";
    /// The issuer has revoked the certificate.
    CertificateRevoked => "certificate-revoked", 550, "5.7.1",
        "the certificate presented is revoked",
        "Le certificat présenté est révoqué.";
    /// The certificate is made for something else.
    CertificateUnusable => "certificate-unusable", 550, "5.7.1",
        "the certificate presented is not made for this use",
        "Le certificat présenté n'est pas prévu pour cet usage.";
    /// A key or a signature of the certificate's chain can be forged.
    CertificateWeak => "certificate-weak", 550, "5.7.1",
        "the certificate presented has a key or a signature that is too weak",
        "La clé ou la signature du certificat présenté est trop faible.";
    /// Nobody can say at the moment whether the certificate is revoked.
    RevocationUnknown => "revocation-unknown", 451, "4.7.0",
        "the status of the certificate presented cannot be established; try again later",
        "L'état de révocation du certificat présenté n'a pas pu être établi ; réessayez plus tard.";
    /// The certificate of a host does not carry the name of that host.
    HostNameMismatch => "host-name-mismatch", 550, "5.7.1",
        "the certificate presented does not carry the name of the host",
        "Le certificat présenté ne porte pas le nom du serveur.";
    /// A host of another operator does not offer TLS, or refuses it.
    PeerWithoutTls => "peer-without-tls", 451, "4.7.0",
        "the host of the other operator does not offer STARTTLS",
        "Le serveur de l'opérateur destinataire ne propose pas de connexion chiffrée.";
    /// The TLS handshake with a host of another operator failed.
    HandshakeFailed => "tls-handshake-failed", 451, "4.7.0",
        "the TLS handshake with the host of the other operator failed",
        "La connexion chiffrée avec le serveur de l'opérateur destinataire n'a pas pu être établie.";
    /// A peer writes for one of our own domains.
    SenderIsOurs => "sender-is-ours", 550, "5.7.1",
        "this sender's domain belongs to this operator; submit on port 587",
        "Ce domaine d'expéditeur est le nôtre : utilisez le port 587.";
    /// There is no trust list.
    TrustListUnavailable => "trust-list-unavailable", 451, "4.7.0",
        "the trust list is not available; try again later",
        "La liste blanche n'est pas disponible ; réessayez plus tard.";
    /// The trust list lacks what it was asked for, and has not been confirmed lately: it may have come since.
    TrustListStale => "trust-list-stale", 451, "4.7.0",
        "not on the trust list, which has not been confirmed lately; try again later",
        "La liste blanche, qui ne comporte pas ce domaine ou ce certificat, n'a pas été confirmée récemment ; réessayez plus tard.";
    /// The trust list has not been confirmed for too long.
    TrustListExpired => "trust-list-expired", 451, "4.7.0",
        "the trust list is too old; try again later",
        "La liste blanche est trop ancienne ; réessayez plus tard.";
    /// The connection is in clear where TLS is obligatory.
    TlsRequired => "tls-required", 530, "5.7.0",
        "must issue a STARTTLS command first",
        "Une connexion chiffrée (STARTTLS) est obligatoire.";
    /// Nobody has logged in where it is obligatory.
    AuthenticationRequired => "authentication-required", 530, "5.7.0",
        "authentication required",
        "Il faut s'identifier avant d'envoyer.";
    /// The credentials are wrong, or there is no such BAL: nobody is told which.
    AuthenticationFailed => "authentication-failed", 535, "5.7.8",
        "authentication failed",
        "Identifiant ou mot de passe incorrect.";
    /// A peer asks us to pass mail on to a third party.
    RelayDenied => "relay-denied", 550, "5.7.1",
        "this operator does not relay for others",
        "Cet opérateur n'achemine pas le courrier d'un tiers.";
    /// The envelope sender is not a BAL from which the principal may send.
    SenderNotAllowed => "sender-not-allowed", 550, "5.7.1",
        "you may not send from this address",
        "Vous n'avez pas le droit d'envoyer depuis cette adresse.";
    /// The author in the header is not the envelope sender.
    FromMismatch => "from-mismatch", 550, "5.7.1",
        "the From field must name exactly the BAL that sends",
        "Le champ « De » doit porter l'adresse de la boîte qui envoie.";
    /// Who sends on behalf of a BAL does not show himself.
    SenderFieldMismatch => "sender-field-mismatch", 550, "5.7.1",
        "the Sender field must name you: you send on behalf of this BAL",
        "Le champ « Sender » doit porter votre propre adresse : vous écrivez de la part de cette boîte.";
    /// The message is larger than this listener takes.
    MessageTooLarge => "message-too-large", 552, "5.3.4",
        "message larger than the announced SIZE",
        "Le message dépasse la taille maximale.";
    /// More recipients than the listener takes in one transaction.
    TooManyRecipients => "too-many-recipients", 452, "4.5.3",
        "too many recipients; send the rest in another transaction",
        "Trop de destinataires pour un seul envoi.";
    /// Bare CR or LF in the content. `[RFC5321 2.3.8]`
    BareLineEnding => "bare-line-ending", 550, "5.6.0",
        "bare CR or LF in the message; lines end with CR LF",
        "Le message contient des fins de ligne interdites.";
    /// A NUL in the content, which IMAP cannot carry. `[RFC3501 9]`
    NulOctet => "nul-octet", 550, "5.6.0",
        "a NUL octet in the message; encode it in base64",
        "Le message contient un octet nul, interdit dans un courriel.";
    /// A line of the content is too long. `[RFC5321 4.5.3.1]`
    LineTooLong => "line-too-long", 550, "5.6.0",
        "a line of the message is longer than 998 octets",
        "Une ligne du message est trop longue.";
    /// Octets above 127 that the client did not announce. `[RFC6152 3]`
    EightBitNotAnnounced => "eight-bit-not-announced", 550, "5.6.3",
        "octets above 127 need BODY=8BITMIME, in the header SMTPUTF8",
        "Le message contient des caractères accentués que le logiciel n'a pas annoncés.";
    /// The header cannot be read or is oversized.
    MalformedMessage => "malformed-message", 550, "5.6.0",
        "the message header is malformed or too large",
        "L'en-tête du message est illisible ou trop long.";
    /// The archive in the message is not what it should be, and the administrator wants that refused. `[MSS2 ECO.2.1.1]`
    XdmInvalid => "xdm-invalid", 550, "5.6.0",
        "the archive IHE_XDM.ZIP is not valid",
        "L'archive IHE_XDM.ZIP jointe au message n'est pas conforme.";
    /// The message has travelled in circles. `[RFC5321 6.3]`
    MailLoop => "mail-loop", 554, "5.4.6",
        "too many Received fields: this message is going in circles",
        "Ce message tourne en rond entre des serveurs.";
    /// The database or the disk does not answer; nothing was accepted.
    StoreUnavailable => "store-unavailable", 451, "4.3.0",
        "the message store is not available; try again later",
        "Le service est momentanément indisponible ; réessayez plus tard.";
    /// The recipient needs SMTPUTF8 and the sender did not declare it. `[RFC6531 3.5]`
    Utf8Needed => "smtputf8-needed", 553, "5.6.7",
        "this address needs SMTPUTF8",
        "Cette adresse demande l'extension SMTPUTF8.";
}

impl Refusal {
    /// The line of the table for this refusal.
    pub fn row(self) -> &'static RefusalRow {
        TABLE.iter().find(|row| row.refusal == self).expect("the macro writes a row for every variant")
    }

    /// The stable word for traces and metrics.
    pub fn word(self) -> &'static str {
        self.row().word
    }

    /// Whether trying again later can help.
    pub fn permanence(self) -> Permanence {
        if self.row().code < 500 { Permanence::Temporary } else { Permanence::Permanent }
    }
}

/// All refusals with their codes and texts.
pub fn refusal_table() -> &'static [RefusalRow] {
    TABLE
}

/// What a person is told of a status that another operator gave, by the subject of the
/// enhanced code. `[RFC3463 3]`
pub fn french_for_status(status: &str) -> &'static str {
    let mut numbers = status.split('.').skip(1);
    match (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default()) {
        ("1", _) => "L'adresse n'existe pas chez le destinataire. Vérifiez-la dans l'annuaire.",
        ("2", "2") => "La boîte aux lettres du destinataire est pleine.",
        ("2", _) => "La boîte aux lettres du destinataire n'accepte pas de message.",
        ("3", "4") => "Le message est trop volumineux pour l'opérateur du destinataire.",
        ("4", _) => "Le serveur du destinataire n'a pas pu être joint malgré plusieurs tentatives.",
        ("6", _) => "L'opérateur du destinataire ne peut pas traiter le format de ce message.",
        ("7", _) => "L'opérateur du destinataire n'a pas pu être authentifié, ou il refuse ce message.",
        _ => "Le message n'a pas pu être remis. Contactez votre administrateur si le problème persiste.",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_refusal_has_its_own_word() {
        let words: HashSet<_> = refusal_table().iter().map(|row| row.word).collect();
        assert_eq!(words.len(), refusal_table().len());
    }

    #[test]
    fn the_class_of_the_enhanced_code_is_that_of_the_reply_code() {
        for row in refusal_table() {
            assert_eq!(row.enhanced.as_bytes()[0], row.code.to_string().as_bytes()[0], "{}", row.word);
            assert!(row.english.is_ascii(), "{}: replies are ASCII", row.word);
        }
    }

    #[test]
    fn doubt_about_trust_is_a_temporary_refusal() {
        for doubt in [
            Refusal::TrustListUnavailable,
            Refusal::TrustListExpired,
            Refusal::RevocationUnknown,
            Refusal::CertificateNotYetValid,
            Refusal::StoreUnavailable,
        ] {
            assert_eq!(doubt.permanence(), Permanence::Temporary, "{}", doubt.word());
        }
    }

    #[test]
    fn the_french_sentence_follows_the_subject_of_the_code() {
        for (status, word) in [
            ("5.1.1", "annuaire"),
            ("5.2.2", "pleine"),
            ("4.4.1", "joint"),
            ("5.7.1", "authentifié"),
            ("x", "administrateur"),
        ] {
            assert!(french_for_status(status).contains(word), "{status}");
        }
    }
}
