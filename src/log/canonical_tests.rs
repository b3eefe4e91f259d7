//! Which fields a record's line has, at which level, and that nothing in a record can forge a line.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use proptest::collection::vec;
use proptest::prelude::*;

use crate::policy::Grounds;
use crate::session::outcome::{Extras, Sni, SniVerdict};

use super::super::strict_reader::{Fields, json, logfmt};
use super::*;

fn named(trace_id: impl Into<Box<[u8]>>) -> Option<Box<Extras>> {
    Some(Box::new(Extras {
        trace_id: trace_id.into(),
        ..Extras::default()
    }))
}

fn at(milliseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_795_368_633_000 + milliseconds)
}

fn refused() -> Record {
    Record {
        scheme: None,
        id: Id([
            0x4d, 0x88, 0xe1, 0x5b, 0x60, 0xf4, 0x86, 0xe4, 0x28, 0x41, 0x2d, 0xc9,
        ]),
        proxy_type: ProxyType::Http,
        requested_host: "denied.test:80".into(),
        extras: None,
        role: None,
        project: None,
        client: SocketAddr::from(([127, 0, 0, 1], 4711)).into(),
        certificate: None,
        by_stranger: false,
        verdict: None,
        is_reused: false,
        start: at(1),
        allow: false,
        enforce_would_deny: true,
        decision_reason: Cow::Borrowed("no rule matched"),
        status_code: Some(407),
        cause: Some(crate::session::outcome::Cause::Policy),
        code: Some(crate::session::outcome::Code::NoRule),
        dns_lookup_time: None,
        establish_time: None,
        dialled_after: None,
        by_rule: None,
        outbound_remote: None,
        outbound_local: None,
        extent: Extent::Unknown,
    }
}

/// What lets a request out is written without a look; so it must be as what is looked at is.
#[test]
fn reasons_of_ours_are_written_as_those_of_others() {
    for reason in [
        "host matched allowed domain in rule",
        "host matched rule in global allow list",
        "default rule policy used",
        "rule has open enforcement policy",
        "rule has allow and report policy",
        "Egress ACL is not configured",
    ] {
        for format in [Format::Text, Format::Json] {
            let written = |decision_reason| {
                let record = Record {
                    decision_reason,
                    ..allowed()
                };
                let mut out = Vec::new();
                canonical(&record, format, UNIX_EPOCH, &mut out);
                out
            };
            assert_eq!(written(Cow::Borrowed(reason)), written(Cow::Owned(reason.into())));
        }
    }
}

fn allowed() -> Record {
    Record {
        proxy_type: ProxyType::Connect,
        requested_host: "listed.test:443".into(),
        extras: named(b"trace-77".as_slice()),
        role: Some(Arc::from("authed")),
        project: Some(Arc::from("users")),
        allow: true,
        enforce_would_deny: false,
        decision_reason: Cow::Borrowed("host matched allowed domain in rule"),
        status_code: None,
        cause: None,
        code: None,
        dns_lookup_time: Some(Micros::new(3999)),
        establish_time: Some(Micros::new(12_000)),
        dialled_after: None,
        by_rule: None,
        outbound_remote: Some(SocketAddr::from(([44, 1, 2, 3], 443)).into()),
        outbound_local: Some(SocketAddr::from(([10, 0, 0, 9], 50000)).into()),
        extent: Extent::Content(321),
        ..refused()
    }
}

fn ended() -> Record {
    let end = TunnelEnd {
        bytes_in: 70000,
        bytes_out: 1000,
        duration: Duration::from_millis(1500),
        end_time: at(1501),
        last_activity: at(1400),
        active_at_termination: false,
    };
    Record {
        extent: Extent::Tunnel(Box::new(end)),
        ..allowed()
    }
}

fn shown(record: &Record, format: Format) -> String {
    let mut out = Vec::new();
    canonical(record, format, at(0), &mut out);
    String::from_utf8(out).unwrap()
}

fn read(record: &Record) -> Fields {
    logfmt(&shown(record, Format::Text)).unwrap()
}

const ALWAYS: &str = "allow decision_reason dns_lookup_time_ms enforce_would_deny id inbound_remote_addr project \
    proxy_type requested_host role source_addr src_host src_host_common_name src_host_organization_unit src_port start_time trace_id \
    level msg time";
