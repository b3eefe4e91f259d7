//! Real clients that speak TLS to the proxy: curl, openssl, Python and Node, with and without a certificate.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::programs::TlsOrigin;
use crate::support::case::cases;
use crate::support::openssl::OpenSsl;
use crate::support::origin::Origin;
use crate::support::pki::Leaf;
use crate::support::program::{self, Finished};
use crate::support::proxy::{PASSWORD, Proxy, Setup};
use crate::support::site::{Site, await_failures, failures, settle};
use crate::tls::tunnel;

cases![
    curl_speaks_tls_to_its_proxy,
    curl_gives_the_password_and_a_certificate,
    curl_that_is_refused_says_so,
    openssl_s_client_speaks_to_the_proxy,
    renegotiation_is_refused_and_harms_nobody,
    python_speaks_tls_to_its_proxy,
    node_speaks_tls_to_its_proxy,
];

/// The site's files as programs take them: the authority of the proxy's certificate, and a client's certificate.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn of(site: &Site) -> Files {
        let files = Files {
            folder: tempfile::tempdir().expect("a folder"),
        };
        let leaf = Leaf {
            unit: "programs",
            ..Leaf::client("program")
        };
        let client = site.clients.issue(&leaf);
        for (name, content) in [
            ("servers.pem", site.servers.pem()),
            ("client.pem", client.chain.clone()),
            ("client.key", client.key.clone()),
            ("client.bundle", client.bundle()),
        ] {
            std::fs::write(files.folder.path().join(name), content).expect("a file");
        }
        files
    }

    fn path(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        path.to_str().expect("a plain path").to_owned()
    }
}

fn curl(proxy: &Proxy, files: &Files, arguments: &[&str]) -> Result<Finished, String> {
    let mut command = Command::new(program::find("curl")?);
    command.args([
        "-sS",
        "--max-time",
        "50",
        "--proxy-cacert",
        &files.path("servers.pem"),
    ]);
    command
        .args(["-x", &format!("https://{}", proxy.address())])
        .args(arguments);
    for name in ["http_proxy", "https_proxy", "no_proxy", "NO_PROXY"] {
        command.env_remove(name);
    }
    Ok(program::run(&mut command))
}

fn curl_speaks_tls_to_its_proxy() -> Result<(), String> {
    let site = Site::new();
    let (proxy, files, origin) = (site.open(), Files::of(&site), Origin::fixed("through TLS"));
    for how in [
        &[][..],
        &["-p"],
        &["--proxy-tls13-ciphers", "TLS_AES_128_GCM_SHA256"],
    ] {
        let fetched = curl(
            &proxy,
            &files,
            &[how, &[&origin.url("/"), &origin.url("/")]].concat(),
        )?;
        assert_eq!(
            (fetched.code, fetched.text().as_str()),
            (Some(0), "through TLSthrough TLS"),
            "{fetched:?}"
        );
    }
    let tls = TlsOrigin::start()?;
    let url = format!("https://{}/", tls.address());
    let inside = curl(&proxy, &files, &["--cacert", &tls.certificate(), &url])?;
    assert!(
        inside.code == Some(0) && inside.text().contains("TLS"),
        "TLS inside TLS: {inside:?}"
    );
    assert_eq!(failures(&proxy), Vec::<String>::new());
    Ok(())
}

fn curl_gives_the_password_and_a_certificate() -> Result<(), String> {
    let site = Site::new();
    let (files, origin) = (Files::of(&site), Origin::fixed("in"));
    // The certificate names the role, which the built-in ACL lets nowhere.
    let everybody = "version: v1\nservices: []\ndefault: {project: all, action: open}\n";
    let proxy = site.mutual(Setup::locked()).acl(everybody).start();
    let credentials = format!("any:{PASSWORD}");
    let (bundle, certificate, key) = (
        files.path("client.bundle"),
        files.path("client.pem"),
        files.path("client.key"),
    );
    for certificate in [
        &[][..],
        &["--proxy-cert", &bundle],
        &["--proxy-cert", &certificate, "--proxy-key", &key],
    ] {
        let url = origin.url("/");
        let fetched = curl(
            &proxy,
            &files,
            &[certificate, &["-U", &credentials, &url]].concat(),
        )?;
        assert_eq!(
            (fetched.code, fetched.text().as_str()),
            (Some(0), "in"),
            "{fetched:?}"
        );
        let wrong = curl(
            &proxy,
            &files,
            &[certificate, &["-U", "any:wrong", "-w", "%{http_code}", &url]].concat(),
        )?;
        assert!(wrong.text().ends_with("407"), "{wrong:?}");
    }
    let lines = proxy.await_lines("CANONICAL-PROXY-DECISION", 6);
    let names = lines
        .iter()
        .map(|line| line.get("src_host_common_name"))
        .collect::<Vec<_>>();
    assert_eq!(
        names,
        ["unknown", "unknown", "program", "program", "program", "program"]
    );
    Ok(())
}

