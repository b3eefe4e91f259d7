//! What a policy can't say at once: whose credentials are, where finding out takes longer than others may wait, as with a
//! password's hash. The policy stays pure: it hands the work out, and is asked again with the answer.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// Knows whose credentials are. A field is always the value of a `Proxy-Authorization` field.
pub trait Verify: Send + Sync {
    /// Is it alone to say so of these? Otherwise they may also be right for holding the password.
    fn claims(&self, field: &[u8]) -> bool {
        let _ = field;
        true
    }

    /// What is known without work; whoever calls this can't wait.
    fn at_once(&self, field: &[u8]) -> AtOnce {
        let _ = field;
        AtOnce::Unknown(0)
    }

    /// Whose they are; `None`: nobody's. Takes time or blocks, wherever it is called.
    ///
    /// # Errors
    /// It could not be found out.
    fn verify(&self, field: &[u8]) -> Result<Option<Arc<str>>, Unable>;

    /// May there be somebody who has this role?
    fn may_name(&self, role: &str) -> bool {
        let _ = role;
        true
    }
}

/// What is known of credentials without work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AtOnce {
    /// Whose they are.
    Of(Arc<str>),
    /// They are nobody's.
    OfNobody,
    /// Nothing is. Of one client's questions with one such number only one is worked on at a time.
    Unknown(u64),
}

/// What credentials are could not be found out, for want of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unable;

/// Credentials to be compared, and by whom. The copy of them is wiped.
pub struct Question {
    verifier: Arc<dyn Verify>,
    field: Zeroizing<Vec<u8>>,
    subject: u64,
    interest: Arc<Interest>,
}

/// Somebody waits for an answer, for as long as it is kept.
#[derive(Debug)]
pub struct Interest(());

impl Question {
    pub(super) fn new(verifier: Arc<dyn Verify>, field: &[u8], subject: u64) -> Question {
        Question {
            verifier,
            field: Zeroizing::new(field.to_vec()),
            subject,
            interest: Arc::new(Interest(())),
        }
    }

    /// Stands for whose credentials they claim to be; others may have the same number.
    pub fn subject(&self) -> u64 {
        self.subject
    }

    /// To be kept by whoever waits for the answer.
    pub fn interest(&self) -> Arc<Interest> {
        Arc::clone(&self.interest)
    }

    /// Does anybody wait for the answer still?
    pub fn is_wanted(&self) -> bool {
        Arc::strong_count(&self.interest) > 1
    }

    /// Does the work; nothing, where it can't be done.
    pub fn answer(self) -> Option<Verified> {
        let whose = self.verifier.verify(&self.field).ok()?;
        let by = self.verifier;
        Some(Verified { whose, by })
    }
}

/// Whose credentials are, and who said so. Only [`Question::answer`] makes one.
#[derive(Clone)]
pub struct Verified {
    whose: Option<Arc<str>>,
    by: Arc<dyn Verify>,
}

impl Verified {
    /// What this one said; nothing, if it was another: a policy that came since then has one of its own.
    pub(super) fn by(&self, verifier: &Arc<dyn Verify>) -> Option<&Option<Arc<str>>> {
        Arc::ptr_eq(&self.by, verifier).then_some(&self.whose)
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verified({:?})", self.whose)
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Question(hidden)")
    }
}
