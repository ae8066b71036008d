//! Fetching over loopback sockets, from a server that does what it is told.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::sync::Arc;
use std::time::Duration;

use mssante::Clock;
use testkit::clock::{FixedClock, RealClock};
use testkit::http::{Answer, HttpServer, Page, Request};
use testkit::pki::{Flaw, Issued, Pki, ServerHolder};
use trust::{AccessKey, Downloaded, Exchange, FetchError, FetchRules, Fetched, Fetcher, Validators, Verb};

const LIMIT: usize = 1000;

struct Bench {
    pki: Pki,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let pki = Pki::new(RealClock.now()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        pki.write(folder.path()).unwrap();
        Self { pki, folder }
    }

    fn fetcher_with(&self, rules: &FetchRules, clock: Arc<dyn Clock>) -> Fetcher {
        Fetcher::load(&self.folder.path().join("ca.pem"), rules, clock).unwrap()
    }

    fn fetcher(&self) -> Fetcher {
        self.fetcher_with(&FetchRules::default(), Arc::new(RealClock))
    }

    fn certificate(&self) -> Issued {
        self.pki.server(&holder()).unwrap()
    }
}

fn holder() -> ServerHolder {
    ServerHolder {
        cn: "espacedeconfiance.mssante.fr".into(),
        organisation: "AGENCE DU NUMERIQUE EN SANTE".into(),
        structure: "318751275100020".into(),
        department: "Paris (75)".into(),
        extra_names: vec![],
    }
}

async fn get(fetcher: &Fetcher, url: &str) -> Result<Fetched, FetchError> {
    fetcher.get(url, &Validators::default(), LIMIT).await
}

fn octets(fetched: Result<Fetched, FetchError>) -> Vec<u8> {
    let Fetched::Body { octets, .. } = fetched.unwrap() else { panic!("nothing new") };
    octets
}

