//! The configuration file: which YAML keys are options, and what shape their values have. Reading YAML itself is the
//! business of `yaml`; what a value means is asked later.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use crate::text::one_line;
use crate::yaml::{self, Key, Limits, Node, Position, Shape};

use super::error::{ConfigError, quoted};
use super::nearest::{self, Place};
use super::options::{OptionRow, options};
use super::source::{Source, Written};
use super::values::Kind;

/// Largest configuration file, in bytes.
const FILE_BYTES_MAX: usize = 1 << 20;

/// How much of one is taken on. Deepest are a list in `tls`, and an entry of `roles_by_source`.
const LIMITS: Limits = Limits {
    bytes_max: FILE_BYTES_MAX,
    depth_max: 3,
    nodes_max: 1 << 18,
};

/// What a file says.
#[derive(Default, Debug)]
pub(super) struct FileContent {
    /// The values, in the file's order.
    pub(super) written: Vec<Written>,
    /// Where the mapping `tls` stands, even if it is empty: it asks for TLS.
    pub(super) tls_at: Option<String>,
}

/// Reads the file. `source` is where its name was given.
pub(super) fn read(path: &str, source: &Source) -> Result<FileContent, ConfigError> {
    let refuse = |why: String| ConfigError::at(source, format!("cannot read {}: {why}", quoted(path)));
    let file = File::open(path).map_err(|error| refuse(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| refuse(error.to_string()))?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(refuse(format!("it is larger than {FILE_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8 text".to_owned()))?;
    parse(path, &text)
}

/// Understands the text of the file called `name`.
pub(super) fn parse(name: &str, text: &str) -> Result<FileContent, ConfigError> {
    let reading = Reading {
        name: Arc::from(one_line::without_controls(name)),
    };
    let document = yaml::parse(text, LIMITS).map_err(|error| reading.error(error.at, &error.message))?;
    let mut content = FileContent::default();
    for (key, value) in document.entries() {
        reading.top_level(key, value, &mut content)?;
    }
    Ok(content)
}

/// The file being read, for messages.
struct Reading {
    name: Arc<str>,
}

impl Reading {
    fn error(&self, at: Position, words: &str) -> ConfigError {
        ConfigError::new(format!("{}: {at}: {words}", self.name))
    }

    fn top_level(&self, key: Key<'_>, value: Node<'_>, content: &mut FileContent) -> Result<(), ConfigError> {
        if key.text != "tls" {
            return self.option("", key, value, content);
        }
        content.tls_at = Some(format!("{}: {}: tls", self.name, key.at));
        let Shape::Mapping(inner) = value.shape() else {
            return Err(self.error(value.at(), "tls: a mapping is expected"));
        };
        for (key, value) in inner {
            self.option("tls.", key, value, content)?;
        }
        Ok(())
    }

    /// One key of the document, or of the mapping that `mapping` names (with the dot the table puts behind it).
    fn option(
        &self,
        mapping: &str,
        key: Key<'_>,
        value: Node<'_>,
        content: &mut FileContent,
    ) -> Result<(), ConfigError> {
        let name = format!("{mapping}{}", key.text);
        let known = options().find(|row| row.has_key() && row.key() == name);
        let Some(row) = known.filter(|_| !key.text.contains('.')) else {
            let hint = nearest::hint(Place::File, &name).map_or(String::new(), |hint| format!(": {hint}"));
            return Err(self.error(key.at, &format!("unknown key {}{hint}", quoted(&name))));
        };
        content.written.extend(self.values(row, value)?);
        Ok(())
    }

    /// The values of one key: a scalar, a list where the option is repeatable or has roles, either for ports.
    fn values(&self, row: &'static OptionRow, node: Node<'_>) -> Result<Vec<Written>, ConfigError> {
        let wrong =
            |expected: &str| Err(self.error(node.at(), &format!("{}: {expected} is expected", row.key())));
        match node.shape() {
            _ if node.is_null() => wrong("a value"),
            Shape::Scalar { text, .. } if !row.repeatable && row.kind != Kind::SourceRoles => {
                Ok(vec![self.written(row, node.at(), text.to_owned())])
            }
            Shape::List(items) if row.repeatable => items.map(|item| self.item(row, item)).collect(),
            Shape::List(items) if row.kind == Kind::SourceRoles => {
                items.map(|item| self.source_role(row, item)).collect()
            }
            Shape::List(items) if row.kind == Kind::Ports => {
                let ports: Result<Vec<_>, _> = items.map(|item| self.item(row, item)).collect();
                let texts: Vec<String> = ports?.into_iter().map(|port| port.text).collect();
                Ok(vec![self.written(row, node.at(), texts.join(","))])
            }
            _ if row.repeatable => wrong("a list"),
            _ if row.kind == Kind::SourceRoles => wrong("a list of {cidr: CIDR, role: ROLE}"),
            _ => wrong("a single value"),
        }
    }

    fn item(&self, row: &'static OptionRow, item: Node<'_>) -> Result<Written, ConfigError> {
        match item.shape() {
            Shape::Scalar { text, .. } if !item.is_null() => {
                Ok(self.written(row, item.at(), text.to_owned()))
            }
            _ => Err(self.error(
                item.at(),
                &format!("{}: a list of single values is expected", row.key()),
            )),
        }
    }

    /// `{cidr: CIDR, role: ROLE}` as the text that its kind reads.
    fn source_role(&self, row: &'static OptionRow, item: Node<'_>) -> Result<Written, ConfigError> {
        let wrong = |at, words: &str| Err(self.error(at, &format!("{}: {words}", row.key())));
        let Shape::Mapping(entries) = item.shape() else {
            return wrong(item.at(), "{cidr: CIDR, role: ROLE} is expected");
        };
        let (mut cidr, mut role) = (None, None);
        for (key, value) in entries {
            let place = match key.text {
                "cidr" => &mut cidr,
                "role" => &mut role,
                other => {
                    let words = format!("unknown key {}; accepted are cidr and role", quoted(other));
                    return wrong(key.at, &words);
                }
            };
            match value.shape() {
                Shape::Scalar { text, .. } if !value.is_null() => *place = Some(text),
                _ => return wrong(value.at(), &format!("{}: a single value is expected", key.text)),
            }
        }
        match (cidr, role) {
            (Some(cidr), Some(role)) => Ok(self.written(row, item.at(), format!("{cidr}: {role}"))),
            (None, _) => wrong(item.at(), "cidr is missing"),
            (_, None) => wrong(item.at(), "role is missing"),
        }
    }

    fn written(&self, row: &'static OptionRow, at: Position, text: String) -> Written {
        Written {
            row,
            text,
            source: Source::File {
                file: Arc::clone(&self.name),
                at,
                row,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        let content = parse("f.yaml", text).unwrap();
        content
            .written
            .into_iter()
            .map(|written| format!("{} = {}", written.source, written.text))
            .collect()
    }

    fn error(text: &str) -> String {
        parse("f.yaml", text).unwrap_err().to_string()
    }

    #[test]
    fn scalars_lists_and_mappings_with_their_places() {
        let text = "# a comment\nip: 127.0.0.1\ndeny_ranges:\n- 10.0.0.0/8\n- '::/0'\nacl_file: \"a b\"\n\
                    tls: {cert_file: c.pem, crl_files: [a.crl]}\nroles_by_source:\n- {cidr: 10.0.0.0/8, role: web}\n\
                    sni_ports: [443, 8443]\n";
        assert_eq!(
            values(text),
            [
                "f.yaml: line 2, column 5: ip = 127.0.0.1",
                "f.yaml: line 4, column 3: deny_ranges = 10.0.0.0/8",
                "f.yaml: line 5, column 3: deny_ranges = ::/0",
                "f.yaml: line 6, column 11: acl_file = a b",
                "f.yaml: line 7, column 18: tls.cert_file = c.pem",
                "f.yaml: line 7, column 37: tls.crl_files = a.crl",
                "f.yaml: line 9, column 3: roles_by_source = 10.0.0.0/8: web",
                "f.yaml: line 10, column 12: sni_ports = 443,8443",
            ]
        );
    }

    #[test]
    fn an_empty_file_says_nothing() {
        for text in [
            "",
            "# nothing\n",
            "---\n",
            "{}\n",
            "deny_ranges: []\n",
            "\u{feff}",
        ] {
            assert!(values(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn an_empty_tls_mapping_is_remembered() {
        let content = parse("f.yaml", "ip: '::'\ntls: {}\n").unwrap();
        assert_eq!(content.tls_at.as_deref(), Some("f.yaml: line 2, column 1: tls"));
    }

    #[test]
    fn keys_that_are_no_option_are_refused() {
        for (text, words) in [
            (
                "ip: a\n\nno_such_key: 1\n",
                "f.yaml: line 3, column 1: unknown key \"no_such_key\"",
            ),
            (
                "tls: {certfile: a}\n",
                "f.yaml: line 1, column 7: unknown key \"tls.certfile\"",
            ),
            ("tls.cert_file: a\n", "unknown key \"tls.cert_file\""),
            (
                "tls_server_bundle_file: a\n",
                "unknown key \"tls_server_bundle_file\"",
            ),
            ("listen_port: 1\n", "unknown key \"listen_port\""),
            ("config_file: a\n", "unknown key \"config_file\""),
            ("help: true\n", "unknown key \"help\""),
            ("'': true\n", "unknown key \"\""),
            ("<<: {ip: a}\n", "unknown key \"<<\""),
        ] {
            let error = error(text);
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn wrong_shapes_are_refused() {
        for (text, words) in [
            (
                "port: [1]\n",
                "line 1, column 7: port: a single value is expected",
            ),
            ("port: {a: 1}\n", "port: a single value is expected"),
            ("port:\n", "port: a value is expected"),
            ("port: ~\n", "port: a value is expected"),
            ("deny_ranges: 10.0.0.0/8\n", "deny_ranges: a list is expected"),
            ("deny_ranges: {a: b}\n", "deny_ranges: a list is expected"),
            (
                "deny_ranges: [[a]]\n",
                "deny_ranges: a list of single values is expected",
            ),
            (
                "deny_ranges: [~]\n",
                "deny_ranges: a list of single values is expected",
            ),
            ("tls: yes\n", "tls: a mapping is expected"),
            ("tls:\n", "tls: a mapping is expected"),
            (
                "roles_by_source: [a]\n",
                "column 19: roles_by_source: {cidr: CIDR, role: ROLE} is expected",
            ),
            (
                "roles_by_source: {10.0.0.0/8: a}\n",
                "roles_by_source: a list of {cidr: CIDR, role: ROLE} is expected",
            ),
            (
                "roles_by_source: [{cidr: 10.0.0.0/8, role: }]\n",
                "roles_by_source: role: a single value is expected",
            ),
            (
                "roles_by_source: [{cidr: 10.0.0.0/8}]\n",
                "column 19: roles_by_source: role is missing",
            ),
            (
                "roles_by_source: [{role: a}]\n",
                "roles_by_source: cidr is missing",
            ),
            (
                "roles_by_source: [{cidr: 10.0.0.0/8, rule: a}]\n",
                "column 38: roles_by_source: unknown key \"rule\"; accepted are cidr and role",
            ),
            ("sni_ports: {443: 1}\n", "sni_ports: a single value is expected"),
            ("- a\n- b\n", "the file must be a mapping"),
            ("just text\n", "the file must be a mapping"),
            ("a: [[[[1]]]]\n", "nested too deeply"),
        ] {
            let error = error(text);
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }

    #[test]
    fn the_name_of_the_file_cannot_break_the_line() {
        let error = parse("a\nb.yaml", "x: 1\n").unwrap_err().to_string();
        assert!(error.starts_with("a\\nb.yaml: line 1"), "{error}");
    }

    #[test]
    fn huge_files_and_directories_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let source = Source::Flag(super::super::options::option("config-file").unwrap());
        let huge = directory.path().join("huge.yaml");
        std::fs::write(&huge, "#".repeat((1 << 20) + 1)).unwrap();
        let error = read(huge.to_str().unwrap(), &source).unwrap_err().to_string();
        assert!(
            error.contains("huge.yaml") && error.contains("larger than"),
            "{error}"
        );
        let error = read(directory.path().to_str().unwrap(), &source)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("--config-file: cannot read"), "{error}");
        let binary = directory.path().join("binary.yaml");
        std::fs::write(&binary, [0xff, 0xfe]).unwrap();
        assert!(
            read(binary.to_str().unwrap(), &source)
                .unwrap_err()
                .to_string()
                .contains("UTF-8")
        );
    }
}
