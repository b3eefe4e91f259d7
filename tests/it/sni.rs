//! What is inside of tunnels: the server that TLS names there, compared with the tunnel's host, by real clients and by bytes.

use std::net::TcpListener;
use std::process::Command;
use std::time::Instant;

use crate::support::case::cases;
use crate::support::dns::Dns;
use crate::support::log_line::LogLine;
use crate::support::message::connect;
use crate::support::origin::Origin;
use crate::support::program::{self, Running};
use crate::support::proxy::{Proxy, Setup};
use crate::support::wire::Wire;
use crate::support::{PUBLIC, eventually, pattern};

cases![
    a_hello_of_the_host_passes_and_is_noted,
    ghsa_72w7_mf9g_733p_another_name_does_not_reach_the_target,
    by_default_a_wrong_name_is_only_noted,
    a_role_s_rule_wins_over_the_option,
    plain_bytes_on_a_port_for_tls_are_refused,
    other_ports_may_carry_anything,
    a_server_may_speak_first,
    a_hello_in_pieces_is_whole_in_the_end,
    a_hello_that_is_not_whole_in_time_is_late,
    a_hidden_name_is_refused_where_that_is_wanted,
    bytes_are_counted_once_and_bulk_passes_behind_a_hello,
    real_clients_pass_and_are_refused,
];

/// What a real client sent: the hello of that file.
fn hello(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/hellos/{name}.bin", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).expect("a hello")
}

fn names() -> Dns {
    Dns::start()
        .name("example.com", &[PUBLIC])
        .name("other.test", &[PUBLIC])
}

/// A proxy for which the origin's port is one for TLS.
fn setup(origin: &Origin, dns: &Dns) -> Setup {
    let port = origin.address().port().to_string();
    Setup::open().resolver(dns).option("--sni-ports", port)
}

fn tunnel(proxy: &Proxy, origin: &Origin, host: &str) -> Wire {
    proxy.tunnel(&format!("{host}:{}", origin.address().port()))
}

#[track_caller]
fn assert_seen(line: &LogLine, name: &str, verdict: &str, is_denied: bool) {
    assert_eq!(
        (line.get("sni"), line.get("sni_verdict")),
        (name, verdict),
        "{line:?}"
    );
    assert_eq!(line.find("code"), is_denied.then_some("sni-mismatch"));
    assert_eq!(line.get("error").is_empty(), !is_denied);
}

fn a_hello_of_the_host_passes_and_is_noted() {
    let (origin, dns) = (Origin::echo(), names());
    for verify in ["report", "enforce"] {
        let proxy = setup(&origin, &dns).option("--verify-sni", verify).start();
        let hello = hello("openssl-default");
        let mut client = tunnel(&proxy, &origin, "example.com");
        client.send(&hello);
        client.expect(&hello);
        client.send("and more");
        client.expect(b"and more");
        drop(client);
        let line = proxy.close_line();
        assert_seen(&line, "example.com", "match", false);
        assert_eq!(line.number("bytes_out"), (hello.len() + 8) as f64);
    }
}

fn ghsa_72w7_mf9g_733p_another_name_does_not_reach_the_target() {
    let (origin, dns) = (Origin::echo(), names());
    for (file, name, verdict, alert) in [
        ("openssl-other-name", "other.example", "mismatch", 112),
        ("openssl-no-name", "", "missing", 49),
    ] {
        let proxy = setup(&origin, &dns).option("--verify-sni", "enforce").start();
        let mut client = tunnel(&proxy, &origin, "example.com");
        client.send(hello(file));
        client.expect(&[0x15, 3, 3, 0, 2, 2, alert]);
        client.expect_eof();
        let line = proxy.close_line();
        assert_seen(&line, name, verdict, true);
        assert_eq!((line.number("bytes_in"), line.number("bytes_out")), (0.0, 0.0));
        assert!(proxy.decision().get("allow") == "true");
    }
    // Sent ahead of the 200, as one message.
    let proxy = setup(&origin, &dns).option("--verify-sni", "enforce").start();
    let mut client = proxy.client();
    let target = format!("example.com:{}", origin.address().port());
    client.send([connect(&target).as_bytes(), &hello("openssl-other-name")].concat());
    assert_eq!(client.response_to("CONNECT").status, 200);
    client.expect(&[0x15, 3, 3, 0, 2, 2, 112]);
    client.expect_eof();
    assert_seen(&proxy.close_line(), "other.example", "mismatch", true);
}

