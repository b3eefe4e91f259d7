//! What a policy can't say at once: a comparison of credentials that takes longer than others may wait, as with a
//! password's hash. The policy stays pure: it hands the work out, and is asked again with the answer.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// Compares credentials in a way that takes time or may block, wherever it is called.
pub trait Verify: Send + Sync {
    /// Does the value of a `Proxy-Authorization` field say truly who is asking?
    fn is_right(&self, field: &[u8]) -> bool;
}

/// Credentials to be compared, and by whom. The copy of them is wiped.
pub struct Question {
    verifier: Arc<dyn Verify>,
    field: Zeroizing<Vec<u8>>,
}

impl Question {
    pub(super) fn new(verifier: Arc<dyn Verify>, field: &[u8]) -> Question {
        let field = Zeroizing::new(field.to_vec());
        Question { verifier, field }
    }

    /// Does the work.
    pub fn answer(self) -> Verified {
        let right = self.verifier.is_right(&self.field);
        let by = self.verifier;
        Verified { right, by }
    }
}

/// Whether credentials are right, and who said so. Only [`Question::answer`] makes one.
#[derive(Clone)]
pub struct Verified {
    right: bool,
    by: Arc<dyn Verify>,
}

impl Verified {
    /// What this one said; nothing, if it was another: a policy that came since then has one of its own.
    pub(super) fn by(&self, verifier: &Arc<dyn Verify>) -> Option<bool> {
        Arc::ptr_eq(&self.by, verifier).then_some(self.right)
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verified({})", self.right)
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Question(hidden)")
    }
}
