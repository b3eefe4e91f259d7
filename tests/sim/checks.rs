//! What must be true when all is over: for every client, every origin, and for what was lent. Records are judged in
//! `records`, addresses in `public`.

use std::collections::HashMap;

use crate::client::{Client, Final};
use crate::plan::{Exchange, Expected, Fault, How, Taste};
use crate::random::payload;
use crate::records::judge_records;
use crate::seals::judge_seals;
use crate::wires::Ended;
use crate::world::World;

/// Everything that is wrong at the end.
pub(crate) fn all(world: &World) -> Vec<String> {
    let mut wrong = world.complaints.clone();
    for link in &world.links.all {
        wrong.extend(link.wire.complaints());
        if !link.wire.closed() {
            wrong.push("a wire is left open".into());
        }
    }
    if world.stores.pipes.in_use() != 0 {
        wrong.push(format!("{} pipes are lost", world.stores.pipes.in_use()));
    }
    if world.stores.budget.used_bytes() != 0 {
        wrong.push(format!(
            "{} bytes are left in the budget",
            world.stores.budget.used_bytes()
        ));
    }
    if !world.stores.budget.is_unused() {
        wrong.push("something is charged to somebody who is gone".into());
    }
    if world.view.policy.taken() != (0, 0, 0) {
        wrong.push(format!("limits are still taken: {:?}", world.view.policy.taken()));
    }
    for (nth, client) in world.clients.iter().enumerate() {
        let mut found = Vec::new();
        let watched = &world.conns[nth];
        if !watched.over {
            found.push("its session is not over".into());
        }
        if let Some(seq) = watched.looking_up {
            found.push(format!("nobody cancelled the lookup {seq}"));
        }
        if let Some(dial) = &watched.dial {
            found.push(format!("nobody gave up the dial {dial:?}"));
        }
        judge_client(world, nth, client, &mut found);
        judge_records(world, nth, client, &mut found);
        wrong.extend(found.into_iter().map(|what| format!("client {nth}: {what}")));
    }
    judge_origins(world, &mut wrong);
    judge_seals(world, &mut wrong);
    wrong
}

fn judge_client(world: &World, nth: usize, client: &Client, wrong: &mut Vec<String>) {
    let taste = world.setting.taste;
    let reader = &client.reader;
    wrong.extend(reader.complaint.clone());
    for (ask_nth, (end, exchange)) in reader.finals.iter().zip(&client.exchanges).enumerate() {
        let number = exchange.ask.number;
        let last = ask_nth >= reader.answered || end.until_close;
        let result = if end.ours {
            judge_refusal(end, exchange, world)
        } else {
            judge_answer(end, exchange, last.then_some(client.ended), world)
        };
        wrong.extend(result.err().map(|why| format!("response to {number}: {why}")));
    }
    // A refusal may come before the method was understood, and then it closes.
    let before_method = |(end, exchange): (&Final, &Exchange)| end.ours && exchange.ask.method == "HEAD";
    let pairs: Vec<_> = reader.finals.iter().zip(&client.exchanges).collect();
    let tolerated = pairs.last().copied().is_some_and(before_method);
    if reader.closed && !tolerated && !reader.rest(&client.received).is_empty() {
        wrong.push("bytes behind the last response".into());
    }
    if let (Some(at), Some(exchange)) = (
        reader.tunnel_at,
        client.exchanges.get(reader.answered.wrapping_sub(1)),
    ) {
        let (_, length, _) = exchange.answer.tunnel;
        let bytes = payload(exchange.ask.number, b'o', length);
        if !bytes.starts_with(&client.received[at..]) {
            wrong.push("the tunnel gave the client other bytes than the origin's".into());
        }
        if taste.calm && client.received.len() - at != length {
            wrong.push(format!(
                "{} of the origin's {length} bytes came through",
                client.received.len() - at
            ));
        }
    }
    if taste.calm {
        judge_calm(client, taste, wrong);
    }
    let _ = nth;
}

/// Where nothing goes wrong every request is answered, or it was said that no more would be.
fn judge_calm(client: &Client, taste: Taste, wrong: &mut Vec<String>) {
    let reader = &client.reader;
    let last = reader.finals.last();
    let broken = last.is_some_and(|last| last.until_close || !last.complete);
    let answered = reader.finals.len();
    // A client that said FIN is not kept waiting for ever, and a reset may overtake the head of what it cuts.
    let next = client
        .exchanges
        .get(answered)
        .map(|exchange| exchange.expected(taste));
    let given_up = match next {
        Some(Expected::Refused(504)) => client.fin_sent,
        Some(Expected::Broken) => client.ended == Some(Ended::Reset),
        _ => false,
    };
    // Who ended its half, and is not to get more, may miss the notice of our end.
    let said_all = reader.tunnel_at.is_none() && client.fin_sent;
    let is_cut = client.ended == Some(Ended::Cut) && !said_all;
    if (client.ended == Some(Ended::Reset) || is_cut) && !broken && !given_up {
        wrong.push(format!("the connection ended by {:?}", client.ended));
    }
    let done = given_up
        || reader.closed
        || reader.tunnel_at.is_some()
        || broken
        || answered == client.exchanges.len();
    if !done {
        wrong.push(format!(
            "{answered} of {} requests were answered",
            client.exchanges.len()
        ));
    }
    // What could be kept must be.
    for (end, exchange) in reader.finals.iter().zip(&client.exchanges) {
        let ask = &exchange.ask;
        let plain = ask.how == How::Plain && ask.persists() && !ask.has_content();
        let intact = !end.ours || !matches!(end.status, 400 | 408 | 431);
        if plain && intact && !end.until_close && end.complete && end.closes && (end.ours || !ask.http10) {
            wrong.push(format!("the connection was not kept after {}", ask.number));
        }
    }
}

