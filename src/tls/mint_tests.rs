use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{ServerName, UnixTime};
use x509_parser::extensions::GeneralName;
use zeroize::Zeroizing;

use crate::tls::testing::{Ca, Key, Leaf as Asked};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(in crate::tls) fn file(name: &str, text: &str) -> File {
    File {
        name: name.to_owned(),
        bytes: Zeroizing::new(text.as_bytes().to_vec()),
    }
}

fn authority_at(certificate: &str, key: &str, now: SystemTime) -> (Result<Authority, String>, Vec<String>) {
    let mut warnings = Vec::new();
    let authority = Authority::new(
        &file("ca.pem", certificate),
        &file("ca.key", key),
        now,
        &mut warnings,
    );
    (authority, warnings)
}

fn authority(ca: &Ca) -> Authority {
    let (authority, warnings) = authority_at(&ca.pem(), &ca.key_pem(), SystemTime::now());
    assert_eq!(warnings, Vec::<String>::new());
    authority.unwrap()
}

pub(in crate::tls) fn host(text: &str) -> Host {
    Host::parse(text.as_bytes()).unwrap()
}

/// Does a client that trusts this root believe the leaf to be this server's, then?
fn believes(root: &str, chain: &[CertificateDer<'_>], name: &str, now: SystemTime) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for der in pem::certificates(root.as_bytes()).unwrap() {
        roots.add(der).unwrap();
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap();
    let now = UnixTime::since_unix_epoch(now.duration_since(SystemTime::UNIX_EPOCH).unwrap());
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let (leaf, issuers) = chain.split_first().unwrap();
    let verified = verifier.verify_server_cert(leaf, issuers, &name, &[], now);
    verified.map(drop).map_err(|error| format!("{error:?}"))
}

#[test]
fn a_leaf_is_for_its_host_alone_and_for_a_day() {
    let ca = Ca::new("Own");
    let (authority, now) = (authority(&ca), SystemTime::now());
    for (asked, name, other) in [
        ("good.test", "good.test", "www.good.test"),
        ("44.1.2.3", "44.1.2.3", "44.1.2.4"),
        ("[2a00::1]", "2a00::1", "2a00::2"),
    ] {
        let leaf = [authority.certificate(&host(asked), now).unwrap()];
        let believes = |name: &str, at| believes(&ca.pem(), &leaf, name, at);
        assert_eq!(believes(name, now), Ok(()));
        // Clocks that are slow by an hour, and such as are fast when it is used last.
        assert_eq!(believes(name, now - SKEW + Duration::from_secs(5)), Ok(()));
        assert_eq!(
            believes(name, now + USED_FOR + DAY / 2 - Duration::from_secs(5)),
            Ok(())
        );
        assert!(
            believes(name, now + DAY + Duration::from_secs(5))
                .unwrap_err()
                .contains("Expired")
        );
        assert!(
            believes(name, now - 2 * SKEW)
                .unwrap_err()
                .contains("NotValidYet")
        );
        assert!(believes(other, now).unwrap_err().contains("NotValidForName"));
        let (_, parsed) = X509Certificate::from_der(&leaf[0]).unwrap();
        assert_eq!(
            parsed.subject().iter().count(),
            0,
            "names stand in subjectAltName alone"
        );
        let names = parsed.subject_alternative_name().unwrap().unwrap();
        assert!(names.critical && names.value.general_names.len() == 1);
        assert!(matches!(
            names.value.general_names[0],
            GeneralName::DNSName(_) | GeneralName::IPAddress(_)
        ));
        assert!(!parsed.is_ca());
    }
    let serials: std::collections::HashSet<Vec<u8>> = (0..50)
        .map(|_| {
            let leaf = authority.certificate(&host("good.test"), now).unwrap();
            let (_, leaf) = X509Certificate::from_der(&leaf).unwrap();
            assert!(leaf.raw_serial().len() == 16 && leaf.raw_serial()[0] < 0x80);
            leaf.raw_serial().to_vec()
        })
        .collect();
    assert_eq!(serials.len(), 50);
}

#[test]
fn keys_of_every_kind_sign() {
    for key in [Key::P256, Key::P521, Key::Rsa, Key::Ed25519] {
        let ca = Ca::with_key("Own", key);
        let (authority, warnings) = authority_at(&ca.pem(), &ca.key_pem(), SystemTime::now());
        let says = |warning: &String| warning.contains("an Ed25519 key, which browsers");
        assert!(warnings.len() == usize::from(key == Key::Ed25519) && warnings.iter().all(says));
        let authority = authority.unwrap();
        let early = authority.issuer.key().sign(b"what rcgen writes");
        assert_eq!(early.unwrap(), [0; 0], "one signature a leaf");
        let leaf = authority
            .certificate(&host("good.test"), SystemTime::now())
            .unwrap();
        assert_eq!(
            believes(&ca.pem(), &[leaf], "good.test", SystemTime::now()),
            Ok(()),
            "{key:?}"
        );
    }
}

#[test]
fn an_authority_below_another_sends_its_own_certificate_along_and_no_root() {
    let root = Ca::new("Root");
    let (middle, now) = (root.below("Middle", 7), SystemTime::now());
    let bundle = format!("{}{}", middle.pem(), root.pem());
    let (authority, _) = authority_at(&bundle, &middle.key_pem(), now);
    let authority = authority.unwrap();
    assert_eq!(authority.chain.len(), 1);
    let mut chain = vec![authority.certificate(&host("good.test"), now).unwrap()];
    assert!(believes(&root.pem(), &chain, "good.test", now).is_err());
    chain.extend(authority.chain.iter().cloned());
    assert_eq!(believes(&root.pem(), &chain, "good.test", now), Ok(()));
    let long: String = (0..6).map(|nth| root.below("Middle", nth).pem()).collect();
    let (refused, _) = authority_at(&(middle.pem() + &long), &middle.key_pem(), now);
    assert!(refused.err().unwrap().contains("accepted are 4"));
}

/// As corporate ones have it: two of a kind, in their order, and none that rcgen would write.
#[test]
fn the_issuers_name_is_taken_as_it_is() {
    let der = [0x30, 3, 0x0c, 1, b'x'];
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::DnsName("good.test".try_into().unwrap())];
    let made = params.self_signed(&key).unwrap();
    let renamed = with_issuer(made.der(), &der, &key).unwrap();
    let (_, before) = X509Certificate::from_der(made.der()).unwrap();
    assert_eq!(signed(&renamed, before.public_key().raw), Signed::Yes);
    let at = renamed.windows(der.len()).position(|bytes| bytes == der);
    assert!(at.is_some_and(|at| at < 60), "{at:?}");
    // Lengths of all sizes.
    for length in [0, 1, 127, 128, 255, 256, 65_535] {
        let made = element(SEQUENCE, &vec![7; length]).unwrap();
        assert_eq!(Any::from_der(&made).unwrap().1.data.len(), length);
    }
    assert_eq!(element(SEQUENCE, &vec![7; 65_536]), None);
    assert_eq!(with_issuer(b"nothing", &der, &key), None);
}

