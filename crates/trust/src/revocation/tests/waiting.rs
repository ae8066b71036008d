//! How a handshake waits for a list that is not there yet.

use testkit::http::Answer;

use super::*;

/// Downloads what is wanted whenever more is wanted, as a node does.
async fn follow(bench: &Bench, revocation: &Revocation) {
    let mut wants = revocation.wants();
    loop {
        bench.download(revocation).await;
        if wants.changed().await.is_err() {
            return;
        }
    }
}

/// What is asked, while lists are downloaded.
async fn ask(bench: &Bench, revocation: &Revocation, certificate: &VerifiedCertificate) -> Standing {
    tokio::select! {
        standing = revocation.ask(certificate, None) => standing,
        () = follow(bench, revocation) => panic!("nobody wants anything any more"),
    }
}

#[tokio::test]
async fn the_list_that_a_certificate_names_is_fetched_and_decides() {
    let bench = Bench::new().await;
    let ((issued, revoked), (_, other)) = (bench.issue(), bench.issue());
    let revocation = bench.revocation(rules());
    bench.publish(&Crl::around(bench.now()).revoke(&issued.der, bench.now()));
    assert!(revocation.wanted().is_empty());
    assert!(ask(&bench, &revocation, &revoked).await.is_revoked());
    assert_eq!(good(&ask(&bench, &revocation, &other).await), bench.server.url(PATH));
    assert_eq!(bench.server.hits(PATH), 1);
    assert_eq!(revocation.wanted(), [bench.server.url(PATH)]);
}

#[tokio::test]
async fn many_handshakes_wait_for_one_download() {
    let bench = Bench::new().await;
    let (_, certificate) = bench.issue();
    let revocation = bench.revocation(rules());
    bench.publish(&Crl::around(bench.now()));
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (revocation, certificate) = (Arc::clone(&revocation), certificate.clone());
        waiting.spawn(async move { revocation.ask(&certificate, None).await });
    }
    let all = async {
        while let Some(standing) = waiting.join_next().await {
            assert_eq!(good(&standing.unwrap()), bench.server.url(PATH));
        }
    };
    tokio::select! {
        () = all => {}
        () = follow(&bench, &revocation) => panic!("nobody wants anything any more"),
    }
    assert_eq!(bench.server.hits(PATH), 1);
}

#[tokio::test]
async fn patience_ends_and_the_list_counts_from_when_it_comes() {
    let bench = Bench::new().await;
    let (_, certificate) = bench.issue();
    let revocation = bench.revocation(RevocationRules { patience: Duration::from_millis(20), ..rules() });
    bench.server.serve(PATH, Answer::Silence);
    assert!(doubt(&ask(&bench, &revocation, &certificate).await).starts_with("there is no revocation list"));
    bench.publish(&Crl::around(bench.now()));
    bench.download(&revocation).await;
    assert_eq!(good(&revocation.standing(&certificate)), bench.server.url(PATH));
}

#[tokio::test]
async fn nobody_waits_for_a_source_that_refuses_and_the_refusal_is_told() {
    let bench = Bench::new().await;
    let (_, certificate) = bench.issue();
    let revocation = bench.revocation(rules());
    bench.server.next(PATH, Answer::status(403));
    let first = ask(&bench, &revocation, &certificate).await;
    assert!(doubt(&first).contains("the server answered 403"), "{first:?}");
    // Nothing is downloaded any more, and yet nobody waits.
    assert_eq!(revocation.ask(&certificate, None).await, first);
    assert_eq!(bench.server.hits(PATH), 1);
    bench.publish(&Crl::around(bench.now()));
    bench.download(&revocation).await;
    assert_eq!(good(&revocation.ask(&certificate, None).await), bench.server.url(PATH));
}

#[tokio::test]
async fn a_source_that_gives_something_else_is_told() {
    let bench = Bench::new().await;
    let (_, certificate) = bench.issue();
    let revocation = bench.revocation(rules());
    bench.server.serve(PATH, Page::new("<html>maintenance</html>"));
    let standing = ask(&bench, &revocation, &certificate).await;
    assert!(doubt(&standing).contains("not a usable revocation list"), "{standing:?}");
}

#[tokio::test]
async fn a_configured_list_is_wanted_from_the_beginning() {
    let bench = Bench::new().await;
    let (_, certificate) = bench.issue();
    let url = bench.server.url("/configured.crl");
    let revocation = bench.revocation(RevocationRules { crl_urls: vec![url.clone()], ..rules() });
    assert_eq!(revocation.wanted(), std::slice::from_ref(&url));
    bench.server.serve("/configured.crl", Page::new(bench.pki.crl(&Crl::around(bench.now())).unwrap()));
    bench.download(&revocation).await;
    assert_eq!(good(&revocation.ask(&certificate, None).await), url);
    // It decides: the certificate's own list is not needed.
    assert_eq!(revocation.wanted(), [url]);
}

#[tokio::test]
async fn the_lists_on_which_our_authorities_would_be_are_wanted() {
    let bench = Bench::new().await;
    let url = bench.server.url("/root.crl");
    let pki = bench.pki.listed("TEST AC IGC-SANTE ELEMENTAIRE PERSONNES", &url).unwrap();
    let revocation = Revocation::new(rules(), &authorities(&pki), None, bench.clock.clone());
    assert_eq!(revocation.wanted(), [url]);
    let wants = revocation.wants();
    revocation.trust(&bench.authorities);
    assert!(revocation.wanted().is_empty());
    revocation.trust(&authorities(&pki));
    assert!(wants.has_changed().unwrap());
}
