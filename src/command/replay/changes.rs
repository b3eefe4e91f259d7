//! The changes that were found, each once, with how often it came: as lines, the most frequent first.

use std::fmt::Write as _;

use foldhash::HashMap;

/// How many changes are told apart.
const CHANGES_MAX: usize = 10_000;

/// The longest host or role that is shown, in bytes.
const SHOWN_MAX: usize = 300;

/// A verdict.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Word {
    Allow,
    Deny,
    Unknown,
}

impl Word {
    pub(super) fn of(allow: bool) -> Word {
        if allow { Word::Allow } else { Word::Deny }
    }

    fn as_str(self) -> &'static str {
        match self {
            Word::Allow => "allow",
            Word::Deny => "deny",
            Word::Unknown => "unknown",
        }
    }
}

/// What another ACL changes for some requests.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Change {
    /// Who asked; none where the line does not say it.
    pub(super) role: Option<String>,
    pub(super) host: String,
    pub(super) before: Word,
    pub(super) after: Word,
    /// What decides now.
    pub(super) rule: String,
    /// That is an address, which is judged by options and not by the ACL.
    pub(super) by_address: bool,
}

/// All that were found.
#[derive(Default)]
pub(super) struct Changes {
    numbers: HashMap<Change, usize>,
    /// How often each came; the last one stands for those that are not told apart.
    counts: Vec<u64>,
}

impl Changes {
    /// The number of a change; those for which there is no room have one together.
    pub(super) fn number(&mut self, change: Change) -> usize {
        let next = self.numbers.len();
        match self.numbers.get(&change) {
            Some(number) => *number,
            None if next >= CHANGES_MAX => CHANGES_MAX,
            None => {
                self.numbers.insert(change, next);
                next
            }
        }
    }

    /// Counts a request.
    pub(super) fn count(&mut self, number: usize) {
        if self.counts.len() <= number {
            self.counts.resize(number + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(number) {
            *count += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// How many requests change, in words.
    pub(super) fn summary(&self) -> String {
        if self.is_empty() {
            return "nothing changes".to_owned();
        }
        let of = |wanted: fn(&Change) -> bool| -> u64 {
            let changes = self.numbers.iter().filter(|(change, _)| wanted(change));
            changes.filter_map(|(_, number)| self.counts.get(*number)).sum()
        };
        let denied = of(|change| change.after == Word::Deny);
        let allowed = of(|change| change.after == Word::Allow);
        let unknown = of(|change| change.after == Word::Unknown);
        let more = self.counts.get(CHANGES_MAX).copied().unwrap_or_default();
        let mut text = format!("{denied} would be denied, {allowed} allowed, {unknown} unknown");
        // Writing to a `String` cannot fail.
        if more > 0 {
            let _ = write!(text, ", {more} more changes not told apart");
        }
        let by_address = of(|change| change.by_address);
        if by_address > 0 {
            let _ = write!(
                text,
                "; {by_address} of those denied are by their addresses, whatever the ACL: replay takes --allow-range and the \
                 other options that serving has"
            );
        }
        text
    }

    /// A line for each: count, role, host, before, after, rule.
    pub(super) fn text(&self) -> String {
        let count = |number: usize| self.counts.get(number).copied().unwrap_or_default();
        let mut sorted: Vec<(u64, &Change)> = self
            .numbers
            .iter()
            .map(|(change, number)| (count(*number), change))
            .collect();
        sorted.sort_by(|(a, one), (b, other)| {
            let names = |change: &Change| (change.role.clone(), change.host.clone());
            b.cmp(a).then_with(|| names(one).cmp(&names(other)))
        });
        let mut text = String::new();
        for (count, change) in sorted {
            let (role, host) = (role(change.role.as_deref()), shown(&change.host));
            let (before, after) = (change.before.as_str(), change.after.as_str());
            // Writing to a `String` cannot fail.
            let _ = writeln!(
                text,
                "{count:>8}  {role:<16}  {host:<40}  {before:<7}  {after:<7}  {}",
                change.rule
            );
        }
        if let Some(more @ 1..) = self.counts.get(CHANGES_MAX) {
            let _ = writeln!(text, "{more:>8}  further changes");
        }
        text
    }
}

fn role(role: Option<&str>) -> String {
    match role {
        None | Some("") => "-".to_owned(),
        Some(name) => shown(name),
    }
}

/// One word, whatever it holds: a log's names came from clients.
fn shown(text: &str) -> String {
    let is_plain = |c: char| matches!(c, '!'..='~') && c != '"';
    if !text.is_empty() && text.len() <= SHOWN_MAX && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let escaped = |c: char| -> String {
        match c {
            ' ' => "\\u{20}".to_owned(),
            c => c.escape_default().collect(),
        }
    };
    let shown: String = text.chars().take(SHOWN_MAX).map(escaped).collect();
    format!("\"{shown}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(role: &str, host: &str) -> Change {
        Change {
            role: Some(role.to_owned()),
            host: host.to_owned(),
            before: Word::Allow,
            after: Word::Deny,
            rule: "acl.yaml:7".to_owned(),
            by_address: false,
        }
    }

    #[test]
    fn the_most_frequent_comes_first_and_names_stay_words() {
        let mut changes = Changes::default();
        for (role, host, count) in [("ci", "a.test:443", 1), ("a b\n", "\u{1b}[2J", 3)] {
            let number = changes.number(change(role, host));
            (0..count).for_each(|_| changes.count(number));
        }
        let text = changes.text();
        let words: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            words[0],
            [
                "3",
                "\"a\\u{20}b\\n\"",
                "\"\\u{1b}[2J\"",
                "allow",
                "deny",
                "acl.yaml:7"
            ]
        );
        assert_eq!(words[1], ["1", "ci", "a.test:443", "allow", "deny", "acl.yaml:7"]);
        assert_eq!(changes.summary(), "4 would be denied, 0 allowed, 0 unknown");
        assert!(!changes.is_empty() && Changes::default().is_empty());
        let number = changes.number(Change {
            by_address: true,
            ..change("ci", "b.test:443")
        });
        changes.count(number);
        let summary = changes.summary();
        assert!(
            summary.starts_with(
                "5 would be denied, 0 allowed, 0 unknown; 1 of those denied are by their addresses"
            ),
            "{summary}"
        );
    }

    #[test]
    fn changes_beyond_the_room_are_counted() {
        let mut changes = Changes::default();
        for n in 0..CHANGES_MAX + 7 {
            let number = changes.number(change("ci", &format!("h{n}.test:443")));
            changes.count(number);
        }
        assert!(changes.text().ends_with("       7  further changes\n"));
        assert!(changes.summary().ends_with("7 more changes not told apart"));
        assert_eq!(changes.number(change("ci", "h3.test:443")), 3);
    }
}
