//! What a reload takes and what it refuses; what it says is `tests/it/signals`'.

use std::ffi::OsString;

use crate::config::{self, Environment, Start};
use crate::policy::acl::BUILT_IN;
use crate::policy::{Asker, Credentials, PolicyParts};

use super::*;

/// A folder with an ACL and a password file, and what is made of it at start.
struct House {
    folder: tempfile::TempDir,
    in_force: InForce,
    files: Files,
}

impl House {
    fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        let (acl, password) = (folder.path().join("acl.yaml"), folder.path().join("password"));
        std::fs::write(&acl, BUILT_IN).unwrap();
        std::fs::write(&password, "first\n").unwrap();
        let users = folder.path().join("users");
        std::fs::write(&users, format!("alice:{HASH}\n")).unwrap();
        let arguments: [OsString; 4] = [
            "--egress-acl-file".into(),
            acl.clone().into(),
            "--users-file".into(),
            users.into(),
        ];
        let environment: Environment = [("PROXY_PASSWORD_FILE".into(), password.into())]
            .into_iter()
            .collect();
        let Ok(Start::Run(config)) = config::from_process(&arguments, &environment) else {
            panic!("no configuration");
        };
        let policy = Policy::new(PolicyParts {
            acl: Some(acl_at_start(&acl, &[]).unwrap()),
            password: config.password.clone(),
            allow_missing_role: false,
            ..PolicyParts::without_rules()
        });
        House {
            folder,
            in_force: InForce {
                policy: Arc::new(policy),
                tls: None,
                trust: trust_files::read(&config.trust, None, &mut Vec::new()).unwrap(),
                mitm: None,
            },
            files: Files::of(&config),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn reload(&mut self) {
        match self.files.read(&self.in_force) {
            Ok(fresh) => self.in_force = fresh.in_force,
            Err(why) => panic!("{why}"),
        }
    }

    #[track_caller]
    fn refused(&mut self) -> String {
        match self.files.read(&self.in_force) {
            Err(why) => why,
            Ok(_) => panic!("reloaded"),
        }
    }

    fn accepts(&self, base64: &str) -> bool {
        let field = format!("Basic {base64}");
        let asker = Asker {
            address: Some([192, 0, 2, 1].into()),
            certificate: None,
        };
        self.in_force
            .policy
            .authenticate(Credentials::Given(field.as_bytes()), None, &asker)
            .is_ok()
    }
}

const HASH: &str = "$5$saltsalt$cZWIyy.ZRgVqs4yd0ajZfzMAT2y6ajSCs.ICbM2aR27";
const FIRST: &str = "eDpmaXJzdA==";
const SECOND: &str = "eDpzZWNvbmQ=";
const ONE_SERVICE: &str = "version: v1\nservices: [{name: one, action: open}]\n";

#[test]
fn both_files_are_read_again() {
    let mut house = House::new();
    house.write("acl.yaml", ONE_SERVICE);
    house.write("password", "second");
    house.reload();
    assert_eq!(house.in_force.policy.acl().unwrap().services(), ["one"]);
    assert!(house.accepts(SECOND) && !house.accepts(FIRST));
}

#[test]
fn one_that_is_invalid_leaves_all_the_old_ones() {
    let mut house = House::new();
    house.write("acl.yaml", ONE_SERVICE);
    house.write("password", "");
    assert!(house.refused().contains("it is empty"));
    house.write("password", [b'x'; 5000]);
    assert!(house.refused().contains("longer than 4096 bytes"));
    house.write("password", [0xff]);
    assert!(house.refused().starts_with("PROXY_PASSWORD_FILE: cannot use"));
    std::fs::remove_file(house.path("password")).unwrap();
    assert!(house.refused().contains("No such file"));

    house.write("password", "second");
    house.write("acl.yaml", "version: v2\nservices: []\n");
    assert!(
        house
            .refused()
            .contains("acl.yaml: line 1, column 10: unknown version 'v2'")
    );
    std::fs::remove_file(house.path("acl.yaml")).unwrap();
    assert!(house.refused().contains("acl.yaml: No such file"));
    assert_eq!(house.in_force.policy.acl().unwrap().services(), ["authed"]);
    assert!(house.accepts(FIRST) && !house.accepts(SECOND));
}

/// Opening a pipe waits for its writer, and no other reload could follow.
#[cfg(target_os = "linux")]
#[test]
fn a_reload_does_not_wait_for_a_pipe() {
    use rustix::fs::{CWD, Mode, mkfifoat};
    for name in ["acl.yaml", "password", "users"] {
        let mut house = House::new();
        std::fs::remove_file(house.path(name)).unwrap();
        mkfifoat(CWD, house.path(name), Mode::RUSR | Mode::WUSR).unwrap();
        assert!(house.refused().ends_with("not a regular file"), "{name}");
    }
}

#[test]
fn users_are_read_again_and_one_that_is_none_leaves_the_others() {
    let mut house = House::new();
    house.reload();
    assert!(
        house
            .in_force
            .policy
            .users()
            .is_some_and(|users| users.count() == 1)
            && house.in_force.policy.may_name("alice")
    );
    house.write("users", format!("alice:{HASH}\nbob:{HASH}\n"));
    house.reload();
    assert!(house.in_force.policy.may_name("alice") && house.in_force.policy.may_name("bob"));
    house.write("users", format!("carol:{HASH}\nbob\n"));
    house.write("password", "second");
    assert!(house.refused().contains("users: line 2: NAME:HASH is expected"));
    assert!(house.in_force.policy.may_name("bob") && !house.in_force.policy.may_name("carol"));
    assert!(house.accepts(FIRST) && !house.accepts(SECOND));
}

#[test]
fn no_more_is_read_than_is_accepted() {
    let endless = acl_at_start(Path::new("/dev/zero"), &[]).unwrap_err();
    assert!(endless.contains("too many"), "{endless}");
    let mut house = House::new();
    house.write("acl.yaml", vec![b'#'; acl::LIMITS.bytes_max + 2]);
    assert!(house.refused().contains("too many"));
    let endless = users_file::at_start(Path::new("/dev/zero")).unwrap_err();
    assert!(endless.contains("larger than"), "{endless}");
}

#[test]
fn all_that_is_read_again_by_name_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, "x").unwrap();
        path
    };
    let options = [
        "egress-acl-file",
        "users-file",
        "tls-server-bundle-file",
        "tls-client-ca-file",
        "tls-crl-file",
        "upstream-ca-file",
    ];
    let mut expected: Vec<PathBuf> = options.iter().map(|name| path(name)).collect();
    let arguments = options.iter().zip(&expected);
    let arguments = arguments.flat_map(|(name, path)| [format!("--{name}").into(), path.clone().into()]);
    let mut arguments: Vec<OsString> = arguments.collect();
    let more = path("a second client CA");
    arguments.extend(["--tls-client-ca-file".into(), more.clone().into()]);
    let (password, key) = (path("password"), path("key"));
    let config_file = path("config");
    std::fs::write(&config_file, format!("tls: {{key_file: '{}'}}\n", key.display())).unwrap();
    arguments.extend(["--config-file".into(), config_file.into()]);
    expected.extend([more, password.clone(), key]);
    let environment: Environment = [("PROXY_PASSWORD_FILE".into(), password.into())]
        .into_iter()
        .collect();
    let config = match config::from_process(&arguments, &environment) {
        Ok(Start::Run(config)) => config,
        other => panic!("{other:?}"),
    };
    let mut paths = Files::of(&config).paths();
    paths.sort_unstable();
    expected.sort_unstable();
    assert_eq!(paths, expected);
}
