//! The resolver against a server on loopback, with a root zone that is signed by a key of the test's own.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use hickory_proto::dnssec::crypto::Ed25519SigningKey;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, RRSIG};
use hickory_proto::dnssec::{DnssecSigner, SigningKey};
use hickory_proto::op::{Message, MessageType, Query};
use hickory_proto::rr::rdata::{A, CNAME, MX};
use hickory_proto::rr::{DNSClass, Name, RecordSet};
use hickory_resolver::net::NoRecords;
use mssante::Clock as _;
use testkit::clock::RealClock;
use tokio::net::UdpSocket;

use super::*;

#[test]
fn an_answer_is_believed_as_far_as_the_rules_ask_for_proof() {
    use Proof::{Bogus, Indeterminate, Insecure, Secure};
    let verdicts = |dnssec| [Secure, Insecure, Indeterminate, Bogus].map(|proof| judge("x.fr", proof, dnssec));
    let (bogus, unsigned) = (Err(DnsError::Bogus("x.fr".into())), Err(DnsError::NotSigned("x.fr".into())));
    assert_eq!(verdicts(Dnssec::Off), [Security::Unchecked; 4].map(Ok));
    assert_eq!(
        verdicts(Dnssec::Prefer),
        [Ok(Security::Secure), Ok(Security::Insecure), Ok(Security::Insecure), bogus.clone()]
    );
    assert_eq!(verdicts(Dnssec::Require), [Ok(Security::Secure), unsigned.clone(), unsigned, bogus]);
}

#[test]
fn no_such_name_and_no_such_record_differ_from_no_answer() {
    let none = |code| NetError::from(NoRecords::new(Query::default(), code));
    assert_eq!(absence("x.fr", &none(ResponseCode::NoError)), Ok(Proof::Indeterminate));
    assert_eq!(absence("x.fr", &none(ResponseCode::NXDomain)), Err(DnsError::NoName("x.fr".into())));
    for error in [NetError::Timeout, NetError::Dns(NetDnsError::ResponseCode(ResponseCode::ServFail))] {
        assert!(matches!(absence("x.fr", &error), Err(DnsError::Unavailable { .. })), "{error}");
    }
    let bogus = NetError::Dns(NetDnsError::DnssecBogus);
    assert_eq!(absence("x.fr", &bogus), Err(DnsError::Bogus("x.fr".into())));
}

/// What a name has.
struct Zone {
    signer: DnssecSigner,
    sets: Vec<RecordSet>,
}

impl Zone {
    /// Its key signs the root and thereby everything.
    fn new() -> Self {
        let key = Ed25519SigningKey::from_pkcs8(&Ed25519SigningKey::generate_pkcs8().unwrap()).unwrap();
        let dnskey = DNSKEY::new(true, true, false, key.to_public_key().unwrap());
        let lasting = Duration::from_hours(24);
        let signer = DnssecSigner::new(dnskey.clone(), Box::new(key), Name::root(), lasting);
        let mut zone = Self { signer, sets: Vec::new() };
        zone.signed(".", [RData::DNSSEC(DNSSECRData::DNSKEY(dnskey))]);
        zone
    }

    fn unsigned(&mut self, name: &str, data: impl IntoIterator<Item = RData>) {
        let mut data = data.into_iter().peekable();
        let kind = data.peek().unwrap().record_type();
        let mut set = RecordSet::new(Name::from_ascii(name).unwrap(), kind, 0);
        for data in data {
            set.add_rdata(data);
        }
        self.sets.push(set);
    }

    fn signed(&mut self, name: &str, data: impl IntoIterator<Item = RData>) {
        self.unsigned(name, data);
        let set = self.sets.last_mut().unwrap();
        let since = RealClock.now() - Duration::from_hours(1);
        let signature = RRSIG::from_rrset(set, DNSClass::IN, since, &self.signer).unwrap();
        let data = RData::DNSSEC(DNSSECRData::RRSIG(signature));
        set.insert_rrsig(Record::from_rdata(set.name().clone(), 0, data));
    }

    /// Signed, and changed afterwards.
    fn tampered(&mut self, name: &str, signed: RData, shown: RData) {
        self.signed(name, [signed]);
        let honest = self.sets.pop().unwrap();
        self.unsigned(name, [shown]);
        let set = self.sets.last_mut().unwrap();
        for signature in honest.records_with_rrsigs().filter(|record| record.record_type() == RecordType::RRSIG) {
            set.insert_rrsig(signature.clone());
        }
    }

