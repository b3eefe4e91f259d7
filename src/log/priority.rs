//! The priority that a line begins with for journald: `<3>` (error) to `<7>` (debug), as sd-daemon(3) has them. Also
//! whether lines have one. What follows it is `line`'s business.

use std::io;
use std::os::fd::AsFd;

use ::log::Level;

/// Where systemd names the device and inode of the stream that journald reads (systemd.exec(5)).
const JOURNAL_STREAM: &str = "JOURNAL_STREAM";

/// Whether lines begin with their priority.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Priorities {
    /// They begin with themselves.
    #[default]
    Absent,
    /// They do, whatever their format.
    Written,
}

impl Priorities {
    /// As it was asked for; where nothing was, they are written if journald reads standard error. A variable that is
    /// merely there says nothing: it is inherited, and standard error may have been led elsewhere since.
    pub fn of(asked: Option<bool>) -> Priorities {
        let read_by_journald = || {
            let stream = std::env::var(JOURNAL_STREAM).unwrap_or_default();
            names(&stream, io::stderr())
        };
        match asked.unwrap_or_else(read_by_journald) {
            true => Priorities::Written,
            false => Priorities::Absent,
        }
    }

    /// Begins a line of this level.
    pub fn begin(self, out: &mut Vec<u8>, level: Level) {
        if self == Priorities::Written {
            out.extend_from_slice(priority(level));
        }
    }
}

fn priority(level: Level) -> &'static [u8] {
    match level {
        Level::Error => b"<3>",
        Level::Warn => b"<4>",
        Level::Info => b"<6>",
        // There is nothing below it.
        Level::Debug | Level::Trace => b"<7>",
    }
}

/// Is the descriptor the one with this `device:inode`, both in decimal?
fn names(stream: &str, descriptor: impl AsFd) -> bool {
    let Ok(status) = rustix::fs::fstat(descriptor) else {
        return false;
    };
    stream.split_once(':').is_some_and(|(device, inode)| {
        device.parse() == Ok(status.st_dev) && inode.parse() == Ok(status.st_ino)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_has_its_priority_where_they_are_written() {
        let mut out = Vec::new();
        for level in Level::iter() {
            Priorities::Absent.begin(&mut out, level);
            assert!(out.is_empty());
        }
        Level::iter().for_each(|level| Priorities::Written.begin(&mut out, level));
        assert_eq!(out, b"<3><4><6><7><7>");
    }

    #[test]
    fn what_was_asked_for_counts_whatever_reads_standard_error() {
        assert_eq!(Priorities::of(Some(true)), Priorities::Written);
        assert_eq!(Priorities::of(Some(false)), Priorities::Absent);
    }

    #[test]
    fn a_stream_is_known_by_device_and_inode() {
        let (ours, other) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let status = rustix::fs::fstat(&ours).unwrap();
        let stream = format!("{}:{}", status.st_dev, status.st_ino);
        assert!(names(&stream, &ours) && !names(&stream, &other));
        let (device, inode) = (status.st_dev, status.st_ino);
        for wrong in [
            String::new(),
            "1".into(),
            ":".into(),
            format!("{}:{inode}", device + 1),
            format!("{device}:{}", inode + 1),
            format!("{device}:{inode}:"),
            format!("{device}:{inode} "),
        ] {
            assert!(!names(&wrong, &ours), "{wrong}");
        }
    }
}
