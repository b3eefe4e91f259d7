//! Reloads of a file that turns into something else, and of one that is huge.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};
use rustix::process::Signal;

use crate::form::Form;
use crate::honest::credentials;
use crate::report::Expected;
use crate::scene::{Scene, Stop, setup};
use crate::support::case::cases;
use crate::support::message::request;
use crate::support::proxy::PASSWORD;
use crate::support::wire::Wire;
use crate::support::within;

cases![a_fifo_in_the_acls_place, a_huge_acl_and_back];

const ACL: &str = "version: v1\nservices:\n  - name: authed\n    project: x\n    action: open\n";

/// The file and a FIFO change places all the time, and reloads fall between.
fn a_fifo_in_the_acls_place() {
    let setup = setup().acl(ACL);
    let path = PathBuf::from(setup.file("acl.yaml", ACL));
    let scene = Scene::new(setup);
    let fifo = path.with_file_name("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).expect("a FIFO");
    let figures = scene.play("8 reload: a FIFO in the ACL's place", || {
        let over = Arc::new(AtomicBool::new(false));
        let (shared, pid) = (Arc::clone(&over), scene.proxy.pid());
        let attacker = std::thread::spawn(move || {
            crate::form::step_back();
            let mut swaps = 0u64;
            while !shared.load(Ordering::SeqCst) {
                let _ = renameat_with(CWD, &path, CWD, &fifo, RenameFlags::EXCHANGE);
                swaps += 1;
                // As fast as it goes: between a look at the path and its opening are some microseconds.
                if swaps.is_multiple_of(100) {
                    let _ = rustix::process::kill_process(pid, Signal::HUP);
                }
            }
            format!("{swaps} swaps")
        });
        let stop: Stop = Box::new(move || {
            over.store(true, Ordering::SeqCst);
            attacker.join().expect("the attacker")
        });
        stop
    });
    figures.judge(Expected::default(), Vec::new());
}

/// What an ACL of 900,000 domains took comes back with a small one.
fn a_huge_acl_and_back() {
    let domains = Form::get().pick(900_000, 20_000);
    let setup = setup().acl(ACL);
    let path = PathBuf::from(setup.file("acl.yaml", ACL));
    let scene = Scene::new(setup);
    let mut huge = format!("{ACL}    allowed_domains:\n");
    for number in 0..domains {
        // Short, for a file has 16 MiB at most.
        huge.push_str(&format!("    - d{number}.ex\n"));
    }
    huge.push_str("global_deny_list:\n  - marker.test\n");
    let figures = scene.play("8 reload: 900,000 domains and back", || {
        let (address, pid) = (scene.proxy.address(), scene.proxy.pid());
        let reloads = std::thread::spawn(move || {
            for (text, is_huge) in [(huge.as_str(), true), (ACL, false)] {
                put(&path, text);
                rustix::process::kill_process(pid, Signal::HUP).expect("kill");
                within(Duration::from_secs(120), "a reload", || {
                    (denies_marker(address) == is_huge).then_some(())
                });
            }
        });
        Box::new(move || {
            reloads.join().expect("the reloads");
            String::new()
        })
    });
    figures.judge(Expected::default(), Vec::new());
}

/// Replaces the file as an editor does.
fn put(path: &Path, text: &str) {
    let new = path.with_file_name("new");
    std::fs::write(&new, text).expect("a file");
    std::fs::rename(new, path).expect("rename");
}

fn denies_marker(proxy: SocketAddr) -> bool {
    let mut wire = Wire::connect(proxy);
    wire.patience(Duration::from_secs(60));
    wire.send(request("GET", "http://marker.test:1/", &credentials(PASSWORD)));
    wire.response().text().contains("global deny list")
}
