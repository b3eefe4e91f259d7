//! Other people's programs in intercepted tunnels, and the example of docs/mitm.md as somebody would use it.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use crate::browser::Browser;
use crate::mitm::{GOOD, House, at};
use crate::support::PUBLIC;
use crate::support::case::cases;
use crate::support::dns::Dns;
use crate::support::eventually;
use crate::support::program::{self, Finished, Running};
use crate::support::proxy::{Proxy, Setup};

cases![
    curl_fetches_through_an_intercepted_tunnel,
    python_fetches_through_an_intercepted_tunnel,
    node_fetches_through_an_intercepted_tunnel,
    java_fetches_through_an_intercepted_tunnel,
    chromium_fetches_through_an_intercepted_tunnel,
    origins_of_openssl_are_spoken_to_in_both_versions,
    an_origin_of_openssl_that_keeps_connections_is_asked_on_one,
    the_example_of_the_document_works,
];

fn curl(proxy: &Proxy, authority: &Path, arguments: &[&str]) -> Result<Finished, String> {
    let mut command = Command::new(program::find("curl")?);
    command.args([
        "-sS",
        "--max-time",
        "50",
        "-x",
        &format!("http://{}", proxy.address()),
    ]);
    command.arg("--cacert").arg(authority).args(arguments);
    for name in ["http_proxy", "https_proxy", "no_proxy", "NO_PROXY"] {
        command.env_remove(name);
    }
    Ok(program::run(&mut command))
}

/// The authority's certificate in a file.
fn authority(house: &House) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mitm.pem");
    std::fs::write(&path, house.own.pem()).expect("a file");
    (folder, path)
}

fn curl_fetches_through_an_intercepted_tunnel() -> Result<(), String> {
    let house = House::new();
    let (proxy, origin, (_folder, ca)) = (house.proxy(GOOD), house.fixed("curl"), authority(&house));
    let url = format!("https://{}/", at("good.test", &origin));
    for how in [
        &[][..],
        &["--tls-max", "1.2"],
        &["--http1.1"],
        &["-d", "a=b"],
        &["-H", "X-Key: mine"],
    ] {
        let fetched = curl(&proxy, &ca, &[how, &[&url, &url]].concat())?;
        assert_eq!(
            (fetched.code, fetched.text().as_str()),
            (Some(0), "curlcurl"),
            "{fetched:?}"
        );
        assert_eq!(origin.last().fields.all("x-key"), ["s3cret"]);
    }
    let other = curl(
        &proxy,
        &ca,
        &["-H", "Host: denied.test", "-w", "%{http_code}", &url],
    )?;
    assert!(other.text().ends_with("407"), "{other:?}");
    Ok(())
}

fn python_fetches_through_an_intercepted_tunnel() -> Result<(), String> {
    let python = program::find("python3")?;
    let house = House::new();
    let (proxy, origin, (_folder, ca)) = (house.proxy(GOOD), house.fixed("python"), authority(&house));
    let script = r#"
import ssl, sys, urllib.request
proxy, authority, url = sys.argv[1:]
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({"https": proxy}),
    urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authority)))
for data in (None, b"posted"):
    with opener.open(url, data, timeout=50) as response:
        print(response.status, response.read().decode())
"#;
    let mut command = Command::new(python);
    command.args(["-c", script, &format!("http://{}", proxy.address())]);
    command
        .arg(&ca)
        .arg(format!("https://{}/", at("good.test", &origin)));
    let finished = program::run(&mut command);
    assert_eq!(
        (finished.code, finished.text().as_str()),
        (Some(0), "200 python\n200 python\n"),
        "{}",
        finished.stderr
    );
    assert_eq!(origin.last().body, b"posted");
    Ok(())
}

