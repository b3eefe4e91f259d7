//! Messages to whoever supervises the process, by the protocol of sd_notify(3): datagrams to the socket that
//! `NOTIFY_SOCKET` names. Never waits: what the receiver has no room for is kept for later. What is said, and when, is the
//! process's business.
//!
//! A few lines of our own, because the crate for it (sd-notify) may wait in its send, and knows no abstract sockets.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Messages kept for a receiver that has no room. There are few, but it may never have any again: of more, the latest count.
const WAITING_MAX: usize = 16;

/// What becomes of a message that the receiver has no room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// It is kept, behind those that were said before.
    Always,
    /// It takes the place of the last one of these that is kept.
    Latest,
    /// It is lost: by the time that there is room, it says nothing any more.
    Never,
}

/// The way to the supervisor.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    /// In the order in which they were said.
    waiting: VecDeque<(Keep, String)>,
}

impl Notifier {
    /// To the socket of this name: a path, or, behind an `@`, an abstract one.
    ///
    /// # Errors
    /// Where it is neither, or nobody is there.
    pub fn to(name: &OsStr) -> io::Result<Notifier> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => {
                let text = "neither a path from the root nor an abstract name behind an @";
                return Err(io::Error::new(ErrorKind::InvalidInput, text));
            }
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        socket.set_nonblocking(true)?;
        Ok(Notifier {
            socket,
            waiting: VecDeque::new(),
        })
    }

    /// Says something, or keeps it as it is to be. False where it was lost.
    ///
    /// # Errors
    /// The socket's; what could not be said then is lost.
    pub fn say(&mut self, message: String, keep: Keep) -> io::Result<bool> {
        if keep == Keep::Never {
            // It says nothing about those that wait, and need not wait behind them.
            return self.send(&message);
        }
        if keep == Keep::Latest {
            self.waiting.retain(|(kept, _)| *kept != Keep::Latest);
        }
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back((keep, message));
        self.say_rest().map(|()| true)
    }

    /// Says what was kept, as far as there is room now.
    ///
    /// # Errors
    /// As [`Notifier::say`].
    pub fn say_rest(&mut self) -> io::Result<()> {
        while let Some((_, message)) = self.waiting.front() {
            match self.send(message) {
                Ok(false) => break,
                result => {
                    self.waiting.pop_front();
                    result?;
                }
            }
        }
        Ok(())
    }

    /// False where there is no room.
    fn send(&self, message: &str) -> io::Result<bool> {
        loop {
            match self.socket.send(message.as_bytes()) {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Is there something that was not said yet?
    pub fn has_rest(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(receiver: &UnixDatagram) -> String {
        let mut room = [0; 256];
        let length = receiver.recv(&mut room).unwrap();
        String::from_utf8(room[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_path_and_an_abstract_name_are_reached() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let mut notifier = Notifier::to(path.as_os_str()).unwrap();
        notifier.say("READY=1".into(), Keep::Always).unwrap();
        assert_eq!(heard(&receiver), "READY=1");

        let name = format!("smokescreen-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let receiver = UnixDatagram::bind_addr(&address).unwrap();
        let mut notifier = Notifier::to(OsStr::new(&format!("@{name}"))).unwrap();
        notifier.say("STOPPING=1".into(), Keep::Always).unwrap();
        assert_eq!(heard(&receiver), "STOPPING=1");
    }

    #[test]
    fn names_of_nothing_are_errors() {
        for name in ["", "notify", "@", "/no/such/socket", "vsock:2:1234"] {
            assert!(Notifier::to(OsStr::new(name)).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_receiver_without_room_makes_nobody_wait_and_gets_the_latest_of_what_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let mut notifier = Notifier::to(path.as_os_str()).unwrap();
        let mut said = 0;
        while notifier.say(said.to_string(), Keep::Never).unwrap() {
            said += 1;
            assert!(said < 1_000_000);
        }
        assert!(!notifier.has_rest());
        for number in 0..1000 {
            notifier.say(format!("state {number}"), Keep::Always).unwrap();
            notifier.say(format!("status {number}"), Keep::Latest).unwrap();
            assert!(!notifier.say("alive".into(), Keep::Never).unwrap());
        }
        for number in 0..said {
            assert_eq!(heard(&receiver), number.to_string());
            notifier.say_rest().unwrap();
        }
        for number in 1001 - WAITING_MAX..1000 {
            assert_eq!(heard(&receiver), format!("state {number}"));
            notifier.say_rest().unwrap();
        }
        assert_eq!(heard(&receiver), "status 999");
        receiver.set_nonblocking(true).unwrap();
        assert!(receiver.recv(&mut [0; 8]).is_err() && !notifier.has_rest());
        drop(receiver);
        assert!(notifier.say("gone".into(), Keep::Always).is_err() && !notifier.has_rest());
    }
}
