//! What a sequence of records comes to, read back as Prometheus and StatsD read it.

mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::clock::Instant;
use crate::net::IoFailKind;
use crate::policy::{Code, Decision, Denied, Grounds, Refused};
use crate::session::id::Id;
use crate::session::outcome::{Micros, ProxyType, Sni, SniVerdict, TunnelEnd, Verdict};
use crate::session::refusal::Refusal;

use super::families::Kind;
use super::*;

const ACL: &str = "version: v1\nservices:\n- {name: authed, project: users, action: enforce}\n\
    default: {project: rest, action: report}\n";

fn acl() -> Acl {
    Acl::parse(ACL, &[]).unwrap()
}

fn stats(sends: bool) -> Stats {
    let settings = Settings {
        times_connects: true,
        keeps_refusals: true,
        sends,
        facts: vec![("head at most", "128 KiB".into())],
    };
    Stats::new(settings, Some(&acl()), UNIX_EPOCH)
}

fn standing() -> Standing {
    Standing {
        connections_open: 7,
        connections_max: 100,
        tunnels_open: 3,
        requests_concurrent: 2,
        buffered_bytes: 4096,
        log_lines_dropped: 1,
        is_leaving: false,
        wall: UNIX_EPOCH + Duration::from_secs(61),
    }
}

fn record(role: Option<&str>) -> Record {
    let client = SocketAddr::from(([10, 0, 0, 8], 40001));
    Record {
        role: role.map(Arc::from),
        requested_host: "a.test:80".into(),
        ..Record::new(Id::default(), client, UNIX_EPOCH)
    }
}

fn allowed(role: Option<&str>) -> Record {
    Record {
        verdict: Some(Verdict::Allow),
        dns_lookup_time: Some(Micros::new(3_000)),
        establish_time: Some(Micros::new(40_000)),
        dialled_after: Some(Micros::new(5_000)),
        by_rule: Some(false),
        outbound_remote: Some(SocketAddr::from(([93, 184, 215, 14], 443)).into()),
        ..record(role)
    }
}

fn denied(code: Code) -> Refusal {
    Refusal::Denied(Denied {
        decision: Decision {
            project: "users".into(),
            reason: "why".into(),
            enforce_would_deny: true,
        },
        code,
        grounds: Box::new(Grounds {
            rule: "acl.yaml:3".into(),
            matched: "".into(),
            hint: "a hint".into(),
        }),
    })
}

fn refused(mut record: Record, refusal: Refusal) -> Record {
    record.note_refusal(refusal, 407);
    record
}

fn closed(role: Option<&str>) -> Record {
    let end = TunnelEnd {
        bytes_in: 70_000,
        bytes_out: 1000,
        duration: Duration::from_millis(1500),
        end_time: UNIX_EPOCH,
        last_activity: UNIX_EPOCH,
        active_at_termination: true,
    };
    Record {
        proxy_type: ProxyType::Connect,
        extent: Extent::Tunnel(Box::new(end)),
        ..allowed(role)
    }
}

/// One of everything.
fn absorb_all(stats: &mut Stats) {
    stats.absorb(&allowed(Some("authed")));
    stats.absorb(&Record {
        is_reused: true,
        ..allowed(Some("authed"))
    });
    stats.absorb(&Record {
        verdict: Some(Verdict::Report),
        by_rule: Some(true),
        ..allowed(Some("evil\"} 1\nx{"))
    });
    let not_listed = Record {
        verdict: Some(Verdict::Deny),
        ..record(Some("authed"))
    };
    stats.absorb(&refused(not_listed, denied(Code::NotInAllowedDomains)));
    let no_remote = || Record {
        outbound_remote: None,
        ..allowed(Some("authed"))
    };
    let undialled = || Record {
        dialled_after: None,
        by_rule: None,
        ..no_remote()
    };
    stats.absorb(&refused(undialled(), denied(Code::PrivateRange)));
    stats.absorb(&refused(undialled(), Refusal::LookupFailed("x".into())));
    let fail = Refusal::DialFailed(IoFailKind::Refused, "x".into());
    stats.absorb(&refused(no_remote(), fail));
    stats.absorb(&refused(no_remote(), Refusal::DialTimedOut("x".into())));
    stats.absorb(&refused(record(None), Refusal::Unidentified(Refused::Wrong)));
    stats.absorb(&refused(record(None), Refusal::Malformed("x")));
    stats.absorb(&closed(Some("authed")));
    stats.note_handshake(HandshakeFail::Timeout);
}

