//! The strict host parser against what broke others, and the shape of targets.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

fn host(text: &str) -> Result<Host, TargetError> {
    Host::parse(text.as_bytes())
}

fn assert_name(text: &str, name: &str) {
    match host(text) {
        Ok(Host::Name(found)) => assert_eq!(found.as_str(), name, "{text:?}"),
        other => panic!("{text:?}: {other:?} is no name"),
    }
}

fn assert_addr(text: &str, addr: &str) {
    let addr: IpAddr = addr.parse().unwrap();
    assert_eq!(host(text), Ok(Host::Addr(addr)), "{text:?}");
}

fn assert_malformed(texts: &[&str]) {
    for text in texts {
        assert!(host(text).is_err(), "{text:?} became {:?}", host(text));
        assert!(
            Target::parse(text.as_bytes(), Some(80)).is_err(),
            "{text:?} as an authority"
        );
    }
}

#[test]
fn names_are_normalised() {
    for (text, name) in [
        ("example.com", "example.com"),
        ("EXAMPLE.com", "example.com"),
        ("example.com.", "example.com"),
        ("localhost", "localhost"),
        ("a", "a"),
        ("foo_bar._tcp.test", "foo_bar._tcp.test"),
        ("r3---sn-4g5e6nez.example", "r3---sn-4g5e6nez.example"),
        ("1e100.test", "1e100.test"),
        ("1.2.3.4.example", "1.2.3.4.example"),
        ("0x7f.example", "0x7f.example"),
        ("xn--mnchen-3ya.test", "xn--mnchen-3ya.test"),
        ("XN--MNCHEN-3YA.test", "xn--mnchen-3ya.test"),
        ("www.MÜNCHEN.test", "www.xn--mnchen-3ya.test"),
        ("mu\u{308}nchen.test", "xn--mnchen-3ya.test"),
        ("straße.test", "xn--strae-oqa.test"),
        ("foo_bär.test", "xn--foo_br-fua.test"),
        ("xn--jv8h.test", "xn--jv8h.test"),
        // A joiner where the script needs it.
        ("نامه\u{200c}ای.test", "xn--mgba3gch31f060k.test"),
    ] {
        assert_name(text, name);
    }
}

#[test]
fn cve_2022_24825_one_trailing_dot_and_letter_case_make_no_other_name() {
    assert_name("example.com.", "example.com");
    assert_name("EXAMPLE.com", "example.com");
    assert_name("EXAMPLE。com。", "example.com");
    assert_malformed(&["example.com..", "example.com。.", "."]);
}

#[test]
fn issue_264_unicode_spellings_become_the_same_name() {
    for text in [
        "éxämple.com",
        "ÉXÄMPLE.com",
        "e\u{301}xa\u{308}mple.com",
        "xn--xmple-gra7a.com",
    ] {
        assert_name(text, "xn--xmple-gra7a.com");
    }
    assert_name("ｅｘａｍｐｌｅ.com", "example.com");
    assert_name("ⓔxample.com", "example.com");
}

#[test]
fn empty_labels_and_odd_characters_are_malformed() {
    assert_malformed(&[
        "",
        ".",
        "..",
        ".com",
        "a..b",
        "a b",
        " a",
        "a ",
        "a\tb",
        "a\r\nb",
        "a\0b",
        "a\x7fb",
        "a\x1bb",
        "a!b.com",
        "a$b.com",
        "a,b",
        "a'b",
        "a\"b",
        "a(b)",
        "a*b",
        "*.example.com",
        "a;b",
        "a=b",
        "a+b",
        "a~b",
        "a`b",
        "a|b",
        "a^b",
        "a{b}",
        "a<b>",
        "a/b",
        "a?b",
        "a#b",
        "a\\b",
        "a%b",
        "a%2eb",
        "a&b",
        "-a.com",
        "a-.com",
        "a.-b",
        "a@b",
    ]);
}

#[test]
fn sizes_are_those_of_dns() {
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    assert_eq!(longest.len(), 253);
    assert_name(&longest, &longest);
    assert_name(&format!("{longest}."), &longest);
    assert_malformed(&[
        &format!("{longest}a"),
        &format!("{label}a.com"),
        &"a.".repeat(128),
        &"a".repeat(1 << 20),
    ]);
    // In UTF-8 the limits count for the mapped form.
    assert_name(&"ａ".repeat(63), &label);
    assert_malformed(&[&"ａ".repeat(64), &"ü".repeat(63), &"ü.".repeat(50)]);
}

