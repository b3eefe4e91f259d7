//! Real sockets on loopback.

use std::io::{Read, Write};
use std::net::{TcpListener as StdListener, TcpStream as StdStream};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use mio::{Events, Poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::clock::Instant;

use super::*;

fn acceptor(ip: Option<&str>) -> Acceptor {
    Acceptor::new(bind(ip, 0).unwrap()).unwrap()
}

fn accepted(acceptor: &mut Acceptor) -> (TcpStream, SocketAddr) {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(accepted) = acceptor.accept().unwrap() {
            return accepted;
        }
        assert!(Instant::now() < end, "nothing to accept");
        thread::sleep(Duration::from_millis(1));
    }
}

fn has_ipv6() -> bool {
    StdListener::bind("[::1]:0").is_ok()
}

#[test]
fn any_address_is_both_families_and_ipv4_peers_are_ipv4() {
    for ip in [None, Some("::"), Some("[::]")] {
        let mut acceptor = acceptor(ip);
        let port = acceptor.local_addr().port();
        assert_ne!(port, 0);
        assert!(acceptor.local_addr().ip().is_unspecified());
        let client = StdStream::connect(("127.0.0.1", port)).unwrap();
        assert_eq!(accepted(&mut acceptor).1, client.local_addr().unwrap());
        if has_ipv6() {
            let client = StdStream::connect(("::1", port)).unwrap();
            assert_eq!(accepted(&mut acceptor).1, client.local_addr().unwrap());
        }
    }
}

#[test]
fn one_address_is_only_that_one() {
    let listener = acceptor(Some("127.0.0.2"));
    assert_eq!(listener.local_addr().ip().to_string(), "127.0.0.2");
    assert!(StdStream::connect(("127.0.0.1", listener.local_addr().port())).is_err());
    if has_ipv6() {
        for ip in ["::1", "[::1]"] {
            assert_eq!(acceptor(Some(ip)).local_addr().ip().to_string(), "::1");
        }
    }
}

#[test]
fn a_host_name() {
    let address = acceptor(Some("localhost")).local_addr();
    assert_eq!(address.ip().to_string(), "127.0.0.1");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = StdListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(Some("127.0.0.1"), address.port()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {address}: address already in use")
    );
    // No silent way out to another address either.
    let error = bind(None, address.port()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on [::]:{}: address already in use", address.port())
    );
}

#[test]
fn what_is_no_address_is_named() {
    for ip in ["999.1.1.1", "127.1", "2130706433", ""] {
        let error = bind(Some(ip), 80).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot listen on {ip}:80: neither an address nor a host name")
        );
    }
    let error = bind(Some("192.0.2.77"), 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot listen on 192.0.2.77:0: this machine does not have that address"
    );
}

#[test]
fn a_port_can_be_bound_again_right_after_its_connections_closed() {
    let mut first = acceptor(Some("127.0.0.1"));
    let address = first.local_addr();
    let mut client = StdStream::connect(address).unwrap();
    drop(accepted(&mut first));
    drop(first);
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
    assert!(bind(Some("127.0.0.1"), address.port()).is_ok());
}

/// Does the poll tell of a client that waits?
fn told(poll: &mut Poll, timeout: Duration) -> bool {
    let mut events = Events::with_capacity(8);
    poll.poll(&mut events, Some(timeout)).unwrap();
    events
        .iter()
        .any(|event| event.token() == Token(7) && event.is_readable())
}

#[test]
fn the_poll_tells_as_long_as_one_waits() {
    let mut poll = Poll::new().unwrap();
    let mut acceptor = acceptor(Some("127.0.0.1"));
    acceptor.register(poll.registry(), Token(7)).unwrap();
    assert!(acceptor.accept().unwrap().is_none());
    let clients: Vec<StdStream> = (0..5)
        .map(|_| StdStream::connect(acceptor.local_addr()).unwrap())
        .collect();
    for client in &clients {
        assert!(told(&mut poll, Duration::from_secs(60)));
        assert_eq!(accepted(&mut acceptor).1, client.local_addr().unwrap());
    }
    assert!(!told(&mut poll, Duration::ZERO));
    assert!(acceptor.accept().unwrap().is_none());
    assert!(acceptor.spare.is_some());
}

#[test]
fn out_of_the_poll_nothing_is_told_and_back_in_it_what_waits_is() {
    let mut poll = Poll::new().unwrap();
    let acceptor = acceptor(Some("127.0.0.1"));
    acceptor.register(poll.registry(), Token(7)).unwrap();
    let _client = StdStream::connect(acceptor.local_addr()).unwrap();
    assert!(told(&mut poll, Duration::from_secs(60)));
    acceptor.deregister(poll.registry()).unwrap();
    assert!(!told(&mut poll, Duration::ZERO));
    acceptor.register(poll.registry(), Token(7)).unwrap();
    assert!(told(&mut poll, Duration::from_secs(60)));
}

