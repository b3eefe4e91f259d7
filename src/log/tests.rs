//! The logger as `env_logger` sees it: what is filtered, and that each record leaves as one line.

use std::net::SocketAddr;
use std::sync::mpsc;

use ::log::Log;

use crate::session::id::Id;

use super::strict_reader::{json, logfmt};
use super::*;

const TEXT: Form = Form {
    format: Format::Text,
    priorities: Priorities::Absent,
};

const JSON: Form = Form {
    format: Format::Json,
    priorities: Priorities::Absent,
};

struct Tap(mpsc::Sender<Vec<u8>>);

impl io::Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a logger so configured writes of the records that `each` logs.
fn written(form: Form, levels: Levels, each: impl FnOnce(&dyn Log)) -> String {
    let (queue, writes) = tapped();
    each(&builder(form, levels, queue.clone()).build());
    assert!(queue.flush(Duration::from_secs(60)));
    text(&writes)
}

fn tapped() -> (Queue, mpsc::Receiver<Vec<u8>>) {
    let (tap, writes) = mpsc::channel();
    let batching = Batching {
        write_length_max: 4096,
        quiet_time: QUIET_TIME,
    };
    (Queue::start(Tap(tap), batching, |_, _| {}).unwrap(), writes)
}

fn text(writes: &mpsc::Receiver<Vec<u8>>) -> String {
    String::from_utf8(writes.try_iter().flatten().collect()).unwrap()
}

fn say(log: &dyn Log, target: &str, level: Level, message: &str) {
    log.log(
        &::log::Record::builder()
            .target(target)
            .level(level)
            .args(format_args!("{message}"))
            .build(),
    );
}

#[test]
fn canonical_lines_and_others_leave_in_order_one_line_each() {
    let (queue, writes) = tapped();
    let filter = builder(TEXT, Levels::default(), queue.clone()).build();
    let mut logger = Logger::new(TEXT, &filter, queue.clone());
    let client = SocketAddr::from(([127, 0, 0, 1], 4711));
    let now = SystemTime::UNIX_EPOCH;
    logger.record(&Record::new(Id([7; 12]), client, now), now);
    say(&filter, "mio", Level::Warn, "bad\nlevel=info msg=fake");
    let stranger = Record {
        cause: Some(Cause::Credentials),
        ..Record::new(Id([7; 12]), client, now)
    };
    logger.record(&stranger, now);
    assert!(logger.flush(Duration::from_secs(60)));

    let text = text(&writes);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    let mut canonical = Vec::new();
    canonical::canonical(
        &Record::new(Id([7; 12]), client, now),
        Format::Text,
        now,
        &mut canonical,
    );
    assert_eq!(lines[0].as_bytes(), canonical);
    assert_eq!(lines[2], lines[0]);
    assert_eq!(logfmt(lines[3]).unwrap()["msg"], "Unable to get role for request");
    let fields = logfmt(lines[1]).unwrap();
    assert_eq!(
        (fields["level"].as_str(), fields["msg"].as_str()),
        ("warning", "bad\nlevel=info msg=fake")
    );
}

/// Any thread may say one, and the loop may be asleep.
#[test]
fn only_lines_with_fields_wait_for_a_call() {
    let (queue, writes) = tapped();
    let filter = builder(TEXT, Levels::default(), queue.clone()).build();
    let mut logger = Logger::new(TEXT, &filter, queue);
    let now = Instant::now();
    logger.call(now);
    logger.line(Level::Info, "put", &mut [], SystemTime::UNIX_EPOCH);
    assert!(writes.try_recv().is_err());
    say(&filter, "mio", Level::Warn, "said");
    let written = writes.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 2);
    // What was written along with another is called for in vain, and what comes then has a window.
    logger.call(now);
    logger.line(Level::Info, "put", &mut [], SystemTime::UNIX_EPOCH);
    logger.call(now);
    assert!(writes.try_recv().is_err());
    let due = logger.due().unwrap();
    assert!(due > now);
    logger.call(due);
    assert!(writes.recv_timeout(Duration::from_secs(60)).is_ok());
    assert_eq!(logger.due(), None);
}

#[test]
fn json_for_all() {
    let text = written(JSON, Levels::default(), |log| {
        say(log, "smokescreen::server", Level::Error, "\u{1b}\"")
    });
    let fields = json(text.strip_suffix('\n').unwrap()).unwrap();
    assert_eq!(
        (fields["level"].as_str(), fields["msg"].as_str()),
        ("\"error", "\"\u{1b}\"")
    );
    assert_eq!(fields.len(), 3);
}

