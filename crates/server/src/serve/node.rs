//! The parts of a serving node and how they are joined.

use std::sync::Arc;
use std::time::Duration;

use annuaire::{Resolver, ResolverRules};
use auth::Authenticator;
use mssante::{Clock, Random};
use relay::{Relay, Schedule};
use smtp::{Rates, Refusals, XdmDesk};
use store::{Rooms, Store};
use time::OffsetDateTime;
use trust::{HopTls, Revocation, ServerTls, TrustSpace};

use super::caretaker::Caretaker;
use super::directory::Directory;
use super::health::Health;
use super::refusals::RefusalTraces;
use super::trust::{Follower, Keeper};
use super::{expiry, hops, observe};
use crate::ambient::{SystemClock, SystemRandom};
use crate::config::{ClientCertificate, Settings};
use crate::database::Database;
use crate::failure::Failure;

/// Our side of every TLS connection.
#[derive(Clone)]
pub(super) struct Tls {
    hop_in: Arc<ServerTls>,
    submission: Arc<ServerTls>,
    imap: Arc<ServerTls>,
    hop_out: Arc<HopTls>,
    /// Of the administrators' API, where it has a port with TLS.
    admin: Option<Arc<ServerTls>>,
}

impl Tls {
    /// Reads certificate, key and anchors.
    pub(super) fn load(settings: &Settings, revocation: &Arc<Revocation>) -> Result<Self, Failure> {
        let server = |client: ClientCertificate, protocol| {
            let revocation = Arc::clone(revocation);
            ServerTls::load(settings.tls_files(), client.into(), protocol, revocation, clock()).map(Arc::new)
        };
        let (for_in, for_out) = (Arc::clone(revocation), Arc::clone(revocation));
        Ok(Self {
            hop_in: Arc::new(ServerTls::load_for_operators(settings.tls_files(), for_in, clock())?),
            submission: server(settings.submission.client_certificate, "smtp")?,
            imap: server(settings.imap.client_certificate, "imap")?,
            hop_out: Arc::new(HopTls::load(settings.tls_files(), for_out, clock())?),
            admin: if settings.admin.listen_tls.is_empty() {
                None
            } else {
                Some(server(ClientCertificate::Required, "http/1.1")?)
            },
        })
    }

    /// That of the administrators' API.
    pub(super) fn admin(&self) -> Option<&Arc<ServerTls>> {
        self.admin.as_ref()
    }

    /// When our certificate ends, by the part that uses it: after a reload that failed for one
    /// they may differ.
    pub(super) fn ends(&self) -> [(&'static str, OffsetDateTime); 4] {
        [
            ("hop", self.hop_in.not_after()),
            ("submission", self.submission.not_after()),
            ("imap", self.imap.not_after()),
            ("outgoing hops", self.hop_out.not_after()),
        ]
    }

    /// The first of these moments.
    pub(super) fn first_end(&self) -> OffsetDateTime {
        let [(_, first), others @ ..] = self.ends();
        others.into_iter().map(|(_, end)| end).fold(first, Ord::min)
    }

    /// Reads the files again; what cannot be read or must not be used leaves the old in force.
    pub(super) fn reload(&self) {
        let results = [
            ("hop", self.hop_in.reload()),
            ("submission", self.submission.reload()),
            ("imap", self.imap.reload()),
            ("outgoing hops", self.hop_out.reload()),
        ];
        let results = results.into_iter().chain(self.admin.as_ref().map(|admin| ("admin", admin.reload())));
        for (part, result) in results {
            let outcome = if result.is_ok() { "taken" } else { "refused" };
            metrics::counter!("pli_certificate_reloads_total", "part" => part, "outcome" => outcome).increment(1);
            match result {
                Ok(()) => tracing::info!(part, "certificates read again"),
                Err(error) => tracing::error!(part, %error, "certificates not read again; the old ones stay in force"),
            }
        }
    }
}

/// What talks on each kind of port.
pub(super) struct Services {
    pub(super) hop: Arc<smtp::Service>,
    pub(super) submission: Arc<smtp::Service>,
    pub(super) submissions: Arc<smtp::Service>,
    pub(super) imap: Arc<imap::Service>,
    pub(super) imaps: Arc<imap::Service>,
}

/// One node: a store, what talks to it, and what works on it.
pub(super) struct Node {
    pub(super) store: Store,
    pub(super) services: Services,
    pub(super) relay: Arc<Relay>,
    pub(super) directory: Arc<Directory>,
    pub(super) tls: Tls,
    pub(super) trust: Follower,
    pub(super) annuaire: super::annuaire::Follower,
    pub(super) refusals: RefusalTraces,
    /// Who gathers log-ins for the audit trail.
    pub(super) log_ins: Arc<Authenticator>,
    pub(super) caretaker: Arc<Caretaker>,
}

impl Node {
    /// Opens the store, reads the BALs and joins the parts.
    pub(super) async fn open(
        settings: &Settings,
        database: &Database,
        tls: Tls,
        trust: TrustSpace,
        health: &Arc<Health>,
    ) -> Result<Self, Failure> {
        let store = database.open(settings, settings.database.connections).await?;
        let resolver = Arc::new(Resolver::with_rules(resolver_rules(settings)));
        let told = Arc::clone(health);
        let tell = move |reading| told.has_read(reading);
        let directory = Arc::new(Directory::new(store.clone(), Arc::clone(&resolver), tell));
        directory.refresh().await?;
        let keeper = Keeper::new(settings.clone(), store.clone(), trust.clone());
        keeper.take_over().await?;
        let annuaire = super::annuaire::Keeper::new(settings.clone(), store.clone());
        health.opened(store.clone(), Arc::clone(&keeper), Arc::clone(&annuaire));
        let hashing_jobs = settings.submission.hashing_jobs;
        let authenticator = Arc::new(Authenticator::new(store.clone(), clock(), random(), hashing_jobs));
        let (refused, refusals) = Refusals::new();
        let log_ins = Arc::clone(&authenticator);
        let refusals = RefusalTraces::start(refusals, store.clone(), clock());
        let (rooms, nearly_full) = Rooms::new(store.clone(), settings.quota.quotas());
        let caretaker = Caretaker::new(settings, store.clone(), clock(), nearly_full);
        let xdm_desk = Arc::new(XdmDesk::default());
        let parts = Parts {
            settings,
            tls: &tls,
            store: &store,
            resolver: &resolver,
            trust: &trust,
            authenticator,
            refused,
            xdm_desk,
            rooms: Arc::new(rooms),
            rates: Arc::default(),
        };
        let services = parts.services();
        let relay = Arc::new(parts.relay()?);
        Ok(Self {
            store,
            services,
            relay,
            directory,
            tls,
            trust: Follower::new(keeper),
            annuaire: super::annuaire::Follower::new(annuaire, resolver),
            refusals,
            log_ins,
            caretaker: Arc::new(caretaker),
        })
    }

