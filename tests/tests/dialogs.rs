//! The golden dialogs of `tests/dialogs` over TLS against the real binary. Their README describes the format.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::{Bal, DOMAIN, Identity, Mailbox, PASSWORD, PEER, PEER2, Server, Site, Steps, Wire};

const MAX_SIZE: u64 = 25 * 1024 * 1024;

#[test]
fn golden_dialogs_hold_over_tls() {
    let (world, mut server) = World::new().expect("the world of the dialogs");
    let mut steps = Steps::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dialogs");
    let mut files: Vec<_> =
        fs::read_dir(&folder).expect("tests/dialogs").filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|ext| ext == "txt"));
    files.sort();
    assert!(!files.is_empty(), "no dialogs in {}", folder.display());
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        steps.run(&name, || Dialog::read(&file)?.run(&world));
    }
    steps.run("the server is alive and nothing panicked", || server.check_health());
    steps.finish();
}

/// Who and what the dialogs speak of.
struct World {
    site: Site,
    bal: Bal,
    bal2: Bal,
    software: String,
    variables: Vec<(&'static str, String)>,
}

impl World {
    fn new() -> Result<(Self, Server)> {
        let site = Site::new()?;
        let server = site.serve(&[])?;
        let (bal, bal2) = (site.create_bal("accueil")?, site.create_bal("pharmacie")?);
        let (software, software2) = (site.create_applicative_bal("labo")?, site.create_applicative_bal("imagerie")?);
        let (suspended, closed) = (site.create_bal("suspendue")?, site.create_bal("fermee")?);
        for (verb, bal) in [("suspend", &suspended), ("close", &closed)] {
            site.pli()?.args(["bal", verb, &bal.address, "--reason", "essai"]).succeed()?;
        }
        let secretary = create_secretary(&site, &bal2)?;
        site.wait_for_bals(7)?;
        let sasl = |password: &str| STANDARD.encode(format!("\0{}\0{password}", bal.address));
        let on_behalf = format!("\0{secretary}*{}\0{PASSWORD}", bal2.address);
        let variables = vec![
            ("host", format!("mail.{DOMAIN}")),
            ("size", MAX_SIZE.to_string()),
            ("oversize", (MAX_SIZE + 1).to_string()),
            ("bal", bal.address.clone()),
            ("plain", sasl(PASSWORD)),
            ("wrong", sasl("faux")),
            ("login", STANDARD.encode(&bal.address)),
            ("password", STANDARD.encode(PASSWORD)),
            ("bal2", bal2.address.clone()),
            ("secretary", secretary),
            ("on-behalf", STANDARD.encode(on_behalf)),
            ("software", software.clone()),
            ("software2", software2),
            ("suspended", suspended.address),
            ("closed", closed.address),
            ("unknown", format!("inconnu@{DOMAIN}")),
            ("peer", format!("dr.durand@{PEER}")),
            ("peer2", format!("dr.martin@{PEER2}")),
            ("outside", "quelquun@hors-confiance.example".to_owned()),
        ];
        Ok((Self { site, bal, bal2, software, variables }, server))
    }

    fn fill_in(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.variables {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        filled
    }

    fn identity(&self, name: &str) -> Result<Option<&Identity>> {
        match name {
            "none" => Ok(None),
            "peer" => Ok(Some(&self.site.peer)),
            "software" => Ok(Some(&self.site.software)),
            other => bail!("certificate: {other} of {}", self.software),
        }
    }

    /// Both BALs' INBOXes: every message of the dialogs has exactly one of them as recipient here.
    fn inboxes(&self) -> Result<Inboxes> {
        Ok(Inboxes([self.site.mailbox(&self.bal)?, self.site.mailbox(&self.bal2)?]))
    }
}

/// A nominative BAL, whose holder sends on behalf of another BAL.
fn create_secretary(site: &Site, bal: &Bal) -> Result<String> {
    let address = format!("secretaire@{DOMAIN}");
    let create = format!("bal create {address} --kind PER --rpps 10001234565 --password-stdin");
    site.pli()?.args(create.split_whitespace()).input(format!("{PASSWORD}\n")).succeed()?;
    let delegate = format!("bal delegate {} --to {address} --rights send-on-behalf --reason essai", bal.address);
    site.pli()?.args(delegate.split_whitespace()).succeed()?;
    Ok(address)
}

struct Inboxes([Mailbox; 2]);

impl Inboxes {
    fn count(&mut self) -> Result<usize> {
        self.0.iter_mut().map(|mailbox| mailbox.count("INBOX")).sum()
    }
}

struct Dialog {
    role: String,
    start: String,
    certificate: String,
    steps: Vec<String>,
}

impl Dialog {
    fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file)?;
        let (header, body) = text.split_once("\n---\n").context("no --- line")?;
        let field = |name: &str| {
            let value = header.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value.map(str::to_owned).with_context(|| format!("no {name}: in the header"))
        };
        let steps = body.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        Ok(Self { role: field("role")?, start: field("start")?, certificate: field("certificate")?, steps })
    }

