//! Resolver and dialer: their answers come late, twice, or not at all, and some are failures.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use smokescreen::io::wire::Ready;
use smokescreen::net::{IoFail, IoFailKind, LookupFail, LookupFailKind};
use smokescreen::server::pool::Taken;
use smokescreen::session::lease::Lease;
use smokescreen::session::{DialFail, Dialled, Input};

use super::{World, link_of, wire_id};
use crate::origin::Origin;
use crate::plan::{Fate, SITES};

/// An answer on its way.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) due: Instant,
    pub(super) conn: usize,
    pub(super) seq: u32,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Partly(Vec<IpAddr>),
    Resolved(Result<Vec<IpAddr>, LookupFail>),
    Dialled(Result<SocketAddr, DialFail>),
}

impl World {
    pub(super) fn resolve(&mut self, nth: usize, seq: u32, name: &str) {
        self.conns[nth].looking_up = Some(seq);
        let normal = |site: &str| site.trim_end_matches('.').to_ascii_lowercase();
        let Some(site) = SITES.iter().find(|site| normal(site.written) == name) else {
            return self.complain(format!("{name} is looked up"));
        };
        let fail = |kind, text: &str| LookupFail {
            kind,
            text: text.into(),
        };
        let answer: Result<Vec<IpAddr>, LookupFail> = match site.fate {
            Fate::LookupSilent => return,
            Fate::NotFound => Err(fail(LookupFailKind::Failed, "no such host")),
            Fate::Denied | Fate::Malformed => return self.complain(format!("{name} is looked up")),
            _ if !self.setting.taste.calm && self.random.one_in(20) => {
                let kinds = [
                    LookupFailKind::Failed,
                    LookupFailKind::TimedOut,
                    LookupFailKind::Overloaded,
                ];
                Err(fail(self.random.pick(&kinds), "bad luck"))
            }
            _ => Ok(site.addresses.iter().flat_map(|a| a.parse()).collect()),
        };
        if let Ok([first, _, ..]) = answer.as_deref()
            && self.random.one_in(2)
        {
            let part = vec![*first];
            if self.random.one_in(3) {
                self.tell(nth, Input::Partly(seq, &part));
            } else {
                self.answer(nth, seq, What::Partly(part));
            }
        } else if self.random.one_in(4) {
            // From the cache.
            self.conns[nth].looking_up = None;
            return match &answer {
                Ok(found) => self.tell(nth, Input::Resolved(seq, Ok(found))),
                Err(fail) => self.tell(nth, Input::Resolved(seq, Err(fail.clone()))),
            };
        }
        self.answer(nth, seq, What::Resolved(answer));
    }

    pub(super) fn dial(&mut self, nth: usize, seq: u32, addresses: Vec<SocketAddr>) {
        self.conns[nth].dialling = Some(seq);
        let address = self.random.pick(&addresses);
        let site = SITES.iter().find(|site| {
            let canonical = |a: &&str| a.parse::<IpAddr>().map(|ip| ip.to_canonical());
            site.addresses
                .iter()
                .flat_map(canonical)
                .any(|ip| ip == address.ip())
        });
        let bad_luck = !self.setting.taste.calm && self.random.one_in(20);
        let answer = match site.map(|site| site.fate) {
            None => return self.complain(format!("{address} is dialled")),
            Some(Fate::DialSilent) => return,
            Some(Fate::Refused) => Err(refused(address)),
            _ if bad_luck => {
                let kinds = [IoFailKind::TimedOut, IoFailKind::Exhausted, IoFailKind::Other];
                Err(DialFail {
                    address,
                    fail: IoFail {
                        kind: self.random.pick(&kinds),
                        text: "bad luck".into(),
                    },
                })
            }
            _ => Ok(address),
        };
        self.answer(nth, seq, What::Dialled(answer));
    }

    pub(super) fn answer(&mut self, conn: usize, seq: u32, what: What) {
        let calm = self.setting.taste.calm;
        let delay = match self.random.below(10) {
            0 if !calm => 20_000,
            1..=2 => 100,
            _ => 0,
        };
        let due = self.now + Duration::from_millis(delay);
        let pending = Pending { due, conn, seq, what };
        if !calm && self.random.one_in(10) {
            self.answers.push(pending.clone());
        }
        self.answers.push(pending);
    }

    /// An answer arrives, perhaps late, perhaps twice.
    pub(super) fn deliver(&mut self, pending: Pending) {
        let Pending {
            conn: nth, seq, what, ..
        } = pending;
        let conn = &mut self.conns[nth];
        if conn.over {
            return;
        }
        conn.queued = true;
        match what {
            What::Partly(found) => self.feed(nth, Input::Partly(seq, &found)),
            What::Resolved(answer) => {
                if conn.looking_up == Some(seq) {
                    conn.looking_up = None;
                }
                match answer {
                    Ok(found) => self.feed(nth, Input::Resolved(seq, Ok(&found))),
                    Err(fail) => self.feed(nth, Input::Resolved(seq, Err(fail))),
                }
            }
            What::Dialled(answer) => {
                let current = conn.dialling == Some(seq);
                if current {
                    conn.dialling = None;
                }
                match answer {
                    Ok(remote) => {
                        if current {
                            self.connected(nth, remote);
                        }
                        self.feed(nth, Input::Dialled(seq, Ok(dialled(remote, false))));
                        if current {
                            self.note_tunnel(nth);
                        }
                    }
                    Err(fail) => self.feed(nth, Input::Dialled(seq, Err(fail))),
                }
            }
        }
    }

    pub(super) fn connected(&mut self, nth: usize, remote: SocketAddr) {
        let manner = self.setting.origin_manner.unwrap_or_else(|| self.manner());
        let ready = Ready {
            writable: true,
            ..Ready::default()
        };
        let link = self.open(manner, Some(nth), ready);
        self.origins.push(Origin::new(link, remote));
        let taken = Taken {
            wire: wire_id(link),
            remote,
            local: None,
            private_to: None,
            lease: Lease::new(self.now, None),
        };
        self.adopt(nth, taken);
    }

    /// A CONNECT's origin learns what it is.
    pub(super) fn note_tunnel(&mut self, nth: usize) {
        let conn = &mut self.conns[nth];
        let Some(taken) = conn.origin.as_ref().filter(|_| conn.session.is_tunnel()) else {
            return;
        };
        let link = link_of(taken);
        let origin = self.origins.iter().position(|origin| origin.link == link);
        let Some(origin) = origin.filter(|_| conn.tunnel_origin.is_none()) else {
            return;
        };
        conn.tunnel_origin = Some(origin);
        if let Some(exchange) = self.clients[nth].exchanges.last() {
            self.origins[origin].become_tunnel(exchange.ask.number, exchange);
        }
    }
}

pub(super) fn dialled(remote: SocketAddr, reused: bool) -> Dialled {
    Dialled {
        remote,
        local: None,
        reused,
        private: false,
    }
}

pub(super) fn refused(address: SocketAddr) -> DialFail {
    DialFail {
        address,
        fail: IoFail {
            kind: IoFailKind::Refused,
            text: "connection refused".into(),
        },
    }
}
