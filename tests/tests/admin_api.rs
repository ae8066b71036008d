//! The administrators' API of the real binary: over loopback with a token, over TLS with a certificate.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{DOMAIN, Identity, Server, Site};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde_json::{Value, json};

/// An answer.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("{self:?}"))
    }

    fn etag(&self) -> Result<String> {
        let line =
            self.head.lines().find_map(|line| line.strip_prefix("etag: ")).with_context(|| format!("{self:?}"))?;
        Ok(line.to_owned())
    }

    fn is(self, status: u16) -> Result<Self> {
        ensure!(self.status == status, "{self:?}");
        Ok(self)
    }
}

fn exchange(mut stream: impl Read + Write, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Reply> {
    let mut request =
        format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        request.extend([*name, ": ", *value, "\r\n"]);
    }
    stream.write_all((request + "\r\n").as_bytes())?;
    // A body that is too large is refused before it is read to its end.
    let _ = stream.write_all(body).and_then(|()| stream.flush());
    let mut octets = Vec::new();
    let _ = stream.read_to_end(&mut octets);
    let answer = String::from_utf8_lossy(&octets).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("no answer: {answer}"))?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status")?;
    Ok(Reply { status, head: head.to_owned(), body: body.to_owned() })
}

/// A site with the API on both ports.
struct World {
    site: Site,
    _server: Server,
    token: String,
}

impl World {
    fn new() -> Result<Self> {
        let site = Site::new()?;
        let (plain, tls) = (site.operator.http_port + 1, site.operator.http_port + 2);
        site.configure(&format!(
            "[admin]\nlisten = [\"127.0.0.1:{plain}\"]\nlisten_tls = [\"127.0.0.1:{tls}\"]\ncertificates = [{:?}]\n\
             requests_per_second = 1000\n",
            site.software_dn()
        ))?;
        let server = site.serve(&[])?;
        let file = site.operator.data_dir.join("admin-tokens");
        ensure!(fs::metadata(&file)?.permissions().mode() & 0o777 == 0o600, "others can read the token");
        let token = fs::read_to_string(file)?.trim().split_once(':').context("no token")?.1.to_owned();
        Ok(Self { site, _server: server, token })
    }

    fn connect(&self, beyond: u16) -> Result<TcpStream> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.site.operator.http_port + beyond))?;
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        Ok(stream)
    }

    fn ask(&self, line: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Result<Reply> {
        let bearer = format!("Bearer {}", self.token);
        let headers: Vec<_> = headers.iter().copied().chain([("Authorization", bearer.as_str())]).collect();
        exchange(self.connect(1)?, line, &headers, body.as_ref())
    }

    fn ask_over_tls(&self, identity: Option<&Identity>, line: &str) -> Result<Reply> {
        let name = ServerName::try_from("localhost")?;
        let connection = ClientConnection::new(Arc::clone(&self.site.tls(identity)?), name)?;
        exchange(StreamOwned::new(connection, self.connect(2)?), line, &[], b"")
    }
}

