use super::*;

const TEXT: &str = r#"time="2026-11-22T17:30:33Z" level=warning msg=CANONICAL-PROXY-DECISION allow=false code=no-rule decision_reason="no rule matched" error= hint="a service named 'ci'" id=00000000000000000000 project= proxy_type=connect requested_host="a.test:443" role=ci start_time="2026-11-22 17:30:33.000000000 +0000 UTC" trace_id="x\"\\ time=\" role=forged""#;

const JSON: &str = r#"{"allow":true,"content_length":0,"decision_reason":"host matched allowed domain in rule","dst_port":443,"enforce_would_deny":false,"level":"info","msg":"CANONICAL-PROXY-DECISION","outbound_remote_addr":"44.1.2.3:443","project":"p","proxy_type":"connect","requested_host":"b\u002etest:443","role":"ci","time":"2026-11-22T17:30:33Z","trace_id":"","x":{"y":[1,null]}}"#;

fn decision(line: &str) -> Box<Told<'_>> {
    match read(line.as_bytes()) {
        Read::Decision(told) => told,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn both_spellings_are_read_behind_what_collectors_put_before_them() {
    for before in [
        "",
        "<4>",
        "Nov 30 01:26:07 host smokescreen[123]: ",
        "Nov 30 01:26:07 host smokescreen[123]: <6>",
        "2026-11-30T01:26:07Z app[148e4d] fra [info]",
        "2026-11-30T01:26:07Z app[148e4d] fra [\u{1b}[32minfo\u{1b}[0m] ",
        "proxy-1  | ",
    ] {
        for after in ["", "\r", " "] {
            let line = format!("{before}{TEXT}{after}");
            let told = decision(&line);
            assert_eq!(
                (told.allow, told.role.as_deref()),
                (Some(false), Some("ci")),
                "{line}"
            );
            assert_eq!(told.requested_host.as_deref(), Some("a.test:443"));
            assert_eq!(
                (told.code.as_deref(), told.error.as_deref()),
                (Some("no-rule"), Some(""))
            );
            assert_eq!(told.outbound_remote_addr, None);
            let line = format!("{before}{JSON}{after}");
            let told = decision(&line);
            assert_eq!(
                (told.allow, told.role.as_deref()),
                (Some(true), Some("ci")),
                "{line}"
            );
            assert_eq!(told.requested_host.as_deref(), Some("b.test:443"));
            assert_eq!(told.outbound_remote_addr.as_deref(), Some("44.1.2.3:443"));
            assert_eq!(told.code, None);
        }
    }
}

#[test]
fn lines_that_are_no_decisions_are_others() {
    for line in [
        "",
        "smokescreen 0.1.0 listens",
        "time=\"x\" level=info msg=CANONICAL-PROXY-CN-CLOSE role=ci",
        "time=\"x\" level=error msg=\"Failed: CANONICAL-PROXY-DECISION role=ci\" id=1",
        r#"{"level":"error","msg":"of CANONICAL-PROXY-DECISION"}"#,
    ] {
        assert!(matches!(read(line.as_bytes()), Read::Other), "{line}");
    }
}

#[test]
fn what_is_cut_doubled_or_mangled_is_unreadable() {
    let cut = TEXT.len() - 5;
    let cut_json = JSON.len() - 5;
    for line in [
        TEXT.get(..cut).unwrap().to_owned(),
        JSON.get(..cut_json).unwrap().to_owned(),
        format!("{TEXT} role=other"),
        TEXT.replace("allow=false", "allow=perhaps"),
        TEXT.replace("role=ci", "role=c\"i"),
        TEXT.replace("role=ci", "role"),
        TEXT.replace("\"no rule matched\"", r#""no \q""#),
        JSON.replace("\"role\"", "\"allow\""),
        "CANONICAL-PROXY-DECISION".to_owned(),
    ] {
        assert!(matches!(read(line.as_bytes()), Read::Unreadable), "{line}");
    }
    assert!(matches!(
        read(&[TEXT.as_bytes(), b"\xff"].concat()),
        Read::Unreadable
    ));
}

#[test]
fn escapes_of_all_writers_are_undone() {
    for (text, plain) in [
        (r"a\nb", "a\nb"),
        (r"\u00e9\ud83d\ude00", "é😀"),
        (r"\ud83d", "\u{fffd}"),
        (r"\x07\xff", "\u{7}\u{fffd}"),
        (r"\U0001F600", "😀"),
        (r#"\"\\\/"#, "\"\\/"),
    ] {
        assert_eq!(unescaped(text).as_deref(), Some(plain), "{text}");
    }
    assert_eq!(unescaped(r"\u12"), None);
    assert_eq!(unescaped("\\"), None);
}
