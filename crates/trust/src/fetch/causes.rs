//! What an administrator is told when a connection fails.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::CertificateError;

use super::FetchError;

/// Puts into words why a connection failed, and what to do about it.
#[derive(Debug, Clone)]
pub(super) struct Causes {
    anchors: Arc<Path>,
    timeout: Duration,
}

impl Causes {
    pub(super) fn new(anchors: &Path, timeout: Duration) -> Self {
        Self { anchors: anchors.into(), timeout }
    }

    pub(super) fn connection(&self, url: &str, error: &reqwest::Error) -> FetchError {
        FetchError::Connection { url: url.to_owned(), why: self.why(error) }
    }

    fn why(&self, error: &reqwest::Error) -> String {
        let causes: Vec<&dyn Error> = std::iter::successors(error.source(), |&cause| cause.source()).collect();
        let io = causes.iter().find_map(|cause| cause.downcast_ref::<io::Error>());
        let tls = causes.iter().find_map(|cause| tls_error(*cause));
        let texts: Vec<String> = causes.iter().map(ToString::to_string).collect();
        match (tls, io.map(io::Error::kind)) {
            (Some(error), _) => self.tls(error),
            (None, Some(io::ErrorKind::ConnectionRefused)) => {
                "connection refused: nobody listens there, or a firewall forbids it".to_owned()
            }
            _ if error.is_timeout() => {
                format!("no complete answer within {} s; check network, firewall and proxy", self.timeout.as_secs())
            }
            _ if texts.iter().any(|text| text == "dns error") => {
                format!("the name of the host cannot be resolved ({})", texts.last().map_or("", String::as_str))
            }
            _ => spelled_out(error, texts),
        }
    }

    fn tls(&self, error: &rustls::Error) -> String {
        let anchors = self.anchors.display();
        match error {
            // A bad signature: by an authority with the name of one of ours, not with its key.
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
                format!(
                    "the server's certificate does not chain to an anchor of {anchors}; add its root there if it is to be trusted"
                )
            }
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => "the server's certificate is not for the host of the URL".to_owned(),
            rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
                "the server's certificate has expired, or our clock is wrong".to_owned()
            }
            other => format!("TLS: {other}"),
        }
    }
}

/// The error of the TLS library, which travels inside an I/O error.
fn tls_error<'e>(cause: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    match cause.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().and_then(|inner| tls_error(inner)),
        None => cause.downcast_ref::<rustls::Error>(),
    }
}

/// All causes, each once: libraries like to repeat the text of the inner error.
fn spelled_out(error: &reqwest::Error, causes: Vec<String>) -> String {
    let kind = match () {
        () if error.is_redirect() => "redirect",
        () if error.is_body() || error.is_decode() => "the answer broke off",
        () => "no answer",
    };
    let mut texts = vec![kind.to_owned()];
    for text in causes {
        if !texts.iter().any(|earlier| earlier.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}