#[test]
fn streams_are_non_blocking_and_closed_on_exec() {
    let mut acceptor = acceptor(Some("127.0.0.1"));
    let mut client = StdStream::connect(acceptor.local_addr()).unwrap();
    let (mut stream, _) = accepted(&mut acceptor);
    assert_eq!(
        stream.read(&mut [0; 8]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    for descriptor in [stream.as_fd(), acceptor.listener.as_fd()] {
        assert!(
            rustix::io::fcntl_getfd(descriptor)
                .unwrap()
                .contains(rustix::io::FdFlags::CLOEXEC)
        );
    }
    client.write_all(b"x").unwrap();
}

#[test]
fn streams_send_at_once_and_find_dead_peers() {
    let mut acceptor = acceptor(Some("127.0.0.1"));
    let _client = StdStream::connect(acceptor.local_addr()).unwrap();
    let (stream, _) = accepted(&mut acceptor);
    assert!(stream.nodelay().unwrap());
    assert!(SockRef::from(&stream).keepalive().unwrap());
}

#[test]
fn a_paused_acceptor_goes_on_when_it_has_its_spare_again() {
    let mut acceptor = acceptor(Some("127.0.0.1"));
    acceptor.spare = None;
    assert!(acceptor.spare.is_none());
    let client = StdStream::connect(acceptor.local_addr()).unwrap();
    assert_eq!(accepted(&mut acceptor).1, client.local_addr().unwrap());
    assert!(acceptor.spare.is_some());
}

/// The limit on descriptors belongs to the process, so this one runs in a process of its own.
#[test]
fn running_out_of_descriptors_pauses_and_what_waited_is_accepted_later() {
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "io::listener::tests::out_of_descriptors"])
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
#[ignore = "lowers the limit on descriptors; run by the test above"]
fn out_of_descriptors() {
    let mut acceptor = acceptor(Some("127.0.0.1"));
    let clients: Vec<StdStream> = (0..40)
        .map(|_| StdStream::connect(acceptor.local_addr()).unwrap())
        .collect();
    let (first_free, maximum) = (spare().unwrap(), getrlimit(Resource::Nofile).maximum);
    let limit = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&first_free)).unwrap() + 5;
    drop(first_free);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(limit),
            maximum,
        },
    )
    .unwrap();

    let mut streams: Vec<TcpStream> = Vec::new();
    while let Ok(Some((stream, _))) = acceptor.accept() {
        streams.push(stream);
    }
    assert_eq!(streams.len(), 5);
    assert!(acceptor.spare.is_none());
    // One descriptor is left to those who are in; while they use it, accepting stays paused.
    let dialled = spare().unwrap();
    assert!(spare().is_err());
    for _ in 0..3 {
        assert!(matches!(acceptor.accept(), Err(AcceptError::Exhausted(_))));
    }
    drop(dialled);
    // One more is free: it becomes the spare, and goes again when there is none for the connection.
    assert!(matches!(acceptor.accept(), Err(AcceptError::Exhausted(_))));
    let mut accepted = streams.len();
    while accepted < clients.len() {
        streams.pop();
        assert!(acceptor.accept().unwrap().is_some());
        accepted += 1;
    }
}

#[test]
fn a_socket_that_does_not_listen_is_broken_and_named() {
    let mut acceptor = acceptor(Some("127.0.0.1"));
    rustix::net::shutdown(&acceptor.listener, rustix::net::Shutdown::Both).unwrap();
    for _ in 0..2 {
        let error = acceptor.accept().unwrap_err();
        assert!(matches!(error, AcceptError::Broken(_)), "{error:?}");
        let address = acceptor.local_addr();
        assert_eq!(
            error.to_string(),
            format!("cannot accept connections on {address}: invalid argument")
        );
    }
}

#[test]
fn errors_of_accept() {
    let verdict = |errno: Errno| verdict(&errno.into());
    assert_eq!(verdict(Errno::AGAIN), Verdict::NoneWaiting);
    for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
        assert_eq!(verdict(errno), Verdict::Exhausted);
    }
    for errno in [
        Errno::CONNABORTED,
        Errno::INTR,
        Errno::PROTO,
        Errno::PERM,
        Errno::NETUNREACH,
    ] {
        assert_eq!(verdict(errno), Verdict::ThisOneIsGone);
    }
    for errno in [Errno::BADF, Errno::INVAL, Errno::NOTSOCK, Errno::IO] {
        assert_eq!(verdict(errno), Verdict::Broken);
    }
}
