//! Real clients and servers: curl, openssl, Python and Node through the proxy, as people use it.

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use crate::support::case::cases;
use crate::support::dns::Dns;
use crate::support::message::{answer, chunked};
use crate::support::origin::{Next, Origin};
use crate::support::program::{self, Finished, Running};
use crate::support::proxy::{PASSWORD, Proxy, Setup};
use crate::support::wire::Wire;
use crate::support::{PUBLIC, eventually, pattern};

cases![
    curl_fetches_http,
    curl_fetches_https_through_a_tunnel,
    curl_needs_the_password,
    curl_tunnels_plain_http,
    curl_shows_the_denial,
    curl_uploads_and_downloads_megabytes,
    curl_reads_server_sent_events_unbuffered,
    curl_speaks_http_1_0_and_expect,
    curl_reads_the_environment,
    python_urllib_fetches_http_and_https,
    node_speaks_websocket_over_both_ways,
    openssl_s_client_goes_through,
    the_readme_shows_what_happens,
];

fn curl(proxy: &Proxy, arguments: &[&str]) -> Result<Finished, String> {
    Ok(program::run(&mut curl_command(proxy, arguments)?))
}

fn curl_command(proxy: &Proxy, arguments: &[&str]) -> Result<Command, String> {
    let program = program::find("curl")?;
    let mut command = Command::new(program);
    command
        .args([
            "-sS",
            "--max-time",
            "50",
            "-x",
            &format!("http://{}", proxy.address()),
        ])
        .args(arguments);
    command
        .env_remove("http_proxy")
        .env_remove("https_proxy")
        .env_remove("no_proxy")
        .env_remove("NO_PROXY");
    Ok(command)
}

#[track_caller]
fn assert_fetched(finished: &Finished, text: &str) {
    assert!(
        finished.code == Some(0) && finished.text().contains(text),
        "{finished:?}"
    );
}

/// A TLS origin with a self-signed certificate for `tls.test` and the public address.
pub(crate) struct TlsOrigin {
    _server: Running,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl TlsOrigin {
    pub(crate) fn start() -> Result<TlsOrigin, String> {
        let openssl = program::find("openssl")?;
        let folder = tempfile::tempdir().expect("a folder");
        let (key, certificate) = (
            folder.path().join("key.pem"),
            folder.path().join("certificate.pem"),
        );
        let names = format!("subjectAltName=DNS:tls.test,IP:{PUBLIC}");
        let mut request = Command::new(&openssl);
        request.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=tls.test",
            "-addext",
            &names,
        ]);
        let made = program::run(request.arg("-keyout").arg(&key).arg("-out").arg(&certificate));
        assert_eq!(made.code, Some(0), "{made:?}");
        let reserved = std::net::TcpListener::bind((PUBLIC, 0)).expect("a port");
        let address = reserved.local_addr().expect("its address");
        drop(reserved);
        let mut server = Command::new(openssl);
        server
            .args(["s_server", "-www", "-quiet", "-accept", &address.to_string()])
            .arg("-key")
            .arg(&key)
            .arg("-cert")
            .arg(&certificate);
        let child = server
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn();
        let origin = TlsOrigin {
            _server: Running(child.expect("openssl")),
            folder,
            address,
        };
        eventually("the TLS origin", || TcpStream::connect(address).ok());
        Ok(origin)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn certificate(&self) -> String {
        self.folder
            .path()
            .join("certificate.pem")
            .to_str()
            .expect("a plain path")
            .to_owned()
    }
}

fn curl_fetches_http() -> Result<(), String> {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("hello over http"));
    assert_fetched(&curl(&proxy, &[&origin.url("/page")])?, "hello over http");
    let seen = origin.last();
    assert_eq!(
        (seen.target.as_str(), seen.fields.has("proxy-connection")),
        ("/page", false)
    );
    let two = curl(&proxy, &[&origin.url("/1"), &origin.url("/2")])?;
    assert_eq!(two.text(), "hello over httphello over http");
    let listing = curl(&proxy, &["-I", &origin.url("/head")])?;
    assert_eq!(
        (listing.code, origin.last().method.as_str()),
        (Some(0), "HEAD"),
        "{listing:?}"
    );
    Ok(())
}

