//! What is said of each kind of first bytes, and what becomes of the tunnel: a table.

use super::*;

#[test]
fn verdicts() {
    let several = || hello(&server_names(&["a.test", "b.test"]));
    let (alert_112, alert_49) = (&[0x15, 3, 3, 0, 2, 2, 112][..], &[0x15, 3, 3, 0, 2, 2, 49][..]);
    for (target, said, name, expected, alert) in [
        ("a.test:443", naming("a.test"), "a.test", SniVerdict::Match, None),
        (
            "a.test:443",
            naming("A.Test."),
            "A.Test.",
            SniVerdict::Match,
            None,
        ),
        ("A.TEST.:443", naming("a.test"), "a.test", SniVerdict::Match, None),
        (
            "b\u{fc}cher.test:443",
            naming("xn--bcher-kva.test"),
            "xn--bcher-kva.test",
            SniVerdict::Match,
            None,
        ),
        ("a.test:25", naming("a.test"), "a.test", SniVerdict::Match, None),
        (
            "a.test:443",
            naming("listed.test"),
            "listed.test",
            SniVerdict::Listed,
            None,
        ),
        (
            "44.1.2.3:443",
            naming("listed.test"),
            "listed.test",
            SniVerdict::Listed,
            None,
        ),
        ("44.1.2.3:443", hello(&[]), "", SniVerdict::Address, None),
        (
            "44.1.2.3:443",
            naming("44.1.2.3"),
            "44.1.2.3",
            SniVerdict::Address,
            None,
        ),
        (
            "[2a01::7]:443",
            naming("2a01:0::7"),
            "2a01:0::7",
            SniVerdict::Address,
            None,
        ),
        (
            "[2a01::7]:443",
            naming("[2a01::7]"),
            "[2a01::7]",
            SniVerdict::Address,
            None,
        ),
        (
            "44.1.2.3:443",
            naming("::ffff:44.1.2.3"),
            "::ffff:44.1.2.3",
            SniVerdict::Address,
            None,
        ),
        (
            "a.test:443",
            naming("b.test"),
            "b.test",
            SniVerdict::Mismatch,
            Some(alert_112),
        ),
        (
            "a.test:25",
            naming("b.test"),
            "b.test",
            SniVerdict::Mismatch,
            Some(alert_112),
        ),
        (
            "a.test:443",
            naming("x.a.test"),
            "x.a.test",
            SniVerdict::Mismatch,
            Some(alert_112),
        ),
        (
            "a.test:443",
            naming("44.1.2.3"),
            "44.1.2.3",
            SniVerdict::Mismatch,
            Some(alert_112),
        ),
        (
            "44.1.2.3:443",
            naming("44.1.2.4"),
            "44.1.2.4",
            SniVerdict::Mismatch,
            Some(alert_112),
        ),
        (
            "44.1.2.3:443",
            naming("a.test"),
            "a.test",
            SniVerdict::Mismatch,
            Some(alert_112),
        ),
        ("a.test:443", hello(&[]), "", SniVerdict::Missing, Some(alert_49)),
        (
            "a.test:443",
            several(),
            "a.test",
            SniVerdict::Several,
            Some(alert_49),
        ),
        // Names that other parsers may take for something else.
        (
            "a.test:443",
            naming("a.test:443"),
            "a.test:443",
            SniVerdict::Malformed,
            Some(alert_49),
        ),
        (
            "a.test:443",
            naming("a.test.."),
            "a.test..",
            SniVerdict::Malformed,
            Some(alert_49),
        ),
        (
            "44.1.2.3:443",
            naming("0x2c.1.2.3"),
            "0x2c.1.2.3",
            SniVerdict::Malformed,
            Some(alert_49),
        ),
        (
            "44.1.2.3:443",
            naming("*"),
            "*",
            SniVerdict::Malformed,
            Some(alert_49),
        ),
        (
            "a.test:443",
            vec![0x16, 3, 1, 0, 0],
            "",
            SniVerdict::Malformed,
            Some(alert_49),
        ),
        (
            "a.test:25",
            vec![0x16, 3, 1, 0, 0],
            "",
            SniVerdict::Malformed,
            Some(alert_49),
        ),
        (
            "a.test:443",
            b"GET /".to_vec(),
            "",
            SniVerdict::NotTls,
            Some(&b""[..]),
        ),
        (
            "a.test:8443",
            vec![0x80, 46, 1, 3, 1],
            "",
            SniVerdict::NotTls,
            Some(&b""[..]),
        ),
        ("a.test:443", ech("a.test"), "a.test", SniVerdict::Match, None),
    ] {
        for verify in [VerifySni::Report, VerifySni::Enforce] {
            let mut bench = tunnel(target, verify);
            say(&mut bench, &said);
            let is_denied = verify == VerifySni::Enforce && alert.is_some();
            let told = bench.flows.down.tx.as_slice().to_vec();
            assert_eq!(
                told,
                alert.filter(|_| is_denied).unwrap_or_default(),
                "{target} {expected:?}"
            );
            let drops = bench
                .actions
                .iter()
                .any(|action| matches!(action, Action::DropOrigin));
            assert_eq!(drops, is_denied);
            if !is_denied {
                assert_eq!((held_back(&bench), bench.flows.up.rx.len()), (0, said.len()));
            }
            let record = match is_denied {
                true => bench.logged(),
                false => close_line(&mut bench),
            };
            assert_eq!(verdict(&record), Some((name, expected)), "{target} {verify}");
            assert_eq!(record.code, is_denied.then_some(outcome::Code::SniMismatch));
            assert_eq!(record.error().is_some(), is_denied);
            assert_eq!(record.end().unwrap().bytes_out, 0);
        }
    }
}
