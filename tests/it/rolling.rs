//! One instance after another: beside each other on one port, and three behind a balancer that are replaced one by one.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal as Sig;

use crate::admin::{fetch, with_admin, with_admin_at};
use crate::support::case::cases;
use crate::support::eventually;
use crate::support::message::get;
use crate::support::origin::Origin;
use crate::support::program::{self, Finished, Running};
use crate::support::proxy::{Proxy, Setup};
use crate::support::wire::Wire;

cases![
    a_busy_port_stays_one_unless_both_say_that_they_share_it,
    the_metrics_port_goes_from_the_one_that_drains_to_the_next,
    instances_that_take_turns_on_one_port_refuse_nobody,
    three_instances_behind_haproxy_are_replaced_without_losing_a_request,
    instances_that_stand_still_for_a_while_stay_with_haproxy,
    health_says_of_an_instance_what_it_knows_of_that_one,
];

const CLIENTS: usize = 4;

fn sharing() -> Setup {
    Setup::open().arg("--reuse-port")
}

fn a_busy_port_stays_one_unless_both_say_that_they_share_it() {
    for (first, second, starts) in [
        (sharing(), sharing(), true),
        (sharing(), Setup::open(), false),
        (Setup::open(), sharing(), false),
    ] {
        let proxy = first.start();
        let port = proxy.address().port();
        if starts {
            let second = second.port(port).start();
            assert_eq!(second.address(), proxy.address());
            continue;
        }
        let finished = second
            .option("--listen-ip", "127.0.0.1")
            .option("--listen-port", port.to_string())
            .run();
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("address already in use"), "{finished:?}");
    }
}

/// What is asked each second takes no more of the processor than this, in hundredths of a second.
const TICKS_MAX: u64 = 40;

fn the_metrics_port_goes_from_the_one_that_drains_to_the_next() {
    let near = || sharing().option("--allow-range", "127.0.0.0/8");
    let (first, admin) = with_admin(near());
    let mut first = first.start();
    let origin = Origin::echo();
    let tunnel = first.tunnel(&origin.authority());
    let second = with_admin_at(near(), admin).port(first.address().port()).start();
    let ticks = second.ticks();
    first.signal(Sig::TERM);
    eventually("not ready", || {
        (fetch(admin, "/readyz").status == 503).then_some(())
    });
    // Both may still take clients, and both deny this.
    let own = get(&format!("http://{admin}/metrics"));
    eventually("a denial of the second one", || {
        assert_eq!(second.ask(&own).status, 407);
        let lines = second.log_lines();
        let line = lines.iter().find(|line| line.find("code").is_some())?;
        assert_eq!(line.get("code"), "self-connection");
        Some(())
    });
    drop(tunnel);
    assert_eq!(first.wait().code(), Some(0));
    let ready = format!("GET /readyz HTTP/1.1\r\nHost: {admin}\r\n\r\n");
    eventually("the port", || ask(admin, &ready).ok());
    assert!(second.ticks() - ticks < TICKS_MAX, "tried without a pause");
    for path in ["/healthz", "/metrics", "/tunnels", "/"] {
        assert_eq!(fetch(admin, path).status, 200, "{path}");
    }
    let log = second.log();
    let said = |words: &str| log.iter().filter(|line| line.contains(words)).count();
    assert_eq!(
        said("once the instance that has their port has ended"),
        1,
        "{log:#?}"
    );
    assert_eq!(said("Metrics and health are served on 0.0.0.0:"), 1, "{log:#?}");
    assert_eq!(said("address already in use"), 1, "{log:#?}");
}

/// Asks for this on a connection of its own.
fn ask(to: SocketAddr, request: &str) -> Result<(), String> {
    let stream = TcpStream::connect(to).map_err(|error| error.to_string())?;
    let mut client = Wire::new(stream);
    client.try_send(request).map_err(|error| error.to_string())?;
    match client.try_response("GET") {
        Ok(response) if response.status == 200 => Ok(()),
        Ok(response) => Err(format!("{} {}", response.status, response.text())),
        Err(end) => Err(format!("{end:?}")),
    }
}

/// Clients that ask without a pause, each time on a new connection.
struct Load {
    stopped: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    clients: Vec<thread::JoinHandle<Vec<String>>>,
}

impl Load {
    fn on(to: SocketAddr, origin: &Origin) -> Load {
        let stopped = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(AtomicUsize::new(0));
        let client = |_| {
            let (stopped, asked, request) = (Arc::clone(&stopped), Arc::clone(&asked), get(&origin.url("/")));
            thread::spawn(move || {
                let mut failures = Vec::new();
                while !stopped.load(Ordering::SeqCst) {
                    failures.extend(ask(to, &request).err());
                    asked.fetch_add(1, Ordering::SeqCst);
                }
                failures
            })
        };
        let clients = (0..CLIENTS).map(client).collect();
        Load {
            stopped,
            asked,
            clients,
        }
    }

