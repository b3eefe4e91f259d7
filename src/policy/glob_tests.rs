//! Which hosts a glob matches, and which texts are no glob.

use proptest::prelude::*;

use crate::policy::ports::Ports;

use super::*;

fn host(text: &str) -> Host {
    Host::parse(text.as_bytes()).unwrap()
}

fn set(globs: &[&str]) -> GlobSet {
    let parsed = globs.iter().map(|glob| Pattern::parse(glob).unwrap());
    parsed.zip(1..).collect()
}

#[track_caller]
fn refused(text: &str, words: &[&str]) {
    let error = Glob::parse(text).unwrap_err();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in {error:?}");
    }
}

#[test]
fn valid_globs_read_back_as_written() {
    for text in [
        "example.com",
        "*.example.com",
        "localhost",
        "*.internal",
        "foo_bar.test",
        "_dmarc.example.com",
        "1e100.test",
        "a-b.test",
        "xn--mnchen-3ya.test",
        "*.xn--mnchen-3ya.test",
        "1.2.3.4",
        "2001:db8::1",
    ] {
        assert_eq!(Glob::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn match_all_and_empty_globs_are_refused() {
    refused("", &["empty"]);
    refused("*", &["'*'", "everything", "accepted"]);
    refused("*.", &["'*.'", "everything"]);
    refused("*.*", &["'*.*'", "first label"]);
    refused("*.*.com", &["first label"]);
    refused(".", &["'.'"]);
    refused("*..", &["'*..'"]);
}

#[test]
fn a_star_stands_only_as_the_whole_first_label() {
    for text in [
        "api.*.example.com",
        "*example.com",
        "example.*",
        "ex*ample.com",
        "*a.example.com",
        "**.com",
        "a.*",
    ] {
        refused(text, &[&format!("'{text}'"), "`*`", "*.example.com"]);
    }
}

#[test]
fn a_glob_that_is_not_normal_is_answered_with_its_normal_form() {
    refused("Example.com", &["'Example.com'", "'example.com'"]);
    refused("example.com.", &["'example.com.'", "'example.com'"]);
    refused("éxämple.com", &["'éxämple.com'", "'xn--xmple-gra7a.com'"]);
    refused("*.éxämple.com", &["'*.éxämple.com'", "'*.xn--xmple-gra7a.com'"]);
    refused("*.EXAMPLE.com", &["'*.example.com'"]);
}

#[test]
fn what_is_no_host_is_refused_and_quoted() {
    for text in [
        "exa mple.com",
        "http://example.com",
        "example.com:443",
        "a..b",
        "*.1.2.3.4",
        "0x7f.1",
        "[::1",
        "[example.com]",
    ] {
        refused(text, &[&format!("'{text}'")]);
    }
}

#[test]
fn what_holds_a_host_is_answered_with_it() {
    for (text, host) in [
        ("https://example.com", "example.com"),
        ("https://user:pw@Example.com:8443/path?q#f", "example.com:8443"),
        ("example.com/path", "example.com"),
        ("https://*.example.com/", "*.example.com"),
        (".example.com", "*.example.com"),
        ("https://1.2.3.4/", "1.2.3.4"),
        ("http://[2001:db8::1]:80/", "[2001:db8::1]:80"),
    ] {
        refused(text, &[&format!("'{text}'"), &format!("; write '{host}'")]);
        assert!(Pattern::parse(host).is_ok());
    }
    for text in ["https://", "https://*", "http://a..b/", "://", "@", "/", ":443"] {
        assert!(!Glob::parse(text).unwrap_err().contains("write"), "{text}");
    }
}

/// Without its ports an entry would be wider than it was meant.
#[test]
fn where_no_ports_are_accepted_nobody_is_told_to_leave_them_out() {
    for (text, host) in [
        ("github.com:22", "github.com"),
        ("GitHub.com:22", "github.com"),
        ("*.example.com:443,8000-8999", "*.example.com"),
        ("10.0.0.1:22", "10.0.0.1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
    ] {
        refused(
            text,
            &[
                &format!("'{text}'"),
                "has ports, which are accepted in allowed_domains and the global lists alone",
                &format!("'{host}' would stand for all of them"),
            ],
        );
        assert!(!Glob::parse(text).unwrap_err().contains("write"), "{text}");
    }
}

#[test]
fn ranges_are_sent_to_the_options_for_ranges() {
    for text in ["10.0.0.0/8", "fc00::/7", "10.0.0.1/32"] {
        refused(text, &[&format!("'{text}'"), "--deny-range", "--allow-range"]);
    }
}

#[test]
fn a_wildcard_matches_any_depth_below_and_never_the_apex() {
    let globs = set(&["*.example.com"]);
    for (name, matches) in [
        ("www.example.com", true),
        ("a.b.example.com", true),
        ("WWW.Example.COM", true),
        ("www.example.com.", true),
        ("example.com", false),
        ("notexample.com", false),
        ("xexample.com", false),
        ("example.com.evil.test", false),
        ("com", false),
        ("other.test", false),
    ] {
        assert_eq!(globs.contains(&host(name)), matches, "{name}");
    }
}

#[test]
fn an_exact_name_is_neither_suffix_nor_prefix() {
    let globs = set(&["example.com"]);
    assert!(globs.contains(&host("example.com")));
    assert!(globs.contains(&host("EXAMPLE.com.")));
    for name in [
        "www.example.com",
        "notexample.com",
        "example.com.evil.test",
        "com",
    ] {
        assert!(!globs.contains(&host(name)), "{name}");
    }
}

#[test]
fn one_label_wildcards_match_below_that_label() {
    let globs = set(&["*.internal"]);
    assert!(globs.contains(&host("db.internal")) && globs.contains(&host("a.b.internal")));
    assert!(!globs.contains(&host("internal")) && !globs.contains(&host("internal.test")));
}

#[test]
fn smokescreen_264_unicode_spellings_match_the_punycode_glob() {
    let globs = set(&["xn--mnchen-3ya.test", "*.xn--mnchen-3ya.test"]);
    for name in [
        "münchen.test",
        "MÜNCHEN.test",
        "mu\u{308}nchen.test",
        "www.münchen.test",
        "xn--mnchen-3ya.test",
    ] {
        assert!(globs.contains(&host(name)), "{name}");
    }
}

#[test]
fn addresses_are_compared_as_values() {
    let globs = set(&["1.2.3.4", "2001:DB8:0::1", "[2001:db8::2]", "::ffff:5.6.7.8"]);
    for (text, matches) in [
        ("1.2.3.4", true),
        ("[::ffff:1.2.3.4]", true),
        ("[::ffff:102:304]", true),
        ("[2001:db8::1]", true),
        ("[2001:db8:0:0::2]", true),
        ("5.6.7.8", true),
        ("1.2.3.5", false),
        ("[2001:db8::3]", false),
        ("[::1.2.3.4]", false),
    ] {
        assert_eq!(globs.contains(&host(text)), matches, "{text}");
    }
}

#[test]
fn name_globs_never_match_addresses_nor_addresses_names() {
    assert!(!set(&["*.com", "a.test", "*.2.3.4.test"]).contains(&host("1.2.3.4")));
    assert!(!set(&["1.2.3.4"]).contains(&host("1.2.3.4.test")));
}

#[test]
fn an_empty_set_matches_nothing() {
    let globs = set(&[]);
    assert!(globs.is_empty() && !globs.contains(&host("example.com")) && !globs.contains(&host("1.2.3.4")));
}

#[test]
fn a_glob_given_twice_counts_once() {
    let globs = set(&["a.test", "a.test", "*.a.test", "1.2.3.4"]);
    assert_eq!(globs.len(), 3);
    assert_eq!(globs, set(&["*.a.test", "1.2.3.4", "a.test"]));
}

fn at(port: u16) -> AtPort<'static> {
    AtPort {
        port,
        default_ports: None,
    }
}

#[test]
fn a_pattern_with_ports_is_for_these_alone() {
    let set = set(&[
        "git.test:22",
        "git.test:8000-8999,9418",
        "*.below.test:443",
        "*.deep.below.test:8443",
        "any.test",
        "any.test:22",
        "10.0.0.1:22",
        "[2001:db8::1]:443",
    ]);
    for (name, port, line) in [
        ("git.test", 22, 1),
        ("git.test", 8000, 2),
        ("git.test", 9418, 2),
        ("git.test", 443, 0),
        ("x.git.test", 22, 0),
        ("x.below.test", 443, 3),
        ("x.deep.below.test", 8443, 4),
        ("x.deep.below.test", 443, 3),
        ("x.deep.below.test", 22, 0),
        ("any.test", 22, 5),
        ("any.test", 65535, 5),
        ("10.0.0.1", 22, 7),
        ("10.0.0.1", 23, 0),
        ("[::ffff:10.0.0.1]", 22, 7),
        ("[2001:db8::1]", 443, 8),
        ("[2001:db8::1]", 444, 0),
    ] {
        let host = host(name);
        let found = set.find(&host, at(port)).map_or(0, |matched| matched.line);
        assert_eq!(found, line, "{name}:{port}");
        assert_eq!(set.contains_at(&host, at(port)), line > 0, "{name}:{port}");
        assert_eq!(set.contains(&host), name != "x.git.test", "{name}");
    }
}

#[test]
fn patterns_without_ports_may_count_for_some_ports_only() {
    let set = set(&["any.test", "any.test:22", "*.test"]);
    let others = Ports::parse(["9"]).unwrap();
    let at = |port| AtPort {
        port,
        default_ports: Some(&others),
    };
    for (name, port, line) in [("any.test", 22, 2), ("any.test", 23, 0), ("x.test", 22, 0)] {
        let host = host(name);
        let found = set.find(&host, at(port)).map_or(0, |matched| matched.line);
        assert_eq!(found, line, "{name}:{port}");
        assert_eq!(set.contains_at(&host, at(port)), line > 0, "{name}:{port}");
    }
    let elsewhere = set.find_at_any_port(&host("any.test")).unwrap();
    assert_eq!(
        (elsewhere.pattern.to_string().as_str(), elsewhere.line),
        ("any.test", 1)
    );
}

#[test]
fn sets_with_other_ports_are_others() {
    assert_eq!(
        set(&["a.test:22,23", "a.test"]),
        set(&["a.test", "a.test:22-23", "a.test"])
    );
    for other in [
        &["a.test"][..],
        &["a.test", "a.test:22"],
        &["a.test:22-23"],
        &["a.test", "a.test:22-23", "a.test:80"],
    ] {
        assert_ne!(set(&["a.test", "a.test:22-23"]), set(other), "{other:?}");
    }
    assert_eq!(set(&["a.test", "a.test:22", "a.test:22"]).len(), 2);
}

proptest! {
    /// Few labels, so that names and globs meet.
    #[test]
    fn a_set_matches_what_its_globs_say(
        globs in proptest::collection::vec("([*][.])?[ab]([.][ab]){0,3}", 0..8),
        name in "[ab]([.][ab]){0,4}",
    ) {
        let matches = |glob: &String| match glob.strip_prefix('*') {
            Some(below) => name.ends_with(below),
            None => *glob == name,
        };
        let all: Vec<_> = globs.iter().map(String::as_str).collect();
        prop_assert_eq!(set(&all).contains(&host(&name)), globs.iter().any(matches), "{:?} {}", globs, name);
    }

    #[test]
    fn any_text_is_a_glob_in_normal_form_or_refused(text in "\\PC{0,24}|[*a-zA-Z0-9.:_-]{0,24}") {
        match Glob::parse(&text) {
            Ok(Glob::Name(name)) => prop_assert_eq!(&*name, &text[..]),
            Ok(Glob::Below(name)) => prop_assert_eq!(format!("*.{name}"), text),
            Ok(Glob::Address(address)) => prop_assert_eq!(address, address.to_canonical()),
            Err(reason) => prop_assert!(!reason.is_empty()),
        }
    }
}