    /// SIGHUP: certificates, trust list and directory, each on its own.
    pub(super) fn reload(&self, settings: &Settings) {
        observe::warn(settings);
        self.tls.reload();
        expiry::tell(&self.tls);
        self.trust.reload();
        self.annuaire.reload();
    }
}

/// What services are made from.
struct Parts<'a> {
    settings: &'a Settings,
    tls: &'a Tls,
    store: &'a Store,
    resolver: &'a Arc<Resolver>,
    trust: &'a TrustSpace,
    authenticator: Arc<Authenticator>,
    refused: Refusals,
    xdm_desk: Arc<XdmDesk>,
    rooms: Arc<Rooms>,
    rates: Arc<Rates>,
}

impl Parts<'_> {
    fn services(&self) -> Services {
        let submission = |tls_start| self.smtp(smtp::Role::Submission, tls_start, &self.tls.submission);
        Services {
            hop: self.smtp(smtp::Role::Hop, smtp::TlsStart::Command, &self.tls.hop_in),
            submission: submission(smtp::TlsStart::Command),
            submissions: submission(smtp::TlsStart::Connection),
            imap: self.imap(imap::TlsStart::Command),
            imaps: self.imap(imap::TlsStart::Connection),
        }
    }

    fn smtp(&self, role: smtp::Role, tls_start: smtp::TlsStart, tls: &Arc<ServerTls>) -> Arc<smtp::Service> {
        let Settings { hop, submission, .. } = self.settings;
        let limits = match role {
            smtp::Role::Hop => smtp_limits(hop.max_size, hop.max_recipients),
            smtp::Role::Submission => smtp_limits(submission.max_size, submission.max_recipients),
        };
        Arc::new(smtp::Service {
            role,
            tls_start,
            hostname: self.settings.operator.hostname.clone(),
            limits,
            tls: Arc::clone(tls),
            patients: self.settings.rules.patients,
            resolver: Arc::clone(self.resolver),
            trust: self.trust.clone(),
            authenticator: Arc::clone(&self.authenticator),
            store: self.store.clone(),
            refused: self.refused.clone(),
            xdm: self.settings.rules.xdm_rule(role, &self.xdm_desk),
            rooms: Arc::clone(&self.rooms),
            rates: Arc::clone(&self.rates),
            sending: self.settings.rules.sending(),
            clock: clock(),
            random: random(),
        })
    }

    fn imap(&self, tls_start: imap::TlsStart) -> Arc<imap::Service> {
        let settings = &self.settings.imap;
        Arc::new(imap::Service {
            tls_start,
            hostname: self.settings.operator.hostname.clone(),
            limits: imap::Limits {
                message_size: settings.max_size,
                idle_timeout: settings.idle_timeout,
                login_timeout: Duration::from_mins(1),
                failure_delay: Duration::from_secs(2),
            },
            tls: Arc::clone(&self.tls.imap),
            authenticator: Arc::clone(&self.authenticator),
            store: self.store.clone(),
            rooms: Arc::clone(&self.rooms),
            clock: clock(),
            random: random(),
        })
    }

    fn relay(&self) -> Result<Relay, Failure> {
        let settings = &self.settings.relay;
        Ok(Relay {
            hops: hops::hops(self.settings, Arc::clone(&self.tls.hop_out), self.trust.clone())?,
            store: self.store.clone(),
            resolver: Arc::clone(self.resolver),
            schedule: Schedule { waits: settings.retry.clone(), expiry: settings.expiry },
            connections: settings.connections,
            clock: clock(),
            random: random(),
        })
    }
}

/// Waits of five minutes are what the standard asks for. `[RFC5321 4.5.3.2]`
fn smtp_limits(message_size: u64, recipients: usize) -> smtp::Limits {
    const FIVE_MINUTES: Duration = Duration::from_mins(5);
    smtp::Limits {
        message_size,
        recipients,
        transactions: 1000,
        settling_timeout: Duration::from_mins(1),
        command_timeout: FIVE_MINUTES,
        data_timeout: FIVE_MINUTES,
        errors: 10,
    }
}

/// What the configuration says to the resolver.
pub(crate) fn resolver_rules(settings: &Settings) -> ResolverRules {
    ResolverRules {
        our_domains: settings.operator.domains.iter().cloned().collect(),
        patient_domains: settings.annuaire.patient_domains.iter().cloned().collect(),
        peer_recipients: settings.annuaire.peer_recipients,
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

fn random() -> Arc<dyn Random> {
    Arc::new(SystemRandom)
}
