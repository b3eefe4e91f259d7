//! Which texts are an address, and that no name is one that others read as an address. What an address is allowed is
//! `policy`'s.

use proptest::prelude::*;

use super::*;

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
