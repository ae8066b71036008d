//! Professionals and patients: who opens a conversation, what is answered, how it ends.

use anyhow::{Context as _, Result, ensure};
use e2e::{Bal, DOMAIN, PEER, Server, Site, Wire, http_get};

/// An INS with its key.
const INS: &str = "279035121518989";
const OTHER_INS: &str = "188102B17295264";

/// The other operator is that of the citizens.
struct World {
    site: Site,
    server: Server,
    doctor: Bal,
    pharmacy: Bal,
}

impl World {
    fn new(policy: &str) -> Result<Self> {
        let site = Site::new()?;
        let (doctor, pharmacy) = (site.create_bal("dr.martin")?, site.create_bal("pharmacie")?);
        site.create_applicative_bal("labo-noreply")?;
        site.pli()?.args(["bal", "set-patient-mail", &pharmacy.address, "prescriptions"]).succeed()?;
        let server = site.serve(&[("PLI__ANNUAIRE__PATIENT_DOMAINS", PEER), ("PLI__RULES__PATIENTS", policy)])?;
        Ok(Self { site, server, doctor, pharmacy })
    }

    /// A letter of the doctor to a patient, with these further header fields.
    fn write_to(&self, ins: &str, fields: &str) -> Result<()> {
        let (login, password) = self.doctor.credentials();
        let operator = &self.site.operator;
        let mut wire = Wire::submission(operator.submission_port, self.site.tls(None)?, login, password)?;
        let address = &self.doctor.address;
        submit(&mut wire, address, ins, fields)
    }

    /// The reply to a patient's letter, at RCPT or after its content.
    fn patient_writes(&self, ins: &str, recipient: &str, fields: &str) -> Result<String> {
        let mut wire = Wire::smtp(self.site.operator.smtp_port, self.site.tls(Some(&self.site.peer))?)?;
        wire.command(&format!("MAIL FROM:<{ins}@{PEER}>"), "250")?;
        wire.line(&format!("RCPT TO:<{recipient}>"))?;
        let reply = wire.reply()?.pop().context("an answer to RCPT")?;
        if !reply.starts_with("250") {
            return Ok(reply);
        }
        wire.command("DATA", "354")?;
        wire.send(format!("From: <{ins}@{PEER}>\r\nSubject: Re: bonjour\r\n{fields}\r\nmerci\r\n.\r\n").as_bytes())?;
        wire.reply()?.pop().context("an answer to the content")
    }

    fn expect(&self, ins: &str, recipient: &str, fields: &str, beginning: &str) -> Result<()> {
        let reply = self.patient_writes(ins, recipient, fields)?;
        ensure!(reply.starts_with(beginning), "expected {beginning}: {reply}");
        Ok(())
    }
}

fn submit(wire: &mut Wire, sender: &str, ins: &str, fields: &str) -> Result<()> {
    wire.command(&format!("MAIL FROM:<{sender}>"), "250")?;
    wire.command(&format!("RCPT TO:<{ins}@{PEER}>"), "250")?;
    wire.command("DATA", "354")?;
    wire.send(format!("From: <{sender}>\r\n{fields}\r\nbonjour\r\n.\r\n").as_bytes())?;
    wire.expect("250").map(drop)
}

#[test]
fn a_patient_answers_until_fin_and_again_once_the_doctor_writes_again() -> Result<()> {
    let world = World::new("enforce")?;
    let doctor = world.doctor.address.clone();
    world.expect(INS, &doctor, "", "550 5.7.1")?;
    world.write_to(INS, "Subject: Vos analyses\r\n")?;
    world.expect(INS, &doctor, "", "250")?;
    world.expect(OTHER_INS, &doctor, "", "550 5.7.1")?;
    world.write_to(INS, "Subject: [FIN]\r\n")?;
    let refused = world.patient_writes(INS, &doctor, "")?;
    ensure!(refused.starts_with("550 5.7.1") && refused.contains("ended"), "{refused}");
    world.write_to(INS, "Subject: Un oubli\r\n")?;
    world.expect(INS, &doctor, "", "250")?;
    let log = world.server.log();
    ensure!(!log.contains(INS), "the INS is masked in the log");
    Ok(())
}

#[test]
fn a_letter_that_takes_no_answer_leaves_the_others_answerable() -> Result<()> {
    let world = World::new("enforce")?;
    let doctor = world.doctor.address.clone();
    world.write_to(INS, "Subject: Rendez-vous\r\nMessage-ID: <un@essai>\r\n")?;
    world.write_to(INS, "Subject: Information\r\nMessage-ID: <deux@essai>\r\nX-MSS-MES: FIN\r\n")?;
    world.expect(INS, &doctor, "In-Reply-To: <un@essai>\r\n", "250")?;
    let refused = world.patient_writes(INS, &doctor, "In-Reply-To: <deux@essai>\r\n")?;
    ensure!(refused.starts_with("550 5.7.1") && refused.contains("X-MSS-MES"), "{refused}");
    // A later letter of the thread names the blocked one only among its references.
    let thread = "In-Reply-To: <un@essai>\r\nReferences: <deux@essai> <un@essai>\r\n";
    world.expect(INS, &doctor, thread, "250")
}

#[test]
fn a_pharmacy_takes_prescriptions_unasked() -> Result<()> {
    let world = World::new("enforce")?;
    world.expect(INS, &world.pharmacy.address, "", "250")
}

#[test]
fn patients_answer_the_people_whom_software_names() -> Result<()> {
    let world = World::new("enforce")?;
    let (operator, software) = (&world.site.operator, format!("labo-noreply@{DOMAIN}"));
    let mut wire = Wire::smtp(operator.submission_port, world.site.tls(Some(&world.site.software))?)?;
    wire.command("AUTH EXTERNAL =", "235")?;
    let fields = format!("Subject: Vos analyses\r\nReply-To: <{}>\r\n", world.doctor.address);
    submit(&mut wire, &software, INS, &fields)?;
    world.expect(INS, &software, "", "550 5.7.1")?;
    world.expect(INS, &world.doctor.address, "", "250")
}

#[test]
fn where_it_only_warns_the_letter_is_taken_and_counted() -> Result<()> {
    let world = World::new("warn")?;
    world.expect(INS, &world.doctor.address, "", "250")?;
    let metrics = http_get(world.site.operator.http_port, "/metrics")?.1;
    ensure!(metrics.contains("pli_patient_letters_doubtful_total{reason=\"no-conversation\"} 1"), "{metrics}");
    Ok(())
}
