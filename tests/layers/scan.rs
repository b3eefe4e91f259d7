//! A crude reader of Rust sources: drops comments, literals and test modules, and lists the paths and calls that
//! remain. It knows no grammar; it need not, because a file that fools it would have to be written to that end.

/// One source file.
pub(crate) struct Source {
    /// Its path from the repository's root.
    pub(crate) name: String,
    text: String,
    tokens: Vec<String>,
}

impl Source {
    /// Reads a file's text.
    pub(crate) fn new(name: &str, text: &str) -> Source {
        let kept = without_tests(tokens(&without_literals(text)));
        Source {
            name: name.to_owned(),
            text: text.to_owned(),
            tokens: kept,
        }
    }

    /// The top-level module that this file belongs to.
    pub(crate) fn room(&self) -> &str {
        let inside = self.name.strip_prefix("src/").unwrap_or(&self.name);
        inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
    }

    /// Does the whole file consist of tests?
    pub(crate) fn is_test(&self) -> bool {
        self.name.ends_with("tests.rs") || self.name.contains("/tests/")
    }

    /// How many modules deep the file is: `src/a.rs` and `src/a/mod.rs` are 1.
    fn depth(&self) -> usize {
        let inside = self.name.strip_prefix("src/").unwrap_or(&self.name);
        let parts = inside.split('/').count();
        match inside {
            "lib.rs" | "main.rs" => 0,
            _ if inside.ends_with("/mod.rs") => parts - 1,
            _ => parts,
        }
    }

    /// The path of the module that the file is, from the crate's root; `main.rs` counts as one.
    pub(crate) fn module(&self) -> Vec<String> {
        let inside = self.name.strip_prefix("src/").unwrap_or(&self.name);
        let inside = inside.strip_suffix(".rs").unwrap_or(inside);
        let words = inside.split('/').filter(|word| !matches!(*word, "mod" | "lib"));
        words.map(str::to_owned).collect()
    }

    /// The paths of all `use` declarations, with groups written out and new names left out.
    pub(crate) fn imports(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (at, _) in self
            .tokens
            .iter()
            .enumerate()
            .filter(|(_, token)| *token == "use")
        {
            expand(&self.tokens, at + 1, "", &mut found);
        }
        for path in &mut found {
            path.truncate(path.trim_end_matches("::self").len());
        }
        found
    }

    /// Every path in the file, with the groups of `use` written out.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let starts = is_word(&self.tokens[at]) && (at == 0 || self.tokens[at - 1] != "::");
            if starts {
                at = expand(&self.tokens, at, "", &mut found)
            } else {
                at += 1
            }
        }
        found
    }

    /// The paths into this crate, from its root, without the root's name.
    pub(crate) fn crate_paths(&self) -> Vec<String> {
        let up = "super::".repeat(self.depth());
        let roots = [
            "crate::",
            "smokescreen::",
            if up.is_empty() { "crate::" } else { &up },
        ];
        let from_root = |path: &String| {
            let rest = roots.iter().find_map(|root| path.strip_prefix(root))?;
            (!rest.starts_with("super::")).then(|| rest.to_owned())
        };
        self.paths().iter().filter_map(from_root).collect()
    }

    /// How often a call like `.name(`, `::name(` or `name!` occurs.
    pub(crate) fn calls(&self, call: &str) -> usize {
        let wanted = tokens(call);
        self.tokens
            .windows(wanted.len())
            .filter(|window| **window == *wanted)
            .count()
    }

    /// How often a value of this type is made here, rather than named in a signature or an impl.
    pub(crate) fn constructions(&self, name: &str, open: char) -> usize {
        let made = |at: usize| {
            let before = at
                .checked_sub(1)
                .map_or("", |before| self.tokens[before].as_str());
            let before = if before == "::" {
                at.checked_sub(3)
                    .map_or("", |before| self.tokens[before].as_str())
            } else {
                before
            };
            let named = ["struct", "enum", "impl", "for", ">", "&"].contains(&before);
            self.tokens[at] == name
                && !named
                && self.tokens.get(at + 1).is_some_and(|next| next.starts_with(open))
        };
        (0..self.tokens.len()).filter(|at| made(*at)).count()
    }

    /// Lines up to the first test module that stands in the file itself.
    pub(crate) fn lines(&self) -> usize {
        let lines: Vec<&str> = self.text.lines().map(str::trim).collect();
        let has_body = |at: usize| {
            let item = lines[at..].iter().find(|line| !line.starts_with("#["));
            item.is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
        };
        let tests = (0..lines.len()).find(|at| lines[*at] == "#[cfg(test)]" && has_body(*at));
        tests.unwrap_or(lines.len())
    }

    /// Every function before the first test module, with its lines, as rustfmt sets them: it ends with the brace that
    /// stands below its first letter.
    pub(crate) fn functions(&self) -> Vec<(&str, usize)> {
        let lines: Vec<&str> = self.text.lines().take(self.lines()).collect();
        let indent = |line: &str| line.len() - line.trim_start().len();
        let functions = lines.iter().enumerate().filter_map(|(at, line)| {
            let name = function_name(line)?;
            let ends = |line: &&str| indent(line) == indent(lines[at]) && line.ends_with(['}', ';']);
            let length = lines[at..].iter().position(ends)? + 1;
            Some((name, length))
        });
        functions.collect()
    }

    /// All of it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Is the first line a `//!`?
    pub(crate) fn begins_with_documentation(&self) -> bool {
        self.text.starts_with("//!")
    }
}

