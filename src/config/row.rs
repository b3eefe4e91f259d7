//! The shape of the option table's rows, and the names derived from them. The rows themselves are in `table`, what
//! type a row's value has is said in `typed`.
//!
//! One row drives the flag, the environment variable, the YAML key, `--help` and `--print-config`: a spelling,
//! default or limit that is written here once cannot disagree with itself.

use super::values::Kind;

/// What the environment names of all options begin with.
pub const ENVIRONMENT_PREFIX: &str = "SMOKESCREEN_";

/// The variable that holds the password, which is no option, so that it never shows in a list of processes.
pub(super) const PASSWORD: &str = "PROXY_PASSWORD";
/// The variable that names the file it is in.
pub(super) const PASSWORD_FILE: &str = "PROXY_PASSWORD_FILE";

/// Options that belong together, under a heading of `--help`.
#[derive(Debug)]
pub struct Group {
    /// The heading.
    pub title: &'static str,
    /// The options, in the order in which they are listed.
    pub rows: &'static [OptionRow],
}

/// Where an option may be given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Places {
    /// As a flag, in the environment and in the file.
    Everywhere,
    /// As a flag only: it asks for a text instead of a proxy.
    FlagOnly,
    /// As a flag and in the environment: it names the file.
    NotInFile,
    /// In the file only.
    FileOnly,
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct OptionRow {
    /// The flag without dashes; empty where [`Places::FileOnly`].
    pub flag: &'static str,
    /// The one-letter flag, or empty.
    pub short: &'static str,
    /// The YAML key where it is not derived from the flag; `tls.x` is key `x` of the mapping `tls`.
    pub(super) yaml_key: &'static str,
    /// What a value looks like, and its limits.
    pub kind: Kind,
    /// May be given several times; what several places give adds up.
    pub repeatable: bool,
    /// The default in the option's own syntax; empty where there is none.
    pub default: &'static str,
    /// What `--help` says of the default where the value alone would not do.
    pub default_note: &'static str,
    /// The value's name in `--help`.
    pub placeholder: &'static str,
    /// What it does, in one line.
    pub meaning: &'static str,
    /// Where it may be given.
    pub places: Places,
    /// The feature is not built: a value that is given is refused, never ignored.
    pub not_built: bool,
}

impl OptionRow {
    /// A row with a flag, an environment name and a derived key, which nothing else is said of.
    pub(super) const fn new(flag: &'static str, kind: Kind, meaning: &'static str) -> OptionRow {
        OptionRow {
            flag,
            short: "",
            yaml_key: "",
            kind,
            repeatable: false,
            default: "",
            default_note: "",
            placeholder: kind.placeholder(),
            meaning,
            places: Places::Everywhere,
            not_built: false,
        }
    }

    /// What the code calls it: the flag, or the key of a row without one.
    pub fn name(&self) -> &'static str {
        if self.flag.is_empty() {
            self.yaml_key
        } else {
            self.flag
        }
    }

    /// How messages call it: `--flag`, or the key of a row without one.
    pub fn label(&self) -> String {
        if self.flag.is_empty() {
            self.key()
        } else {
            format!("--{}", self.flag)
        }
    }

    /// The YAML key; that of the mapping `tls` as `tls.x`.
    pub fn key(&self) -> String {
        if self.yaml_key.is_empty() {
            self.flag.replace('-', "_")
        } else {
            self.yaml_key.to_owned()
        }
    }

    /// The environment variable's name.
    pub fn environment(&self) -> String {
        format!(
            "{ENVIRONMENT_PREFIX}{}",
            self.flag.to_ascii_uppercase().replace('-', "_")
        )
    }

    /// Is there a flag of this name?
    pub fn has_flag(&self) -> bool {
        self.places != Places::FileOnly
    }

    /// Is the environment asked for it?
    pub fn has_environment(&self) -> bool {
        matches!(self.places, Places::Everywhere | Places::NotInFile)
    }

    /// May the file name it?
    pub fn has_key(&self) -> bool {
        matches!(self.places, Places::Everywhere | Places::FileOnly)
    }
}
