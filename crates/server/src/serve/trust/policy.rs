//! What a list must be like, from the settings.

use mssante::Clock;
use trust::{Authorities, FetchError, Fetched, Fetcher, Sanity, SignaturePolicy, TlsError, Validators};

use crate::ambient::SystemClock;
use crate::config::{Settings, Signature};
use crate::failure::Failure;

/// How far the date of a list may lie ahead of our clock.
const CLOCK_TOLERANCE: time::Duration = time::Duration::minutes(10);
/// A checksum and what is around it.
const CHECKSUM_LIMIT: usize = 64 * 1024;
const NO_CHECKSUM: &str = "no SHA-256 (64 hexadecimal digits) in it";

/// What a list may not do without an acknowledgement.
pub(crate) fn sanity(settings: &Settings) -> Sanity {
    Sanity { max_shrink: settings.trust_list.max_shrink, clock_tolerance: CLOCK_TOLERANCE }
}

/// Who may sign the list, by the files as they are now. `sha256` is what the octets must have where
/// a checksum vouches for them.
pub(crate) fn signature(settings: &Settings, sha256: Option<[u8; 32]>) -> Result<SignaturePolicy, String> {
    let list = &settings.trust_list;
    match list.signature {
        Signature::Off => Ok(SignaturePolicy::Off),
        Signature::Sha256 => match sha256 {
            Some(sha256) => Ok(SignaturePolicy::Digest { sha256 }),
            None => Err("there is no checksum for it (trust_list.checksum_url or trust_list.checksum_file)".to_owned()),
        },
        Signature::Required => Ok(SignaturePolicy::Required {
            authorities: list_authorities(settings).map_err(|error| error.to_string())?,
            signer_cn: list.signer_cn.clone(),
            signer_ou: list.signer_unit(),
        }),
    }
}

/// Who may issue the certificate of the list's signer.
fn list_authorities(settings: &Settings) -> Result<Authorities, TlsError> {
    let (list, tls) = (&settings.trust_list, &settings.tls);
    let anchors = list.anchors_file.as_ref().unwrap_or(&tls.anchors_file);
    let issuers = list.issuers_file.as_ref().unwrap_or(&tls.issuers_file);
    Authorities::load(anchors, issuers, SystemClock.now())
}

/// Those of peers and those of the list's signer: revocation lists of both are needed.
pub(super) fn all_authorities(settings: &Settings) -> Result<Authorities, Failure> {
    let now = SystemClock.now();
    let ours = Authorities::load(&settings.tls.anchors_file, &settings.tls.issuers_file, now)?;
    let list = list_authorities(settings)?;
    let certificates = |mine: &[_], theirs: &[_]| {
        let mut all: Vec<Vec<u8>> = Vec::new();
        for authority in mine.iter().chain(theirs) {
            let authority: &std::sync::Arc<trust::Authority> = authority;
            if !all.iter().any(|known| known == authority.der()) {
                all.push(authority.der().to_vec());
            }
        }
        all
    };
    let roots = certificates(ours.roots(), list.roots());
    let issuers = certificates(ours.issuers(), list.issuers());
    Authorities::of_certificates(roots, issuers, now).map_err(|fault| {
        Failure::Configuration(format!("the authorities of [tls] and [trust_list] do not go together: {fault}"))
    })
}

/// The checksum of the list, where one vouches for it.
pub(super) async fn checksum(settings: &Settings, fetcher: &Fetcher) -> Result<Option<[u8; 32]>, FetchError> {
    let Some(url) = &settings.trust_list.checksum_url else {
        return checksum_in_file(settings).map_err(FetchError::Configuration);
    };
    match fetcher.get(url, &Validators::default(), CHECKSUM_LIMIT).await? {
        Fetched::Body { octets, .. } => first_sha256(&octets)
            .map(Some)
            .ok_or_else(|| FetchError::Connection { url: url.clone(), why: NO_CHECKSUM.to_owned() }),
        Fetched::NotModified => Ok(None),
    }
}

/// The same if it stands in a file; nothing if it is to be fetched.
pub(crate) fn checksum_in_file(settings: &Settings) -> Result<Option<[u8; 32]>, String> {
    let Some(file) = &settings.trust_list.checksum_file else { return Ok(None) };
    let found = super::candidate::read_file(file, CHECKSUM_LIMIT)
        .and_then(|octets| first_sha256(&octets).ok_or_else(|| NO_CHECKSUM.to_owned()));
    found.map(Some).map_err(|why| format!("trust_list.checksum_file = \"{}\": {why}", file.display()))
}

/// The first 64 hexadecimal digits in a row.
fn first_sha256(text: &[u8]) -> Option<[u8; 32]> {
    let run = text.split(|octet| !octet.is_ascii_hexdigit()).find(|run| run.len() == 64)?;
    let mut sha256 = [0; 32];
    for (octet, digits) in sha256.iter_mut().zip(run.chunks_exact(2)) {
        *octet = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_found_whatever_stands_around_it() {
        let digits = "0123456789abcdefABCDEF0123456789abcdef0123456789abcdef0123456789";
        let expected = first_sha256(digits.as_bytes()).unwrap();
        assert_eq!((expected[0], expected[10], expected[11]), (0x01, 0xef, 0x01));
        for text in [format!("{digits}  listeblanchemssante.xml\n"), format!("SHA256 (liste.xml) = {digits}\n")] {
            assert_eq!(first_sha256(text.as_bytes()), Some(expected), "{text}");
        }
        for text in ["", "abc", &digits[1..], &format!("{digits}0")] {
            assert_eq!(first_sha256(text.as_bytes()), None, "{text}");
        }
    }
}
