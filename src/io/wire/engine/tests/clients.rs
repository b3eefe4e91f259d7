//! Whom a handshake names, who is let in, and what the others are told: certificates, CAs, lists of revoked ones,
//! sessions. How a certificate is judged alone is in `tls`.

use super::*;

#[test]
fn a_handshake_names_the_client_and_text_passes_both_ways() {
    let house = House::new();
    let leaf = Leaf {
        unit: "team",
        ..Leaf::client("web")
    };
    for certificate in [None, Some(house.ca.issue(&leaf))] {
        let mut pair = house.pair(certificate.as_ref());
        assert_eq!(
            pair.engine
                .write(&mut pair.memory, b"early", b"")
                .unwrap_err()
                .kind(),
            io::ErrorKind::WouldBlock
        );
        pair.shake_hands();
        assert!(pair.engine.aside().takes_again && !pair.engine.aside().takes_again);
        let secured = pair.engine.secured().unwrap();
        let names = secured
            .certificate
            .as_ref()
            .and_then(|certificate| certificate.role.as_deref());
        assert_eq!(names, certificate.as_ref().map(|_| "web"));
        assert!(pair.engine.secured().is_none());
        pair.says(b"hello");
        blocks(pair.read());
        assert_eq!(pair.opened, b"hello");
        assert_eq!(pair.engine.write(&mut pair.memory, b"good ", b"day").unwrap(), 8);
        pair.client_takes().unwrap();
        assert_eq!(pair.heard, b"good day");
        let chain_bytes = certificate.as_ref().map_or(0, |issued| {
            let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes());
            chain.map(|der| der.unwrap().len()).sum()
        });
        assert_eq!(
            (pair.engine.under(), pair.engine.held_bytes()),
            (0, ENGINE_BYTES + chain_bytes),
            "nothing else is kept"
        );
    }
}

#[test]
fn who_may_not_come_in_is_told_by_an_alert() {
    let house = House::new();
    let revoked = Leaf {
        serial: 66,
        ..Leaf::client("web")
    };
    let expired = Leaf {
        years: (2020, 2021),
        ..Leaf::client("web")
    };
    let server = Leaf {
        common_name: "web",
        ..Leaf::server()
    };
    let ca = Leaf {
        is_ca: true,
        ..Leaf::client("web")
    };
    for (issued, words, alert) in [
        (house.ca.issue(&revoked), "is revoked", "CertificateRevoked"),
        (house.ca.issue(&expired), "has expired", "CertificateExpired"),
        (
            house.ca.issue(&server),
            "is not for clients",
            "UnsupportedCertificate",
        ),
        (house.ca.issue(&ca), "is a CA's", "CertificateUnknown"),
        (
            Ca::new("Other").issue(&Leaf::client("web")),
            "signed by none",
            "UnknownCA",
        ),
    ] {
        let mut pair = house.pair(Some(&issued));
        let mut failed = None;
        for _ in 0..3 {
            pair.client_sends();
            match pair.read() {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => failed = Some(error.to_string()),
                other => blocks(other),
            }
            pair.flush();
            if failed.is_some() {
                break;
            }
            pair.client_takes().unwrap();
        }
        let failed = failed.expect(words);
        assert!(failed.contains(words), "{failed}");
        let told = pair.client_takes().unwrap_err();
        assert!(pair.engine.secured().is_none());
        // Behind it only the end is of interest.
        pair.memory.inbound.extend([0; 100]);
        pair.memory.has_ended = true;
        assert_eq!(pair.read().unwrap(), 0);
        assert!(
            matches!(told, rustls::Error::AlertReceived(received) if format!("{received:?}") == alert),
            "{told:?}"
        );
    }
}

/// Why this client does not come in, if so.
fn refusal(house: &House, issued: &Issued) -> Option<String> {
    let mut pair = house.pair(Some(issued));
    for _ in 0..3 {
        pair.client_sends();
        match pair.read() {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Some(error.to_string()),
            other => blocks(other),
        }
        pair.flush();
        pair.client_takes().unwrap();
    }
    assert!(pair.engine.secured().unwrap().certificate.is_some());
    None
}