fn curl_that_is_refused_says_so() -> Result<(), String> {
    let site = Site::new();
    let (files, origin) = (Files::of(&site), Origin::fixed("in"));
    // The client's number is 2.
    let proxy = site.revoking(Setup::open(), &[2]).start();
    let url = origin.url("/");
    let refused = curl(
        &proxy,
        &files,
        &["--proxy-cert", &files.path("client.bundle"), &url],
    )?;
    assert!(
        refused.code == Some(56) && refused.stderr.contains("certificate revoked"),
        "{refused:?}"
    );
    await_failures(&proxy, 1);
    let plain = Command::new(program::find("curl")?)
        .args([
            "-sS",
            "--max-time",
            "50",
            "-x",
            &format!("http://{}", proxy.address()),
            &url,
        ])
        .env_remove("no_proxy")
        .env_remove("NO_PROXY")
        .output()
        .expect("curl");
    let text = String::from_utf8_lossy(&plain.stdout).into_owned();
    assert!(
        text.contains("this port speaks TLS: give the proxy's address as https://"),
        "{text}"
    );
    assert!(origin.requests().is_empty());
    Ok(())
}

fn openssl_s_client_speaks_to_the_proxy() -> Result<(), String> {
    let openssl = OpenSsl::new()?;
    let (site, origin) = (Site::new(), Origin::fixed("by hand"));
    let (proxy, files) = (site.mutual(Setup::open()).start(), Files::of(&site));
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        origin.url("/"),
        origin.authority()
    );
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let mut command = openssl.command(&format!(
            "s_client -connect {} -verify_return_error -verify_ip 127.0.0.1 -alpn http/1.1 -ign_eof {version}",
            proxy.address()
        ));
        command.args([
            "-CAfile",
            &files.path("servers.pem"),
            "-cert",
            &files.path("client.pem"),
        ]);
        command.args(["-key", &files.path("client.key")]);
        let finished = program::run_fed(&mut command, &request);
        let text = finished.text();
        for words in [
            name,
            "by hand",
            "ALPN protocol: http/1.1",
            "Verify return code: 0 (ok)",
            // Which authorities may have signed the client's.
            "CN = Clients",
        ] {
            assert!(text.contains(words), "{words:?} is not in {finished:?}");
        }
        // Without a close_notify openssl complains of an unexpected end.
        assert!(!finished.stderr.contains("unexpected eof"), "{finished:?}");
    }
    for line in proxy.await_lines("CANONICAL-PROXY-DECISION", 2) {
        assert_eq!(
            (
                line.get("inbound_remote_x509_cn"),
                line.get("inbound_remote_x509_ou")
            ),
            ("program", "programs")
        );
    }
    for refused in ["-tls1_1", "-tls1"] {
        let finished = program::run(&mut openssl.command(&format!(
            "s_client -connect {} -cipher ALL:@SECLEVEL=0 {refused}",
            proxy.address()
        )));
        assert_ne!(finished.code, Some(0), "{finished:?}");
    }
    for line in await_failures(&proxy, 2) {
        assert!(
            line.contains("the client offers neither TLS 1.2 nor TLS 1.3"),
            "{line}"
        );
    }
    Ok(())
}

fn renegotiation_is_refused_and_harms_nobody() -> Result<(), String> {
    let openssl = OpenSsl::new()?;
    let (site, echo) = (Site::new(), Origin::echo());
    let proxy = site.open();
    let mut beside = tunnel(&site.client(), &proxy, &echo.authority());
    let mut command = openssl.command(&format!("s_client -connect {} -tls1_2", proxy.address()));
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut client = piped.spawn().expect("openssl");
    let mut keyboard = client.stdin.take().expect("its input");
    // The line of its own that s_client takes for a command.
    keyboard.write_all(b"R\n").expect("typed");
    // It ends by itself: without another handshake it does not go on.
    let status = program::wait(&mut client);
    drop(keyboard);
    let said = client.wait_with_output().expect("its output");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(
        !status.success() && said.contains("no renegotiation"),
        "{status}: {said}"
    );
    beside.send("ping");
    beside.expect(b"ping");
    settle(&proxy);
    site.client().connect(proxy.address());
    Ok(())
}

