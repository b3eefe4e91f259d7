//! A proxy that speaks TLS to its clients, and the authorities behind it: one for its own certificate, one for those of
//! its clients.

use std::path::PathBuf;

use rustix::process::Signal;

use super::eventually;
use super::pki::{Ca, Issued, Leaf};
use super::proxy::{Proxy, Setup};
use super::tls::{ANY, Client};

/// The two authorities.
pub(crate) struct Site {
    /// Issues the proxy's certificate; all clients trust it.
    pub(crate) servers: Ca,
    /// Issues clients' certificates.
    pub(crate) clients: Ca,
}

impl Site {
    /// New ones.
    pub(crate) fn new() -> Site {
        Site {
            servers: Ca::new("Servers"),
            clients: Ca::new("Clients"),
        }
    }

    /// A certificate for the proxy.
    pub(crate) fn server(&self) -> Issued {
        self.servers.issue(&Leaf::server())
    }

    /// Adds the proxy's certificate, in a file `server.pem`.
    pub(crate) fn sealed(&self, setup: Setup) -> Setup {
        let bundle = setup.file("server.pem", &self.server().bundle());
        setup.option("--tls-server-bundle-file", bundle)
    }

    /// Adds that and the clients' authority, in a file `clients.pem`.
    pub(crate) fn mutual(&self, setup: Setup) -> Setup {
        let ca = setup.file("clients.pem", &self.clients.pem());
        self.sealed(setup).option("--tls-client-ca-file", ca)
    }

    /// A proxy that asks nobody who he is.
    pub(crate) fn open(&self) -> Proxy {
        self.sealed(Setup::open()).start()
    }

    /// The same, with a list of what the clients' authority revoked, in a file `revoked.pem`.
    pub(crate) fn revoking(&self, setup: Setup, serials: &[u64]) -> Setup {
        let list = setup.file("revoked.pem", &self.clients.crl(serials, (2020, 2040)));
        self.mutual(setup).option("--tls-crl-file", list)
    }

    /// A client without a certificate.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.servers.pem(), ANY, None)
    }

    /// A client that gives this one.
    pub(crate) fn client_with(&self, identity: &Issued) -> Client {
        let identity = (identity.chain.as_str(), identity.key.as_str());
        Client::new(&self.servers.pem(), ANY, Some(identity))
    }
}

/// Writes a file of a running proxy again.
pub(crate) fn rewrite(path: &str, content: &str) {
    let fresh = PathBuf::from(format!("{path}.new"));
    std::fs::write(&fresh, content).expect("a file");
    std::fs::rename(fresh, path).expect("renamed");
}

/// Lets a proxy read its files again, and gives the lines that it says then.
#[track_caller]
pub(crate) fn reload(proxy: &Proxy) -> Vec<String> {
    settle(proxy);
    let before = proxy.log().len();
    proxy.signal(Signal::HUP);
    let said = || {
        let lines = proxy.log().split_off(before);
        let is_over = |line: &String| {
            line.contains("revocation lists were read again") || line.contains("Nothing was reloaded")
        };
        lines.iter().any(is_over).then_some(lines)
    };
    let _ = eventually("the reload's line", said);
    // Its warnings come behind it.
    settle(proxy);
    proxy.log().split_off(before)
}

/// Waits until the lines about all that happened so far are there.
#[track_caller]
pub(crate) fn settle(proxy: &Proxy) {
    let count = || proxy.log().iter().filter(|line| line.contains("SIGUSR1")).count();
    let before = count();
    proxy.signal(Signal::USR1);
    eventually("the marker's line", || (count() > before).then_some(()));
}

/// The lines about handshakes that failed, so far.
pub(crate) fn failures(proxy: &Proxy) -> Vec<String> {
    let mut lines = proxy.log();
    lines.retain(|line| line.contains("TLS handshake failed"));
    lines
}

/// Waits for so many lines about handshakes that failed, and for no more of them.
#[track_caller]
pub(crate) fn await_failures(proxy: &Proxy, count: usize) -> Vec<String> {
    eventually("lines about handshakes that failed", || {
        (failures(proxy).len() >= count).then_some(())
    });
    settle(proxy);
    let lines = failures(proxy);
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}
