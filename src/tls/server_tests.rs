//! What files make a server of, and what is said of them. Handshakes are the business of `io/wire/engine`'s tests and of
//! `tests/it/tls`.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::tls::testing::{Ca, Key, Leaf};

use super::*;

struct Files {
    ca: Ca,
    parts: ServerParts,
}

fn file(name: &str, text: impl Into<Vec<u8>>) -> File {
    File {
        name: name.to_owned(),
        bytes: Zeroizing::new(text.into()),
    }
}

impl Files {
    fn new() -> Files {
        let ca = Ca::new("Root");
        let parts = ServerParts {
            bundle: file("bundle", ca.issue(&Leaf::server()).bundle()),
            key: None,
            client_cas: Vec::new(),
            crls: Vec::new(),
            role_from: RoleFrom::CommonName,
        };
        Files { ca, parts }
    }

    fn made(&self, before: Option<&Server>) -> (Result<Server, String>, Vec<String>) {
        let mut warnings = Vec::new();
        let made = Server::new(&self.parts, before, SystemTime::now(), &mut warnings);
        (made, warnings)
    }

    #[track_caller]
    fn warns(&self, words: &[&str]) -> Server {
        let (made, warnings) = self.made(None);
        assert_eq!(warnings.len(), words.len(), "{warnings:?}");
        for (warning, words) in warnings.iter().zip(words) {
            assert!(warning.contains(words), "{warning}");
        }
        made.unwrap()
    }

    #[track_caller]
    fn refused(&self, words: &[&str]) {
        let error = self.made(None).0.unwrap_err();
        for words in words {
            assert!(error.contains(words), "{words:?} is not in: {error}");
        }
    }
}

#[test]
fn certificate_and_key_are_in_one_file_or_in_two() {
    let mut files = Files::new();
    files.warns(&[]);
    let issued = files.ca.issue(&Leaf::server());
    files.parts.bundle = file("certificate", issued.chain);
    files.refused(&["certificate: there is no private key in it"]);
    files.parts.key = Some(file("key", issued.key));
    files.warns(&[]);
}

#[test]
fn a_key_that_does_not_fit_and_what_is_no_certificate_are_refused_by_file() {
    let mut files = Files::new();
    let other = files.ca.issue(&Leaf::server());
    files.parts.key = Some(file("other.key", other.key));
    files.refused(&["other.key", "does not belong to the first certificate of bundle"]);
    files.parts.bundle = file("empty", "");
    files.refused(&["empty: there is no certificate in it"]);
    let rubbish = "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n";
    files.parts.bundle = file(
        "rubbish",
        format!("{rubbish}{}", Ca::new("x").issue(&Leaf::server()).key),
    );
    files.parts.key = None;
    files.refused(&["rubbish: "]);
    files = Files::new();
    files.parts.client_cas = vec![file("cas", rubbish)];
    files.refused(&["cas: "]);
}

#[test]
fn an_rsa_key_does_as_well() {
    let mut files = Files::new();
    let rsa = Leaf {
        key: Key::Rsa,
        ..Leaf::server()
    };
    files.parts.bundle = file("bundle", files.ca.issue(&rsa).bundle());
    files.warns(&[]);
}

#[test]
fn a_certificate_out_of_its_time_is_warned_of() {
    let mut files = Files::new();
    for (years, words) in [
        ((2020, 2021), "has expired"),
        ((2038, 2039), "is not valid before"),
    ] {
        let leaf = Leaf {
            years,
            ..Leaf::server()
        };
        files.parts.bundle = file("bundle", files.ca.issue(&leaf).bundle());
        files.warns(&[words]);
    }
}

