//! `man` and `completions`, as those read them who they are for.

use std::process::Command;

use crate::commands::{command, ended};
use crate::support::case::cases;
use crate::support::program::{find, run, run_fed};

cases![
    a_formatter_takes_the_manual_page_without_a_word,
    bash_completes_commands_flags_and_words,
    completions_are_what_zsh_and_fish_take,
    a_shell_that_nobody_knows_exits_2,
];

fn output(name: &str, argument: Option<&str>) -> String {
    let asked = argument
        .into_iter()
        .fold(command(name), |asked, argument| asked.arg(argument));
    ended(&asked.run(), 0)
}

fn a_formatter_takes_the_manual_page_without_a_word() -> Result<(), String> {
    let page = output("man", None);
    let formatters: [(&str, &[&str]); 3] = [
        ("mandoc", &["-Tlint", "-Wwarning"]),
        ("groff", &["-man", "-ww", "-z"]),
        ("man", &["--warnings", "-l", "-"]),
    ];
    let mut is_read = false;
    for (name, arguments) in formatters {
        let Ok(program) = find(name) else { continue };
        let finished = run_fed(
            Command::new(program).args(arguments).env("LC_ALL", "C.UTF-8"),
            &page,
        );
        assert_eq!(finished.code, Some(0), "{name}: {finished:?}");
        assert_eq!(finished.stderr, "", "{name}");
        is_read = true;
    }
    is_read.then_some(()).ok_or("no mandoc, groff or man".into())
}

fn bash_completes_commands_flags_and_words() -> Result<(), String> {
    let bash = find("bash")?;
    let script = output("completions", Some("bash"));
    let completed = |words: &[&str]| -> Vec<String> {
        let line = words.join("' '");
        let text = format!(
            "{script}\nCOMP_WORDS=('smokescreen' '{line}'); COMP_CWORD={}; _smokescreen; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.len()
        );
        let finished = run(Command::new(&bash).args(["--norc", "-c", &text]));
        assert_eq!(
            (finished.code, finished.stderr.as_str()),
            (Some(0), ""),
            "{words:?}"
        );
        finished.text().lines().map(str::to_owned).collect()
    };
    assert_eq!(completed(&["sug"]), ["suggest"]);
    assert_eq!(completed(&["ch"]), ["check", "check-config"]);
    assert_eq!(completed(&["--resolver-a"]), ["--resolver-address"]);
    assert_eq!(completed(&["check", "--no-re"]), ["--no-resolve"]);
    assert_eq!(completed(&["--log-format", ""]), ["text", "json"]);
    assert_eq!(completed(&["completions", "f"]), ["fish"]);
    assert_eq!(completed(&["--listen-port", ""]), [""], "anything");
    Ok(())
}

fn completions_are_what_zsh_and_fish_take() -> Result<(), String> {
    let mut is_read = false;
    for (shell, arguments) in [("zsh", ["-n", "/dev/stdin"]), ("fish", ["-n", "/dev/stdin"])] {
        let Ok(program) = find(shell) else { continue };
        let finished = run_fed(
            Command::new(program).args(arguments),
            &output("completions", Some(shell)),
        );
        assert_eq!(
            (finished.code, finished.stderr.as_str()),
            (Some(0), ""),
            "{shell}"
        );
        is_read = true;
    }
    is_read.then_some(()).ok_or("neither zsh nor fish".into())
}

fn a_shell_that_nobody_knows_exits_2() {
    for shell in [None, Some("tcsh")] {
        let asked = shell
            .into_iter()
            .fold(command("completions"), |asked, argument| asked.arg(argument));
        let finished = asked.run();
        assert_eq!(ended(&finished, 2), "");
        assert!(finished.stderr.contains("bash, zsh or fish"), "{finished:?}");
    }
}
