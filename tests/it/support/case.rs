//! One named case and how it may end. The runner is `main`.

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
