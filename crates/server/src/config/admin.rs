//! The settings of the administrators' API.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::settings::list;

/// The administrators' API.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Admin {
    #[serde(deserialize_with = "list")]
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) token_file: Option<PathBuf>,
    #[serde(deserialize_with = "list")]
    pub(crate) listen_tls: Vec<SocketAddr>,
    pub(crate) certificates: Vec<String>,
    pub(crate) max_connections: usize,
    pub(crate) requests_per_second: u32,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            token_file: None,
            listen_tls: Vec::new(),
            certificates: Vec::new(),
            max_connections: 50,
            requests_per_second: 50,
        }
    }
}

impl Admin {
    /// Whether there is one.
    pub(crate) fn is_on(&self) -> bool {
        !self.listen.is_empty() || !self.listen_tls.is_empty()
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(address) = self.listen.iter().find(|address| !address.ip().is_loopback()) {
            return Err(format!(
                "admin.listen: {address} is reachable from outside without TLS; use 127.0.0.1, or admin.listen_tls with \
                 client certificates"
            ));
        }
        for name in &self.certificates {
            trust::DistinguishedName::parse(name)
                .map_err(|error| format!("admin.certificates: \"{name}\": {error}"))?;
        }
        if !self.listen_tls.is_empty() && self.certificates.is_empty() {
            return Err(
                "admin.listen_tls is set and admin.certificates is empty: nobody could come in; name the subject \
                        DN of each administrator's certificate"
                    .to_owned(),
            );
        }
        if self.max_connections == 0 || self.requests_per_second == 0 {
            return Err("admin.max_connections and admin.requests_per_second are at least 1".to_owned());
        }
        Ok(())
    }
}
