//! A headless Chromium, asked over its DevTools protocol by two pipes: messages in JSON, each ended by a zero byte.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::DEADLINE;
use crate::support::program::{self, Running};

/// A browser with one page, which ends with this.
pub(crate) struct Browser {
    #[expect(dead_code, reason = "ends it")]
    running: Running,
    #[expect(dead_code, reason = "deletes its files")]
    folder: TempDir,
    to: File,
    from: Receiver<Value>,
    asked: u64,
    session: String,
}

impl Browser {
    /// Shows this page, in a window of this size; none where `.ci/run` says that there can be none.
    pub(crate) fn open(url: &str, width: u32, height: u32) -> Result<Option<Browser>, String> {
        Browser::start(url, (width, height), &[], |_| ())
    }

    /// Shows this page, fetched through a proxy. Like everybody who trusts an authority of their own, it has its certificate
    /// among its user's.
    pub(crate) fn through(proxy: SocketAddr, authority: &Path, url: &str) -> Result<Option<Browser>, String> {
        let certutil = program::find("certutil")?;
        let trust = |home: &Path| {
            let store = home.join(".pki/nssdb");
            std::fs::create_dir_all(&store).expect("a folder");
            for arguments in [
                &["-N", "--empty-password"][..],
                &["-A", "-n", "own", "-t", "C,,", "-i"],
            ] {
                let mut command = Command::new(&certutil);
                command.arg("-d").arg(format!("sql:{}", store.display()));
                command.args(arguments);
                if arguments.contains(&"-i") {
                    command.arg(authority);
                }
                let finished = program::run(&mut command);
                assert_eq!(finished.code, Some(0), "{}", finished.stderr);
            }
        };
        let by = format!("--proxy-server=http://{proxy}");
        Browser::start(url, (800, 600), &[&by], trust)
    }

    fn start(
        url: &str,
        (width, height): (u32, u32),
        arguments: &[&str],
        prepare: impl FnOnce(&Path),
    ) -> Result<Option<Browser>, String> {
        let program = match program::find("chromium") {
            Err(why) if std::env::var("WITHOUT_CHROMIUM").is_ok_and(|value| value == "true") => {
                println!("passed over: {why}");
                return Ok(None);
            }
            found => found?,
        };
        let folder = tempfile::tempdir().expect("a folder");
        prepare(folder.path());
        let pipes = program::run(
            Command::new("mkfifo")
                .args(["in", "out"])
                .current_dir(folder.path()),
        );
        assert_eq!(pipes.code, Some(0), "{}", pipes.stderr);
        // Opened both ways, it waits for nobody.
        let to = OpenOptions::new()
            .read(true)
            .write(true)
            .open(folder.path().join("in"));
        let running = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<in 4>out"])
            .arg(program)
            // The namespace is sandbox enough, and the user in it may be root, which the browser's own does not take.
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .arg("--disable-background-networking")
            .arg("--remote-debugging-pipe")
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .arg(format!("--window-size={width},{height}"))
            .args(arguments)
            .arg("about:blank")
            .env("HOME", folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let (tell, from) = mpsc::channel();
        let out = folder.path().join("out");
        thread::spawn(move || {
            let mut reader = BufReader::new(File::open(out).expect("the pipe"));
            let mut message = Vec::new();
            while reader.read_until(0, &mut message).is_ok_and(|length| length > 0) {
                message.pop();
                let _ = tell.send(serde_json::from_slice(&message).expect("JSON"));
                message.clear();
            }
        });
        let mut browser = Browser {
            running: Running(running.expect("chromium")),
            folder,
            to: to.expect("a pipe"),
            from,
            asked: 0,
            session: String::new(),
        };
        let target = browser.ask("Target.createTarget", json!({"url": url}))["targetId"].clone();
        let attached = browser.ask(
            "Target.attachToTarget",
            json!({"targetId": target, "flatten": true}),
        );
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        browser.ask("Emulation.setDeviceMetricsOverride", size);
        Ok(Some(browser))
    }

    /// Shows the page as people have it who like it `light` or `dark`.
    #[track_caller]
    pub(crate) fn prefer(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.ask("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// What an expression comes to, in the page.
    #[track_caller]
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true});
        let answer = self.ask("Runtime.evaluate", asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// What is to be read in the element of this id.
    #[track_caller]
    pub(crate) fn text(&mut self, id: &str) -> String {
        let value = self.evaluate(&format!("document.getElementById({id:?})?.innerText ?? ''"));
        value.as_str().expect("a text").to_owned()
    }

    #[track_caller]
    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.asked += 1;
        let mut message = json!({"id": self.asked, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        self.to
            .write_all(format!("{message}\0").as_bytes())
            .expect("the browser");
        loop {
            let answer = self
                .from
                .recv_timeout(DEADLINE)
                .expect("an answer of the browser");
            if answer["id"] == self.asked {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }
}
