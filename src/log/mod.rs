//! What happened, as lines on standard error: canonical lines made of [`Record`]s, ordinary lines of whatever
//! the program says through the `log` crate. Decides syntax and level; what happened was decided elsewhere.
//!
//! One filter governs both: `env_logger`'s. Ordinary lines pass through it; for canonical lines, whose target is
//! [`CANONICAL`], it is asked once, and they go straight to [`writer`], which never makes anyone wait. They gather for
//! a [`window`], which the loop's poll keeps; ordinary lines, which any thread may say, wait for nobody.

mod address;
pub mod canonical;
mod escape;
mod levels;
pub mod line;
mod priority;
pub mod reader;
mod sink;
pub(crate) mod time;
mod window;
pub mod writer;

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use ::log::{Level, LevelFilter, Log, Metadata};

use crate::clock::Instant;
use crate::session::id::Id;
use crate::session::outcome::{Cause, Record};

pub use self::levels::Levels;
use self::line::Value;
pub use self::priority::Priorities;
use self::sink::StandardError;
use self::window::Window;
use self::writer::{Batching, QUIET_TIME, Queue};

/// The target of lines that are already formatted.
pub const CANONICAL: &str = "smokescreen::canonical";

/// What does not get to its end, of a request whose line was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// The response.
    Response,
    /// What was left of the request behind its response.
    Request,
}

impl Cut {
    fn message(self) -> &'static str {
        match self {
            Cut::Response => "The response was cut off",
            Cut::Request => "The rest of an answered request was cut off",
        }
    }
}

/// Said of lines about clients that had not said who they are.
const LEFT_OUT: &str = "lines about strangers left out";

/// How long the last log lines get to be written before the process ends.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// How a line is spelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// logfmt, as logrus's text formatter writes it without colours.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// How lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Form {
    /// How a line is spelled.
    pub format: Format,
    /// Whether its priority stands before it.
    pub priorities: Priorities,
}

/// The way in for lines with fields, and the way to see the last one out. Clones share one queue.
#[derive(Clone, Debug)]
pub struct Logger {
    form: Form,
    /// What the filter lets through of our target.
    level: LevelFilter,
    queue: Queue,
    /// Reused for every line.
    scratch: Vec<u8>,
    /// For the lines that were put in the queue.
    window: Window,
}

/// Makes standard error the log of this process, for good. From now on a panic waits until the lines before it are out.
///
/// # Errors
/// When there is no thread to be had, or the process has a logger already.
pub fn init(form: Form, levels: Levels) -> io::Result<Logger> {
    let batching = Batching {
        write_length_max: sink::write_length_max(io::stderr()),
        quiet_time: QUIET_TIME,
    };
    let notice = move |count, out: &mut Vec<u8>| dropped_line(count, form, out);
    let queue = Queue::start(StandardError, batching, notice)?;
    let filter = builder(form, levels, queue.clone()).build();
    let logger = Logger::new(form, &filter, queue.clone());
    let most = filter.filter();
    ::log::set_boxed_logger(Box::new(filter)).map_err(io::Error::other)?;
    ::log::set_max_level(most);
    flush_at_panic(queue);
    Ok(logger)
}

/// A panic may be the process's end, and lines may be waiting for their window to end.
fn flush_at_panic(queue: Queue) {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        queue.flush(FLUSH_TIMEOUT);
        report(panic);
    }));
}

impl Logger {
    /// `filter` is asked about our target here, and never again.
    fn new(form: Form, filter: &impl Log, queue: Queue) -> Logger {
        let passes =
            |level: &Level| filter.enabled(&Metadata::builder().target(CANONICAL).level(*level).build());
        Logger {
            form,
            level: Level::iter()
                .filter(passes)
                .max()
                .map_or(LevelFilter::Off, |level| level.to_level_filter()),
            queue,
            scratch: Vec::new(),
            window: Window::default(),
        }
    }

