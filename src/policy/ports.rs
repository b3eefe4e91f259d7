//! A set of TCP ports as people list it: single ports and ranges, `443` or `443,8000-8999`. Knows nothing of hosts or
//! addresses.

use std::fmt;
use std::sync::Arc;

use foldhash::HashMap;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use crate::net::parse_port;
use crate::text::digits;

/// Most ranges in one list; a single port is one.
const RANGES_MAX: usize = 1024;

/// What is accepted as one, for errors.
pub(super) const ACCEPTED: &str =
    "accepted are ports from 1 to 65535 and ranges of them, such as 443 or 8000-8999";

/// From the first port to the last, both included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct PortRange {
    pub(super) first: u16,
    pub(super) last: u16,
}

/// Some ports, at least one. Equal are sets of the same ports, however they were written. A copy is the same memory.
#[derive(Clone, Debug)]
pub struct Ports(Arc<Listing>);

#[derive(Debug)]
struct Listing {
    /// Sorted; between two of them there is a port that is in neither.
    ranges: Box<[PortRange]>,
    /// As people wrote them.
    written: Box<str>,
}

impl Ports {
    /// Reads single ports and ranges.
    ///
    /// # Errors
    /// In a few words: none at all, what is neither a port (1 to 65535, no sign, no leading zeros) nor a range that goes
    /// up, a port that is there twice, or more than 1,024.
    pub fn parse<'a>(parts: impl IntoIterator<Item = &'a str>) -> Result<Ports, String> {
        let parts: Vec<&str> = parts.into_iter().collect();
        if parts.is_empty() {
            return Err(format!("the list of ports is empty; {ACCEPTED}"));
        }
        if parts.len() > RANGES_MAX {
            return Err(format!(
                "there are more than {RANGES_MAX} ports and ranges; write longer ranges"
            ));
        }
        let mut ranges = parts
            .iter()
            .map(|part| range(part))
            .collect::<Result<Vec<_>, _>>()?;
        ranges.sort_unstable();
        let mut joined: Vec<PortRange> = Vec::with_capacity(ranges.len());
        for next in ranges {
            match joined.last_mut() {
                Some(before) if next.first <= before.last => {
                    return Err(format!("port {} is listed twice; once is enough", next.first));
                }
                Some(before) if next.first - before.last == 1 => before.last = next.last,
                _ => joined.push(next),
            }
        }
        Ok(Ports(Arc::new(Listing {
            ranges: joined.into(),
            written: parts.join(",").into(),
        })))
    }

    /// Is the port among them?
    pub fn contains(&self, port: u16) -> bool {
        let after = self.0.ranges.partition_point(|range| range.first <= port);
        let range = after.checked_sub(1).and_then(|index| self.0.ranges.get(index));
        range.is_some_and(|range| port <= range.last)
    }

    /// Are all of the others among them?
    pub(super) fn cover(&self, others: &Ports) -> bool {
        let around = |port| {
            self.0
                .ranges
                .iter()
                .find(|range| range.first <= port && port <= range.last)
        };
        let mut others = others.0.ranges.iter();
        others.all(|other| around(other.first).is_some_and(|range| other.last <= range.last))
    }

    /// Sorted, each port in one at most.
    pub(super) fn ranges(&self) -> impl Iterator<Item = PortRange> {
        self.0.ranges.iter().copied()
    }
}

/// Lists of ports that were read, each way of writing one kept once: of a hundred thousand entries most have the same few.
#[derive(Default)]
pub(super) struct Seen(HashMap<Box<str>, Ports>);

impl Seen {
    /// The first that was written like this one.
    pub(super) fn like(&mut self, ports: Ports) -> Ports {
        match self.0.get(&ports.0.written) {
            Some(before) => before.clone(),
            None => {
                self.0.insert(ports.0.written.clone(), ports.clone());
                ports
            }
        }
    }
}

