//! Holds the deployment files to what they say of each other and to what the program takes: the image's command is
//! run as it stands, with the files that the image copies; whoever stops the program waits longer than it drains.
//! No image is built and nothing is deployed here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what it expects by failing"
)]

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use smokescreen::config::options::option;

#[path = "deploy/files.rs"]
mod files;
#[path = "deploy/profile.rs"]
mod profile;

/// "The maximum kill_timeout is 300 seconds": <https://fly.io/docs/reference/configuration/>.
const FLY_KILL_TIMEOUT_MAX_SECONDS: u64 = 300;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).expect(name)
}

/// A Dockerfile's instructions with their arguments, comments and line continuations taken out.
fn instructions_of(name: &str) -> Vec<(String, String)> {
    let lines: Vec<String> = text(name)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let split = |line: &str| {
        line.split_once(' ')
            .map(|(word, rest)| (word.to_owned(), rest.trim().to_owned()))
    };
    joined.lines().filter_map(split).collect()
}

/// Those of the last stage: what becomes the image.
fn image() -> Vec<(String, String)> {
    image_of(&instructions_of("Dockerfile"))
}

fn image_of(all: &[(String, String)]) -> Vec<(String, String)> {
    let last = all
        .iter()
        .rposition(|(word, _)| word == "FROM")
        .expect("a FROM instruction");
    all.iter().skip(last).cloned().collect()
}

fn last_of(instructions: &[(String, String)], word: &str) -> String {
    let found = instructions.iter().rfind(|(found, _)| found == word);
    found
        .unwrap_or_else(|| panic!("the image has no {word}"))
        .1
        .clone()
}

/// The files of the image: where they come from, and where they are.
fn copies() -> Vec<(String, String)> {
    copies_of(&image())
}

fn copies_of(image: &[(String, String)]) -> Vec<(String, String)> {
    let copies = image.iter().filter(|(word, _)| word == "COPY").map(|(_, rest)| {
        let words: Vec<&str> = rest.split(' ').filter(|word| !word.starts_with("--")).collect();
        match words[..] {
            [source, target] => (source.to_owned(), target.to_owned()),
            _ => panic!("COPY {rest}: expected one source and one target"),
        }
    });
    copies.collect()
}

/// The image's command. JSON is YAML.
fn command() -> Vec<String> {
    serde_yaml::from_str(&last_of(&image(), "CMD")).expect("CMD in its exec form")
}

/// The value behind a flag of a command.
fn value_of(command: &[String], flag: &str) -> Option<String> {
    let at = command.iter().position(|word| word == flag)?;
    command.get(at + 1).cloned()
}

fn seconds(duration: &str) -> u64 {
    let digits = duration.strip_suffix('s').unwrap_or(duration);
    digits
        .parse()
        .unwrap_or_else(|_| panic!("{duration}: expected seconds"))
}

/// How long the program may take to end, by the flags it is started with and the defaults of the others.
fn drain_seconds(command: &[String]) -> u64 {
    ["exit-timeout", "drain-delay"]
        .into_iter()
        .map(|name| {
            let default = option(name).expect(name).default.to_owned();
            seconds(&value_of(command, &format!("--{name}")).unwrap_or(default))
        })
        .sum()
}

/// Key and value of each line `key = value`, with the section it stands in, such as `[[services]]`.
fn settings(name: &str) -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in text(name).lines().map(str::trim) {
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        if line.starts_with('[') {
            section = line.to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            let value = value.trim().trim_matches('"');
            found.push((section.clone(), key.trim().to_owned(), value.to_owned()));
        }
    }
    found
}

#[track_caller]
fn setting(settings: &[(String, String, String)], section: &str, key: &str) -> String {
    let found = settings
        .iter()
        .find(|(in_section, name, _)| in_section == section && name == key);
    found
        .unwrap_or_else(|| panic!("{section} has no {key}"))
        .2
        .clone()
}

/// Runs a command on a port of its own until it says where it listens, connects, and ends it.
fn starts_and_stops(program: &str, arguments: &[String]) {
    let mut child = Command::new(program)
        .args(arguments)
        .args(["--listen-ip", "127.0.0.1", "--listen-port", "0"])
        .env_clear()
        .env("PROXY_PASSWORD", "secret")
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut log = BufReader::new(child.stderr.take().expect("its stderr"));
    let mut said = String::new();
    let address: SocketAddr = loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).expect("a line"), 0, "it ended: {said}");
        let words = line.split_once("listens on ").map(|(_, rest)| rest.to_owned());
        said.push_str(&line);
        if let Some(word) = words.as_deref().and_then(|rest| rest.split([',', ' ']).next()) {
            break word.parse().expect("an address");
        }
    };
    TcpStream::connect(address).expect("a connection");
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("a signal");
    assert!(child.wait().expect("its end").success(), "{said}");
}

/// An argument that names a file of the image becomes the file it was copied from.
fn in_this_tree(arguments: &[String]) -> Vec<String> {
    let copies = copies();
    let here = |argument: &String| match copies.iter().find(|(_, target)| target == argument) {
        Some((source, _)) => root().join(source).to_str().expect("a plain path").to_owned(),
        None => argument.clone(),
    };
    arguments.iter().map(here).collect()
}

#[test]
fn the_image_has_what_its_command_names() {
    let (command, copies) = (command(), copies());
    let program = format!("/usr/local/bin/{}", command[0]);
    let wanted = command.iter().filter(|word| word.starts_with('/'));
    for path in wanted.chain([&program]) {
        assert!(
            copies.iter().any(|(_, target)| target == path),
            "{path} is not copied: {copies:?}"
        );
    }
}