const CLOSE: &str = "active_at_termination bytes_in bytes_out conn_establish_time_ms duration end_time error id \
    inbound_remote_addr last_activity outbound_local_addr outbound_remote_addr project proxy_type requested_host \
    role source_addr src_host src_port start_time trace_id level msg time";

#[test]
fn an_allowed_decision_as_text() {
    assert_eq!(
        shown(&allowed(), Format::Text),
        "time=\"2026-11-22T17:30:33Z\" level=info msg=CANONICAL-PROXY-DECISION allow=true \
         conn_establish_time_ms=12 content_length=321 decision_reason=\"host matched allowed domain in rule\" \
         dns_lookup_time_ms=3 dst_ip=44.1.2.3 dst_port=443 enforce_would_deny=false id=9m4e2mr0ui3e8a215n4g \
         inbound_remote_addr=\"127.0.0.1:4711\" outbound_local_addr=\"10.0.0.9:50000\" \
         outbound_remote_addr=\"44.1.2.3:443\" project=users proxy_type=connect \
         requested_host=\"listed.test:443\" role=authed source_addr=\"127.0.0.1:4711\" src_host=127.0.0.1 \
         src_host_common_name=unknown src_host_organization_unit=unknown src_port=4711 start_time=\"2026-11-22 17:30:33.001000000 +0000 UTC\" trace_id=trace-77"
    );
}

#[test]
fn a_private_exception_stands_in_the_decision_alone() {
    for (range, text, json) in [
        (
            "10.1.0.0/16",
            "private_exception=10.1.0.0/16 project=",
            "\"private_exception\":\"10.1.0.0/16\",\"project\"",
        ),
        (
            "fd00::/8",
            "private_exception=\"fd00::/8\" project=",
            "\"private_exception\":\"fd00::/8\",\"project\"",
        ),
    ] {
        let by_exception = |mut record: Record| {
            record.note_private_exception(Some(range.parse().unwrap()));
            record
        };
        let decision = by_exception(allowed());
        assert!(shown(&decision, Format::Text).contains(text), "{range}");
        assert!(shown(&decision, Format::Json).contains(json), "{range}");
        assert!(!shown(&by_exception(ended()), Format::Text).contains("private"));
    }
}

/// The file's name is the operator's, the entry the ACL's: escaped like everything else.
#[test]
fn a_denial_says_where_it_comes_from() {
    let grounds = Grounds {
        rule: "/etc/a \"b\"\n.yaml:7".into(),
        matched: "*.denied.test".into(),
        hint: Box::default(),
    };
    let record = Record {
        extras: Some(Box::new(Extras {
            grounds: Some(Box::new(grounds)),
            ..Extras::default()
        })),
        ..refused()
    };
    assert_eq!(
        shown(&record, Format::Text),
        "time=\"2026-11-22T17:30:33Z\" level=warning msg=CANONICAL-PROXY-DECISION allow=false code=no-rule \
         decision_reason=\"no rule matched\" dns_lookup_time_ms=0 enforce_would_deny=true hint= \
         id=9m4e2mr0ui3e8a215n4g inbound_remote_addr=\"127.0.0.1:4711\" matched=\"*.denied.test\" project= \
         proxy_type=http requested_host=\"denied.test:80\" role= rule=\"/etc/a \\\"b\\\"\\n.yaml:7\" \
         source_addr=\"127.0.0.1:4711\" src_host=127.0.0.1 src_host_common_name=unknown \
         src_host_organization_unit=unknown src_port=4711 \
         start_time=\"2026-11-22 17:30:33.001000000 +0000 UTC\" status_code=407 trace_id="
    );
    let json = json(&shown(&record, Format::Json)).unwrap();
    assert_eq!(json["rule"], "\"/etc/a \"b\"\n.yaml:7");
    assert_eq!(
        (json["hint"].as_str(), json["code"].as_str()),
        ("\"", "\"no-rule")
    );
}

/// The reference's form: no response has a length there yet.
#[test]
fn an_allowed_connect_has_a_content_length() {
    let open = Record {
        extent: Extent::Unknown,
        ..allowed()
    };
    assert_eq!(read(&open)["content_length"], "0");
    let plain = Record {
        proxy_type: ProxyType::Http,
        ..open.clone()
    };
    let denied = Record { allow: false, ..open };
    for record in [plain, denied] {
        assert!(!read(&record).contains_key("content_length"));
    }
}

