//! One named case, how it may end, and the trial that a runner (`main`) makes of it.

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::namespace::{self, Isolation};

/// A case: a name as `cargo test -- NAME` sees it, and what it does.
pub(crate) struct Case {
    /// `file::function`.
    pub(crate) name: String,
    /// Panics where an expectation fails.
    pub(crate) run: Box<dyn FnOnce() -> Verdict + Send>,
}

/// How a case that did not panic ended.
pub(crate) enum Verdict {
    /// Everything was as expected.
    Passed,
    /// A means was missing: why.
    Skipped(String),
}

impl From<()> for Verdict {
    fn from((): ()) -> Self {
        Verdict::Passed
    }
}

/// For cases that may lack a program: `Err` holds what is missing.
impl From<Result<(), String>> for Verdict {
    fn from(result: Result<(), String>) -> Self {
        result.map_or_else(Verdict::Skipped, Verdict::from)
    }
}

/// The trials of these cases, in the namespace that is entered here: where that fails, all are skipped. With `CI=true`
/// a skipped case fails. No thread may run yet.
pub(crate) fn trials(arguments: &Arguments, cases: impl IntoIterator<Item = Case>) -> Vec<Trial> {
    let isolation = if arguments.list {
        Isolation::Inside
    } else {
        namespace::enter()
    };
    let strict = std::env::var("CI").is_ok_and(|value| value == "true");
    let denied = match isolation {
        Isolation::Inside => None,
        Isolation::Denied(reason) => Some(reason),
    };
    let trial = |case| trial(case, denied.clone(), strict);
    cases.into_iter().map(trial).collect()
}

fn trial(case: Case, denied: Option<String>, strict: bool) -> Trial {
    let name = case.name.clone();
    Trial::ignorable_test(name, move || {
        let verdict = match denied {
            Some(reason) => Verdict::Skipped(reason),
            None => (case.run)(),
        };
        match verdict {
            Verdict::Passed => Ok(Completion::Completed),
            Verdict::Skipped(reason) if strict => Err(Failed::from(format!(
                "skipped: {reason}; with CI=true that is a failure"
            ))),
            Verdict::Skipped(reason) => {
                eprintln!("skipped {}: {reason}", case.name);
                Ok(Completion::ignored_with(format!("skipped: {reason}")))
            }
        }
    })
}

/// Names a function after its module and itself.
pub(crate) fn case<R>(module: &str, function: &str, run: fn() -> R) -> Case
where
    R: Into<Verdict> + 'static,
{
    let room = module.rsplit("::").next().unwrap_or(module);
    Case {
        name: format!("{room}::{function}"),
        run: Box::new(move || run().into()),
    }
}

/// The table of a file's cases. A function that is left out is dead code, which the compiler reports.
macro_rules! cases {
    ($($function:ident),* $(,)?) => {
        pub(crate) fn cases() -> Vec<$crate::support::case::Case> {
            vec![$($crate::support::case::case(module_path!(), stringify!($function), $function)),*]
        }
    };
}
pub(crate) use cases;