fn curl_fetches_https_through_a_tunnel() -> Result<(), String> {
    let tls = TlsOrigin::start()?;
    let dns = Dns::start().name("tls.test", &[PUBLIC]);
    let proxy = Setup::open().resolver(&dns).start();
    let certificate = tls.certificate();
    for url in [
        format!("https://{}/", tls.address),
        format!("https://tls.test:{}/", tls.address.port()),
    ] {
        assert_fetched(&curl(&proxy, &["--cacert", &certificate, &url])?, "TLS");
    }
    let untrusted = curl(&proxy, &[&format!("https://{}/", tls.address)])?;
    assert_eq!(
        untrusted.code,
        Some(60),
        "the certificate must reach curl as it is: {untrusted:?}"
    );
    let lines = proxy.await_lines("CANONICAL-PROXY-CN-CLOSE", 3);
    assert!(lines.iter().all(|line| line.number("bytes_in") > 100.0));
    Ok(())
}

fn curl_needs_the_password() -> Result<(), String> {
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("inside"));
    let url = origin.url("/");
    let credentials = format!("any:{PASSWORD}");
    assert_fetched(&curl(&proxy, &["-U", &credentials, &url])?, "inside");
    assert_fetched(
        &curl(&proxy, &["--proxy-anyauth", "-U", &credentials, &url])?,
        "inside",
    );
    assert_fetched(&curl(&proxy, &["-p", "-U", &credentials, &url])?, "inside");
    assert_fetched(
        &curl(&proxy, &["-p", "--proxy-anyauth", "-U", &credentials, &url])?,
        "inside",
    );
    for wrong in [
        &["-w", "%{http_code}"][..],
        &["-U", "any:wrong", "-w", "%{http_code}"],
    ] {
        let finished = curl(&proxy, &[wrong, &[url.as_str()]].concat())?;
        assert_fetched(&finished, "407");
    }
    let tunnel = curl(&proxy, &["-p", &url])?;
    assert_eq!(tunnel.code, Some(56), "{tunnel:?}");
    assert_eq!(origin.requests().len(), 4);
    Ok(())
}

fn curl_tunnels_plain_http() -> Result<(), String> {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("tunnelled"));
    assert_fetched(&curl(&proxy, &["--proxytunnel", &origin.url("/t")])?, "tunnelled");
    assert_eq!(origin.last().target, "/t");
    assert_eq!(proxy.decision().get("proxy_type"), "connect");
    Ok(())
}

fn curl_shows_the_denial() -> Result<(), String> {
    let proxy = Setup::open().start();
    let denied = curl(&proxy, &["-i", "http://169.254.169.254/latest/meta-data/"])?;
    assert_fetched(&denied, "HTTP/1.1 407 Request rejected by proxy");
    assert_fetched(&denied, "Egress proxying is denied to host '169.254.169.254'");
    let tunnel = curl(&proxy, &["https://127.0.0.1/"])?;
    assert!(
        tunnel.code == Some(56) && tunnel.stderr.contains("407"),
        "{tunnel:?}"
    );
    let malformed = curl(&proxy, &["--proxytunnel", "http://localhost/"])?;
    assert_eq!(malformed.code, Some(56), "{malformed:?}");
    Ok(())
}

fn curl_uploads_and_downloads_megabytes() -> Result<(), String> {
    let body = pattern(8 << 20, 3);
    let sent = body.clone();
    let origin = Origin::http(move |seen, wire| {
        let reply = if seen.method == "GET" {
            answer("200 OK", "", &sent)
        } else {
            answer("200 OK", "", if seen.body == sent { b"same" } else { b"differs" })
        };
        let _ = wire.try_send(reply);
        Next::Keep
    });
    let proxy = Setup::open().start();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("body");
    std::fs::write(&file, &body).expect("a file");
    let path = file.to_str().expect("a plain path");
    assert!(Path::new(path).exists());
    let got = curl(&proxy, &[&origin.url("/")])?;
    crate::support::assert_same_bytes(&got.stdout, &body);
    for how in [
        &["-T", path][..],
        &["-T", path, "-H", "Transfer-Encoding: chunked"],
        &["-p", "-T", path],
    ] {
        assert_fetched(
            &curl(&proxy, &[how, &[origin.url("/").as_str()]].concat())?,
            "same",
        );
    }
    Ok(())
}