#[test]
fn a_close_line_as_json() {
    assert_eq!(
        shown(&ended(), Format::Json),
        "{\"time\":\"2026-11-22T17:30:33Z\",\"level\":\"info\",\"msg\":\"CANONICAL-PROXY-CN-CLOSE\",\
         \"active_at_termination\":false,\"bytes_in\":70000,\"bytes_out\":1000,\"conn_establish_time_ms\":12,\
         \"dst_ip\":\"44.1.2.3\",\"dst_port\":443,\"duration\":1.5,\
         \"end_time\":\"2026-11-22T17:30:34.501000000Z\",\"error\":\"\",\"id\":\"9m4e2mr0ui3e8a215n4g\",\
         \"inbound_remote_addr\":\"127.0.0.1:4711\",\"last_activity\":\"2026-11-22T17:30:34.400000000Z\",\
         \"outbound_local_addr\":\"10.0.0.9:50000\",\"outbound_remote_addr\":\"44.1.2.3:443\",\
         \"project\":\"users\",\"proxy_type\":\"connect\",\"requested_host\":\"listed.test:443\",\
         \"role\":\"authed\",\"source_addr\":\"127.0.0.1:4711\",\"src_host\":\"127.0.0.1\",\"src_port\":4711,\
         \"start_time\":\"2026-11-22T17:30:33.001000000Z\",\"trace_id\":\"trace-77\"}"
    );
}

#[test]
fn a_decision_has_the_fields_that_every_one_has_and_those_known() {
    let mut expected: Vec<&str> = ALWAYS.split(' ').filter(|key| !key.is_empty()).collect();
    expected.extend(["code", "hint", "matched", "rule", "status_code"]);
    expected.sort_unstable();
    assert_eq!(read(&refused()).keys().collect::<Vec<_>>(), expected);
    assert_eq!(read(&refused())["role"], "");
    assert_eq!(read(&refused())["dns_lookup_time_ms"], "0");
}

#[test]
fn a_close_line_has_all_its_fields_even_when_empty() {
    let record = Record {
        outbound_remote: None,
        outbound_local: None,
        establish_time: None,
        ..ended()
    };
    let mut expected: Vec<&str> = CLOSE.split(' ').filter(|key| !key.is_empty()).collect();
    expected.sort_unstable();
    assert_eq!(read(&record).keys().collect::<Vec<_>>(), expected);
    assert_eq!(read(&record)["outbound_remote_addr"], "");
}

#[test]
fn levels() {
    let failed = |mut record: Record| {
        record.note_error("connection refused");
        read(&record)
    };
    assert_eq!(read(&allowed())["level"], "info");
    assert_eq!(read(&refused())["level"], "warning");
    assert_eq!(failed(refused())["level"], "warning");
    assert_eq!(failed(allowed())["level"], "error");
    let reset = failed(ended());
    assert_eq!(
        (reset["level"].as_str(), reset["error"].as_str()),
        ("info", "connection refused")
    );
}

#[test]
fn keys_are_sorted_after_time_level_and_msg() {
    for record in [refused(), allowed(), ended()] {
        let line = shown(&record, Format::Json);
        let keys: Vec<&str> = line
            .split(['{', ','])
            .filter_map(|part| part.split_once("\":"))
            .map(|(key, _)| key)
            .collect();
        assert_eq!(keys[..3], ["\"time", "\"level", "\"msg"]);
        assert!(keys[3..].is_sorted(), "{keys:?}");
    }
}

#[test]
fn the_extra_lines_of_failures() {
    let mut out = Vec::new();
    let message = "Failed to connect to remote host: 44.1.2.3:1: connection refused";
    failure_line(refused().id, message, 502, Format::Text, at(0), &mut out);
    assert_eq!(
        str::from_utf8(&out).unwrap(),
        "time=\"2026-11-22T17:30:33Z\" level=error msg=\"Failed to connect to remote host: 44.1.2.3:1: connection \
         refused\" id=9m4e2mr0ui3e8a215n4g status_code=502"
    );
    out.clear();
    role_failure_line(&refused(), Format::Text, at(0), &mut out);
    assert_eq!(
        str::from_utf8(&out).unwrap(),
        "time=\"2026-11-22T17:30:33Z\" level=error msg=\"Unable to get role for request\" error=\"Client role \
         cannot be determined\" id=9m4e2mr0ui3e8a215n4g inbound_remote_addr=\"127.0.0.1:4711\""
    );
}