    /// Writes the record's canonical line, and one more where no role was found, or the origin or we failed: each if
    /// its level passes the filter. [`Logger::call`] must follow before anybody waits.
    pub fn record(&mut self, record: &Record, now: SystemTime) {
        self.formatted(canonical::level(record), |format, out| {
            canonical::canonical(record, format, now, out)
        });
        if let Some(Cause::Credentials | Cause::Role) = record.cause {
            self.formatted(Level::Error, |format, out| {
                canonical::role_failure_line(record, format, now, out)
            });
        }
        if let (Some(error), Some(status_code)) = (record.error(), record.status_code) {
            self.formatted(Level::Error, |format, out| {
                canonical::failure_line(record.id, error, status_code, format, now, out)
            });
        }
    }

    /// How many lines [`Logger::record`] writes of it at most.
    pub fn lines_of(record: &Record) -> u32 {
        let role_failed = matches!(record.cause, Some(Cause::Credentials | Cause::Role));
        let failed = record.error().is_some() && record.status_code.is_some();
        1 + u32::from(role_failed) + u32::from(failed)
    }

    /// Says that a request's response or rest is cut off, and why. [`Logger::call`] must follow.
    pub fn cut(&mut self, id: Id, what: Cut, why: &str, now: SystemTime) {
        let mut fields = [("error", Value::Text(why)), ("id", Value::Id(id))];
        self.line(Level::Warn, what.message(), &mut fields, now);
    }

    /// Says how many lines about strangers were left out since that was said last, and of how many addresses.
    pub fn left_out(&mut self, count: u64, addresses: u64, now: SystemTime) {
        let mut fields = [
            ("count", Value::Number(count)),
            ("addresses", Value::Number(addresses)),
        ];
        self.line(Level::Warn, LEFT_OUT, &mut fields, now);
    }

    /// Writes any other line that has fields. [`Logger::call`] must follow.
    fn line(&mut self, level: Level, message: &str, fields: &mut [(&str, Value<'_>)], now: SystemTime) {
        self.formatted(level, |format, out| {
            line::line(out, format, now, level, message, fields)
        });
    }

    /// How many lines were dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }

    /// When [`Logger::call`] is to be called even if nothing else happens before.
    pub fn due(&self) -> Option<Instant> {
        self.window.due()
    }

    /// Sets those who write the lines going, if it is time to. That may cost the caller its processor: so the loop does
    /// it when its turn is over, and nobody's answer waits for a line.
    pub fn call(&mut self, now: Instant) {
        if self.window.ends(now) {
            self.queue.call();
        }
    }

    /// Waits until all lines are out, at most `timeout`; says whether they are. For the end of the program.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.queue.flush(timeout)
    }

    fn formatted(&mut self, level: Level, write: impl FnOnce(Format, &mut Vec<u8>)) {
        if level <= self.level {
            self.scratch.clear();
            self.form.priorities.begin(&mut self.scratch, level);
            write(self.form.format, &mut self.scratch);
            self.scratch.push(b'\n');
            self.queue.put(&self.scratch);
            self.window.note_line();
        }
    }
}

/// Everything about the global logger but making it global.
fn builder(form: Form, levels: Levels, queue: Queue) -> env_logger::Builder {
    let mut builder = env_logger::Builder::new();
    builder
        .filter_level(levels.others)
        .filter_module(levels::OURS, levels.ours);
    builder.target(env_logger::Target::Pipe(Box::new(Entrance(queue))));
    builder.format(move |out, record| {
        let message = match record.args().as_str() {
            Some(fixed) => Cow::Borrowed(fixed),
            None => Cow::Owned(record.args().to_string()),
        };
        let mut text = Vec::new();
        form.priorities.begin(&mut text, record.level());
        line::line(
            &mut text,
            form.format,
            SystemTime::now(),
            record.level(),
            &message,
            &mut [],
        );
        text.push(b'\n');
        out.write_all(&text)
    });
    builder
}

fn dropped_line(count: u64, form: Form, out: &mut Vec<u8>) {
    let mut fields = [("count", Value::Number(count))];
    form.priorities.begin(out, Level::Warn);
    line::line(
        out,
        form.format,
        SystemTime::now(),
        Level::Warn,
        "log lines dropped",
        &mut fields,
    );
    out.push(b'\n');
}

/// Where `env_logger` puts its lines: each comes in one piece.
struct Entrance(Queue);

impl io::Write for Entrance {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod strict_reader;
#[cfg(test)]
mod tests;
