//! The attacks that a stranger, or a stranger's URL, can make: eight honest clients are measured before and during
//! each. What is attacked is the real binary, from outside, in the namespace of `tests/it`.
//!
//! `cargo test --test attacks` is the short form: a second each, and nothing is asserted that a slow machine could
//! break (no honest request refused, bounded lines, memory and descriptors back); each case runs with one loop and with
//! two. `ATTACKS=full cargo test --release
//! --test attacks` takes minutes, wants a quiet machine, gives the proxy one core and everybody else another, asserts
//! latencies too, and prints the table of SECURITY.md.
//!
//! Not here: what a single request may do (`tests/it`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what it expects by failing"
)]

mod answers;
mod crowd;
mod double;
mod floods;
mod form;
mod heads;
mod honest;
mod lookups;
mod races;
mod reloads;
mod report;
mod scene;
mod slots;
mod turns;

#[allow(
    dead_code,
    unfulfilled_lint_expectations,
    unused_imports,
    unused_macros,
    reason = "these tests need only a part"
)]
#[path = "../it/support/mod.rs"]
mod support;

use std::process::ExitCode;

use libtest_mimic::Arguments;

use form::Form;
use support::case::{self, Case};
use support::proxy::with_loops;

fn cases() -> impl Iterator<Item = Case> {
    let cases = [
        slots::cases(),
        lookups::cases(),
        heads::cases(),
        floods::cases(),
        turns::cases(),
        answers::cases(),
        races::cases(),
        reloads::cases(),
    ];
    cases.into_iter().flatten()
}

/// The same with a proxy that has two loops.
fn with_two_loops(case: Case) -> Case {
    Case {
        name: format!("loops_2::{}", case.name),
        run: Box::new(move || with_loops(2, || (case.run)())),
    }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    form::prepare();
    if Form::get().is_full() {
        // One at a time: they are measured.
        arguments.test_threads = Some(1);
    } else if arguments.test_threads.is_none() {
        arguments.test_threads = Some(4);
    }
    let again = cases().filter(|_| !Form::get().is_full()).map(with_two_loops);
    let trials = case::trials(&arguments, cases().chain(again));
    let conclusion = libtest_mimic::run(&arguments, trials);
    report::print();
    conclusion.exit_code()
}