fn node_fetches_through_an_intercepted_tunnel() -> Result<(), String> {
    let node = program::find("node")?;
    let house = House::new();
    let (proxy, origin, (_folder, ca)) = (house.proxy(GOOD), house.fixed("node"), authority(&house));
    let script = r#"
const http = require("http"), https = require("https"), tls = require("tls");
const [port, authority, name] = process.argv.slice(1);
http.request({ host: "127.0.0.1", port, method: "CONNECT", path: authority }).on("connect", (answer, socket) => {
  const sealed = tls.connect({ socket, servername: name, ALPNProtocols: ["http/1.1"] }, () => {
    https.get({ createConnection: () => sealed, headers: { Host: authority }, path: "/" }, (response) => {
      let body = "";
      response.on("data", (piece) => body += piece);
      response.on("end", () => { console.log(answer.statusCode, response.statusCode, body, sealed.getProtocol()); sealed.end(); });
    });
  });
}).end();
"#;
    let mut command = Command::new(node);
    command.env("NODE_EXTRA_CA_CERTS", &ca).args([
        "-e",
        script,
        &proxy.address().port().to_string(),
        &at("good.test", &origin),
        "good.test",
    ]);
    let finished = program::run(&mut command);
    assert_eq!(
        (finished.code, finished.text().as_str()),
        (Some(0), "200 200 node TLSv1.3\n"),
        "{}",
        finished.stderr
    );
    Ok(())
}

/// As a program of one file, which needs nothing of `tests/clients/setup.sh`.
fn java_fetches_through_an_intercepted_tunnel() -> Result<(), String> {
    let java = program::find("java")?;
    program::find("javac")?;
    let house = House::new();
    let (proxy, origin, (_folder, ca)) = (house.proxy(GOOD), house.fixed("java"), authority(&house));
    let mut command = Command::new(java);
    command
        .arg("-XX:TieredStopAtLevel=1")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/Client.java"))
        .arg(format!("http://any:thing@{}", proxy.address()))
        .arg(format!("https://{}/", at("good.test", &origin)))
        .arg(&ca);
    let finished = program::run(&mut command);
    assert_eq!(finished.text().trim(), "200 java", "{}", finished.stderr);
    assert_eq!(origin.last().fields.all("x-key"), ["s3cret"]);
    Ok(())
}

/// It offers h2 beside HTTP/1.1, and permutes its hello.
fn chromium_fetches_through_an_intercepted_tunnel() -> Result<(), String> {
    let house = House::new();
    let (proxy, origin, (_folder, ca)) = (house.proxy(GOOD), house.fixed("chromium"), authority(&house));
    let url = format!("https://{}/", at("good.test", &origin));
    let Some(mut browser) = Browser::through(proxy.address(), &ca, &url)? else {
        return Ok(());
    };
    eventually("the page", || {
        let shown = browser.evaluate("document.body?.innerText ?? ''");
        (shown == "chromium").then_some(())
    });
    let posted = "fetch('/', {method: 'POST', body: 'posted'}).then(answer => answer.text()).then(text => document.title = text)";
    browser.evaluate(&format!("{posted}, 0"));
    eventually("the answer", || {
        (browser.evaluate("document.title") == "chromium").then_some(())
    });
    // It may ask for an icon at any time.
    let requests = origin.requests();
    let mut posted = requests.iter().filter(|request| request.method == "POST");
    assert_eq!(
        posted.next().map(|request| request.body.as_slice()),
        Some(&b"posted"[..])
    );
    assert!(posted.next().is_none());
    for request in &requests {
        assert_eq!(request.fields.all("x-key"), ["s3cret"]);
    }
    Ok(())
}

/// An origin's certificate and key in files, and a port that is free.
fn of_openssl(house: &House) -> (tempfile::TempDir, [String; 2], u16) {
    let issued = house.origins.issue(&crate::support::pki::Leaf {
        dns: &["good.test"],
        ..crate::support::pki::Leaf::server()
    });
    let folder = tempfile::tempdir().expect("a folder");
    let files = [("server.pem", &issued.chain), ("server.key", &issued.key)].map(|(name, text)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("a plain path").to_owned()
    });
    let reserved = TcpListener::bind((PUBLIC, 0)).expect("a port");
    (folder, files, reserved.local_addr().expect("its address").port())
}

fn serving(command: &mut Command, port: u16) -> Running {
    let server = Running(program::spawn(command));
    eventually("an origin", || TcpStream::connect((PUBLIC, port)).ok());
    server
}

fn origins_of_openssl_are_spoken_to_in_both_versions() -> Result<(), String> {
    let openssl = program::find("openssl")?;
    let house = House::new();
    let (proxy, (_ours, ca)) = (house.proxy(GOOD), authority(&house));
    for (version, spoken) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let (_folder, [certificate, key], port) = of_openssl(&house);
        let mut command = Command::new(&openssl);
        command.args(["s_server", "-www", "-quiet", version]);
        command.args([
            "-accept",
            &format!("{PUBLIC}:{port}"),
            "-cert",
            &certificate,
            "-key",
            &key,
        ]);
        let _server = serving(&mut command, port);
        let url = format!("https://good.test:{port}/");
        let fetched = curl(&proxy, &ca, &[&url])?;
        assert!(
            fetched.code == Some(0) && fetched.text().contains(spoken),
            "{fetched:?}"
        );
    }
    Ok(())
}

