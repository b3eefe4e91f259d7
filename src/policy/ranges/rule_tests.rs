//! The operator's rules: parsing, order of decision, rules without effect.

use super::tests::{assert_verdicts, plain, ranges, verdict, verdict_at};
use super::{Rule, Verdict};

#[test]
fn allow_beats_deny_and_both_beat_the_default() {
    let ranges = ranges(
        &["10.0.0.0/8", "127.0.0.1", "2002::/16", "8.8.8.8"],
        &["10.1.0.0/16", "8.8.0.0/16", "127.0.0.0/8"],
    );
    assert_verdicts(
        &ranges,
        Verdict::AllowUser,
        &[
            "10.1.2.3",
            "127.0.0.1",
            "2002:7f00:1::",
            "8.8.8.8",
            "::ffff:10.0.0.1",
        ],
    );
    assert_verdicts(&ranges, Verdict::DenyUser, &["8.8.4.4", "::ffff:8.8.4.4"]);
    // Not global unicast comes before deny rules.
    assert_verdicts(&ranges, Verdict::DenyNotGlobalUnicast, &["127.0.0.2"]);
}

#[test]
fn deny_rules_come_before_the_classes() {
    let ranges = ranges(&[], &["0.0.0.0/0", "::/0"]);
    assert_verdicts(
        &ranges,
        Verdict::DenyUser,
        &[
            "8.8.8.8",
            "10.0.0.1",
            "100.64.0.1",
            "192.0.2.1",
            "2002::1",
            "fc00::1",
        ],
    );
    assert_verdicts(
        &ranges,
        Verdict::DenyNotGlobalUnicast,
        &["127.0.0.1", "::1", "255.255.255.255"],
    );
}

#[test]
fn rules_may_name_a_port() {
    let ranges = ranges(
        &["10.0.0.1:8080", "[fd00::1]:443", "10.0.0.1:9090"],
        &["8.8.8.8:53"],
    );
    assert_eq!(verdict_at(&ranges, "10.0.0.1", 8080), Verdict::AllowUser);
    assert_eq!(verdict_at(&ranges, "10.0.0.1", 9090), Verdict::AllowUser);
    assert_eq!(verdict_at(&ranges, "10.0.0.1", 80), Verdict::DenyPrivate);
    assert_eq!(verdict_at(&ranges, "10.0.0.2", 8080), Verdict::DenyPrivate);
    assert_eq!(verdict_at(&ranges, "fd00::1", 443), Verdict::AllowUser);
    assert_eq!(verdict_at(&ranges, "8.8.8.8", 53), Verdict::DenyUser);
    assert_eq!(verdict_at(&ranges, "8.8.8.8", 443), Verdict::AllowDefault);
}

#[test]
fn mapped_rules_are_ipv4_rules() {
    let ranges = ranges(
        &["::ffff:10.0.0.0/104", "::ffff:127.0.0.1"],
        &["[::ffff:8.8.8.8]:80", "::/0"],
    );
    assert_verdicts(
        &ranges,
        Verdict::AllowUser,
        &["10.9.9.9", "127.0.0.1", "::ffff:10.0.0.1"],
    );
    assert_verdicts(&ranges, Verdict::DenyUser, &["8.8.8.8"]);
    // `::/0` is every IPv6 address, and a mapped one is none.
    assert_verdicts(&ranges, Verdict::AllowDefault, &["1.1.1.1", "::ffff:1.1.1.1"]);
}

#[test]
fn many_rules_all_count() {
    let deny: Vec<String> = (0..=u16::MAX)
        .map(|n| format!("11.{}.{}.0/24", n >> 8, n & 255))
        .collect();
    let deny: Vec<&str> = deny.iter().map(String::as_str).collect();
    let ranges = ranges(&[], &deny);
    for n in (0..=u16::MAX).step_by(251) {
        assert_eq!(
            verdict(&ranges, &format!("11.{}.{}.77", n >> 8, n & 255)),
            Verdict::DenyUser
        );
    }
    assert_verdicts(&ranges, Verdict::AllowDefault, &["12.0.0.1"]);
}

#[test]
fn rules_are_parsed_and_shown() {
    for (text, shown) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("10.0.0.1/32", "10.0.0.1"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
    ] {
        assert_eq!(Rule::range(text).unwrap().to_string(), shown);
    }
    for (text, shown) in [
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.1:80", "10.0.0.1:80"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]:443", "[2001:db8::1]:443"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("[::ffff:10.0.0.1]:80", "10.0.0.1:80"),
    ] {
        assert_eq!(Rule::address(text).unwrap().to_string(), shown);
    }
}

