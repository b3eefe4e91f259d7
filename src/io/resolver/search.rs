//! The search list: which full names a name may stand for, in which order they are asked for. Takes nothing
//! else from resolv.conf: the servers come from our own configuration.

/// How many domains are tried, as in glibc before 2.26; resolv.conf(5) calls more a performance problem.
const DOMAINS_MAX: usize = 6;
/// What resolv.conf(5) allows for `ndots`.
const NDOTS_MAX: usize = 15;
/// The longest name without its trailing dot (RFC 1035, 2.3.4).
const NAME_MAX: usize = 253;

/// What resolv.conf(5) says of names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Search {
    domains: Vec<Box<str>>,
    ndots: usize,
}

impl Search {
    /// Reads `search`, `domain` (the last one counts) and `options ndots:n` of resolv.conf(5). Without either
    /// list there is none: the domain is not guessed from the machine's name.
    pub(super) fn parse(text: &str) -> Search {
        let mut search = Search {
            domains: Vec::new(),
            ndots: 1,
        };
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("search") => search.domains = domains(words),
                Some("domain") => search.domains = domains(words.take(1)),
                Some("options") => {
                    let mut ndots =
                        words.filter_map(|word| word.strip_prefix("ndots:")?.parse::<usize>().ok());
                    search.ndots = ndots
                        .next_back()
                        .map_or(search.ndots, |ndots| ndots.min(NDOTS_MAX));
                }
                _ => {}
            }
        }
        search
    }

    /// The full names to ask for, in order; at least `name` itself. One with `ndots` dots or more is taken for
    /// full first, one with fewer is completed first.
    pub(super) fn candidates(&self, name: &str) -> Vec<Box<str>> {
        let completed = self
            .domains
            .iter()
            .map(|domain| format!("{name}.{domain}").into_boxed_str());
        let mut all: Vec<Box<str>> = completed.filter(|full| full.len() <= NAME_MAX).collect();
        let dots = name.bytes().filter(|&byte| byte == b'.').count();
        let place = if dots >= self.ndots { 0 } else { all.len() };
        all.insert(place, name.into());
        all
    }
}

fn domains<'a>(words: impl Iterator<Item = &'a str>) -> Vec<Box<str>> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    words
        .map(|word| word.trim_matches('.').to_ascii_lowercase().into_boxed_str())
        .filter(|word| !word.is_empty() && word.bytes().all(plain))
        .take(DOMAINS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(text: &str, name: &str) -> Vec<String> {
        Search::parse(text)
            .candidates(name)
            .into_iter()
            .map(String::from)
            .collect()
    }

    #[test]
    fn without_a_list_a_name_stands_for_itself() {
        assert_eq!(candidates("nameserver 192.0.2.1\n", "a.test"), ["a.test"]);
        assert_eq!(candidates("", "a"), ["a"]);
    }

    #[test]
    fn ndots_decides_what_comes_first() {
        let text = "search one.test two.test.\noptions timeout:1 ndots:2 ndots:x\n";
        assert_eq!(candidates(text, "a.b"), ["a.b.one.test", "a.b.two.test", "a.b"]);
        assert_eq!(
            candidates(text, "a.b.c"),
            ["a.b.c", "a.b.c.one.test", "a.b.c.two.test"]
        );
        assert_eq!(candidates("search one.test\n", "a"), ["a.one.test", "a"]);
        assert_eq!(
            candidates("search one.test\noptions ndots:0", "a"),
            ["a", "a.one.test"]
        );
    }

    #[test]
    fn the_last_of_search_and_domain_counts() {
        assert_eq!(
            candidates("search one.test\ndomain two.test x\n", "a"),
            ["a.two.test", "a"]
        );
        assert_eq!(
            candidates("domain two.test\nsearch one.test ; x\n", "a"),
            ["a.one.test", "a"]
        );
        assert_eq!(candidates("search one.test\nsearch .\n", "a"), ["a"]);
    }

    #[test]
    fn the_list_and_its_names_are_bounded() {
        let text = "search a b c d e f g h\noptions ndots:99999999999999999999 ndots:5000\n";
        assert_eq!(candidates(text, "x").len(), 7);
        assert_eq!(Search::parse(text).ndots, NDOTS_MAX);
        let long = format!("search {}\n", "a.".repeat(125));
        assert_eq!(candidates(&long, "name"), ["name"]);
        assert_eq!(candidates("search b\u{e4}d/ ok\n", "n"), ["n.ok", "n"]);
    }
}
