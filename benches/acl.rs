//! Measures what the ACL's decision on one request costs with 10, 10,000 and 100,000 domains, for a host that is
//! listed, one that lies below a `*.` entry, one that no entry matches, and one of many labels below a `*.`; for thousands of listed hosts in turn (`scattered`); with entries
//! that name no ports, with ports (every entry has some), and with private exceptions beside; and how long such an ACL takes
//! to read, which the event loop waits for on a reload.
//!
//! Does not measure parsing the host (that is `ranges`) or credentials. The hosts asked for take turns, so that a
//! large list doesn't shine by one entry that stays in the processor's cache. Every decision is compared, inside the
//! measured time; making the target and dropping it are outside.
#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "a bench says what it expects by failing"
)]

mod common;

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use smokescreen::net::Target;
use smokescreen::policy::acl::Acl;
use smokescreen::policy::ranges::Ranges;
use smokescreen::policy::{Ask, Network, Policy, PolicyParts, Role};

/// How many domains the rule lists: every other one is `*.` and a name.
const LENGTHS: [usize; 3] = [10, 10_000, 100_000];
/// How many different hosts are asked for.
const HOSTS: usize = 64;
/// How many are where their entries must come from beyond the processor's nearest caches: then it is memory that is measured.
const HOSTS_SCATTERED: usize = 4096;
/// How many answers are kept until they are dropped together. A few stay near the processor, as the one answer of a
/// request does; of thousands every one would pay for a page of fresh memory, inside the measured time.
const BATCH: BatchSize = BatchSize::NumIterations(64);

const LISTED: &str = "host matched allowed domain in rule";
const ENFORCED: &str = "rule has enforce policy";

/// What entries have behind their hosts.
const WITHOUT_PORTS: &str = "";
const WITH_PORTS: &str = ":443,8000-8999,9418";

/// The ACL's text.
fn text(length: usize, ports: &str) -> String {
    let mut text = "version: v1\nservices:\n- name: authed\n  project: users\n  action: enforce\n".to_owned();
    if !ports.is_empty() {
        text.push_str("  default_ports: [443]\n  allow_private: [{cidr: 10.1.0.0/16, ports: [443]}]\n");
    }
    text.push_str("  allowed_domains:\n");
    for n in 0..length {
        let glob = if n % 2 == 0 { "" } else { "*." };
        writeln!(text, "  - '{glob}{}{ports}'", domain(n)).expect("a String takes everything");
    }
    text
}

fn domain(n: usize) -> String {
    format!("service-{n}.customer-{}.example.com", n % 977)
}

fn policy(length: usize, ports: &str) -> Policy {
    Policy::new(PolicyParts {
        acl: Some(Acl::parse(&text(length, ports), &[]).expect("an ACL")),
        ranges: Ranges::new(Vec::new(), Vec::new(), false, Vec::new()),
        password: None,
        allow_missing_role: false,
        network: Network::Any,
    })
}

/// Targets spread over the whole list; `first` is 0 for names that are listed and 1 for those behind a `*.`.
fn targets(hosts: usize, length: usize, first: usize, name: impl Fn(&str) -> String) -> Vec<Target> {
    let pairs = length / 2;
    // Scattered, so that no entry is near the one before: 2,654,435,761 has no divisor in common with any length.
    (0..hosts)
        .map(|n| 2 * (n * 2_654_435_761 % pairs) + first)
        .map(|n| Target::parse(name(&domain(n)).as_bytes(), Some(443)).expect("a target"))
        .collect()
}

fn decide(criterion: &mut Criterion) {
    let role = Role::Named("authed".into());
    let ask = Ask {
        scheme: None,
        external_proxy: None,
        is_inside: false,
    };
    let mut group = criterion.benchmark_group("acl/decide");
    for (length, ports) in LENGTHS
        .into_iter()
        .flat_map(|length| [(length, WITHOUT_PORTS), (length, WITH_PORTS)])
    {
        let policy = policy(length, ports);
        let kind = if ports.is_empty() { "" } else { "-ports" };
        let cases = [
            ("exact", targets(HOSTS, length, 0, str::to_owned), true, LISTED),
            (
                "wildcard",
                targets(HOSTS, length, 1, |name| format!("a.b.{name}")),
                true,
                LISTED,
            ),
            (
                "labels",
                targets(HOSTS, length, 1, |name| format!("a.b.c.d.e.f.g.h.{name}")),
                true,
                LISTED,
            ),
            (
                "scattered",
                targets(HOSTS_SCATTERED, length, 0, str::to_owned),
                true,
                LISTED,
            ),
            (
                "miss",
                targets(HOSTS, length, 0, |name| format!("not-{name}")),
                false,
                ENFORCED,
            ),
        ];
        for (name, targets, allow, reason) in cases {
            let mut turns = targets.iter().cycle();
            group.bench_function(format!("{name}{kind}/{length}"), |bencher| {
                bencher.iter_batched(
                    || turns.next().expect("a target").clone(),
                    |target| {
                        let answer = policy.decide(&role, black_box(target), ask);
                        let (allowed, decision) = match &answer {
                            Ok(allowed) => (true, allowed.decision()),
                            Err(denied) => (false, &denied.decision),
                        };
                        assert_eq!((allowed, &*decision.reason), (allow, reason));
                        answer
                    },
                    BATCH,
                );
            });
        }
    }
    group.finish();
}

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("acl/read");
    group.sample_size(10);
    for length in LENGTHS {
        for (kind, ports) in [("", WITHOUT_PORTS), ("ports/", WITH_PORTS)] {
            let text = text(length, ports);
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(format!("{kind}{length}"), |bencher| {
                bencher.iter(|| {
                    let acl = Acl::parse(black_box(&text), &[]).expect("an ACL");
                    assert!(!acl.has_default_rule());
                    acl
                });
            });
        }
    }
    group.finish();
}

fn main() {
    let mut criterion = common::criterion();
    decide(&mut criterion);
    read(&mut criterion);
    criterion.final_summary();
}