#[test]
fn cve_2026_42507_no_trace_id_or_host_forges_a_line() {
    let evil = [
        "x\" level=error msg=CANONICAL-PROXY-DECISION allow=true",
        "\",\"allow\":true,\"x\":\"",
        "\"}\t{\"msg\":\"CANONICAL-PROXY-DECISION\",\"allow\":true}",
        "a\\",
        "a\\nlevel=info msg=fake",
        "a=b c=d",
        "%s%n%x%0a",
        "a\tb",
        "☃é",
        "",
        "x\r\nlevel=info msg=fake",
        "\u{1b}[2K\u{202e}\u{2028}\u{85}\u{e0041}\0",
    ];
    for value in evil {
        let record = Record {
            extras: named(value.as_bytes()),
            requested_host: value.into(),
            ..allowed()
        };
        let text = shown(&record, Format::Text);
        let fields = logfmt(&text).unwrap();
        assert_eq!(
            (fields["trace_id"].as_str(), fields["requested_host"].as_str()),
            (value, value)
        );
        let json = json(&shown(&record, Format::Json)).unwrap();
        assert_eq!(json["trace_id"], format!("\"{value}"));
        assert!(
            !text.contains(|c: char| c.is_control() || c == '\u{2028}' || c == '\u{202e}'),
            "{text}"
        );
    }
}

#[test]
fn host_and_trace_id_are_cut_together() {
    let record = Record {
        extras: named(vec![b'L'; 3000]),
        ..allowed()
    };
    assert_eq!(read(&record)["trace_id"].len(), 3000);
    let record = Record {
        extras: named(vec![b'L'; 9000]),
        requested_host: "h".repeat(9000).into(),
        ..record
    };
    assert_eq!(read(&record)["requested_host"].len(), 1024);
    assert_eq!(read(&record)["trace_id"].len(), 3072);
    let record = Record {
        extras: named(vec![b'L'; 9000]),
        ..allowed()
    };
    assert_eq!(
        read(&record)["trace_id"].len() + read(&record)["requested_host"].len(),
        4096
    );
}

#[test]
fn errors_and_reasons_are_cut() {
    let long = "e".repeat(100_000);
    let record = Record {
        extras: Some(Box::new(Extras {
            error: Some(long.clone().into()),
            ..Extras::default()
        })),
        decision_reason: long.clone().into(),
        role: Some(long.clone().into()),
        project: Some(long.into()),
        ..allowed()
    };
    assert!(shown(&record, Format::Text).len() < 6000);
}

prop_compose! {
    fn any_record()(
        id in any::<[u8; 12]>(),
        texts in vec(".{0,40}", 5),
        trace_id in vec(any::<u8>(), 0..5000),
        ip in any::<std::net::IpAddr>(),
        numbers in vec(any::<u64>(), 4),
        flags in vec(any::<bool>(), 6),
    ) -> Record {
        let [host, role, project, reason, error] = texts.try_into().unwrap();
        let [start, first, second, third] = numbers.try_into().unwrap();
        let private_exception = flags[0].then(|| ip.into());
        let address = SocketAddr::new(ip, (first & 0xffff) as u16);
        let end = TunnelEnd {
            bytes_in: first, bytes_out: second, duration: Duration::from_nanos(third), end_time: at(first >> 2),
            last_activity: at(second >> 2), active_at_termination: flags[1],
        };
        Record {
            scheme: None,
            id: Id(id),
            proxy_type: if flags[0] { ProxyType::Connect } else { ProxyType::Http },
            requested_host: host.into(),
            extras: Some(Box::new(Extras { error: flags[5].then(|| error.as_str().into()), dial_failure: None, limit: None, grounds: None, upstream: None, withdrawn_by: None, trace_id: trace_id.into(), private_exception, sni: flags[4].then(|| Sni { name: error.as_str().into(), verdict: SniVerdict::Mismatch }), told: None })),
            role: flags[1].then(|| role.into()), project: flags[2].then(|| project.into()),
            client: address.into(), certificate: None, by_stranger: false, verdict: None, is_reused: false, start: at(start >> 2), allow: flags[3], enforce_would_deny: flags[4],
            decision_reason: reason.into(),
            status_code: flags[0].then_some(502), dns_lookup_time: flags[1].then_some(Duration::MAX.into()),
            establish_time: flags[2].then_some(Duration::from_nanos(second).into()),
            dialled_after: None,
            by_rule: None,
            outbound_remote: flags[3].then_some(address.into()), outbound_local: flags[4].then_some(address.into()),
            cause: None, code: None, extent: match (flags[0], flags[5]) {
                (true, _) => Extent::Tunnel(Box::new(end)),
                (false, true) => Extent::Content(third),
                (false, false) => Extent::Unknown,
            },
        }
    }
}