#[test]
fn a_console_provisions_bals_with_the_words_of_the_command_line() -> Result<()> {
    let world = World::new()?;
    let path = format!("/v1/bals/a@{DOMAIN}");
    let new = json!({ "address": format!("a@{DOMAIN}"), "kind": "ORG", "structure": "318751275100020", "responsible": "Durand", "name": "Accueil" });
    let created = world.ask("POST /v1/bals", &[], new.to_string())?.is(201)?;
    ensure!(created.head.contains(&format!("location: {path}")), "{created:?}");
    world.ask("POST /v1/bals", &[], new.to_string())?.is(409)?;

    let missing =
        world.ask("POST /v1/bals", &[], json!({ "address": format!("b@{DOMAIN}"), "kind": "PER" }).to_string())?;
    let problem = missing.is(422)?.json()?;
    let command = world.site.pli()?.args(["bal", "create", &format!("b@{DOMAIN}"), "--kind", "PER"]).run()?;
    let sentence = problem["detail"].as_str().context("no detail")?;
    ensure!(command.stderr.contains(sentence) && problem["field"] == "rpps", "{problem} / {command}");
    let unknown = world.ask("POST /v1/bals", &[], r#"{"address":"c@x.fr","kind":"CAB","colour":"red"}"#)?.is(400)?;
    ensure!(unknown.body.contains("colour") && unknown.head.contains("application/problem+json"), "{unknown:?}");

    let seen = world.ask(&format!("GET {path}"), &[], "")?.is(200)?;
    let etag = seen.etag()?;
    let change = |field: &str, etag: &str| {
        world.ask(&format!("PATCH {path}"), &[("If-Match", etag)], json!({ field: "x" }).to_string())
    };
    let first = change("service", &etag)?.is(200)?;
    let late = change("description", &etag)?.is(412)?;
    ensure!(late.body.contains("look at it again"), "{late:?}");
    let both = change("description", &first.etag()?)?.is(200)?.json()?;
    ensure!(both["service"] == "x" && both["description"] == "x" && both["name"] == "Accueil", "{both}");

    let emptied = world.ask(&format!("PATCH {path}"), &[], r#"{"responsible":""}"#)?.is(422)?.json()?;
    ensure!(emptied["field"] == "responsible" && both["responsible"] == "Durand", "{emptied}");
    let quota = world.ask(&format!("PUT {path}/quota"), &[], r#"{"quota":"2 GiB"}"#)?.is(200)?.json()?;
    let held = world.ask(&format!("GET {path}/quota"), &[], "")?.is(200)?.json()?;
    ensure!(quota["quota"] == "2 GiB" && held["octets"] == 0 && held["limit"] == 2_u64 << 30, "{quota} {held}");
    let unused = world.ask("GET /v1/bals?inactive_since=2999-01-01T00:00:00Z", &[], "")?.is(200)?.json()?;
    ensure!(unused["bals"][0]["state"] == "created", "{unused}");

    let suspend = json!({ "state": "suspended", "reason": "essai" }).to_string();
    world.ask(&format!("POST {path}/state"), &[("If-Match", &etag)], &suspend)?.is(412)?;
    world.ask(&format!("POST {path}/state"), &[], &suspend)?.is(200)?;
    world.ask(&format!("PUT {path}/aliases/accueil@{DOMAIN}"), &[], "")?.is(200)?;
    let aliases = world.ask("GET /v1/aliases", &[], "")?.is(200)?.json()?;
    ensure!(aliases[0]["bal"] == format!("a@{DOMAIN}"), "{aliases}");
    world.ask(&format!("DELETE {path}/aliases/accueil@{DOMAIN}"), &[], "")?.is(200)?;
    world.ask(&format!("DELETE {path}/aliases/accueil@{DOMAIN}"), &[], "")?.is(404)?;
    let page = world.ask("GET /v1/bals?text=accueil&state=suspended&limit=10", &[], "")?.is(200)?.json()?;
    ensure!(page["bals"].as_array().is_some_and(|bals| bals.len() == 1) && page["next"].is_null(), "{page}");
    world.ask("GET /v1/health", &[], "")?.is(200)?;
    world.ask("GET /v1/queue", &[], "")?.is(200)?;
    Ok(())
}

#[test]
fn a_list_is_judged_and_done_as_the_command_does() -> Result<()> {
    let world = World::new()?;
    let bad = format!("address;kind\na@{DOMAIN};CAB\nb@elsewhere.fr;CAB\n");
    let refused = world.ask("POST /v1/imports", &[], &bad)?.is(422)?.json()?;
    ensure!(refused["plan"]["problems"][0]["line"] == 3 && refused["done"].is_null(), "{refused}");
    world.ask("GET /v1/bals", &[], "")?.is(200).and_then(|reply| {
        ensure!(reply.json()?["bals"].as_array().is_some_and(Vec::is_empty), "{reply:?}");
        Ok(())
    })?;
    let good = format!("address;kind\na@{DOMAIN};CAB\nb@{DOMAIN};CAB\n");
    let dry = world.ask("POST /v1/imports?dry_run=true", &[], &good)?.is(200)?.json()?;
    ensure!(dry["plan"]["create"] == 2 && dry["done"].is_null(), "{dry}");
    let done = world.ask("POST /v1/imports", &[], &good)?.is(200)?.json()?;
    ensure!(done["done"].as_array().is_some_and(|done| done.iter().all(|line| line["outcome"] == "created")), "{done}");
    Ok(())
}

#[test]
fn nobody_comes_in_without_a_token_or_a_certificate_that_is_named() -> Result<()> {
    let world = World::new()?;
    let without = exchange(world.connect(1)?, "GET /v1/bals", &[], b"")?.is(401)?;
    ensure!(
        without.head.contains("www-authenticate: Bearer") && without.body.contains("admin.token_file"),
        "{without:?}"
    );
    for wrong in ["Bearer", "Bearer x", &format!("Bearer {}x", world.token), &format!("Basic {}", world.token)] {
        exchange(world.connect(1)?, "GET /v1/bals", &[("Authorization", wrong)], b"")?.is(401)?;
    }
    world.ask_over_tls(Some(&world.site.software), "GET /v1/bals")?.is(200)?;
    ensure!(world.ask_over_tls(None, "GET /v1/bals").is_err(), "no certificate");
    ensure!(world.ask_over_tls(Some(&world.site.peer), "GET /v1/bals").is_err(), "a certificate that nobody named");
    Ok(())
}

#[test]
fn what_is_too_large_or_unknown_is_refused_with_a_sentence() -> Result<()> {
    let world = World::new()?;
    let huge = vec![b' '; 64 * 1024 + 1];
    let refused = world.ask("POST /v1/bals", &[], &huge)?.is(413)?;
    ensure!(refused.body.contains("64 KiB"), "{refused:?}");
    let refused = world.ask("POST /v1/imports", &[], vec![b'a'; 16 * 1024 * 1024 + 1])?.is(413)?;
    ensure!(refused.head.contains("application/problem+json"), "{refused:?}");
    world.ask("GET /v1/nothing", &[], "")?.is(404)?;
    world.ask("DELETE /v1/bals", &[], "")?.is(405)?;
    world.ask("GET /v1/bals?colour=red", &[], "")?.is(400)?;
    world.ask("GET /v1/bals/nobody@x.fr", &[], "")?.is(404)?;
    let patch = world.ask(&format!("PATCH /v1/bals/a@{DOMAIN}"), &[("If-Match", "x")], "{}")?.is(400)?;
    ensure!(patch.body.contains("If-Match"), "{patch:?}");
    Ok(())
}
