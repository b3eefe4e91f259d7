//! What this machine itself says of names, without asking anybody: the hosts file, where nsswitch.conf(5) names it.
//! And which names may not be asked for, because who is asked would make another name of it.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use crate::clock::Instant;

use super::Network;
use super::hosts::Hosts;
use super::watched::Watched;

/// The machine's files.
pub(super) struct Local {
    network: Network,
    hosts: Watched<Hosts>,
    no_hosts: Hosts,
    switch: Watched<Switch>,
}

/// What nsswitch.conf(5) says of hosts, as far as we go by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Switch {
    /// The hosts file is asked,
    files: bool,
    /// but only for what DNS does not know.
    files_last: bool,
    /// systemd-resolved is asked by its own protocol. It completes single labels by its search domains, with a dot
    /// behind them too, and can't be told not to.
    resolve: bool,
}

impl Local {
    /// `hosts` is where hosts(5) is, `switch` nsswitch.conf(5). Nothing is read yet.
    pub(super) fn new(network: Network, hosts: &Path, switch: &Path) -> Local {
        Local {
            network,
            hosts: Watched::new(hosts, Hosts::parse),
            no_hosts: Hosts::parse(""),
            switch: Watched::new(switch, Switch::parse),
        }
    }

    /// The addresses of a name that the hosts file knows, and loopback for `localhost` and the names below it; `None`
    /// for any other. Where the hosts file comes behind DNS, the system's resolver, which goes by that order itself, is
    /// left to it; our own asks the file first all the same.
    pub(super) fn find(&mut self, name: &str, by_system: bool, now: Instant) -> Option<Arc<[IpAddr]>> {
        let Switch {
            files, files_last, ..
        } = *self.switch.get(now);
        let hosts = match files && !(files_last && by_system) {
            true => self.hosts.get(now),
            false => &self.no_hosts,
        };
        hosts.find(name, self.network)
    }

    /// Would the system complete this name by its search domains, however it is asked?
    pub(super) fn is_completed(&mut self, name: &str, now: Instant) -> bool {
        !name.contains('.') && self.switch.get(now).resolve
    }
}

impl Switch {
    /// Reads the last line for `hosts`; without one the hosts file and DNS are asked.
    fn parse(text: &str) -> Switch {
        let mut switch = Switch {
            files: true,
            files_last: false,
            resolve: false,
        };
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let Some((database, services)) = line.split_once(':') else {
                continue;
            };
            if database.trim() == "hosts" {
                let place = |name| {
                    services
                        .split_ascii_whitespace()
                        .position(|service| service == name)
                };
                let (files, dns) = (place("files"), place("dns"));
                switch = Switch {
                    files: files.is_some(),
                    files_last: dns.is_some() && files > dns,
                    resolve: place("resolve").is_some(),
                };
            }
        }
        switch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_says_whether_the_hosts_file_is_asked() {
        for (text, files, resolve) in [
            ("", true, false),
            ("passwd: files\n", true, false),
            ("hosts: files dns\n", true, false),
            ("hosts:dns\n", false, false),
            (" hosts :\tdns [!UNAVAIL=return] files # x\n", true, false),
            ("# hosts: dns\n", true, false),
            ("hosts: dns # files\n", false, false),
            ("hosts: files\nhosts: dns\n", false, false),
            (
                "hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns\n",
                true,
                true,
            ),
        ] {
            let files_last = files && text.contains("dns [!UNAVAIL=return] files");
            let expected = Switch {
                files,
                files_last,
                resolve,
            };
            assert_eq!(Switch::parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn localhost_is_loopback_whatever_the_switch_says() {
        let dir = tempfile::tempdir().unwrap();
        let (hosts, switch) = (dir.path().join("hosts"), dir.path().join("nsswitch.conf"));
        std::fs::write(&hosts, "192.0.2.1 a.test\n").unwrap();
        let now = Instant::now();
        let loopback: Vec<IpAddr> = vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        for (text, known, known_by_system) in [
            ("hosts: files dns\n", true, true),
            ("hosts: dns\n", false, false),
            ("hosts: dns files\n", true, false),
        ] {
            std::fs::write(&switch, text).unwrap();
            let mut local = Local::new(Network::Any, &hosts, &switch);
            for (by_system, known) in [(false, known), (true, known_by_system)] {
                let mut find = |name| local.find(name, by_system, now);
                assert_eq!(find("a.test").is_some(), known, "{text}");
                assert_eq!(find("localhost").as_deref(), Some(&loopback[..]));
                assert_eq!(find("a.localhost").as_deref(), Some(&loopback[..]));
            }
        }
    }

    #[test]
    fn single_labels_are_completed_where_resolved_is_asked_directly() {
        let dir = tempfile::tempdir().unwrap();
        let switch = dir.path().join("nsswitch.conf");
        std::fs::write(&switch, "hosts: files resolve dns\n").unwrap();
        let mut local = Local::new(Network::Any, Path::new("/nonexistent"), &switch);
        let now = Instant::now();
        assert!(local.is_completed("db", now) && !local.is_completed("db.test", now));
        std::fs::write(&switch, "hosts: files dns # none else\n").unwrap();
        assert!(!local.is_completed("db", now + std::time::Duration::from_secs(2)));
    }
}
