//! Which of a target's addresses may be dialled: [`Policy::vet`], and [`Vetted`], the proof that one may.
//! What an address is, is classified in `ranges`; what a role's private exceptions lift of that, is in `excepted`.
//!
//! The proof's field is private to this file, and it has no modules below it: so nothing but what stands here can
//! make one.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;

use smallvec::SmallVec;

use crate::net::Host;

use super::ranges::Verdict;
use super::{Allowed, Code, Decision, Denied, Fixed, Grounds, Policy};

/// Proof that a [`Policy`] classified this address and that it may be dialled. Only [`Policy::vet`] makes one.
///
/// ```compile_fail
/// let forged = smokescreen::policy::Vetted(([169, 254, 169, 254], 80).into());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Vetted(SocketAddr);

impl Vetted {
    /// The address to dial, as it was classified: an IPv4-mapped one is an IPv4 address here.
    pub fn address(&self) -> SocketAddr {
        self.0
    }
}

/// At most this many addresses of one name are dialled.
pub const VETTED_MAX: usize = 8;

/// So many are held without memory of their own: most names have no more, and the list goes from hand to hand.
const INLINE_MAX: usize = 2;

/// Addresses that may be dialled, in the order they are to be tried: [`VETTED_MAX`] at most.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct VettedList(SmallVec<[Vetted; INLINE_MAX]>);

impl VettedList {
    /// Adds one; where there is no room for it, it is left out.
    pub fn push(&mut self, address: Vetted) {
        if self.room() > 0 {
            self.0.push(address);
        }
    }

    /// How many more it takes.
    pub fn room(&self) -> usize {
        VETTED_MAX.saturating_sub(self.len())
    }

    /// Leaves out what is not to be kept.
    pub fn retain(&mut self, mut is_kept: impl FnMut(&Vetted) -> bool) {
        self.0.retain(|address| is_kept(address));
    }

    /// Leaves out all but the first so many.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }
}

impl Deref for VettedList {
    type Target = [Vetted];

    fn deref(&self) -> &[Vetted] {
        &self.0
    }
}

impl FromIterator<Vetted> for VettedList {
    /// The first of them, as many as there is room for.
    fn from_iter<I: IntoIterator<Item = Vetted>>(addresses: I) -> VettedList {
        VettedList(addresses.into_iter().take(VETTED_MAX).collect())
    }
}

/// What came of vetting: one address at least may be dialled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Passed {
    /// All that may.
    pub addresses: VettedList,
    /// It is a rule of the operator's that lets the first of them through, rather than its class.
    pub by_rule: bool,
}

impl Policy {
    /// Classifies the addresses of an allowed target: `found` for a name; a literal is its own address and nothing
    /// else, whatever was found. Returns those that may be dialled, on the target's port, in the order found, each
    /// once, one to [`VETTED_MAX`] of them. `is_local` says whether an address is this machine's; it is asked only
    /// when the port is one of ours.
    ///
    /// # Errors
    /// [`Denied`] with the project of the decision: when all are denied the first IPv4 address is named, or else the
    /// first of all.
    pub fn vet(
        &self,
        allowed: &Allowed,
        found: &[IpAddr],
        is_local: &dyn Fn(IpAddr) -> bool,
    ) -> Result<Passed, Denied> {
        let Fixed { ranges, network, .. } = &*self.fixed;
        let candidates = candidates(&allowed.target().host, found);
        let mut vetted = VettedList::default();
        let mut by_rule = false;
        let mut denied: Option<(SocketAddr, Verdict, Code)> = None;
        for &address in candidates.iter().filter(|&&address| network.admits(address)) {
            let (at, verdict) = ranges.judge(SocketAddr::new(address, allowed.target().port), is_local);
            let lifted = || self.lifting(allowed, at, verdict).is_some();
            if let Some(code) = verdict.denial().filter(|_| !lifted()) {
                // An IPv4 address tells people more.
                if denied.is_none_or(|(first, ..)| at.is_ipv4() && !first.is_ipv4()) {
                    denied = Some((at, verdict, code));
                }
            } else if vetted.iter().all(|other| other.0 != at) {
                by_rule |= vetted.is_empty() && verdict == Verdict::AllowUser;
                vetted.push(Vetted(at));
            }
            if vetted.room() == 0 {
                break;
            }
        }
        if !vetted.is_empty() {
            return Ok(Passed {
                addresses: vetted,
                by_rule,
            });
        }
        Err(self.none_passed(allowed, denied, candidates.is_empty()))
    }

    /// Why none of the addresses may be dialled: the one that is named, if there is one, or that none was found.
    fn none_passed(
        &self,
        allowed: &Allowed,
        denied: Option<(SocketAddr, Verdict, Code)>,
        is_empty: bool,
    ) -> Denied {
        let (code, reason, grounds) = match denied {
            Some((at, verdict, code)) => (
                code,
                denied_by_rule(at.ip(), verdict.label()),
                self.address_grounds(allowed, at, verdict),
            ),
            None if is_empty => (
                Code::NoUsableAddress,
                "no address was found for the destination".into(),
                Grounds::default(),
            ),
            None => (
                Code::NoUsableAddress,
                format!(
                    "no address of the configured network ({})",
                    self.fixed.network.as_str()
                )
                .into(),
                Grounds {
                    hint: "--network ip".into(),
                    ..Grounds::default()
                },
            ),
        };
        Denied {
            decision: Decision {
                reason,
                enforce_would_deny: true,
                ..allowed.decision().clone()
            },
            code,
            grounds: Box::new(grounds),
        }
    }
}

/// The addresses that a host may stand for.
pub(super) fn candidates<'a>(host: &'a Host, found: &'a [IpAddr]) -> &'a [IpAddr] {
    match host {
        Host::Addr(address) => std::slice::from_ref(address),
        Host::Name(_) => found,
    }
}

/// In the reference's words.
fn denied_by_rule(address: IpAddr, label: &str) -> Cow<'static, str> {
    Cow::Owned(format!(
        "The destination address ({address}) was denied by rule '{label}'. destination address was denied by \
         rule, see error"
    ))
}