/// The page in parts of about so many bytes.
fn page(stats: &Stats, page: Page, bytes_max: usize) -> String {
    let (mut whole, mut start) = (Vec::new(), Some(0));
    while let Some(begin) = start {
        let mut out = Vec::new();
        start = stats.page(page, begin, &standing(), Part::new(&mut out, bytes_max));
        assert!(out.len() < bytes_max + 8192, "{} bytes at once", out.len());
        whole.extend(out);
    }
    String::from_utf8(whole).unwrap()
}

/// Every line is valid, each family is told once, and a histogram's buckets rise: samples by name and labels.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut told) = (BTreeMap::new(), BTreeSet::new());
    let (mut family, mut kind) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty() && told.insert(name.to_owned()), "{line}");
            family = name.to_owned();
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, word) = rest.split_once(' ').unwrap();
            assert!(
                name == family && ["counter", "gauge", "histogram"].contains(&word),
                "{line}"
            );
            kind = word.to_owned();
            continue;
        }
        let (key, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = match key.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
            None => (key, ""),
        };
        let suffix = name.strip_prefix(family.as_str()).unwrap();
        assert!(
            match kind.as_str() {
                "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
                _ => suffix.is_empty(),
            },
            "{line}"
        );
        let mut rest = labels;
        while !rest.is_empty() {
            let (label, behind) = rest.split_once("=\"").unwrap();
            assert!(
                label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit()),
                "{line}"
            );
            let (value, behind) = behind.split_once('"').unwrap();
            assert!(!value.contains(['\\', '\n', '{', '}']), "{line}");
            rest = behind.strip_prefix(',').unwrap_or(behind);
        }
        let value: f64 = value.parse().unwrap();
        assert!(
            value >= 0.0 && samples.insert(key.to_owned(), value).is_none(),
            "{line}"
        );
    }
    for family in FAMILIES {
        assert!(
            told.contains(&family.prometheus_name()),
            "{} is not told",
            family.name
        );
    }
    samples
}

