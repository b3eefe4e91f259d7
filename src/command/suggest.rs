//! `suggest`: an ACL that lets out what a log says was used. What was used is gathered in `suggest/used`, many names become
//! one glob in `suggest/collapse`, and the file is written in `suggest/document`.

mod collapse;
mod document;
mod used;

use std::ffi::OsString;

use crate::config::{self, Environment, OwnFlag};
use crate::log::reader::{Read, read};

use self::used::Used;
use super::{Command, fail, lines, print};

/// From so many names on they become a glob.
const MIN: usize = 5;

pub(super) const COMMAND: Command = Command {
    name: "suggest",
    arguments: "[--role ROLE] [--min N] < LOG",
    summary: "Makes an ACL out of a log: for each role the hosts that it used, and was allowed.",
    text: "\
Reads the decision lines of this proxy or of Stripe's Smokescreen, as text or JSON, also behind what journald or `fly logs`
put before them. Prints an ACL with action enforce: a host with its ports where it was used on others than 80 and 443, many
names below one domain as *.DOMAIN (never all of what a registry like co.uk or github.io gives out), and how often each
was used as a comment. Lines of denied requests and of requests without a role are left out. Read it before you use it:
what was used need not be what should be; and `smokescreen replay` tells what it would have changed.

Holds 100,000 hosts at most; with more of them it exits with 1, as it does where the log has no decision at all.
",
    own: &[
        OwnFlag {
            name: "role",
            placeholder: "ROLE",
            meaning: "for this role alone",
        },
        OwnFlag {
            name: "min",
            placeholder: "N",
            meaning: "from so many names below one domain on they become *.DOMAIN; default: 5",
        },
    ],
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
    if let Some(stray) = line.free.first() {
        let stray = stray.escape_debug();
        return fail(
            &format!("unexpected argument '{stray}': the log is read from standard input"),
            2,
        );
    }
    let min = match line.own("min").map_or(Ok(MIN), str::parse) {
        Ok(min @ 1..) => min,
        _ => return fail("--min: accepted is a whole number from 1", 2),
    };
    let mut used = Used::of(line.own("role"));
    let read = lines::each(|line| used.take(line.map_or(Read::Other, read)));
    if let Err(error) = read {
        return fail(&format!("the log can't be read: {error}"), 1);
    }
    if used.decisions == 0 {
        let text =
            "no line of the log is a decision (msg=CANONICAL-PROXY-DECISION): log level info writes them";
        return fail(text, 1);
    }
    print(&document::text(&used, min));
    if let Some(role) = line.own("role")
        && used.roles.is_empty()
    {
        // It may be misspelled.
        let role = role.escape_debug();
        return fail(&format!("the role '{role}' was let out nowhere in this log"), 0);
    }
    match used.overflowed {
        0 => 0,
        count => fail(
            &format!("{count} requests for further hosts are left out: use --role, or a shorter log"),
            1,
        ),
    }
}