fn by_default_a_wrong_name_is_only_noted() {
    let (origin, dns) = (Origin::echo(), names());
    for (file, name, verdict) in [
        ("openssl-other-name", "other.example", "mismatch"),
        ("openssl-no-name", "", "missing"),
        ("openssl-address", "192.0.2.1", "mismatch"),
    ] {
        let proxy = setup(&origin, &dns).start();
        let mut client = tunnel(&proxy, &origin, "example.com");
        client.send(hello(file));
        client.expect(&hello(file));
        drop(client);
        assert_seen(&proxy.close_line(), name, verdict, false);
    }
    let proxy = setup(&origin, &dns).option("--verify-sni", "off").start();
    let mut client = tunnel(&proxy, &origin, "example.com");
    client.send(hello("openssl-other-name"));
    client.expect(&hello("openssl-other-name"));
    drop(client);
    let line = proxy.close_line();
    assert_eq!((line.find("sni"), line.find("sni_verdict")), (None, None));
}

fn a_role_s_rule_wins_over_the_option() {
    let (origin, dns) = (Origin::echo(), names());
    let acl = |verify: &str| {
        format!(
            "version: v1\nservices: []\ndefault: {{action: open, allowed_domains: [other.example], verify_sni: {verify}}}\n"
        )
    };
    for (option, rule, file, verdict) in [
        ("off", "enforce", "openssl-default", Some("mismatch")),
        ("off", "enforce", "openssl-other-name", Some("listed")),
        ("enforce", "report", "openssl-default", Some("mismatch")),
        ("enforce", "off", "openssl-default", None),
    ] {
        let proxy = setup(&origin, &dns)
            .option("--verify-sni", option)
            .acl(&acl(rule))
            .start();
        let mut client = tunnel(&proxy, &origin, "other.test");
        client.send(hello(file));
        let is_denied = rule == "enforce" && verdict == Some("mismatch");
        match is_denied {
            true => client.expect(&[0x15, 3, 3, 0, 2, 2, 112]),
            false => client.expect(&hello(file)),
        }
        drop(client);
        let line = proxy.close_line();
        assert_eq!(line.find("sni_verdict"), verdict);
        assert_eq!(line.find("code").is_some(), is_denied);
    }
}

fn plain_bytes_on_a_port_for_tls_are_refused() {
    let (origin, dns) = (Origin::echo(), names());
    for (verify, is_denied) in [("report", false), ("enforce", true)] {
        let proxy = setup(&origin, &dns).option("--verify-sni", verify).start();
        let mut client = tunnel(&proxy, &origin, "example.com");
        client.send("GET / HTTP/1.1\r\n\r\n");
        match is_denied {
            true => client.expect_eof(),
            false => client.expect(b"GET / HTTP/1.1\r\n\r\n"),
        }
        drop(client);
        assert_seen(&proxy.close_line(), "", "not-tls", is_denied);
    }
}

fn other_ports_may_carry_anything() {
    let (origin, dns) = (Origin::echo(), names());
    let proxy = Setup::open()
        .resolver(&dns)
        .option("--verify-sni", "enforce")
        .start();
    let mut client = tunnel(&proxy, &origin, "example.com");
    client.send("SSH-2.0-x\r\n");
    client.expect(b"SSH-2.0-x\r\n");
    drop(client);
    let line = proxy.close_line();
    assert_eq!((line.find("sni"), line.find("code")), (None, None));
    // But what begins as TLS does is looked at.
    let proxy = Setup::open()
        .resolver(&dns)
        .option("--verify-sni", "enforce")
        .start();
    let mut client = tunnel(&proxy, &origin, "example.com");
    client.send(hello("openssl-other-name"));
    client.expect(&[0x15, 3, 3, 0, 2, 2, 112]);
    drop(client);
    assert_seen(&proxy.close_line(), "other.example", "mismatch", true);
}