/// Its tickets come behind the handshake, and cost no connection.
fn an_origin_of_openssl_that_keeps_connections_is_asked_on_one() -> Result<(), String> {
    let python = program::find("python3")?;
    let house = House::new();
    let (proxy, (_ours, ca)) = (house.proxy(GOOD), authority(&house));
    let (_folder, [certificate, key], port) = of_openssl(&house);
    let script = r#"
import http.server, ssl, sys
host, port, certificate, key = sys.argv[1:]
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = f"{self.client_address[1]} {self.headers['X-Key']}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
"#;
    let mut command = Command::new(python);
    command.args(["-c", script, PUBLIC, &port.to_string(), &certificate, &key]);
    let _server = serving(&mut command, port);
    let url = format!("https://good.test:{port}/");
    let fetched = curl(&proxy, &ca, &[&url, &url, &url])?;
    let text = fetched.text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() == 3 && lines[0].ends_with(" s3cret"), "{fetched:?}");
    assert!(
        lines.iter().all(|line| *line == lines[0]),
        "one connection: {text}"
    );
    Ok(())
}

/// The blocks of the document in this language.
fn blocks<'d>(document: &'d str, language: &str) -> Vec<&'d str> {
    let fence = format!("```{language}\n");
    let behind = document.split(fence.as_str()).skip(1);
    behind
        .map(|block| block.split("```").next().expect("a block"))
        .collect()
}

fn the_example_of_the_document_works() -> Result<(), String> {
    program::find("openssl")?;
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mitm.md")).expect("it");
    let folder = tempfile::tempdir().expect("a folder");
    let commands = blocks(&document, "console")[0].replace("$ openssl", "openssl");
    let made = program::run(
        Command::new("sh")
            .current_dir(folder.path())
            .args(["-ec", &commands]),
    );
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let path = |name: &str| {
        folder
            .path()
            .join(name)
            .to_str()
            .expect("a plain path")
            .to_owned()
    };
    std::fs::write(path("tenant"), "t-17\n").expect("a file");
    let services = blocks(&document, "yaml")[0].replace("/run/secrets/tenant", &path("tenant"));
    let house = House::new();
    let names = ["api.example.com", "www.partner.example"];
    let dns = names
        .iter()
        .fold(Dns::start(), |dns, name| dns.name(name, &[PUBLIC]));
    let setup = Setup::bare()
        .resolver(&dns)
        .config("upstream_system_roots: false\nroles_by_source: [{cidr: 127.0.0.0/8, role: agents}]\n");
    let upstream = setup.file("upstream.pem", &house.origins.pem());
    let proxy = setup
        .option("--upstream-ca-file", upstream)
        .acl(&format!("version: v1\n{services}"))
        .option("--mitm-ca-cert-file", path("mitm.pem"))
        .option("--mitm-ca-key-file", path("mitm.key"))
        .env("API_TOKEN", "t0ken")
        .start();
    let origin = crate::support::origin::Origin::https(&house.server_as(&names), |_, wire| {
        let _ = wire.try_send(crate::support::message::ok("documented"));
        crate::support::origin::Next::Keep
    });
    for name in names {
        let url = format!("https://{}/", at(name, &origin));
        let fetched = curl(&proxy, Path::new(&path("mitm.pem")), &[&url])?;
        assert_eq!(fetched.text(), "documented", "{fetched:?}");
    }
    let api = &origin.requests()[0].fields;
    assert_eq!(api.get("authorization").as_deref(), Some("Bearer t0ken"));
    assert_eq!(api.get("x-tenant").as_deref(), Some("t-17"));
    assert!(!origin.requests()[1].fields.has("authorization"));
    let lines = proxy.await_lines("CANONICAL-PROXY-DECISION", 4);
    assert!(
        lines[3].get("mitm_req_headers").contains("User-Agent:[curl/"),
        "{lines:?}"
    );
    assert_eq!(lines[1].find("mitm_req_url"), None);
    Ok(())
}
