//! The process's limit on descriptors. How it is shared out is decided elsewhere.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What we ask for where the hard limit is infinite: the kernel's own default ceiling (`fs.nr_open`).
const NOFILE_MAX: u64 = 1 << 20;

/// Raises the limit on descriptors (`RLIMIT_NOFILE`) to the hard limit, as far as the system lets us, and gives the
/// one that is in force.
pub fn raise_nofile() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(NOFILE_MAX);
    // No current limit is no limit.
    if limit.current.is_some_and(|current| current < wanted) {
        // Failing is no harm: what is in force is asked for below.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(wanted),
                maximum: limit.maximum,
            },
        );
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_on_descriptors_is_raised_to_the_hard_one() {
        let effective = raise_nofile();
        let hard = getrlimit(Resource::Nofile).maximum;
        assert!(
            hard.is_none_or(|hard| effective == hard),
            "{effective} of {hard:?}"
        );
        assert_eq!(raise_nofile(), effective);
    }
}