#[test]
fn dotted_quads_are_addresses() {
    for text in [
        "0.0.0.0",
        "127.0.0.1",
        "8.8.8.8",
        "255.255.255.255",
        "169.254.169.254",
    ] {
        assert_addr(text, text);
    }
}

#[test]
fn cve_2021_29922_octal_quads() {
    assert_malformed(&[
        "0177.0.0.1",
        "0127.0.0.1",
        "010.8.8.8",
        "012.1.2.3",
        "127.0.0.01",
        "00.0.0.0",
        "127.0.0.001",
    ]);
}

#[test]
fn cve_2023_42282_hexadecimal_short_and_decimal_addresses() {
    assert_malformed(&[
        "0x7f.1",
        "0x7f.0.0.1",
        "0X7F.0.0.1",
        "0x7f000001",
        "0x",
        "0x.0x",
        "foo.0x1",
        "foo.0X1",
        "127.1",
        "127.0.1",
        "2130706433",
        "017700000001",
        "01200034567",
        "0",
        "1",
        "1.",
        "127.0.0.0x1",
        "4294967296",
        "99999999999",
    ]);
}

#[test]
fn a_last_label_that_is_a_number_is_no_name() {
    assert_malformed(&[
        "1.2.3.4.5",
        "1.2.3.4.",
        "1.2.3",
        "256.0.0.1",
        "1.2.3.256",
        "foo.1",
        "foo.com.0",
        "foo.09.",
    ]);
    assert_malformed(&[
        "1.2.3.4 ",
        " 1.2.3.4",
        "1.2.3.4/8",
        "+1.2.3.4",
        "1.2.3.-4",
        "1..2.3",
        ".1.2.3.4",
    ]);
}

#[test]
fn cve_2024_12224_wide_digits_and_dots_are_not_addresses() {
    assert_malformed(&[
        "１２７.０.０.１",
        "１２７．０．０．１",
        "127。0。0。1",
        "127．0．0．1",
        "①②⑦.⓪.⓪.①",
        "⑯⑨。②⑤④。⑯⑨｡②⑤④",
        "127.0.0.１",
        "２１３０７０６４３３",
        "０ｘ７ｆ.１",
        "０x7f000001",
        "𝟏𝟐𝟕.𝟎.𝟎.𝟏",
        "１27.1",
        "foo.１",
        "127.0.0.1。",
        "¹²⁷.⁰.⁰.¹",
    ]);
}

#[test]
fn cve_2024_12224_false_punycode() {
    assert_malformed(&[
        "xn--example-.com",
        "example.org.xn--",
        "xn--.com",
        "xn--a",
        "xn--a.test",
        "xn--a-ecp.ru-",
        "XN--EXAMPLE-.com",
        "xn--0.pt",
        "xn--xn---epa.com",
        "xn--127-.0.0.1",
        "xn--ls8h=.la",
        "xn--\u{e9}.com",
        "xn--99999999999",
        "xn--a\u{fc}",
    ]);
}

#[test]
fn invisible_characters_are_malformed() {
    for c in [
        '\u{ad}',
        '\u{200b}',
        '\u{2060}',
        '\u{feff}',
        '\u{fe0f}',
        '\u{180e}',
        '\u{34f}',
        '\u{115f}',
        '\u{3164}',
        '\u{e0061}',
        '\u{202e}',
        '\u{fffd}',
        '\u{85}',
        '\u{a0}',
        '\u{2028}',
    ] {
        assert_malformed(&[
            &format!("exam{c}ple.com"),
            &format!("{c}example.com"),
            &format!("example.com{c}"),
        ]);
    }
    // Joiners outside the scripts that need them.
    assert_malformed(&["exam\u{200d}ple.com", "exam\u{200c}ple.com"]);
}

#[test]
fn characters_that_unfold_into_delimiters_are_malformed() {
    assert_malformed(&[
        "℀.com",
        "evil.com／x",
        "evil＠allowed",
        "a％41.com",
        "evil？x",
        "evil＃x",
        "evil：80",
        "a⒈com",
        "＼x",
        "a…b",
    ]);
}

