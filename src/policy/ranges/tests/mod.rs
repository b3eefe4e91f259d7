//! Classification: what is said of an address. Here is what all parts ask with; the rules' own tests are in
//! `rule_tests`.

mod edges;
mod nat64;
mod verdicts;

use crate::policy::Place;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn plain() -> Ranges {
    ranges(&[], &[])
}

/// Rules with a `/` are ranges, the others addresses.
pub(super) fn ranges(allow: &[&str], deny: &[&str]) -> Ranges {
    Ranges::new(placed(allow), placed(deny), false, Vec::new())
}

/// Rules that are written one on a line.
pub(super) fn placed(texts: &[&str]) -> Vec<PlacedRule> {
    let lines = rules(texts).into_iter().zip(1..);
    lines
        .map(|(rule, line)| rule.at(Place::in_file("rules".into(), line)))
        .collect()
}

pub(super) fn rules(texts: &[&str]) -> Vec<Rule> {
    let rule = |text: &&str| {
        if text.contains('/') {
            Rule::range(text)
        } else {
            Rule::address(text)
        }
    };
    texts.iter().map(|text| rule(text).unwrap()).collect()
}

fn nobody(_: IpAddr) -> bool {
    panic!("the port is not ours: nobody should ask whose the address is")
}

pub(super) fn verdict(ranges: &Ranges, addr: &str) -> Verdict {
    verdict_at(ranges, addr, 80)
}

pub(super) fn verdict_at(ranges: &Ranges, addr: &str, port: u16) -> Verdict {
    ranges.judge(SocketAddr::new(ip(addr), port), &nobody).1
}

pub(super) fn assert_verdicts(ranges: &Ranges, expected: Verdict, addrs: &[&str]) {
    for addr in addrs {
        assert_eq!(verdict(ranges, addr), expected, "{addr}");
    }
}
