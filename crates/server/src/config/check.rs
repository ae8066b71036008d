//! What makes a configuration usable beyond its types.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::settings::{ClientCertificate, Settings};
use crate::failure::Failure;

impl Settings {
    /// Rules that hold without opening or connecting to anything. The text names the setting.
    pub(super) fn check(&self) -> Result<(), String> {
        self.check_operator()?;
        self.check_numbers()?;
        self.check_hop()?;
        self.trust_list.check()?;
        self.revocation.check()?;
        self.fetch.check()?;
        self.annuaire.check(&self.operator.domains)?;
        self.publication.check()?;
        self.admin.check()?;
        self.audit.check()?;
        self.bal.check()?;
        if !self.http.listen.ip().is_loopback() {
            return Err(format!(
                "http.listen = \"{}\" is reachable from outside; health and metrics are for this machine only, use 127.0.0.1",
                self.http.listen
            ));
        }
        self.check_listeners()?;
        self.check_log()?;
        if let Some(url) = &self.database.url
            && !["postgres://", "postgresql://"].iter().any(|scheme| url.expose_secret().starts_with(scheme))
        {
            return Err(
                "database.url does not begin with postgres://; leave it out for a private PostgreSQL".to_owned()
            );
        }
        if self.database.url.is_some() && self.database.url_file.is_some() {
            return Err("database.url and database.url_file are both set; keep one".to_owned());
        }
        Ok(())
    }

    fn check_listeners(&self) -> Result<(), String> {
        let all = [
            ("hop.listen", &self.hop.listen),
            ("submission.listen_starttls", &self.submission.listen_starttls),
            ("submission.listen_tls", &self.submission.listen_tls),
            ("imap.listen_starttls", &self.imap.listen_starttls),
            ("imap.listen_tls", &self.imap.listen_tls),
            ("admin.listen", &self.admin.listen),
            ("admin.listen_tls", &self.admin.listen_tls),
        ];
        let http = ("http.listen", self.http.listen);
        let mut seen: Vec<(&str, SocketAddr)> = Vec::new();
        for (setting, address) in
            all.iter().flat_map(|(setting, list)| list.iter().map(|a| (*setting, *a))).chain([http])
        {
            if let Some((other, _)) = seen.iter().find(|(_, taken)| *taken == address && address.port() != 0) {
                return Err(format!("{setting} and {other} are both {address}; give each its own port"));
            }
            seen.push((setting, address));
        }
        Ok(())
    }

    /// A word that is no level would be taken for the name of a module, and nothing be logged.
    fn check_log(&self) -> Result<(), String> {
        let levels = ["off", "error", "warn", "info", "debug", "trace"];
        let wrong = self.log.level.split(',').map(str::trim).find(|part| {
            let level = part.rsplit('=').next().unwrap_or_default();
            !levels.contains(&level.to_ascii_lowercase().as_str())
        });
        match wrong {
            Some(part) => Err(format!(
                "log.level: '{part}' is not a level; write one of {}, or per module: \"info,smtp=debug\"",
                levels.join(", ")
            )),
            None => Ok(()),
        }
    }

    fn check_operator(&self) -> Result<(), String> {
        if self.operator.domains.is_empty() {
            return Err("operator.domains is empty; name at least one mail domain that this operator serves".to_owned());
        }
        mssante::Domain::parse(&self.operator.hostname).map(drop).map_err(|_| {
            format!(
                "operator.hostname = \"{}\" is not a full host name such as mail.example.mssante.fr",
                self.operator.hostname
            )
        })
    }

    /// Without the peer's certificate nobody can be told to belong to the trust space. `[MSS1 HOP.MTLS]`
    fn check_hop(&self) -> Result<(), String> {
        if self.hop.client_certificate != ClientCertificate::Required {
            return Err("hop.client_certificate must be \"required\": operators are told by their certificates, \
                        and without one every message of theirs would be refused; leave the setting out"
                .to_owned());
        }
        Ok(())
    }

    /// Whether the files that are named can be read.
    pub(super) fn check_files(&self) -> Result<(), String> {
        let obligatory = [
            ("tls.certificate_file", Some(&self.tls.certificate_file)),
            ("tls.key_file", Some(&self.tls.key_file)),
            ("tls.anchors_file", Some(&self.tls.anchors_file)),
            ("tls.issuers_file", Some(&self.tls.issuers_file)),
            ("trust_list.anchors_file", self.trust_list.anchors_file.as_ref()),
            ("trust_list.issuers_file", self.trust_list.issuers_file.as_ref()),
            ("trust_list.url_anchors_file", self.trust_list.url_anchors_file.as_ref()),
            ("annuaire.anchors_file", self.annuaire.anchors_file.as_ref()),
            ("annuaire.fhir.key_file", self.annuaire.fhir.key_file.as_ref()),
            ("annuaire.fhir.anchors_file", self.annuaire.fhir.anchors_file.as_ref()),
            ("publication.key_file", self.publication.key_file.as_ref()),
            ("publication.anchors_file", self.publication.anchors_file.as_ref()),
            ("dns.anchors_file", self.dns.anchors_file.as_ref()),
            ("dns.zone_file", self.dns.zone_file.as_ref()),
            ("database.url_file", self.database.url_file.as_ref()),
        ];
        readable(&obligatory)
    }