#[test]
fn a_list_that_its_issuer_did_not_sign_or_nobody_can_read_is_refused() {
    let mut files = Files::new();
    files.parts.client_cas = vec![file("ca", files.ca.pem())];
    // The same name, another key.
    files.parts.crls = vec![file("forged", Ca::new("Root").crl(&[7], (2020, 2040)))];
    files.refused(&["forged: the revocation list of \"CN=Root\" has a wrong signature"]);
    files.parts.crls = vec![file("bad", [0x30, 3, 2, 1, 0])];
    files.refused(&["bad: a revocation list can't be read"]);
}

#[test]
fn what_lists_leave_open_is_warned_of() {
    let mut files = Files::new();
    let (ca, other) = (&files.ca, Ca::new("Other"));
    files.parts.client_cas = vec![file("ca", ca.pem())];
    files.parts.crls = vec![file("list", ca.crl(&[], (2020, 2040)))];
    files.warns(&[]);
    files.parts.crls = vec![file("old", ca.crl(&[], (2020, 2021)))];
    let server = files.warns(&["old: the revocation list of \"CN=Root\" has expired: it is still enforced"]);
    assert_eq!(server.overdue(SystemTime::now()).count(), 1);
    files.parts.crls = vec![file("partial", files.ca.partial_crl(&[], "http://a/"))];
    files.warns(&["covers only part"]);
    files.parts.client_cas = vec![file("cas", files.ca.pem() + &other.pem())];
    files.parts.crls = vec![file("list", files.ca.crl(&[], (2020, 2040)))];
    files.warns(&["No revocation list is there of the client CA \"CN=Other\""]);
    files.parts.client_cas = vec![file("other", other.pem())];
    files.warns(&["is of none of the client CAs", "No revocation list is there"]);
}

#[test]
fn of_two_lists_of_one_issuer_the_newer_is_asked() {
    let mut files = Files::new();
    files.parts.client_cas = vec![file("ca", files.ca.pem())];
    let (old, new) = (files.ca.crl(&[], (2020, 2040)), files.ca.crl(&[2], (2021, 2040)));
    files.parts.crls = vec![file("old", old), file("new", new.clone())];
    let server = files.warns(&["old: there is a newer revocation list"]);
    let newer = pem::revocation_lists(new.as_bytes()).unwrap();
    assert_eq!(server.trust.lists[0].der, newer[0]);
}

#[test]
fn tickets_live_on_as_long_as_clients_are_judged_alike() {
    let mut files = Files::new();
    files.parts.client_cas = vec![file("ca", files.ca.pem())];
    let first = files.made(None).0.unwrap();
    let session = crate::tls::tickets::session(&[] as &[&[u8]]);
    let ticket = first.config().ticketer.encrypt(&session).unwrap();
    files.parts.bundle = file("bundle", files.ca.issue(&Leaf::server()).bundle());
    let renewed = files.made(Some(&first)).0.unwrap();
    assert!(
        renewed.config().ticketer.decrypt(&ticket).is_some(),
        "another certificate alone"
    );
    files.parts.crls = vec![file("list", files.ca.crl(&[7], (2020, 2040)))];
    let revoking = files.made(Some(&renewed)).0.unwrap();
    assert!(revoking.config().ticketer.decrypt(&ticket).is_none());
}

