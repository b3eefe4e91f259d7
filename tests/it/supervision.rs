//! Under a supervisor such as systemd: what it is told, and a socket that it hands over.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal as Sig, kill_process};

use crate::signals::await_closed;
use crate::support::case::cases;
use crate::support::message::get;
use crate::support::origin::Origin;
use crate::support::program::{self, Running};
use crate::support::proxy::{Proxy, Setup};
use crate::support::wire::Wire;
use crate::support::{DEADLINE, eventually};

cases![
    the_supervisor_is_told_from_the_start_to_the_end,
    an_abstract_socket_is_told_too,
    a_reload_is_told_of_also_where_nothing_was_read,
    nobody_waits_for_a_supervisor_that_reads_nothing,
    a_supervisor_that_is_not_there_is_warned_about,
    a_socket_that_is_handed_over_takes_the_place_of_the_listen_options,
    sockets_for_another_process_are_left_alone,
    several_sockets_and_others_than_listening_tcp_ones_are_refused,
    systemd_socket_activate_hands_its_socket_over,
];

/// Puts what was standard input where sockets are handed over, as descriptor 3, for the process that this shell becomes.
const HAND_OVER: &str = "exec 3<&0 </dev/null && export LISTEN_PID=$$";

/// Starts a proxy that is handed this socket.
pub(crate) fn handing_over(setup: Setup, listener: TcpListener) -> Proxy {
    let setup = setup.input(listener).step(HAND_OVER).env("LISTEN_FDS", "1");
    setup.start()
}

/// What supervises, and hears.
struct Supervisor {
    socket: UnixDatagram,
    _folder: tempfile::TempDir,
    name: String,
}

impl Supervisor {
    fn new() -> Supervisor {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(DEADLINE)).expect("a limit");
        Supervisor {
            socket,
            name: path.to_str().expect("a plain path").to_owned(),
            _folder: folder,
        }
    }

    fn hear(&self) -> String {
        let mut room = [0; 4096];
        let length = self.socket.recv(&mut room).expect("a message");
        String::from_utf8(room[..length].to_vec()).expect("text")
    }

    /// The next message that begins like this; whatever comes before it is passed over.
    #[track_caller]
    fn await_message(&self, start: &str) -> String {
        eventually(start, || {
            Some(self.hear()).filter(|message| message.starts_with(start))
        })
    }
}

fn the_supervisor_is_told_from_the_start_to_the_end() {
    let supervisor = Supervisor::new();
    let setup = Setup::open()
        .env("NOTIFY_SOCKET", &supervisor.name)
        .env("WATCHDOG_USEC", "200000");
    let (mut proxy, origin) = (setup.start(), Origin::echo());
    assert_eq!(supervisor.hear(), "READY=1", "first of all");
    assert_eq!(
        supervisor.await_message("STATUS="),
        "STATUS=serving: 0 connections, 0 of them tunnels"
    );
    supervisor.await_message("WATCHDOG=1");
    supervisor.await_message("WATCHDOG=1");
    let tunnel = proxy.tunnel(&origin.authority());
    assert_eq!(
        supervisor.await_message("STATUS="),
        "STATUS=serving: 1 connections, 1 of them tunnels"
    );
    proxy.signal(Sig::TERM);
    supervisor.await_message("STOPPING=1");
    let status = supervisor.await_message("STATUS=");
    assert!(
        status.starts_with("STATUS=draining: 1 tunnels left, "),
        "{status}"
    );
    await_closed(&proxy);
    supervisor.await_message("WATCHDOG=1");
    supervisor.await_message("WATCHDOG=1");
    drop(tunnel);
    assert_eq!(proxy.wait().code(), Some(0));
}

fn an_abstract_socket_is_told_too() {
    let name = format!("smokescreen-it-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let supervisor = Supervisor {
        socket: UnixDatagram::bind_addr(&address).expect("a socket"),
        ..Supervisor::new()
    };
    supervisor
        .socket
        .set_read_timeout(Some(DEADLINE))
        .expect("a limit");
    let _proxy = Setup::open().env("NOTIFY_SOCKET", &format!("@{name}")).start();
    assert_eq!(supervisor.hear(), "READY=1");
}

/// Microseconds of the clock that a reload's time is told by.
fn monotonic_microseconds() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

fn a_reload_is_told_of_also_where_nothing_was_read() {
    let supervisor = Supervisor::new();
    let setup = Setup::open().env("NOTIFY_SOCKET", &supervisor.name);
    let path = setup.file("acl.yaml", "version: v1\nservices: []\n");
    let proxy = setup.option("--egress-acl-file", path.as_str()).start();
    supervisor.await_message("READY=1");
    for text in [
        "version: v1\nservices: []\ndefault: {project: p, action: open}\n",
        "nonsense",
    ] {
        std::fs::write(&path, text).expect("a file");
        let before = monotonic_microseconds();
        proxy.signal(Sig::HUP);
        let message = supervisor.await_message("RELOADING=1\n");
        let time = message
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .expect("its time");
        let time: i64 = time.parse().expect("a number");
        assert!((before..=monotonic_microseconds()).contains(&time), "{message}");
        supervisor.await_message("READY=1");
    }
    for words in ["was reloaded", "Nothing was reloaded"] {
        eventually(words, || proxy.log().join("\n").contains(words).then_some(()));
    }
}