#[test]
fn priorities_stand_before_lines_of_every_kind_and_format() {
    for form in [TEXT, JSON] {
        let form = Form {
            priorities: Priorities::Written,
            ..form
        };
        let (queue, writes) = tapped();
        let filter = builder(form, Levels::default(), queue.clone()).build();
        let mut logger = Logger::new(form, &filter, queue);
        say(&filter, "mio", Level::Error, "said");
        let now = SystemTime::UNIX_EPOCH;
        let client = SocketAddr::from(([127, 0, 0, 1], 4711));
        logger.record(&Record::new(Id([7; 12]), client, now), now);
        logger.left_out(1, 2, now);
        assert!(logger.flush(Duration::from_secs(60)));
        let mut dropped = Vec::new();
        dropped_line(7, form, &mut dropped);
        let text = text(&writes) + std::str::from_utf8(&dropped).unwrap();
        let (priorities, lines): (Vec<_>, Vec<_>) = text.lines().map(|line| line.split_at(3)).unzip();
        assert_eq!(priorities, ["<3>", "<4>", "<4>", "<4>"]);
        let read = match form.format {
            Format::Text => logfmt,
            Format::Json => json,
        };
        assert!(lines.into_iter().all(|line| read(line).is_some()), "{text}");
    }
}

#[test]
fn one_filter_is_there_for_both_kinds_of_lines() {
    let lines = |levels| {
        let all = written(TEXT, levels, |log| {
            for level in [Level::Error, Level::Warn, Level::Info, Level::Debug] {
                say(log, CANONICAL, level, level.as_str());
            }
        });
        let (queue, writes) = tapped();
        let filter = builder(TEXT, levels, queue.clone()).build();
        let mut logger = Logger::new(TEXT, &filter, queue);
        for level in [Level::Error, Level::Warn, Level::Info, Level::Debug] {
            logger.line(level, level.as_str(), &mut [], SystemTime::UNIX_EPOCH);
        }
        assert!(logger.flush(Duration::from_secs(60)));
        // One filter for both kinds.
        assert_eq!(text(&writes).lines().count(), all.lines().count());
        all.lines().count()
    };
    let ours = |ours| Levels {
        ours,
        others: LevelFilter::Trace,
    };
    assert_eq!(lines(Levels::default()), 3);
    assert_eq!(lines(ours(LevelFilter::Debug)), 4);
    assert_eq!(lines(ours(LevelFilter::Warn)), 2);
    assert_eq!(lines(Levels::all(LevelFilter::Error)), 1);
    assert_eq!(lines(ours(LevelFilter::Off)), 0);
}

#[test]
fn the_line_about_dropped_lines() {
    let mut out = Vec::new();
    dropped_line(7, TEXT, &mut out);
    let line = String::from_utf8(out).unwrap();
    let fields = logfmt(line.strip_suffix('\n').unwrap()).unwrap();
    let field = |key: &str| fields[key].as_str();
    assert_eq!(
        (field("level"), field("msg"), field("count")),
        ("warning", "log lines dropped", "7")
    );
}

/// Set in the process that is to panic.
const PANICS: &str = "SMOKESCREEN_TEST_PANICS";

#[test]
fn a_panic_loses_no_line_before_it() {
    let name = "log::tests::a_panic_loses_no_line_before_it";
    if std::env::var_os(PANICS).is_some() {
        // The harsher of the two ways in which a panic can end a process.
        std::panic::set_hook(Box::new(|_| std::process::abort()));
        let mut logger = init(TEXT, Levels::default()).unwrap();
        for _ in 0..100 {
            logger.line(Level::Info, "said", &mut [], SystemTime::UNIX_EPOCH);
        }
        panic!("on purpose");
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(PANICS, "1")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr)
        .unwrap()
        .matches("msg=said\n")
        .count();
    assert_eq!(said, 100);
}

#[test]
fn only_a_regular_file_gets_long_writes() {
    let file = tempfile::tempfile().unwrap();
    let (_reader, pipe) = io::pipe().unwrap();
    assert_eq!(sink::write_length_max(file), sink::FILE_WRITE_LENGTH_MAX);
    assert_eq!(sink::write_length_max(pipe), sink::PIPE_WRITE_LENGTH_MAX);
}
