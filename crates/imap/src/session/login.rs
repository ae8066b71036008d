//! LOGIN and AUTHENTICATE. `[RFC3501 6.2]`

use std::borrow::Cow;

use auth::sasl::{Credentials, Exchange, Mechanism, Step};
use auth::{AuthError, Door, Ground, Standing};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use imap_types::core::AString;
use imap_types::secret::Secret;

use super::Session;
use super::state::Account;
use crate::framer::Bounds;
use crate::reply::{Done, Failure};

/// Refused log-ins before the connection ends.
const MOST_REFUSED: u32 = 3;

impl Session {
    /// `[RFC3501 6.2.3]`
    pub(super) async fn login(
        &mut self,
        username: &AString<'_>,
        password: &Secret<AString<'_>>,
    ) -> Result<Done, Failure> {
        self.may_log_in()?;
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let login = text(username.as_ref());
        let password = auth::Secret::new(text(password.declassify().as_ref()));
        self.check(Credentials::Password { login, bal: None, password }).await
    }

    /// `[RFC3501 6.2.2]`, `[RFC4959 3]`
    pub(super) async fn authenticate(
        &mut self,
        mechanism: &str,
        initial: Option<Secret<Cow<'static, [u8]>>>,
    ) -> Result<Done, Failure> {
        self.may_log_in()?;
        let mechanism = Mechanism::parse(mechanism).ok_or(Failure::No("Unknown mechanism".into()))?;
        let initial = initial.as_ref().map(|secret| secret.declassify().as_ref());
        let (mut exchange, mut step) = Exchange::start(mechanism, initial);
        loop {
            match step {
                Step::Done(credentials) => return self.check(credentials).await,
                Step::Malformed => return self.refused().await,
                Step::Challenge(challenge) => step = exchange.answer(&self.challenge(&challenge).await?),
            }
        }
    }

    /// The client's answer to a challenge, decoded.
    async fn challenge(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Failure> {
        self.say(&format!("+ {}", BASE64.encode(challenge)));
        self.wire.flush().await?;
        let line = tokio::time::timeout_at(
            self.started + self.service.limits.login_timeout,
            self.wire.line(Bounds::BEFORE_LOGIN),
        );
        let line = line.await.map_err(|_| Failure::Bye("Idle for too long"))??;
        if line == b"*" {
            return Err(Failure::Bad("AUTHENTICATE was cancelled"));
        }
        BASE64.decode(line).map_err(|_| Failure::Bad("This is not base64"))
    }

    fn may_log_in(&self) -> Result<(), Failure> {
        if self.state.is_logged_in() {
            return Err(Failure::Bad("You are logged in already"));
        }
        if self.wire.transport().tls_description().is_none() {
            return Err(Failure::No("[PRIVACYREQUIRED] Start TLS first".into()));
        }
        Ok(())
    }

    async fn check(&mut self, credentials: Credentials) -> Result<Done, Failure> {
        let peer = self.wire.transport().judged();
        match self.service.authenticator.check(credentials, peer, self.peer.ip(), Door::Imap).await {
            Ok(standing) => self.welcome(standing).await,
            Err(AuthError::Refused { word }) => {
                tracing::info!(reason = word, peer = %self.peer, "log-in refused");
                self.refused().await
            }
            Err(AuthError::Unavailable(why)) => {
                tracing::warn!(why, "log-in is not possible");
                Err(unavailable())
            }
        }
    }

    /// Nobody opens a BAL that is not his own without a line in the audit trail.
    async fn welcome(&mut self, standing: Standing) -> Result<Done, Failure> {
        let identity = standing.identity();
        let bal = identity.bal();
        if let Ground::Delegation { id, rights, .. } = identity.access().ground {
            let store = self.service.store.acting_as(identity.principal().actor());
            let traced = store.trace_delegated_reading(bal.id, id, rights, self.peer.ip()).await;
            traced.map_err(|error| {
                tracing::warn!(%error, "a delegate's log-in cannot be traced");
                unavailable()
            })?;
        }
        tracing::info!(bal = %bal.address.masked(), peer = %self.peer, "logged in");
        self.state.log_in(Account::new(standing));
        Ok(Done::coded(&format!("CAPABILITY {}", self.capabilities()), "Logged in"))
    }

    /// The same answer for every reason, later each time.
    async fn refused(&mut self) -> Result<Done, Failure> {
        let delay = self.service.limits.failure_delay * 2_u32.pow(self.refused_logins);
        tokio::time::sleep(delay).await;
        self.refused_logins += 1;
        let text = "[AUTHENTICATIONFAILED] Log-in refused";
        if self.refused_logins < MOST_REFUSED {
            return Err(Failure::No(text.into()));
        }
        Err(Failure::Bye("[AUTHENTICATIONFAILED] Too many refused log-ins"))
    }
}

fn unavailable() -> Failure {
    Failure::No("[UNAVAILABLE] Log-in is not possible at the moment".into())
}
