//! How a client's connection becomes an intercepted tunnel: the certificate that is made for it, and the engine that presents
//! that. When, is the session's business.

use std::io;

use crate::io::wire::io_fail;
use crate::net::{Host, Side};
use crate::session::{Input, MintFail};
use crate::tls::{Minted, Unmade};

use super::super::ends::WireTable as _;
use super::super::ports::{Parts, Ports};
use super::Conn;
use super::pending::Pending;

/// What the session is told of it.
fn outcome(minted: &Minted) -> Result<(), MintFail> {
    match minted {
        Ok(_) => Ok(()),
        Err(Unmade::Busy(_)) => Err(MintFail::Busy),
        Err(Unmade::Impossible(_)) => Err(MintFail::Impossible),
    }
}

impl<P: Ports> Conn<P> {
    pub(super) fn mint(&mut self, seq: u32, host: &Host, ports: &mut P) {
        if let Some(minted) = ports.mint(self.ticket(seq), self.client_key(), host) {
            self.keep_leaf(seq, &minted);
            self.tell(Input::Minted(seq, outcome(&minted)), ports);
        }
    }

    /// A certificate was made, or can't be.
    pub fn minted(&mut self, seq: u32, minted: &Minted, ports: &mut P) {
        self.keep_leaf(seq, minted);
        self.feed(Input::Minted(seq, outcome(minted)), ports);
    }

    /// For whoever asked last: another's may be too late.
    fn keep_leaf(&mut self, seq: u32, minted: &Minted) {
        if let Ok(leaf) = minted
            && self.session.is_minting(seq)
        {
            debug_assert!(self.pending.is_none(), "a dial beside it");
            self.pending = Some(Box::new(Pending::Leaf(leaf.clone())));
        }
    }

    /// What was read of the client's wire goes to an engine that presents the certificate.
    pub(super) fn secure_inside(&mut self, ports: &mut P) {
        debug_assert!(self.flows.down.tx.is_empty(), "it would be sealed");
        let leaf = match self.pending.take().map(|pending| *pending) {
            Some(Pending::Leaf(leaf)) => Some(leaf),
            Some(Pending::Dial(_)) | None => None,
        };
        let received = self.flows.up.rx.as_slice();
        let Parts { wires, .. } = ports.parts();
        let secured = match leaf {
            Some(leaf) => wires.secure_inside(self.client, &leaf, received),
            None => Err(io::ErrorKind::Unsupported.into()),
        };
        self.flows.up.rx.clear();
        if let Err(error) = secured {
            self.tell(Input::Broken(Side::Client, &io_fail(&error)), ports);
        }
    }
}
