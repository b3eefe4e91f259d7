//! How the pursuit of one record type ends, and what two such endings come to together: which addresses, in
//! which order, for how long. Pure: asks and waits for nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::reply::Kind;
use super::{Found, Outcome};

/// How long an answer may be kept that lacks a family because it couldn't be had.
const PARTIAL_TTL: Duration = Duration::from_secs(1);

/// How a leg ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// With addresses, and for how many seconds they may be kept.
    Found(Vec<IpAddr>, u32),
    /// The name has none of this type.
    Absent,
    /// Nobody could say.
    Failed(Failure),
}

/// Why nobody could say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Failure {
    /// Whoever was asked last said nothing.
    pub(super) timed_out: bool,
    /// Who was asked last.
    pub(super) server: Option<SocketAddr>,
    /// What went wrong, e.g. `server misbehaving`.
    pub(super) words: String,
}

impl Failure {
    /// The failure as the front reports it.
    pub(super) fn into_outcome(self) -> Outcome {
        let text = match self.server {
            Some(server) => format!(" on {server}: {}", self.words),
            None => format!(": {}", self.words),
        };
        if self.timed_out {
            Outcome::TimedOut(text)
        } else {
            Outcome::Failed(text)
        }
    }
}

/// What the record types of one name come to together.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Combined {
    /// Addresses.
    Found(Found),
    /// The name has none.
    Absent,
    /// Nobody could say.
    Failed(Failure),
}

/// Addresses of either type are an answer, whatever became of the other. Only when both say so is there none.
pub(super) fn combine(endings: Vec<(Kind, Ending)>, unfinished: bool) -> Combined {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    let mut ttl = Duration::MAX;
    let mut failed: Option<Failure> = None;
    for (kind, ending) in endings {
        match ending {
            Ending::Found(addresses, seconds) => {
                ttl = ttl.min(Duration::from_secs(seconds.into()));
                if kind == Kind::A {
                    v4 = addresses
                } else {
                    v6 = addresses
                }
            }
            Ending::Absent => {}
            // A failure says more than a silence, unless there was only silence.
            Ending::Failed(failure) if failed.as_ref().is_none_or(|earlier| earlier.timed_out) => {
                failed = Some(failure);
            }
            Ending::Failed(_) => {}
        }
    }
    let addresses = interleave(v6, v4);
    match failed {
        None if addresses.is_empty() => Combined::Absent,
        Some(failure) if addresses.is_empty() => Combined::Failed(failure),
        failed => {
            let ttl = if unfinished || failed.is_some() {
                ttl.min(PARTIAL_TTL)
            } else {
                ttl
            };
            Combined::Found(Found {
                addresses,
                ttl: Some(ttl),
            })
        }
    }
}

/// The families in turn, beginning with IPv6 (RFC 8305, 4), each in the order of its answer.
fn interleave(v6: Vec<IpAddr>, v4: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut all = Vec::with_capacity(v6.len() + v4.len());
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    loop {
        let before = all.len();
        all.extend(v6.next());
        all.extend(v4.next());
        if all.len() == before {
            return all;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(all: &[&str]) -> Vec<IpAddr> {
        all.iter().map(|address| address.parse().unwrap()).collect()
    }

    fn failure(timed_out: bool) -> Failure {
        Failure {
            timed_out,
            server: None,
            words: "why".into(),
        }
    }

    fn found(all: &[&str], seconds: u64) -> Combined {
        Combined::Found(Found {
            addresses: addresses(all),
            ttl: Some(Duration::from_secs(seconds)),
        })
    }

    #[test]
    fn families_take_turns_beginning_with_ipv6() {
        let endings = vec![
            (
                Kind::A,
                Ending::Found(addresses(&["192.0.2.2", "192.0.2.1", "192.0.2.3"]), 9),
            ),
            (Kind::Aaaa, Ending::Found(addresses(&["2001:db8::1"]), 7)),
        ];
        let all = ["2001:db8::1", "192.0.2.2", "192.0.2.1", "192.0.2.3"];
        assert_eq!(combine(endings, false), found(&all, 7));
    }

    #[test]
    fn one_family_is_enough_and_kept_shortly_when_the_other_could_not_be_had() {
        let a = (Kind::A, Ending::Found(addresses(&["192.0.2.1"]), 9));
        assert_eq!(
            combine(vec![a.clone(), (Kind::Aaaa, Ending::Absent)], false),
            found(&["192.0.2.1"], 9)
        );
        assert_eq!(combine(vec![a.clone()], false), found(&["192.0.2.1"], 9));
        assert_eq!(combine(vec![a.clone()], true), found(&["192.0.2.1"], 1));
        let failed = (Kind::Aaaa, Ending::Failed(failure(false)));
        assert_eq!(combine(vec![failed, a], false), found(&["192.0.2.1"], 1));
    }

    #[test]
    fn a_name_is_absent_only_when_every_family_says_so() {
        let absent = |kind| (kind, Ending::Absent);
        assert_eq!(
            combine(vec![absent(Kind::A), absent(Kind::Aaaa)], false),
            Combined::Absent
        );
        let failed = (Kind::A, Ending::Failed(failure(false)));
        let silent = (Kind::Aaaa, Ending::Failed(failure(true)));
        assert_eq!(
            combine(vec![failed.clone(), absent(Kind::Aaaa)], false),
            Combined::Failed(failure(false))
        );
        assert_eq!(
            combine(vec![silent.clone(), failed.clone()], false),
            Combined::Failed(failure(false))
        );
        assert_eq!(
            combine(vec![failed, silent.clone()], false),
            Combined::Failed(failure(false))
        );
        assert_eq!(combine(vec![silent], false), Combined::Failed(failure(true)));
    }
}
