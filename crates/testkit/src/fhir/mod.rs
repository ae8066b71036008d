//! A national directory on loopback: the searches of the FHIR interface as they are documented, and FHIR Patch by the
//! draft of July 2026. It holds what it is told, so that tests can look. It can be made to fail.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use testkit::fhir::{Fault, FhirServer, Mail, practitioner};
//! let server = FhirServer::start("secret").await?;
//! server.put(practitioner("003-1", "10003461033", "Saucier", &[Mail::new("a.saucier@medecin.mssante.fr", "PER")]));
//! server.fail_next(Fault::Status(503));
//! // ... ask server.base() ...
//! assert_eq!(server.mails().len(), 1);
//! # Ok(()) }
//! ```

mod patch;
mod query;
mod resources;
mod search;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

pub use self::resources::{Mail, organization, practitioner, role};
use self::search::Pages;
use crate::http::{Answer, HttpServer, Request};
use crate::pki::Issued;

/// Where the interface begins.
const BASE: &str = "/fhir/v2";
/// What the interface allows to an application.
const CALLS_PER_SECOND: usize = 17;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This status and an `OperationOutcome`.
    Status(u16),
    /// 429 and this many seconds in `Retry-After`.
    TooMany(u64),
    /// No answer as long as the client waits.
    Silence,
    /// 200 and a page of HTML.
    Html,
    /// 200 and half of the JSON.
    HalfJson,
    /// Every page leads to itself.
    Circle,
    /// Every page leads to another one, with the same results.
    Endless,
    /// The next page is on another host.
    Elsewhere,
    /// What is to be done is done, and the connection closed without an answer.
    DoneWithoutAnswer,
}

/// The server; it stops when it is dropped.
pub struct FhirServer {
    http: HttpServer,
    state: Arc<Mutex<State>>,
}

struct State {
    /// What `ESANTE-API-KEY` must be.
    key: String,
    base: String,
    /// By type and id.
    resources: BTreeMap<(String, String), Json>,
    /// What `meta.lastUpdated` will be of what is put.
    updated: String,
    pages: Pages,
    next_faults: VecDeque<Fault>,
    fault: Option<Fault>,
    /// When the calls of the last second came.
    calls: VecDeque<Instant>,
    most_in_a_second: usize,
}

impl FhirServer {
    /// Listens in clear on a free port.
    pub async fn start(key: &str) -> io::Result<Self> {
        Ok(Self::of(HttpServer::start().await?, key))
    }

    /// Listens inside TLS on a free port with this certificate.
    pub async fn start_tls(identity: &Issued, key: &str) -> io::Result<Self> {
        Ok(Self::of(HttpServer::start_tls(identity).await?, key))
    }

    fn of(http: HttpServer, key: &str) -> Self {
        let state = State {
            key: key.to_owned(),
            base: http.url(BASE),
            resources: BTreeMap::new(),
            updated: "2026-11-01T00:00:00Z".to_owned(),
            pages: Pages::default(),
            next_faults: VecDeque::new(),
            fault: None,
            calls: VecDeque::new(),
            most_in_a_second: 0,
        };
        let state = Arc::new(Mutex::new(state));
        let answering = Arc::clone(&state);
        http.serve_rest(Answer::Call(Arc::new(move |request| lock(&answering).answer(request))));
        Self { http, state }
    }

    /// `https://127.0.0.1:PORT/fhir/v2`.
    pub fn base(&self) -> String {
        self.http.url(BASE)
    }

    /// Adds a resource, or replaces the one of its type and id.
    pub fn put(&self, resource: Json) {
        lock(&self.state).put(resource);
    }

    /// When what is put or patched from now on was last updated, as RFC 3339 writes it.
    pub fn set_updated(&self, moment: &str) {
        moment.clone_into(&mut lock(&self.state).updated);
    }

    /// The resource of this type and id.
    pub fn resource(&self, kind: &str, id: &str) -> Option<Json> {
        lock(&self.state).resources.get(&(kind.to_owned(), id.to_owned())).cloned()
    }

