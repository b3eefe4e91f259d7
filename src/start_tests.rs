//! What a reload takes and what it refuses, and how descriptors are shared out. The start itself: `tests/it/startup`.

use super::*;

/// A policy without an ACL, and the reload of the file `acl.yaml` in a new directory.
fn reloading() -> (tempfile::TempDir, PathBuf, Policy, Reload) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("acl.yaml");
    let policy = Policy::new(PolicyParts {
        acl: None,
        ranges: Ranges::new(Vec::new(), Vec::new(), false, Vec::new()),
        password: None,
        allow_missing_role: true,
        network: crate::net::Network::Any,
    });
    let reload = reload(&AclSource::File(path.clone()), Vec::new());
    (directory, path, policy, reload)
}

fn refused(reload: &mut Reload, policy: &Policy) -> String {
    match reload(policy) {
        Err(why) => why,
        Ok(_) => panic!("reloaded"),
    }
}

#[test]
fn a_reload_takes_a_valid_file_and_refuses_another() {
    let (_directory, path, policy, mut reload) = reloading();
    assert!(refused(&mut reload, &policy).contains("acl.yaml: No such file"));
    std::fs::write(&path, acl::BUILT_IN).unwrap();
    let policy = reload(&policy).unwrap_or_else(|why| panic!("{why}"));
    assert!(policy.acl().is_some());
    std::fs::write(&path, "version: v2\nservices: []\n").unwrap();
    assert!(refused(&mut reload, &policy).contains("acl.yaml: line 1, column 10: unknown version 'v2'"));
}

/// Opening a pipe waits for its writer, and the loop would wait with it.
#[cfg(target_os = "linux")]
#[test]
fn a_reload_does_not_wait_for_a_pipe() {
    use rustix::fs::{CWD, Mode, mkfifoat};
    let (_directory, path, policy, mut reload) = reloading();
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    assert!(refused(&mut reload, &policy).ends_with("acl.yaml: not a regular file"));
}

#[test]
fn no_more_is_read_than_is_accepted() {
    let endless = read_acl_file(Path::new("/dev/zero"), &[]).unwrap_err();
    assert!(endless.contains("too many"), "{endless}");
}

#[test]
fn pipes_leave_descriptors_for_the_rest_of_what_is_reserved() {
    assert_eq!((pipes_max(31), pipes_max(1024), pipes_max(1 << 20)), (0, 32, 64));
    for descriptors in [16, 64, 256, 1024, 2048, 20_000, 1 << 20] {
        let taken = idle_max(100, descriptors) + 2 * pipes_max(descriptors);
        assert!(taken as u64 <= reserved(descriptors), "{descriptors}");
    }
}

#[test]
fn idle_connections_leave_descriptors_for_clients() {
    assert_eq!(idle_max(100, 64), 2);
    assert_eq!(idle_max(100, 16), 0);
    assert_eq!(idle_max(100, 1024), 100);
    assert_eq!(idle_max(8, 1024), 8);
    assert_eq!(idle_max(1000, 1 << 20), 1000);
}
