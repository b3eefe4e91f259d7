//! Measures making a canonical log line of a record: text and JSON, a decision and a tunnel's end, and one whose
//! trace id is all characters that must be escaped.
//!
//! Does not measure the filter, the queue, or writing it out, which is another thread's. Every line is compared with
//! the one written here by hand, inside the measured time.
#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "a bench says what it expects by failing"
)]

mod common;

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use criterion::{Criterion, Throughput};
use smokescreen::log::Format;
use smokescreen::log::canonical::canonical;
use smokescreen::session::id::Id;
use smokescreen::session::outcome::{Extent, Extras, Micros, ProxyType, Record, TunnelEnd};

const DECISION_TEXT: &str = "time=\"2026-11-22T17:30:33Z\" level=info msg=CANONICAL-PROXY-DECISION allow=true \
    conn_establish_time_ms=12 decision_reason=\"host matched allowed domain in rule\" dns_lookup_time_ms=3 \
    dst_ip=93.184.215.14 dst_port=443 enforce_would_deny=false id=00000000000000000000 \
    inbound_remote_addr=\"10.0.0.8:40001\" outbound_local_addr=\"10.0.0.9:50000\" \
    outbound_remote_addr=\"93.184.215.14:443\" project=users proxy_type=connect requested_host=\"example.com:443\" \
    role=authed source_addr=\"10.0.0.8:40001\" src_host=10.0.0.8 src_port=40001 \
    start_time=\"2026-11-22 17:30:33.001000000 +0000 UTC\" trace_id=4bf92f3577b34da6a3ce929d0e0e4736";

const DECISION_JSON: &str = "{\"time\":\"2026-11-22T17:30:33Z\",\"level\":\"info\",\"msg\":\"CANONICAL-PROXY-DECISION\",\
    \"allow\":true,\"conn_establish_time_ms\":12,\"decision_reason\":\"host matched allowed domain in rule\",\
    \"dns_lookup_time_ms\":3,\"dst_ip\":\"93.184.215.14\",\"dst_port\":443,\"enforce_would_deny\":false,\
    \"id\":\"00000000000000000000\",\"inbound_remote_addr\":\"10.0.0.8:40001\",\
    \"outbound_local_addr\":\"10.0.0.9:50000\",\"outbound_remote_addr\":\"93.184.215.14:443\",\
    \"project\":\"users\",\"proxy_type\":\"connect\",\"requested_host\":\"example.com:443\",\
    \"role\":\"authed\",\"source_addr\":\"10.0.0.8:40001\",\"src_host\":\"10.0.0.8\",\"src_port\":40001,\
    \"start_time\":\"2026-11-22T17:30:33.001000000Z\",\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\"}";

const CLOSE_TEXT: &str = "time=\"2026-11-22T17:30:33Z\" level=info msg=CANONICAL-PROXY-CN-CLOSE \
    active_at_termination=false bytes_in=70000 bytes_out=1000 conn_establish_time_ms=12 dst_ip=93.184.215.14 \
    dst_port=443 duration=1.5 end_time=\"2026-11-22 17:30:34.501000000 +0000 UTC\" error=\"\" \
    id=00000000000000000000 inbound_remote_addr=\"10.0.0.8:40001\" \
    last_activity=\"2026-11-22 17:30:34.400000000 +0000 UTC\" outbound_local_addr=\"10.0.0.9:50000\" \
    outbound_remote_addr=\"93.184.215.14:443\" project=users proxy_type=connect requested_host=\"example.com:443\" \
    role=authed source_addr=\"10.0.0.8:40001\" src_host=10.0.0.8 src_port=40001 \
    start_time=\"2026-11-22 17:30:33.001000000 +0000 UTC\" trace_id=4bf92f3577b34da6a3ce929d0e0e4736";

const CLOSE_JSON: &str = "{\"time\":\"2026-11-22T17:30:33Z\",\"level\":\"info\",\"msg\":\"CANONICAL-PROXY-CN-CLOSE\",\
    \"active_at_termination\":false,\"bytes_in\":70000,\"bytes_out\":1000,\"conn_establish_time_ms\":12,\
    \"dst_ip\":\"93.184.215.14\",\"dst_port\":443,\"duration\":1.5,\"end_time\":\"2026-11-22T17:30:34.501000000Z\",\
    \"error\":\"\",\"id\":\"00000000000000000000\",\"inbound_remote_addr\":\"10.0.0.8:40001\",\
    \"last_activity\":\"2026-11-22T17:30:34.400000000Z\",\"outbound_local_addr\":\"10.0.0.9:50000\",\
    \"outbound_remote_addr\":\"93.184.215.14:443\",\"project\":\"users\",\"proxy_type\":\"connect\",\
    \"requested_host\":\"example.com:443\",\"role\":\"authed\",\"source_addr\":\"10.0.0.8:40001\",\
    \"src_host\":\"10.0.0.8\",\"src_port\":40001,\"start_time\":\"2026-11-22T17:30:33.001000000Z\",\
    \"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\"}";

fn at(milliseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_795_368_633_000 + milliseconds)
}

fn named(trace_id: &[u8]) -> Option<Box<Extras>> {
    Some(Box::new(Extras {
        trace_id: trace_id.into(),
        ..Extras::default()
    }))
}

fn decision() -> Record {
    let client = SocketAddr::from(([10, 0, 0, 8], 40001));
    Record {
        proxy_type: ProxyType::Connect,
        requested_host: "example.com:443".into(),
        extras: named(b"4bf92f3577b34da6a3ce929d0e0e4736"),
        role: Some(Arc::from("authed")),
        project: Some(Arc::from("users")),
        allow: true,
        enforce_would_deny: false,
        decision_reason: "host matched allowed domain in rule".into(),
        dns_lookup_time: Some(Micros::new(3999)),
        establish_time: Some(Micros::new(12_000)),
        outbound_remote: Some(SocketAddr::from(([93, 184, 215, 14], 443)).into()),
        outbound_local: Some(SocketAddr::from(([10, 0, 0, 9], 50000)).into()),
        ..Record::new(Id::default(), client, at(1))
    }
}

fn close() -> Record {
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
        ..decision()
    }
}

fn hostile() -> Record {
    Record {
        extras: named(&[0x1b; 256]),
        ..decision()
    }
}

fn lines(criterion: &mut Criterion) {
    let escaped = format!("\"{}\"", "\\u001b".repeat(256));
    let hostile_text = DECISION_TEXT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &escaped);
    let cases = [
        ("decision/text", decision(), Format::Text, DECISION_TEXT),
        ("decision/json", decision(), Format::Json, DECISION_JSON),
        (
            "decision/text-hostile-trace-id",
            hostile(),
            Format::Text,
            &hostile_text,
        ),
        ("close/text", close(), Format::Text, CLOSE_TEXT),
        ("close/json", close(), Format::Json, CLOSE_JSON),
    ];
    let mut group = criterion.benchmark_group("log");
    for (name, record, format, expected) in cases {
        let mut out = Vec::with_capacity(4096);
        group.throughput(Throughput::Bytes(expected.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                canonical(black_box(&record), format, at(0), &mut out);
                assert!(out == expected.as_bytes(), "{}", String::from_utf8_lossy(&out));
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = common::criterion();
    lines(&mut criterion);
    criterion.final_summary();
}
