//! Replays the fuzz targets' seeds, and mutations of them that a seed of our own draws, without libFuzzer: a few
//! seconds on the stable toolchain. `SMOKE_ROUNDS=n` makes so many mutations for each target; what libFuzzer does
//! beyond that is said in `fuzz/README.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop where it stands"
)]

mod fuzz_bodies;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fuzz_bodies::{Body, TARGETS};

/// Mutated inputs for each target, unless the environment says otherwise.
const ROUNDS: usize = 6_000;

/// An input that takes longer is a finding: the limits are there to prevent that.
const INPUT_TIME_MAX: Duration = Duration::from_secs(60);

/// Longest mutated input, in bytes.
const INPUT_BYTES_MAX: usize = 4096;

/// Chance by seed: xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(bits).unwrap() % n.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let mut paths: Vec<_> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// A few of the changes that libFuzzer makes.
fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    const BYTES: &[u8] = b"\0\r\n\t :;,.-0159aAfFxX[]@%/?#\\\x7f\x80\xff";
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        let end = input.len().min(at + random.below(8));
        match random.below(7) {
            0 => input.insert(at, BYTES[random.below(BYTES.len())]),
            1 => drop(input.drain(at..end)),
            2 => {
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece);
            }
            3 => {
                let from = random.below(other.len() + 1);
                let to = other.len().min(from + random.below(40));
                input.splice(at..end, other[from..to].iter().copied());
            }
            4 => input.insert(at, random.byte()),
            _ if at < input.len() => input[at] ^= 1 << random.below(8),
            _ => {}
        }
    }
    input.truncate(INPUT_BYTES_MAX);
}

fn check(target: &str, body: Body, input: &[u8], from: &Path) {
    let began = Instant::now();
    let outcome = catch_unwind(|| body(input));
    assert!(
        outcome.is_ok(),
        "target {target}, from {}: {}",
        from.display(),
        input.escape_ascii()
    );
    let taken = began.elapsed();
    assert!(
        taken < INPUT_TIME_MAX,
        "target {target}: {taken:?} for {}",
        input.escape_ascii()
    );
}

fn replay(target: &str) {
    let (_, body) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let seeds = seeds(target);
    assert!(seeds.len() > 5, "{target} has next to no seeds");
    for (path, seed) in &seeds {
        check(target, *body, seed, path);
    }
    let rounds = std::env::var("SMOKE_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(ROUNDS);
    let mut random = Random(0x5eed_0f00_d5eb_a51c);
    for (path, seed) in seeds.iter().cycle().take(rounds) {
        let mut input = seed.clone();
        let other = random.below(seeds.len());
        mutate(&mut input, &seeds[other].1, &mut random);
        check(target, *body, &input, path);
    }
}

#[test]
fn head() {
    replay("head");
}

#[test]
fn request_framing() {
    replay("request_framing");
}

#[test]
fn response_framing() {
    replay("response_framing");
}

#[test]
fn host() {
    replay("host");
}

#[test]
fn acl() {
    replay("acl");
}

#[test]
fn dns() {
    replay("dns");
}

#[test]
fn proxy_header() {
    replay("proxy_header");
}

#[test]
fn hello() {
    replay("hello");
}

#[test]
fn session() {
    replay("session");
}

#[test]
fn inside() {
    replay("inside");
}

#[test]
fn upstream_answer() {
    replay("upstream_answer");
}
