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
    pharmacy: String,
}

impl World {
    fn new(policy: &str) -> Result<Self> {
        Self::of(policy, PEER)
    }

    /// With another domain of patients.
    fn of(policy: &str, domain: &str) -> Result<Self> {
        let site = Site::new()?;
        let doctor = site.create_bal("dr.martin")?;
        let pharmacy = format!("pharmacie@{DOMAIN}");
        let answering = ["--structure", "318751275100020", "--responsible", "Essai"];
        site.pli()?.args(["bal", "create", &pharmacy, "--kind", "ORG"]).args(answering).succeed()?;
        site.create_applicative_bal("labo-noreply")?;
        site.pli()?.args(["bal", "set-patient-mail", &pharmacy, "prescriptions"]).succeed()?;
        let server = site.serve(&[("PLI__ANNUAIRE__PATIENT_DOMAINS", domain), ("PLI__RULES__PATIENTS", policy)])?;
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
        self.hand_over(&format!("{ins}@{PEER}"), recipient, &format!("From: <{ins}@{PEER}>\r\n{fields}"))
    }

    /// The same for a letter of anybody whom the other operator names.
    fn hand_over(&self, sender: &str, recipient: &str, fields: &str) -> Result<String> {
        hand_over(&self.site, sender, recipient, &format!("Subject: Re: bonjour\r\n{fields}\r\nmerci\r\n"))
    }

    fn expect(&self, ins: &str, recipient: &str, fields: &str, beginning: &str) -> Result<()> {
        let reply = self.patient_writes(ins, recipient, fields)?;
        ensure!(reply.starts_with(beginning), "expected {beginning}: {reply}");
        Ok(())
    }
}

fn hand_over(site: &Site, sender: &str, recipient: &str, letter: &str) -> Result<String> {
    let mut wire = Wire::smtp(site.operator.smtp_port, site.tls(Some(&site.peer))?)?;
    wire.command(&format!("MAIL FROM:<{sender}>"), "250")?;
    wire.line(&format!("RCPT TO:<{recipient}>"))?;
    let reply = wire.reply()?.pop().context("an answer to RCPT")?;
    if !reply.starts_with("250") {
        return Ok(reply);
    }
    wire.command("DATA", "354")?;
    wire.send(format!("{letter}.\r\n").as_bytes())?;
    wire.reply()?.pop().context("an answer to the content")
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
    let padding = format!("X-Long: {}\r\n", "x".repeat(900)).repeat(120);
    for disguise in [
        "In-Reply-To: <un@essai>\r\nIn-Reply-To: <deux@essai>\r\n".to_owned(),
        "In-Reply-To: deux@essai\r\n".to_owned(),
        "In-Reply-To: <DEUX@Essai>\r\n".to_owned(),
        "References: <un@essai> <deux@essai>\r\n".to_owned(),
        "In-Reply-To: <un@essai>\r\nReferences: <deux@essai>\r\n".to_owned(),
        format!("In-Reply-To: {} <deux@essai>\r\n", "<x@essai> ".repeat(150).replace("> <", ">\r\n <")),
        format!("{padding}In-Reply-To: <deux@essai>\r\n"),
    ] {
        let refused = world.patient_writes(INS, &doctor, &disguise)?;
        ensure!(refused.starts_with("550 5.7.1") && refused.contains("X-MSS-MES"), "{refused}: {disguise:.200}");
    }
    // A later letter of the thread names the blocked one only among its references.
    let thread = "In-Reply-To: <un@essai>\r\nReferences: <deux@essai> <un@essai>\r\n";
    world.expect(INS, &doctor, thread, "250")
}

