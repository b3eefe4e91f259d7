//! Chunked bodies on their way through: sizes are read and written anew, the payload passes the gate unseen,
//! extensions are dropped, trailers filtered. For an HTTP/1.0 client the payload alone is passed.

use crate::flow::{Flow, Gate};
use crate::http::chunked::{Chunk, Chunks, rewrite_trailers_without, write_chunk_size};
use crate::http::{Fault, HeadLimits};
use crate::text::slices::within;

/// One chunked body.
#[derive(Debug)]
pub struct Relay {
    chunks: Chunks,
    /// Chunk framing is written, not the payload alone.
    framed: bool,
    /// The CRLF behind a chunk's payload is still to be written.
    owes_crlf: bool,
    /// The last chunk was read and passed on.
    done: bool,
    /// Not even a small piece passes that was not granted.
    metered: bool,
}

/// How far a body got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relayed {
    /// There is more to come.
    More,
    /// Its last byte is on the way.
    Done,
}

impl Relay {
    /// A body that starts now; `framed` unless its receiver does not know chunks.
    pub fn new(framed: bool) -> Relay {
        Relay {
            chunks: Chunks::new(),
            framed,
            owes_crlf: false,
            done: false,
            metered: false,
        }
    }

    /// The same of a body whose bytes are counted.
    #[must_use]
    pub fn metered(self, metered: bool) -> Relay {
        Relay { metered, ..self }
    }

    /// From the next chunk on they are.
    pub fn meter(&mut self) {
        self.metered = true;
    }

    /// Is chunk framing written?
    pub fn is_framed(&self) -> bool {
        self.framed
    }

    /// Goes on as far as the bytes read allow. One that is done stays so.
    ///
    /// # Errors
    /// What is wrong with the chunked framing; what was passed before can't be taken back.
    pub fn advance(&mut self, flow: &mut Flow, limits: &HeadLimits) -> Result<Relayed, Fault> {
        self.advance_without(|_| false, flow, limits)
    }

    /// The same, without the trailers whose names are meant.
    ///
    /// # Errors
    /// As above.
    pub fn advance_without(
        &mut self,
        drops: impl Fn(&str) -> bool,
        flow: &mut Flow,
        limits: &HeadLimits,
    ) -> Result<Relayed, Fault> {
        if self.done {
            return Ok(Relayed::Done);
        }
        loop {
            if !matches!(flow.gate, Gate::Hold | Gate::Pass(0)) {
                return Ok(Relayed::More);
            }
            if std::mem::take(&mut self.owes_crlf) {
                flow.tx.push(b"\r\n");
            }
            if !flow.tx_has_room() {
                flow.gate = Gate::Hold;
                return Ok(Relayed::More);
            }
            let (framing_bytes, next) = self.chunks.advance(flow.rx.as_slice(), limits)?;
            flow.rx.consume(framing_bytes);
            match next {
                Chunk::More => {
                    flow.gate = Gate::Hold;
                    return Ok(Relayed::More);
                }
                Chunk::Payload(n) => {
                    if self.framed {
                        write_chunk_size(n, flow.tx.writer());
                        self.owes_crlf = true;
                    }
                    flow.pass(n, self.metered);
                }
                Chunk::Trailers(n) => {
                    self.finish(n, drops, flow, limits)?;
                    return Ok(Relayed::Done);
                }
            }
        }
    }

    fn finish(
        &mut self,
        section_bytes: usize,
        drops: impl Fn(&str) -> bool,
        flow: &mut Flow,
        limits: &HeadLimits,
    ) -> Result<(), Fault> {
        if self.framed {
            let section = within(flow.rx.as_slice(), ..section_bytes);
            // Only a well-formed section may end the body: many receivers take the last chunk alone for the end.
            let mut end = b"0\r\n".to_vec();
            rewrite_trailers_without(drops, section, limits, &mut end)?;
            flow.tx.push(&end);
        }
        flow.rx.consume(section_bytes);
        flow.gate = Gate::Pass(0);
        self.done = true;
        Ok(())
    }
}