    fn run(&self, world: &World) -> Result<()> {
        let mut inboxes = world.inboxes()?;
        let stored_before = inboxes.count()?;
        let mut player = Player { wire: Some(self.connect(world)?), put_back: None, world, dialog: self };
        let mut steps = self.steps.iter().enumerate().peekable();
        while let Some((number, step)) = steps.next() {
            let mut outgoing = player.outgoing(step)?;
            if let Some(bytes) = &mut outgoing {
                while let Some(more) = steps.peek().map(|(_, next)| player.outgoing(next)).transpose()?.flatten() {
                    bytes.extend(more);
                    steps.next();
                }
            }
            let outcome = match outgoing {
                Some(bytes) => player.wire()?.send(&bytes),
                None => match step.strip_prefix("STORED ") {
                    Some(count) => stored(&mut inboxes, stored_before, count),
                    None => player.play(step),
                },
            };
            outcome.with_context(|| format!("step {}: {step}", number + 1))?;
        }
        Ok(())
    }

    fn connect(&self, world: &World) -> Result<Wire> {
        let operator = &world.site.operator;
        let port = match (self.role.as_str(), self.start.as_str()) {
            ("hop", "clear") => operator.smtp_port,
            ("submission", "clear") => operator.submission_port,
            ("submission", "tls") => operator.submissions_port,
            (role, start) => bail!("no port for {role} {start}"),
        };
        if self.start == "tls" {
            Wire::connect_tls(port, world.site.tls(world.identity(&self.certificate)?)?)
        } else {
            Wire::connect(port)
        }
    }
}

fn stored(inboxes: &mut Inboxes, before: usize, expected: &str) -> Result<()> {
    let stored = inboxes.count()? - before;
    ensure!(stored == expected.parse::<usize>()?, "{stored} messages were stored");
    Ok(())
}

struct Player<'a> {
    wire: Option<Wire>,
    /// A line that was read to see that an `S*` step ends before it.
    put_back: Option<String>,
    world: &'a World,
    dialog: &'a Dialog,
}

impl Player<'_> {
    fn wire(&mut self) -> Result<&mut Wire> {
        self.wire.as_mut().context("the connection is closed already")
    }

    /// The octets of a `C` step; `None` for other steps.
    fn outgoing(&self, step: &str) -> Result<Option<Vec<u8>>> {
        let (text, end) = match (step.strip_prefix("C:"), step.strip_prefix("C-")) {
            (Some(text), _) => (text, &b"\r\n"[..]),
            (None, Some(text)) => (text, &b""[..]),
            (None, None) => return Ok(None),
        };
        let text = text.strip_prefix(' ').unwrap_or(text);
        let mut octets = unescape(&repeat(&self.world.fill_in(text))?)?;
        octets.extend_from_slice(end);
        Ok(Some(octets))
    }

    fn play(&mut self, step: &str) -> Result<()> {
        if let Some(expected) = step.strip_prefix("S: ") {
            let expected = self.world.fill_in(expected);
            let line = self.line()?.context("the server closed the connection")?;
            ensure!(matches(&line, &expected), "the server said: {line}");
        } else if let Some(beginning) = step.strip_prefix("S* ") {
            let beginning = self.world.fill_in(beginning);
            while let Some(line) = self.line()? {
                if !line.starts_with(&beginning) {
                    self.put_back = Some(line);
                    break;
                }
            }
        } else {
            match step {
                "TLS" => {
                    let config = self.world.site.tls(self.world.identity(&self.dialog.certificate)?)?;
                    self.wire()?.start_tls(config)?;
                }
                "CUT" => self.wire.take().context("the connection is closed already")?.cut(),
                "CLOSED" => {
                    let rest = self.wire()?.until_closed()?;
                    ensure!(self.put_back.is_none() && rest.is_empty(), "before it closed, the server said: {rest}");
                    self.wire = None;
                }
                "" => {}
                other => bail!("not a step: {other}"),
            }
        }
        Ok(())
    }

    fn line(&mut self) -> Result<Option<String>> {
        match self.put_back.take() {
            Some(line) => Ok(Some(line)),
            None => self.wire()?.read_line(),
        }
    }
}

/// A `*` at the end stands for anything.
fn matches(line: &str, expected: &str) -> bool {
    expected.strip_suffix('*').map_or_else(|| line == expected, |beginning| line.starts_with(beginning))
}

/// `{a*999}` stands for 999 times `a`.
fn repeat(text: &str) -> Result<String> {
    let mut output = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        output.push_str(before);
        let (inside, behind) = after.split_once('}').context("{ without }")?;
        match inside.rsplit_once('*') {
            Some((unit, times)) => output.push_str(&unit.repeat(times.parse()?)),
            None => write!(output, "{{{inside}}}")?,
        }
        rest = behind;
    }
    output.push_str(rest);
    Ok(output)
}

/// `\r`, `\n`, `\0`, `\\` and `\xHH` stand for octets.
fn unescape(text: &str) -> Result<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut input = text.bytes();
    while let Some(byte) = input.next() {
        if byte != b'\\' {
            octets.push(byte);
            continue;
        }
        octets.push(match input.next().context("a \\ at the end")? {
            b'r' => b'\r',
            b'n' => b'\n',
            b'0' => 0,
            b'\\' => b'\\',
            b'x' => {
                let digits = [input.next(), input.next()].into_iter().collect::<Option<Vec<u8>>>().context("\\xHH")?;
                u8::from_str_radix(std::str::from_utf8(&digits)?, 16)?
            }
            other => bail!("\\{} is not known", char::from(other)),
        });
    }
    Ok(octets)
}
