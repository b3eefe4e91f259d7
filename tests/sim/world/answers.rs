//! Resolver and dialer: their answers come at once, late, twice, or not at all, and some are failures.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use smokescreen::clock::Instant;
use smokescreen::io::dialer::Standing;
use smokescreen::io::resolver::{Answer, Asked, News};
use smokescreen::io::token::Ticket;
use smokescreen::io::wires::Owner;
use smokescreen::net::{Host, IoFail, IoFailKind, LookupFail, LookupFailKind};
use smokescreen::policy::{Question, Verified};
use smokescreen::session::{DialFail, Dialled};
use smokescreen::tls::{Minted, Unmade};

use crate::origin::Origin;
use crate::plan::{Fate, SITES, Site, UPSTREAM};
use crate::wires::{Role, leaf};

use super::World;
use super::links::wire_id;

/// An answer on its way.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) due: Instant,
    pub(crate) ticket: Ticket,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Verified(Option<Verified>),
    Found(News),
    Dialled(Result<SocketAddr, DialFail>),
    Minted(Minted),
}

impl World {
    /// Whether credentials are right.
    pub(super) fn find_out(&mut self, ticket: Ticket, question: Question) {
        let calm = self.setting.taste.calm;
        let verified = match !calm && self.random.one_in(20) {
            true if self.random.one_in(2) => return,
            true => None,
            false => question.answer(),
        };
        self.answer(ticket, What::Verified(verified));
    }

    /// A certificate for a host whose tunnel is intercepted: it may be there, and there may be none.
    pub(super) fn make_leaf(&mut self, ticket: Ticket, host: &Host) -> Option<Minted> {
        if !self.setting.intercepts {
            self.complain(format!("a certificate for {host}"));
        }
        let calm = self.setting.taste.calm;
        let minted = match self.random.below(20) {
            0 if !calm => return None,
            1 if !calm => Err(Unmade::Busy("bad luck".into())),
            2 if !calm => Err(Unmade::Impossible("bad luck".into())),
            _ => leaf(host),
        };
        if self.random.one_in(3) {
            return Some(minted);
        }
        self.answer(ticket, What::Minted(minted));
        None
    }

    /// What the resolver says at once.
    pub(super) fn ask(&mut self, ticket: Ticket, name: &str) -> Asked {
        let normal = |site: &str| site.trim_end_matches('.').to_ascii_lowercase();
        let site = SITES.iter().find(|site| normal(site.written) == name);
        let Some(site) = site.filter(|site| !matches!(site.fate, Fate::Denied | Fate::Malformed)) else {
            self.complain(format!("{name} is looked up"));
            return Asked::Pending;
        };
        let bad_luck = !self.setting.taste.calm && self.random.one_in(20);
        let answer = match site.fate {
            Fate::LookupSilent => return Asked::Pending,
            Fate::NotFound => Err(lookup_fail(LookupFailKind::Failed, "no such host")),
            _ if bad_luck => {
                let kinds = [
                    LookupFailKind::Failed,
                    LookupFailKind::TimedOut,
                    LookupFailKind::Overloaded,
                ];
                match self.random.pick(&kinds) {
                    LookupFailKind::Overloaded => return Asked::Full,
                    kind => Err(lookup_fail(kind, "bad luck")),
                }
            }
            _ => Ok(site.addresses.iter().flat_map(|a| a.parse()).collect()),
        };
        self.spread(ticket, answer)
    }

    /// Gives a part of an answer before the rest, all of it at once, or later.
    fn spread(&mut self, ticket: Ticket, answer: Answer) -> Asked {
        let mut asked = Asked::Pending;
        if let Ok([first, _, ..]) = answer.as_deref()
            && self.random.one_in(2)
        {
            let part: Arc<[IpAddr]> = Arc::new([*first]);
            if self.random.one_in(3) {
                asked = Asked::Partly(part);
            } else {
                self.answer(ticket, What::Found(News::Part(part)));
            }
        } else if self.random.one_in(4) {
            // From the cache.
            return Asked::Answered(answer);
        }
        self.answer(ticket, What::Found(News::Whole(answer)));
        asked
    }