#[test]
fn what_can_not_sign_is_refused_with_its_file() {
    let (ca, other, now) = (Ca::new("Own"), Ca::new("Other"), SystemTime::now());
    let leaf = ca.issue(&Asked::server());
    for (certificate, key, words) in [
        (
            ca.pem(),
            other.key_pem(),
            "ca.key: the private key does not belong to the first certificate of ca.pem",
        ),
        (
            leaf.chain,
            leaf.key,
            "ca.pem: the certificate of \"CN=localhost\" is not a CA's",
        ),
        (String::new(), ca.key_pem(), "ca.pem: there is no certificate"),
        (ca.pem(), String::new(), "ca.key: there is no private key"),
        (
            ca.pem(),
            "-----BEGIN PRIVATE KEY-----\nMAMCAQA=\n-----END PRIVATE KEY-----\n".into(),
            "ca.key: the private key is not usable",
        ),
    ] {
        let error = authority_at(&certificate, &key, now).0.err().unwrap();
        assert!(error.contains(words), "{error}");
    }
    // It ends with 2039.
    let seconds = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let end = seconds(2_208_988_800);
    let (ended, _) = authority_at(&ca.pem(), &ca.key_pem(), end);
    assert!(ended.err().unwrap().contains("has expired"));
    let (soon, warnings) = authority_at(&ca.pem(), &ca.key_pem(), end - 29 * DAY);
    assert!(warnings[0].contains("expires at"), "{warnings:?}");
    let (_, early) = authority_at(&ca.pem(), &ca.key_pem(), seconds(1_500_000_000));
    assert!(early[0].contains("not valid before"), "{early:?}");
    // No leaf outlives it, and behind it there are none.
    let soon = soon.unwrap();
    let last = soon.mint(&host("good.test"), end - SKEW).unwrap();
    assert!(last.is_due(end) && !last.is_due(end - SKEW));
    assert!(
        soon.mint(&host("good.test"), end)
            .unwrap_err()
            .contains("expired")
    );
}