fn connection_fault(fetched: Result<Fetched, FetchError>) -> String {
    match fetched.unwrap_err() {
        FetchError::Connection { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    let bench = Bench::new();
    let server = HttpServer::start_tls(&bench.certificate()).await.unwrap();
    let date = "Tue, 03 Nov 2026 08:00:00 GMT";
    server.serve("/liste.xml", Page::new("liste").etag("W/\"1\"").last_modified(date));
    let (fetcher, url) = (bench.fetcher(), server.url("/liste.xml"));
    let Fetched::Body { octets, validators } = get(&fetcher, &url).await.unwrap() else { panic!("nothing new") };
    assert_eq!(octets, b"liste");
    assert_eq!(validators, Validators { etag: Some("W/\"1\"".into()), last_modified: Some(date.into()) });
    assert_eq!(fetcher.get(&url, &validators, LIMIT).await, Ok(Fetched::NotModified));
    let only_date = Validators { etag: None, ..validators };
    assert_eq!(fetcher.get(&url, &only_date, LIMIT).await, Ok(Fetched::NotModified));
    let agent = format!("pli/{}", env!("CARGO_PKG_VERSION"));
    assert!(server.requests().iter().all(|request| request.header("user-agent") == Some(&agent)));
}

#[tokio::test]
async fn a_server_that_says_not_modified_unasked_is_not_believed() {
    let (bench, server) = (Bench::new(), HttpServer::start().await.unwrap());
    server.serve("/a", Answer::status(304));
    let fetched = get(&bench.fetcher(), &server.url("/a")).await;
    assert!(matches!(fetched, Err(FetchError::Status { status: 304, .. })), "{fetched:?}");
}

#[tokio::test]
async fn refusals_say_when_to_come_back() {
    let (bench, server) = (Bench::new(), HttpServer::start().await.unwrap());
    let clock = Arc::new(FixedClock::at(time::macros::datetime!(2026-11-03 08:00 UTC)));
    let fetcher = bench.fetcher_with(&FetchRules::default(), clock);
    server.next("/a", Answer::status(403));
    server.next("/a", Answer::retry_after(429, "90"));
    server.next("/a", Answer::retry_after(503, "Tue, 03 Nov 2026 09:00:00 GMT"));
    for (status, retry_after) in
        [(403, None), (429, Some(Duration::from_secs(90))), (503, Some(Duration::from_hours(1))), (404, None)]
    {
        let url = server.url("/a");
        assert_eq!(get(&fetcher, &url).await, Err(FetchError::Status { url, status, retry_after }));
    }
}

#[tokio::test]
async fn nothing_larger_than_the_limit_is_kept() {
    let (bench, server) = (Bench::new(), HttpServer::start().await.unwrap());
    let fetcher = bench.fetcher();
    server.serve("/full", Page::new([7; LIMIT]));
    server.serve("/over", Page::new([7; LIMIT + 1]));
    server.serve("/announced", Answer::Announced(200_000_000));
    server.serve("/endless", Answer::Endless);
    assert_eq!(octets(get(&fetcher, &server.url("/full")).await).len(), LIMIT);
    for path in ["/over", "/announced", "/endless"] {
        let url = server.url(path);
        assert_eq!(get(&fetcher, &url).await, Err(FetchError::TooLarge { url: url.clone(), limit: LIMIT }));
        let posted = fetcher.post(&url, "application/ocsp-request", vec![], LIMIT).await;
        assert_eq!(posted, Err(FetchError::TooLarge { url, limit: LIMIT }));
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_body() {
    let (bench, server) = (Bench::new(), HttpServer::start().await.unwrap());
    server.serve("/a", Answer::Truncated(Page::new("0123456789")));
    server.serve("/b", Answer::Garbage(b"220 mail.example ESMTP\r\n".to_vec()));
    server.serve("/c", Answer::Close);
    for path in ["/a", "/b", "/c"] {
        let why = connection_fault(get(&bench.fetcher(), &server.url(path)).await);
        assert!(why.starts_with("the answer broke off") || why.starts_with("no answer"), "{path}: {why}");
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let (bench, server) = (Bench::new(), HttpServer::start().await.unwrap());
    server.serve("/a", Answer::Silence);
    let rules = FetchRules { timeout: Duration::from_millis(50), proxy: None };
    let why = connection_fault(get(&bench.fetcher_with(&rules, Arc::new(RealClock)), &server.url("/a")).await);
    assert!(why.starts_with("no complete answer within"), "{why}");
}

#[tokio::test]
async fn a_port_without_a_server_is_called_so() {
    let (bench, server) = (Bench::new(), HttpServer::start().await.unwrap());
    let url = server.url("/a");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = listener.local_addr().unwrap().port();
    drop(listener);
    let url = url.replace(&server.address().port().to_string(), &free.to_string());
    let why = connection_fault(get(&bench.fetcher(), &url).await);
    assert!(why.starts_with("connection refused"), "{why}");
}

#[tokio::test]
async fn an_unknown_host_is_called_so() {
    let why = connection_fault(get(&Bench::new().fetcher(), "http://liste.invalid/a").await);
    assert!(why.starts_with("the name of the host cannot be resolved"), "{why}");
}

#[tokio::test]
async fn only_our_anchors_vouch_for_servers() {
    let (bench, stranger) = (Bench::new(), Bench::new());
    let server = HttpServer::start_tls(&stranger.certificate()).await.unwrap();
    server.serve("/a", Page::new("x"));
    let why = connection_fault(get(&bench.fetcher(), &server.url("/a")).await);
    assert!(why.starts_with("the server's certificate does not chain to an anchor of "), "{why}");
    assert_eq!(server.hits("/a"), 0);
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let bench = Bench::new();
    let server = HttpServer::start_tls(&bench.pki.list_signer().unwrap()).await.unwrap();
    let why = connection_fault(get(&bench.fetcher(), &server.url("/a")).await);
    assert!(why.contains("not for the host of the URL"), "{why}");
}

#[tokio::test]
async fn expiry_goes_by_our_clock() {
    let bench = Bench::new();
    let server = HttpServer::start_tls(&bench.pki.flawed_server(&holder(), Flaw::Expired).unwrap()).await.unwrap();
    server.serve("/a", Page::new("x"));
    let why = connection_fault(get(&bench.fetcher(), &server.url("/a")).await);
    assert!(why.contains("expired"), "{why}");
    let earlier = Arc::new(FixedClock::at(RealClock.now() - time::Duration::days(5)));
    let fetcher = bench.fetcher_with(&FetchRules::default(), earlier);
    assert_eq!(octets(get(&fetcher, &server.url("/a")).await), b"x");
}

#[tokio::test]
async fn redirects_are_followed_three_times_and_never_out_of_tls() {
    let bench = Bench::new();
    let clear = HttpServer::start().await.unwrap();
    let secure = HttpServer::start_tls(&bench.certificate()).await.unwrap();
    clear.serve("/4", Answer::redirect("/3"));
    clear.serve("/3", Answer::redirect("/2"));
    clear.serve("/2", Answer::redirect("/1"));
    clear.serve("/1", Answer::redirect(&secure.url("/end")));
    clear.serve("/end", Page::new("in clear"));
    secure.serve("/end", Page::new("secure"));
    secure.serve("/out", Answer::redirect(&clear.url("/end")));
    secure.serve("/file", Answer::redirect("ftp://127.0.0.1/end"));
    let fetcher = bench.fetcher();
    assert_eq!(octets(get(&fetcher, &clear.url("/3")).await), b"secure");
    let why = connection_fault(get(&fetcher, &clear.url("/4")).await);
    assert!(why.contains("more than three redirects"), "{why}");
    let why = connection_fault(get(&fetcher, &secure.url("/out")).await);
    assert!(why.contains("from https to http"), "{why}");
    assert!(connection_fault(get(&fetcher, &secure.url("/file")).await).contains("not followed"));
    assert_eq!(clear.hits("/end"), 0);
}

/// Anybody on the way can answer in clear.
#[tokio::test]
async fn redirects_from_plain_http_lead_to_the_same_host_only() {
    let bench = Bench::new();
    let (clear, other) = (HttpServer::start().await.unwrap(), HttpServer::start().await.unwrap());
    let secure = HttpServer::start_tls(&bench.certificate()).await.unwrap();
    let by_name = |server: &HttpServer, path: &str| server.url(path).replace("127.0.0.1", "localhost");
    for server in [&clear, &other, &secure] {
        server.serve("/list.crl", Page::new("list"));
    }
    clear.serve("/port", Answer::redirect(&other.url("/list.crl")));
    clear.serve("/name", Answer::redirect(&by_name(&other, "/list.crl")));
    clear.serve("/secure-name", Answer::redirect(&by_name(&secure, "/list.crl")));
    clear.serve("/twice", Answer::redirect("/name"));
    secure.serve("/name", Answer::redirect(&by_name(&secure, "/list.crl")));
    let fetcher = bench.fetcher();
    assert_eq!(octets(get(&fetcher, &clear.url("/port")).await), b"list", "the same host at another port");
    for path in ["/name", "/secure-name", "/twice"] {
        let why = connection_fault(get(&fetcher, &clear.url(path)).await);
        assert!(why.contains("from http to another host"), "{path}: {why}");
    }
    assert_eq!((other.hits("/list.crl"), secure.hits("/list.crl")), (1, 0));
    let from_tls = get(&fetcher, &secure.url("/name")).await;
    assert!(!format!("{from_tls:?}").contains("another host"), "{from_tls:?}");
}

#[tokio::test]
async fn a_proxy_is_used_only_if_it_is_configured() {
    let (bench, proxy) = (Bench::new(), HttpServer::start().await.unwrap());
    proxy.serve("http://liste.invalid/a", Page::new("by proxy"));
    let rules = FetchRules { proxy: Some(proxy.url("")), ..FetchRules::default() };
    let fetcher = bench.fetcher_with(&rules, Arc::new(RealClock));
    assert_eq!(octets(get(&fetcher, "http://liste.invalid/a").await), b"by proxy");
}

#[tokio::test]
async fn what_is_posted_arrives_and_the_answer_comes_back() {
    let (bench, server) = (Bench::new(), HttpServer::start().await.unwrap());
    let echo = |request: &Request| Answer::body("application/ocsp-response", request.body.clone());
    server.serve("/ocsp", Answer::Call(Arc::new(echo)));
    let answer = bench.fetcher().post(&server.url("/ocsp"), "application/ocsp-request", b"abc".to_vec(), LIMIT).await;
    assert_eq!(answer.unwrap(), b"abc");
    assert_eq!(server.requests()[0].header("content-type"), Some("application/ocsp-request"));
}

#[test]
fn a_configuration_that_cannot_work_is_refused_at_once() {
    let bench = Bench::new();
    let load = |anchors: &str, proxy: Option<&str>| {
        let rules = FetchRules { proxy: proxy.map(str::to_owned), ..FetchRules::default() };
        Fetcher::load(&bench.folder.path().join(anchors), &rules, Arc::new(RealClock)).map(drop)
    };
    assert_eq!(load("ca.pem", None), Ok(()));
    for fault in [load("missing.pem", None), load("ca.key", None), load("ca.pem", Some("http://"))] {
        assert!(matches!(fault, Err(FetchError::Configuration(_))), "{fault:?}");
    }
}

#[tokio::test]
async fn urls_are_checked_before_anything_is_sent() {
    let fetcher = Bench::new().fetcher();
    for url in ["", "liste.xml", "ftp://127.0.0.1/a", "file:///etc/passwd", "http://"] {
        let outcome = get(&fetcher, url).await;
        assert!(matches!(outcome, Err(FetchError::Configuration(_))), "{url}: {outcome:?}");
    }
}

fn exchange(verb: Verb, url: String, body: Option<(&'static str, Vec<u8>)>) -> Exchange {
    Exchange { verb, url, body }
}

#[tokio::test]
async fn an_interface_gets_the_key_and_any_status_is_an_answer() {
    let bench = Bench::new();
    let server = HttpServer::start_tls(&bench.certificate()).await.unwrap();
    server.serve("/x", Answer::retry_after(429, "7"));
    let key = AccessKey::new("esante-api-key", "secret").unwrap();
    let patch = exchange(Verb::Patch, server.url("/x"), Some(("application/fhir+json", b"{}".to_vec())));
    let done = bench.fetcher().exchange(&patch, &key, LIMIT).await.unwrap();
    assert_eq!((done.status, done.retry_after), (429, Some(Duration::from_secs(7))));
    let request = server.requests().remove(0);
    assert_eq!((request.method.as_str(), request.body.as_slice()), ("PATCH", &b"{}"[..]));
    assert_eq!(request.header("content-type"), Some("application/fhir+json"));
    assert_eq!(request.header("esante-api-key"), Some("secret"));
    assert!(!format!("{key:?}").contains("secret"));
}

#[tokio::test]
async fn the_key_is_not_taken_elsewhere_by_a_redirect() {
    let bench = Bench::new();
    let (here, elsewhere) = (HttpServer::start().await.unwrap(), HttpServer::start().await.unwrap());
    here.serve("/x", Answer::redirect(&elsewhere.url("/y")));
    let key = AccessKey::new("esante-api-key", "secret").unwrap();
    let done = bench.fetcher().exchange(&exchange(Verb::Get, here.url("/x"), None), &key, LIMIT).await.unwrap();
    assert_eq!((done.status, elsewhere.requests().len()), (302, 0));
    here.serve("/x", Answer::Announced(LIMIT as u64 + 1));
    let large = bench.fetcher().exchange(&exchange(Verb::Get, here.url("/x"), None), &key, LIMIT).await;
    assert!(matches!(large, Err(FetchError::TooLarge { .. })), "{large:?}");
    assert!(AccessKey::new("esante-api-key", "two\nlines").is_err());
}

#[tokio::test]
async fn a_document_is_described_without_its_octets() {
    let bench = Bench::new();
    let server = HttpServer::start_tls(&bench.certificate()).await.unwrap();
    server.serve("/e", Answer::file("E_202608260012.zip", "octets"));
    let described = bench.fetcher().head(&server.url("/e")).await.unwrap();
    assert_eq!(described.file_name.as_deref(), Some("E_202608260012.zip"));
    assert_eq!(server.requests()[0].method, "HEAD");
    server.serve("/e", Answer::status(500));
    let refused = bench.fetcher().head(&server.url("/e")).await;
    assert!(matches!(refused, Err(FetchError::Status { status: 500, .. })), "{refused:?}");
}

/// Downloads `/e`, at most `limit` octets.
async fn download(bench: &Bench, server: &HttpServer, limit: u64) -> (Result<Downloaded, FetchError>, Vec<u8>) {
    let mut octets = Vec::new();
    let done = bench.fetcher().download(&server.url("/e"), &Validators::default(), limit, &mut octets).await;
    (done, octets)
}

#[tokio::test]
async fn a_download_is_written_as_it_comes_and_has_its_digest() {
    let bench = Bench::new();
    let server = HttpServer::start_tls(&bench.certificate()).await.unwrap();
    server.serve("/e", Page::new("octets").etag("\"1\""));
    let (done, written) = download(&bench, &server, 6).await;
    let Downloaded::Whole { described, octets, sha256 } = done.unwrap() else { panic!("nothing came") };
    assert_eq!((octets, &written[..]), (6, &b"octets"[..]));
    assert_eq!(sha256[..3], [0xec, 0xa5, 0x4e], "SHA-256 by sha256sum");
    let again = bench.fetcher().download(&server.url("/e"), &described.validators, 6, &mut Vec::new()).await;
    assert_eq!(again, Ok(Downloaded::NotModified));
}

#[tokio::test]
async fn a_download_that_is_too_long_or_breaks_off_is_an_error() {
    let bench = Bench::new();
    let server = HttpServer::start_tls(&bench.certificate()).await.unwrap();
    for answer in [Answer::Announced(7), Answer::Endless] {
        server.serve("/e", answer);
        let (done, written) = download(&bench, &server, 6).await;
        assert!(matches!(done, Err(FetchError::TooLarge { limit: 6, .. })), "{done:?}");
        assert!(written.len() <= 6);
    }
    server.serve("/e", Answer::Truncated(Page::new("octets")));
    let (done, _) = download(&bench, &server, 6).await;
    assert!(matches!(done, Err(FetchError::Connection { .. })), "{done:?}");
}
