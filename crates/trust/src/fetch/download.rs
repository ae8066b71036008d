//! Documents that are too large to be held: what they are by HEAD, what is in them to a writer.

use aws_lc_rs::digest::{Context, SHA256};
use reqwest::header::{CONTENT_DISPOSITION, HeaderMap};
use reqwest::{Response, StatusCode};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::{FetchError, Fetcher, Validators, parsed};

/// Characters of a file's name that are looked at.
const LONGEST_NAME: usize = 200;

/// What a server says of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Described {
    /// The name under which it would be saved, without folders. `[RFC6266 4.3]`
    pub file_name: Option<String>,
    /// For the next request.
    pub validators: Validators,
}

/// The outcome of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Downloaded {
    /// What we hold is current.
    NotModified,
    /// All of it is written.
    Whole {
        /// What the server says of it.
        described: Described,
        /// How many octets.
        octets: u64,
        /// Their SHA-256.
        sha256: [u8; 32],
    },
}

impl Fetcher {
    /// What a server says of a document, without its octets. `[RFC9110 9.3.2]`
    pub async fn head(&self, url: &str) -> Result<Described, FetchError> {
        let request = self.client.head(parsed(url)?);
        let response = request.send().await.map_err(|error| self.causes.connection(url, &error))?;
        match response.status() {
            StatusCode::OK => Ok(Described::of(response.headers())),
            _ => Err(self.refused(url, &response)),
        }
    }

    /// GETs a URL, unless it is what `known` stands for, and writes it to `to` as it comes. At most `limit` octets are
    /// written; after an error, what was written is of no use. `[RFC9110 13.1.2]` `[RFC9110 13.1.3]`
    pub async fn download(
        &self,
        url: &str,
        known: &Validators,
        limit: u64,
        to: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<Downloaded, FetchError> {
        let request = known.ask(self.client.get(parsed(url)?));
        let response = request.send().await.map_err(|error| self.causes.connection(url, &error))?;
        match response.status() {
            StatusCode::NOT_MODIFIED if *known != Validators::default() => Ok(Downloaded::NotModified),
            StatusCode::OK => {
                let described = Described::of(response.headers());
                let (octets, sha256) = self.pour(url, response, limit, to).await?;
                Ok(Downloaded::Whole { described, octets, sha256 })
            }
            _ => Err(self.refused(url, &response)),
        }
    }

    async fn pour(
        &self,
        url: &str,
        mut response: Response,
        limit: u64,
        to: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<(u64, [u8; 32]), FetchError> {
        let too_large =
            || FetchError::TooLarge { url: url.to_owned(), limit: usize::try_from(limit).unwrap_or(usize::MAX) };
        let not_kept = |error: std::io::Error| FetchError::NotKept { url: url.to_owned(), why: error.to_string() };
        if response.content_length().is_some_and(|announced| announced > limit) {
            return Err(too_large());
        }
        let (mut octets, mut digest) = (0_u64, Context::new(&SHA256));
        while let Some(chunk) = response.chunk().await.map_err(|error| self.causes.connection(url, &error))? {
            octets += chunk.len() as u64;
            if octets > limit {
                return Err(too_large());
            }
            digest.update(&chunk);
            to.write_all(&chunk).await.map_err(not_kept)?;
        }
        to.flush().await.map_err(not_kept)?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest.finish().as_ref());
        Ok((octets, sha256))
    }
}

impl Described {
    fn of(headers: &HeaderMap) -> Self {
        let disposition = headers.get(CONTENT_DISPOSITION).and_then(|value| value.to_str().ok());
        Self { file_name: disposition.and_then(file_name), validators: Validators::of(headers) }
    }
}

/// The parameter `filename`, quoted or not; folders in it are not the server's business. `[RFC6266 4.3]`
fn file_name(disposition: &str) -> Option<String> {
    let mut parameters = disposition.split(';').map(str::trim);
    let value = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("filename").then(|| value.trim().trim_matches('"'))
    })?;
    let name: String =
        value.rsplit(['/', '\\']).next()?.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_is_found_however_it_is_written_and_has_no_folders() {
        for (header, name) in [
            ("attachment; filename=\"E_202608260012.zip\"", Some("E_202608260012.zip")),
            ("attachment;FileName=E_202608260012.zip", Some("E_202608260012.zip")),
            ("attachment; filename=\"../../etc/E.txt\"; size=3", Some("E.txt")),
            ("attachment; filename=\"C:\\dossier\\E.txt\"", Some("E.txt")),
            ("attachment; filename=\"\"", None),
            ("attachment", None),
            ("filename", None),
        ] {
            assert_eq!(file_name(header).as_deref(), name, "{header}");
        }
    }
}
