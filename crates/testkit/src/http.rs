//! A small HTTP/1.1 server on loopback that does what it is told: lists with validators, refusals,
//! slow, cut and endless answers. In clear or inside TLS. One request per connection.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use testkit::http::{Answer, HttpServer, Page};
//! let server = HttpServer::start().await?;
//! server.serve("/liste.xml", Page::new("<x/>").etag("\"1\""));
//! server.next("/liste.xml", Answer::status(503)); // the next request only
//! // ... fetch server.url("/liste.xml") ...
//! assert_eq!(server.hits("/liste.xml"), 2);
//! # Ok(()) }
//! ```

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::{TlsAcceptor, rustls};

use crate::pki::Issued;

/// What a request may take; more is cut off.
const MAX_HEAD: usize = 16 * 1024;

/// A document with what a server says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    body: Arc<[u8]>,
    etag: Option<String>,
    last_modified: Option<String>,
}

impl Page {
    /// A document without validators.
    pub fn new(body: impl AsRef<[u8]>) -> Self {
        Self { body: body.as_ref().into(), ..Self::default() }
    }

    /// The same with an `ETag`, quotes included: the server answers 304 to an equal `If-None-Match`.
    #[must_use]
    pub fn etag(mut self, etag: impl Into<String>) -> Self {
        self.etag = Some(etag.into());
        self
    }

    /// The same with a `Last-Modified`: the server answers 304 to an equal `If-Modified-Since`
    /// unless there is an `If-None-Match`.
    #[must_use]
    pub fn last_modified(mut self, date: impl Into<String>) -> Self {
        self.last_modified = Some(date.into());
        self
    }

    /// Whether the client holds it already. `[RFC9110 13.2.2]`
    fn is_held_by(&self, request: &Request) -> bool {
        match (request.header("if-none-match"), request.header("if-modified-since")) {
            (Some(etag), _) => self.etag.as_deref() == Some(etag),
            (None, Some(date)) => self.last_modified.as_deref() == Some(date),
            (None, None) => false,
        }
    }

    fn headers(&self) -> Vec<(String, String)> {
        let named = |name: &str, value: &Option<String>| value.clone().map(|value| (name.to_owned(), value));
        named("ETag", &self.etag).into_iter().chain(named("Last-Modified", &self.last_modified)).collect()
    }
}

/// What comes back.
#[derive(Clone)]
pub enum Answer {
    /// The document, or 304 if the client holds it.
    Page(Page),
    /// This status, these headers, this body.
    Plain {
        /// HTTP status.
        status: u16,
        /// Further headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// The other answer after a while.
    After(Duration, Box<Answer>),
    /// A header that promises the whole document, and half of it; then the connection breaks.
    Truncated(Page),
    /// 200 and zeros without a `Content-Length` until the client has had enough.
    Endless,
    /// 200 and a `Content-Length` of this many octets, of which few come.
    Announced(u64),
    /// These octets instead of HTTP.
    Garbage(Vec<u8>),
    /// The connection is closed without a word.
    Close,
    /// No answer as long as the client waits.
    Silence,
    /// What this makes of the request.
    Call(Arc<dyn Fn(&Request) -> Answer + Send + Sync>),
}

impl Answer {
    /// A status with nothing else.
    pub fn status(status: u16) -> Self {
        Self::Plain { status, headers: Vec::new(), body: Vec::new() }
    }

    /// A refusal that says when to come back: seconds or an HTTP date.
    pub fn retry_after(status: u16, when: &str) -> Self {
        Self::Plain { status, headers: vec![("Retry-After".to_owned(), when.to_owned())], body: Vec::new() }
    }

    /// 302 to another URL.
    pub fn redirect(url: &str) -> Self {
        Self::Plain { status: 302, headers: vec![("Location".to_owned(), url.to_owned())], body: Vec::new() }
    }

    /// 200 with a body to be saved under this name.
    pub fn file(name: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Disposition".to_owned(), format!("attachment; filename=\"{name}\""))];
        Self::Plain { status: 200, headers, body: body.into() }
    }

    /// 200 with a body of this media type.
    pub fn body(media_type: &str, body: Vec<u8>) -> Self {
        Self::Plain { status: 200, headers: vec![("Content-Type".to_owned(), media_type.to_owned())], body }
    }
}

impl From<Page> for Answer {
    fn from(page: Page) -> Self {
        Self::Page(page)
    }
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `HEAD`, `POST`.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of this name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }

    fn of_head(head: &str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Some(Self { method, path, headers, body: Vec::new() })
    }
}

