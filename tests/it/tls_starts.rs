//! Starts with files of TLS that are wrong: exit code 2 and one line that names the file. And those that only ought to be
//! better: a warning, and the proxy serves.

use rcgen::KeyPair;

use crate::support::case::cases;
use crate::support::openssl::OpenSsl;
use crate::support::origin::Origin;
use crate::support::pki::{Ca, Leaf};
use crate::support::program;
use crate::support::proxy::Setup;
use crate::support::site::{Site, settle};

cases![
    a_file_that_is_not_there_is_named,
    a_bundle_that_is_none_is_named,
    a_key_that_does_not_fit_is_named,
    an_encrypted_key_is_refused_with_the_cure,
    a_key_that_is_too_short_is_refused,
    what_needs_another_option_says_which,
    an_authority_that_is_none_is_named,
    a_revocation_list_that_does_not_count_is_named,
    a_revocation_list_that_nobody_can_judge_by_is_named,
    an_expired_certificate_is_warned_about_and_served,
    a_certificate_for_later_is_warned_about_and_served,
];

/// Fails unless the start was refused in one line that has all the words.
#[track_caller]
fn refused(setup: &Setup, words: &[&str]) {
    let finished = setup.run();
    assert_eq!(finished.code, Some(2), "{finished:?}");
    for word in words {
        assert!(
            finished.stderr.contains(word),
            "{word:?} is not in {:?}",
            finished.stderr
        );
    }
    assert_eq!(
        finished.stderr.trim_end().lines().count(),
        1,
        "{:?}",
        finished.stderr
    );
}

/// With this as bundle.
fn bundled(content: &str) -> (Setup, String) {
    let setup = Setup::open();
    let path = setup.file("bundle.pem", content);
    (setup.option("--tls-server-bundle-file", path.as_str()), path)
}

fn a_file_that_is_not_there_is_named() {
    let site = Site::new();
    let missing = "/nowhere/at/all.pem";
    for option in [
        "--tls-server-bundle-file",
        "--tls-client-ca-file",
        "--tls-crl-file",
    ] {
        let setup = match option {
            "--tls-server-bundle-file" => Setup::open(),
            "--tls-client-ca-file" => site.sealed(Setup::open()),
            _ => site.mutual(Setup::open()),
        };
        refused(&setup.option(option, missing), &[missing, "No such file"]);
    }
    let folder = site.sealed(Setup::open()).option("--tls-client-ca-file", "/");
    refused(&folder, &["--tls-client-ca-file", "\"/\"", "a file is expected"]);
}

fn a_bundle_that_is_none_is_named() {
    let server = Site::new().server();
    for (content, words) in [
        ("", "no certificate"),
        ("nothing of that kind\n", "no certificate"),
        (&server.key, "no certificate"),
        (&server.chain, "no private key"),
        (&server.bundle()[..server.chain.len() / 2], "no END line"),
        (
            "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n",
            "private key",
        ),
    ] {
        let (setup, path) = bundled(content);
        refused(&setup, &[&path, words]);
    }
    let rubbish =
        "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n".to_owned() + &server.key;
    let (setup, path) = bundled(&rubbish);
    refused(&setup, &[&path, "certificate"]);
    let (setup, path) = bundled(&(server.bundle() + &server.key));
    refused(&setup, &[&path, "more than one private key"]);
}

fn a_key_that_does_not_fit_is_named() {
    let site = Site::new();
    let (server, other) = (site.server(), site.server());
    let (setup, path) = bundled(&(server.chain.clone() + &other.key));
    refused(&setup, &[&path, "does not belong to the first certificate"]);
    let setup = Setup::open();
    let certificate = setup.file("certificate.pem", &server.chain);
    let key = setup.file("other.key", &other.key);
    let yaml = format!("tls: {{cert_file: {certificate}, key_file: {key}}}\n");
    refused(&setup.config(&yaml), &[&key, "does not belong", &certificate]);
    // The issuer first, as it happens.
    let below = site.servers.below("Below", 7);
    let issued = below.issue(&Leaf::server());
    let (setup, path) = bundled(&(below.pem() + &issued.bundle()));
    refused(&setup, &[&path, "does not belong to the first certificate"]);
}

fn an_encrypted_key_is_refused_with_the_cure() -> Result<(), String> {
    let openssl = OpenSsl::new()?;
    let server = Site::new().server();
    openssl.write("plain.key", &server.key);
    openssl.make("pkey -in plain.key -aes128 -passout pass:secret -out pkcs8.key");
    openssl.make("ec -in plain.key -aes128 -passout pass:secret -out sec1.key");
    for name in ["pkcs8.key", "sec1.key"] {
        let (setup, path) = bundled(&(server.chain.clone() + &openssl.read(name)));
        refused(&setup, &[&path, "the key is encrypted", "openssl pkey"]);
    }
    Ok(())
}

fn a_key_that_is_too_short_is_refused() -> Result<(), String> {
    let openssl = OpenSsl::new()?;
    openssl.make("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out short.key");
    openssl.issue("short", "localhost", "subjectAltName=DNS:localhost\n");
    let (setup, path) = bundled(&(openssl.read("short.pem") + &openssl.read("short.key")));
    refused(&setup, &[&path, "the private key is not usable"]);
    Ok(())
}

