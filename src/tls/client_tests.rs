//! Whom the proxy believes, by handshakes in memory with rustls's server; what the engine makes of them is its own tests'.

use std::time::Duration;

use rustls::ServerConnection;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::unbuffered::ConnectionState;

use crate::tls::testing::{Ca, Issued, Leaf};

use super::*;

fn file(text: &str) -> File {
    File {
        name: "upstream.pem".to_owned(),
        bytes: text.as_bytes().to_vec().into(),
    }
}

fn client(text: &str) -> Result<(Client, Vec<String>), String> {
    let parts = ClientParts {
        system: Vec::new(),
        files: if text.is_empty() { vec![] } else { vec![file(text)] },
    };
    let mut warnings = Vec::new();
    let client = Client::new(parts, SystemTime::now(), &mut warnings)?;
    Ok((client, warnings))
}

fn peer(host: &str, trust: Trust) -> Peer {
    let host = Host::parse(host.as_bytes()).unwrap();
    Peer { host, trust }
}

fn server(issued: &Issued) -> ServerConnection {
    let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(|der| der.unwrap()).collect(), key)
        .unwrap();
    ServerConnection::new(Arc::new(config)).unwrap()
}

/// What a handshake with this server comes to: nothing, or what is said of its failure.
fn shake(client: &Client, peer: &Peer, issued: &Issued) -> Option<String> {
    let mut connection = match client.connection(peer) {
        Ok(connection) => connection,
        Err(failure) => return Some(failure.to_string()),
    };
    let mut server = server(issued);
    let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        let status = connection.process_tls_records(&mut to_client);
        let mut done = None;
        match status.state {
            Ok(ConnectionState::EncodeTlsData(mut encode)) => {
                let mut room = vec![0; 20_000];
                let n = encode.encode(&mut room).unwrap();
                to_server.extend_from_slice(&room[..n]);
            }
            Ok(ConnectionState::TransmitTlsData(transmit)) => transmit.done(),
            Ok(ConnectionState::WriteTraffic(_)) => done = Some(None),
            Ok(_) => {}
            Err(error) => done = Some(Some(Failure::of_server(&error).to_string())),
        }
        let used = status.discard;
        to_client.drain(..used);
        if let Some(done) = done {
            return done;
        }
        let mut sealed = &to_server[..];
        while !sealed.is_empty() {
            server.read_tls(&mut sealed).unwrap();
            server.process_new_packets().unwrap();
        }
        to_server.clear();
        while server.wants_write() {
            server.write_tls(&mut to_client).unwrap();
        }
    }
    panic!("no end of it");
}

fn leaf<'a>(dns: &'a [&'a str]) -> Leaf<'a> {
    Leaf {
        dns,
        ..Leaf::server()
    }
}

#[test]
fn who_is_believed_and_who_is_not_and_why() {
    let (ca, other) = (Ca::new("Root"), Ca::new("Other"));
    let (client, warnings) = client(&ca.pem()).unwrap();
    assert!(warnings.is_empty() && client.roots() == 1, "{warnings:?}");
    let good = ca.issue(&leaf(&["a.test", "*.b.test"]));
    let verified = |host| peer(host, Trust::Verified);
    for host in ["a.test", "x.b.test"] {
        assert_eq!(shake(&client, &verified(host), &good), None, "{host}");
    }
    let expired = Leaf {
        years: (2020, 2021),
        ..leaf(&["a.test"])
    };
    let early = Leaf {
        years: (2039, 2040),
        ..leaf(&["a.test"])
    };
    let of_client = Leaf {
        dns: &["a.test"],
        ..Leaf::client("a.test")
    };
    let below = ca.below("Between", 7).issue(&leaf(&["a.test"]));
    assert_eq!(shake(&client, &verified("a.test"), &below), None);
    for (host, issued, words) in [
        ("c.test", &good, "is for another name: "),
        ("44.1.2.3", &good, "is for another name: "),
        ("a.test", &ca.issue(&expired), "has expired (Jan  1 "),
        ("a.test", &ca.issue(&early), "is not valid before Jan  1 "),
        (
            "a.test",
            &other.issue(&leaf(&["a.test"])),
            "is signed by no CA that is trusted here",
        ),
        ("a.test", &ca.issue(&of_client), "is not for servers"),
    ] {
        let said = shake(&client, &verified(host), issued).unwrap_or_default();
        assert!(said.contains(words), "{words}: {said}");
        assert_eq!(
            shake(&client, &peer(host, Trust::Unverified), issued),
            None,
            "{words}"
        );
    }
    let said = shake(&client, &verified("c.test"), &good).unwrap();
    assert!(said.contains("a.test") && said.contains("*.b.test"), "{said}");
}

#[test]
fn without_a_root_nobody_is_believed_and_it_is_said() {
    let (client, warnings) = client("").unwrap();
    assert!(warnings[0].contains("--upstream-ca-file"), "{warnings:?}");
    let good = Ca::new("Root").issue(&leaf(&["a.test"]));
    let said = shake(&client, &peer("a.test", Trust::Verified), &good).unwrap();
    assert!(said.contains("no CA is trusted here"), "{said}");
}

#[test]
fn the_same_cas_are_told_from_others_in_whichever_order_they_stand() {
    let (one, other) = (Ca::new("One").pem(), Ca::new("Other").pem());
    let client = |text: &str| client(text).unwrap().0;
    let before = client(&one);
    assert!(client(&one).trusts_as(&before));
    let more = client(&format!("{one}{other}{one}"));
    assert!(!more.trusts_as(&before) && more.roots() == 2);
    assert!(client(&format!("{other}{one}")).trusts_as(&more));
}

#[test]
fn a_file_that_is_wrong_is_named() {
    for (text, words) in [
        ("nothing", "upstream.pem: there is no certificate in it"),
        (
            "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n",
            "upstream.pem: a certificate can't be a CA's: ",
        ),
    ] {
        let error = client(text).unwrap_err();
        assert!(error.starts_with(words), "{error}");
    }
}

#[test]
fn a_session_that_is_resumed_is_as_valid_as_its_certificate() {
    let leaf = Leaf {
        ends_in: Some(Duration::from_secs(3600)),
        ..Leaf::server()
    };
    let chain = pem::certificates(Ca::new("Root").issue(&leaf).chain.as_bytes()).unwrap();
    let now = SystemTime::now();
    assert_eq!(check_time(&chain, now), Ok(()));
    let failure = check_time(&chain, now + Duration::from_secs(4000)).unwrap_err();
    assert_eq!(failure.fault, TlsFault::Certificate);
}
