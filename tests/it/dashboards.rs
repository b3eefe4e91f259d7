//! The dashboard and the alerts of deploy/ name nothing that a scrape of a proxy that did something does not have, and a
//! real Prometheus takes both.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::admin::{ask, with_admin};
use crate::auth::basic;
use crate::support::case::cases;
use crate::support::message::{connect, get, request};
use crate::support::origin::Origin;
use crate::support::program::Running;
use crate::support::proxy::{PASSWORD, Setup};
use crate::support::{eventually, program};

cases![
    every_metric_they_name_is_in_a_scrape,
    promtool_takes_the_rules,
    prometheus_scrapes_a_proxy_and_takes_every_expression,
];

fn deployed(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands between these, taken out, innermost first.
fn without(text: &str, open: char, close: char) -> String {
    let (mut kept, mut depth) = (String::new(), 0_u32);
    for character in text.chars() {
        match character {
            c if c == open && (open != close || depth == 0) => depth += 1,
            c if c == close => depth -= 1,
            c if depth == 0 => kept.push(c),
            _ => {}
        }
    }
    kept
}

/// The metrics that an expression names: what is left without texts, matchers, ranges, functions and groupings.
fn metrics(expression: &str) -> Vec<String> {
    let bare = without(&without(&without(expression, '"', '"'), '{', '}'), '[', ']');
    let mut found = Vec::new();
    let mut rest = bare.as_str();
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_') {
        let word = &rest[start..];
        let length = word
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(word.len());
        let (word, behind) = word.split_at(length);
        rest = behind;
        if word == "by" {
            rest = behind.split_once(')').expect("a grouping").1;
        } else if word == "label_values" {
            rest = behind.split_once(',').expect("a label").0;
        } else if !["(", "by "]
            .iter()
            .any(|next| behind.trim_start().starts_with(next))
        {
            found.push(word.to_owned());
        }
    }
    found
}

