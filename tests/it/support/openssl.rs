//! An authority made with the openssl program, for what people make with it: keys in all their formats, certificates that
//! no library of today would issue.

use std::path::PathBuf;
use std::process::Command;

use super::program::{self, Finished};

/// A folder with `ca.pem` and `ca.key` in it.
pub(crate) struct OpenSsl {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl OpenSsl {
    /// A new authority, or why there is none.
    pub(crate) fn new() -> Result<OpenSsl, String> {
        let openssl = OpenSsl {
            program: program::find("openssl")?,
            folder: tempfile::tempdir().expect("a folder"),
        };
        openssl.make(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=Root -keyout ca.key -out ca.pem",
        );
        Ok(openssl)
    }

    /// The program, in the folder.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments.split(' ')).current_dir(self.folder.path());
        command
    }

    /// Runs the program; it must succeed.
    #[track_caller]
    pub(crate) fn make(&self, arguments: &str) -> Finished {
        let finished = program::run(&mut self.command(arguments));
        assert_eq!(finished.code, Some(0), "openssl {arguments}: {finished:?}");
        finished
    }

    /// Signs a certificate for the key in `NAME.key`, as `NAME.pem`, with these lines of extensions; without any if there
    /// are none.
    #[track_caller]
    pub(crate) fn issue(&self, name: &str, common_name: &str, extensions: &str) {
        self.make(&format!(
            "req -new -key {name}.key -subj /CN={common_name} -out {name}.csr"
        ));
        let mut sign = format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out {name}.pem"
        );
        if !extensions.is_empty() {
            std::fs::write(self.folder.path().join("extensions"), extensions).expect("a file");
            sign.push_str(" -extfile extensions");
        }
        self.make(&sign);
    }

    /// Makes a list of this number, as a file, with these lines of extensions, in sections as a configuration has them.
    #[track_caller]
    pub(crate) fn revoke(&self, serial: u8, digest: &str, extensions: &str) -> String {
        self.write(
            "index",
            &format!("R\t400101000000Z\t200101000000Z\t{serial:02X}\tunknown\t/CN=gone\n"),
        );
        // A list without any extensions is of version 1.
        let named = match extensions.is_empty() {
            true => "",
            false => "crl_extensions = extensions\n",
        };
        self.write(
            "lists",
            &format!(
                "[ca]\ndefault_ca = here\n[here]\ndatabase = index\ndefault_crl_days = 30\n{named}[extensions]\n{extensions}"
            ),
        );
        self.make(&format!(
            "ca -config lists -gencrl -md {digest} -cert ca.pem -keyfile ca.key -out list.pem"
        ));
        self.read("list.pem")
    }

    /// What is in a file.
    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).expect(name)
    }

    /// Where a file is.
    pub(crate) fn path(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        path.to_str().expect("a plain path").to_owned()
    }

    /// Writes a file, and says where.
    pub(crate) fn write(&self, name: &str, content: &str) -> String {
        std::fs::write(self.folder.path().join(name), content).expect("a file");
        self.path(name)
    }
}
