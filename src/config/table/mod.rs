//! The one option table: every flag, environment variable and YAML key, with limits, default and meaning.
//! Nothing here reads or checks a value; a row is a fact, the other files of this room act on it.
//!
//! Here is the order of the groups; their rows are in `clients`, `destinations` and `operation`.

pub(super) mod clients;
pub(super) mod destinations;
pub(super) mod operation;

use self::clients::{IDENTIFICATION, LISTENING, TIME_LIMITS};
use self::destinations::{DESTINATIONS, NAMES, UPSTREAMS};
use self::operation::{GENERAL, LIMITS, OBSERVATION, PROCESS};
use super::row::Group;

/// The whole table, in the order of `--help`.
pub static GROUPS: &[Group] = &[
    Group {
        title: "General",
        rows: GENERAL,
    },
    Group {
        title: "Listening",
        rows: LISTENING,
    },
    Group {
        title: "Time limits",
        rows: TIME_LIMITS,
    },
    Group {
        title: "Who is asking",
        rows: IDENTIFICATION,
    },
    Group {
        title: "Where it may go",
        rows: DESTINATIONS,
    },
    Group {
        title: "Names",
        rows: NAMES,
    },
    Group {
        title: "Upstreams and interception",
        rows: UPSTREAMS,
    },
    Group {
        title: "Limits",
        rows: LIMITS,
    },
    Group {
        title: "Logs and metrics",
        rows: OBSERVATION,
    },
    Group {
        title: "Process",
        rows: PROCESS,
    },
];
