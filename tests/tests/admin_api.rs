//! The administrators' API of the real binary: over loopback with a token, over TLS with a certificate.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{DOMAIN, Identity, Mailbox, PASSWORD, Server, Site};
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

    fn ask_over_tls(&self, identity: Option<&Identity>, line: &str, body: &str) -> Result<Reply> {
        let name = ServerName::try_from("localhost")?;
        let connection = ClientConnection::new(Arc::clone(&self.site.tls(identity)?), name)?;
        exchange(StreamOwned::new(connection, self.connect(2)?), line, &[], body.as_bytes())
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
    for page in [("Origin", "https://example.org"), ("Sec-Fetch-Site", "cross-site")] {
        let refused = world.ask("GET /v1/bals", &[page], "")?.is(403)?.json()?;
        ensure!(refused["reason"] == "cross-site", "{refused}");
    }
    world.ask("GET /v1/bals", &[("Sec-Fetch-Site", "none")], "")?.is(200)?;
    world.ask_over_tls(Some(&world.site.software), "GET /v1/bals", "")?.is(200)?;
    ensure!(world.ask_over_tls(None, "GET /v1/bals", "").is_err(), "no certificate");
    ensure!(world.ask_over_tls(Some(&world.site.peer), "GET /v1/bals", "").is_err(), "a certificate that nobody named");
    Ok(())
}

#[test]
fn what_is_too_large_or_unknown_is_refused_with_a_sentence() -> Result<()> {
    let world = World::new()?;
    let huge = vec![b' '; 64 * 1024 + 1];
    let refused = world.ask("POST /v1/bals", &[], &huge)?.is(413)?;
    ensure!(refused.body.contains("64 KiB") && refused.json()?["reason"] == "too-large", "{refused:?}");
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

/// Creates a BAL of a practice and answers its path.
fn practice(world: &World, local: &str) -> Result<String> {
    let address = format!("{local}@{DOMAIN}");
    world.ask("POST /v1/bals", &[], json!({ "address": address, "kind": "CAB" }).to_string())?.is(201)?;
    Ok(format!("/v1/bals/{address}"))
}

/// A team, which may be a pharmacy's.
fn team(world: &World, local: &str) -> Result<String> {
    let address = format!("{local}@{DOMAIN}");
    let new = json!({ "address": address, "kind": "ORG", "structure": "318751275100020", "responsible": "Durand" });
    world.ask("POST /v1/bals", &[], new.to_string())?.is(201)?;
    Ok(format!("/v1/bals/{address}"))
}

#[test]
fn two_consoles_never_lose_each_others_change_of_people_and_delegations() -> Result<()> {
    let world = World::new()?;
    let bal = practice(&world, "cabinet")?;
    let person = json!({ "login": "s.martin", "name": "Sophie Martin", "password": PASSWORD }).to_string();
    let created = world.ask("POST /v1/persons", &[], &person)?.is(201)?;
    ensure!(created.head.contains("location: /v1/persons/s.martin") && !created.body.contains(PASSWORD), "{created:?}");
    ensure!(world.ask("POST /v1/persons", &[], &person)?.is(409)?.json()?["reason"] == "person-exists");

    let path = format!("{bal}/delegations/s.martin");
    let give = |headers: &[(&str, &str)], rights: &str| {
        world.ask(&format!("PUT {path}"), headers, json!({ "rights": rights, "reason": "essai" }).to_string())
    };
    let first = give(&[("If-None-Match", "*")], "read")?.is(200)?.etag()?;
    let late = give(&[("If-None-Match", "*")], "read,write")?.is(412)?.json()?;
    ensure!(late["reason"] == "overtaken" && late["detail"].to_string().contains("look at it again"), "{late}");
    let second = give(&[("If-Match", &first)], "read,write")?.is(200)?.etag()?;
    give(&[("If-Match", &first)], "read")?.is(412)?;
    world.ask(&format!("DELETE {path}?reason=essai"), &[("If-Match", &first)], "")?.is(412)?;
    let open = world.ask("GET /v1/delegations?of=s.martin", &[], "")?.is(200)?.json()?;
    ensure!(open[0]["rights"] == "read,write" && open[0]["given_by"] == "admin:api:admin", "{open}");
    world.site.wait_for_bals(1)?;
    let login = format!("s.martin*cabinet@{DOMAIN}");
    let mut mailbox = Mailbox::open(world.site.operator.imaps_port, world.site.tls(None)?, &login, PASSWORD)?;
    ensure!(mailbox.count("INBOX")? == 0, "the running server does not know what was given");
    world.ask(&format!("DELETE {path}?reason=essai"), &[("If-Match", &second)], "")?.is(200)?;
    world.ask(&format!("DELETE {path}?reason=essai"), &[], "")?.is(404)?;

    let seen = world.ask("GET /v1/persons/s.martin", &[], "")?.is(200)?.etag()?;
    let suspend = json!({ "state": "suspended", "reason": "départ" }).to_string();
    world.ask("POST /v1/persons/s.martin/state", &[("If-Match", &seen)], &suspend)?.is(200)?;
    let late = world.ask("POST /v1/persons/s.martin/state", &[("If-Match", &seen)], &suspend)?.is(412)?.json()?;
    ensure!(late["reason"] == "overtaken", "{late}");
    let people = world.ask("GET /v1/persons?state=suspended", &[], "")?.is(200)?.json()?;
    ensure!(people[0]["login"] == "s.martin" && people[0]["has_password"] == true, "{people}");
    world.ask("GET /v1/persons/nobody", &[], "")?.is(404)?;
    Ok(())
}

#[test]
fn of_many_changes_at_once_of_what_all_saw_one_is_done() -> Result<()> {
    let world = World::new()?;
    let path = team(&world, "a")?;
    let seen = world.ask(&format!("GET {path}"), &[], "")?.is(200)?.etag()?;
    let change = |n: usize| {
        let body = json!({ "name": format!("Cabinet {n}") }).to_string();
        world.ask(&format!("PATCH {path}"), &[("If-Match", &seen)], body).map(|reply| reply.status)
    };
    let statuses: Result<Vec<u16>> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|n| scope.spawn(move || change(n))).collect();
        all.into_iter().map(|one| one.join().expect("a change")).collect()
    });
    let statuses = statuses?;
    let count = |status| statuses.iter().filter(|&&found| found == status).count();
    ensure!(count(200) == 1 && count(412) == 7, "{statuses:?}");

    world.ask(&format!("PUT {path}/quota"), &[("If-Match", &seen)], r#"{"quota":"1 GiB"}"#)?.is(412)?;
    let takes = json!({ "takes": "prescriptions" }).to_string();
    world.ask(&format!("PUT {path}/patient-mail"), &[("If-Match", &seen)], &takes)?.is(412)?;
    let now = world.ask(&format!("GET {path}"), &[], "")?.etag()?;
    let changed = world.ask(&format!("PUT {path}/patient-mail"), &[("If-Match", &now)], &takes)?.is(200)?;
    ensure!(changed.json()?["patient_mail"] == "prescriptions" && changed.etag()? != now, "{changed:?}");
    Ok(())
}