fn range(text: &str) -> Result<PortRange, String> {
    let port = |text: &str| parse_port(text).filter(|_| digits::is_plain(text));
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (Some(first), Some(last)) = (port(first), port(last)) else {
        return Err(format!("'{text}' is no port; {ACCEPTED}"));
    };
    if first > last {
        return Err(format!("the range '{text}' goes down; write '{last}-{first}'"));
    }
    Ok(PortRange { first, last })
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Ports, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Ports;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of ports and ranges such as [443, 8000-8999]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Ports, A::Error> {
                let mut parts: Vec<String> = Vec::new();
                while let Some(part) = list.next_element()? {
                    parts.push(part);
                }
                Ports::parse(parts.iter().map(String::as_str)).map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.written)
    }
}

impl PartialEq for Ports {
    fn eq(&self, other: &Ports) -> bool {
        self.0.ranges == other.0.ranges
    }
}

impl Eq for Ports {}

impl PartialOrd for Ports {
    fn partial_cmp(&self, other: &Ports) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ports {
    fn cmp(&self, other: &Ports) -> std::cmp::Ordering {
        self.0.ranges.cmp(&other.0.ranges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(text: &str) -> Ports {
        Ports::parse(text.split(',')).unwrap()
    }

    #[test]
    fn a_set_has_what_is_listed_and_nothing_else() {
        for (text, within, without) in [
            ("22", &[22][..], &[1, 21, 23, 65535][..]),
            ("8000-8999,443", &[443, 8000, 8500, 8999], &[442, 444, 7999, 9000]),
            ("1-65535", &[1, 80, 65535], &[]),
            ("80-81,82", &[80, 81, 82], &[79, 83]),
            ("65535,1", &[1, 65535], &[2, 65534]),
            ("443-443", &[443], &[442, 444]),
        ] {
            let ports = ports(text);
            assert_eq!(ports.to_string(), text);
            assert!(within.iter().all(|port| ports.contains(*port)), "{text}");
            assert!(!without.iter().any(|port| ports.contains(*port)), "{text}");
        }
        assert_eq!(
            ports("80,81-90,443"),
            ports("443,80-90"),
            "they are the same ports"
        );
        assert!(ports("80-90,443").cover(&ports("81,85-90")) && !ports("80-90").cover(&ports("90-91")));
    }

    #[test]
    fn of_lists_written_alike_one_is_kept() {
        let mut seen = Seen::default();
        let [first, again, other] =
            ["80-81,443", "80-81,443", "443,80-81"].map(|text| seen.like(ports(text)));
        assert!(Arc::ptr_eq(&first.0, &again.0) && !Arc::ptr_eq(&first.0, &other.0));
        assert_eq!((first, other.to_string().as_str()), (other.clone(), "443,80-81"));
    }

    #[test]
    fn what_is_no_list_of_ports() {
        for (text, said) in [
            ("", "'' is no port"),
            ("0", "'0' is no port"),
            ("65536", "'65536' is no port"),
            ("080", "'080' is no port"),
            ("+80", "'+80' is no port"),
            ("http", "'http' is no port"),
            ("80,,443", "'' is no port"),
            ("80, 443", "' 443' is no port"),
            ("80-", "'80-' is no port"),
            ("-80", "'-80' is no port"),
            ("0-80", "'0-80' is no port"),
            ("80-65536", "'80-65536' is no port"),
            ("1-2-3", "'1-2-3' is no port"),
            ("9000-8000", "write '8000-9000'"),
            ("443,443", "port 443 is listed twice"),
            ("440-450,443", "port 443 is listed twice"),
        ] {
            let error = Ports::parse(text.split(',')).unwrap_err();
            assert!(error.contains(said), "{text:?}: {error}");
        }
        assert!(Ports::parse([]).unwrap_err().contains("empty"));
        let many: Vec<String> = (1..=1025).map(|n| (2 * n).to_string()).collect();
        assert!(
            Ports::parse(many.iter().map(String::as_str))
                .unwrap_err()
                .contains("more than 1024")
        );
    }
}
