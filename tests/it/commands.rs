//! Commands: `check-config` says what serving would say, `check` what the proxy would answer.

use rustix::process::Signal as Sig;

use crate::support::case::cases;
use crate::support::program::Finished;
use crate::support::proxy::{PASSWORD, Setup};

cases![
    check_config_says_in_one_line_what_serving_would_say,
    check_config_binds_nothing_and_warns,
    check_config_warns_of_all_that_serving_would_warn_of,
    each_command_says_what_it_is,
];

/// A command, as somebody who has the password would run it.
pub(crate) fn command(name: &str) -> Setup {
    Setup::bare().arg(name).env("PROXY_PASSWORD", PASSWORD)
}

#[track_caller]
pub(crate) fn ended(finished: &Finished, code: i32) -> String {
    assert_eq!(finished.code, Some(code), "{finished:?}");
    finished.text()
}

const ACL: &str = "version: v1
services:
- {name: ci, action: enforce, allowed_domains: [a.test]}
";

fn check_config_says_in_one_line_what_serving_would_say() {
    let wrong = [
        ("--listen-port", "65536"),
        ("--no-such-option", "1"),
        ("--egress-acl-file", "/none.yaml"),
        ("--tls-server-bundle-file", "/none.pem"),
        ("--users-file", "/none"),
    ];
    for (flag, value) in wrong {
        let checked = command("check-config").option(flag, value).run();
        let serving = Setup::locked().option(flag, value).run();
        assert_eq!(ended(&checked, 2), "");
        assert_eq!(checked.stderr, serving.stderr, "{flag} {value}");
        assert_eq!(serving.code, Some(2));
    }
    for (name, content) in [
        (
            "acl.yaml",
            "version: v1\nservices: []\nglobal_deny_lits: [a.test]\n",
        ),
        (
            "acl.yaml",
            "version: v1\nservices: [{name: a, action: enforce, allowed_domains: ['*']}]\n",
        ),
    ] {
        let checked = command("check-config");
        let path = checked.file(name, content);
        let serving = Setup::locked().option("--egress-acl-file", path.as_str()).run();
        let checked = checked.option("--egress-acl-file", path.as_str()).run();
        assert_eq!(ended(&checked, 2), "");
        assert_eq!(checked.stderr, serving.stderr);
    }
    let checked = command("check-config");
    let path = checked.file("users", "somebody:plain\n");
    let serving = Setup::locked().option("--users-file", path.as_str()).run();
    let checked = checked.option("--users-file", path.as_str()).run();
    assert_eq!(
        (ended(&checked, 2), checked.stderr),
        (String::new(), serving.stderr)
    );
    let nobody = Setup::bare().arg("check-config").run();
    assert_eq!(
        (ended(&nobody, 2), nobody.stderr),
        (String::new(), Setup::bare().run().stderr)
    );
}

fn check_config_binds_nothing_and_warns() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("its address").port().to_string();
    let finished = command("check-config")
        .option("--listen-ip", "127.0.0.1")
        .option("--listen-port", port)
        .acl(ACL)
        .run();
    assert_eq!(ended(&finished, 0), "The configuration is right\n");
    assert!(
        finished
            .stderr
            .contains("warning: No client can be the service 'ci'"),
        "{}",
        finished.stderr
    );
}

fn check_config_warns_of_all_that_serving_would_warn_of() {
    let acl =
        "version: v1\nservices: [{name: nobody, action: enforce, allow_private: [{cidr: 10.0.0.0/8}]}]\n";
    let options = [
        // Two that say nothing without others,
        "--admin-status",
        "--max-request-burst=5",
        // rules that can never take effect,
        "--deny-range=44.0.0.0/8",
        "--allow-range=44.0.0.0/8",
        // and what is open, short or beyond this machine.
        "--allow-missing-role",
        "--proxy-protocol",
        "--exit-timeout=1ms",
        "--max-connections=100000000",
        "--transport-max-idle-conns=100000000",
        // Or too few for all to have a part.
        "--workers=3",
        "--transport-max-idle-conns-per-host=2",
    ];
    for with_acl in [true, false] {
        let set_up = |setup: Setup| {
            let setup = options.iter().fold(setup, |setup, option| setup.arg(*option));
            match with_acl {
                true => setup.acl(acl),
                false => setup,
            }
        };
        let checked = set_up(Setup::bare().arg("check-config")).run();
        assert_eq!(ended(&checked, 0), "The configuration is right\n");
        let checked: Vec<String> = checked
            .stderr
            .lines()
            .map(|line| {
                let text = line.strip_prefix("smokescreen: warning: ");
                text.unwrap_or_else(|| panic!("{line}")).to_owned()
            })
            .collect();
        let mut proxy = set_up(Setup::bare()).start();
        proxy.signal(Sig::TERM);
        proxy.wait();
        let served = proxy
            .await_lines("Shut down, cut: 0 tunnels, 0 other connections", 1)
            .len();
        assert_eq!(served, 1);
        let lines = proxy.log_lines();
        let warned = lines.iter().filter(|line| line.get("level") == "warning");
        let served: Vec<String> = warned.map(|line| line.get("msg").to_owned()).collect();
        assert!(served.len() >= 8, "{served:#?}");
        assert_eq!(checked, served);
    }
}

fn each_command_says_what_it_is() {
    let all = Setup::bare().arg("--help").run().text();
    for name in [
        "check",
        "check-config",
        "completions",
        "health",
        "man",
        "replay",
        "suggest",
        "top",
    ] {
        let help = Setup::bare().arg(name).arg("--help").run();
        let text = ended(&help, 0);
        assert!(text.starts_with(&format!("Usage: smokescreen {name}")), "{text}");
        assert!(all.contains(&format!("\n  {name} ")), "{name} is not in --help");
    }
}
