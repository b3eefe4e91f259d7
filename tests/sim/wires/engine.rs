//! What seals: one end's engine over bytes, the same for both ends, as TLS 1.3 has it (RFC 8446): a handshake before
//! anything may pass, updates of keys that are to be answered, tickets that nobody wants, and a notice of the end. It
//! touches no wire: what it has to say waits in `outbox`.

use std::collections::VecDeque;

use super::record::{Kind, OVERHEAD_BYTES, Opener, Sealer};

/// Who begins the handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Who connected.
    Client,
    /// Who was connected to.
    Server,
}

impl Role {
    pub(super) fn other(self) -> Role {
        match self {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        }
    }

    /// The key of what this one says.
    pub(super) fn key(self, secret: u64) -> u64 {
        match self {
            Role::Client => secret,
            Role::Server => !secret,
        }
    }
}

/// How an engine seals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// So much of what is said goes into one record.
    pub(super) record_bytes_max: usize,
    /// A server's answer to a hello is so long.
    pub(super) answer_bytes: usize,
    /// So many tickets follow a server's handshake.
    pub(super) tickets: usize,
}

/// One end.
#[derive(Debug)]
pub(super) struct Engine {
    role: Role,
    form: Form,
    sealer: Sealer,
    opener: Opener,
    /// Sealed, and not given to the wire below.
    pub(super) outbox: Vec<u8>,
    /// An answer to an update is in there: it answers all that come until it has left.
    answers_update: bool,
    /// Opened, and not read.
    pub(super) plain: VecDeque<u8>,
    /// Taken before the handshake was done.
    pub(super) delayed: Vec<u8>,
    /// The handshake is done.
    pub(super) done: bool,
    /// The other end's notice came.
    pub(super) heard_end: bool,
    /// Ours is to follow the handshake.
    owes_notice: bool,
    /// Nothing more is said: the notice was sealed.
    pub(super) said_end: bool,
    /// Updates of the other's that were asked for, and those that came.
    pub(super) updates: (usize, usize),
}

impl Engine {
    pub(super) fn new(role: Role, secret: u64, form: Form) -> Engine {
        let mut engine = Engine {
            role,
            form,
            sealer: Sealer::new(role.key(secret)),
            opener: Opener::new(role.other().key(secret)),
            outbox: Vec::new(),
            answers_update: false,
            plain: VecDeque::new(),
            delayed: Vec::new(),
            done: false,
            heard_end: false,
            owes_notice: false,
            said_end: false,
            updates: (0, 0),
        };
        if role == Role::Client {
            engine.seal(Kind::Hello, b"hello");
        }
        engine
    }

    fn seal(&mut self, kind: Kind, bytes: &[u8]) {
        self.sealer.seal(kind, bytes, &mut self.outbox);
    }

    /// Takes what the other end sent.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<(), String> {
        for (kind, bytes) in self.opener.open(bytes)? {
            if self.heard_end {
                return Err(format!("{kind:?} behind the notice"));
            }
            match (kind, self.role, self.done) {
                (Kind::Hello, Role::Server, false) => {
                    let answer = vec![b'a'; self.form.answer_bytes];
                    self.seal(Kind::Answer, &answer);
                }
                (Kind::Answer, Role::Client, false) => {
                    self.seal(Kind::Finished, b"finished");
                    self.finish();
                }
                (Kind::Finished, Role::Server, false) => {
                    for _ in 0..self.form.tickets {
                        self.seal(Kind::Ticket, b"come again");
                    }
                    self.finish();
                }
                (Kind::Text, _, true) => self.plain.extend(bytes),
                (Kind::Update, _, true) => self.note_update(bytes == [1]),
                (Kind::Ticket, Role::Client, true) => {}
                (Kind::Notice, _, true) => self.heard_end = true,
                (kind, role, done) => return Err(format!("{kind:?} for a {role:?}, done: {done}")),
            }
        }
        Ok(())
    }

    fn note_update(&mut self, is_asked: bool) {
        self.updates.1 += 1;
        if is_asked && !self.said_end && !self.answers_update {
            self.answers_update = true;
            self.seal(Kind::Update, &[0]);
        }
    }

    /// What had to wait for the handshake follows it.
    fn finish(&mut self) {
        self.done = true;
        let delayed = std::mem::take(&mut self.delayed);
        self.say(&delayed);
        if self.owes_notice {
            self.end();
        }
    }

    /// Seals what is to be said, or keeps it until the handshake is done.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        if !self.done {
            return self.delayed.extend(bytes);
        }
        for piece in bytes.chunks(self.form.record_bytes_max) {
            self.sealer.seal(Kind::Text, piece, &mut self.outbox);
        }
    }

    /// Asks for an update of the other's keys, and changes its own.
    pub(super) fn ask_update(&mut self) {
        if self.done && !self.said_end {
            self.updates.0 += 1;
            self.seal(Kind::Update, &[1]);
        }
    }

    /// Says that nothing more comes; behind the handshake where that is not done.
    pub(super) fn end(&mut self) {
        if !self.done {
            self.owes_notice = true;
        } else if !self.said_end {
            self.said_end = true;
            self.seal(Kind::Notice, b"");
        }
    }

    /// It said its end, or will.
    pub(super) fn has_ended(&self) -> bool {
        self.owes_notice || self.said_end
    }

    /// Ends without a word.
    pub(super) fn leave_out_notice(&mut self) {
        self.said_end = true;
    }

    /// So many bytes of the outbox have left.
    pub(super) fn note_left(&mut self, n: usize) {
        self.outbox.drain(..n);
        self.answers_update &= !self.outbox.is_empty();
    }

    /// How many bytes wait, as far as that is known before they are sealed.
    pub(super) fn waiting_bytes(&self) -> usize {
        let notice = match self.owes_notice && !self.said_end {
            true => OVERHEAD_BYTES,
            false => 0,
        };
        self.outbox.len() + self.delayed.len() + notice
    }

    /// A part of a record is there.
    pub(super) fn holds_part(&self) -> bool {
        self.opener.held_bytes() > 0
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.outbox.len() + self.delayed.len() + self.plain.len() + self.opener.held_bytes()
    }
}
