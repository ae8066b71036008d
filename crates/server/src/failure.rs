//! How a command ends when it does not end well, and the exit code that scripts see.

use thiserror::Error;

/// Exit codes: 0 done, 1 refused or failed, 2 wrong usage (given by clap), 3 configuration,
/// 4 something that pli needs does not answer (database, port, running server).
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// What was asked for cannot be done, or did not work.
    #[error("{}", trust::masked(.0))]
    Refused(String),
    /// A file, a setting or the environment is wrong; the text names it and says what to do.
    #[error("{}", trust::masked(.0))]
    Configuration(String),
    /// A service or a port is not available; trying again later can help.
    #[error("{}", trust::masked(.0))]
    Unavailable(String),
    /// Ctrl-C or SIGTERM before the end.
    #[error("stopped before the end")]
    Interrupted,
}

impl Failure {
    /// What the process ends with.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Interrupted => 1,
            Self::Configuration(_) => 3,
            Self::Unavailable(_) => 4,
        }
    }

    /// What a program reads that asked for JSON: what went wrong and what to do, whose matter it is in a word, and the
    /// exit code.
    pub(crate) fn json(&self) -> serde_json::Value {
        let kind = match self {
            Self::Refused(_) => "refused",
            Self::Configuration(_) => "configuration",
            Self::Unavailable(_) => "unavailable",
            Self::Interrupted => "interrupted",
        };
        serde_json::json!({ "error": self.to_string(), "kind": kind, "exit_code": self.exit_code() })
    }
}

impl From<store::StoreError> for Failure {
    fn from(error: store::StoreError) -> Self {
        use store::StoreError as E;
        match error {
            E::Unavailable(_) => {
                Self::Unavailable(format!("{error}; check database.url, or the log of the cluster in data.dir"))
            }
            E::SchemaTooNew { .. } | E::ServerTooOld(_) | E::Unseal(_) => Self::Configuration(error.to_string()),
            _ => Self::Refused(error.to_string()),
        }
    }
}

impl From<store::EmbeddedError> for Failure {
    fn from(error: store::EmbeddedError) -> Self {
        match error {
            store::EmbeddedError::NoPrograms { .. }
            | store::EmbeddedError::WrongVersion { .. }
            | store::EmbeddedError::Folder(_) => Self::Configuration(error.to_string()),
            store::EmbeddedError::Program { .. } => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<store::KeyRingError> for Failure {
    fn from(error: store::KeyRingError) -> Self {
        Self::Configuration(format!("key ring {error} (setting store.keyring_file)"))
    }
}

impl From<trust::TlsError> for Failure {
    fn from(error: trust::TlsError) -> Self {
        Self::Configuration(format!("{error} (section [tls])"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_can_tell_failures_apart() {
        let codes = [
            Failure::Refused(String::new()),
            Failure::Configuration(String::new()),
            Failure::Unavailable(String::new()),
        ]
        .map(|failure| failure.exit_code());
        assert_eq!(codes, [1, 3, 4]);
        assert_eq!(Failure::from(store::StoreError::Unavailable("down".into())).exit_code(), 4);
        assert_eq!(Failure::from(store::StoreError::NoSuchBal("a@b.fr".into())).exit_code(), 1);
        assert_eq!(Failure::from(store::StoreError::SchemaTooNew { found: 2, known: 1 }).exit_code(), 3);
    }
}
