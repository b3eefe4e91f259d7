//! The example of deploy/mtls, as somebody would use it: openssl's commands, the configuration, curl; then the client is
//! revoked as the script's first lines say.

use std::path::Path;
use std::process::Command;

use crate::support::case::cases;
use crate::support::dns::Dns;
use crate::support::origin::Origin;
use crate::support::program::{self, Finished};
use crate::support::proxy::{Proxy, Setup};
use crate::support::site::{await_failures, reload};

cases![the_example_lets_its_client_in_until_it_is_revoked];

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/mtls");

/// A file of the example, with its paths in this folder.
fn text(name: &str, folder: &str) -> String {
    let text = std::fs::read_to_string(format!("{EXAMPLE}/{name}")).expect(name);
    text.replace("/etc/smokescreen", folder)
}

fn curl(proxy: &Proxy, folder: &Path, url: &str) -> Result<Finished, String> {
    let mut command = Command::new(program::find("curl")?);
    command.current_dir(folder).args(["-sS", "--max-time", "50"]);
    command.args(["-x", &format!("https://localhost:{}", proxy.address().port())]);
    command.args([
        "--proxy-cacert",
        "ca.pem",
        "--proxy-cert",
        "web.pem",
        "--proxy-key",
        "web.key",
    ]);
    for name in ["http_proxy", "https_proxy", "no_proxy", "NO_PROXY"] {
        command.env_remove(name);
    }
    Ok(program::run(command.arg(url)))
}

fn the_example_lets_its_client_in_until_it_is_revoked() -> Result<(), String> {
    program::find("openssl")?;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a plain path");
    let made = program::run(Command::new("sh").args([&format!("{EXAMPLE}/certificates.sh"), path]));
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    std::fs::write(folder.path().join("acl.yaml"), text("acl.yaml", path)).expect("the ACL");

    let origin = Origin::fixed("for web");
    let address = origin.address().ip().to_string();
    let dns = Dns::start().name("www.example.com", &[&address]);
    let config = text("smokescreen.yaml", path);
    let proxy = Setup::bare().config(&config).resolver(&dns).start();

    let let_out = curl(&proxy, folder.path(), &origin.url_at("www.example.com", "/"))?;
    assert_eq!(let_out.text(), "for web", "{}", let_out.stderr);
    let line = proxy.decision();
    assert_eq!(
        (line.get("role"), line.get("inbound_remote_x509_ou")),
        ("web", "frontend")
    );
    let denied = curl(&proxy, folder.path(), "http://other.example.org/")?;
    assert!(denied.text().contains("has enforce policy"), "{}", denied.text());

    for arguments in ["-revoke web.pem", "-gencrl -out clients.crl"] {
        let mut command = Command::new("openssl");
        command
            .current_dir(folder.path())
            .args(["ca", "-config", "ca.conf"]);
        let done = program::run(command.args(arguments.split(' ')));
        assert_eq!(done.code, Some(0), "{}", done.stderr);
    }
    reload(&proxy);
    let refused = curl(&proxy, folder.path(), &origin.url_at("www.example.com", "/"))?;
    assert!(
        refused.code != Some(0) && refused.text().is_empty(),
        "{}",
        refused.text()
    );
    let failures = await_failures(&proxy, 1);
    assert!(
        failures.iter().all(|line| line.contains("is revoked")),
        "{failures:?}"
    );
    Ok(())
}