fn a_server_may_speak_first() {
    let origin = Origin::raw(|mut wire: Wire| {
        wire.send("220 ready\r\n");
        let (heard, _) = wire.drain();
        assert!(heard == b"EHLO a\r\n" || heard.is_empty(), "{heard:?}");
    });
    let dns = names();
    for is_for_tls in [false, true] {
        let setup = match is_for_tls {
            true => setup(&origin, &dns),
            false => Setup::open().resolver(&dns),
        };
        let proxy = setup.option("--verify-sni", "enforce").start();
        let mut client = tunnel(&proxy, &origin, "example.com");
        client.expect(b"220 ready\r\n");
        client.send("EHLO a\r\n");
        client.half_close();
        client.expect_eof();
        let line = proxy.close_line();
        assert_eq!(line.find("sni_verdict"), is_for_tls.then_some("not-tls"));
        assert_eq!(line.number("bytes_in"), 11.0);
    }
    // What it heard is said there.
    origin.await_ended(2);
}

fn a_hello_in_pieces_is_whole_in_the_end() {
    let (origin, dns) = (Origin::echo(), names());
    for file in ["rustls-fragments", "openssl-many-records", "chromium"] {
        let proxy = setup(&origin, &dns).option("--verify-sni", "enforce").start();
        let mut client = tunnel(&proxy, &origin, "example.com");
        client.stream().set_nodelay(true).expect("an option");
        let hello = hello(file);
        for piece in hello.chunks(7) {
            client.send(piece);
        }
        client.expect(&hello);
        drop(client);
        assert_seen(&proxy.close_line(), "example.com", "match", false);
    }
}

fn a_hello_that_is_not_whole_in_time_is_late() {
    let (origin, dns) = (Origin::echo(), names());
    let proxies = ["report", "enforce"].map(|verify| {
        (
            verify,
            setup(&origin, &dns).option("--verify-sni", verify).start(),
        )
    });
    let begin = hello("openssl-default")[..100].to_vec();
    let began = Instant::now();
    let clients = proxies.map(|(verify, proxy)| {
        let mut client = tunnel(&proxy, &origin, "example.com");
        client.send(&begin);
        (verify, proxy, client)
    });
    for (verify, proxy, mut client) in clients {
        match verify {
            "enforce" => client.expect(&[0x15, 3, 3, 0, 2, 2, 49]),
            _ => client.expect(&begin),
        }
        assert!(began.elapsed().as_secs() >= 9, "{:?}", began.elapsed());
        drop(client);
        assert_seen(&proxy.close_line(), "", "late", verify == "enforce");
    }
}

fn a_hidden_name_is_refused_where_that_is_wanted() {
    let (origin, dns) = (Origin::echo(), names());
    for (file, name, host) in [
        ("rustls-ech-grease", "example.com", "example.com"),
        ("rustls-ech", "public.example", "other.test"),
    ] {
        for ech in ["allow", "deny"] {
            let proxy = setup(&origin, &dns)
                .option("--verify-sni", "enforce")
                .option("--ech", ech)
                .start();
            let mut client = tunnel(&proxy, &origin, host);
            client.send(hello(file));
            let (verdict, alert) = match (ech, name == host) {
                ("deny", _) => ("ech", Some(49)),
                (_, true) => ("match", None),
                (_, false) => ("mismatch", Some(112)),
            };
            match alert {
                Some(alert) => client.expect(&[0x15, 3, 3, 0, 2, 2, alert]),
                None => client.expect(&hello(file)),
            }
            drop(client);
            assert_seen(&proxy.close_line(), name, verdict, alert.is_some());
        }
    }
}