fn curl_reads_server_sent_events_unbuffered() -> Result<(), String> {
    let origin = Origin::http(|_, wire| {
        let _ = wire.try_send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        for index in 0..3 {
            let event = chunked(format!("data: {index}\n\n").as_bytes(), 100);
            let _ = wire.try_send(&event[..event.len() - 5]);
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        // The stream stays open: curl must show what came although the response never ends.
        let _ = wire.drain();
        Next::Close
    });
    let proxy = Setup::open().start();
    let mut command = curl_command(&proxy, &["-N", &origin.url("/events")])?;
    let mut running = program::Running(program::spawn(&mut command));
    let wanted = b"data: 0\n\ndata: 1\n\ndata: 2\n\n";
    let mut shown = vec![0; wanted.len()];
    let mut stdout = running.0.stdout.take().expect("its output");
    stdout
        .read_exact(&mut shown)
        .expect("three events before curl gives up");
    assert_eq!(shown, wanted);
    Ok(())
}

fn curl_speaks_http_1_0_and_expect() -> Result<(), String> {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    assert_fetched(&curl(&proxy, &["--http1.0", &origin.url("/")])?, "ok");
    let body = "x".repeat(4096);
    assert_fetched(
        &curl(
            &proxy,
            &["-H", "Expect: 100-continue", "-d", &body, &origin.url("/")],
        )?,
        "ok",
    );
    assert_eq!(origin.last().body.len(), 4096);
    Ok(())
}

fn curl_reads_the_environment() -> Result<(), String> {
    let program = program::find("curl")?;
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("by environment"));
    let proxy_url = format!("http://any:s3cr3t%3A%20pa55%25word@{}", proxy.address());
    let mut command = Command::new(program);
    command
        .args(["-sS", "--max-time", "50", &origin.url("/")])
        .env("http_proxy", proxy_url)
        .env_remove("no_proxy")
        .env_remove("NO_PROXY");
    assert_fetched(&program::run(&mut command), "by environment");
    Ok(())
}

fn python_urllib_fetches_http_and_https() -> Result<(), String> {
    let python = program::find("python3")?;
    let tls = TlsOrigin::start()?;
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("python was here"));
    let script = r#"
import ssl, sys, urllib.request as u
proxy, http, https, certificate = sys.argv[1:]
context = ssl.create_default_context(cafile=certificate)
opener = u.build_opener(u.ProxyHandler({"http": proxy, "https": proxy}), u.HTTPSHandler(context=context))
print(opener.open(http, timeout=50).read().decode())
print(opener.open(u.Request(http, data=b"posted"), timeout=50).read().decode())
print("TLS" in opener.open(https, timeout=50).read().decode())
try:
    opener.open("http://127.0.0.1:1/", timeout=50)
except u.HTTPError as error:
    print(error.code, error.reason)
"#;
    let proxy_url = format!("http://any:s3cr3t%3A%20pa55%25word@{}", proxy.address());
    let mut command = Command::new(python);
    command.args([
        "-c",
        script,
        &proxy_url,
        &origin.url("/"),
        &format!("https://{}/", tls.address),
        &tls.certificate(),
    ]);
    let finished = program::run(command.env_remove("no_proxy").env_remove("NO_PROXY"));
    let expected =
        "python was here\npython was here\nTrue\n407 Request rejected by proxy (not-global-unicast)\n";
    assert_eq!(
        (finished.code, finished.text().as_str()),
        (Some(0), expected),
        "{}",
        finished.stderr
    );
    assert_eq!(origin.last().body, b"posted");
    Ok(())
}

