//! OCSP answers, made by the responder of OpenSSL.

use testkit::http::{Answer as HttpAnswer, Request};
use testkit::revocation::OcspResponder;

use super::*;

const ANSWER_TYPE: &str = "application/ocsp-response";
const TRY_LATER: [u8; 5] = [0x30, 3, 0x0a, 1, 3];

/// A bench whose server asks OpenSSL.
struct Site {
    bench: Bench,
    responder: Arc<OcspResponder>,
    _folder: tempfile::TempDir,
}

impl Site {
    /// Answers are signed by the issuer, or by a delegate.
    async fn new(delegate: Option<fn(&Pki) -> Issued>) -> Self {
        let (bench, folder) = (Bench::new().await, tempfile::tempdir().unwrap());
        let responder = OcspResponder::new(&bench.pki, folder.path()).unwrap();
        let responder = Arc::new(match delegate {
            Some(delegate) => responder.signed_by(&delegate(&bench.pki)).unwrap(),
            None => responder,
        });
        let site = Self { bench, responder, _folder: folder };
        site.serve(Vec::clone);
        site
    }

    /// Answers, after something was done to them.
    fn serve(&self, change: fn(&Vec<u8>) -> Vec<u8>) {
        let responder = Arc::clone(&self.responder);
        let answer = move |request: &Request| {
            assert_eq!(request.header("content-type"), Some("application/ocsp-request"));
            HttpAnswer::body(ANSWER_TYPE, change(&responder.answer(&request.body).unwrap()))
        };
        self.bench.server.serve("/ocsp", HttpAnswer::Call(Arc::new(answer)));
    }

    fn revocation(&self, ocsp: Ocsp) -> Arc<Revocation> {
        self.bench.revocation(RevocationRules { ocsp, ..rules() })
    }

    /// A certificate that names the responder only.
    fn issue(&self) -> (Issued, VerifiedCertificate) {
        let ocsp_urls = vec![self.bench.server.url("/ocsp")];
        let particulars = Particulars { serial: Vec::new(), crl_urls: Vec::new(), ocsp_urls };
        let issued = self.bench.pki.server_with(&holder(), &particulars).unwrap();
        let verified = verified(&self.bench.authorities, &issued, self.bench.now());
        (issued, verified)
    }

    /// The answer that a peer would staple.
    fn staple(&self, revocation: &Revocation, certificate: &VerifiedCertificate) -> Vec<u8> {
        let register = revocation.shared.register.load();
        let issuer = register.signer(certificate.issuer()).unwrap();
        self.responder.answer(&ocsp::Question { issuer, serial: certificate.serial() }.encode()).unwrap()
    }

    /// Why the answers decide nothing.
    async fn why(&self, certificate: &VerifiedCertificate) -> String {
        let standing = self.revocation(Ocsp::Ask).ask(certificate, None).await;
        doubt(&standing).to_owned()
    }
}

fn delegate(pki: &Pki) -> Issued {
    pki.ocsp_signer().unwrap()
}

#[tokio::test]
async fn responders_decide_where_no_list_does() {
    for signer in [None, Some(delegate as fn(&Pki) -> Issued)] {
        let site = Site::new(signer).await;
        let ((good_one, known), (revoked_one, revoked), (_, unknown)) = (site.issue(), site.issue(), site.issue());
        let since = (site.bench.now() - time::Duration::days(3)).replace_nanosecond(0).unwrap();
        site.responder.good(&good_one.der);
        site.responder.revoked(&revoked_one.der, since);
        let (revocation, source) = (site.revocation(Ocsp::Ask), format!("OCSP {}", site.bench.server.url("/ocsp")));
        assert_eq!(good(&revocation.ask(&known, None).await), source);
        assert_eq!(revocation.ask(&revoked, None).await, Standing::Revoked { since, source });
        let standing = revocation.ask(&unknown, None).await;
        assert!(doubt(&standing).contains("does not know the certificate"), "{standing:?}");
    }
}

