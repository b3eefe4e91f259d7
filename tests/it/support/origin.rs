//! Recording servers on the namespace's addresses: they say what reached them, byte for byte.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustls::HandshakeKind;

use super::message::{self, Request};
use super::tls::{Server, Tls};
use super::wire::{End, Wire};
use super::{PUBLIC, eventually};

/// What an origin does after it has answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Read another request.
    Keep,
    /// Close.
    Close,
}

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<Request>>,
    complaints: Mutex<Vec<String>>,
    kinds: Mutex<Vec<HandshakeKind>>,
    accepted: AtomicUsize,
    ended: AtomicUsize,
}

/// A server with a thread for each connection. Dropping it stops accepting, and fails the case when something
/// arrived that no strict reader accepts.
pub(crate) struct Origin {
    listener: TcpListener,
    address: SocketAddr,
    seen: Arc<Seen>,
}

impl Origin {
    /// Answers every request with 200 and this body, and keeps connections open.
    pub(crate) fn fixed(body: &'static str) -> Origin {
        Origin::fixed_at(PUBLIC, body)
    }

    /// Like [`Origin::fixed`], on another address.
    pub(crate) fn fixed_at(ip: &str, body: &'static str) -> Origin {
        Origin::http_at(ip, move |_, wire| {
            let _ = wire.try_send(message::ok(body));
            Next::Keep
        })
    }

    /// Reads requests strictly, records them, and lets `handler` answer.
    pub(crate) fn http(handler: impl Fn(&Request, &mut Wire) -> Next + Send + Sync + 'static) -> Origin {
        Origin::http_at(PUBLIC, handler)
    }

    /// Like [`Origin::http`], on another address.
    pub(crate) fn http_at(
        ip: &str,
        handler: impl Fn(&Request, &mut Wire) -> Next + Send + Sync + 'static,
    ) -> Origin {
        let seen = Arc::new(Seen::default());
        let record = Arc::clone(&seen);
        Origin::start(ip, seen, move |mut wire| converse(&record, &mut wire, &handler))
    }

    /// Like [`Origin::http`], over TLS. What the handshake comes to is the connection's own affair.
    pub(crate) fn https(
        server: &Server,
        handler: impl Fn(&Request, &mut Wire) -> Next + Send + Sync + 'static,
    ) -> Origin {
        let seen = Arc::new(Seen::default());
        let (record, server) = (Arc::clone(&seen), server.clone());
        Origin::start_raw(PUBLIC, seen, move |stream| {
            let Ok(mut wire) = server.accept(stream) else {
                return;
            };
            lock(&record.kinds).push(wire.kind);
            converse(&record, &mut wire, &handler);
        })
    }

    /// Leaves every connection to `handler`, once its handshake is done.
    pub(crate) fn sealed(server: &Server, handler: impl Fn(Tls) + Send + Sync + 'static) -> Origin {
        let server = server.clone();
        Origin::start_raw(PUBLIC, Arc::new(Seen::default()), move |stream| {
            if let Ok(wire) = server.accept(stream) {
                handler(wire);
            }
        })
    }

    /// Leaves every socket to `handler`.
    pub(crate) fn streams(handler: impl Fn(TcpStream) + Send + Sync + 'static) -> Origin {
        Origin::start_raw(PUBLIC, Arc::new(Seen::default()), handler)
    }

    /// How the handshakes so far went.
    pub(crate) fn kinds(&self) -> Vec<HandshakeKind> {
        lock(&self.seen.kinds).clone()
    }

    /// Sends `bytes` for each request, then does as `next` says.
    pub(crate) fn scripted(bytes: impl Into<Vec<u8>>, next: Next) -> Origin {
        let bytes = bytes.into();
        Origin::http(move |_, wire| {
            let _ = wire.try_send(&bytes);
            next
        })
    }

    /// Leaves every connection to `handler`.
    pub(crate) fn raw(handler: impl Fn(Wire) + Send + Sync + 'static) -> Origin {
        Origin::start(PUBLIC, Arc::new(Seen::default()), handler)
    }

    /// Sends back whatever comes, until the peer's FIN.
    pub(crate) fn echo() -> Origin {
        Origin::raw(|mut wire| {
            let mut twin = wire.twin();
            while wire.fill().is_ok() {
                let length = wire.buffered();
                let Ok(bytes) = wire.take(length) else { return };
                if twin.try_send(bytes).is_err() {
                    return;
                }
            }
        })
    }

    fn start(ip: &str, seen: Arc<Seen>, handler: impl Fn(Wire) + Send + Sync + 'static) -> Origin {
        Origin::start_raw(ip, seen, move |stream| handler(Wire::new(stream)))
    }