#[test]
fn whom_a_certificate_names() {
    let mut files = Files::new();
    files.parts.client_cas = vec![file("ca", files.ca.pem())];
    let leaf = Leaf {
        unit: "team",
        uris: &["spiffe://example.org/ns/web", "urn:second"],
        dns: &["a.example.org", "b.example.org"],
        ..Leaf::client("web")
    };
    let issued = files.ca.issue(&leaf);
    let certificates = pem::certificates(issued.chain.as_bytes()).unwrap();
    for (role_from, role) in [
        (RoleFrom::CommonName, "web"),
        (RoleFrom::Uri, "spiffe://example.org/ns/web"),
        (RoleFrom::Dns, "a.example.org"),
    ] {
        files.parts.role_from = role_from;
        let server = files.warns(&[]);
        let certified = server
            .certified(&certificates, SystemTime::now())
            .unwrap()
            .unwrap();
        assert_eq!(certified.role.as_deref(), Some(role));
        assert_eq!(certified.common_name.as_deref(), Some("web"));
        assert_eq!(certified.organizational_unit.as_deref(), Some("team"));
        assert_eq!(server.certified(&[], SystemTime::now()).unwrap(), None);
        // Twenty years on: a session that is resumed verifies nothing.
        let late = SystemTime::now() + Duration::from_secs(20 * 366 * 86_400);
        assert!(
            server
                .certified(&certificates, late)
                .unwrap_err()
                .contains("expired")
        );
    }
    let nameless = pem::certificates(files.ca.issue(&Leaf::client("")).chain.as_bytes()).unwrap();
    let certified = files
        .warns(&[])
        .certified(&nameless, SystemTime::now())
        .unwrap()
        .unwrap();
    assert_eq!((&certified.role, &certified.common_name), (&None, &None));
}

#[test]
fn what_is_no_cas_certificate_is_refused_among_the_client_cas() {
    let mut files = Files::new();
    let leaf = files.ca.issue(&Leaf::client("web")).chain;
    files.parts.client_cas = vec![file("cas", files.ca.pem() + &leaf)];
    files.refused(&["cas: the certificate of \"CN=web\" is not a CA's"]);
}

#[test]
fn a_ca_that_has_expired_is_warned_of_then_and_later() {
    let mut files = Files::new();
    let old = Leaf {
        is_ca: true,
        years: (2020, 2021),
        ..Leaf::client("Old")
    };
    files.parts.client_cas = vec![file("cas", files.ca.pem() + &files.ca.issue(&old).chain)];
    let server = files.warns(&["cas: the certificate of the client CA \"CN=Old\" has expired"]);
    assert_eq!(server.overdue(SystemTime::now()).count(), 1);
}

#[test]
fn a_list_counts_by_whatever_algorithm_handshakes_do() {
    let mut files = Files::new();
    for key in [Key::P521, Key::Rsa, Key::Ed25519, Key::P256] {
        let ca = Ca::with_key("Root", key);
        files.parts.client_cas = vec![file("ca", ca.pem())];
        files.parts.crls = vec![file("list", ca.crl(&[7], (2020, 2040)))];
        files.warns(&[]);
        // That of another CA of this name.
        files
            .parts
            .client_cas
            .push(file("other", Ca::with_key("Root", key).pem()));
        files.warns(&["No revocation list is there of the client CA \"CN=Root\""]);
    }
}

#[test]
fn a_list_that_nobody_can_judge_by_is_refused_by_its_name() {
    let mut files = Files::new();
    files.parts.client_cas = vec![file("ca", files.ca.pem())];
    let list = pem::revocation_lists(files.ca.crl(&[7], (2020, 2040)).as_bytes()).unwrap();
    let changed = |from: &[u8], to: &[u8]| {
        let mut list = list[0].to_vec();
        let at = memchr::memmem::find(&list, from).unwrap();
        list[at..at + to.len()].copy_from_slice(to);
        list
    };
    // crlNumber as deltaCRLIndicator; then as something that nobody knows.
    for (from, to, words) in [
        (&[0x55, 0x1d, 20], &[0x55, 0x1d, 27], "is a delta"),
        (&[0x02, 1, 1], &[0x04, 1, 1], "can't be read"),
    ] {
        files.parts.crls = vec![file("good", list[0].to_vec()), file("odd", changed(from, to))];
        files.refused(&["odd: ", words]);
    }
    // ecdsa-with-SHA256 as one that does not exist.
    let mut odd: Vec<u8> = list[0].to_vec();
    let oid = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    while let Some(at) = memchr::memmem::find(&odd, &oid) {
        odd[at + 7] = 9;
    }
    files.parts.crls = vec![file("odd", odd)];
    files.refused(&["odd: ", "algorithm that is not supported"]);
}
