//! Drives the real binary with raw sockets and real programs, inside a network namespace of its own: nothing
//! that a case does can leave the machine, and "public" addresses are aliases on that namespace's loopback.
//!
//! `cargo test --test it -- NAME` runs the cases whose name contains NAME. A case that lacks its means (a
//! namespace, a program) is skipped with the reason; with `CI=true` it fails instead, so that a green run in CI
//! means that everything ran.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what it expects by failing"
)]

mod acl;
mod address;
mod admin;
mod auth;
mod browser;
mod bulk;
mod clients;
mod codes;
mod commands;
mod commands_check;
mod commands_log;
mod commands_shell;
mod connect;
mod dashboards;
mod forward;
mod forward_bodies;
mod forward_connections;
mod harness;
mod kept;
mod limits;
mod log;
mod loops;
mod mitm;
mod mitm_faults;
mod mitm_identity;
mod mitm_programs;
mod mitm_secrets;
mod mitm_traffic;
mod mtls;
mod mtls_example;
mod mtls_roles;
mod names;
mod origin_tls;
mod origin_tls_faults;
mod pages;
mod private;
mod programs;
mod proxy_protocol;
mod quotas;
mod recheck;
mod refuse;
mod relay;
mod resolvers;
mod rolling;
mod signals;
mod smuggling;
mod smuggling_origins;
mod smuggling_responses;
mod sni;
mod spellings;
mod startup;
mod stats_socket;
mod strangers;
mod supervision;
mod support;
mod tls;
mod tls_ends;
mod tls_programs;
mod tls_sessions;
mod tls_stalls;
mod tls_starts;
mod upgrades;
mod upstream;
mod users;
mod watch;

use std::process::ExitCode;

use libtest_mimic::Arguments;

use support::case::{self, Case};

/// Most cases wait for a timer or a peer rather than for the processor.
const THREADS_PER_CORE: usize = 4;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    if arguments.test_threads.is_none() {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        arguments.test_threads = Some((cores * THREADS_PER_CORE).min(16));
    }
    let trials = case::trials(&arguments, all_cases());
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn all_cases() -> Vec<Case> {
    [
        harness::cases(),
        admin::cases(),
        stats_socket::cases(),
        dashboards::cases(),
        pages::cases(),
        startup::cases(),
        auth::cases(),
        acl::cases(),
        address::cases(),
        names::cases(),
        resolvers::cases(),
        connect::cases(),
        relay::cases(),
        bulk::cases(),
        forward::cases(),
        forward_bodies::cases(),
        forward_connections::cases(),
        kept::cases(),
        spellings::cases(),
        upgrades::cases(),
        upstream::cases(),
        users::cases(),
        watch::cases(),
        smuggling::cases(),
        smuggling_origins::cases(),
        smuggling_responses::cases(),
        refuse::cases(),
        log::cases(),
        signals::cases(),
        limits::cases(),
        quotas::cases(),
        recheck::cases(),
        strangers::cases(),
        proxy_protocol::cases(),
        private::cases(),
        programs::cases(),
        clients::cases(),
        codes::cases(),
        commands::cases(),
        commands_check::cases(),
        commands_log::cases(),
        commands_shell::cases(),
        tls::cases(),
        tls_ends::cases(),
        tls_stalls::cases(),
        tls_sessions::cases(),
        tls_programs::cases(),
        tls_starts::cases(),
        mitm::cases(),
        mitm_faults::cases(),
        mitm_identity::cases(),
        mitm_secrets::cases(),
        mitm_traffic::cases(),
        mitm_programs::cases(),
        mtls::cases(),
        mtls_example::cases(),
        mtls_roles::cases(),
        supervision::cases(),
        rolling::cases(),
        origin_tls::cases(),
        origin_tls_faults::cases(),
        sni::cases(),
        loops::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
