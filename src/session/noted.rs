//! Notes on a [`Record`] what few requests have: trace ids, exceptions, server names, and what ended their tunnels. What all
//! have is `outcome`'s.

use std::sync::Arc;

use ipnet::IpNet;

use crate::net::IoFailKind;
use crate::policy::{Code, Grounds};

use super::outcome::{Extras, Record, Sni, Told};

impl Record {
    /// What the client calls its request; empty where it said nothing.
    pub fn trace_id(&self) -> &[u8] {
        self.extras.as_ref().map_or(&[], |extras| &extras.trace_id)
    }

    /// What failed, if anything did.
    pub fn error(&self) -> Option<&str> {
        self.extras.as_ref()?.error.as_deref()
    }

    /// What a denial comes from, and what would lift it.
    pub fn grounds(&self) -> Option<&Grounds> {
        self.extras.as_ref()?.grounds.as_deref()
    }

    /// In which way no address could be reached, where it came to that.
    pub fn dial_failure(&self) -> Option<IoFailKind> {
        self.extras.as_ref()?.dial_failure
    }

    /// What few have, to be added to.
    pub(super) fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// The range of the private exception that let it out, if one had to.
    pub fn private_exception(&self) -> Option<IpNet> {
        self.extras.as_ref()?.private_exception
    }

    /// Notes that exception, or that none was needed after all.
    pub fn note_private_exception(&mut self, range: Option<IpNet>) {
        if range.is_some() || self.private_exception().is_some() {
            self.extras_mut().private_exception = range;
        }
    }

    /// What was seen of the server that its tunnel's TLS names, if anything was looked at.
    pub fn sni(&self) -> Option<&Sni> {
        self.extras.as_ref()?.sni.as_ref()
    }

    /// What of it is told beside what is told of all, if anything is.
    pub fn told(&self) -> Option<&Told> {
        self.extras.as_ref()?.told.as_deref()
    }

    /// Notes that.
    pub fn note_told(&mut self, told: &Arc<Told>) {
        self.extras_mut().told = Some(Arc::clone(told));
    }

    /// Notes what was seen.
    pub fn note_sni(&mut self, sni: Sni) {
        self.extras_mut().sni = Some(sni);
    }

    /// Notes that it ends its tunnel.
    pub fn note_sni_denied(&mut self, sni: Sni) {
        if let Some((wrong, hint)) = sni.verdict.wrong() {
            self.note_error(wrong);
            self.extras_mut().grounds = Some(Box::new(Grounds {
                hint: hint.into(),
                ..Grounds::default()
            }));
        }
        self.code = Some(Code::SniMismatch);
        self.note_sni(sni);
    }

    /// Notes that it ends by what ended the one inside of it: error, limit, or another policy.
    pub fn note_end_of(&mut self, inner: Record) {
        if let Some(error) = inner.error() {
            self.note_error(error);
        }
        if let Some(number) = inner.withdrawn_by() {
            self.extras_mut().withdrawn_by = Some(number);
        }
        // Behind its answer a record has a code only where one ended its tunnel.
        if inner.code.is_some() {
            self.code = inner.code;
            let Extras { limit, grounds, .. } = *inner.extras.unwrap_or_default();
            let extras = self.extras_mut();
            (extras.limit, extras.grounds) = (limit, grounds);
        }
    }

    /// The number of the policy that ended its tunnel, if one did.
    pub fn withdrawn_by(&self) -> Option<u32> {
        self.extras.as_ref()?.withdrawn_by
    }
}
