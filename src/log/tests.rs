//! The logger as `env_logger` sees it: what is filtered, and that each record leaves as one line.

use std::sync::mpsc;

use ::log::Log;

use super::reader::{json, logfmt};
use super::*;

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
fn written(
    format: Format,
    level: Option<LevelFilter>,
    spec: Option<&str>,
    each: impl FnOnce(&dyn Log),
) -> String {
    let (tap, writes) = mpsc::channel();
    let queue = Queue::start(Tap(tap), |_, _| {}).unwrap();
    each(&builder(format, level, spec, queue.clone()).build());
    assert!(queue.flush(Duration::from_secs(10)));
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
fn canonical_lines_pass_as_they_are_and_others_are_formatted() {
    let text = written(Format::Text, None, None, |log| {
        say(log, CANONICAL, Level::Info, "time=x level=info msg=y");
        say(log, "mio", Level::Warn, "bad\nlevel=info msg=fake");
    });
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], "time=x level=info msg=y");
    let fields = logfmt(lines[1]).unwrap();
    assert_eq!(
        (fields["level"].as_str(), fields["msg"].as_str()),
        ("warning", "bad\nlevel=info msg=fake")
    );
}

#[test]
fn json_for_all() {
    let text = written(Format::Json, None, None, |log| {
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
fn the_level_option_beats_rust_log_which_beats_info() {
    let lines = |level, spec| {
        let all = written(Format::Text, level, spec, |log| {
            for level in [Level::Error, Level::Warn, Level::Info, Level::Debug] {
                say(log, CANONICAL, level, level.as_str());
            }
        });
        all.lines().count()
    };
    assert_eq!(lines(None, None), 3);
    assert_eq!(lines(None, Some(" ")), 3);
    assert_eq!(lines(None, Some("debug")), 4);
    assert_eq!(lines(None, Some("smokescreen=warn")), 2);
    assert_eq!(lines(Some(LevelFilter::Error), Some("debug")), 1);
    assert_eq!(lines(Some(LevelFilter::Off), Some("debug")), 0);
}

#[test]
fn the_line_about_dropped_lines() {
    let mut out = Vec::new();
    dropped_line(7, Format::Text, &mut out);
    let line = String::from_utf8(out).unwrap();
    let fields = logfmt(line.strip_suffix('\n').unwrap()).unwrap();
    let field = |key: &str| fields[key].as_str();
    assert_eq!(
        (field("level"), field("msg"), field("count")),
        ("warning", "log lines dropped", "7")
    );
}