#[test]
fn a_known_sequence_comes_to_known_numbers() {
    let mut stats = stats(false);
    absorb_all(&mut stats);
    let samples = parse(&page(&stats, Page::Metrics, 1 << 30));
    let sha256 = roles::hexadecimal(acl().sha256());
    for (key, value) in [
        (
            r#"acl_allow{role="authed",project="users",def_rule="false"}"#,
            6.0,
        ),
        (r#"acl_deny{role="authed",project="users",def_rule="false"}"#, 1.0),
        (r#"acl_report{role="other",project="rest",def_rule="true"}"#, 1.0),
        ("acl_role_not_determined", 1.0),
        ("acl_decide_error", 0.0),
        (r#"cn_atpt_total{success="true"}"#, 2.0),
        (r#"cn_atpt_total{success="false"}"#, 2.0),
        (r#"cn_atpt_connect_err{type="refused"}"#, 1.0),
        (r#"cn_atpt_connect_err{type="timeout"}"#, 1.0),
        (r#"cn_atpt_connect_time_timer_bucket{le="25"}"#, 0.0),
        (r#"cn_atpt_connect_time_timer_bucket{le="50"}"#, 2.0),
        ("cn_atpt_connect_time_timer_sum", 80.0),
        (r#"cn_close{role="authed",project="users"}"#, 1.0),
        (r#"cn_duration_sum{role="authed",project="users"}"#, 1.5),
        (
            r#"cn_bytes_in_bucket{role="authed",project="users",le="10000"}"#,
            0.0,
        ),
        (
            r#"cn_bytes_in_bucket{role="authed",project="users",le="+Inf"}"#,
            1.0,
        ),
        (r#"cn_bytes_out_count{role="authed",project="users"}"#, 1.0),
        (r#"cn_active_at_termination{role="authed",project="users"}"#, 1.0),
        ("resolver_attempts_total", 7.0),
        ("resolver_errors_total", 2.0),
        ("resolver_allow_default", 4.0),
        ("resolver_allow_user_configured", 1.0),
        ("resolver_deny_private_range", 1.0),
        ("resolver_lookup_time_timer_count", 5.0),
        // Not of what went on a kept connection.
        ("proxy_duration_ms_timer_count", 4.0),
        ("proxy_duration_ms_timer_sum", 20.0),
        ("requests_concurrent", 2.0),
        ("connections_open", 7.0),
        ("tunnels_open", 3.0),
        ("buffered_bytes", 4096.0),
        ("log_lines_dropped", 1.0),
        ("acl_generation", 1.0),
        (r#"tls_handshake_errors{reason="timeout"}"#, 1.0),
        (r#"refusals{code="credentials-wrong",role=""}"#, 1.0),
        (r#"refusals{code="malformed-request",role=""}"#, 1.0),
        (r#"refusals{code="private-range",role="authed"}"#, 1.0),
        (r#"refusals{code="connect-timeout",role="authed"}"#, 1.0),
    ] {
        assert_eq!(samples.get(key), Some(&value), "{key}");
    }
    assert_eq!(
        samples.get(&format!("policy_info{{sha256=\"{sha256}\"}}")),
        Some(&1.0)
    );
}

#[test]
fn counters_only_rise_whatever_the_policy_and_parts_are_the_whole() {
    let common = Common::new(stats(false));
    let mut before: BTreeMap<String, f64> = BTreeMap::new();
    for round in 0..3 {
        let layout = common.lay_out((round == 0).then(acl).as_ref());
        let mut stats = common.lock();
        absorb_all(&mut stats);
        let whole = page(&stats, Page::Metrics, 1 << 30);
        assert_eq!(page(&stats, Page::Metrics, 1), whole, "{round}");
        drop(stats);
        let now = parse(&whole);
        for (key, value) in &before {
            assert!(
                key.starts_with("policy_info") || now.get(key) >= Some(value),
                "{key}"
            );
        }
        before = now;
        common.note_policy(layout);
    }
    assert_eq!(before.get("acl_generation"), Some(&3.0));
    assert_eq!(before.get(r#"policy_info{sha256=""}"#), Some(&1.0));
    // Without an ACL nobody is named by one.
    assert_eq!(
        before.get(r#"acl_allow{role="other",project="",def_rule="true"}"#),
        Some(&6.0)
    );
}

#[test]
fn statsd_is_sent_what_came_since_the_last_time() {
    let (common, mut statsd) = (Common::new(stats(true)), Statsd::new(Instant::now()));
    let mut sent = || {
        let mut packets = Vec::new();
        let due = statsd.due();
        statsd.send(due, &common, &standing(), &mut |packet| {
            assert!(common.0.try_lock().is_ok(), "who counts waits for the network");
            packets.push(packet.to_vec());
        });
        assert_eq!(statsd.due(), due + STATSD_INTERVAL);
        absorb_all(&mut common.lock());
        packets
    };
    let lines = |packets: Vec<Vec<u8>>| -> Vec<String> {
        assert!(
            packets.iter().all(|packet| packet.len() <= 1432),
            "a packet too long"
        );
        let texts = packets
            .into_iter()
            .map(|packet| String::from_utf8(packet).unwrap());
        texts
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    };
    let first = lines(sent());
    assert!(
        first
            .iter()
            .all(|line| line.contains("|g") || line.contains("log_lines_dropped")),
        "{first:?}"
    );
    for round in 0..2 {
        let lines = lines(sent());
        for line in [
            "smokescreen.acl.allow:6|c|#role:authed,project:users,def_rule:false",
            "smokescreen.cn.atpt.total:2|c|#success:true",
            "smokescreen.resolver.attempts_total:7|c",
            "smokescreen.refusals:1|c|#code:private-range,role:authed",
            "smokescreen.cn.atpt.connect.time:40|ms",
            "smokescreen.cn.duration:1.5|h|#role:authed,project:users",
            "smokescreen.tunnels_open:3|g",
        ] {
            assert!(
                lines.iter().any(|other| other == line),
                "{round} {line}: {lines:#?}"
            );
        }
        assert!(
            lines
                .iter()
                .all(|line| line.starts_with("smokescreen.") && !line.contains("log_lines"))
        );
    }
}

#[test]
fn a_tunnel_that_ends_for_its_server_name_counts_as_a_refusal() {
    let mut stats = stats(true);
    let mut ended = closed(Some("authed"));
    ended.note_sni_denied(Sni {
        name: "b.test".into(),
        verdict: SniVerdict::Mismatch,
    });
    stats.absorb(&ended);
    let mut reported = closed(Some("authed"));
    reported.note_sni(Sni {
        name: "b.test".into(),
        verdict: SniVerdict::Mismatch,
    });
    stats.absorb(&reported);
    let samples = parse(&page(&stats, Page::Metrics, 1 << 30));
    let of_names = samples.iter().filter(|(key, _)| key.contains("sni-mismatch"));
    assert_eq!(of_names.map(|(_, count)| count).sum::<f64>(), 1.0);
    let listed = page(&stats, Page::Refusals, 1 << 30);
    assert_eq!(listed.matches("\"sni-mismatch\"").count(), 1);
    assert!(listed.contains("allowed_domains"), "{listed}");
}