#[test]
fn the_images_command_starts_and_drains() {
    let arguments = in_this_tree(&command()[1..]);
    starts_and_stops(env!("CARGO_BIN_EXE_smokescreen"), &arguments);
}

#[test]
fn the_image_runs_without_privilege_and_is_stopped_by_a_drain() {
    let image = image();
    let user = last_of(&image, "USER");
    let numbers: Vec<u32> = user.split(':').map(|id| id.parse().expect("a number")).collect();
    assert!(numbers.len() == 2 && !numbers.contains(&0), "{user}");
    assert_eq!(last_of(&image, "STOPSIGNAL"), "SIGTERM");
    assert_eq!(last_of(&image, "EXPOSE"), option("listen-port").unwrap().default);
}

/// Copies what `.dockerignore` leaves in the build context, and has cargo read it.
#[test]
fn the_build_context_has_what_the_build_reads() {
    let context = tempfile::tempdir().expect("a folder");
    let ignore = text(".dockerignore");
    let mut lines = ignore.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(
        lines.next(),
        Some("*"),
        "everything is left out but what is named"
    );
    for line in lines {
        let name = line.strip_prefix('!').expect("only exceptions follow");
        copy(&root().join(name), &context.path().join(name));
    }
    let cargo = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--locked",
            "--format-version",
            "1",
        ])
        .current_dir(context.path())
        .output()
        .expect("cargo");
    assert!(
        cargo.status.success(),
        "{}",
        String::from_utf8_lossy(&cargo.stderr)
    );
    for name in ["Cargo.lock", "src/main.rs"] {
        assert!(context.path().join(name).exists(), "{name}");
    }
    for (file, included) in included_files(&context.path().join("src")) {
        assert!(
            included.exists(),
            "{} includes {}",
            file.display(),
            included.display()
        );
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).expect("a folder");
        for entry in std::fs::read_dir(from).expect("a folder") {
            let entry = entry.expect("an entry");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else if from.exists() {
        std::fs::copy(from, to).expect("a copy");
    }
}

/// Each `include_str!` below a folder: the file it stands in, and the file it names.
fn included_files(folder: &Path) -> Vec<(PathBuf, PathBuf)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.append(&mut included_files(&path));
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("a source");
        let names = source
            .split("include_str!(\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        found.extend(names.map(|name| (path.clone(), path.with_file_name("").join(name))));
    }
    found
}

#[test]
fn fly_waits_until_the_program_has_drained() {
    let drain = drain_seconds(&command());
    for name in ["fly.toml", "deploy/fly-flycast.toml"] {
        let fly = settings(name);
        assert_eq!(setting(&fly, "", "kill_signal"), "SIGTERM", "{name}");
        let kill_timeout = seconds(&setting(&fly, "", "kill_timeout"));
        assert!(
            kill_timeout > drain,
            "{name}: {kill_timeout} s are not more than {drain} s"
        );
        assert!(kill_timeout <= FLY_KILL_TIMEOUT_MAX_SECONDS, "{name}");
        assert_eq!(setting(&fly, "[[restart]]", "policy"), "always", "{name}");
        assert_eq!(setting(&fly, "[[vm]]", "size"), "shared-cpu-1x", "{name}");
        assert_eq!(setting(&fly, "[[vm]]", "memory"), "256mb", "{name}");
    }
}

#[test]
fn the_private_app_has_no_way_in_from_outside() {
    let fly = settings("fly.toml");
    let public = ["[http_service", "[[services", "[services"];
    let found: Vec<_> = fly
        .iter()
        .filter(|(section, _, _)| public.iter().any(|start| section.starts_with(start)))
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn the_flycast_app_passes_bytes_to_the_port_that_is_listened_on() {
    let fly = settings("deploy/fly-flycast.toml");
    let command = command();
    let port = value_of(&command, "--listen-port");
    let port = port.unwrap_or_else(|| option("listen-port").unwrap().default.to_owned());
    assert_eq!(setting(&fly, "[[services]]", "internal_port"), port);
    assert_eq!(setting(&fly, "[[services]]", "protocol"), "tcp");
    assert_eq!(setting(&fly, "[[services.ports]]", "port"), "4750");
    assert!(
        !fly.iter()
            .any(|(_, key, _)| key == "handlers" || key == "force_https")
    );
}

/// The values of a key of the unit.
fn unit(key: &str) -> Vec<String> {
    files::values("smokescreen.service", key)
}

#[test]
fn the_unit_starts_and_waits_until_the_program_has_drained() {
    let command: Vec<String> = unit("ExecStart")[0].split(' ').map(str::to_owned).collect();
    assert_eq!(command[0], "smokescreen");
    starts_and_stops(env!("CARGO_BIN_EXE_smokescreen"), &in_this_tree(&command[1..]));
    assert!(seconds(&unit("TimeoutStopSec")[0]) > drain_seconds(&command));
    assert_eq!(unit("KillSignal"), ["SIGTERM"]);
    assert_eq!(unit("DynamicUser"), ["yes"]);
    let reload = unit("ExecReload");
    assert_eq!(
        reload[0],
        format!("smokescreen check-config {}", command[1..].join(" ")),
        "it checks what was started"
    );
    assert!(reload[1].contains("-HUP") && reload.len() == 2, "{reload:?}");
}
