//! Other people's programs: is it there, run it with a limit, what did it say.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use super::eventually;

/// What a finished program left.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) stdout: Vec<u8>,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Finished {
    /// Standard output as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Finds a program on the path, or says that it is missing.
pub(crate) fn find(name: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    found.ok_or_else(|| format!("no {name}"))
}

/// Runs a command to its end, with no input; panics when it doesn't end.
pub(crate) fn run(command: &mut Command) -> Finished {
    finish(spawn(command))
}

/// Runs a command to its end, with the input that it was given; panics when it doesn't end.
pub(crate) fn run_with_its_input(command: &mut Command) -> Finished {
    finish(start(command))
}

fn finish(mut child: Child) -> Finished {
    let stdout = gather(child.stdout.take());
    let stderr = gather(child.stderr.take());
    let status = wait(&mut child);
    let stderr = String::from_utf8_lossy(&stderr.join().expect("its errors")).into_owned();
    Finished {
        code: status.code(),
        stdout: stdout.join().expect("its output"),
        stderr,
    }
}

/// Runs a command to its end with this input; panics when it doesn't end.
pub(crate) fn run_fed(command: &mut Command, input: &str) -> Finished {
    let mut child = start(command.stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().expect("its input");
    // One that ends early reads no more.
    let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
    drop(stdin);
    finish(child)
}

/// Starts a command with pipes.
pub(crate) fn spawn(command: &mut Command) -> Child {
    start(command.stdin(Stdio::null()))
}

fn start(command: &mut Command) -> Child {
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    piped
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Waits for a child's end; kills it and panics when that doesn't come.
pub(crate) fn wait(child: &mut Child) -> std::process::ExitStatus {
    struct Reaper<'a>(&'a mut Child);
    impl Drop for Reaper<'_> {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let reaper = Reaper(child);
    eventually("a program to end", || reaper.0.try_wait().expect("its status"))
}

fn gather(pipe: Option<impl std::io::Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = std::io::Read::read_to_end(&mut pipe, &mut bytes);
        }
        bytes
    })
}

/// HAProxy with this configuration, which is kept in a folder for as long as it runs, beside what it says (`said`).
pub(crate) fn haproxy(program: &Path, configuration: &str) -> (Running, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("haproxy.cfg");
    std::fs::write(&file, configuration).expect("a file");
    let said = std::fs::File::create(folder.path().join("said")).expect("a file");
    let mut command = Command::new(program);
    command
        .arg("-db")
        .arg("-f")
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said);
    (Running(command.spawn().expect("haproxy")), folder)
}

/// A program that runs beside a case and ends with it.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
