//! The ports: all of them are taken before anything else starts, so that a taken port is the
//! first thing that an administrator hears of.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::listener::{Listener, Service};
use super::node::Node;
use super::room::Room;
use crate::config::Settings;
use crate::failure::Failure;

/// Bound sockets by what they are for.
pub(super) struct Sockets {
    hop: Vec<TcpListener>,
    submission: Vec<TcpListener>,
    submissions: Vec<TcpListener>,
    imap: Vec<TcpListener>,
    imaps: Vec<TcpListener>,
    admin: AdminSockets,
}

/// Those of the administrators' API.
#[derive(Default)]
pub(super) struct AdminSockets {
    pub(super) plain: Vec<TcpListener>,
    pub(super) tls: Vec<TcpListener>,
}

impl Sockets {
    /// Takes every port of the configuration; the last one is that of health and metrics.
    pub(super) async fn bind(settings: &Settings) -> Result<(Self, TcpListener), Failure> {
        let sockets = Self {
            hop: bind_all("hop.listen", &settings.hop.listen).await?,
            submission: bind_all("submission.listen_starttls", &settings.submission.listen_starttls).await?,
            submissions: bind_all("submission.listen_tls", &settings.submission.listen_tls).await?,
            imap: bind_all("imap.listen_starttls", &settings.imap.listen_starttls).await?,
            imaps: bind_all("imap.listen_tls", &settings.imap.listen_tls).await?,
            admin: AdminSockets {
                plain: bind_all("admin.listen", &settings.admin.listen).await?,
                tls: bind_all("admin.listen_tls", &settings.admin.listen_tls).await?,
            },
        };
        Ok((sockets, bind("http.listen", settings.http.listen).await?))
    }

    /// The ports of the administrators' API.
    pub(super) fn take_admin(&mut self) -> AdminSockets {
        std::mem::take(&mut self.admin)
    }

    /// The listeners; the two of a section share its room.
    pub(super) fn into_listeners(self, settings: &Settings, node: &Node) -> Vec<Listener> {
        let Settings { hop, submission, imap, .. } = settings;
        let hop = Room::new(hop.max_connections, hop.max_connections_per_address);
        let submission = Room::new(submission.max_connections, submission.max_connections_per_address);
        let imap = Room::new(imap.max_connections, imap.max_connections_per_address);
        let services = &node.services;
        let groups = [
            ("hop", self.hop, Service::Smtp(Arc::clone(&services.hop)), &hop),
            ("submission", self.submission, Service::Smtp(Arc::clone(&services.submission)), &submission),
            ("submissions", self.submissions, Service::Smtp(Arc::clone(&services.submissions)), &submission),
            ("imap", self.imap, Service::Imap(Arc::clone(&services.imap)), &imap),
            ("imaps", self.imaps, Service::Imap(Arc::clone(&services.imaps)), &imap),
        ];
        let mut listeners = Vec::new();
        for (name, sockets, service, room) in groups {
            listeners.extend(sockets.into_iter().map(|socket| Listener {
                name,
                socket,
                service: service.clone(),
                room: room.clone(),
            }));
        }
        listeners
    }
}

async fn bind_all(setting: &str, addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, Failure> {
    let mut sockets = Vec::new();
    for address in addresses {
        sockets.push(bind(setting, *address).await?);
    }
    Ok(sockets)
}

async fn bind(setting: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let advice = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another program listens there; stop it or change the setting",
            std::io::ErrorKind::PermissionDenied => "ports under 1024 need root or CAP_NET_BIND_SERVICE",
            _ => "is this an address of this machine?",
        };
        Failure::Unavailable(format!("{setting}: cannot listen on {address}: {error}; {advice}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_names_the_setting_and_is_exit_code_4() {
        let taken = bind("hop.listen", SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let failure = bind("hop.listen", taken.local_addr().unwrap()).await.unwrap_err();
        assert_eq!(failure.exit_code(), 4);
        assert!(failure.to_string().starts_with("hop.listen: cannot listen on 127.0.0.1:"), "{failure}");
    }
}