    fn answer(&self, question: &[u8]) -> Vec<u8> {
        let question = Message::from_vec(question).unwrap();
        let mut answer = question.clone();
        answer.metadata.message_type = MessageType::Response;
        answer.metadata.recursion_available = true;
        let query = &question.queries[0];
        if query.name().to_ascii().starts_with("broken.") {
            answer.metadata.response_code = ResponseCode::ServFail;
            return answer.to_vec().unwrap();
        }
        let named: Vec<_> = self.sets.iter().filter(|set| set.name() == query.name()).collect();
        if named.is_empty() {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
        let asked = [query.query_type(), RecordType::CNAME];
        for set in named.iter().filter(|set| asked.contains(&set.record_type())) {
            answer.add_answers(set.records_with_rrsigs().cloned());
        }
        answer.to_vec().unwrap()
    }

    /// Serves itself on loopback, for as long as the test runs.
    async fn serve(self, dnssec: Dnssec) -> (Network, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let anchors_file = folder.path().join("anchors");
        std::fs::write(&anchors_file, format!(". 3600 IN DNSKEY {}\n", self.signer.dnskey())).unwrap();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let rules = rules(socket.local_addr().unwrap(), dnssec, anchors_file);
        tokio::spawn(async move {
            let mut question = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                socket.send_to(&self.answer(&question[..length]), from).await.unwrap();
            }
        });
        (Network::open(&rules).unwrap().unwrap(), folder)
    }
}

fn rules(server: SocketAddr, dnssec: Dnssec, anchors_file: PathBuf) -> DnsRules {
    DnsRules { servers: vec![server], dnssec, anchors_file: Some(anchors_file), ..DnsRules::default() }
}

fn mx(host: &str) -> RData {
    RData::MX(MX::new(10, Name::from_ascii(host).unwrap()))
}

fn a(last: u8) -> RData {
    RData::A(A::new(192, 0, 2, last))
}

fn exchange(host: &str) -> Exchange {
    Exchange { preference: 10, host: host.to_owned() }
}

#[tokio::test]
async fn without_dnssec_answers_are_taken_as_they_come() {
    let mut zone = Zone::new();
    zone.unsigned("labo.fr.", [mx("MX.labo.fr.")]);
    zone.unsigned("mx.labo.fr.", [RData::CNAME(CNAME(Name::from_ascii("host.fr.").unwrap()))]);
    zone.unsigned("host.fr.", [a(1), a(2)]);
    zone.tampered("forged.fr.", mx("mx.labo.fr."), mx("mx.forger.fr."));
    let (network, _folder) = zone.serve(Dnssec::Off).await;
    let found = network.exchanges("labo.fr").await.unwrap();
    assert_eq!(found, Answer { records: vec![exchange("mx.labo.fr")], security: Security::Unchecked });
    assert_eq!(network.addresses("mx.labo.fr").await.unwrap().records.len(), 2, "the alias is followed");
    assert_eq!(network.exchanges("forged.fr").await.unwrap().records, [exchange("mx.forger.fr")]);
    assert_eq!(network.exchanges("host.fr").await.unwrap().records, []);
    assert_eq!(network.exchanges("none.fr").await, Err(DnsError::NoName("none.fr".to_owned())));
    assert!(matches!(network.exchanges("broken.fr").await, Err(DnsError::Unavailable { .. })));
}

#[tokio::test]
async fn what_is_signed_is_verified_and_what_was_changed_is_not_believed() {
    for dnssec in [Dnssec::Prefer, Dnssec::Require] {
        let mut zone = Zone::new();
        zone.signed("labo.fr.", [mx("mx.labo.fr.")]);
        zone.signed("mx.labo.fr.", [a(1)]);
        zone.tampered("forged.fr.", mx("mx.labo.fr."), mx("mx.forger.fr."));
        zone.unsigned("stripped.fr.", [mx("mx.forger.fr.")]);
        let (network, _folder) = zone.serve(dnssec).await;
        let found = network.exchanges("labo.fr").await.unwrap();
        assert_eq!(found, Answer { records: vec![exchange("mx.labo.fr")], security: Security::Secure });
        let found = network.addresses("mx.labo.fr").await.unwrap();
        assert_eq!((found.records.len(), found.security), (1, Security::Secure));
        for name in ["forged.fr", "stripped.fr"] {
            assert_eq!(network.exchanges(name).await, Err(DnsError::Bogus(name.to_owned())), "{dnssec:?}");
        }
    }
}

#[test]
fn a_file_without_keys_is_refused() {
    let error = anchors(Path::new("/nowhere/anchors")).err().unwrap();
    assert!(error.to_string().contains("/nowhere/anchors"), "{error}");
}