    fn await_asked(&self, count: usize) {
        let end = self.asked.load(Ordering::SeqCst) + count;
        eventually("requests", || {
            (self.asked.load(Ordering::SeqCst) >= end).then_some(())
        });
    }

    /// How many were asked, and what became of those that failed.
    fn stop(self) -> (usize, Vec<String>) {
        self.stopped.store(true, Ordering::SeqCst);
        let clients = self.clients.into_iter();
        let failures = clients
            .flat_map(|client| client.join().expect("a client"))
            .collect();
        (self.asked.load(Ordering::SeqCst), failures)
    }
}

/// Lets the kernel hand on what waits at a socket that closes to another one on its port.
fn migrate_requests() -> io::Result<()> {
    std::fs::write("/proc/sys/net/ipv4/tcp_migrate_req", "1")
}

fn instances_that_take_turns_on_one_port_refuse_nobody() -> Result<(), String> {
    let migrates = migrate_requests();
    let origin = Origin::fixed("ok");
    let (setup, admin) = with_admin(sharing());
    let mut proxy = setup.start();
    let (address, port) = (proxy.address(), proxy.address().port());
    let load = Load::on(address, &origin);
    for _ in 0..5 {
        load.await_asked(200);
        let next = with_admin_at(sharing(), admin).port(port).start();
        proxy.signal(Sig::TERM);
        assert_eq!(proxy.wait().code(), Some(0), "{:#?}", proxy.log());
        proxy = next;
    }
    let (asked, failures) = load.stop();
    assert!(asked >= 1_000, "{asked}");
    let ready = format!("GET /readyz HTTP/1.1\r\nHost: {admin}\r\n\r\n");
    eventually("the last one's metrics", || ask(admin, &ready).ok());
    match migrates {
        Ok(()) => {
            assert_eq!(failures, Vec::<String>::new(), "of {asked}");
            Ok(())
        }
        Err(error) => Err(format!(
            "net.ipv4.tcp_migrate_req can't be set ({error}): without it {} of {asked} failed",
            failures.len()
        )),
    }
}

/// An instance behind the balancer, which asks its admin port whether it is to get clients.
struct Instance {
    proxy: Proxy,
    admin: SocketAddr,
}

fn balanced() -> Setup {
    Setup::open()
        .arg("--proxy-protocol")
        .option("--proxy-protocol-from", "127.0.0.0/8")
        .option("--drain-delay", "5s")
}

impl Instance {
    fn start() -> Instance {
        let (setup, admin) = with_admin(balanced());
        let proxy = setup.start();
        Instance { proxy, admin }
    }

    /// Gets SIGTERM, ends, and another one takes its place.
    fn replace(&mut self) {
        let port = self.proxy.address().port();
        self.proxy.signal(Sig::TERM);
        assert_eq!(self.proxy.wait().code(), Some(0), "{:#?}", self.proxy.log());
        self.proxy = with_admin_at(balanced(), self.admin).port(port).start();
        // Before the next one goes, this one is back.
        self.proxy.await_lines("CANONICAL-PROXY-DECISION", 1);
    }
}

/// The balancer of deploy/haproxy.cfg, but for its addresses.
fn haproxy(instances: &[Instance]) -> Result<Balancer, String> {
    let program = program::find("haproxy")?;
    let reserved = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = reserved.local_addr().expect("its address");
    drop(reserved);
    let (mut configuration, mut servers) = (String::new(), 0);
    for line in include_str!("../../deploy/haproxy.cfg").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let line = match words[..] {
            ["bind", _] => format!("    bind {address}"),
            ["server", name, _] => {
                let Instance { proxy, admin } = &instances[servers];
                servers += 1;
                format!("    server {name} {} port {}", proxy.address(), admin.port())
            }
            ["default-server", ..] => {
                assert!(line.contains("check port 9810 "), "{line}");
                line.replace("port 9810 ", "")
            }
            _ => line.to_owned(),
        };
        configuration = configuration + &line + "\n";
    }
    assert_eq!(servers, instances.len());
    let (running, folder) = program::haproxy(&program, &configuration);
    Ok(Balancer {
        running,
        folder,
        address,
    })
}

/// A HAProxy.
struct Balancer {
    #[expect(dead_code, reason = "ends it")]
    running: Running,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Balancer {
    /// What it said of its servers.
    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("said")).expect("a file")
    }
}