#[test]
fn a_first_letter_that_takes_no_answer_is_the_reason_that_the_patient_is_told() -> Result<()> {
    let world = World::new("enforce")?;
    let doctor = world.doctor.address.clone();
    // an identifier without angle brackets, and none at all
    world.write_to(INS, "Subject: Information\r\nMessage-ID: bare@essai\r\nX-MSS-MES: FIN\r\n")?;
    world.write_to(OTHER_INS, "Subject: [FIN]\r\n")?;
    for (ins, word) in [(INS, "X-MSS-MES"), (OTHER_INS, "ended")] {
        let refused = world.patient_writes(ins, &doctor, "")?;
        ensure!(refused.starts_with("550 5.7.1") && refused.contains(word), "{refused}");
    }
    world.write_to(INS, "Subject: Bonjour\r\n")?;
    world.expect(INS, &doctor, "In-Reply-To: <bare@essai>\r\n", "550 5.7.1")?;
    world.expect(INS, &doctor, "", "250")?;
    let unnamed = world.write_to(INS, "Subject: Information\r\nMessage-ID:\r\nX-MSS-MES: FIN\r\n");
    ensure!(unnamed.is_err_and(|error| format!("{error:#}").contains("needs a Message-ID")));
    Ok(())
}

#[test]
fn no_letter_without_a_sender_passes_the_rules_of_patients_but_reports() -> Result<()> {
    let world = World::new("enforce")?;
    let doctor = world.doctor.address.clone();
    let from = format!("From: <{INS}@{PEER}>\r\n");
    let refused = world.hand_over("", &doctor, &from)?;
    ensure!(refused.starts_with("550 5.7.1 a patient may only answer"), "{refused}");
    let receipt = |of: &str| {
        format!(
            "From: <{of}@{PEER}>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; \
             report-type=disposition-notification; boundary=b\r\n\r\n--b\r\n\r\nlu\r\n--b\r\n\
             Content-Type: message/disposition-notification\r\n\r\nDisposition: x\r\n--b--\r\n"
        )
    };
    for of in [INS, "postmaster"] {
        let refused = world.hand_over("", &doctor, &receipt(of))?;
        ensure!(refused.starts_with("550 5.7.1"), "nobody has written to patients: {refused}");
    }
    world.write_to(INS, "Subject: [FIN]\r\n")?;
    let refused = world.hand_over("", &doctor, &from)?;
    ensure!(refused.starts_with("550 5.7.1") && refused.contains("ended"), "{refused}");
    let pretended = world.hand_over("", &doctor, &format!("{from}Content-Type: multipart/report\r\n"))?;
    ensure!(pretended.starts_with("550 5.7.1"), "{pretended}");
    for of in [INS, "postmaster", "ne-pas-repondre"] {
        let taken = world.hand_over("", &doctor, &receipt(of))?;
        ensure!(taken.starts_with("250"), "{of}: {taken}");
    }
    let other = world.hand_over("", &doctor, &receipt(OTHER_INS))?;
    ensure!(other.starts_with("550 5.7.1"), "{other}");
    world.write_to(INS, "Subject: Encore\r\n")?;
    let taken = world.hand_over("", &doctor, &from)?;
    ensure!(taken.starts_with("250"), "what he may write, he may write without a sender: {taken}");
    Ok(())
}

#[test]
fn without_a_sender_only_the_operator_of_patients_speaks_for_them() -> Result<()> {
    let world = World::of("enforce", "patients.elsewhere.fr")?;
    let letter = format!("From: <{INS}@patients.elsewhere.fr>\r\n");
    let refused = world.hand_over("", &world.pharmacy, &letter)?;
    ensure!(refused.starts_with("550 5.7"), "a pharmacy takes prescriptions of every patient: {refused}");
    let report = "From: <postmaster@patients.elsewhere.fr>\r\nContent-Type: multipart/report\r\n";
    let refused = world.hand_over("", &world.doctor.address, report)?;
    ensure!(refused.starts_with("550 5.7") && !refused.contains("answer"), "{refused}");
    let metrics = http_get(world.site.operator.http_port, "/metrics")?.1;
    ensure!(metrics.contains("sender-domain-not-listed"), "{metrics}");
    Ok(())
}

