//! What requests leave behind for those that follow, so that on a kept-alive connection nothing is allocated:
//! the memory of their boxes, and the targets that were asked for lately. Holds nothing that decides: a target is
//! what its spelling says, whoever asks, and is judged anew each time.

use std::sync::Arc;
use std::time::SystemTime;

use foldhash::HashMap;

use crate::flow::GRANTED_BYTES;
use crate::net::{Scheme, Target, TargetError};
use crate::policy::{Route, VettedList};

use super::id::Id;
use super::outcome::Record;
use super::progress::Exchange;
use super::request::Request;

/// Boxes of a kind that are kept; more are in use at a time only while as many requests are.
const BOXES_MAX: usize = 256;

/// Buffers of heads that are kept, and how large they are at most.
const HEADS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 2 * GRANTED_BYTES;

/// Targets of a scheme, and of CONNECT, that are remembered, each with a few hundred bytes.
const TARGETS_MAX: usize = 512;

/// One set for all connections of a loop.
#[derive(Debug, Default)]
pub struct Spares {
    /// Of requests whose line was written.
    pub records: Boxes<Record>,
    pub(super) requests: Boxes<Request>,
    exchanges: Boxes<Exchange>,
    pub(super) targets: Targets,
    heads: Vec<Vec<u8>>,
}

impl Spares {
    /// Memory for a head.
    pub(super) fn head(&mut self) -> Vec<u8> {
        self.heads.pop().unwrap_or_default()
    }

    /// A head was written: a large one keeps no memory that it doesn't use, for the byte budget counts what it uses.
    pub(super) fn fit(&self, head: &mut Vec<u8>) {
        if head.capacity() > HEAD_BYTES_MAX {
            head.shrink_to_fit();
        }
    }

    /// Takes a head that nobody needs.
    pub(super) fn put_back_head(&mut self, head: &mut Vec<u8>) {
        let mut head = std::mem::take(head);
        let fits = (1..=HEAD_BYTES_MAX).contains(&head.capacity());
        if fits && self.heads.len() < HEADS_MAX {
            head.clear();
            self.heads.push(head);
        }
    }

    /// An exchange in a box.
    pub(super) fn exchange(&mut self, exchange: Exchange) -> Box<Exchange> {
        let Some(mut used) = self.exchanges.0.pop() else {
            return Box::new(exchange);
        };
        let before = std::mem::replace(&mut *used, exchange);
        self.requests.keep(before.request);
        used
    }

    /// Takes an exchange's box back, and later that of its request.
    pub(super) fn put_back_exchange(&mut self, mut exchange: Box<Exchange>) {
        self.put_back_head(&mut exchange.request.head);
        self.exchanges.put_back(exchange);
    }

    /// Takes a request's box back, and its head.
    pub(super) fn put_back(&mut self, mut request: Box<Request>) {
        self.put_back_head(&mut request.head);
        self.requests.put_back(request);
    }
}

/// What can be emptied while its box waits for the next value: nothing of it that others count, or that is secret, may
/// live on there.
pub trait Empty {
    /// Lets go of what it holds.
    fn empty(&mut self);

    /// Does it hold what it can't let go of? Then its box goes with it.
    fn is_to_go(&self) -> bool {
        false
    }
}

impl Empty for Record {
    fn empty(&mut self) {
        *self = Record::new(Id::default(), self.client, SystemTime::UNIX_EPOCH);
    }
}

impl Empty for Request {
    fn empty(&mut self) {
        // A field that is new must be looked at here. The first two name a target that is gone to straight and a role, and open nothing: the box is
        // overwritten as a whole before anybody gets it.
        let Request {
            allowed: _,
            role: _,
            way: _,
            asked,
            head,
            keeps_head: _,
            began: _,
            addresses,
            permits,
            lost,
            hello: _,
        } = self;
        asked.protocols = Box::default();
        asked.introduction = None;
        *head = Vec::new();
        *addresses = VettedList::default();
        *permits = Default::default();
        *lost = None;
    }

    /// An upstream's credentials, or fields that are added, are in what was allowed, and that can't be made to say anything else.
    fn is_to_go(&self) -> bool {
        *self.allowed.route() != Route::Direct || self.allowed.interception().is_some()
    }
}

impl Empty for Exchange {
    fn empty(&mut self) {
        self.request.empty();
        self.record = None;
    }

    fn is_to_go(&self) -> bool {
        self.request.is_to_go()
    }
}

/// Boxes to be used again, emptied.
#[derive(Debug)]
pub struct Boxes<T>(Vec<Box<T>>);

impl<T> Default for Boxes<T> {
    fn default() -> Self {
        Boxes(Vec::new())
    }
}

impl<T: Empty> Boxes<T> {
    /// The value in a box.
    pub fn fill(&mut self, value: T) -> Box<T> {
        match self.0.pop() {
            Some(mut used) => {
                *used = value;
                used
            }
            None => Box::new(value),
        }
    }

    /// Takes a box that nobody needs.
    pub fn put_back(&mut self, mut used: Box<T>) {
        if !used.is_to_go() {
            used.empty();
            self.keep(used);
        }
    }

    /// The same of one that was emptied, in the box around it.
    fn keep(&mut self, emptied: Box<T>) {
        if self.0.len() < BOXES_MAX {
            self.0.push(emptied);
        }
    }
}