/// With its own certificate alone.
fn alone(mut issued: Issued) -> Issued {
    let end = "-----END CERTIFICATE-----\n";
    let first = issued.chain.replace('\r', "");
    issued.chain = first.split_inclusive(end).next().unwrap().to_owned();
    issued
}

#[test]
fn a_ca_of_the_file_that_is_revoked_lets_nobody_in() {
    let root = Ca::new("Root");
    let (good, bad) = (root.below("Good", 10), root.below("Bad", 11));
    let list = root.crl(&[11], (2020, 2040));
    let (by_good, by_bad) = (good.issue(&Leaf::client("web")), bad.issue(&Leaf::client("web")));
    // The root may be missing: then the others are trusted for themselves.
    for cas in [
        [root.pem(), good.pem(), bad.pem()].concat(),
        [good.pem(), bad.pem()].concat(),
    ] {
        let house = House::with(Ca::new("Proxy"), cas, vec![list.clone()]);
        assert_eq!(refusal(&house, &by_good), None);
        assert_eq!(refusal(&house, &alone(by_good.clone())), None);
        for issued in [by_bad.clone(), alone(by_bad.clone())] {
            let words = refusal(&house, &issued).unwrap();
            assert!(words.contains("is revoked"), "{words}");
        }
    }
}

#[test]
fn each_of_two_cas_of_one_name_has_its_own_list() {
    let (old, new) = (Ca::new("Root"), Ca::new("Root"));
    let lists = vec![old.crl(&[7], (2020, 2040)), new.crl(&[8], (2021, 2040))];
    let (of_old, of_new) = (
        |serial| {
            old.issue(&Leaf {
                serial,
                ..Leaf::client("web")
            })
        },
        |serial| {
            new.issue(&Leaf {
                serial,
                ..Leaf::client("web")
            })
        },
    );
    let house = House::with(Ca::new("Proxy"), old.pem() + &new.pem(), lists);
    for (issued, is_revoked) in [
        (of_old(7), true),
        (of_old(8), false),
        (of_new(7), false),
        (of_new(8), true),
    ] {
        assert_eq!(
            refusal(&house, &issued).is_some(),
            is_revoked,
            "{}",
            issued.serial
        );
    }
}

#[test]
fn the_list_of_a_ca_that_clients_send_along_counts_if_that_signed_it() {
    let root = Ca::new("Root");
    let below = root.below("Below", 10);
    let issued = below.issue(&Leaf {
        serial: 7,
        ..Leaf::client("web")
    });
    for (list, is_revoked) in [
        (below.crl(&[7], (2020, 2040)), true),
        (below.crl(&[8], (2020, 2040)), false),
        (Ca::new("Below").crl(&[7], (2020, 2040)), false),
    ] {
        let house = House::with(Ca::new("Proxy"), root.pem(), vec![list]);
        assert_eq!(refusal(&house, &issued).is_some(), is_revoked);
    }
}

#[test]
fn a_chain_has_its_length() {
    let house = House::new();
    let mut issued = house.ca.issue(&Leaf::client("web"));
    issued.chain += &house.ca.pem().repeat(7);
    assert_eq!(refusal(&house, &issued), None);
    issued.chain += &house.ca.pem();
    let words = refusal(&house, &issued).unwrap();
    assert!(words.contains("at most 8 certificates"), "{words}");
}

#[test]
fn a_session_is_resumed_again_and_again_and_names_its_client() {
    let house = House::new();
    let issued = house.ca.issue(&Leaf::client("web"));
    let config = Arc::new(house.client_config(Some(&issued)));
    for round in 0..4 {
        let mut pair = Pair::new(&house, Arc::clone(&config));
        pair.shake_hands();
        // The ticket leaves with the first that is written.
        pair.engine.write(&mut pair.memory, b"hello", b"").unwrap();
        pair.client_takes().unwrap();
        let is_resumed = pair.client.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        assert_eq!(is_resumed, round > 0, "{round}");
        let certificate = pair.engine.secured().unwrap().certificate.unwrap();
        assert_eq!(certificate.role.as_deref(), Some("web"));
    }
}