#[test]
fn brackets_hold_ipv6_without_zone() {
    for (text, addr) in [
        ("[::1]", "::1"),
        ("[::]", "::"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("[000:0:0000::01]", "::1"),
        ("[::127.0.0.1]", "::7f00:1"),
        ("[::ffff:0:127.0.0.1]", "::ffff:0:7f00:1"),
        ("[64:ff9b::a9fe:a9fe]", "64:ff9b::a9fe:a9fe"),
    ] {
        assert_addr(text, addr);
    }
}

#[test]
fn mapped_addresses_are_the_ipv4_address() {
    for text in [
        "[::ffff:127.0.0.1]",
        "[::fFFf:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:FFFF:7f00:1]",
    ] {
        assert_addr(text, "127.0.0.1");
    }
}

#[test]
fn cve_2022_29188_names_in_brackets() {
    assert_malformed(&[
        "[example.com]",
        "[[example.com]]",
        "[example.com]:443",
        "[[::1]]",
        "[]",
        "[",
        "]",
        "[:]",
    ]);
    assert_malformed(&[
        "example.com]",
        "[example.com",
        "[::1]example.com",
        "a[::1]",
        "[127.0.0.1]",
        "[v1.x]",
        "[::1].com",
    ]);
}

#[test]
fn cve_2025_22870_zones() {
    assert_malformed(&[
        "[::1%25.example.com]",
        "[::1%25.example.com]:80",
        "[fe80::1%eth0]",
        "[fe80::1%25eth0]",
        "[::1%]",
    ]);
}

#[test]
fn ipv6_text_is_strict() {
    assert_malformed(&[
        "[::1",
        "[1:2:3:4:5:6:7]",
        "[1:2:3:4:5:6:7:8:9]",
        "[1::2::3]",
        "[::12345]",
        "[::g]",
        "[ ::1]",
        "[::1 ]",
        "[:::]",
        "[::ffff:0177.0.0.1]",
        "[::ffff:127.1]",
        "[::ffff:256.0.0.1]",
        "[1.2.3.4::]",
        "[::1.2.3.4:5]",
        "[::1\0]",
        "[::１]",
        "[1:2:3:4:5:6:7:8::]",
        "[+1::]",
        "[::0x1]",
    ]);
    assert_malformed(&["::1", "2001:db8::1", "::ffff:127.0.0.1"]);
}

#[test]
fn cve_2025_47912_parser_splits() {
    assert_malformed(&[
        "allowed@evil",
        "allowed:80@evil",
        "evil%00.allowed",
        "evil\0.allowed",
        "evil\\@allowed",
        "evil#.allowed",
        "attacker.example\0.google.com",
        "user:pw@example.com",
        "@example.com",
        "example.com@",
    ]);
}

#[test]
fn names_are_not_addresses() {
    let name = |host: &str| match Host::parse(host.as_bytes()) {
        Ok(Host::Name(name)) => Some(name.as_str().to_owned()),
        Ok(Host::Addr(_)) | Err(_) => None,
    };
    assert_eq!(name("Example.COM."), Some("example.com".to_owned()));
    assert_eq!(name("1.2.3.4"), None);
    assert_eq!(name("[::1]"), None);
    assert_eq!(name("0x7f.1"), None);
}

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

/// Could inet_aton(3) of glibc read this? One to four parts, each decimal, octal or hexadecimal.
fn looks_like_inet_aton(text: &str) -> bool {
    let number = |part: &str| {
        let hex = part.strip_prefix("0x").or(part.strip_prefix("0X"));
        hex.map_or(
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()),
            |digits| digits.bytes().all(|b| b.is_ascii_hexdigit()),
        )
    };
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() <= 4 && parts.into_iter().all(number)
}

proptest! {
    #[test]
    fn what_is_accepted_is_a_fixed_point(text in "\\PC{0,40}|[a-zA-Z0-9.:\\[\\]_x-]{0,30}|(xn--[a-z0-9-]{0,9}[.]?){1,3}|[0-9a-fA-Fx０-９①-⑨.。]{1,20}") {
        if let Ok(found) = host(&text) {
            let shown = found.to_string();
            prop_assert!(shown.is_ascii());
            prop_assert_eq!(host(&shown), Ok(found.clone()));
            if let Host::Name(name) = found {
                prop_assert!(name.as_str().len() <= 253);
                prop_assert!(!looks_like_inet_aton(name.as_str()), "{}", name);
                prop_assert!(name.as_str().bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.')));
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(target) = Target::parse(&bytes, None) {
            prop_assert!(target.port != 0);
            prop_assert_eq!(target.written.as_bytes(), &bytes[..]);
        }
    }
}

#[test]
fn unmapping() {
    for (given, shown) in [
        ("[::ffff:10.0.0.1]:5", "10.0.0.1:5"),
        ("10.0.0.1:5", "10.0.0.1:5"),
        ("[::1]:5", "[::1]:5"),
        ("[fe80::1%3]:5", "[fe80::1%3]:5"),
        ("[::10.0.0.1]:5", "[::10.0.0.1]:5"),
    ] {
        let address: SocketAddr = given.parse().unwrap();
        assert_eq!(unmapped(address), shown.parse().unwrap());
    }
}