/// The name of the function that begins on a line.
fn function_name(line: &str) -> Option<&str> {
    let (before, behind) = line.trim_start().split_once("fn ")?;
    let is_qualifier =
        |word: &str| matches!(word, "const" | "async" | "unsafe" | "extern") || word.starts_with("pub");
    let name_end = behind.find(['(', '<'])?;
    let begins = before.split_whitespace().all(is_qualifier);
    begins.then(|| &behind[..name_end])
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Writes out the path that begins at `at`; returns where it ends.
fn expand(tokens: &[String], at: usize, prefix: &str, found: &mut Vec<String>) -> usize {
    let mut path = prefix.to_owned();
    let mut at = at;
    while let Some(word) = tokens.get(at).filter(|token| is_word(token)) {
        path += word;
        at += 1;
        if tokens.get(at).is_none_or(|token| token != "::") {
            break;
        }
        path += "::";
        at += 1;
    }
    if path.ends_with("::") && tokens.get(at).is_some_and(|token| token == "{") {
        return expand_group(tokens, at + 1, &path, found);
    }
    found.push(path.trim_end_matches("::").to_owned());
    at
}

fn expand_group(tokens: &[String], mut at: usize, prefix: &str, found: &mut Vec<String>) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "}" => return at + 1,
            // `x as y`: the new name is no path.
            "as" => at += 2,
            word if is_word(word) => at = expand(tokens, at, prefix, found),
            _ => at += 1,
        }
    }
    at
}

/// Replaces comments, string and character literals by spaces.
fn without_literals(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(&bytes, at);
        if end > at {
            out.push(' ');
            at = end;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `at` itself when none begins there.
fn literal_end(text: &[char], at: usize) -> usize {
    let rest = &text[at..];
    let after_word = at > 0 && (text[at - 1].is_alphanumeric() || text[at - 1] == '_');
    match rest {
        ['/', '/', ..] => at + rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_end(text, at),
        ['"', ..] => string_end(text, at + 1),
        ['r', '"' | '#', ..] if !after_word => raw_end(text, at + 1).unwrap_or(at),
        ['b', 'r', '"' | '#', ..] if !after_word => raw_end(text, at + 2).unwrap_or(at),
        ['\'', '\\', _, tail @ ..] => at + 3 + tail.iter().position(|c| *c == '\'').map_or(0, |end| end + 1),
        ['\'', _, '\'', ..] => at + 3,
        _ => at,
    }
}

fn block_end(text: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < text.len() {
        match &text[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string_end(text: &[char], mut at: usize) -> usize {
    while at < text.len() && text[at] != '"' {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// The end of a raw string whose hashes begin at `at`; `None` for a raw identifier.
fn raw_end(text: &[char], at: usize) -> Option<usize> {
    let hashes = text[at..].iter().take_while(|c| **c == '#').count();
    let open = at + hashes;
    if text.get(open) != Some(&'"') {
        return None;
    }
    let closing = |end: usize| {
        text[end] == '"' && text[end + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    let end = (open + 1..text.len()).find(|end| closing(*end))?;
    Some(end + 1 + hashes)
}

/// Words, `::`, and single characters.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character.is_alphanumeric() || character == '_' {
            let mut word = String::from(character);
            while let Some(next) = characters.next_if(|c| c.is_alphanumeric() || *c == '_') {
                word.push(next);
            }
            found.push(word);
        } else if character == ':' && characters.next_if_eq(&':').is_some() {
            found.push("::".to_owned());
        } else if !character.is_whitespace() {
            found.push(character.to_string());
        }
    }
    found
}

/// Drops every item behind `#[cfg(test)]`, up to its closing brace or semicolon.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().map(String::as_str).take(MARK.len()).eq(MARK) {
            at = item_end(&tokens, at + MARK.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

fn item_end(tokens: &[String], mut at: usize) -> usize {
    let mut depth = 0usize;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
        if depth == 0 && matches!(tokens[at - 1].as_str(), "}" | ";") {
            break;
        }
    }
    at
}
