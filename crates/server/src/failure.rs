//! How a command ends when it does not end well, and the exit code that scripts see.

use thiserror::Error;

/// Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 configuration,
/// 4 something that pli needs does not answer (database, port, running server).
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// What was asked for cannot be done, or did not work.
    #[error("{}", trust::masked(.0))]
    Refused(String),
    /// The command was not understood; the text says what is missing or wrong.
    #[error("{0}")]
    Usage(String),
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
            Self::Usage(_) => 2,
            Self::Configuration(_) => 3,
            Self::Unavailable(_) => 4,
        }
    }

    /// What a program reads that asked for JSON: what went wrong and what to do, whose matter it is in a word, and the
    /// exit code.
    pub(crate) fn json(&self) -> serde_json::Value {
        let kind = match self {
            Self::Refused(_) => "refused",
            Self::Usage(_) => "usage",
            Self::Configuration(_) => "configuration",
            Self::Unavailable(_) => "unavailable",
            Self::Interrupted => "interrupted",
        };
        serde_json::json!({ "error": self.to_string(), "kind": kind, "exit_code": self.exit_code() })
    }
}

/// Wrong usage, in one line: what is wrong, and what is right.
impl From<&clap::Error> for Failure {
    fn from(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Self::Usage(lines.join("; "))
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
            Failure::Usage(String::new()),
            Failure::Configuration(String::new()),
            Failure::Unavailable(String::new()),
        ]
        .map(|failure| failure.exit_code());
        assert_eq!(codes, [1, 2, 3, 4]);
        assert_eq!(Failure::from(store::StoreError::Unavailable("down".into())).exit_code(), 4);
        assert_eq!(Failure::from(store::StoreError::NoSuchBal("a@b.fr".into())).exit_code(), 1);
        assert_eq!(Failure::from(store::StoreError::SchemaTooNew { found: 2, known: 1 }).exit_code(), 3);
    }

    #[test]
    fn wrong_usage_is_told_in_one_line_without_its_colours() {
        let command = clap::Command::new("pli").arg(clap::Arg::new("kind").long("kind").required(true));
        let failure = Failure::from(&command.try_get_matches_from(["pli"]).unwrap_err());
        let value = failure.json();
        assert_eq!((value["kind"].as_str(), value["exit_code"].as_u64()), (Some("usage"), Some(2)));
        let text = value["error"].as_str().unwrap();
        assert!(text.contains("--kind") && text.contains("Usage: pli") && !text.contains('\n'), "{text}");
    }
}