    fn start_raw(ip: &str, seen: Arc<Seen>, handler: impl Fn(TcpStream) + Send + Sync + 'static) -> Origin {
        let ip: IpAddr = ip.parse().expect("an address");
        let listener = TcpListener::bind((ip, 0)).expect("a listener");
        let address = listener.local_addr().expect("its address");
        let acceptor = listener.try_clone().expect("a second handle");
        let (handler, record) = (Arc::new(handler), Arc::clone(&seen));
        thread::spawn(move || {
            while let Ok((stream, _)) = acceptor.accept() {
                record.accepted.fetch_add(1, Ordering::SeqCst);
                let (handler, record) = (Arc::clone(&handler), Arc::clone(&record));
                thread::spawn(move || {
                    handler(stream);
                    record.ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Origin {
            listener,
            address,
            seen,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `host:port`, with brackets where they belong.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// The URL of a path here.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The URL of a path here under a name.
    pub(crate) fn url_at(&self, name: &str, path: &str) -> String {
        format!("http://{name}:{}{path}", self.address.port())
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        lock(&self.seen.requests).clone()
    }

    /// The latest request.
    pub(crate) fn last(&self) -> Request {
        lock(&self.seen.requests)
            .last()
            .expect("a request at the origin")
            .clone()
    }

    /// How many connections were accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.seen.accepted.load(Ordering::SeqCst)
    }

    /// Waits until so many connections were accepted.
    pub(crate) fn await_accepted(&self, count: usize) {
        eventually("connections at the origin", || {
            (self.accepted() >= count).then_some(())
        });
    }

    /// Waits until so many requests were read.
    pub(crate) fn await_requests(&self, count: usize) {
        eventually("requests at the origin", || {
            (lock(&self.seen.requests).len() >= count).then_some(())
        });
    }

    /// Waits until so many connections are done with.
    pub(crate) fn await_ended(&self, count: usize) {
        let ended = || (self.seen.ended.load(Ordering::SeqCst) >= count).then_some(());
        eventually("connections to end at the origin", ended);
    }

    /// What arrived that no strict reader accepts; taking it keeps the drop from failing the case.
    pub(crate) fn take_complaints(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.seen.complaints))
    }
}

/// Reads requests strictly, records them, and lets `handler` answer, until one side has enough.
fn converse(seen: &Seen, wire: &mut Wire, handler: &impl Fn(&Request, &mut Wire) -> Next) {
    loop {
        match wire.take_request() {
            Ok(request) => {
                lock(&seen.requests).push(request.clone());
                if handler(&request, wire) == Next::Close {
                    return;
                }
            }
            Err(End::Nonsense(complaint)) => return lock(&seen.complaints).push(complaint),
            Err(_) => return,
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        let complaints = self.take_complaints();
        assert!(
            complaints.is_empty() || thread::panicking(),
            "malformed requests reached the origin: {complaints:?}"
        );
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A flag that an origin's thread waits for and a case raises, or the other way round.
#[derive(Clone, Default)]
pub(crate) struct Signal(Arc<(Mutex<bool>, Condvar)>);

impl Signal {
    /// A lowered flag.
    pub(crate) fn new() -> Signal {
        Signal::default()
    }

    /// Raises the flag for good.
    pub(crate) fn raise(&self) {
        *lock(&self.0.0) = true;
        self.0.1.notify_all();
    }

    /// Is it raised?
    pub(crate) fn is_raised(&self) -> bool {
        *lock(&self.0.0)
    }

    /// Waits for it; false when it never came.
    pub(crate) fn wait(&self) -> bool {
        let guard = lock(&self.0.0);
        let waited = self
            .0
            .1
            .wait_timeout_while(guard, super::DEADLINE, |raised| !*raised);
        waited.is_ok_and(|(raised, _)| *raised)
    }
}

/// A port that refuses: bound, so that nobody else gets it, but not listening.
pub(crate) struct Refusing(
    #[expect(dead_code, reason = "holds the port")] socket2::Socket,
    SocketAddr,
);

impl Refusing {
    /// Reserves a port on a public address.
    pub(crate) fn new() -> Refusing {
        let (socket, address) = bound(PUBLIC, 0);
        Refusing(socket, address)
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> String {
        self.1.to_string()
    }
}

/// A port whose accept queue is full: a connection attempt gets no answer at all.
pub(crate) struct Deaf {
    #[expect(dead_code, reason = "holds the queue")]
    listener: socket2::Socket,
    #[expect(dead_code, reason = "fills the queue")]
    fillers: Vec<socket2::Socket>,
    address: SocketAddr,
}

impl Deaf {
    /// Makes one on a public address.
    pub(crate) fn new() -> Deaf {
        Deaf::at(PUBLIC)
    }

    /// Makes one on a given address.
    pub(crate) fn at(ip: &str) -> Deaf {
        Deaf::at_port(ip, 0)
    }

    /// Makes one on a given port, too.
    pub(crate) fn at_port(ip: &str, port: u16) -> Deaf {
        let (listener, address) = bound(ip, port);
        listener.listen(0).expect("listen");
        let (mut fillers, mut silent) = (Vec::new(), 0);
        // One may be late on a busy machine.
        while silent < 2 {
            let filler =
                socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)
                    .expect("a socket");
            let queued = filler.connect_timeout(&address.into(), std::time::Duration::from_millis(200));
            fillers.push(filler);
            silent = if queued.is_err() { silent + 1 } else { 0 };
        }
        Deaf {
            listener,
            fillers,
            address,
        }
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }
}

fn bound(ip: &str, port: u16) -> (socket2::Socket, SocketAddr) {
    let ip: IpAddr = ip.parse().expect("an address");
    let address = SocketAddr::new(ip, port);
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)
        .expect("a socket");
    socket.bind(&address.into()).expect("bind");
    let address = socket
        .local_addr()
        .ok()
        .and_then(|address| address.as_socket())
        .expect("its address");
    (socket, address)
}