fn python_speaks_tls_to_its_proxy() -> Result<(), String> {
    let python = program::find("python3")?;
    let site = Site::new();
    let (files, origin, echo) = (Files::of(&site), Origin::fixed("python was here"), Origin::echo());
    let proxy = site.mutual(Setup::open()).start();
    let script = r#"
import http.client, ssl, sys, socket
port, authorities, certificate, url, echo = sys.argv[1:]
for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    for chain in (None, certificate):
        context = ssl.create_default_context(cafile=authorities)
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["h2", "http/1.1"])
        if chain:
            context.load_cert_chain(chain)
        connection = http.client.HTTPSConnection("127.0.0.1", int(port), context=context, timeout=50)
        for body in (None, b"posted"):
            connection.request("POST" if body else "GET", url, body)
            print(connection.getresponse().read().decode())
        with socket.create_connection(("127.0.0.1", int(port)), 50) as plain:
            sealed = context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)
            sealed.sendall(f"CONNECT {echo} HTTP/1.1\r\nHost: {echo}\r\n\r\n".encode())
            print(sealed.recv(100).split(b"\r\n")[0].decode(), sealed.version(), sealed.selected_alpn_protocol())
            sealed.sendall(b"ping")
            print(sealed.recv(100).decode())
            sealed.unwrap()
"#;
    let mut command = Command::new(python);
    command.args([
        "-c",
        script,
        &proxy.address().port().to_string(),
        &files.path("servers.pem"),
    ]);
    command.args([&files.path("client.bundle"), &origin.url("/"), &echo.authority()]);
    let finished = program::run(&mut command);
    let block = |version: &str| {
        format!(
            "python was here\npython was here\nHTTP/1.1 200 Connection established {version} http/1.1\nping\n"
        )
    };
    let expected = block("TLSv1.2").repeat(2) + &block("TLSv1.3").repeat(2);
    assert_eq!(
        (finished.code, finished.text().as_str()),
        (Some(0), expected.as_str()),
        "{}",
        finished.stderr
    );
    for line in proxy.await_lines("CANONICAL-PROXY-CN-CLOSE", 4) {
        assert_eq!(line.get("error"), "");
    }
    Ok(())
}

fn node_speaks_tls_to_its_proxy() -> Result<(), String> {
    let node = program::find("node")?;
    let site = Site::new();
    let (files, origin) = (Files::of(&site), Origin::fixed("node was here"));
    let proxy = site.mutual(Setup::open()).start();
    let script = r#"
const https = require("https"), fs = require("fs");
const [port, authorities, certificate, key, url, authority] = process.argv.slice(1);
const options = { host: "localhost", family: 4, port, ca: fs.readFileSync(authorities), cert: fs.readFileSync(certificate), key: fs.readFileSync(key) };
https.get({ ...options, path: url }, (response) => {
  let body = "";
  response.on("data", (piece) => body += piece);
  response.on("end", () => {
    console.log(response.statusCode, body);
    https.request({ ...options, method: "CONNECT", path: authority }).on("connect", (answer, socket) => {
      console.log(answer.statusCode, socket.getProtocol());
      let text = "";
      socket.on("data", (piece) => text += piece);
      socket.on("end", () => console.log(text.split("\r\n").pop()));
      socket.end(`GET /inside HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    }).end();
  });
});
"#;
    let mut command = Command::new(node);
    command.args([
        "-e",
        script,
        &proxy.address().port().to_string(),
        &files.path("servers.pem"),
    ]);
    command.args([
        &files.path("client.pem"),
        &files.path("client.key"),
        &origin.url("/"),
        &origin.authority(),
    ]);
    let finished = program::run(&mut command);
    assert_eq!(
        (finished.code, finished.text().as_str()),
        (Some(0), "200 node was here\n200 TLSv1.3\nnode was here\n"),
        "{}",
        finished.stderr
    );
    assert_eq!(proxy.close_line().get("inbound_remote_x509_cn"), "program");
    Ok(())
}
