//! `PROXY_PASSWORD` and `PROXY_PASSWORD_FILE`: the one secret that is no option, so that it never shows in a process
//! list. Comparing it with what a client sends is `policy/auth`'s.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::policy::auth::Password;

use super::environment::{Environment, variable};
use super::error::{ConfigError, quoted};
use super::row::{PASSWORD, PASSWORD_FILE};

/// Longest password, in bytes; a head with a longer one would hardly pass.
const PASSWORD_BYTES_MAX: usize = 4096;

/// The file that holds the password. It may be read again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PasswordFile(PathBuf);

impl PasswordFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The password in what was opened there: its text, without one line end.
    ///
    /// # Errors
    /// Of reading, and for what is empty, too long or no text; the content is never repeated.
    pub fn password_in(&self, source: impl Read) -> Result<Password, ConfigError> {
        // Room for all of it at once: a buffer that grows would leave copies behind.
        let limit = PASSWORD_BYTES_MAX + 3;
        let mut content = Zeroizing::new(String::with_capacity(limit + 1));
        source
            .take(limit as u64)
            .read_to_string(&mut content)
            .map_err(|error| self.refusal(&error))?;
        let line = content
            .strip_suffix('\n')
            .map_or(content.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        bounded(PASSWORD_FILE, line)?;
        Password::new(line).ok_or_else(|| self.refusal(&"it is empty"))
    }

    /// That it can't be used, and why.
    pub fn refusal(&self, why: &dyn fmt::Display) -> ConfigError {
        let path = quoted(&self.0.to_string_lossy());
        ConfigError::new(format!("{PASSWORD_FILE}: cannot use {path}: {why}"))
    }
}

/// The password, if one is set, and its file. A variable that is set but empty counts as not set; an empty file does
/// not: whoever names a file means to have a password.
pub(super) fn read(
    environment: &Environment,
) -> Result<(Option<Password>, Option<PasswordFile>), ConfigError> {
    let direct = variable(environment, PASSWORD)?.map(Zeroizing::new);
    let file = variable(environment, PASSWORD_FILE)?.map(|path| PasswordFile(path.into()));
    match (direct, file) {
        (Some(_), Some(_)) => Err(ConfigError::new(format!(
            "{PASSWORD} and {PASSWORD_FILE} are both set: set only one"
        ))),
        (Some(mut password), None) => {
            bounded(PASSWORD, &password)?;
            // Moved out, not copied.
            Ok((Password::new(std::mem::take(&mut *password)), None))
        }
        (None, Some(file)) => {
            let source = File::open(file.path()).map_err(|error| file.refusal(&error))?;
            Ok((Some(file.password_in(source)?), Some(file)))
        }
        (None, None) => Ok((None, None)),
    }
}

fn bounded(name: &str, password: &str) -> Result<(), ConfigError> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(ConfigError::new(format!(
            "{name}: the password is longer than {PASSWORD_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(variables: &[(&str, &str)]) -> Result<Option<Password>, String> {
        let pairs = variables.iter().map(|(name, value)| (name.into(), value.into()));
        read(&pairs.collect())
            .map(|(password, _)| password)
            .map_err(|error| error.to_string())
    }

    fn from_content(content: &[u8]) -> Result<Option<Password>, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pw");
        std::fs::write(&path, content).unwrap();
        password(&[(PASSWORD_FILE, path.to_str().unwrap()), (PASSWORD, "")])
    }

    #[test]
    fn set_empty_and_missing() {
        assert_eq!(password(&[(PASSWORD, "s3cret ")]), Ok(Password::new("s3cret ")));
        assert_eq!(password(&[(PASSWORD, "")]), Ok(None));
        assert_eq!(password(&[]), Ok(None));
        assert!(
            password(&[(PASSWORD, "a"), (PASSWORD_FILE, "b")])
                .unwrap_err()
                .contains("set only one")
        );
        assert!(
            password(&[(PASSWORD, &"x".repeat(5000))])
                .unwrap_err()
                .contains("longer than")
        );
    }

    #[test]
    fn one_trailing_newline_of_the_file_is_stripped() {
        for (content, expected) in [
            (&b"s3cret"[..], "s3cret"),
            (b"s3cret\n", "s3cret"),
            (b"s3cret\r\n", "s3cret"),
            (b"s3cret\n\n", "s3cret\n"),
            (b" s3cret \n", " s3cret "),
        ] {
            assert_eq!(from_content(content), Ok(Password::new(expected)));
        }
        assert_eq!(from_content(&[b'x'; 4096]), Ok(Password::new([b'x'; 4096])));
    }

    #[test]
    fn a_file_that_holds_no_password_is_an_error() {
        for content in [&b""[..], b"\n", b"\r\n", b"\xff", &[b'x'; 4097], &[b'x'; 1 << 20]] {
            assert!(
                from_content(content)
                    .unwrap_err()
                    .starts_with("PROXY_PASSWORD_FILE: ")
            );
        }
        let error = password(&[(PASSWORD_FILE, "/nonexistent/pw")]).unwrap_err();
        assert!(error.contains("/nonexistent/pw"), "{error}");
    }

    #[test]
    fn it_does_not_show_in_debug_output() {
        let environment = [(PASSWORD.into(), "s3cret".into())].into_iter().collect();
        let password = read(&environment).unwrap();
        assert!(!format!("{password:?}").contains("s3cret"));
    }
}