fn nobody_waits_for_a_supervisor_that_reads_nothing() {
    let supervisor = Supervisor::new();
    let setup = Setup::open()
        .env("NOTIFY_SOCKET", &supervisor.name)
        .env("WATCHDOG_USEC", "2000");
    let mut proxy = setup.start();
    // More signs of life than the socket has room for.
    let limit = std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen").expect("a limit");
    let limit: u64 = limit.trim().parse().expect("a number");
    std::thread::sleep(std::time::Duration::from_millis(2 * limit));
    proxy.assert_serves();
    proxy.signal(Sig::TERM);
    assert_eq!(proxy.wait().code(), Some(0));
}

fn a_supervisor_that_is_not_there_is_warned_about() {
    for name in ["/no/such/socket", "relative"] {
        let proxy = Setup::open().env("NOTIFY_SOCKET", name).start();
        let words = format!("The supervisor can't be reached at NOTIFY_SOCKET={name}: ");
        eventually("a warning", || {
            proxy.log().join("\n").contains(&words).then_some(())
        });
        proxy.assert_serves();
    }
}

/// The flags of a descriptor of a process: open(2)'s, in octal.
fn descriptor_flags(proxy: &Proxy, number: u32) -> u32 {
    let path = format!("/proc/{}/fdinfo/{number}", proxy.pid().as_raw_nonzero());
    let text = std::fs::read_to_string(path).expect("the descriptor");
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    u32::from_str_radix(flags.expect("its flags").trim(), 8).expect("octal digits")
}

fn a_socket_that_is_handed_over_takes_the_place_of_the_listen_options() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let mut proxy = handing_over(Setup::open(), listener);
    assert_eq!(proxy.address(), address);
    proxy.assert_serves();
    let flags = descriptor_flags(&proxy, 3);
    let (nonblocking, closed_on_exec) = (0o4000, 0o2_000_000);
    assert_eq!(
        flags & (nonblocking | closed_on_exec),
        nonblocking | closed_on_exec,
        "{flags:o}"
    );
    proxy.signal(Sig::TERM);
    assert_eq!(proxy.wait().code(), Some(0));
}

fn sockets_for_another_process_are_left_alone() {
    for (pid, count) in [("1", "1"), ("", "1"), ("1", "x")] {
        let proxy = Setup::open()
            .env("LISTEN_PID", pid)
            .env("LISTEN_FDS", count)
            .start();
        proxy.assert_serves();
    }
    let proxy = Setup::open()
        .step("export LISTEN_PID=$$")
        .env("LISTEN_FDS", "0")
        .start();
    proxy.assert_serves();
}

fn several_sockets_and_others_than_listening_tcp_ones_are_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let connected = TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let unix = std::os::unix::net::UnixListener::bind_addr(
        &SocketAddr::from_abstract_name(format!("smokescreen-it-stream-{}", std::process::id()))
            .expect("a name"),
    );
    let file = std::fs::File::open("/dev/null").expect("a file");
    let several = "2 sockets were handed over by LISTEN_FDS";
    let wrong = "the socket handed over by LISTEN_FDS is not one for TCP that listens";
    let cases: Vec<(OwnedFd, &str, &str)> = vec![
        (listener.into(), "2", several),
        (connected.into(), "1", wrong),
        (udp.into(), "1", wrong),
        (unix.expect("a socket").into(), "1", wrong),
        (file.into(), "1", wrong),
        (
            std::fs::File::open("/dev/null").expect("a file").into(),
            "99999999999",
            "not a number of sockets",
        ),
    ];
    for (descriptor, count, words) in cases {
        let setup = Setup::open()
            .input(descriptor)
            .step(HAND_OVER)
            .env("LISTEN_FDS", count);
        let finished = setup.run();
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains(words), "{words}: {finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    }
}

/// It listens, and becomes the proxy when the first client comes.
fn systemd_socket_activate_hands_its_socket_over() -> Result<(), String> {
    let program = program::find("systemd-socket-activate")?;
    let reserved = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = reserved.local_addr().expect("its address");
    drop(reserved);
    let mut command = Command::new(program);
    command
        .args([
            "--listen",
            &address.to_string(),
            env!("CARGO_BIN_EXE_smokescreen"),
            "--allow-missing-role",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut running = Running(command.spawn().expect("it"));
    let origin = Origin::fixed("activated");
    let stream = eventually("its port", || TcpStream::connect(address).ok());
    let mut client = Wire::new(stream);
    client.send(get(&origin.url("/")));
    assert_eq!(client.response().text(), "activated");
    kill_process(Pid::from_child(&running.0), Sig::TERM).expect("kill");
    assert_eq!(program::wait(&mut running.0).code(), Some(0));
    Ok(())
}