/// Those of both files.
fn expressions() -> Vec<String> {
    let dashboard: serde_json::Value = serde_json::from_str(&deployed("grafana.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let mut expressions: Vec<String> = targets
        .map(|target| target["expr"].as_str().expect("an expression").to_owned())
        .collect();
    assert!(expressions.len() > 20);
    expressions.push(
        dashboard["templating"]["list"][1]["query"]["query"]
            .as_str()
            .expect("a query")
            .to_owned(),
    );
    let rules: serde_yaml::Value = serde_yaml::from_str(&deployed("prometheus-rules.yml")).expect("YAML");
    for rule in rules["groups"][0]["rules"].as_sequence().expect("rules") {
        expressions.push(rule["expr"].as_str().expect("an expression").to_owned());
        assert!(
            rule["annotations"]["summary"].is_string() && rule["alert"].is_string(),
            "{rule:?}"
        );
    }
    expressions
}

/// All metrics of both files.
fn named() -> BTreeSet<String> {
    let expressions = expressions();
    expressions
        .iter()
        .flat_map(|expression| metrics(expression))
        .collect()
}

fn every_metric_they_name_is_in_a_scrape() {
    let acl = "version: v1\nservices:\n\
        - {name: authed, project: p, action: report, allowed_domains: [44.1.2.3]}\n\
        global_deny_list: [denied.test]\n";
    let (setup, admin) = with_admin(Setup::locked().acl(acl).arg("--time-connect"));
    let proxy = setup.start();
    let authorization = format!("{}\r\n", basic("u", PASSWORD));
    let origin = Origin::fixed("x");
    for (url, status) in [
        (origin.url("/").as_str(), 200),
        ("http://denied.test/", 407),
        ("http://10.1.2.3:9/", 407),
    ] {
        assert_eq!(
            proxy.ask(request("GET", url, &authorization)).status,
            status,
            "{url}"
        );
    }
    let echo = Origin::echo();
    let mut tunnel = proxy.client();
    tunnel.send(connect(&echo.authority()).replace("\r\n\r\n", &format!("\r\n{authorization}\r\n")));
    assert_eq!(tunnel.response_to("CONNECT").status, 200);
    drop(tunnel);
    let scrape = eventually("the tunnel's end", || {
        let text = ask(admin, &format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\n\r\n")).text();
        text.contains("\ncn_close{").then_some(text)
    });
    let samples: BTreeSet<&str> = scrape
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let named = named();
    assert!(named.len() > 25, "{named:?}");
    let missing: Vec<_> = named
        .iter()
        // Prometheus' own.
        .filter(|name| *name != "up" && !samples.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "no sample of {missing:?}");
}

fn promtool_takes_the_rules() -> Result<(), String> {
    let promtool = program::find("promtool")?;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus-rules.yml");
    let finished = program::run(Command::new(promtool).args(["check", "rules", path]));
    assert_eq!(finished.code, Some(0), "{}{}", finished.text(), finished.stderr);
    Ok(())
}

/// Prometheus with the rules of deploy/, which scrapes that address each 200 ms; and where it is asked.
fn prometheus(scraped: SocketAddr) -> Result<(Running, tempfile::TempDir, SocketAddr), String> {
    let program = program::find("prometheus")?;
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| {
        folder
            .path()
            .join(name)
            .to_str()
            .expect("a plain path")
            .to_owned()
    };
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus-rules.yml");
    let configuration = format!(
        "global: {{scrape_interval: 200ms, evaluation_interval: 200ms}}\nrule_files: ['{rules}']\n\
         scrape_configs: [{{job_name: smokescreen, static_configs: [{{targets: ['{scraped}']}}]}}]\n"
    );
    std::fs::write(file("prometheus.yml"), configuration).expect("a file");
    let reserved = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = reserved.local_addr().expect("its address");
    drop(reserved);
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", file("prometheus.yml")))
        .arg(format!("--storage.tsdb.path={}", file("storage")))
        .arg(format!("--web.listen-address={address}"))
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let running = Running(command.spawn().expect("prometheus"));
    eventually("prometheus", || TcpStream::connect(address).ok());
    Ok((running, folder, address))
}

/// What Prometheus answers to this; none until it has read its storage.
#[track_caller]
fn api(prometheus: SocketAddr, target: &str) -> Option<serde_json::Value> {
    let request = format!("GET /api/v1/{target} HTTP/1.1\r\nHost: {prometheus}\r\nConnection: close\r\n\r\n");
    let answer = ask(prometheus, &request);
    if answer.status == 503 {
        return None;
    }
    let answer: serde_json::Value = serde_json::from_str(&answer.text()).expect("JSON");
    assert_eq!(answer["status"], "success", "{target}: {answer}");
    assert!(answer["warnings"].is_null(), "{target}: {answer}");
    Some(answer["data"].clone())
}

/// The result of this query.
#[track_caller]
fn query(prometheus: SocketAddr, expression: &str) -> Option<serde_json::Value> {
    let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
    Some(api(prometheus, &format!("query?query={encoded}"))?["result"].clone())
}

/// Waits until each of the rules of deploy/ was evaluated, and without an error.
#[track_caller]
fn await_healthy_rules(prometheus: SocketAddr) {
    let rules: serde_yaml::Value = serde_yaml::from_str(&deployed("prometheus-rules.yml")).expect("YAML");
    let groups = rules["groups"].as_sequence().expect("groups").iter();
    let rules = groups.flat_map(|group| group["rules"].as_sequence().expect("rules"));
    let wanted: BTreeSet<&str> = rules
        .map(|rule| rule["alert"].as_str().expect("a name"))
        .collect();
    assert!(wanted.len() > 5, "{wanted:?}");
    eventually("healthy rules", || {
        let answer = api(prometheus, "rules")?;
        let groups = answer["groups"].as_array()?.iter();
        let rules: Vec<_> = groups
            .flat_map(|group| group["rules"].as_array().expect("rules"))
            .collect();
        for rule in &rules {
            assert!(rule["lastError"].is_null() && rule["health"] != "err", "{rule}");
        }
        let healthy = rules.iter().filter(|rule| rule["health"] == "ok");
        let healthy: BTreeSet<_> = healthy.filter_map(|rule| rule["name"].as_str()).collect();
        (healthy == wanted).then_some(())
    });
}

fn prometheus_scrapes_a_proxy_and_takes_every_expression() -> Result<(), String> {
    program::find("prometheus")?;
    let (setup, admin) = with_admin(Setup::open().arg("--time-connect"));
    let proxy = setup.start();
    let (_running, _folder, prometheus) = prometheus(admin)?;
    assert_eq!(proxy.ask(get("http://10.1.2.3:9/")).status, 407);
    let await_value = |expression: &str, value: &str| {
        eventually(expression, || {
            let result = query(prometheus, expression)?;
            (result[0]["value"][1] == value).then_some(())
        });
    };
    await_value("up", "1");
    await_value("resolver_deny_private_range", "1");
    await_value("sum(refusals{code=\"private-range\"})", "1");
    await_value("scrape_samples_scraped > bool 50", "1");
    await_healthy_rules(prometheus);
    for expression in expressions() {
        if expression.starts_with("label_values") {
            continue;
        }
        let expression = expression
            .replace("$__rate_interval", "1m")
            .replace("$instance", ".*");
        eventually(&expression, || query(prometheus, &expression));
    }
    drop(proxy);
    await_value("up", "0");
    Ok(())
}
