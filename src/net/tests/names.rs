//! Which texts are a name, and which one: letter case, dots, Unicode, lengths. What looks like an address is in
//! `addresses`.

use super::*;

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
