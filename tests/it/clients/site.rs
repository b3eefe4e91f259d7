//! The origin of the client matrix: files, a git repository and a Debian package over HTTP and HTTPS, a WebSocket.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::PUBLIC;
use crate::support::program::{self, Running};

/// What a client finds there, by whatever way.
pub(super) const HELLO: &str = "hello from outside";
/// The origin's name.
pub(super) const NAME: &str = "clients.test";

/// A running origin.
pub(super) struct Site {
    /// The port for HTTP and ws.
    pub(super) plain: u16,
    /// The port for HTTPS and wss.
    pub(super) tls: u16,
    _server: Running,
    folder: tempfile::TempDir,
}

impl Site {
    /// Starts one on the public address, with a certificate of its own making.
    pub(super) fn start() -> Result<Site, String> {
        let (python, openssl) = (program::find("python3")?, program::find("openssl")?);
        let folder = tempfile::tempdir().expect("a folder");
        let (files, certificate, key) = (
            folder.path().join("files"),
            folder.path().join("certificate.pem"),
            folder.path().join("key.pem"),
        );
        std::fs::create_dir(&files).expect("a folder");
        std::fs::write(files.join("hello.txt"), HELLO).expect("a file");
        done(
            Command::new(openssl)
                .args([
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                ])
                .args(["-days", "2", "-subj", &format!("/CN={NAME}")])
                .args(["-addext", &format!("subjectAltName=DNS:{NAME},IP:{PUBLIC}")])
                .arg("-keyout")
                .arg(&key)
                .arg("-out")
                .arg(&certificate),
        );
        let mut command = Command::new(python);
        command
            .arg(script("origin.py"))
            .arg(PUBLIC)
            .args([&files, &certificate, &key]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut server = Running(command.spawn().expect("the origin"));
        let mut ports = String::new();
        BufReader::new(server.0.stdout.take().expect("its output"))
            .read_line(&mut ports)
            .expect("a line");
        let (plain, tls) = ports.trim().split_once(' ').expect("two ports");
        let (plain, tls) = (plain.parse().expect("a port"), tls.parse().expect("a port"));
        Ok(Site {
            plain,
            tls,
            _server: server,
            folder,
        })
    }

    /// Its certificate, which is its own authority.
    pub(super) fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// The URL of a path under a name.
    pub(super) fn url(&self, scheme: &str, name: &str, path: &str) -> String {
        let port = if matches!(scheme, "https" | "wss") {
            self.tls
        } else {
            self.plain
        };
        format!("{scheme}://{name}:{port}{path}")
    }

    fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// Puts a git repository with one file there, at `/repository.git`.
    pub(super) fn add_repository(&self) -> Result<(), String> {
        let git = program::find("git")?;
        let (work, bare) = (
            self.folder.path().join("work"),
            self.files().join("repository.git"),
        );
        std::fs::create_dir(&work).expect("a folder");
        std::fs::write(work.join("hello.txt"), HELLO).expect("a file");
        let author = ["-c", "user.name=a", "-c", "user.email=a@test"];
        let git = |arguments: &[&str]| {
            done(
                Command::new(&git)
                    .env("HOME", self.folder.path())
                    .env("GIT_CONFIG_NOSYSTEM", "1")
                    .current_dir(&work)
                    .args(author)
                    .args(arguments),
            );
        };
        let bare = bare.to_str().expect("a plain path");
        git(&["init", "-q"]);
        git(&["add", "."]);
        git(&["commit", "-q", "-m", "hello"]);
        git(&["clone", "-q", "--bare", ".", bare]);
        // Makes it readable through plain files.
        git(&["--git-dir", bare, "update-server-info"]);
        Ok(())
    }

    /// Puts a package repository with one package, `hello-outside`, there, at `/apt`.
    pub(super) fn add_packages(&self) -> Result<(), String> {
        let (builder, hasher) = (program::find("dpkg-deb")?, program::find("sha256sum")?);
        let (tree, apt) = (self.folder.path().join("tree"), self.files().join("apt"));
        std::fs::create_dir_all(tree.join("DEBIAN")).expect("a folder");
        std::fs::create_dir(&apt).expect("a folder");
        let control = format!(
            "Package: hello-outside\nVersion: 1.0\nArchitecture: all\nMaintainer: a <a@test>\nDescription: {HELLO}\n"
        );
        std::fs::write(tree.join("DEBIAN/control"), &control).expect("a file");
        let package = apt.join("hello.deb");
        done(
            Command::new(builder)
                .args(["--root-owner-group", "--build"])
                .arg(&tree)
                .arg(&package),
        );
        let hash = done(Command::new(hasher).arg(&package));
        let hash = hash.split(' ').next().unwrap_or_default();
        let size = std::fs::metadata(&package).expect("the package").len();
        let index = format!("{control}Filename: ./hello.deb\nSize: {size}\nSHA256: {hash}\n");
        std::fs::write(apt.join("Packages"), index).expect("a file");
        Ok(())
    }

    /// Puts an index of Python packages with one in it, `hello-outside`, at `/simple`.
    pub(super) fn add_wheel(&self) -> Result<(), String> {
        let folder = self.files().join("simple/hello-outside");
        std::fs::create_dir_all(&folder).expect("a folder");
        let make = "import sys, zipfile\n\
                    with zipfile.ZipFile(sys.argv[1], 'w') as wheel:\n    \
                    for name, text in zip(sys.argv[2::2], sys.argv[3::2]):\n        \
                    wheel.writestr('hello_outside-1.0.dist-info/' + name, text)\n";
        done(
            Command::new(program::find("python3")?)
                .args(["-c", make])
                .arg(folder.join("hello_outside-1.0-py3-none-any.whl"))
                .args([
                    "METADATA",
                    "Metadata-Version: 2.1\nName: hello-outside\nVersion: 1.0\n",
                ])
                .args([
                    "WHEEL",
                    "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
                ])
                .args(["RECORD", ""]),
        );
        Ok(())
    }

    /// Puts a registry of Node packages with one in it, `hello-outside`, at `/npm`.
    pub(super) fn add_npm_package(&self) {
        let folder = self.files().join("npm");
        std::fs::create_dir(&folder).expect("a folder");
        let version =
            format!("{{\"name\": \"hello-outside\", \"version\": \"1.0.0\", \"description\": \"{HELLO}\"}}");
        let package = format!(
            "{{\"name\": \"hello-outside\", \"dist-tags\": {{\"latest\": \"1.0.0\"}}, \"versions\": {{\"1.0.0\": {version}}}}}"
        );
        std::fs::write(folder.join("hello-outside"), package).expect("a file");
    }
}

/// A file of `tests/clients`.
pub(super) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(name)
}

/// Runs a command that must succeed.
fn done(command: &mut Command) -> String {
    let finished = program::run(command);
    assert_eq!(finished.code, Some(0), "{command:?}: {finished:?}");
    finished.text()
}
