//! How a database URL is understood: over a network, PostgreSQL is only spoken to inside TLS.

use std::net::IpAddr;
use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::StoreError;

/// What `url` says. A host on the network without an `sslmode` gets `verify-full`, not the library's `prefer`, which
/// goes on in clear when somebody on the way says that the server has no TLS. A weaker mode has to be written out.
pub(crate) fn connect_options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options = PgConnectOptions::from_str(url)?.application_name("pli");
    if stays_here(&options) {
        return Ok(options);
    }
    if !names_sslmode(url) {
        return Ok(options.ssl_mode(PgSslMode::VerifyFull));
    }
    if !matches!(options.get_ssl_mode(), PgSslMode::VerifyFull) {
        let (host, mode) = (options.get_host(), options.get_ssl_mode());
        tracing::warn!(
            host,
            ?mode,
            "the database URL asks for a connection over the network that does not verify the server wholly; only do so on a private network, sslmode=verify-full is safe"
        );
    }
    Ok(options)
}

/// Whether the connection never leaves this machine: a unix socket or a loopback address.
fn stays_here(options: &PgConnectOptions) -> bool {
    let host = options.get_host().trim_start_matches('[').trim_end_matches(']');
    options.get_socket().is_some()
        || host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether the URL itself has the parameter, in either of the library's spellings.
fn names_sslmode(url: &str) -> bool {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter_map(|pair| pair.split('=').next()).any(|name| name == "sslmode" || name == "ssl-mode")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> String {
        format!("{:?}", connect_options(url).unwrap().get_ssl_mode())
    }

    #[test]
    fn a_database_on_the_network_is_verified_unless_the_url_says_otherwise() {
        for url in [
            "postgres://pli:secret@database:5432/pli",
            "postgres://pli@192.0.2.7/pli",
            "postgres://pli@[2001:db8::1]/pli",
            "postgres://pli@localhost.example.com/pli",
            "postgres://pli@database/pli?application_name=sslmode",
            "postgres://pli@localhost/pli?host=192.0.2.7",
            "postgres://pli@database/pli#?sslmode=disable",
        ] {
            assert_eq!(mode(url), "VerifyFull", "{url}");
        }
        assert_eq!(mode("postgres://pli@database/pli?sslmode=disable"), "Disable");
        assert_eq!(mode("postgres://pli@database/pli?x=1&ssl-mode=require"), "Require");
        assert_eq!(mode("postgres://pli@database/pli?sslmode=verify-full"), "VerifyFull");
    }

    #[test]
    fn what_stays_on_this_machine_may_go_without_tls() {
        for url in [
            "postgres://pli@localhost/pli?host=/var/lib/pli/postgresql/s",
            "postgres://pli@%2Frun%2Fpostgresql/pli",
            "postgres://pli@localhost/pli",
            "postgres://pli@127.0.0.1/pli",
            "postgres://pli@[::1]:5433/pli",
        ] {
            assert_eq!(mode(url), "Prefer", "{url}");
        }
    }
}
