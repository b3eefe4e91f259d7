//! Which fields a record's line has, and at which level. That nothing can forge one is in `forging`.

mod forging;

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