fn what_needs_another_option_says_which() {
    let site = Site::new();
    let bundle = "--tls-server-bundle-file";
    for option in ["--tls-client-ca-file", "--tls-crl-file"] {
        let setup = Setup::open();
        let path = setup.file("file.pem", &site.clients.pem());
        refused(&setup.option(option, path), &[option, bundle]);
    }
    let setup = site.sealed(Setup::open());
    let list = setup.file("list.pem", &site.clients.crl(&[], (2020, 2040)));
    refused(
        &setup.option("--tls-crl-file", list),
        &["--tls-crl-file", "--tls-client-ca-file"],
    );
    for (yaml, words) in [
        ("tls: {role_from: san_uri}\n", "tls.cert_file"),
        (
            "tls: {cert_file: server.pem, role_from: san_uri}\n",
            "tls.client_ca_files",
        ),
        ("tls: {key_file: server.pem}\n", "tls.cert_file"),
        ("tls: {}\n", "cert_file"),
        (
            "tls: {cert_file: server.pem, client_ca_files: [a], role_from: ou}\n",
            "san_uri",
        ),
        ("tls: {certificate: server.pem}\n", "certificate"),
    ] {
        refused(&Setup::open().config(yaml), &["config.yaml", words]);
    }
}

fn an_authority_that_is_none_is_named() {
    let site = Site::new();
    for (content, words) in [
        (String::new(), "no certificate"),
        (
            KeyPair::generate().expect("a key").serialize_pem(),
            "no certificate",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n".to_owned(),
            "can't be",
        ),
    ] {
        let setup = site.sealed(Setup::open());
        let path = setup.file("authority.pem", &content);
        refused(
            &setup.option("--tls-client-ca-file", path.as_str()),
            &[&path, words],
        );
    }
}

fn a_revocation_list_that_does_not_count_is_named() {
    let site = Site::new();
    let impostor = Ca::new("Clients");
    let good = site.clients.crl(&[5], (2020, 2040));
    for (content, words) in [
        (String::new(), "no revocation list"),
        (site.clients.pem(), "no revocation list"),
        (good[..good.len() / 2].to_owned(), "no END line"),
        (
            "-----BEGIN X509 CRL-----\nMAMCAQA=\n-----END X509 CRL-----\n".to_owned(),
            "can't be read",
        ),
        (
            impostor.crl(&[5], (2020, 2040)),
            "has a wrong signature: that CA did not make it",
        ),
        (
            good.clone() + &impostor.crl(&[6], (2020, 2040)),
            "has a wrong signature",
        ),
    ] {
        let setup = site.mutual(Setup::open());
        let path = setup.file("list.pem", &content);
        refused(&setup.option("--tls-crl-file", path.as_str()), &[&path, words]);
    }
}

/// None of them is left aside in silence: what they revoke would get in.
fn a_revocation_list_that_nobody_can_judge_by_is_named() -> Result<(), String> {
    let openssl = OpenSsl::new()?;
    let site = Site::new();
    let key = "authorityKeyIdentifier = keyid\n";
    let point = |lines: &str| format!("{key}issuingDistributionPoint = critical,@point\n[point]\n{lines}");
    for (digest, extensions, words) in [
        ("sha256", String::new(), "is of version 1: make one of version 2"),
        (
            "sha1",
            key.to_owned(),
            "is signed with SHA-1, which is not accepted",
        ),
        (
            "sha256",
            point("indirectCRL = TRUE\n"),
            "is indirect: it names certificates of other CAs",
        ),
        (
            "sha256",
            format!("{key}1.2.3.4 = critical,DER:05:00\n"),
            "has a critical extension that is not supported",
        ),
        (
            "sha256",
            format!("{key}2.5.29.27 = critical,DER:02:01:01\n"),
            "is a delta",
        ),
        // A distribution point that is none, and need not be understood.
        (
            "sha256",
            format!("{key}2.5.29.28 = DER:02:01:01\n"),
            "has an issuingDistributionPoint that can't be read",
        ),
    ] {
        let setup = site.sealed(Setup::open());
        let authority = setup.file("authority.pem", &openssl.read("ca.pem"));
        let list = setup.file("list.pem", &openssl.revoke(5, digest, &extensions));
        let setup = setup
            .option("--tls-client-ca-file", authority)
            .option("--tls-crl-file", list.as_str());
        refused(&setup, &[&list, "CN=Root", words]);
    }
    // One of the same making that is as it should be.
    let setup = site.sealed(Setup::open());
    let authority = setup.file("authority.pem", &openssl.read("ca.pem"));
    let list = setup.file("list.pem", &openssl.revoke(5, "sha256", key));
    let setup = setup.option("--tls-client-ca-file", authority);
    let proxy = setup.option("--tls-crl-file", list).start();
    site.client().connect(proxy.address());
    Ok(())
}

/// Served, with this warning.
#[track_caller]
fn warned(years: (i32, i32), words: &str) -> Result<(), String> {
    let curl = program::find("curl")?;
    let (site, origin) = (Site::new(), Origin::fixed("served"));
    let leaf = Leaf {
        years,
        ..Leaf::server()
    };
    let (setup, path) = bundled(&site.servers.issue(&leaf).bundle());
    let proxy = setup.start();
    settle(&proxy);
    let warnings = proxy
        .log()
        .into_iter()
        .filter(|line| line.contains(&path))
        .collect::<Vec<_>>();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("level=warning") && warnings[0].contains(words),
        "{warnings:?}"
    );
    let mut command = std::process::Command::new(curl);
    command.args(["-sS", "--max-time", "50", "--proxy-insecure", "-x"]);
    command.args([format!("https://{}", proxy.address()), origin.url("/")]);
    command.env_remove("no_proxy").env_remove("NO_PROXY");
    let finished = program::run(&mut command);
    assert_eq!(finished.text(), "served", "{finished:?}");
    // Who looks at the time says so, and the line names his reason.
    assert!(site.client().try_connect(proxy.address()).is_err());
    Ok(())
}

fn an_expired_certificate_is_warned_about_and_served() -> Result<(), String> {
    warned((2020, 2021), "has expired")
}

fn a_certificate_for_later_is_warned_about_and_served() -> Result<(), String> {
    warned((2090, 2091), "is not valid before")
}
