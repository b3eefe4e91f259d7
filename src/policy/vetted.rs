//! Which of a target's addresses may be dialled: [`Policy::vet`], and [`Vetted`], the proof that one may; and whom of an
//! upstream's, which is vetted as well or, being the operator's own, trusted ([`Policy::trust`]).
//! What an address is, is classified in `ranges`; what a role's private exceptions lift of that, is in `excepted`.
//!
//! The proof's field is private to this file, and it has no modules below it: so nothing but what stands here can
//! make one.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;

use ipnet::IpNet;
use smallvec::SmallVec;

use crate::net::{Host, Target, Writer};

use super::ranges::Verdict;
use super::{Allowed, Code, Decision, Denied, Grounds, Policy, Upstream};

/// Proof that a [`Policy`] classified this address and that it may be dialled. Only [`Policy::vet`] and its
/// likes make one.
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

    /// Adds an address that was found good, once.
    fn add(&mut self, address: SocketAddr) {
        if self.iter().all(|other| other.0 != address) {
            self.push(Vetted(address));
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

/// Why no address of an upstream of the operator's is dialled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Untrusted {
    /// This one is our own listener: what went there would come back.
    OwnListener(SocketAddr),
    /// It has none of the families that are dialled.
    NoAddress,
}

/// Whose addresses are classified.
#[derive(Clone, Copy)]
struct Subject<'a> {
    host: &'a Host,
    port: u16,
    /// Do the request's private exceptions hold for it? They do for its target alone.
    has_exceptions: bool,
}

/// An address that is denied, and why.
type DeniedAddress = (SocketAddr, Verdict, Code);

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
        self.some_of(Subject::target(allowed), allowed, found, is_local)
    }

    /// The same for an upstream that the client of an allowed request names.
    ///
    /// # Errors
    /// As [`Policy::vet`].
    pub fn vet_upstream(
        &self,
        allowed: &Allowed,
        upstream: &Upstream,
        found: &[IpAddr],
        is_local: &dyn Fn(IpAddr) -> bool,
    ) -> Result<Passed, Denied> {
        self.some_of(Subject::upstream(upstream), allowed, found, is_local)
    }

    /// Classifies the addresses of an allowed target that an upstream will dial. Which one is its choice: so none of them
    /// may be denied. Returns the range of the private exception that lets one of them pass, if one has to.
    ///
    /// # Errors
    /// As [`Policy::vet`], but that one which is denied is enough.
    pub fn vet_passed_on(
        &self,
        allowed: &Allowed,
        found: &[IpAddr],
        is_local: &dyn Fn(IpAddr) -> bool,
    ) -> Result<Option<IpNet>, Denied> {
        let subject = Subject::target(allowed);
        let (mut passes, mut exception) = (false, None);
        let mut denied = None;
        for address in self.dialled(subject, found) {
            match self.judged(subject, allowed, address, is_local) {
                Ok((at, _)) => {
                    passes = true;
                    exception = exception.or_else(|| self.private_exception(allowed, at));
                }
                Err(address) => denied = first_of(denied, address),
            }
        }
        match passes && denied.is_none() {
            true => Ok(exception),
            false => Err(self.denial(subject, allowed, denied, found)),
        }
    }

    /// The addresses of an upstream of the operator's own: trusted, whatever their class is; but none of our listeners'.
    /// `found` is as for [`Policy::vet`].
    ///
    /// # Errors
    /// None is left.
    pub fn trust(
        &self,
        upstream: &Upstream,
        found: &[IpAddr],
        is_local: &dyn Fn(IpAddr) -> bool,
    ) -> Result<VettedList, Untrusted> {
        debug_assert_eq!(
            upstream.named_by(),
            Writer::Operator,
            "trust in a client's choice"
        );
        let mut trusted = VettedList::default();
        let mut own = None;
        for address in self.dialled(Subject::upstream(upstream), found) {
            let (at, verdict) = self.fixed.ranges.judge(address, is_local);
            match verdict {
                Verdict::DenySelf => own = own.or(Some(at)),
                _ => trusted.add(at),
            }
        }
        match (trusted.is_empty(), own) {
            (false, _) => Ok(trusted),
            (true, Some(own)) => Err(Untrusted::OwnListener(own)),
            (true, None) => Err(Untrusted::NoAddress),
        }
    }

    /// Those of a subject's addresses that are of the families that are dialled.
    fn dialled<'a>(&self, subject: Subject<'a>, found: &'a [IpAddr]) -> impl Iterator<Item = SocketAddr> {
        let network = self.fixed.network;
        let candidates = candidates(subject.host, found).iter();
        let admitted = candidates.filter(move |&&address| network.admits(address));
        admitted.map(move |&address| SocketAddr::new(address, subject.port))
    }

    /// The address as it is dialled, or why it is not.
    fn judged(
        &self,
        subject: Subject<'_>,
        allowed: &Allowed,
        address: SocketAddr,
        is_local: &dyn Fn(IpAddr) -> bool,
    ) -> Result<(SocketAddr, Verdict), DeniedAddress> {
        let (at, verdict) = self.fixed.ranges.judge(address, is_local);
        let lifted = || subject.has_exceptions && self.lifting(allowed, at, verdict).is_some();
        match verdict.denial().filter(|_| !lifted()) {
            None => Ok((at, verdict)),
            Some(code) => Err((at, verdict, code)),
        }
    }

    fn some_of(
        &self,
        subject: Subject<'_>,
        allowed: &Allowed,
        found: &[IpAddr],
        is_local: &dyn Fn(IpAddr) -> bool,
    ) -> Result<Passed, Denied> {
        let mut vetted = VettedList::default();
        let mut by_rule = false;
        let mut denied = None;
        for address in self.dialled(subject, found) {
            match self.judged(subject, allowed, address, is_local) {
                Err(address) => denied = first_of(denied, address),
                Ok((at, verdict)) => {
                    by_rule |= vetted.is_empty() && verdict == Verdict::AllowUser;
                    vetted.add(at);
                }
            }
            if vetted.room() == 0 {
                break;
            }
        }
        match vetted.is_empty() {
            false => Ok(Passed {
                addresses: vetted,
                by_rule,
            }),
            true => Err(self.denial(subject, allowed, denied, found)),
        }
    }

    fn denial(
        &self,
        subject: Subject<'_>,
        allowed: &Allowed,
        denied: Option<DeniedAddress>,
        found: &[IpAddr],
    ) -> Denied {
        let (code, reason, grounds) = match denied {
            Some((at, verdict, code)) => (
                code,
                denied_by_rule(at.ip(), verdict.label()),
                match subject.has_exceptions {
                    true => self.address_grounds(allowed, at, verdict),
                    false => self.fixed.ranges.grounds(at, verdict),
                },
            ),
            None if candidates(subject.host, found).is_empty() => (
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

impl<'a> Subject<'a> {
    fn target(allowed: &'a Allowed) -> Subject<'a> {
        let Target { host, port, .. } = allowed.target();
        Subject {
            host,
            port: *port,
            has_exceptions: true,
        }
    }

    fn upstream(upstream: &'a Upstream) -> Subject<'a> {
        Subject {
            host: upstream.host(),
            port: upstream.port(),
            has_exceptions: false,
        }
    }
}

/// Of two addresses that are denied, the one that is named: the first, but an IPv4 address tells people more.
fn first_of(first: Option<DeniedAddress>, next: DeniedAddress) -> Option<DeniedAddress> {
    let is_better = first.is_none_or(|(first, ..)| next.0.is_ipv4() && !first.is_ipv4());
    if is_better { Some(next) } else { first }
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
