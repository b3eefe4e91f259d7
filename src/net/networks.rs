//! A set of ranges of addresses, asked whether it holds one. What it is a set of, its owner knows.

use std::net::IpAddr;

use ipnet::IpNet;

/// Ranges of addresses, however many: asked by halving.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Those ranges. An IPv4-mapped one holds nothing.
    pub fn new(ranges: &[IpNet]) -> Networks {
        let mut ranges = IpNet::aggregate(&ranges.to_vec());
        ranges.sort_by_key(IpNet::network);
        Networks(ranges)
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is the address in one of them? An IPv4-mapped one is the IPv4 address it stands for.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        // No two overlap: only the last that begins before it, or with it, can hold it.
        let behind = self.0.partition_point(|range| range.network() <= address);
        let nearest = behind.checked_sub(1).and_then(|at| self.0.get(at));
        nearest.is_some_and(|range| range.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn networks(ranges: &[&str]) -> Networks {
        let ranges: Vec<IpNet> = ranges.iter().map(|text| text.parse().unwrap()).collect();
        Networks::new(&ranges)
    }

    #[test]
    fn ranges_that_overlap_in_any_order() {
        let networks = networks(&[
            "192.0.2.7/32",
            "10.0.0.0/8",
            "fdaa::/16",
            "10.1.0.0/16",
            "::1/128",
            "192.0.2.6/32",
        ]);
        for inside in [
            "10.0.0.0",
            "10.1.2.3",
            "10.255.255.255",
            "192.0.2.6",
            "::ffff:192.0.2.7",
            "fdaa:1::",
            "::1",
        ] {
            assert!(networks.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "9.255.255.255",
            "11.0.0.0",
            "192.0.2.5",
            "192.0.2.8",
            "fdab::",
            "::2",
            "::",
            "0.0.0.0",
        ] {
            assert!(!networks.contains(outside.parse().unwrap()), "{outside}");
        }
        assert!(!Networks::default().contains([10, 0, 0, 1].into()) && Networks::default().is_empty());
    }

    proptest! {
        #[test]
        fn as_a_search_from_end_to_end_says(
            ranges in prop::collection::vec((any::<bool>(), any::<u32>(), 0_u8..=32), 0..12),
            asked in any::<u32>(),
        ) {
            let address = |v6: bool, bits: u32| match v6 {
                true => IpAddr::from(Ipv6Addr::from_bits(u128::from(bits) << 96 | 1)),
                false => Ipv4Addr::from_bits(bits).into(),
            };
            let ranges: Vec<IpNet> =
                ranges.into_iter().map(|(v6, bits, len)| IpNet::new(address(v6, bits), len).unwrap().trunc()).collect();
            let networks = Networks::new(&ranges);
            for asked in [false, true].map(|v6| address(v6, asked)).into_iter().chain(ranges.iter().map(IpNet::addr)) {
                prop_assert_eq!(networks.contains(asked), ranges.iter().any(|range| range.contains(&asked)));
            }
        }
    }
}