fn judge_refusal(end: &Final, exchange: &Exchange, world: &World) -> Result<(), String> {
    let taste = world.setting.taste;
    let status = end.status;
    let expected = exchange.expected(taste);
    let wild = !taste.calm && matches!(status, 408 | 502 | 503 | 504);
    // Unanswered bodies and heads that never came are refused before anybody asks where to.
    let fits = match expected {
        Expected::Refused(504) if status == 502 => taste.expires && !exchange.ask.repeatable(),
        Expected::Refused(due) => status == due,
        Expected::Broken | Expected::AnsweredOr502 => status == 502,
        Expected::Answered | Expected::Tunnel => false,
    };
    if !fits && !wild {
        return Err(format!("{status} instead of {expected:?}"));
    }
    if end.challenges != (status == 407 && exchange.ask.credentials != crate::plan::Credentials::Good) {
        return Err(format!("{status} with a challenge: {}", end.challenges));
    }
    if !end.complete && taste.calm {
        return Err("a refusal that breaks off".into());
    }
    Ok(())
}

/// `ended` is how the stream ended where the response was the last in it.
fn judge_answer(
    end: &Final,
    exchange: &Exchange,
    ended: Option<Option<Ended>>,
    world: &World,
) -> Result<(), String> {
    let taste = world.setting.taste;
    let (ask, answer) = (&exchange.ask, &exchange.answer);
    let expected = exchange.expected(taste);
    if let Expected::Refused(status) = expected {
        return Err(format!("the origin's {} instead of {status}", end.status));
    }
    if ask.how == How::Connect {
        return Ok(());
    }
    if end.answers != Some(ask.number) || end.status != answer.status {
        return Err(format!("it is {} and answers {:?}", end.status, end.answers));
    }
    if end.challenges {
        return Err("it has the origin's challenge to a proxy".into());
    }
    let content = exchange.content();
    if !content.starts_with(&end.content) {
        return Err("its content is another's".into());
    }
    let whole = end.content.len() == content.len();
    // A Content-Length or a last chunk says that this was all; so does a FIN where nothing else does.
    let looks_whole = end.complete || end.until_close && ended == Some(Some(Ended::Fin));
    if looks_whole && !whole {
        return Err(format!(
            "{} of {} bytes look complete",
            end.content.len(),
            content.len()
        ));
    }
    if looks_whole && matches!(answer.fault, Fault::Cut(..)) && !end.until_close {
        return Err("it was cut and looks complete".into());
    }
    if taste.calm && expected != Expected::Broken && !looks_whole {
        return Err(format!(
            "only {} of {} bytes came through",
            end.content.len(),
            content.len()
        ));
    }
    let trailed = answer.trailer >= 30 && matches!(answer.body, crate::plan::Body::Chunked(_));
    let trailers = match trailed && end.complete && !ask.http10 && !content.is_empty() {
        true => vec![format!("X-Trail: {}", "t".repeat(answer.trailer))],
        false => end.trailers.clone(),
    };
    if end.trailers != trailers {
        return Err(format!("its trailers are {:?}", end.trailers));
    }
    Ok(())
}

fn judge_origins(world: &World, wrong: &mut Vec<String>) {
    let taste = world.setting.taste;
    let mut seen: HashMap<u32, usize> = HashMap::new();
    for origin in &world.origins {
        wrong.extend(origin.complaints.iter().cloned());
        for number in &origin.seen {
            *seen.entry(*number).or_default() += 1;
        }
        let Some((number, at)) = origin.tunnel else {
            continue;
        };
        let Some((owner, exchange)) = world.book.get(&number) else {
            continue;
        };
        let (length, _, _) = exchange.answer.tunnel;
        let bytes = payload(number, b'c', length);
        let got = origin.received.get(at..).unwrap_or_default();
        if !bytes.starts_with(got) {
            wrong.push(format!(
                "the tunnel {number} gave the origin other bytes than the client's"
            ));
        }
        let complete = world.clients[*owner].has_sent_all();
        if taste.calm && complete && got.len() != length {
            wrong.push(format!(
                "tunnel {number}: {} of the client's {length} bytes came through",
                got.len()
            ));
        }
    }
    for (number, times) in seen {
        let repeatable = world
            .book
            .get(&number)
            .is_some_and(|(_, exchange)| exchange.ask.repeatable());
        if times > if repeatable { 2 } else { 1 } {
            wrong.push(format!("request {number} was sent {times} times"));
        }
    }
}
