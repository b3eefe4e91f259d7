//! What it costs to count a record, which every request pays where metrics are on. Run by hand: `cargo bench --bench stats`.
#![allow(clippy::unwrap_used, reason = "a bench says what it expects by failing")]

mod common;

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use criterion::Criterion;
use smokescreen::policy::acl::Acl;
use smokescreen::session::id::Id;
use smokescreen::session::outcome::{Extent, Micros, Record, TunnelEnd, Verdict};
use smokescreen::stats::{Settings, Stats};

fn record() -> Record {
    let client = SocketAddr::from(([10, 0, 0, 8], 40001));
    Record {
        role: Some(Arc::from("role-77")),
        verdict: Some(Verdict::Allow),
        dns_lookup_time: Some(Micros::new(3_000)),
        dialled_after: Some(Micros::new(3_000)),
        by_rule: Some(false),
        establish_time: Some(Micros::new(40_000)),
        outbound_remote: Some(SocketAddr::from(([93, 184, 215, 14], 443)).into()),
        ..Record::new(Id::default(), client, UNIX_EPOCH)
    }
}

fn close() -> Record {
    Record {
        extent: Extent::Tunnel(Box::new(TunnelEnd {
            bytes_in: 70_000,
            bytes_out: 1000,
            duration: Duration::from_millis(1500),
            end_time: UNIX_EPOCH,
            last_activity: UNIX_EPOCH,
            active_at_termination: false,
        })),
        ..record()
    }
}

fn main() {
    let mut criterion: Criterion = common::criterion();
    let mut acl = String::from("version: v1\nservices:\n");
    for n in 0..200 {
        acl.push_str(&format!("- {{name: role-{n}, project: p, action: open}}\n"));
    }
    let acl = Acl::parse(&acl, &[]).unwrap();
    let mut group = criterion.benchmark_group("stats");
    for (name, record) in [("decision", record()), ("close", close())] {
        for (how, sends) in [("prometheus", false), ("statsd too", true)] {
            let settings = Settings {
                times_connects: true,
                keeps_refusals: true,
                sends,
                facts: Vec::new(),
            };
            let mut stats = Stats::new(settings, Some(&acl), UNIX_EPOCH);
            group.bench_function(format!("{name}/{how}"), |bencher| {
                bencher.iter(|| stats.absorb(black_box(&record)));
            });
        }
    }
    group.finish();
    criterion.final_summary();
}
