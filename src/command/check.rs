//! `check`: would the proxy let this out, and why? Asks the policy that serving would have, over addresses that serving's
//! resolver found. What a verdict looks like is in `check/verdict`.

mod question;
mod tests_file;
mod verdict;

use std::ffi::OsString;
use std::path::Path;

use crate::config::{self, CommandLine, Config, Environment, OwnFlag};
use crate::policy::{AUTHED, Role};
use crate::process;

use self::question::Question;
use self::tests_file::Case;
use self::verdict::{Judge, Outcome, Verdict};
use super::{Command, fail, print};

pub(super) const COMMAND: Command = Command {
    name: "check",
    arguments: "[--role ROLE] [--json] [--no-resolve] URL...",
    summary: "Says of each URL whether the proxy would let it out, and what that comes from.",
    text: "\
A URL is http://HOST[:PORT]/..., which is forwarded, or https://HOST[:PORT]/... or HOST:PORT, for which clients send CONNECT.
Names are looked up as serving would; nothing is connected to. Said are the verdict, its code, the line and the entry that
decide, each address with its class and the operator's rule that names it, and what would let a denied request out; and
of a tunnel that mitm_domains has intercepted that it is, by which entry, and the names of the headers that requests inside get.
The ACL, the address rules and the resolver are those that the same options, environment and file give to serving.

With --tests URLs and what is expected of them stand in a YAML file, a list of {url, role, expect: allow|deny, code}; role
and code may be left out. A line is printed for each that fails.

Exits with 0 where all may go out (or all tests pass), 3 where one may not (or a test fails), 1 where a name can't be
resolved, 2 for a malformed URL or wrong use.
",
    own: &[
        OwnFlag {
            name: "role",
            placeholder: "ROLE",
            meaning: "who asks; left out: authed where there is a password, else nobody, whom the default rule is for",
        },
        OwnFlag {
            name: "json",
            placeholder: "",
            meaning: "print a list of {url, role, verdict, code, rule, matched, addresses, hint}, and intercepted where it is",
        },
        OwnFlag {
            name: "no-resolve",
            placeholder: "",
            meaning: "look no name up: judge hosts, and only addresses that stand in URLs",
        },
        OwnFlag {
            name: "tests",
            placeholder: "FILE",
            meaning: "check what this file expects, and say what is otherwise",
        },
    ],
    run,
};

/// Exit codes beside 0.
const UNRESOLVED: u8 = 1;
const WRONG: u8 = 2;
const DENIED: u8 = 3;

/// Runs it.
fn run(arguments: &[OsString], environment: &Environment) -> u8 {
    let line = match config::command_line(COMMAND.own, arguments, environment) {
        Ok(Some(line)) => line,
        Ok(None) => {
            print(&COMMAND.help());
            return 0;
        }
        Err(error) => return fail(&error.to_string(), WRONG),
    };
    match checked(&line) {
        Ok(exit_code) => exit_code,
        Err((text, exit_code)) => fail(&text, exit_code),
    }
}

/// What it does, or why it can't, with the exit code.
fn checked(line: &CommandLine<'_>) -> Result<u8, (String, u8)> {
    let wrong = |text: String| (text, WRONG);
    let config = line.config().map_err(|error| wrong(error.to_string()))?;
    if let Some(path) = line.own("tests") {
        if !line.free.is_empty() || line.own("role").is_some() || line.own("json").is_some() {
            let text = "--tests takes its URLs and roles from the file: leave URLs, --role and --json out";
            return Err(wrong(text.to_owned()));
        }
        let cases = tests_file::read(Path::new(path)).map_err(wrong)?;
        let cases: Result<Vec<Case>, String> = cases
            .into_iter()
            .map(|case| case.by(|| default_role(&config)))
            .collect();
        return run_tests(&cases.map_err(wrong)?, &mut judge(line, &config)?);
    }
    if line.free.is_empty() {
        return Err(wrong(
            "no URL is given; `smokescreen check --help` says what is accepted".to_owned(),
        ));
    }
    let role = match line.own("role") {
        Some("") => return Err(wrong("--role: the name is empty".to_owned())),
        Some(name) => Role::Named(name.into()),
        None => default_role(&config).map_err(wrong)?,
    };
    let questions = line.free.iter().map(|url| Question::parse(url, role.clone()));
    let questions: Vec<Question> = questions.collect::<Result<_, String>>().map_err(wrong)?;
    let mut judge = judge(line, &config)?;
    let verdicts: Vec<Verdict> = questions
        .into_iter()
        .map(|question| judge.verdict(question))
        .collect();
    print(&match line.own("json") {
        Some(_) => verdict::json(&verdicts),
        None => verdicts.iter().map(Verdict::text).collect(),
    });
    Ok(exit_code(&verdicts))
}

fn judge(line: &CommandLine<'_>, config: &Config) -> Result<Judge, (String, u8)> {
    let failed = |error: process::StartError| (error.text, error.exit_code);
    let policy = process::policy_of(config).map_err(failed)?;
    let lookups = match line.own("no-resolve") {
        Some(_) => None,
        None => Some(process::lookups(config).map_err(failed)?),
    };
    Ok(Judge::new(policy, lookups))
}

/// Who asks where nobody says it.
fn default_role(config: &Config) -> Result<Role, String> {
    let others =
        config.users_file.is_some() || config.has_client_certificates() || !config.roles_by_source.is_empty();
    match config.password {
        Some(_) => Ok(Role::Named(AUTHED.into())),
        None if others && !config.allow_missing_role => Err(
            "--role is missing: clients are told apart by users, certificates or addresses; name one"
                .to_owned(),
        ),
        None => Ok(Role::Missing),
    }
}

fn exit_code(verdicts: &[Verdict]) -> u8 {
    let is_any = |outcome| verdicts.iter().any(|verdict| verdict.outcome == outcome);
    match (is_any(Outcome::Deny), is_any(Outcome::Unresolved)) {
        (true, _) => DENIED,
        (false, true) => UNRESOLVED,
        (false, false) => 0,
    }
}

fn run_tests(cases: &[Case], judge: &mut Judge) -> Result<u8, (String, u8)> {
    let mut failed = 0;
    for case in cases {
        let verdict = judge.verdict(case.question.clone());
        if let Some(text) = case.failure(&verdict) {
            failed += 1;
            print(&text);
        }
    }
    let count = cases.len();
    match failed {
        0 => {
            fail(&format!("{count} tests, all pass"), 0);
            Ok(0)
        }
        _ => {
            fail(&format!("{count} tests, {failed} fail"), 0);
            Ok(DENIED)
        }
    }
}