    /// How a dial to one of these stands at once.
    pub(super) fn start_dial(&mut self, ticket: Ticket, addresses: &[SocketAddr]) -> Standing {
        let address = self.random.pick(addresses);
        let bad_luck = !self.setting.taste.calm && self.random.one_in(20);
        let is_upstream = self.is_upstream(address);
        let fate = site_at(address).map(|site| site.fate);
        let answer = match fate.or(is_upstream.then_some(Fate::Open)) {
            None => {
                self.complain(format!("{address} is dialled"));
                return Standing::Running;
            }
            Some(Fate::DialSilent) => return Standing::Running,
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
        match answer {
            // The kernel knows no way there.
            Err(DialFail { address, fail }) if self.random.one_in(4) => Standing::Lost(address, fail),
            answer => {
                self.answer(ticket, What::Dialled(answer));
                Standing::Running
            }
        }
    }

    /// Is it the upstream that tunnels go through?
    pub(super) fn is_upstream(&self, address: SocketAddr) -> bool {
        self.setting.chains && UPSTREAM.parse() == Ok(address)
    }

    fn answer(&mut self, ticket: Ticket, what: What) {
        let calm = self.setting.taste.calm;
        let delay = match self.random.below(10) {
            0 if !calm => 20_000,
            1..=2 => 100,
            _ => 0,
        };
        let due = self.view.now + Duration::from_millis(delay);
        let pending = Pending { due, ticket, what };
        if !calm && self.random.one_in(10) {
            self.answers.push(pending.clone());
        }
        self.answers.push(pending);
    }

    /// A dial ended. Its connection learns of it in its next turn, and of what it no longer waits for never: that is
    /// given back, to be told all the same.
    pub(crate) fn end_dial(
        &mut self,
        ticket: Ticket,
        answer: Result<SocketAddr, DialFail>,
    ) -> Option<Result<Dialled, DialFail>> {
        let nth = ticket.conn.index as usize;
        match &self.conns[nth].dial {
            Some((seq, Standing::Running)) if *seq == ticket.seq => {}
            // The same answer again, before anybody looked at the first.
            Some((seq, _)) if *seq == ticket.seq => return None,
            _ => return Some(answer.map(|remote| dialled(remote, false))),
        }
        let standing = match answer {
            Ok(remote) => {
                let manner = self.setting.origin_manner.unwrap_or_else(|| self.manner());
                let seals = self.setting.origin_seals;
                let link = self.open(manner, seals, Role::Client, Owner::Race(ticket.conn));
                let origin = match self.is_upstream(remote) {
                    true => Origin::upstream(link, remote, self.clients[nth].last_number()),
                    false => Origin::new(link, remote),
                };
                self.origins.push(origin);
                Standing::Won {
                    wire: wire_id(link),
                    remote,
                    local: None,
                }
            }
            Err(DialFail { address, fail }) => Standing::Lost(address, fail),
        };
        self.conns[nth].dial = Some((ticket.seq, standing));
        None
    }
}

/// The site that has this address.
fn site_at(address: SocketAddr) -> Option<&'static Site> {
    let canonical = |a: &&str| a.parse::<IpAddr>().map(|ip| ip.to_canonical());
    SITES.iter().find(|site| {
        site.addresses
            .iter()
            .flat_map(canonical)
            .any(|ip| ip == address.ip())
    })
}

fn lookup_fail(kind: LookupFailKind, text: &str) -> LookupFail {
    LookupFail {
        kind,
        text: text.into(),
    }
}

pub(crate) fn dialled(remote: SocketAddr, reused: bool) -> Dialled {
    Dialled {
        remote,
        local: None,
        reused,
        answered: reused,
        private: false,
    }
}

pub(crate) fn refused(address: SocketAddr) -> DialFail {
    DialFail {
        address,
        fail: IoFail {
            kind: IoFailKind::Refused,
            text: "connection refused".into(),
        },
    }
}