#[test]
fn the_audit_trail_names_the_console_and_can_be_read_by_it() -> Result<()> {
    let world = World::new()?;
    let path = practice(&world, "a")?;
    let change = json!({ "name": "Accueil" }).to_string();
    world.ask_over_tls(Some(&world.site.software), &format!("PATCH {path}"), &change)?.is(200)?;
    let of = |query: &str| world.ask(&format!("GET /v1/audit?{query}"), &[], "")?.is(200)?.json();
    let created = of(&format!("bal=a@{DOMAIN}&event=bal.created"))?;
    ensure!(created[0]["actor"] == "admin:api:admin", "{created}");
    let edited = of("class=provisioning&event=bal.edited&limit=1")?;
    let actor = edited[0]["actor"].as_str().context("no actor")?;
    let name = world.site.software_dn();
    let common = name.split(',').find(|part| part.starts_with("CN=")).context("no CN")?;
    ensure!(actor.starts_with("admin:api:") && actor.contains(common), "{edited} / {name}");
    for wrong in ["event=x", "class=x", "from=demain", "message=12", "bal=x", "limit=many", "colour=red"] {
        let refused = world.ask(&format!("GET /v1/audit?{wrong}"), &[], "")?.is(400)?;
        ensure!(refused.json()?["reason"] == "unreadable", "{refused:?}");
    }
    world.ask("DELETE /v1/audit", &[], "")?.is(405)?;

    let verified = world.ask("GET /v1/audit/verification", &[], "")?.is(200)?.json()?;
    ensure!(verified["faults"] == 0 && verified["detail"].is_null(), "{verified}");
    let month = world.ask("GET /v1/indicators?month=2026-10", &[], "")?.is(200)?.json()?;
    let command = world.site.pli()?.args(["indicators", "--month", "2026-10", "--format", "json"]).succeed()?;
    ensure!(month == serde_json::from_str::<Value>(&command)?, "{month} / {command}");
    world.ask("GET /v1/indicators?month=octobre", &[], "")?.is(400)?;
    Ok(())
}

#[test]
fn a_port_that_others_could_reach_without_a_certificate_does_not_open() -> Result<()> {
    let site = Site::new()?;
    let file = site.operator.config_file.clone();
    let whole = fs::read_to_string(&file)?;
    for (settings, word) in [
        ("listen = [\"0.0.0.0:9081\"]", "admin.listen_tls"),
        ("listen_tls = [\"127.0.0.1:9082\"]", "admin.certificates"),
        ("listen_tls = [\"127.0.0.1:9082\"]\ncertificates = [\"nobody\"]", "admin.certificates"),
    ] {
        fs::write(&file, format!("{whole}[admin]\n{settings}\n"))?;
        let refused = site.pli()?.args(["serve"]).run()?;
        ensure!(refused.code == Some(3) && refused.stderr.contains(word), "{refused}");
    }
    Ok(())
}
