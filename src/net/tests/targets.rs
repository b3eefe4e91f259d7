//! Hosts with ports: which authorities are a target, how a target is spelled in a Host field, and what errors say.
//! Hosts alone are in `names` and `addresses`.

use proptest::prelude::*;

use super::*;

#[test]
fn targets_have_host_port_and_spelling() {
    for (written, shown, port) in [
        ("Example.com:443", "example.com", 443),
        ("example.com.", "example.com", 80),
        ("1.2.3.4:1", "1.2.3.4", 1),
        ("[::1]:65535", "[::1]", 65535),
        ("[2001:DB8:0::1]", "[2001:db8::1]", 80),
        ("münchen.test:00080", "xn--mnchen-3ya.test", 80),
    ] {
        let target = Target::parse(written.as_bytes(), Some(80)).unwrap();
        assert_eq!(
            (target.host.to_string().as_str(), target.port, &*target.written),
            (shown, port, written)
        );
    }
}

#[test]
fn cve_2026_3945_ports() {
    for port in [
        "+443",
        "-1",
        "0",
        "00000",
        "65536",
        "65616",
        "000080",
        "4294967376",
        " 80",
        "80 ",
        "8a",
        "0x50",
        "http",
        "８０",
    ] {
        for host in ["example.com", "1.2.3.4", "[::1]"] {
            let authority = format!("{host}:{port}");
            assert!(
                Target::parse(authority.as_bytes(), Some(80)).is_err(),
                "{authority}"
            );
            assert!(Target::parse(authority.as_bytes(), None).is_err(), "{authority}");
        }
    }
}

#[test]
fn authorities_that_are_no_targets() {
    for authority in [
        ":80",
        ":",
        "",
        "a:80:80",
        "[::1]:80:80",
        "[::1]80",
        "[::1]]:80",
        "::1:80",
        "example.com:80/",
        "a:@:80",
    ] {
        assert!(
            Target::parse(authority.as_bytes(), Some(80)).is_err(),
            "{authority}"
        );
    }
    assert_eq!(
        Target::parse(b"example.com", None),
        Err(TargetError("port is missing"))
    );
    assert!(Target::parse(b"ex\xffample.com:80", None).is_err());
    assert!(Target::parse(b"\xc0\xae.com:80", None).is_err());
}

fn shown(target: &Target) -> String {
    let HostField { host, port } = target.host_field(80);
    port.map_or_else(|| host.to_string(), |port| format!("{host}:{port}"))
}

#[test]
fn host_fields_leave_out_the_default_port() {
    let field = |text: &str| shown(&Target::parse(text.as_bytes(), Some(80)).unwrap());
    assert_eq!(field("EXAMPLE.com.:80"), "EXAMPLE.com.");
    assert_eq!(field("example.com:"), "example.com");
    assert_eq!(field("example.com:8080"), "example.com:8080");
    assert_eq!(field("example.com:08080"), "example.com:8080");
    assert_eq!(field("example.com:00080"), "example.com");
    assert_eq!(field("1.2.3.4:80"), "1.2.3.4");
    assert_eq!(field("[::1]:80"), "[::1]");
    assert_eq!(field("[::1]:443"), "[::1]:443");
    assert_eq!(field("[::ffff:1.2.3.4]:81"), "1.2.3.4:81");
}

/// minio#9169, serenity PR#2312: the case of the letters may be signed.
#[test]
fn host_fields_are_spelled_as_the_target_where_that_names_the_same() {
    for (written, field) in [
        ("My-Bucket.S3.Example.COM", "My-Bucket.S3.Example.COM"),
        ("A_b.Test:81", "A_b.Test:81"),
        ("[2001:DB8:0::0001]", "[2001:DB8:0::0001]"),
        ("XN--BCHER-KVA.example", "XN--BCHER-KVA.example"),
        ("B\u{fc}cher.EXAMPLE", "xn--bcher-kva.example"),
        ("\u{ff21}.test", "a.test"),
        ("\u{212a}.test:8080", "k.test:8080"),
        ("a\u{3002}test", "a.test"),
        ("[::FFFF:1.2.3.4]", "1.2.3.4"),
        ("[::ffff:102:304]:8080", "1.2.3.4:8080"),
    ] {
        let target = Target::parse(written.as_bytes(), Some(80)).unwrap();
        assert_eq!(shown(&target), field, "{written}");
        let again = Target::parse(field.as_bytes(), Some(80)).unwrap();
        assert_eq!((again.host, again.port), (target.host, target.port), "{written}");
    }
}

#[test]
fn an_empty_port_is_the_default_one_and_never_a_tunnels() {
    for host in ["example.com", "1.2.3.4", "[::1]"] {
        let authority = format!("{host}:");
        assert_eq!(Target::parse(authority.as_bytes(), Some(80)).unwrap().port, 80);
        let missing = Err(TargetError("port is missing after the colon"));
        assert_eq!(Target::parse(authority.as_bytes(), None), missing);
    }
}

#[test]
fn errors_echo_nothing() {
    for text in [
        "sekrit@x",
        "sek rit",
        "sekrit..",
        "[sekrit]",
        "sekrit:x",
        "xn--sekrit-",
        "sekrit.0x1",
        "sekrit\u{ad}",
    ] {
        let error = Target::parse(text.as_bytes(), None).unwrap_err().to_string();
        assert!(!error.contains("sekrit") && error.len() < 80, "{error}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(target) = Target::parse(&bytes, None) {
            prop_assert!(target.port != 0);
            prop_assert_eq!(target.written.as_bytes(), &bytes[..]);
        }
    }
}