    /// Whether the white list is where somebody else should have brought it.
    pub(super) fn check_list_files(&self) -> Result<(), String> {
        readable(&[
            ("trust_list.file", self.trust_list.file.as_ref()),
            ("trust_list.checksum_file", self.trust_list.checksum_file.as_ref()),
        ])
    }

    /// What to say where the last good list of the database goes on without these files. See docs/adr/0010.
    pub(crate) fn list_warning(&self) -> Option<String> {
        self.check_list_files()
            .err()
            .map(|why| format!("{why}; the last good list of the database stays and grows old"))
    }

    fn check_numbers(&self) -> Result<(), String> {
        let positive = [
            ("database.connections", u64::from(self.database.connections)),
            ("hop.max_size", self.hop.max_size),
            ("hop.max_recipients", self.hop.max_recipients as u64),
            ("hop.max_connections", self.hop.max_connections as u64),
            ("hop.max_connections_per_address", self.hop.max_connections_per_address as u64),
            ("submission.max_size", self.submission.max_size),
            ("submission.max_recipients", self.submission.max_recipients as u64),
            ("submission.max_connections", self.submission.max_connections as u64),
            ("submission.max_connections_per_address", self.submission.max_connections_per_address as u64),
            ("submission.hashing_jobs", self.submission.hashing_jobs as u64),
            ("imap.max_connections", self.imap.max_connections as u64),
            ("imap.max_connections_per_address", self.imap.max_connections_per_address as u64),
            ("imap.max_size", self.imap.max_size),
            ("relay.connections", self.relay.connections as u64),
            ("relay.retry", self.relay.retry.len() as u64),
            ("dns.timeout", u64::try_from(self.dns.timeout.as_millis()).unwrap_or(u64::MAX)),
        ];
        if let Some((setting, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(format!("{setting} is zero or empty; nothing would pass, leave it out for the default"));
        }
        if self.imap.idle_timeout < Duration::from_mins(1) {
            return Err("imap.idle_timeout is under a minute; RFC 3501 asks for 30m".to_owned());
        }
        Ok(())
    }

    /// The database to use, unless we run our own.
    pub(crate) fn database_url(&self) -> Result<Option<SecretString>, Failure> {
        let Some(file) = &self.database.url_file else { return Ok(self.database.url.clone()) };
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::Configuration(unreadable("database.url_file", file, &error)))?;
        Ok(Some(SecretString::from(text.trim())))
    }

    /// Whether there is a database, if only one that does not run: a cluster is not made for a look at a file.
    pub(crate) fn has_database(&self) -> bool {
        let remote = self.database.url.is_some() || self.database.url_file.is_some();
        remote || self.data.dir.join("postgresql/data").exists()
    }

    /// Where the key ring is.
    pub(crate) fn keyring_file(&self) -> PathBuf {
        self.store.keyring_file.clone().unwrap_or_else(|| self.data.dir.join("keyring"))
    }

    /// Where tokens of the administrators' API are.
    pub(crate) fn token_file(&self) -> PathBuf {
        self.admin.token_file.clone().unwrap_or_else(|| self.data.dir.join("admin-tokens"))
    }

    /// Our certificate and whom we believe.
    pub(crate) fn tls_files(&self) -> trust::TlsFiles {
        trust::TlsFiles {
            certificate: self.tls.certificate_file.clone(),
            key: self.tls.key_file.clone(),
            anchors: self.tls.anchors_file.clone(),
            issuers: self.tls.issuers_file.clone(),
        }
    }
}

impl Settings {
    /// What works but is less safe than it should be; `check-config` prints it, `serve` logs it.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let trust = self.trust_list.warnings().into_iter().chain(self.revocation.warnings());
        trust.chain(self.annuaire.warnings()).chain(self.open_key()).chain(self.list_warning()).collect()
    }

    /// A group may read the key (mode 0640 and a group of the service's own are usual), everybody may not.
    fn open_key(&self) -> Option<String> {
        let file = &self.tls.key_file;
        let mode = std::fs::metadata(file).ok()?.mode() & 0o777;
        (mode & 0o007 != 0).then(|| {
            format!(
                "tls.key_file = \"{}\" has mode {mode:o}: everybody on this machine can get at it; run `chmod o= {}`",
                file.display(),
                file.display()
            )
        })
    }
}

/// The text of `database.url` for the store.
pub(crate) fn exposed(url: &SecretString) -> String {
    url.expose_secret().to_owned()
}

fn readable(files: &[(&str, Option<&PathBuf>)]) -> Result<(), String> {
    let named = files.iter().filter_map(|(setting, file)| Some((setting, (*file)?)));
    for (setting, file) in named {
        std::fs::File::open(file).map_err(|error| unreadable(setting, file, &error))?;
    }
    Ok(())
}

fn unreadable(setting: &str, file: &Path, error: &std::io::Error) -> String {
    format!("{setting} = \"{}\" cannot be read: {error}", file.display())
}