    /// All BALs, with the resource that carries them: `Practitioner/003-1`.
    pub fn mails(&self) -> Vec<(String, Mail)> {
        let state = lock(&self.state);
        let of = |((kind, id), resource): (&(String, String), &Json)| {
            let carrier = format!("{kind}/{id}");
            resources::mails(resource).into_iter().map(move |mail| (carrier.clone(), mail)).collect::<Vec<_>>()
        };
        state.resources.iter().flat_map(of).collect()
    }

    /// Fails once, after what was ordered before.
    pub fn fail_next(&self, fault: Fault) {
        lock(&self.state).next_faults.push_back(fault);
    }

    /// Fails from now on, or not any more.
    pub fn fail(&self, fault: Option<Fault>) {
        lock(&self.state).fault = fault;
    }

    /// All requests, in the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        self.http.requests()
    }

    /// Most calls within one second so far, those that were turned away included.
    pub fn most_in_a_second(&self) -> usize {
        lock(&self.state).most_in_a_second
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn put(&mut self, mut resource: Json) {
        resource["meta"]["lastUpdated"] = json!(self.updated);
        let text = |key: &str| resource[key].as_str().unwrap_or_default().to_owned();
        self.resources.insert((text("resourceType"), text("id")), resource);
    }

    fn answer(&mut self, request: &Request) -> Answer {
        let too_many = self.count_call();
        let fault = self.next_faults.pop_front().or(self.fault);
        match fault {
            Some(Fault::Status(status)) => return outcome(status, "ordered by the test"),
            Some(Fault::TooMany(seconds)) => return Answer::retry_after(429, &seconds.to_string()),
            Some(Fault::Silence) => return Answer::Silence,
            Some(Fault::Html) => return Answer::body("text/html", b"<html><body>maintenance</body></html>".to_vec()),
            _ if too_many => return Answer::retry_after(429, "1"),
            _ if request.header("esante-api-key") != Some(&self.key) => return outcome(401, "Unauthorized"),
            _ => {}
        }
        let answer = match request.path.strip_prefix(BASE) {
            None => outcome(404, "no such path"),
            Some(path) => match request.method.as_str() {
                "GET" => search::answer(self, path, fault),
                "PATCH" => patch::answer(self, path, request),
                _ => outcome(405, "only GET and PATCH"),
            },
        };
        match fault {
            Some(Fault::DoneWithoutAnswer) => Answer::Close,
            Some(Fault::HalfJson) => half(answer),
            _ => answer,
        }
    }

    /// Whether the call is one too many.
    fn count_call(&mut self) -> bool {
        let now = Instant::now();
        while self.calls.front().is_some_and(|call| now.duration_since(*call) >= Duration::from_secs(1)) {
            self.calls.pop_front();
        }
        self.calls.push_back(now);
        self.most_in_a_second = self.most_in_a_second.max(self.calls.len());
        self.calls.len() > CALLS_PER_SECOND
    }

    /// Resources of this type for which a condition holds, in the order of their ids.
    fn of_type(&self, kind: &str, holds: impl Fn(&Json) -> bool) -> Vec<Json> {
        let found = self.resources.iter().filter(|((of, _), resource)| of == kind && holds(resource));
        found.map(|(_, resource)| resource.clone()).collect()
    }
}

fn half(answer: Answer) -> Answer {
    match answer {
        Answer::Plain { status, headers, mut body } => {
            body.truncate(body.len() / 2);
            Answer::Plain { status, headers, body }
        }
        other => other,
    }
}

fn fhir(status: u16, body: &Json) -> Answer {
    let headers = vec![("Content-Type".to_owned(), "application/fhir+json".to_owned())];
    Answer::Plain { status, headers, body: body.to_string().into_bytes() }
}

fn outcome(status: u16, diagnostics: &str) -> Answer {
    let issue = json!([{ "severity": "error", "code": "processing", "diagnostics": diagnostics }]);
    fhir(status, &json!({ "resourceType": "OperationOutcome", "issue": issue }))
}

/// Query parameters by name, in the order in which they came.
type Query = HashMap<String, Vec<String>>;
