//! Where the lists of a site come from: the revocation list of its authority in clear, the white list and the directory
//! over HTTPS.

use anyhow::Result;
use mssante::Clock as _;
use testkit::clock::RealClock;
use testkit::http::{Answer, HttpServer, Page};
use testkit::pki::{Issued, Pki};
use testkit::revocation::Crl;
use tokio::runtime::{Builder, Runtime};

/// Two HTTP servers of the tests' own. They end when it is dropped.
pub struct Publisher {
    plain: HttpServer,
    secure: HttpServer,
    _runtime: Runtime,
}

const CRL: &str = "/aci-el-org.crl";
const LIST: &str = "/listeblanchemssante.xml";
const EXTRACTION: &str = "/Extraction_Correspondance_MSSante";

impl Publisher {
    /// Publishes an empty revocation list of `pki`, and no white list yet. `identity` is what the HTTPS server shows.
    pub fn start(pki: &Pki, identity: &Issued) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let plain = runtime.block_on(HttpServer::start())?;
        let secure = runtime.block_on(HttpServer::start_tls(identity))?;
        let publisher = Self { plain, secure, _runtime: runtime };
        publisher.publish_crl(pki, &Crl::around(RealClock.now()))?;
        Ok(publisher)
    }

    /// Where the revocation list is.
    pub fn crl_url(&self) -> String {
        self.plain.url(CRL)
    }

    /// Where the white list is.
    pub fn list_url(&self) -> String {
        self.secure.url(LIST)
    }

    /// Replaces the revocation list.
    pub fn publish_crl(&self, pki: &Pki, crl: &Crl) -> Result<()> {
        self.plain.serve(CRL, Page::new(pki.crl(crl)?));
        Ok(())
    }

    /// The source of revocation lists answers this.
    pub fn answer_crl(&self, answer: impl Into<Answer>) {
        self.plain.serve(CRL, answer);
    }

    /// Replaces the white list. Its `ETag` is its digest.
    pub fn publish_list(&self, xml: &str) {
        let tag = xml.bytes().fold(0_u64, |sum, octet| sum.wrapping_mul(31).wrapping_add(octet.into()));
        self.secure.serve(LIST, Page::new(xml).etag(format!("\"{tag:x}\"")));
    }

    /// The source of the white list answers this.
    pub fn answer_list(&self, answer: impl Into<Answer>) {
        self.secure.serve(LIST, answer);
    }

    /// How often somebody asked for the white list.
    pub fn list_hits(&self) -> usize {
        self.secure.hits(LIST)
    }

    /// Where the directory is.
    pub fn extraction_url(&self) -> String {
        self.secure.url(EXTRACTION)
    }

    /// Replaces the directory by one of this name.
    pub fn publish_extraction(&self, name: &str, octets: impl Into<Vec<u8>>) {
        self.secure.serve(EXTRACTION, Answer::file(name, octets));
    }

    /// The source of the directory answers this.
    pub fn answer_extraction(&self, answer: impl Into<Answer>) {
        self.secure.serve(EXTRACTION, answer);
    }

    /// How often somebody was told that he holds the directory already (304).
    pub fn extraction_confirmations(&self) -> usize {
        self.secure.confirmations(EXTRACTION)
    }

    /// How often the directory was asked for by this method.
    pub fn extraction_hits(&self, method: &str) -> usize {
        let requests = self.secure.requests();
        requests.iter().filter(|request| request.path == EXTRACTION && request.method == method).count()
    }
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("list", &self.list_url()).field("crl", &self.crl_url()).finish()
    }
}
