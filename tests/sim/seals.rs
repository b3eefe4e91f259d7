//! What must be true of sealed wires in the end: nothing left in the clear, nothing was lost, an end was told where it
//! was one, and a cut nowhere taken for an end.

use crate::plan::{Answer, Body};
use crate::wires::{Ended, Sealed, Sent, Stack, Tls};
use crate::world::World;

/// Everything that is wrong with what was sealed.
pub(crate) fn judge_seals(world: &World, wrong: &mut Vec<String>) {
    let calm = world.setting.taste.calm;
    for (nth, link) in world.links.all.iter().enumerate() {
        let origin = world.origins.iter().find(|origin| origin.link == nth);
        // What is left of a request when its answer is there may be lost.
        let must_arrive = calm && origin.is_none_or(|origin| origin.tunnel.is_some());
        let judged = judge_sent(&link.wire, must_arrive);
        wrong.extend(judged.err().map(|why| format!("wire {nth}: {why}")));
    }
    judge_cuts(world, wrong);
}

/// The same where only the peer can open what was sealed.
fn judge_heard(tls: &Tls, must_arrive: bool) -> Result<(), String> {
    if !tls.written.starts_with(&tls.heard) {
        return Err("the peer opened other bytes than were taken".into());
    }
    let (heard, taken) = (tls.heard.len(), tls.written.len());
    if tls.heard_end && heard < taken {
        return Err(format!("the end was told behind {heard} of {taken} bytes"));
    }
    let memory = &tls.below;
    if tls.was_cut_short
        || !must_arrive
        || !memory.closed
        || memory.broken
        || memory.aborted
        || !tls.peer_has_all()
    {
        return Ok(());
    }
    match heard < taken {
        true => Err(format!("it was closed behind {heard} of {taken} bytes")),
        false if !tls.heard_end => Err("it was closed in order and the end was not told".into()),
        false => Ok(()),
    }
}

fn judge_sent(wire: &Stack, must_arrive: bool) -> Result<(), String> {
    if let Some(tls) = wire.tls() {
        return judge_heard(tls, must_arrive);
    }
    let memory = wire.memory();
    let layers: Vec<&Sealed> = wire.sealed().collect();
    let mut sent = Sent {
        text: memory.written.clone(),
        has_notice: true,
    };
    for layer in layers.iter().rev() {
        sent = layer.sent(&sent.text)?;
        if !layer.written.starts_with(&sent.text) {
            return Err("other bytes left than were taken".into());
        }
    }
    let (left, taken) = (sent.text.len(), wire.written().len());
    if sent.has_notice && left < taken {
        return Err(format!("the end was told behind {left} of {taken} bytes"));
    }
    // Whoever is reset knows; so does who gets a FIN alone, where the wire took no more at its close.
    if !memory.closed || memory.broken || memory.aborted || sent.has_notice {
        return Ok(());
    }
    if !layers.iter().any(|layer| layer.was_cut_short) {
        return Err("it was closed in order and the end was not told".into());
    }
    if must_arrive && layers.first().is_some_and(|layer| layer.was_asked_end) {
        return Err("it was closed before its end had left".into());
    }
    match must_arrive && left < taken {
        true => Err(format!("it was closed behind {left} of {taken} bytes")),
        false => Ok(()),
    }
}

/// Who got what was cut by its source must know.
fn judge_cuts(world: &World, wrong: &mut Vec<String>) {
    let was_cut = |link: usize| {
        let wire = &world.links.all[link].wire;
        let top = wire.sealed().next();
        top.is_some_and(|layer| layer.cut_read) || wire.tls().is_some_and(|tls| tls.cut_read)
    };
    for origin in &world.origins {
        let Some((number, _)) = origin.tunnel else {
            continue;
        };
        let Some((owner, _)) = world.book.get(&number) else {
            continue;
        };
        let client = &world.clients[*owner];
        if client.reader.tunnel_at.is_none() {
            // The origin took it for one too early.
            continue;
        }
        if was_cut(origin.link) && client.ended == Some(Ended::Fin) {
            wrong.push(format!("tunnel {number} was cut, and ended for its client"));
        }
        if was_cut(client.link) && origin.ended == Some(Ended::Fin) {
            wrong.push(format!("tunnel {number} was cut, and ended for its origin"));
        }
    }
    for client in &world.clients {
        let last = client.reader.finals.iter().zip(&client.exchanges).next_back();
        let ends_with_source = |answer: &Answer| matches!(answer.body, Body::UntilClose(_) | Body::Absent);
        let last =
            last.filter(|(end, exchange)| end.until_close && !end.ours && ends_with_source(&exchange.answer));
        let Some((_, exchange)) = last else {
            continue;
        };
        let number = exchange.ask.number;
        let mut origins = world.origins.iter().rev();
        let origin = origins.find(|origin| origin.seen.contains(&number));
        if origin.is_some_and(|origin| was_cut(origin.link)) && client.ended == Some(Ended::Fin) {
            wrong.push(format!("response {number} was cut, and ended for its client"));
        }
    }
}