#[tokio::test]
async fn an_answer_is_asked_for_once_and_kept_until_it_ends() {
    let site = Site::new(None).await;
    let (issued, certificate) = site.issue();
    site.responder.good(&issued.der);
    let revocation = site.revocation(Ocsp::Ask);
    let standings = tokio::join!(
        revocation.ask(&certificate, None),
        revocation.ask(&certificate, None),
        revocation.ask(&certificate, None)
    );
    for standing in [standings.0, standings.1, standings.2, revocation.ask(&certificate, None).await] {
        assert!(good(&standing).starts_with("OCSP "));
    }
    assert_eq!(site.bench.server.hits("/ocsp"), 1);
    site.bench.clock.advance(time::Duration::hours(2));
    assert!(doubt(&revocation.standing(&certificate)).starts_with("there is no revocation list"));
}

#[tokio::test]
async fn responders_are_asked_only_where_the_rules_say_so_and_no_list_decides() {
    let site = Site::new(None).await;
    let (issued, certificate) = site.issue();
    site.responder.good(&issued.der);
    for ocsp in [Ocsp::Off, Ocsp::Stapled] {
        assert!(doubt(&site.revocation(ocsp).ask(&certificate, None).await).starts_with("there is no revocation list"));
    }
    let revocation = site.revocation(Ocsp::Ask);
    let list = site.bench.pki.crl(&Crl::around(site.bench.now())).unwrap();
    revocation.offer("http://crl.example/", &list).unwrap();
    assert_eq!(good(&revocation.ask(&certificate, None).await), "http://crl.example/");
    assert_eq!(site.bench.server.hits("/ocsp"), 0);
}

#[tokio::test]
async fn stapled_answers_count_unless_ocsp_is_off() {
    let site = Site::new(Some(delegate)).await;
    let (issued, certificate) = site.issue();
    site.responder.good(&issued.der);
    for (ocsp, counts) in [(Ocsp::Off, false), (Ocsp::Stapled, true), (Ocsp::Ask, true)] {
        let revocation = site.revocation(ocsp);
        let staple = site.staple(&revocation, &certificate);
        let standing = revocation.ask(&certificate, Some(&staple)).await;
        assert_eq!(matches!(&standing, Standing::Good { source } if source == "stapled"), counts, "{standing:?}");
    }
    assert_eq!(site.bench.server.hits("/ocsp"), 0);
}

#[tokio::test]
async fn a_responder_that_says_revoked_is_right_against_a_list() {
    let site = Site::new(None).await;
    let (issued, certificate) = site.issue();
    site.responder.revoked(&issued.der, site.bench.now());
    let revocation = site.revocation(Ocsp::Stapled);
    let list = site.bench.pki.crl(&Crl::around(site.bench.now())).unwrap();
    revocation.offer("http://crl.example/", &list).unwrap();
    let staple = site.staple(&revocation, &certificate);
    assert!(revocation.ask(&certificate, Some(&staple)).await.is_revoked());
    assert!(revocation.standing(&certificate).is_revoked());
}

#[tokio::test]
async fn answers_about_others_or_by_others_or_out_of_time_are_not_believed() {
    let site = Site::new(None).await;
    let ((issued, certificate), (_, other)) = (site.issue(), site.issue());
    site.responder.good(&issued.der);
    let revocation = site.revocation(Ocsp::Stapled);
    let staple = site.staple(&revocation, &certificate);
    assert!(doubt(&revocation.ask(&other, Some(&staple)).await).starts_with("there is no revocation list"));
    for hours in [2, -4] {
        let clock = Arc::new(FixedClock::at(site.bench.now() + time::Duration::hours(hours)));
        let rules = RevocationRules { ocsp: Ocsp::Stapled, ..rules() };
        let later = Revocation::new(rules, &site.bench.authorities, None, clock);
        assert!(doubt(&later.ask(&certificate, Some(&staple)).await).starts_with("there is no revocation list"));
    }
    assert_eq!(good(&revocation.ask(&certificate, Some(&staple)).await), "stapled");
}

