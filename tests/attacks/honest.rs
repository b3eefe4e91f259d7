//! The eight honest clients: small requests with the right password, each kind again and again, each request timed.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use socket2::{Domain, Socket, Type};

use crate::form::Form;
use crate::support::message::request;
use crate::support::proxy::PASSWORD;
use crate::support::wire::Wire;

/// The address that honest clients and attackers share, as behind one NAT.
pub(crate) const SHARED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
/// Between two requests of one client.
const PAUSE: Duration = Duration::from_millis(8);
/// A request that takes longer counts as refused.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A connection for each request.
    Fresh,
    /// One connection for all.
    Kept,
    /// A tunnel, and one request in it.
    Tunnel,
    /// A health check: connects and closes.
    Probe,
}

/// Kind and address. Those at [`SHARED`] are counted apart.
const CREW: [(Kind, Ipv4Addr); 8] = [
    (Kind::Fresh, Ipv4Addr::new(127, 0, 0, 2)),
    (Kind::Kept, Ipv4Addr::new(127, 0, 0, 3)),
    (Kind::Tunnel, Ipv4Addr::new(127, 0, 0, 4)),
    (Kind::Fresh, Ipv4Addr::new(127, 0, 0, 5)),
    (Kind::Probe, Ipv4Addr::new(127, 0, 0, 6)),
    (Kind::Fresh, SHARED),
    (Kind::Kept, SHARED),
    (Kind::Tunnel, SHARED),
];

/// Whom the honest ask, and how.
#[derive(Clone)]
pub(crate) struct Errand {
    /// The proxy.
    pub(crate) proxy: SocketAddr,
    /// `host:port` of an origin; `{}` becomes the client's number.
    pub(crate) authority: String,
    /// The path.
    pub(crate) path: &'static str,
    /// Bytes that each head has more than it needs.
    pub(crate) padding: usize,
    /// Do those at the attacker's address ask, too?
    pub(crate) shared: bool,
}

/// What a group of clients saw.
#[derive(Clone, Default, Debug)]
pub(crate) struct Group {
    times: Vec<Duration>,
    /// Why requests failed, and how many did.
    pub(crate) refused: BTreeMap<String, usize>,
}

impl Group {
    /// The time that so many of a hundred requests kept to.
    pub(crate) fn percentile(&self, hundredths: usize) -> Duration {
        let at = (self.times.len() * hundredths / 100).min(self.times.len().saturating_sub(1));
        self.times.get(at).copied().unwrap_or_default()
    }

    pub(crate) fn refused_count(&self) -> usize {
        self.refused.values().sum()
    }

    pub(crate) fn count(&self) -> usize {
        self.times.len()
    }

    fn add(&mut self, mut other: Group) {
        self.times.append(&mut other.times);
        self.times.sort_unstable();
        for (why, count) in other.refused {
            *self.refused.entry(why).or_default() += count;
        }
    }
}

/// What all of them saw.
#[derive(Clone, Default, Debug)]
pub(crate) struct Seen {
    /// Clients with addresses of their own.
    pub(crate) apart: Group,
    /// Clients that share the attacker's address.
    pub(crate) shared: Group,
    /// Health checks.
    pub(crate) probes: Group,
}

/// `Proxy-Authorization` with a password.
pub(crate) fn credentials(password: &str) -> String {
    let code = STANDARD.encode(format!("honest:{password}"));
    format!("Proxy-Authorization: Basic {code}\r\n")
}

/// Lets all eight work for so long.
pub(crate) fn work(errand: &Errand, length: Duration) -> Seen {
    let end = Instant::now() + length;
    let mut seen = Seen::default();
    std::thread::scope(|scope| {
        let at_work: Vec<_> = CREW
            .iter()
            .enumerate()
            .filter(|(_, (_, from))| errand.shared || *from != SHARED)
            .map(|(number, (kind, from))| {
                let client = Client::new(errand, number, *kind, *from);
                (kind, from, scope.spawn(move || client.work(end)))
            })
            .collect();
        for (kind, from, worker) in at_work {
            let group = match (*kind, *from) {
                (Kind::Probe, _) => &mut seen.probes,
                (_, SHARED) => &mut seen.shared,
                _ => &mut seen.apart,
            };
            group.add(worker.join().expect("an honest client"));
        }
    });
    seen
}

