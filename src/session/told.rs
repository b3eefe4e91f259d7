//! What the log tells of a request inside of an intercepted tunnel where the ACL asks for that (`detailed_http_logs`): its
//! URI, its method, and its fields, with the values of those alone that the ACL names. What is added to it is not among
//! them, for it is not the client's. How a line spells that is `log`'s.

use crate::http::head::RequestHead;
use crate::net::{Scheme, Target};
use crate::policy::interception::Detail;

/// So much of a URI is told, in bytes,
const URL_BYTES_MAX: usize = 4096;

/// and so much of all fields together, names and values.
const FIELDS_BYTES_MAX: usize = 8192;

/// So much counts a value that is not to be seen.
const REDACTED_BYTES: usize = 10;

/// A field's name with its values, in their order; none stands for a value that is not to be seen.
pub type Field = (Box<str>, Vec<Option<Box<[u8]>>>);

/// A request as the log tells of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// The URI.
    pub url: Box<[u8]>,
    /// The method.
    pub method: Box<str>,
    /// The fields, in order of their names, each with its values in their order.
    pub fields: Vec<Field>,
}

impl Told {
    /// Of a request to this target.
    pub(super) fn of(head: &RequestHead<'_>, target: &Target, detail: &Detail) -> Told {
        let authority = target.host_field(Scheme::Https.default_port());
        let mut url = format!("https://{}", authority.host).into_bytes();
        if let Some(port) = authority.port {
            url.extend_from_slice(format!(":{port}").as_bytes());
        }
        let path = match head.target {
            path @ [b'/', ..] => path,
            // Its authority is the target's.
            absolute => path_of(absolute),
        };
        url.extend_from_slice(path);
        url.truncate(URL_BYTES_MAX);
        Told {
            url: url.into(),
            method: head.method.get(..64).unwrap_or(head.method).into(),
            fields: fields(head, detail),
        }
    }
}

/// What stands behind scheme and authority.
fn path_of(uri: &[u8]) -> &[u8] {
    let authority = uri.windows(3).position(|bytes| bytes == b"://").map(|at| at + 3);
    let rest = authority.and_then(|at| uri.get(at..)).unwrap_or_default();
    let path = rest.iter().position(|byte| b"/?".contains(byte));
    path.and_then(|at| rest.get(at..)).unwrap_or_default()
}

fn fields(head: &RequestHead<'_>, detail: &Detail) -> Vec<Field> {
    let mut told: Vec<Field> = Vec::new();
    let mut bytes_left = FIELDS_BYTES_MAX;
    for field in head.fields.iter() {
        let value = detail.shows(field.name).then_some(field.value);
        let value_bytes = value.map_or(REDACTED_BYTES, <[u8]>::len);
        let Some(left) = bytes_left.checked_sub(field.name.len() + value_bytes) else {
            break;
        };
        bytes_left = left;
        let name = canonical(field.name);
        match told.iter_mut().find(|(other, _)| *other == name) {
            Some((_, values)) => values.push(value.map(Into::into)),
            None => told.push((name, vec![value.map(Into::into)])),
        }
    }
    told.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    told
}

/// A name as the reference's language spells it: each part begins with a capital letter.
fn canonical(name: &str) -> Box<str> {
    let mut begins = true;
    let spelled: String = name
        .chars()
        .map(|letter| {
            let spelled = match begins {
                true => letter.to_ascii_uppercase(),
                false => letter.to_ascii_lowercase(),
            };
            begins = letter == '-';
            spelled
        })
        .collect();
    spelled.into()
}