#[tokio::test]
async fn only_the_issuer_and_its_delegates_sign_answers() {
    let not_charged = |pki: &Pki| pki.server(&holder()).unwrap();
    let of_another = |pki: &Pki| pki.sibling("TEST AC IGC-SANTE").unwrap().ocsp_signer().unwrap();
    let of_stranger = |_: &Pki| Pki::new(RealClock.now()).unwrap().ocsp_signer().unwrap();
    let signers: [fn(&Pki) -> Issued; 3] = [not_charged, of_another, of_stranger];
    for signer in signers {
        let site = Site::new(Some(signer)).await;
        let (issued, certificate) = site.issue();
        site.responder.good(&issued.der);
        let why = site.why(&certificate).await;
        assert!(why.contains("not signed by the issuer"), "{why}");
    }
}

#[tokio::test]
async fn a_delegate_that_was_revoked_signs_no_more() {
    let (bench, folder) = (Bench::new().await, tempfile::tempdir().unwrap());
    let delegate = bench.pki.ocsp_signer().unwrap();
    let responder = OcspResponder::new(&bench.pki, folder.path()).unwrap().signed_by(&delegate).unwrap();
    let site = Site { bench, responder: Arc::new(responder), _folder: folder };
    let (issued, certificate) = site.issue();
    site.responder.revoked(&issued.der, site.bench.now());
    let revocation = site.revocation(Ocsp::Stapled);
    let staple = site.staple(&revocation, &certificate);
    let list = Crl::around(site.bench.now()).revoke(&delegate.der, site.bench.now());
    revocation.offer("http://crl.example/", &site.bench.pki.crl(&list).unwrap()).unwrap();
    assert_eq!(good(&revocation.ask(&certificate, Some(&staple)).await), "http://crl.example/");
}

#[tokio::test]
async fn a_responder_that_fails_is_left_alone() {
    let site = Site::new(None).await;
    let (_, certificate) = site.issue();
    for (answer, why) in [
        (HttpAnswer::status(500), "answered 500"),
        (HttpAnswer::body(ANSWER_TYPE, TRY_LATER.to_vec()), "no answer now (status 3)"),
        (HttpAnswer::Endless, "more than"),
    ] {
        let (revocation, before) = (site.revocation(Ocsp::Ask), site.bench.server.hits("/ocsp"));
        site.bench.server.serve("/ocsp", answer);
        for _ in 0..2 {
            let standing = revocation.ask(&certificate, None).await;
            assert!(doubt(&standing).contains(why), "{why}: {standing:?}");
        }
        assert_eq!(site.bench.server.hits("/ocsp"), before + 1);
    }
}

#[tokio::test]
async fn answers_that_were_tampered_with_decide_nothing() {
    let site = Site::new(None).await;
    let (issued, certificate) = site.issue();
    site.responder.revoked(&issued.der, site.bench.now());
    // In what is signed, which begins near the front.
    let flip = |answer: &Vec<u8>| [&answer[..60], &[answer[60] ^ 1], &answer[61..]].concat();
    site.serve(flip);
    assert!(site.why(&certificate).await.contains("its answer"));
    site.serve(|_| b"<html>".to_vec());
    assert!(site.why(&certificate).await.contains("cannot be read"));
    site.serve(|_| Vec::new());
    assert!(site.why(&certificate).await.contains("cannot be read"));
    site.serve(|answer| answer[..answer.len() / 2].to_vec());
    assert!(site.why(&certificate).await.contains("cannot be read"));
}

#[tokio::test]
async fn a_question_that_breaks_off_is_over() {
    let site = Site::new(None).await;
    let (revocation, id) = (site.revocation(Ocsp::Ask), [7; 32]);
    let news = revocation.shared.news.subscribe();
    let under_way = revocation.shared.begin(id).unwrap();
    assert!(revocation.shared.answers.is_asking(&id) && revocation.shared.begin(id).is_none());
    let broken = tokio::spawn(async move {
        let _under_way = under_way;
        panic!("as asking may");
    });
    assert!(broken.await.is_err());
    assert!(!revocation.shared.answers.is_asking(&id) && news.has_changed().unwrap());
    assert!(revocation.shared.begin(id).is_some());
}