struct Route {
    script: VecDeque<Answer>,
    otherwise: Answer,
}

impl Default for Route {
    fn default() -> Self {
        Self { script: VecDeque::new(), otherwise: Answer::status(404) }
    }
}

#[derive(Default)]
struct Shared {
    routes: HashMap<String, Route>,
    rest: Option<Answer>,
    requests: Vec<Request>,
    confirmed: Vec<String>,
}

impl Shared {
    fn answer(&mut self, path: &str) -> Answer {
        match (self.routes.get_mut(path), &self.rest) {
            (Some(route), _) => route.script.pop_front().unwrap_or_else(|| route.otherwise.clone()),
            (None, Some(rest)) => rest.clone(),
            (None, None) => Answer::status(404),
        }
    }
}

/// The server; it stops when it is dropped. Paths without an answer give 404.
pub struct HttpServer {
    scheme: &'static str,
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    task: AbortHandle,
}

impl HttpServer {
    /// Listens in clear on a free port.
    pub async fn start() -> io::Result<Self> {
        Self::listen(None).await
    }

    /// Listens inside TLS on a free port with this certificate.
    pub async fn start_tls(identity: &Issued) -> io::Result<Self> {
        Self::listen(Some(acceptor(identity)?)).await
    }

    async fn listen(tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Mutex::new(Shared::default()));
        let task = tokio::spawn(accept(listener, tls, Arc::clone(&shared))).abort_handle();
        Ok(Self { scheme, address, shared, task })
    }

    /// `http://127.0.0.1:PORT/PATH`; the path begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers this from now on, once the script of [`HttpServer::next`] is through.
    pub fn serve(&self, path: &str, answer: impl Into<Answer>) {
        self.shared().routes.entry(path.to_owned()).or_default().otherwise = answer.into();
    }

    /// Answers this to all paths that have no answer of their own.
    pub fn serve_rest(&self, answer: impl Into<Answer>) {
        self.shared().rest = Some(answer.into());
    }

    /// Answers this once, after what was scripted before.
    pub fn next(&self, path: &str, answer: impl Into<Answer>) {
        self.shared().routes.entry(path.to_owned()).or_default().script.push_back(answer.into());
    }

    /// How often this path was asked for.
    pub fn hits(&self, path: &str) -> usize {
        self.shared().requests.iter().filter(|request| request.path == path).count()
    }

    /// How often somebody was told that he holds this path already (304).
    pub fn confirmations(&self, path: &str) -> usize {
        self.shared().confirmed.iter().filter(|each| *each == path).count()
    }

    /// All requests, in the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        self.shared().requests.clone()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn acceptor(identity: &Issued) -> io::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_slice_iter(identity.chain_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Mutex<Shared>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        connections.spawn(async move {
            // Whatever breaks is the client's to notice.
            let _ = match tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => serve(stream, &shared).await,
                    Err(error) => Err(error),
                },
                None => serve(stream, &shared).await,
            };
        });
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Mutex<Shared>) -> io::Result<()> {
    let Some(request) = read(&mut stream).await? else { return Ok(()) };
    let mut answer = {
        let mut shared = lock(shared);
        shared.requests.push(request.clone());
        shared.answer(&request.path)
    };
    loop {
        answer = match answer {
            Answer::After(wait, then) => {
                tokio::time::sleep(wait).await;
                *then
            }
            Answer::Call(make) => make(&request),
            Answer::Page(page) if request.method != "HEAD" && page.is_held_by(&request) => {
                lock(shared).confirmed.push(request.path.clone());
                return write(stream, Answer::Page(page), &request).await;
            }
            last => return write(stream, last, &request).await,
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Request>> {
    let mut octets = Vec::new();
    let end = loop {
        if let Some(end) = octets.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if octets.len() > MAX_HEAD || stream.read_buf(&mut octets).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&octets[..end]).into_owned();
    let Some(mut request) = Request::of_head(&head) else { return Ok(None) };
    request.body = octets.split_off(end + 4);
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while request.body.len() < length {
        if stream.read_buf(&mut request.body).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(request))
}

async fn write(mut stream: impl AsyncWrite + Unpin, answer: Answer, request: &Request) -> io::Result<()> {
    match answer {
        Answer::Page(page) if request.method == "HEAD" => {
            stream.write_all(head(200, &page.headers(), Some(page.body.len() as u64)).as_bytes()).await?;
        }
        Answer::Plain { status, headers, body } if request.method == "HEAD" => {
            stream.write_all(head(status, &headers, Some(body.len() as u64)).as_bytes()).await?;
        }
        Answer::Page(page) if page.is_held_by(request) => {
            stream.write_all(head(304, &page.headers(), None).as_bytes()).await?;
        }
        Answer::Page(page) => {
            stream.write_all(head(200, &page.headers(), Some(page.body.len() as u64)).as_bytes()).await?;
            stream.write_all(&page.body).await?;
        }
        Answer::Plain { status, headers, body } => {
            stream.write_all(head(status, &headers, Some(body.len() as u64)).as_bytes()).await?;
            stream.write_all(&body).await?;
        }
        Answer::Truncated(page) => {
            stream.write_all(head(200, &page.headers(), Some(page.body.len() as u64)).as_bytes()).await?;
            stream.write_all(&page.body[..page.body.len() / 2]).await?;
        }
        Answer::Endless => {
            stream.write_all(head(200, &[], None).as_bytes()).await?;
            while stream.write_all(&[0; 8192]).await.is_ok() {}
        }
        Answer::Announced(length) => {
            stream.write_all(head(200, &[], Some(length)).as_bytes()).await?;
            stream.write_all(&[0; 100]).await?;
        }
        Answer::Garbage(octets) => stream.write_all(&octets).await?,
        Answer::Silence => std::future::pending().await,
        Answer::Close | Answer::After(..) | Answer::Call(_) => {}
    }
    stream.shutdown().await
}

fn head(status: u16, headers: &[(String, String)], length: Option<u64>) -> String {
    let mut head = format!("HTTP/1.1 {status} Scripted\r\nConnection: close\r\n");
    let length = length.map(|length| ("Content-Length".to_owned(), length.to_string()));
    for (name, value) in headers.iter().chain(&length) {
        // Writing into a string cannot fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head + "\r\n"
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    async fn ask(server: &HttpServer, request: &str) -> String {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_page_is_sent_once_and_confirmed_to_those_who_hold_it() {
        let server = HttpServer::start().await.unwrap();
        server.serve("/a", Page::new("body").etag("\"1\"").last_modified("Sun, 06 Nov 1994 08:49:37 GMT"));
        let first = ask(&server, "GET /a HTTP/1.1\r\n\r\n").await;
        assert!(first.starts_with("HTTP/1.1 200 ") && first.ends_with("\r\n\r\nbody"), "{first}");
        assert!(first.contains("ETag: \"1\"\r\n") && first.contains("Content-Length: 4\r\n"), "{first}");
        for header in ["If-None-Match: \"1\"", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"] {
            let again = ask(&server, &format!("GET /a HTTP/1.1\r\n{header}\r\n\r\n")).await;
            assert!(again.starts_with("HTTP/1.1 304 ") && again.ends_with("\r\n\r\n"), "{again}");
        }
        let other = ask(&server, "GET /a HTTP/1.1\r\nIf-None-Match: \"2\"\r\n\r\n").await;
        assert!(other.starts_with("HTTP/1.1 200 "), "{other}");
        assert_eq!(server.hits("/a"), 4);
    }

    #[tokio::test]
    async fn scripted_answers_come_first_and_in_order() {
        let server = HttpServer::start().await.unwrap();
        server.serve("/a", Page::new("body"));
        server.next("/a", Answer::status(503));
        server.next("/a", Answer::retry_after(429, "60"));
        assert!(ask(&server, "GET /a HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 503 "));
        assert!(ask(&server, "GET /a HTTP/1.1\r\n\r\n").await.contains("Retry-After: 60\r\n"));
        assert!(ask(&server, "GET /a HTTP/1.1\r\n\r\n").await.ends_with("body"));
        assert!(ask(&server, "GET /b HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 404 "));
    }

    #[tokio::test]
    async fn a_posted_body_is_handed_to_what_answers() {
        let server = HttpServer::start().await.unwrap();
        let reversed = |request: &Request| Answer::body("text/plain", request.body.iter().rev().copied().collect());
        server.serve("/ocsp", Answer::Call(Arc::new(reversed)));
        let answer = ask(&server, "POST /ocsp HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc").await;
        assert!(answer.ends_with("\r\n\r\ncba"), "{answer}");
        assert_eq!(server.requests()[0].method, "POST");
    }

    #[tokio::test]
    async fn what_is_cut_off_breaks_before_the_end_that_was_announced() {
        let server = HttpServer::start().await.unwrap();
        server.serve("/a", Answer::Truncated(Page::new("0123456789")));
        let answer = ask(&server, "GET /a HTTP/1.1\r\n\r\n").await;
        assert!(answer.contains("Content-Length: 10\r\n") && answer.ends_with("\r\n\r\n01234"), "{answer}");
    }
}
