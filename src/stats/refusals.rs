//! The latest refusals, for people: a ring that is bounded in number and bytes, and as JSON. Decides nothing.

use std::collections::VecDeque;
use std::time::SystemTime;

use crate::log::time;
use crate::net::Endpoint;
use crate::policy::Code;
use crate::session::id::Id;
use crate::session::outcome::Record;
use crate::text::json;

use super::part::Part;

/// Refusals kept.
pub(super) const KEPT_MAX: usize = 200;

/// Bytes kept of each text: with this, all of them take 200 KiB.
const TEXT_BYTES_MAX: usize = 256;

/// One refusal.
#[derive(Clone, Debug)]
struct Refused {
    /// Its number among all.
    number: u64,
    time: SystemTime,
    id: Id,
    code: Code,
    client: Endpoint,
    /// Their memory goes on to the refusal that takes this one's place.
    host: String,
    role: String,
    rule: String,
    hint: String,
}

/// The latest ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals {
    kept: VecDeque<Refused>,
    count: u64,
}

impl Refusals {
    /// Keeps it, if it is a refusal of ours that has a code.
    pub(super) fn note(&mut self, record: &Record) {
        let Some(code) = record.refused_by() else { return };
        let spare = match self.kept.len() >= KEPT_MAX {
            true => self.kept.pop_front(),
            false => None,
        };
        let texts = spare.map(|spare| [spare.host, spare.role, spare.rule, spare.hint]);
        let [host, role, rule, hint] = texts.unwrap_or_default();
        let grounds = record.grounds();
        self.count += 1;
        self.kept.push_back(Refused {
            number: self.count,
            time: record.start,
            id: record.id,
            code,
            client: record.client,
            host: refill(host, &record.requested_host),
            role: refill(role, record.role.as_deref().unwrap_or_default()),
            rule: refill(rule, grounds.map_or("", |grounds| &grounds.rule)),
            hint: refill(hint, grounds.map_or("", |grounds| &grounds.hint)),
        });
    }

    /// Writes a part of the list, the newest first. A position is the number of the last one that was written.
    pub(super) fn write(&self, start: u64, part: Part<'_>) -> Option<u64> {
        let (mut list, last) = part.list(start);
        let older = |refused: &&Refused| last == 0 || refused.number < last;
        for refused in self.kept.iter().rev().filter(older) {
            refused.write(list.item());
            if list.is_full() {
                return Some(list.next(refused.number));
            }
        }
        list.end();
        None
    }
}

impl Refused {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"time\":\"");
        time::moment(out, self.time, time::Spelling::Seconds);
        out.push(b'"');
        let (id, client) = (self.id.to_string(), self.client.to_string());
        for (name, value) in [
            ("id", id.as_str()),
            ("code", self.code.as_str()),
            ("host", &self.host),
            ("role", &self.role),
            ("client", &client),
            ("rule", &self.rule),
            ("hint", &self.hint),
        ] {
            out.push(b',');
            json::string(out, name);
            out.push(b':');
            json::string(out, value);
        }
        out.push(b'}');
    }
}

/// Puts a text, cut, in the place of another.
fn refill(mut room: String, text: &str) -> String {
    let longest = text.len().min(TEXT_BYTES_MAX);
    let cut = (0..=longest).rev().find_map(|end| text.get(..end));
    room.clear();
    room.push_str(cut.unwrap_or_default());
    room
}