/// Targets by their authority as it was written: most clients ask for few hosts, and all tunnels to one share its spelling,
/// which each keeps for its last line. Each scheme has its own, for the same spelling means another port in either, and so
/// has CONNECT, which knows no default one. Who finds spellings whose hashes collide, against the seed, makes of a table
/// of few a list of few.
#[derive(Debug, Default)]
pub(super) struct Targets {
    http: HashMap<Arc<str>, Target>,
    https: HashMap<Arc<str>, Target>,
    connect: HashMap<Arc<str>, Target>,
}

impl Targets {
    /// As [`Target::parse`], with the default port of the scheme; without one, as CONNECT asks, the port is mandatory.
    pub(super) fn parse(&mut self, scheme: Option<Scheme>, authority: &[u8]) -> Result<Target, TargetError> {
        let known = match scheme {
            Some(Scheme::Http) => &mut self.http,
            Some(Scheme::Https) => &mut self.https,
            None => &mut self.connect,
        };
        let found = str::from_utf8(authority).ok().and_then(|text| known.get(text));
        if let Some(target) = found {
            return Ok(target.clone());
        }
        let target = Target::parse(authority, scheme.map(|scheme| scheme.default_port()))?;
        // All go at once when there are too many: who asks for that many hosts gains nothing here anyway.
        if known.len() >= TARGETS_MAX {
            known.clear();
        }
        known.insert(Arc::clone(&target.written), target.clone());
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use crate::net::HostField;
    use crate::session::outcome::Extras;

    use super::*;

    impl Empty for Option<Arc<()>> {
        fn empty(&mut self) {
            *self = None;
        }
    }

    #[test]
    fn a_box_is_used_again_and_what_was_in_it_does_not_live_on() {
        let (mut boxes, permit) = (Boxes::default(), Arc::new(()));
        let first = boxes.fill(Some(Arc::clone(&permit)));
        let place = &raw const *first;
        boxes.put_back(first);
        assert_eq!(Arc::strong_count(&permit), 1);
        let second = boxes.fill(None);
        assert_eq!(&raw const *second, place);
    }

    #[test]
    fn a_record_holds_nothing_while_its_box_waits() {
        let (mut boxes, host) = (Boxes::default(), Arc::<str>::from("a.test"));
        let client = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut record = boxes.fill(Record::new(Id::default(), client, SystemTime::UNIX_EPOCH));
        record.requested_host = Arc::clone(&host);
        record.extras = Some(Box::new(Extras {
            trace_id: Box::new([0; 4096]),
            ..Extras::default()
        }));
        boxes.put_back(record);
        assert_eq!(Arc::strong_count(&host), 1);
    }

    #[test]
    fn boxes_and_targets_are_bounded() {
        let mut boxes = Boxes::default();
        (0..2 * BOXES_MAX).for_each(|_| boxes.put_back(Box::new(None)));
        assert_eq!(boxes.0.len(), BOXES_MAX);
        let mut targets = Targets::default();
        for n in 0..2 * TARGETS_MAX {
            let target = targets
                .parse(Some(Scheme::Http), format!("h{n}.test").as_bytes())
                .unwrap();
            assert_eq!(&*target.written, format!("h{n}.test"));
            assert!(targets.http.len() <= TARGETS_MAX);
        }
    }

    #[test]
    fn a_target_is_remembered_as_it_was_parsed_and_an_error_is_not() {
        let mut targets = Targets::default();
        for _ in 0..2 {
            let target = targets.parse(Some(Scheme::Http), b"A.Test").unwrap();
            assert_eq!(
                Ok(target),
                Target::parse(b"A.Test", Some(Scheme::Http.default_port()))
            );
            assert!(targets.parse(Some(Scheme::Http), b"0177.0.0.1").is_err());
        }
        assert_eq!((targets.http.len(), targets.https.len()), (1, 0));
    }

    #[test]
    fn tunnels_to_a_host_share_its_spelling_and_take_no_port_from_a_request() {
        let mut targets = Targets::default();
        targets.parse(Some(Scheme::Http), b"a.test").unwrap();
        assert_eq!(targets.parse(None, b"a.test"), Target::parse(b"a.test", None));
        let [first, second] = [(); 2].map(|()| targets.parse(None, b"a.test:443").unwrap());
        assert!(Arc::ptr_eq(&first.written, &second.written));
        assert_eq!((first.port, targets.connect.len()), (443, 1));
    }

    /// The one that was asked for first must not leave its port to the other.
    #[test]
    fn a_spelling_means_another_port_in_either_scheme() {
        for schemes in [[Scheme::Http, Scheme::Https], [Scheme::Https, Scheme::Http]] {
            let mut targets = Targets::default();
            for scheme in schemes.into_iter().chain(schemes) {
                let mut field_and_port = |authority: &str| {
                    let target = targets.parse(Some(scheme), authority.as_bytes()).unwrap();
                    let HostField { host, port } = target.host_field(scheme.default_port());
                    (host.into_owned(), port, target.port)
                };
                let [bare, http, https] = ["a.test", "a.test:80", "a.test:443"].map(&mut field_and_port);
                let said = |said_port, port| ("a.test".to_owned(), said_port, port);
                match scheme {
                    Scheme::Http => {
                        assert_eq!(bare, said(None, 80));
                        assert_eq!(http, said(None, 80));
                        assert_eq!(https, said(Some(443), 443));
                    }
                    Scheme::Https => {
                        assert_eq!(bare, said(None, 443));
                        assert_eq!(http, said(Some(80), 80));
                        assert_eq!(https, said(None, 443));
                    }
                }
            }
        }
    }
}