/// A WebSocket server of Node's standard library alone: the handshake by hand, then an echo of frames.
const WEBSOCKET_SERVER: &str = r#"
const http = require("http"), crypto = require("crypto");
const server = http.createServer();
server.on("upgrade", (request, socket) => {
  const accept = crypto.createHash("sha1").update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
  socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + "\r\n\r\n");
  socket.on("data", (frame) => {
    const length = frame[1] & 127, mask = frame.subarray(2, 6), text = Buffer.from(frame.subarray(6, 6 + length));
    for (let i = 0; i < length; i++) text[i] ^= mask[i % 4];
    socket.write(Buffer.concat([Buffer.from([0x81, length]), text]));
  });
  socket.on("error", () => {});
});
server.listen(0, process.argv[1], () => console.log(server.address().port));
"#;

fn node_speaks_websocket_over_both_ways() -> Result<(), String> {
    use std::io::{BufRead as _, BufReader};
    let node = program::find("node")?;
    let mut command = Command::new(node);
    let mut server = Running(program::spawn(command.args(["-e", WEBSOCKET_SERVER, PUBLIC])));
    let mut port = String::new();
    BufReader::new(server.0.stdout.take().expect("its output"))
        .read_line(&mut port)
        .expect("a line");
    let port = port
        .trim()
        .parse::<u16>()
        .map_err(|_| "node did not start".to_owned())?;
    let authority = format!("{PUBLIC}:{port}");
    let proxy = Setup::open().start();
    let fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    let mut plain = proxy.client();
    plain.send(format!(
        "GET http://{authority}/chat HTTP/1.1\r\nHost: {authority}\r\n{fields}\r\n"
    ));
    let mut tunnel = proxy.tunnel(&authority);
    tunnel.send(format!("GET /chat HTTP/1.1\r\nHost: {authority}\r\n{fields}\r\n"));
    for client in [&mut plain, &mut tunnel] {
        let response = client.response();
        assert_eq!(response.status, 101, "{response:?}");
        assert_eq!(
            response.fields.get("sec-websocket-accept").as_deref(),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
        for word in ["hello", "again", "and again"] {
            speak(client, word);
        }
    }
    Ok(())
}

/// One masked text frame there, the same text unmasked back (RFC 6455, 5.2).
fn speak(client: &mut Wire, word: &str) {
    let length = u8::try_from(word.len()).expect("a short word");
    let mask = [1u8, 2, 3, 4];
    let masked: Vec<u8> = word
        .bytes()
        .zip(mask.iter().cycle())
        .map(|(byte, key)| byte ^ key)
        .collect();
    client.send([&[0x81, 0x80 | length][..], &mask, &masked].concat());
    client.expect(&[&[0x81, length][..], word.as_bytes()].concat());
}

fn openssl_s_client_goes_through() -> Result<(), String> {
    let openssl = program::find("openssl")?;
    let tls = TlsOrigin::start()?;
    let proxy = Setup::open().start();
    let mut command = Command::new(openssl);
    command.args([
        "s_client",
        "-proxy",
        &proxy.address().to_string(),
        "-connect",
        &tls.address.to_string(),
        "-CAfile",
        &tls.certificate(),
        "-verify_return_error",
    ]);
    let finished = program::run(&mut command);
    assert!(
        finished.text().contains("Verify return code: 0 (ok)"),
        "{finished:?}"
    );
    Ok(())
}

/// The session in README.md is this script's output; curl's own words differ between its versions.
fn the_readme_shows_what_happens() -> Result<(), String> {
    for tool in ["bash", "curl", "ip", "openssl", "python3", "unshare"] {
        program::find(tool)?;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join("tests/readme-session.sh"));
    let finished = program::run(command.arg(env!("CARGO_BIN_EXE_smokescreen")));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let readme = std::fs::read_to_string(root.join("README.md")).expect("README.md");
    let block = readme
        .split_once("```console\n")
        .and_then(|(_, rest)| rest.split_once("```"));
    let (shown, _) = block.expect("a console block");
    let ours = |text: &str| {
        text.lines()
            .filter(|line| !line.starts_with("curl:"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(ours(&finished.text()), ours(shown));
    Ok(())
}