/// Connects from an address.
pub(crate) fn connect(from: Ipv4Addr, to: SocketAddr, patience: Duration) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // Many connections from one address: its ports may be used for several peers.
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&to.into(), patience)?;
    Ok(socket.into())
}

struct Client {
    proxy: SocketAddr,
    from: Ipv4Addr,
    kind: Kind,
    /// What it sends first, and inside a tunnel.
    head: String,
    inner: String,
    kept: Option<Wire>,
}

impl Client {
    fn new(errand: &Errand, number: usize, kind: Kind, from: Ipv4Addr) -> Client {
        let authority = errand.authority.replace("{}", &number.to_string());
        let padding = match errand.padding {
            0 => String::new(),
            length => format!("X-Padding: {}\r\n", "p".repeat(length)),
        };
        let fields = credentials(PASSWORD) + &padding;
        let url = format!("http://{authority}{}", errand.path);
        let head = match kind {
            Kind::Tunnel => request("CONNECT", &authority, &fields),
            _ => request("GET", &url, &fields),
        };
        let inner = format!("GET {} HTTP/1.1\r\nHost: {authority}\r\n\r\n", errand.path);
        Client {
            proxy: errand.proxy,
            from,
            kind,
            head,
            inner,
            kept: None,
        }
    }

    fn work(mut self, end: Instant) -> Group {
        let mut group = Group::default();
        while Instant::now() < end {
            let start = Instant::now();
            match self.ask() {
                Ok(()) => group.times.push(start.elapsed()),
                Err(why) => *group.refused.entry(why).or_default() += 1,
            }
            std::thread::sleep(PAUSE);
        }
        group.times.sort_unstable();
        group
    }

    fn connect(&self) -> Result<Wire, String> {
        let stream = connect(self.from, self.proxy, PATIENCE).map_err(|error| format!("connect: {error}"))?;
        let wire = Wire::new(stream);
        wire.patience(PATIENCE);
        Ok(wire)
    }

    /// One request, and once more where the connection ended without an answer: a kept one may have been closed
    /// meanwhile. In the short form that goes for new ones too: where a busy machine lets a client wait between
    /// connecting and asking, it is an idle stranger like its neighbours.
    fn ask(&mut self) -> Result<(), String> {
        let may_be_old = self.kept.is_some() || !Form::get().is_full();
        match self.ask_once() {
            Err(why) if may_be_old && why.starts_with("no answer") => self.ask_once(),
            told => told,
        }
    }

    fn ask_once(&mut self) -> Result<(), String> {
        let mut wire = match self.kept.take() {
            Some(kept) => kept,
            None => self.connect()?,
        };
        match self.kind {
            Kind::Probe => Ok(()),
            Kind::Fresh => exchange(&mut wire, "GET", &self.head),
            Kind::Tunnel => {
                exchange(&mut wire, "CONNECT", &self.head)?;
                exchange(&mut wire, "GET", &self.inner)
            }
            Kind::Kept => {
                exchange(&mut wire, "GET", &self.head)?;
                self.kept = Some(wire);
                Ok(())
            }
        }
    }
}

fn exchange(wire: &mut Wire, method: &str, head: &str) -> Result<(), String> {
    let sent = wire.try_send(head);
    let response = wire.try_response(method);
    match (sent, response) {
        (_, Ok(response)) if response.status == 200 => Ok(()),
        (_, Ok(response)) => Err(format!("{} {}", response.start, response.text())),
        (Ok(()), Err(end)) => Err(format!("no answer: {end:?}")),
        (Err(error), _) => Err(format!("no answer: {error}")),
    }
}
