//! What Go's programs read the list as, in a table.

use super::*;

fn names(list: &str, target: &str) -> bool {
    let target = Target::parse(target.as_bytes(), Some(80)).unwrap();
    NoProxy::parse(list).names(&target)
}

#[test]
fn a_list_names_what_go_has_it_name() {
    for (list, named, others) in [
        (
            "",
            &["localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9:81", "[::1]"][..],
            &["a.test", "10.0.0.1"][..],
        ),
        ("*", &["a.test", "10.0.0.1", "[2001:db8::1]:443"], &[]),
        ("b.test, *", &["a.test"], &[]),
        (
            "example.com",
            &[
                "example.com",
                "EXAMPLE.com.",
                "a.example.com",
                "a.b.example.com:81",
            ],
            &["notexample.com", "com"],
        ),
        ("EXAMPLE.com.", &["example.com", "a.example.com"], &[]),
        (
            ".example.com",
            &["a.example.com"],
            &["example.com", "aexample.com"],
        ),
        ("*.example.com", &["a.example.com"], &["example.com"]),
        (
            "example.com:8080",
            &["example.com:8080", "a.example.com:8080"],
            &["example.com", "a.example.com:443"],
        ),
        (
            ".example.com:8080",
            &["a.example.com:8080"],
            &["example.com:8080", "a.example.com"],
        ),
        ("com", &["a.com", "com"], &["a.test"]),
        (
            "10.0.0.0/8",
            &["10.1.2.3", "10.1.2.3:81"],
            &["11.0.0.1", "a.test"],
        ),
        (
            "2001:db8::/32",
            &["[2001:db8::1]"],
            &["[2001:db9::1]", "10.0.0.1"],
        ),
        (
            "10.0.0.1",
            &["10.0.0.1", "10.0.0.1:81", "[::ffff:10.0.0.1]"],
            &["10.0.0.2"],
        ),
        ("10.0.0.1:81", &["10.0.0.1:81"], &["10.0.0.1"]),
        (
            "2001:db8::1",
            &["[2001:db8::1]", "[2001:db8:0::1]:81"],
            &["[2001:db8::2]"],
        ),
        ("[2001:db8::1]:81", &["[2001:db8::1]:81"], &["[2001:db8::1]:82"]),
        // Go takes brackets only before a port.
        ("[2001:db8::1]", &[], &["[2001:db8::1]"]),
        (" a.test , b.test\t", &["a.test", "b.test"], &["c.test"]),
        (
            "b\u{fc}cher.test",
            &["xn--bcher-kva.test", "a.xn--bcher-kva.test"],
            &["bucher.test"],
        ),
        // A suffix of an address is none of a name.
        ("0.0.1", &[], &["10.0.0.1"]),
        (".1", &[], &["10.0.0.1"]),
        // What is no entry names nobody, and hides none that follows.
        (
            ",:80,a:b:c,http://x/,a.test:http,10.0.0.0/99,*a,a.*,[,c.test",
            &["c.test"],
            &["a.test", "x", "b.test"],
        ),
    ] {
        for target in named {
            assert!(names(list, target), "{list:?} {target}");
        }
        for target in others {
            assert!(!names(list, target), "{list:?} {target}");
        }
    }
}

#[test]
fn a_list_is_bounded() {
    let list = "a.test,".repeat(4 * ENTRIES_MAX);
    assert_eq!(NoProxy::parse(&list).0.len(), ENTRIES_MAX);
}
