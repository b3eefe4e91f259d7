//! Compares what a client may have meant with what it heard and what the origin saw.

use std::collections::{BTreeMap, HashMap};

use super::client::Heard;
use super::origins::{self, Said};
use super::reader::{End, May, Reading, Request};

/// How the cases ended, counted.
pub(super) type Tally = BTreeMap<&'static str, u64>;

/// A case that was sent.
pub(super) struct Tried {
    /// Its number.
    pub(super) id: u64,
    /// What was sent.
    pub(super) bytes: Vec<u8>,
    /// What that may mean.
    pub(super) reading: Reading,
    /// What came back.
    pub(super) heard: Heard,
}

/// Compares what the origin said with the cases: a list of failures.
pub(super) fn judge(cases: &[Tried], said: Said, tally: &mut Tally) -> Vec<String> {
    let mut failures = Vec::new();
    let meant = |case: &Tried| {
        let requests = case.reading.requests.iter();
        requests
            .map(|(request, _)| (request.clone(), case.id))
            .collect::<Vec<_>>()
    };
    let owners: HashMap<Request, u64> = cases.iter().flat_map(meant).collect();
    let mut seen: HashMap<u64, Vec<Request>> = HashMap::new();
    for request in said.requests {
        match owners.get(&request) {
            Some(id) => seen.entry(*id).or_default().push(request),
            None => failures.push(format!("smuggled: {request:?}")),
        }
    }
    let complaints = said
        .complaints
        .into_iter()
        .filter(|complaint| !excused(complaint, cases));
    failures.extend(complaints.map(|complaint| format!("the origin complains: {complaint}")));
    for case in cases {
        match verdict(
            &case.reading,
            &case.heard,
            seen.get(&case.id).map_or(&[], Vec::as_slice),
        ) {
            Ok(kind) => *tally.entry(kind).or_default() += 1,
            Err(why) => failures.push(format!(
                "case {}: {why}\n  sent: \"{}\"\n  reading: {:?}\n  heard: {:?}",
                case.id,
                case.bytes.escape_ascii(),
                case.reading,
                case.heard
            )),
        }
    }
    failures
}

/// Does the origin object to a request that a client may have meant, but that an origin may refuse as well?
fn excused(complaint: &str, cases: &[Tried]) -> bool {
    let odd = cases.iter().flat_map(|case| {
        let whole = case.reading.requests.iter();
        let whole = whole
            .filter(|(_, may)| *may == May::Either)
            .map(|(request, _)| request);
        whole.chain(&case.reading.begun)
    });
    let first_line = |request: &Request| {
        let ascii = request
            .target
            .iter()
            .take_while(|byte| byte.is_ascii())
            .copied()
            .collect::<Vec<_>>();
        String::from_utf8_lossy(&[&request.method[..], &ascii].join(&b' ')).into_owned()
    };
    odd.map(first_line).any(|line| complaint.contains(&line))
}

/// Compares what a client may have meant, what it heard, and what the origin saw.
pub(super) fn verdict(reading: &Reading, heard: &Heard, seen: &[Request]) -> Result<&'static str, String> {
    let mut passed = Vec::new();
    for (index, reply) in heard.replies.iter().enumerate() {
        let Some((request, may)) = reading.requests.get(index) else {
            let refused = (400..500).contains(&reply.status) || reading.end_refused;
            if reply.seen.is_some() || !refused || reading.end == End::Clean {
                return Err(format!("{reply:?} to what is no request"));
            }
            continue;
        };
        match (&reply.seen, may) {
            (Some(_), May::Refuse) => return Err(format!("{request:?} ought to be refused")),
            (Some(seen), _) if *seen != origins::seen(request) => {
                return Err(format!("{reply:?} is not the reply to {request:?}"));
            }
            (Some(_), _) => passed.push(request.clone()),
            (None, May::Pass) => return Err(format!("{request:?} is plain, but got {reply:?}")),
            (None, May::Either) if !(400..500).contains(&reply.status) => {
                return Err(format!("{request:?} got {reply:?}"));
            }
            (None, _) => {}
        }
    }
    if passed != seen {
        return Err(format!("the origin saw {seen:?}"));
    }
    complete(reading, heard)?;
    Ok(match reading.end {
        _ if heard.replies.iter().all(|reply| reply.seen.is_some()) && reading.end == End::Clean => "passed",
        End::Cut => "cut",
        _ => "refused",
    })
}

/// Was everything answered that ought to be, up to a reply that announced the end?
fn complete(reading: &Reading, heard: &Heard) -> Result<(), String> {
    if heard.unread > 0 {
        return Err(format!("{} bytes that are no reply", heard.unread));
    }
    let wanted = reading.requests.len() + usize::from(reading.end == End::Malformed);
    let closed = heard.replies.last().is_some_and(|reply| reply.closes);
    if heard.replies.len() < wanted && !closed {
        return Err(format!("{} replies instead of {wanted}", heard.replies.len()));
    }
    Ok(())
}
