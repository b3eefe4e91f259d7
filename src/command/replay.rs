//! `replay`: what another ACL would have changed. Asks the policy that serving would have with it, about each request that a
//! log tells of; how a line is judged is in `replay/line`, what is said of the changes in `replay/changes`.

mod changes;
mod line;

use std::ffi::OsString;
use std::path::PathBuf;

use foldhash::{HashMap, HashMapExt as _};

use crate::config::{self, AclSource, CommandLine, Environment, OwnFlag};
use crate::log::reader::{Read, Told, read};
use crate::process;

use self::changes::Changes;
use self::line::Judge;
use super::{Command, fail, lines, print};

/// What is remembered of requests that were judged, in bytes: a log asks the same over and over.
const REMEMBERED_BYTES_MAX: usize = 8 << 20;

/// What one costs beside its text.
const REMEMBERED_BYTES: usize = 64;

pub(super) const COMMAND: Command = Command {
    name: "replay",
    arguments: "--acl NEW < LOG",
    summary: "Says what another ACL would have changed for the requests of a log.",
    text: "\
Reads the decision lines of this proxy or of Stripe's Smokescreen, as text or JSON, also behind what journald or `fly logs`
put before them, and judges each request anew: the ACL is NEW, all else is as the same options give it to serving. Nothing
is looked up: the address is the one that the line has. A line for each change: how often, role, host, the verdict before,
the verdict after, and what decides, the most frequent first. After is `unknown` where a line lacks what the verdict needs,
as for a name that was denied (it had no address to judge) and NEW allows. Requests that were refused for something else
than host and address (credentials, limits) are no change.

Tells 10,000 changes apart; what is beyond is counted. Exits with 0 where nothing changes, 3 where something does or is
unknown, 1 where the log has no decision or can't be read, 2 for wrong use.
",
    own: &[OwnFlag {
        name: "acl",
        placeholder: "NEW",
        meaning: "the ACL to try, a file",
    }],
    run,
};

/// Runs it.
fn run(arguments: &[OsString], environment: &Environment) -> u8 {
    let line = match config::command_line(COMMAND.own, arguments, environment) {
        Ok(Some(line)) => line,
        Ok(None) => {
            print(&COMMAND.help());
            return 0;
        }
        Err(error) => return fail(&error.to_string(), 2),
    };
    let judge = match judge(&line) {
        Ok(judge) => judge,
        Err(text) => return fail(&text, 2),
    };
    let mut replay = Replay {
        judge,
        changes: Changes::default(),
        remembered: HashMap::new(),
        remembered_bytes: 0,
        key: Vec::new(),
        decisions: 0,
    };
    if let Err(error) = lines::each(|line| replay.take(line)) {
        return fail(&format!("the log can't be read: {error}"), 1);
    }
    if replay.decisions == 0 {
        let text =
            "no line of the log is a decision (msg=CANONICAL-PROXY-DECISION): log level info writes them";
        return fail(text, 1);
    }
    print(&replay.changes.text());
    let (decisions, summary) = (replay.decisions, replay.changes.summary());
    let exit_code = if replay.changes.is_empty() { 0 } else { 3 };
    fail(&format!("{decisions} decisions: {summary}"), exit_code)
}

fn judge(line: &CommandLine<'_>) -> Result<Judge, String> {
    if let Some(stray) = line.free.first() {
        let stray = stray.escape_debug();
        return Err(format!(
            "unexpected argument '{stray}': the log is read from standard input"
        ));
    }
    let Some(path) = line.own("acl") else {
        return Err("--acl is missing: it names the ACL to try".to_owned());
    };
    let mut config = line.config().map_err(|error| error.to_string())?;
    config.acl = AclSource::File(PathBuf::from(path));
    let policy = process::policy_of(&config).map_err(|error| error.text)?;
    Ok(Judge::new(policy))
}

/// A log being read.
struct Replay {
    judge: Judge,
    changes: Changes,
    /// Which change a request is, by all that its verdict depends on; `None`: none.
    remembered: HashMap<Box<[u8]>, Option<usize>>,
    remembered_bytes: usize,
    /// Reused for every line.
    key: Vec<u8>,
    decisions: u64,
}

impl Replay {
    /// Takes a line; `None` stands for one that is too long to be ours.
    fn take(&mut self, line: Option<&[u8]>) {
        match line.map_or(Read::Other, read) {
            Read::Other => {}
            Read::Unreadable => {
                self.decisions += 1;
                let change = self.changes.number(line::unreadable());
                self.changes.count(change);
            }
            Read::Decision(told) => {
                self.decisions += 1;
                let change = self.change(&told);
                if let Some(change) = change {
                    self.changes.count(change);
                }
            }
        }
    }

    fn change(&mut self, told: &Told<'_>) -> Option<usize> {
        key(told, &mut self.key);
        if let Some(known) = self.remembered.get(&*self.key) {
            return *known;
        }
        let change = self.judge.change(told).map(|change| self.changes.number(change));
        // Only time depends on what is remembered.
        let bytes = self.key.len() + REMEMBERED_BYTES;
        if self.remembered_bytes + bytes > REMEMBERED_BYTES_MAX {
            self.remembered.clear();
            self.remembered_bytes = 0;
        }
        self.remembered_bytes += bytes;
        self.remembered.insert(self.key.as_slice().into(), change);
        change
    }
}

/// All of a line that its verdict depends on.
fn key(told: &Told<'_>, key: &mut Vec<u8>) {
    key.clear();
    key.push(match told.allow {
        None => 0,
        Some(false) => 1,
        Some(true) => 2,
    });
    // The words of a denial name the address; those of what was let out say nothing that counts.
    let reason = told
        .decision_reason
        .as_deref()
        .filter(|_| told.allow != Some(true));
    let failed = told
        .error
        .as_deref()
        .map(|error| if error.is_empty() { "" } else { "failed" });
    for part in [
        told.role.as_deref(),
        told.requested_host.as_deref(),
        told.proxy_type.as_deref(),
        told.code.as_deref(),
        told.outbound_remote_addr.as_deref(),
        told.dst_ip.as_deref(),
        reason,
        failed,
    ] {
        // Neither occurs in UTF-8: no two lists of parts are alike.
        key.push(if part.is_some() { 0xfe } else { 0xff });
        key.extend_from_slice(part.unwrap_or_default().as_bytes());
    }
}
