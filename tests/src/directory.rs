//! A national directory of the tests' own, over HTTPS, for a site.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::ops::Deref;

use anyhow::Result;
use testkit::fhir::FhirServer;
use testkit::pki::ServerHolder;
use tokio::runtime::{Builder, Runtime};

use crate::Site;

/// What opens it.
const KEY: &str = "cle-d-essai";

/// The server, and where it runs. It ends when it is dropped.
pub struct NationalDirectory {
    server: FhirServer,
    _runtime: Runtime,
}

impl NationalDirectory {
    /// An empty one, with a certificate of the site's authorities. The key stands in `annuaire.key` in the site's folder.
    pub fn start(site: &Site) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let identity = site.pki().server(&ServerHolder {
            cn: "gateway.annuaire.test".to_owned(),
            organisation: "Annuaire".to_owned(),
            structure: "1300000009".to_owned(),
            department: "Paris (75)".to_owned(),
            extra_names: Vec::new(),
        })?;
        let server = runtime.block_on(FhirServer::start_tls(&identity, KEY))?;
        fs::write(site.folder().join("annuaire.key"), format!("{KEY}\n"))?;
        Ok(Self { server, _runtime: runtime })
    }

    /// From now on the site tells it of its boxes, by these further settings of `[publication]`.
    pub fn publish_from(&self, site: &Site, settings: &str) -> Result<()> {
        let (url, key) = (self.base(), site.folder().join("annuaire.key"));
        let section = format!(
            "[publication]\ntransport = \"fhir\"\nurl = \"{url}\"\nkey_file = \"{}\"\n{settings}\n",
            key.display()
        );
        append(site, &section)
    }

    /// From now on the site's directory comes from it, by these further settings of `[annuaire.fhir]`.
    pub fn feed(&self, site: &Site, settings: &str) -> Result<()> {
        let (url, key) = (self.base(), site.folder().join("annuaire.key"));
        let section = format!("[annuaire.fhir]\nurl = \"{url}\"\nkey_file = \"{}\"\n{settings}\n", key.display());
        append(site, &section)
    }
}

impl Deref for NationalDirectory {
    type Target = FhirServer;

    fn deref(&self) -> &FhirServer {
        &self.server
    }
}

impl std::fmt::Debug for NationalDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NationalDirectory").field("base", &self.base()).finish_non_exhaustive()
    }
}

fn append(site: &Site, section: &str) -> Result<()> {
    let mut file = OpenOptions::new().append(true).open(&site.operator.config_file)?;
    Ok(write!(file, "\n{section}")?)
}
