//! Many names in a line for a person: the first of them, and how many more there are.

/// The first of these, so many at most, with commas between them, and ` and N more`.
pub(crate) fn first_of(names: &[String], most: usize) -> String {
    let shown = names.get(..most).unwrap_or(names);
    let listed = shown.join(", ");
    match names.len() - shown.len() {
        0 => listed,
        untold => format!("{listed} and {untold} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_counted() {
        let names: Vec<String> = ["a", "b", "c"].map(String::from).into();
        assert_eq!(first_of(&names, 3), "a, b, c");
        assert_eq!(first_of(&names, 2), "a, b and 1 more");
        assert_eq!(first_of(&[], 2), "");
    }
}
