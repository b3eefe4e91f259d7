//! Measures the last question before a dial, whether an address may be dialled: for an IPv4 literal, an IPv6 literal
//! and a name with eight addresses, with 0, 10 and 10,000 deny rules of the operator's; and the first one, what host a
//! request spells.
//!
//! Does not measure lookups, nor the own-listener rule's question for this machine's addresses, which is asked only
//! for our own port. Every answer is compared, inside the measured time.
#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "a bench says what it expects by failing"
)]

mod common;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use criterion::Criterion;
use smokescreen::net::{Host, Target};
use smokescreen::policy::ranges::{PlacedRule, Ranges, Rule};
use smokescreen::policy::{Allowed, Ask, Network, Place, Policy, PolicyParts, Role, Vetted};

/// Prefix lengths of rules as operators write them. What a lookup costs depends on how many different ones there are.
const V4_LENGTHS: [u8; 5] = [16, 20, 24, 28, 32];
const V6_LENGTHS: [u8; 5] = [32, 40, 48, 64, 128];
/// Addresses outside the rules' networks: the longest way through the checks, with the answer yes.
const V4: &str = "93.184.215.14";
const V6: &str = "2606:2800:21f:cb07:6820:80da:af6b:8b2c";

/// `count` deny rules, of either family as many; none of them names a tested address.
fn rules(count: usize, v4_lengths: &[u8], v6_lengths: &[u8]) -> Vec<PlacedRule> {
    let rule = |n: usize| {
        let (n, is_v4) = (n / 2, n.is_multiple_of(2));
        let lengths = if is_v4 { v4_lengths } else { v6_lengths };
        let (block, length) = (n / lengths.len(), lengths[n % lengths.len()]);
        let network = if is_v4 {
            let block = u32::try_from(block).expect("a small number");
            IpAddr::V4(Ipv4Addr::from_bits(0x2800_0000 + (block << (32 - length))))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(
                (0x2a00 << 112) + ((block as u128) << (128 - length)),
            ))
        };
        let rule = Rule::range(&format!("{network}/{length}")).expect("a range");
        rule.at(Place::option("--deny-range"))
    };
    (0..count).map(rule).collect()
}

fn policy(deny: Vec<PlacedRule>) -> Policy {
    Policy::new(PolicyParts {
        acl: None,
        ranges: Ranges::new(Vec::new(), deny, false, vec![4750]),
        password: None,
        allow_missing_role: true,
        network: Network::Any,
    })
}

fn allowed(policy: &Policy, authority: &str) -> Allowed {
    let target = Target::parse(authority.as_bytes(), None).expect("a target");
    let ask = Ask {
        scheme: None,
        external_proxy: None,
        is_inside: false,
    };
    policy.decide(&Role::Missing, target, ask).expect("a permission")
}

/// What a popular name resolves to: four addresses of either family.
fn eight() -> Vec<IpAddr> {
    let v4 = (0..4).map(|n| IpAddr::V4(Ipv4Addr::new(93, 184, 215, 14 + n)));
    let v6 = (0..4).map(|n| {
        IpAddr::V6(Ipv6Addr::new(
            0x2606, 0x2800, 0x21f, 0xcb07, 0x6820, 0x80da, 0xaf6b, n,
        ))
    });
    v4.chain(v6).collect()
}

fn vet(criterion: &mut Criterion) {
    let v4: IpAddr = V4.parse().expect("an address");
    let v6: IpAddr = V6.parse().expect("an address");
    let many_v4: Vec<u8> = (16..=32).collect();
    let many_v6: Vec<u8> = (32..=128).collect();
    let sets = [
        ("0", rules(0, &V4_LENGTHS, &V6_LENGTHS)),
        ("10", rules(10, &V4_LENGTHS, &V6_LENGTHS)),
        ("10000", rules(10_000, &V4_LENGTHS, &V6_LENGTHS)),
        ("10000-many-prefix-lengths", rules(10_000, &many_v4, &many_v6)),
    ];
    let mut group = criterion.benchmark_group("ranges/vet");
    for (rules_name, rules) in sets {
        let policy = policy(rules);
        let cases = [
            ("literal-v4", format!("{v4}:443"), vec![v4]),
            ("literal-v6", format!("[{v6}]:443"), vec![v6]),
            ("8-addresses", "example.com:443".to_owned(), eight()),
        ];
        for (name, authority, addresses) in cases {
            let allowed = allowed(&policy, &authority);
            let found = if addresses.len() > 1 {
                addresses.as_slice()
            } else {
                &[]
            };
            let expected = addresses.iter().map(|address| SocketAddr::new(*address, 443));
            group.bench_function(format!("{name}/{rules_name}"), |bencher| {
                bencher.iter(|| {
                    let vetted = policy.vet(black_box(&allowed), black_box(found), &|_| true);
                    let vetted = vetted.expect("a public address").addresses;
                    assert!(vetted.iter().map(Vetted::address).eq(expected.clone()));
                    vetted
                });
            });
        }
        let metadata = allowed(&policy, "169.254.169.254:80");
        assert!(policy.vet(&metadata, &[], &|_| true).is_err());
    }
    group.finish();
}

fn host(criterion: &mut Criterion) {
    let longest = format!("{}.example.com:443", ["abcdefghijk"; 20].join("."));
    let cases = [
        ("name", "api.example.com:443", Some("api.example.com")),
        ("name-251-bytes", &longest, longest.strip_suffix(":443")),
        ("name-upper-case", "API.Example.COM.:443", Some("api.example.com")),
        (
            "international",
            "bücher.example:443",
            Some("xn--bcher-kva.example"),
        ),
        ("v4", "93.184.215.14:443", Some(V4)),
        (
            "v6",
            "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:443",
            Some("[2606:2800:21f:cb07:6820:80da:af6b:8b2c]"),
        ),
        ("refused", "0x7f.0.0.0x1:443", None),
    ];
    let mut group = criterion.benchmark_group("ranges/host");
    for (name, authority, expected) in cases {
        let expected = expected.map(|host| Host::parse(host.as_bytes()).expect("a host"));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let target = Target::parse(black_box(authority.as_bytes()), None).ok();
                assert!(target.as_ref().map(|target| &target.host) == expected.as_ref());
                target
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = common::criterion();
    vet(&mut criterion);
    host(&mut criterion);
    criterion.final_summary();
}