fn bytes_are_counted_once_and_bulk_passes_behind_a_hello() {
    let (origin, dns) = (Origin::echo(), names());
    let acl = "version: v1\nservices: []\ndefault: {action: open, limits: {bytes_per_day: 10000000}, verify_sni: enforce}\n";
    for metered in [false, true] {
        let mut setup = setup(&origin, &dns);
        if metered {
            setup = setup.acl(acl);
        }
        let proxy = setup.start();
        let hello = hello("openssl-default");
        let bulk = pattern(4_000_000, 7);
        let mut client = tunnel(&proxy, &origin, "example.com");
        let mut twin = client.twin();
        let sent = [&hello[..], &bulk].concat();
        let sender = std::thread::spawn(move || {
            twin.send(sent);
            twin.half_close();
        });
        client.expect(&hello);
        client.expect(&bulk);
        client.expect_eof();
        sender.join().expect("sent");
        let line = proxy.close_line();
        assert_seen(&line, "example.com", "match", false);
        let bytes = (hello.len() + bulk.len()) as f64;
        assert_eq!(
            (line.number("bytes_in"), line.number("bytes_out")),
            (bytes, bytes)
        );
    }
}

/// `openssl s_client`, curl and Python by the proxy to a server of openssl's: with the host's name they get through, with
/// another or none they are told so.
fn real_clients_pass_and_are_refused() -> Result<(), String> {
    let authority = crate::support::openssl::OpenSsl::new()?;
    let (with_python, with_curl) = (program::find("python3")?, program::find("curl")?);
    authority.make("ecparam -name prime256v1 -genkey -noout -out server.key");
    authority.issue("server", "example.com", "subjectAltName = DNS:example.com\n");
    let port = TcpListener::bind((PUBLIC, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let mut served = authority.command(&format!(
        "s_server -accept {PUBLIC}:{port} -cert server.pem -key server.key -www -quiet"
    ));
    let _server = Running(program::spawn(served.stdin(std::process::Stdio::null())));
    eventually("a server", || std::net::TcpStream::connect((PUBLIC, port)).ok());
    let dns = names();
    let proxy = Setup::open()
        .resolver(&dns)
        .option("--verify-sni", "enforce")
        .option("--sni-ports", port.to_string())
        .start();
    let (address, ca) = (proxy.address(), authority.path("ca.pem"));
    let python = "import socket,ssl,sys\n\
        proxy,port,ca,name=sys.argv[1:]\n\
        host,at=proxy.rsplit(':',1)\n\
        wire=socket.create_connection((host,int(at)))\n\
        wire.sendall(f'CONNECT example.com:{port} HTTP/1.1\\r\\n\\r\\n'.encode())\n\
        while not wire.recv(4096).endswith(b'\\r\\n\\r\\n'): pass\n\
        context=ssl.create_default_context(cafile=ca)\n\
        context.check_hostname=False\n\
        context.wrap_socket(wire,server_hostname=name or None)\n\
        print('through')\n";
    let mut seen = 0;
    for (name, verdict, alert) in [
        ("example.com", "match", ""),
        ("EXAMPLE.com", "match", ""),
        ("other.test", "mismatch", "unrecognized name"),
        ("", "missing", "access denied"),
    ] {
        let named = match name {
            "" => "-noservername".to_owned(),
            name => format!("-servername {name}"),
        };
        let mut commands = vec![authority.command(&format!(
            "s_client -proxy {address} -connect example.com:{port} {named} -CAfile {ca}"
        ))];
        let mut command = Command::new(&with_python);
        command.args(["-c", python, &address.to_string(), &port.to_string(), &ca, name]);
        commands.push(command);
        if name == "example.com" {
            let mut command = Command::new(&with_curl);
            command.args(["-sS", "--proxy", &format!("http://{address}"), "--cacert", &ca]);
            command.arg(format!("https://example.com:{port}/"));
            commands.push(command);
        }
        for mut command in commands {
            let finished = program::run_fed(&mut command, "");
            assert_eq!(finished.code == Some(0), alert.is_empty(), "{name}: {finished:?}");
            let said = (finished.text() + &finished.stderr)
                .to_lowercase()
                .replace('_', " ");
            assert!(said.contains(alert), "{name}: {said}");
            seen += 1;
            let lines = proxy.await_lines("CANONICAL-PROXY-CN-CLOSE", seen);
            let line = lines.last().expect("a line");
            // Who goes away with tickets unread resets its connection.
            assert_eq!((line.get("sni"), line.get("sni_verdict")), (name, verdict));
            assert_eq!(line.find("code").is_some(), !alert.is_empty());
        }
    }
    Ok(())
}
