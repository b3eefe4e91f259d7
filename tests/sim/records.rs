//! What must be true of the records of a connection: one decision for each request, one close for each tunnel, and
//! the bytes that moved.

use std::collections::{HashMap, HashSet};

use smokescreen::session::outcome::{Line, ProxyType, Record};

use crate::client::{Client, Reader};
use crate::world::World;

/// One decision for each request, one close for each tunnel, with its bytes counted.
pub(crate) fn judge_records(world: &World, nth: usize, client: &Client, wrong: &mut Vec<String>) {
    let conn = &world.conns[nth];
    let (closes, mut decisions): (Vec<&Record>, Vec<&Record>) = conn
        .records
        .iter()
        .partition(|record| record.line() == Line::Close);
    if world.setting.intercepts {
        judge_intercepted(world, client, &closes, &mut decisions, wrong);
    }
    let mut by_number: HashMap<u32, usize> = HashMap::new();
    for record in &decisions {
        if let Some(number) = number_of(record) {
            *by_number.entry(number).or_default() += 1;
        }
    }
    for (number, times) in &by_number {
        if *times > 1 {
            wrong.push(format!("request {number} was logged {times} times"));
        }
    }
    let answered = client.reader.finals.len();
    if decisions.len() < answered {
        wrong.push(format!("{answered} responses and {} decisions", decisions.len()));
    }
    if decisions.len() > client.exchanges.len() {
        wrong.push(format!(
            "{} requests and {} decisions",
            client.exchanges.len(),
            decisions.len()
        ));
    }
    for exchange in &client.exchanges {
        let ask = &exchange.ask;
        let reached = world
            .origins
            .iter()
            .any(|origin| origin.seen.contains(&ask.number));
        if reached && !by_number.contains_key(&ask.number) {
            wrong.push(format!("request {} was never logged", ask.number));
        }
    }
    let ids: HashSet<_> = decisions.iter().map(|record| record.id).collect();
    if ids.len() != decisions.len() {
        wrong.push("two decisions have one id".into());
    }
    if !world.setting.intercepts {
        judge_tunnel(world, nth, client, &closes, wrong);
    }
}

/// One decision for the CONNECT around all others, which is taken out; one close, if it was let in.
fn judge_intercepted(
    world: &World,
    client: &Client,
    closes: &[&Record],
    decisions: &mut Vec<&Record>,
    wrong: &mut Vec<String>,
) {
    let (connects, inner): (Vec<&Record>, Vec<&Record>) = decisions
        .iter()
        .partition(|record| record.proxy_type == ProxyType::Connect);
    let written = world.links.all[client.link].wire.written();
    let was_told = written.starts_with(b"HTTP/1.1 200 ");
    // Its wire may have broken before the 200 left. One that never came whole is no CONNECT yet.
    let lets_in = |record: &&Record| record.allow && record.error().is_none() && record.status_code.is_none();
    let is_in = connects.first().is_some_and(lets_in);
    if connects.len() > 1 || was_told && !is_in {
        wrong.push(format!(
            "{} decisions of a CONNECT, told: {was_told}",
            connects.len()
        ));
    }
    if closes.len() != usize::from(is_in) {
        wrong.push(format!("let in: {is_in}, and {} close records", closes.len()));
    }
    if !is_in && !inner.is_empty() && connects.len() == 1 {
        wrong.push(format!("{inner:?} inside of no tunnel"));
    }
    if let (Some(connect), Some(close)) = (connects.first(), closes.first())
        && connect.id != close.id
    {
        wrong.push("the close is another's than the CONNECT's".into());
    }
    *decisions = inner;
}

fn number_of(record: &Record) -> Option<u32> {
    std::str::from_utf8(record.trace_id()).ok()?.parse().ok()
}

fn judge_tunnel(world: &World, nth: usize, client: &Client, closes: &[&Record], wrong: &mut Vec<String>) {
    // What was written to the client, taken or not.
    let written = world.links.all[client.link].wire.written();
    let mut reader = Reader::default();
    reader.read_on(written, &client.exchanges);
    let upgraded = world.origins.iter().filter_map(|origin| {
        let (number, at) = origin.tunnel?;
        world.book.get(&number).filter(|(owner, _)| *owner == nth)?;
        Some((origin, at))
    });
    let tunnels: Vec<_> = upgraded.collect();
    let opened = reader.tunnel_at.is_some() || world.conns[nth].tunnel_origin.is_some();
    if closes.len() != usize::from(opened) {
        // A 101 may be on its way to a client that is gone.
        if closes.len() > usize::from(!tunnels.is_empty()) || opened {
            wrong.push(format!(
                "{} tunnels and {} close records",
                tunnels.len(),
                closes.len()
            ));
        }
    }
    let (Some(record), Some((origin, at))) = (closes.first(), tunnels.last()) else {
        return;
    };
    let Some(end) = record.end() else { return };
    let wire = &world.links.all[origin.link].wire;
    let bytes_out = wire.written().len().saturating_sub(*at) as u64;
    let bytes_in = reader.tunnel_at.map_or(0, |at| written.len() - at) as u64;
    let exchange = client.exchanges.last().map(|exchange| exchange.answer.tunnel);
    // To an origin that ended its half, and with that all it had to say, a last word may be lost in order; and a client
    // that was told all of it may leave by a reset.
    let has_broken = wire.memory().broken || world.links.all[client.link].wire.memory().broken;
    let is_last_word_lost = |down| bytes_in == down && has_broken;
    if let (None, false, Some((up, down, _))) = (record.error(), end.active_at_termination, exchange)
        && (bytes_in, bytes_out) != (down as u64, up as u64)
        && !is_last_word_lost(down as u64)
    {
        wrong.push(format!(
            "a tunnel of {up} and {down} bytes ended without error after {bytes_out} and {bytes_in}"
        ));
    }
    if (end.bytes_in, end.bytes_out) != (bytes_in, bytes_out) {
        wrong.push(format!(
            "the tunnel moved {bytes_in} in and {bytes_out} out, logged are {} and {}",
            end.bytes_in, end.bytes_out
        ));
    }
}
