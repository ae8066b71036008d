//! What we offer, by state. `[RFC3501 7.2.1]`

use super::Session;

/// In every state.
const ALWAYS: &str = "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE";
/// After log-in.
const LOGGED_IN: &str = "IDLE NAMESPACE UIDPLUS MOVE UNSELECT CHILDREN SPECIAL-USE LIST-EXTENDED LIST-STATUS \
                         STATUS=SIZE WITHIN";

impl Session {
    /// The words of CAPABILITY. Before TLS there is no way to log in. `[RFC3501 11.1]`
    pub(super) fn capabilities(&self) -> String {
        if self.state.is_logged_in() {
            return format!("{ALWAYS} {LOGGED_IN}");
        }
        let transport = self.wire.transport();
        if transport.tls_description().is_none() {
            return format!("{ALWAYS} STARTTLS LOGINDISABLED");
        }
        let external = if transport.offers_certificate() { " AUTH=EXTERNAL" } else { "" };
        format!("{ALWAYS} AUTH=PLAIN AUTH=LOGIN{external}")
    }
}
