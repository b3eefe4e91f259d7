//! `--watch`: files are read again when they changed, without a signal.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::auth::basic;
use crate::support::case::cases;
use crate::support::eventually;
use crate::support::message::{get, request};
use crate::support::origin::Origin;
use crate::support::proxy::{Proxy, Setup};

cases![
    an_acl_that_is_written_in_place_or_renamed_is_reloaded,
    a_volume_whose_link_is_exchanged_is_reloaded_as_a_whole,
    a_file_that_is_missing_changes_nothing,
    an_invalid_file_is_told_of_once_and_the_next_valid_one_counts,
    without_the_option_nothing_is_read_again,
];

fn acl(action: &str) -> String {
    format!("version: v1\nservices: []\ndefault: {{project: p, action: {action}}}\n")
}

fn await_status(proxy: &Proxy, origin: &Origin, status: u16) {
    eventually("the new ACL", || {
        (proxy.ask(get(&origin.url("/"))).status == status).then_some(())
    });
}

/// So many were said: each once all loops have what was read.
fn await_reloads(proxy: &Proxy, count: usize) {
    eventually("the reloads to be said", || {
        (said(proxy, "The egress ACL was reloaded") == count).then_some(())
    });
}

fn said(proxy: &Proxy, text: &str) -> usize {
    let lines = proxy.log_lines();
    lines.iter().filter(|line| line.get("msg").contains(text)).count()
}

fn an_acl_that_is_written_in_place_or_renamed_is_reloaded() {
    let setup = Setup::open();
    let path = setup.file("acl.yaml", &acl("enforce"));
    let next = format!("{path}.next");
    let proxy = setup
        .option("--egress-acl-file", path.as_str())
        .arg("--watch")
        .start();
    let origin = Origin::fixed("ok");
    await_status(&proxy, &origin, 407);
    fs::write(&path, acl("open")).expect("a file");
    await_status(&proxy, &origin, 200);
    fs::write(&next, acl("enforce")).expect("a file");
    fs::rename(&next, &path).expect("a file");
    await_status(&proxy, &origin, 407);
    await_reloads(&proxy, 2);
}

/// As Kubernetes does it: the files are links into `..data`, which is a link that is exchanged.
fn a_volume_whose_link_is_exchanged_is_reloaded_as_a_whole() {
    let setup = Setup::bare();
    let marker = setup.file("marker", "");
    let folder = std::path::Path::new(&marker).with_file_name("volume");
    for (version, action, password) in [("..1", "enforce", "old"), ("..2", "open", "new")] {
        fs::create_dir_all(folder.join(version)).expect("a folder");
        fs::write(folder.join(version).join("acl.yaml"), acl(action)).expect("a file");
        fs::write(folder.join(version).join("password"), password).expect("a file");
    }
    symlink("..1", folder.join("..data")).expect("a link");
    for name in ["acl.yaml", "password"] {
        symlink(format!("..data/{name}"), folder.join(name)).expect("a link");
    }
    let path = |name: &str| folder.join(name).to_str().expect("a plain path").to_owned();
    let proxy = setup
        .env("PROXY_PASSWORD_FILE", &path("password"))
        .option("--egress-acl-file", path("acl.yaml"))
        .arg("--watch")
        .start();
    let origin = Origin::fixed("ok");
    let ask = |password: &str| {
        proxy
            .ask(request(
                "GET",
                &origin.url("/"),
                &(basic("any", password) + "\r\n"),
            ))
            .status
    };
    assert_eq!(ask("old"), 407);
    symlink("..2", folder.join("..next")).expect("a link");
    fs::rename(folder.join("..next"), folder.join("..data")).expect("a link");
    eventually("the new password and ACL", || (ask("new") == 200).then_some(()));
    assert_eq!(ask("old"), 407);
    await_reloads(&proxy, 1);
}

fn a_file_that_is_missing_changes_nothing() {
    let setup = Setup::open();
    let path = setup.file("acl.yaml", &acl("open"));
    let away = format!("{path}.away");
    let proxy = setup
        .option("--egress-acl-file", path.as_str())
        .arg("--watch")
        .start();
    let origin = Origin::fixed("ok");
    fs::rename(&path, &away).expect("gone");
    // Long enough for several looks; nothing must come of them.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        assert_eq!(proxy.ask(get(&origin.url("/"))).status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(said(&proxy, "reloaded"), 0, "{:#?}", proxy.log());
    fs::write(&path, acl("enforce")).expect("a file");
    await_status(&proxy, &origin, 407);
}

fn an_invalid_file_is_told_of_once_and_the_next_valid_one_counts() {
    let setup = Setup::open();
    let path = setup.file("acl.yaml", &acl("open"));
    let proxy = setup
        .option("--egress-acl-file", path.as_str())
        .arg("--watch")
        .start();
    let origin = Origin::fixed("ok");
    fs::write(&path, "version: v1\nservices: []\ngobal_deny_list: []\n").expect("a file");
    let refused = "Nothing was reloaded, what was read before stays in force";
    eventually("a word about it", || (said(&proxy, refused) > 0).then_some(()));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        assert_eq!(proxy.ask(get(&origin.url("/"))).status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(said(&proxy, refused), 1);
    fs::write(&path, acl("enforce")).expect("a file");
    await_status(&proxy, &origin, 407);
    assert_eq!(said(&proxy, refused), 1);
}

fn without_the_option_nothing_is_read_again() {
    let setup = Setup::open();
    let path = setup.file("acl.yaml", &acl("open"));
    let proxy = setup.option("--egress-acl-file", path.as_str()).start();
    let origin = Origin::fixed("ok");
    fs::write(&path, acl("enforce")).expect("a file");
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        assert_eq!(proxy.ask(get(&origin.url("/"))).status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
}