#[test]
fn what_is_no_rule() {
    for text in [
        "10.0.0.0/33",
        "10.0.0.1",
        "nonsense",
        "::/129",
        "",
        "/",
        "10.0.0.0/",
        "/8",
        "10.0.0.0/+8",
        "10.0.0.0/-1",
        "x",
        "10/8",
        "010.0.0.0/8",
        "10.0.0.0/8/8",
        " 10.0.0.0/8",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/99",
        "10.0.0.0/08",
        "10.0.0.0/300",
        "[::]/0",
        "fe80::%eth0/10",
    ] {
        assert_eq!(Rule::range(text), None, "{text:?}");
    }
    for text in [
        "10.0.0.300",
        "1.2.3",
        "example.com:80",
        "example.com",
        "",
        ":80",
        "[::1]",
        "::1]:80",
        "[10.0.0.1]:80",
        "10.0.0.0/8",
        "010.0.0.1",
        "[fe80::1%eth0]:80",
        "[::1:80",
    ] {
        assert_eq!(Rule::address(text), None, "{text:?}");
    }
    for port in ["http", "0", "65536", "+80", "", "8 0", "000443"] {
        assert_eq!(Rule::address(&format!("10.0.0.1:{port}")), None, "{port:?}");
    }
}

#[test]
fn cve_2021_29922_octal_quads() {
    for text in [
        "0127.0.0.1",
        "010.8.8.8",
        "0177.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
    ] {
        assert_eq!(Rule::address(text), None, "{text}");
        assert_eq!(Rule::address(&format!("{text}:80")), None, "{text}");
        assert_eq!(Rule::range(&format!("{text}/8")), None, "{text}");
    }
}

#[test]
fn rules_without_effect_are_named() {
    let allow = &[
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.0.0.0/8",
        "8.8.8.8:53",
        "10.0.0.1:80",
    ];
    let deny = &[
        "10.2.0.0/16",
        "8.8.8.8:53",
        "8.8.8.8",
        "127.0.0.1",
        "9.9.9.9:80",
        "9.9.9.0/24",
        "::1",
        "fe80::/9",
    ];
    let sentences = ranges(allow, deny).shadowed(false);
    let named = |text: &str| {
        sentences
            .iter()
            .filter(|sentence| sentence.starts_with(text))
            .count()
    };
    for text in [
        "allow rule 10.1.0.0/16 never takes effect: allow rule 10.0.0.0/8 covers it",
        "allow rule 10.0.0.0/8 never takes effect: it is given more than once",
        "allow rule 10.0.0.1:80 never takes effect: allow rule 10.0.0.0/8 covers it",
        "deny rule 10.2.0.0/16 never takes effect: allow rule 10.0.0.0/8 covers it, and allow beats deny",
        "deny rule 8.8.8.8:53 never takes effect: allow rule 8.8.8.8:53 covers it",
        "deny rule 8.8.8.8:53 never takes effect: deny rule 8.8.8.8 covers it",
        "deny rule 127.0.0.1 never takes effect: its addresses are not global unicast",
        "deny rule ::1 never takes effect: its addresses are not global unicast",
        "deny rule 9.9.9.9:80 never takes effect: deny rule 9.9.9.0/24 covers it",
    ] {
        assert_eq!(named(text), 1, "{text} in {sentences:#?}");
    }
    assert_eq!(sentences.len(), 9, "{sentences:#?}");
    // A private exception could let in what a rule denies that stands on loopback.
    let sentences = ranges(allow, deny).shadowed(true);
    assert!(
        !sentences
            .iter()
            .any(|sentence| sentence.contains("not global unicast"))
    );
    assert_eq!(sentences.len(), 7, "{sentences:#?}");
}

#[test]
fn rules_with_effect_are_not_named() {
    let ranges = ranges(
        &["10.0.0.0/16", "8.8.8.8:53"],
        &[
            "10.0.0.0/8",
            "8.8.8.8",
            "8.8.8.8:54/".trim_end_matches('/'),
            "::/0",
        ],
    );
    let sentences = ranges.shadowed(false);
    assert_eq!(
        sentences,
        ["deny rule 8.8.8.8:54 never takes effect: deny rule 8.8.8.8 covers it"]
    );
    assert!(plain().shadowed(false).is_empty());
}

#[test]
fn of_rules_that_say_the_same_the_first_is_named() {
    let ranges = ranges(
        &["10.0.0.0/8", "44.0.0.1:80", "44.0.0.1:81", "44.0.0.1:80"],
        &["9.9.9.9", "9.0.0.0/8", "9.9.9.9"],
    );
    for (address, place) in [
        ("10.1.2.3:1", Some("rules:1")),
        ("44.0.0.1:80", Some("rules:2")),
        ("44.0.0.1:81", Some("rules:3")),
        ("44.0.0.1:82", None),
        // The widest one, as it is that which would have to go.
        ("9.9.9.9:1", Some("rules:2")),
        ("8.8.8.8:1", None),
    ] {
        let address = address.parse().unwrap();
        let (_, verdict) = ranges.judge(address, &|_| false);
        let found = ranges
            .rule_of(address, verdict)
            .map(|placed| placed.place.to_string());
        assert_eq!(found.as_deref(), place, "{address}");
    }
}