#[test]
fn a_patient_writes_in_his_own_name_and_in_no_other() -> Result<()> {
    let world = World::new("enforce")?;
    let doctor = world.doctor.address.clone();
    world.write_to(INS, "Subject: Bonjour\r\n")?;
    let patient = format!("{INS}@{PEER}");
    for from in [
        format!("From: \"Dr Martin\" <{doctor}>\r\n"),
        format!("From: <{OTHER_INS}@{PEER}>\r\n"),
        format!("From: <{patient}>, <{doctor}>\r\n"),
        format!("From: <{patient}>\r\nFrom: <{doctor}>\r\n"),
        format!("From: <{doctor} <{patient}>\r\n"),
        String::new(),
    ] {
        let refused = world.hand_over(&patient, &doctor, &from)?;
        ensure!(refused.starts_with("550 5.7.1 a letter of a patient must have"), "{from}: {refused}");
    }
    let taken = world.hand_over(&patient, &doctor, &format!("From: \"Jean D.\" <{}>\r\n", patient.to_lowercase()))?;
    ensure!(taken.starts_with("250"), "{taken}");
    Ok(())
}

#[test]
fn letters_in_the_name_of_our_own_bals_are_taken_and_noted_or_refused() -> Result<()> {
    for (rule, wanted) in [("warn", "250"), ("enforce", "550 5.7.1 the From field names a BAL of this operator")] {
        let site = Site::new()?;
        let doctor = site.create_bal("dr.martin")?;
        let server = site.serve(&[("PLI__RULES__OWN_FROM_ON_HOPS", rule)])?;
        let letter = format!("From: Dr <{}>\r\n\r\nbonjour\r\n", doctor.address);
        let reply = hand_over(&site, &format!("redirection@{PEER}"), &doctor.address, &letter)?;
        ensure!(reply.starts_with(wanted), "{rule}: {reply}");
        if rule == "warn" {
            let metrics = http_get(site.operator.http_port, "/metrics")?.1;
            ensure!(metrics.contains("pli_hop_letters_in_our_name_total 1"), "{metrics}");
            let trail = site.pli()?.args(["--json", "audit", "list", "--event", "message.accepted"]).succeed()?;
            ensure!(trail.contains("own_from"), "{trail}");
        }
        drop(server);
    }
    Ok(())
}

#[test]
fn a_pharmacy_takes_prescriptions_unasked() -> Result<()> {
    let world = World::new("enforce")?;
    world.expect(INS, &world.pharmacy, "", "250")?;
    for nobody in ["toto", "279035121518980"] {
        world.expect(nobody, &world.pharmacy, "", "550 5.1.7")?;
    }
    let person = &world.doctor.address;
    let exit = world.site.pli()?.args(["bal", "set-patient-mail", person, "prescriptions"]).run()?;
    ensure!(exit.code == Some(1) && exit.stderr.contains("ORG or APP"), "{exit}");
    Ok(())
}

#[test]
fn a_postmaster_is_written_to_by_patients_too() -> Result<()> {
    let world = World::new("enforce")?;
    let postmaster = world.site.create_bal("postmaster")?.address;
    world.expect(INS, &postmaster, "", "250")
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
    world.expect(INS, &world.doctor.address, "", "250")?;
    // Nobody of another structure is opened to patients by this one's software.
    let foreign = format!("accueil@{DOMAIN}");
    let answering = ["--structure", "10B0078671", "--responsible", "Essai"];
    world.site.pli()?.args(["bal", "create", &foreign, "--kind", "ORG"]).args(answering).succeed()?;
    submit(&mut wire, &software, OTHER_INS, &format!("Subject: Vos analyses\r\nReply-To: <{foreign}>\r\n"))?;
    world.expect(OTHER_INS, &foreign, "", "550 5.7.1")?;
    let trail = world.site.pli()?.args(["--json", "audit", "list", "--event", "message.accepted"]).succeed()?;
    ensure!(trail.contains("answered_by"), "{trail}");
    Ok(())
}

#[test]
fn where_it_only_warns_the_letter_is_taken_and_counted() -> Result<()> {
    let world = World::new("warn")?;
    world.expect(INS, &world.doctor.address, "", "250")?;
    let metrics = http_get(world.site.operator.http_port, "/metrics")?.1;
    ensure!(metrics.contains("pli_patient_letters_doubtful_total{reason=\"no-conversation\"} 1"), "{metrics}");
    Ok(())
}
