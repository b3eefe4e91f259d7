//! A log on standard input, line by line: none is held longer than it takes to look at it.

use std::io::{self, BufRead, BufReader, Read as _};

/// The longest line that is looked at, in bytes: what we write is shorter.
const LINE_BYTES_MAX: usize = 256 << 10;

/// How much is read at once.
const READ_BYTES: usize = 256 << 10;

/// Calls `take` with each line of standard input, without its line feed; `None` stands for one that is too long.
pub(super) fn each(take: impl FnMut(Option<&[u8]>)) -> io::Result<()> {
    each_of(BufReader::with_capacity(READ_BYTES, io::stdin().lock()), take)
}

fn each_of(mut input: impl BufRead, mut take: impl FnMut(Option<&[u8]>)) -> io::Result<()> {
    let mut line = Vec::new();
    let mut is_too_long = false;
    loop {
        line.clear();
        let limit = u64::try_from(LINE_BYTES_MAX + 1).unwrap_or(u64::MAX);
        if input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let whole = line.strip_suffix(b"\n");
        let is_cut = whole.is_none() && line.len() > LINE_BYTES_MAX;
        match (is_too_long, is_cut) {
            // The rest of one that was told of.
            (true, _) => {}
            (false, true) => take(None),
            (false, false) => take(Some(whole.unwrap_or(&line))),
        }
        is_too_long = is_cut;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_by_one_and_long_ones_as_none() {
        let long = "x".repeat(2 * LINE_BYTES_MAX + 10);
        let text = format!("a\n\n{long}\nb\r\n{long}");
        let mut found = Vec::new();
        each_of(text.as_bytes(), |line| {
            found.push(line.map(|line| String::from_utf8_lossy(line).into_owned()));
        })
        .unwrap();
        let line = |text: &str| Some(text.to_owned());
        assert_eq!(found, [line("a"), line(""), None, line("b\r"), None]);
    }
}
