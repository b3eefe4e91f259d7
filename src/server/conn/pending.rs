//! What a connection has for a while only, in one box: few have any of it at a time, and none two. What is done with it is
//! `origin`'s business, and `inside`'s.

use std::sync::Arc;

use crate::tls::Leaf;

use super::super::ports::Ports;
use super::Conn;

/// What is there for a while.
#[derive(Debug)]
pub(super) enum Pending<R> {
    /// A dial.
    Dial(Dialling<R>),
    /// What the client is to be presented inside of its intercepted tunnel.
    Leaf(Arc<Leaf>),
}

/// A race, and the number of the question it answers.
#[derive(Debug)]
pub(super) struct Dialling<R> {
    pub(super) seq: u32,
    pub(super) race: R,
}

impl<P: Ports> Conn<P> {
    /// The dial under way, if there is one.
    pub(super) fn dialling(&self) -> Option<&Dialling<P::Race>> {
        match self.pending.as_deref()? {
            Pending::Dial(dialling) => Some(dialling),
            Pending::Leaf(_) => None,
        }
    }

    pub(super) fn dialling_mut(&mut self) -> Option<&mut Dialling<P::Race>> {
        match self.pending.as_deref_mut()? {
            Pending::Dial(dialling) => Some(dialling),
            Pending::Leaf(_) => None,
        }
    }

    pub(super) fn take_dialling(&mut self) -> Option<Dialling<P::Race>> {
        let is_dial = |pending: &mut Box<Pending<P::Race>>| matches!(**pending, Pending::Dial(_));
        match *self.pending.take_if(is_dial)? {
            Pending::Dial(dialling) => Some(dialling),
            Pending::Leaf(_) => None,
        }
    }
}
