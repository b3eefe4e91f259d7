//! Three real servers as origins, each with a parser of its own: nginx, Python's http.server, Node's http. Each
//! says what it read: Python and Node on their standard output, nginx by passing it on to a strict recorder.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::reader::Request;
use crate::support::message::answer;
use crate::support::origin::Origin;
use crate::support::program::{self, Running};
use crate::support::wire::{End, Wire};
use crate::support::{PUBLIC_C, eventually};

/// The target of the requests that only ask whether everything was said.
const BARRIER: &[u8] = b"/barrier";

/// What an origin said.
#[derive(Default)]
pub(super) struct Said {
    /// Requests in the order in which they came.
    pub(super) requests: Vec<Request>,
    /// What its parser objected to.
    pub(super) complaints: Vec<String>,
    barriers: usize,
}

impl Said {
    fn request(&mut self, request: Request) {
        if request.target == BARRIER {
            self.barriers += 1;
        } else {
            self.requests.push(request);
        }
    }
}

/// A running server.
pub(super) struct Server {
    /// `host:port`; fixed, so that a case's bytes depend on its number alone.
    pub(super) authority: String,
    said: Arc<Mutex<Said>>,
    _running: Running,
    _recorder: Option<Origin>,
    folder: tempfile::TempDir,
}

fn lock(said: &Mutex<Said>) -> MutexGuard<'_, Said> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// nginx, as its package has it, in front of a recorder.
    pub(super) fn nginx() -> Result<Server, String> {
        // It lives where only root's path may lead.
        let program = program::find("nginx").or_else(|missing| {
            let usual = Path::new("/usr/sbin/nginx");
            usual.exists().then(|| usual.to_owned()).ok_or(missing)
        })?;
        let authority = format!("{PUBLIC_C}:8101");
        let said = Arc::<Mutex<Said>>::default();
        let recorder = recorder(Arc::clone(&said));
        let folder = tempfile::tempdir().expect("a folder");
        let configuration = include_str!("nginx.conf")
            .replace("LISTEN", &authority)
            .replace("RECORDER", &recorder.authority());
        std::fs::write(folder.path().join("nginx.conf"), configuration).expect("a file");
        let mut command = Command::new(program);
        command
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "error.log"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let running = Running(command.spawn().expect("nginx"));
        Ok(Server::ready(authority, said, running, Some(recorder), folder))
    }

    /// Python's http.server.
    pub(super) fn python() -> Result<Server, String> {
        Server::script("python3", "origin.py", 8222)
    }

    /// Node's http.
    pub(super) fn node() -> Result<Server, String> {
        Server::script("node", "origin.js", 8343)
    }

    fn script(program: &str, script: &str, port: u16) -> Result<Server, String> {
        let program = program::find(program)?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/it/smuggling_origins")
            .join(script);
        let mut command = Command::new(program);
        command.arg(path).arg(PUBLIC_C).arg(port.to_string());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut running = Running(command.spawn().expect("a server"));
        let said = Arc::<Mutex<Said>>::default();
        let (output, shared) = (running.0.stdout.take().expect("its output"), Arc::clone(&said));
        thread::spawn(move || {
            BufReader::new(output)
                .lines()
                .map_while(Result::ok)
                .for_each(|line| listen(&line, &shared));
        });
        let folder = tempfile::tempdir().expect("a folder");
        Ok(Server::ready(
            format!("{PUBLIC_C}:{port}"),
            said,
            running,
            None,
            folder,
        ))
    }

    fn ready(
        authority: String,
        said: Arc<Mutex<Said>>,
        running: Running,
        recorder: Option<Origin>,
        folder: tempfile::TempDir,
    ) -> Server {
        let address: SocketAddr = authority.parse().expect("an address");
        eventually("the origin", || TcpStream::connect(address).ok());
        Server {
            authority,
            said,
            _running: running,
            _recorder: recorder,
            folder,
        }
    }

    /// Takes what was said until now. A request of our own goes there and back first: what came before it has been
    /// said then.
    pub(super) fn take_said(&self) -> Said {
        let mut wire = Wire::connect(self.authority.parse().expect("an address"));
        wire.send(format!(
            "GET /barrier HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.authority
        ));
        assert_eq!(wire.response().status, 200);
        let barrier = || (std::mem::take(&mut lock(&self.said).barriers) > 0).then_some(());
        eventually("the barrier", barrier);
        let mut taken = std::mem::take(&mut *lock(&self.said));
        taken.complaints.extend(self.nginx_complaints());
        taken
    }

    /// What nginx objected to since the last time.
    fn nginx_complaints(&self) -> Vec<String> {
        let path = self.folder.path().join("error.log");
        let Ok(log) = std::fs::read(&path) else {
            return Vec::new();
        };
        let _ = std::fs::OpenOptions::new().write(true).truncate(true).open(&path);
        let text = String::from_utf8_lossy(&log).into_owned();
        let about_clients = text.lines().filter(|line| line.contains("client sent"));
        about_clients.map(str::to_owned).collect()
    }
}

/// Takes one line of Python's or Node's.
fn listen(line: &str, said: &Mutex<Said>) {
    let words: Option<Vec<Vec<u8>>> = line.split(' ').skip(1).map(bytes).collect();
    match words.as_deref() {
        Some([method, target, body]) => lock(said).request(Request {
            method: method.clone(),
            target: target.clone(),
            body: body.clone(),
        }),
        Some([complaint]) => {
            lock(said)
                .complaints
                .push(String::from_utf8_lossy(complaint).into_owned());
        }
        _ => lock(said)
            .complaints
            .push(format!("a line of the origin's own: {line}")),
    }
}

/// The bytes of a hexadecimal word; `-` stands for none.
pub(super) fn bytes(word: &str) -> Option<Vec<u8>> {
    let digits = word.strip_prefix('-').unwrap_or(word).as_bytes();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// What nginx passes on, read strictly; nginx itself has judged it before.
fn recorder(said: Arc<Mutex<Said>>) -> Origin {
    Origin::raw(move |mut wire| {
        loop {
            match wire.take_request() {
                Ok(read) => {
                    let request = Request {
                        method: read.method.into_bytes(),
                        target: target_of(&read.raw),
                        body: read.body,
                    };
                    let seen = seen(&request);
                    let body: &[u8] = if request.method == b"HEAD" { b"" } else { b"ok" };
                    lock(&said).request(request);
                    let reply = answer("200 OK", &format!("X-Seen: {seen}\r\n"), body);
                    if wire.try_send(reply).is_err() {
                        return;
                    }
                }
                Err(End::Nonsense(complaint)) => return lock(&said).complaints.push(complaint),
                Err(_) => return,
            }
        }
    })
}

/// The target byte for byte, which a string would not be.
fn target_of(head: &[u8]) -> Vec<u8> {
    head.split(|byte| *byte == b' ')
        .nth(1)
        .unwrap_or_default()
        .to_vec()
}

/// What an origin puts into its `X-Seen` field for a request.
pub(super) fn seen(request: &Request) -> String {
    let whole = [&request.method[..], &request.target, &request.body].join(&b' ');
    whole.iter().map(|byte| format!("{byte:02x}")).collect()
}