fn three_instances_behind_haproxy_are_replaced_without_losing_a_request() -> Result<(), String> {
    program::find("haproxy")?;
    let mut instances: Vec<Instance> = (0..3).map(|_| Instance::start()).collect();
    let balancer = haproxy(&instances)?;
    let origin = Origin::fixed("ok");
    let request = get(&origin.url("/"));
    eventually("the balancer", || ask(balancer.address, &request).ok());
    let load = Load::on(balancer.address, &origin);
    load.await_asked(100);
    for instance in &mut instances {
        instance.replace();
        load.await_asked(100);
    }
    let (asked, failures) = load.stop();
    assert_eq!(
        failures,
        Vec::<String>::new(),
        "of {asked}; the balancer said {}",
        balancer.said()
    );
    Ok(())
}

/// Longer than two checks that each fail after `inter` would take to have a proxy taken out.
const STANDSTILL: Duration = Duration::from_secs(4);

/// As on a machine that has too much to do: a proxy that is slow is none that is gone, and a client waits for it.
fn instances_that_stand_still_for_a_while_stay_with_haproxy() -> Result<(), String> {
    program::find("haproxy")?;
    let instances: Vec<Instance> = (0..3).map(|_| Instance::start()).collect();
    let balancer = haproxy(&instances)?;
    let origin = Origin::fixed("ok");
    let request = get(&origin.url("/"));
    eventually("the balancer", || ask(balancer.address, &request).ok());
    let signal = |signal| {
        instances
            .iter()
            .for_each(|instance| instance.proxy.signal(signal))
    };
    let load = Load::on(balancer.address, &origin);
    load.await_asked(20);
    signal(Sig::STOP);
    // They come late, and one by one.
    let late: Vec<_> = (0..8)
        .map(|nth| {
            let (to, request) = (balancer.address, request.clone());
            thread::spawn(move || {
                thread::sleep(STANDSTILL * nth / 8);
                ask(to, &request)
            })
        })
        .collect();
    thread::sleep(STANDSTILL);
    signal(Sig::CONT);
    let late: Vec<_> = late
        .into_iter()
        .map(|client| client.join().expect("a client"))
        .collect();
    let (_, failures) = load.stop();
    let said = balancer.said();
    assert!(
        late.iter().all(Result::is_ok) && failures.is_empty(),
        "{late:?} {failures:?}: {said}"
    );
    assert!(!said.contains("is DOWN"), "{said}");
    Ok(())
}

/// Health as it is asked beside an instance like this.
fn health(proxy: &Proxy, admin: SocketAddr) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smokescreen"));
    command
        .env_clear()
        .args(["health", "--reuse-port", "--listen-ip", "127.0.0.1"])
        .arg(format!("--listen-port={}", proxy.address().port()))
        .arg("--expose-prometheus-metrics")
        .arg(format!("--prometheus-port={}", admin.port()));
    program::run(&mut command)
}

fn health_says_of_an_instance_what_it_knows_of_that_one() {
    for delay in ["0", "10m"] {
        let (setup, admin) = with_admin(sharing().option("--drain-delay", delay));
        let mut first = setup.start();
        let port = first.address().port();
        let origin = Origin::echo();
        let _tunnel = first.tunnel(&origin.authority());
        assert_eq!(health(&first, admin).code, Some(0));
        first.signal(Sig::TERM);
        eventually("not ready", || {
            (fetch(admin, "/readyz").status == 503).then_some(())
        });
        // It is alone, whether it takes clients still or not.
        let finished = health(&first, admin);
        assert_eq!(finished.code, Some(1), "{delay}: {}", finished.stderr);
        assert!(finished.stderr.contains("503"), "{}", finished.stderr);
        // The next one is well, though it is the first that answers.
        let second = with_admin_at(sharing(), admin).port(port).start();
        assert_eq!(fetch(admin, "/readyz").status, 503);
        let finished = health(&second, admin);
        assert_eq!(finished.code, Some(0), "{delay}: {}", finished.stderr);
        drop(second);
        let finished = health(&first, admin);
        assert_eq!(finished.code, Some(1), "{delay}: {}", finished.stderr);
        // Between the end of the one and the other's having that port, the proxy's port says it.
        let second = with_admin_at(sharing(), admin).port(port).start();
        first.signal(Sig::TERM);
        assert_eq!(first.wait().code(), Some(0));
        let finished = health(&second, admin);
        assert_eq!(finished.code, Some(0), "{delay}: {}", finished.stderr);
    }
}
