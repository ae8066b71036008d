//! The eight audit cases of the ANS, played against the hospital's hop port: two hosts that must be
//! accepted and six that must be refused, each for its own reason.

use mssante::{BalKind, Refusal};
use testkit::audit::AuditCase;
use testkit::client::{ClientError, Reply, SmtpClient};

use super::plan::here;
use super::scenario::{HOST, Scenario};
use super::site::Auditor;
use super::steps::Steps;

impl Scenario<'_> {
    /// Every case; the refusals in the words of the table of refusals. Before them a hop the other way, as `pli probe`
    /// shows it.
    pub(super) async fn audit(&self, steps: &mut Steps) {
        let probe = async { self.hospital.probe(self.pharmacy.plan.domain).await.map_err(ClientError::Protocol) };
        steps.step("a hop from the hospital to the pharmacy opens", probe).await;
        for auditor in &self.site.auditors {
            steps.step(&title(auditor.case), self.hop_of(auditor)).await;
        }
    }

    async fn hop_of(&self, auditor: &Auditor) -> Result<String, ClientError> {
        let mut client = SmtpClient::connect(here(self.hospital.plan.ports.hop)).await?;
        match &auditor.shows {
            None => drop(client.demand(&format!("EHLO {}", auditor.case.domain())).await?),
            Some(pair) => {
                let tls = self.tls(Some(pair), "smtp")?;
                client = client.start_tls(&tls, HOST, auditor.case.domain()).await?;
            }
        }
        let mail = client.command(&format!("MAIL FROM:<audit@{}>", auditor.case.domain())).await?;
        let said = match auditor.case.refusal() {
            Some(refusal) => refused_as(&mail, refusal),
            None => self.taken(&mut client, &mail).await,
        };
        client.quit().await;
        said
    }

    /// An accepted sender may write to a BAL of the hospital; nothing is sent.
    async fn taken(&self, client: &mut SmtpClient, mail: &Reply) -> Result<String, ClientError> {
        if !mail.is("250") {
            return Err(ClientError::Protocol(format!("a good hop was answered {mail}")));
        }
        let rcpt = format!("RCPT TO:<{}>", self.hospital.bal(BalKind::Organisational).address);
        Ok(client.demand(&rcpt).await?.to_string())
    }
}

/// Whether a reply is that of this row of the table, word for word.
fn refused_as(reply: &Reply, refusal: Refusal) -> Result<String, ClientError> {
    let row = refusal.row();
    let expected = format!("{} {} {}", row.code, row.enhanced, row.english);
    if reply.to_string() == expected {
        return Ok(format!("{}: {reply}", refusal.word()));
    }
    Err(ClientError::Protocol(format!("expected {expected}, got {reply}")))
}

fn title(case: AuditCase) -> String {
    let what = match case {
        AuditCase::Valid => "a hop with the listed certificate is accepted",
        AuditCase::Expired => "a hop with an expired certificate is refused",
        AuditCase::Revoked => "a hop with a revoked certificate is refused",
        AuditCase::NonIgc => "a hop with a certificate of a foreign authority is refused",
        AuditCase::NoMatch => "a hop with the certificate of somebody else is refused",
        AuditCase::CnDiffDn => "a hop with the listed CN under another holder is refused",
        AuditCase::WithoutTls => "a hop without TLS is refused",
        AuditCase::OperatorTests => "a hop of the operators' test domain is accepted",
    };
    let name = case.domain().split('.').next().unwrap_or_default();
    format!("{what} ({name})")
}