proptest! {
    #[test]
    fn any_record_is_one_line_that_reads_back(record in any_record()) {
        let text = shown(&record, Format::Text);
        let json_line = shown(&record, Format::Json);
        prop_assert!(!text.contains(char::is_control) && !json_line.contains(char::is_control));
        let (text, json) = (logfmt(&text).unwrap(), json(&json_line).unwrap());
        prop_assert!(text.keys().eq(json.keys()));
        for fields in [&text, &json] {
            let is = |key: &str, value: &str| fields[key].trim_start_matches('"') == value.trim_start_matches('"');
            prop_assert!(is("requested_host", &record.requested_host));
            prop_assert!(is("role", record.role.as_deref().unwrap_or_default()));
            if let Some(sni) = record.sni().filter(|_| record.end().is_some()) {
                prop_assert!(is("sni", &sni.name) && is("sni_verdict", "mismatch"));
            } else {
                prop_assert!(!fields.contains_key("sni") && !fields.contains_key("sni_verdict"));
            }
            prop_assert!(is("src_port", &record.client.port().to_string()));
        }
        if record.trace_id().len() <= 3000 {
            prop_assert_eq!(&text["trace_id"], &String::from_utf8_lossy(record.trace_id()));
        }
    }

    #[test]
    fn any_bytes_read_back(bytes in vec(any::<u8>(), 0..64), text in "\\PC{0,32}") {
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            let record = Record { extras: named(bytes), ..allowed() };
            prop_assert_eq!(&read(&record)["trace_id"], &String::from_utf8_lossy(bytes));
        }
    }
}

#[test]
fn what_is_told_of_a_request_inside_can_forge_no_line() {
    let hostile = b"] msg=x\" \n\x1b\xff\\".as_slice();
    let told = crate::session::outcome::Told {
        url: [b"https://a.test/", hostile].concat().into(),
        method: "GET".into(),
        fields: vec![
            (
                "Accept".into(),
                vec![None, Some(hostile.into()), Some(b"[REDACTED]".as_slice().into())],
            ),
            ("Cookie".into(), vec![Some(b"a=1; b=2".as_slice().into())]),
            ("Host".into(), vec![Some(b"a.test:80".as_slice().into())]),
            ("X-Empty".into(), vec![Some(b"".as_slice().into())]),
        ],
    };
    let with = |record: Record| Record {
        extras: Some(Box::new(Extras {
            told: Some(Arc::new(told.clone())),
            ..Extras::default()
        })),
        ..record
    };
    for record in [allowed(), ended()].map(with) {
        let text = read(&record);
        let said = |key: &str| text.get(key).unwrap().as_str();
        assert_eq!(said("mitm_req_method"), "GET");
        // One reading, whatever a client writes.
        assert_eq!(
            said("mitm_req_headers"),
            r#"map[Accept:[[REDACTED] "] msg=x\" \n\u001b\ufffd\\" "[REDACTED]"] Cookie:["a=1; b=2"] Host:[a.test:80] X-Empty:[""]]"#
        );
        let line = shown(&record, Format::Json);
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(!line.contains('\n') && !shown(&record, Format::Text).contains('\n'));
        assert_eq!(json["mitm_req_headers"]["Host"][0], "a.test:80");
        assert_eq!(json["mitm_req_headers"]["Accept"][0], "[REDACTED]");
        assert!(
            json["mitm_req_url"]
                .as_str()
                .unwrap()
                .starts_with("https://a.test/] msg=x")
        );
    }
}
