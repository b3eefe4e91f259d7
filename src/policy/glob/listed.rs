//! The entries of a list that are for the same glob: one without ports, some with them, or both. Asked by port.

use crate::policy::ports::{PortRange, Ports};
use crate::yaml::Line;

/// The entries of one glob. Most have one.
#[derive(Clone, Default, Debug)]
pub(super) struct Listed {
    /// The line of the one without ports.
    bare: Option<Line>,
    ported: Option<Ported>,
}

/// Those with ports.
#[derive(Clone, Debug)]
enum Ported {
    /// Its ports are shared with all entries of the list that were written with the same ones, so that whoever asks finds
    /// them in the processor's cache.
    One(Ports, Line),
    Several(Box<Several>),
}

#[derive(Clone, Default, Debug)]
struct Several {
    entries: Vec<(Ports, Line)>,
    /// Which of them has a port: sorted, each port in one span at most.
    spans: Vec<Span>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    range: PortRange,
    entry: usize,
}

/// One of the entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Single<'a> {
    pub(super) ports: Option<&'a Ports>,
    pub(super) line: Line,
}

impl Listed {
    /// Of entries for the same port the first counts.
    pub(super) fn add(&mut self, ports: Option<Ports>, line: Line) {
        match ports {
            None => self.bare = self.bare.or(Some(line)),
            Some(ports) => {
                self.ported = Some(match self.ported.take() {
                    None => Ported::One(ports, line),
                    Some(before) => before.and(ports, line),
                });
            }
        }
    }

    /// Is there one without ports?
    pub(super) fn is_bare(&self) -> bool {
        self.bare.is_some()
    }

    /// Does one of those with ports have this one?
    pub(super) fn names(&self, port: u16) -> bool {
        match &self.ported {
            None => false,
            Some(Ported::One(ports, _)) => ports.contains(port),
            Some(Ported::Several(several)) => several.entry(port).is_some(),
        }
    }

    /// The entry that names this port.
    pub(super) fn naming(&self, port: u16) -> Option<Single<'_>> {
        let (ports, line) = match self.ported.as_ref()? {
            Ported::One(ports, line) => ports.contains(port).then_some((ports, *line))?,
            Ported::Several(several) => several.naming(port)?,
        };
        Some(Single {
            ports: Some(ports),
            line,
        })
    }

    /// All of them, the one without ports first.
    pub(super) fn each(&self) -> impl Iterator<Item = Single<'_>> {
        let bare = self.bare.map(|line| Single { ports: None, line });
        let ported = self.ported.iter().flat_map(Ported::entries);
        bare.into_iter().chain(ported.map(|(ports, line)| Single {
            ports: Some(ports),
            line,
        }))
    }

    /// Is this very entry among them?
    pub(super) fn has(&self, ports: Option<&Ports>) -> bool {
        match ports {
            None => self.is_bare(),
            Some(_) => self.each().any(|single| single.ports == ports),
        }
    }
}

impl Ported {
    /// These entries, and one more behind them.
    fn and(self, ports: Ports, line: Line) -> Ported {
        let mut several = match self {
            Ported::One(ports, line) => {
                let mut first = Box::<Several>::default();
                first.add(ports, line);
                first
            }
            Ported::Several(several) => several,
        };
        several.add(ports, line);
        Ported::Several(several)
    }

    fn entries(&self) -> impl Iterator<Item = (&Ports, Line)> {
        let (one, several) = match self {
            Ported::One(ports, line) => (Some((ports, *line)), [].as_slice()),
            Ported::Several(several) => (None, several.entries.as_slice()),
        };
        one.into_iter()
            .chain(several.iter().map(|(ports, line)| (ports, *line)))
    }
}

impl Several {
    /// One that has no port of its own is none.
    fn add(&mut self, ports: Ports, line: Line) {
        let (entry, before) = (self.entries.len(), self.spans.len());
        for range in ports.ranges() {
            self.take(range, entry);
        }
        if self.spans.len() > before {
            self.entries.push((ports, line));
        }
    }

    /// Gives an entry those ports of a range that no entry has.
    fn take(&mut self, range: PortRange, entry: usize) {
        let mut at = self.spans.partition_point(|span| span.range.last < range.first);
        let mut next = Some(range.first);
        while let Some(first) = next.filter(|first| *first <= range.last) {
            let taken = self.spans.get(at).map(|span| span.range);
            let free = match taken {
                Some(taken) => taken.first.saturating_sub(1).min(range.last),
                None => range.last,
            };
            if first <= free {
                let range = PortRange { first, last: free };
                self.spans.insert(at, Span { range, entry });
                at += 1;
            }
            next = taken.and_then(|taken| taken.last.checked_add(1));
            at += 1;
        }
    }

    fn naming(&self, port: u16) -> Option<(&Ports, Line)> {
        let (ports, line) = self.entries.get(self.entry(port)?)?;
        Some((ports, *line))
    }

    fn entry(&self, port: u16) -> Option<usize> {
        let after = self.spans.partition_point(|span| span.range.first <= port);
        let span = self.spans.get(after.checked_sub(1)?)?;
        (port <= span.range.last).then_some(span.entry)
    }
}

/// Wherever they stand.
impl PartialEq for Listed {
    fn eq(&self, other: &Listed) -> bool {
        self.each().count() == other.each().count() && self.each().all(|single| other.has(single.ports))
    }
}

impl Eq for Listed {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ports(text: &str) -> Ports {
        Ports::parse(text.split(',')).unwrap()
    }

    fn lines(listed: &Listed, asked: &[u16]) -> Vec<Line> {
        let line = |port: &u16| listed.naming(*port).map_or(0, |single| single.line);
        asked.iter().map(line).collect()
    }

    #[test]
    fn of_entries_for_the_same_port_the_first_counts() {
        let mut listed = Listed::default();
        assert!(!listed.names(22) && !listed.is_bare());
        for (text, line) in [
            ("22,443", 5),
            ("400-500", 6),
            ("22", 7),
            ("1-65535", 8),
            ("443,22", 9),
        ] {
            listed.add(Some(ports(text)), line);
        }
        assert_eq!(
            lines(
                &listed,
                &[1, 21, 22, 23, 399, 400, 442, 443, 444, 500, 501, 65535]
            ),
            [8, 8, 5, 8, 8, 6, 6, 5, 6, 6, 8, 8]
        );
        assert_eq!(listed.each().count(), 3, "two have no port of their own");
        assert!(!listed.is_bare());
        listed.add(None, 10);
        listed.add(None, 11);
        assert_eq!(listed.each().next().map(|single| single.line), Some(10));
    }

    proptest! {
        #[test]
        fn a_port_is_named_by_the_first_entry_that_has_it(
            ranges in proptest::collection::vec((1u16..40, 0u16..12), 1..12),
            wide in proptest::option::of(65500u16..65535),
        ) {
            let mut all: Vec<(u16, u16)> = ranges.iter().map(|(first, more)| (*first, first + more)).collect();
            all.extend(wide.map(|first| (first, u16::MAX)));
            let mut listed = Listed::default();
            for ((first, last), line) in all.iter().zip(1..) {
                listed.add(Some(ports(&format!("{first}-{last}"))), line);
            }
            for port in (0..60).chain(65490..=65535) {
                let first = all.iter().position(|(first, last)| (*first..=*last).contains(&port));
                let line = first.map_or(0, |index| Line::try_from(index + 1).unwrap());
                prop_assert_eq!(lines(&listed, &[port]), [line], "{} in {:?}", port, all);
                prop_assert_eq!(listed.names(port), line > 0);
            }
        }
    }
}
