//! Files that import each other in a circle, however long. Resolves the paths that a source names to files, through
//! re-exports; a file may name the modules that it is a part of, so that is no edge.

use std::collections::{BTreeMap, BTreeSet};

use super::scan::Source;

/// A module's path from the crate's root.
type Module = Vec<String>;

/// The files of the crate, what their imports stand for, and who names whom.
struct Files<'a> {
    by_module: BTreeMap<Module, &'a Source>,
    /// What a name that a module imports stands for.
    imported: BTreeMap<(Module, String), Module>,
}

/// Every group of files that reach each other by imports, in the order of their names.
pub(crate) fn circles(sources: &[Source]) -> Vec<Vec<&str>> {
    let files = Files::new(sources);
    let reach: BTreeMap<&str, BTreeSet<&str>> = {
        let edges: BTreeMap<&str, BTreeSet<&str>> = files
            .by_module
            .iter()
            .map(|(module, source)| (source.name.as_str(), files.named(module, source)))
            .collect();
        edges
            .keys()
            .map(|file| (*file, reachable(&edges, file)))
            .collect()
    };
    let group = |file: &str| -> Vec<&str> {
        let back = reach[file].iter().filter(|other| reach[*other].contains(file));
        back.copied().collect()
    };
    let groups: BTreeSet<Vec<&str>> = reach.keys().map(|file| group(file)).collect();
    groups.into_iter().filter(|group| !group.is_empty()).collect()
}

fn reachable<'a>(edges: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut rest: Vec<&str> = edges[from].iter().copied().collect();
    while let Some(file) = rest.pop() {
        if found.insert(file) {
            rest.extend(&edges[file]);
        }
    }
    found
}

impl<'a> Files<'a> {
    fn new(sources: &'a [Source]) -> Files<'a> {
        let by_module = sources.iter().map(|source| (source.module(), source)).collect();
        let mut files = Files {
            by_module,
            imported: BTreeMap::new(),
        };
        for source in sources {
            let module = source.module();
            for path in source.imports() {
                if let (Some(name), Some(meant)) = (path.rsplit("::").next(), files.absolute(&module, &path))
                {
                    files.imported.insert((module.clone(), name.to_owned()), meant);
                }
            }
        }
        files
    }

    /// The files that a file names, itself and those of the modules around it apart.
    fn named(&self, module: &Module, source: &Source) -> BTreeSet<&'a str> {
        let paths = source.paths();
        let resolved = paths.iter().filter_map(|path| {
            let named = self.file_of(self.absolute(module, path)?, 0)?;
            (!module.starts_with(&named)).then(|| self.by_module[&named].name.as_str())
        });
        resolved.collect()
    }

    /// A path as it is seen from a module, from the crate's root; `None` where it leads out of the crate.
    fn absolute(&self, module: &Module, path: &str) -> Option<Module> {
        let mut words = path
            .split("::")
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .peekable();
        let mut base = module.clone();
        match words.peek()?.as_str() {
            "crate" | "smokescreen" => {
                words.next();
                base.clear();
            }
            "self" => drop(words.next()),
            "super" => {
                while words.next_if(|word| word == "super").is_some() {
                    base.pop();
                }
            }
            child => {
                base.push(child.to_owned());
                self.by_module.get(&base)?;
                base.pop();
            }
        }
        base.extend(words.filter(|word| word != "self"));
        Some(base)
    }

    /// The module whose file defines what a path names.
    fn file_of(&self, path: Module, depth: usize) -> Option<Module> {
        const REEXPORTS_MAX: usize = 8;
        let length = (1..=path.len())
            .rev()
            .find(|length| self.by_module.contains_key(&path[..*length]))?;
        let (module, rest) = path.split_at(length);
        let meant = rest
            .first()
            .and_then(|name| self.imported.get(&(module.to_vec(), name.clone())));
        match meant {
            Some(meant) if depth < REEXPORTS_MAX => {
                let further = meant.iter().chain(&rest[1..]).cloned().collect();
                self.file_of(further, depth + 1)
            }
            _ => Some(module.to_vec()),
        }
    }
}

/// A check that cannot fail is none.
#[test]
fn planted_circles_are_found() {
    let found = |files: &[(&str, &str)]| -> Vec<Vec<String>> {
        let sources: Vec<Source> = files.iter().map(|(name, text)| Source::new(name, text)).collect();
        let circles = circles(&sources).into_iter();
        circles
            .map(|circle| circle.into_iter().map(str::to_owned).collect())
            .collect()
    };
    let [a, b, c] = ["src/room/a.rs", "src/room/b.rs", "src/room/c.rs"];
    let room = (
        "src/room/mod.rs",
        "mod a; mod b; mod c; pub use self::b::B; pub struct R;",
    );
    for (text_a, text_b) in [
        ("use super::b::B;", "use super::a::{self, A};"),
        ("use crate::room::{R, b};", "fn f() { super::a::f() }"),
        ("use super::B;", "use crate::room::a;"),
    ] {
        assert_eq!(
            found(&[room, (a, text_a), (b, text_b)]),
            [[a, b]],
            "{text_a} {text_b}"
        );
    }
    let long = [
        (a, "use super::b;"),
        (b, "use super::c::C;"),
        (c, "use super::a;"),
    ];
    assert_eq!(found(&[&[room], &long[..]].concat()), [[a, b, c]]);
    let upwards = [
        (a, "use super::R;"),
        (b, "use super::a::A;"),
        (c, "use super::{R, B};"),
    ];
    assert!(found(&[&[room], &upwards[..]].concat()).is_empty());
    let tests = "#[cfg(test)] mod tests { use super::super::a; }";
    assert!(found(&[room, (a, "use super::b;"), (b, tests)]).is_empty());
}
