//! Answers of a hostile name server that take long to read, with `--resolver-address`.

use std::net::Ipv4Addr;

use crate::crowd::{Again, Crowd, Plan};
use crate::double::{self, A, CNAME, Question, record};
use crate::honest::credentials;
use crate::report::Expected;
use crate::scene::{Scene, origin, setup};
use crate::support::PUBLIC;
use crate::support::case::cases;
use crate::support::proxy::PASSWORD;

cases![long_chains_and_crowds_of_addresses, unrelated_owners];

/// Labels of a name that has as many as fit.
const LABELS: usize = 124;
const ALIASES: usize = 7;
/// Where an answer stops growing.
const FULL: usize = 65_300;

/// Seven aliases, and addresses under a name of 124 labels that is spelled anew each time.
fn long_chains_and_crowds_of_addresses() {
    hostile("6 answers: 7 aliases, 500 addresses", |question| {
        let mut answer = Answer::new(question);
        answer.chain();
        while answer.has_room() {
            answer.address_of_last();
        }
        answer.done(question)
    });
}

/// As many addresses as fit, of another name; the aliases in the wrong order, and behind all of them.
fn unrelated_owners() {
    hostile("6 answers: 4,000 unrelated owners", |question| {
        let mut answer = Answer::new(question);
        let other = answer.name(b'z');
        answer.push(&other, A, &[44, 1, 2, 9]);
        let pointer = pointer_to(question.length());
        while answer.has_room() {
            answer.push(&pointer, A, &[44, 1, 2, 9]);
        }
        answer.chain();
        answer.done(question)
    });
}

fn hostile(attack: &'static str, make: fn(&Question<'_>) -> Vec<u8>) {
    let server = double::start(0, move |question| {
        if question.name.starts_with("honest") {
            let public: Ipv4Addr = PUBLIC.parse().expect("an address");
            return Some(question.addresses(&[public]));
        }
        Some(match question.over_tcp {
            true => make(question),
            false => question.truncated(),
        })
    });
    let origin = origin(0);
    let authority = format!("honest-{{}}.test:{}", origin.address().port());
    let setup = setup()
        .option("--dns-cache-ttl", "0")
        .option("--resolver-address", server.to_string());
    let scene = Scene::with(setup, origin, &authority);
    let credentials = credentials(PASSWORD);
    let figures = scene.play(attack, || {
        let mut number = 0u64;
        let crowd = Crowd::start(Plan {
            piece: Box::new(move || {
                number += 1;
                // Nobody listens there: what is measured is the answer.
                let host = format!("hostile-{number}.test:9");
                format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n{credentials}\r\n").into_bytes()
            }),
            again: Again::AtOnce,
            ..Plan::new(scene.proxy.address(), 8, "")
        });
        Box::new(move || format!("{:?}", crowd.stop()))
    });
    figures.judge(Expected::default(), Vec::new());
}

/// An answer in the making.
struct Answer {
    bytes: Vec<u8>,
    count: u16,
    /// The length of header and question, which pointers count in.
    before: usize,
    /// Where the last alias' name is spelled out.
    last: usize,
}

impl Answer {
    fn new(question: &Question<'_>) -> Answer {
        Answer {
            bytes: Vec::new(),
            count: 0,
            before: question.length(),
            last: 12,
        }
    }

    fn has_room(&self) -> bool {
        self.before + self.bytes.len() < FULL - ALIASES * 520
    }

    fn push(&mut self, owner: &[u8], kind: u16, content: &[u8]) {
        self.bytes.extend_from_slice(&record(owner, kind, content));
        self.count += 1;
    }

    /// A name of 124 labels.
    fn name(&self, first: u8) -> Vec<u8> {
        let mut name = vec![1, first];
        name.extend_from_slice(&b"\x01a".repeat(LABELS - 1));
        name.push(0);
        name
    }

    /// The name that was asked for is another's alias, and so on.
    fn chain(&mut self) {
        self.last = 12;
        let mut owner = vec![0xc0, 12];
        for number in 0..ALIASES {
            let name = self.name(b'b' + u8::try_from(number).expect("few"));
            let at = self.before + self.bytes.len() + owner.len() + 10;
            self.push(&owner, CNAME, &name);
            self.last = at;
            owner = name;
        }
    }

    /// The last alias' address; the first 50 labels of its name are spelled out.
    fn address_of_last(&mut self) {
        let mut owner = self.name(b'b' + u8::try_from(ALIASES - 1).expect("few"));
        owner.truncate(100);
        owner.extend_from_slice(&pointer_to(self.last + 100));
        self.push(&owner, A, &[44, 1, 2, 9]);
    }

    fn done(self, question: &Question<'_>) -> Vec<u8> {
        question.answer(self.count, &self.bytes)
    }
}

/// A compression pointer.
fn pointer_to(offset: usize) -> [u8; 2] {
    (0xc000 | u16::try_from(offset).expect("near the beginning")).to_be_bytes()
}
